"""Visual quality inspection at the line: patch embeddings against a memory bank of normal samples."""

from importlib.metadata import version

__version__ = version("inspector")
