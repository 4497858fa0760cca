"""Backbones and recipes side by side, on one's own samples."""
