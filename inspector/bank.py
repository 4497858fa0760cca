"""The memory bank on disk: arrays and text in one folder, refused whole when anything in it is wrong.

    manifest.json            schema, recipe, backbone, thresholds and how they were set, sha256 of each file, lineage
    graph.xml, graph.bin     the exported graph: pixels to patch embeddings
    backbone.safetensors     the backbone's weights, for other engines and for fine-tuning
    projection.safetensors   the metric and the head of a fine-tuned bank, where there are any, for other engines
    memory.safetensors       vectors float32 (n, dim); source int32 (n): which sample; position int32 (n, 2): row and
                             column of the patch, in the sample as it lies
    calibration.safetensors  scores float32 (samples): cross-fitted image scores; peaks float32 (samples): the highest
                             values of their anomaly maps; fold int32 (samples)
    drift.safetensors        signals of the normals' whole pictures (inspector.drift); older banks lack it, and have no
                             drift charts
    samples/                 thumbnails of the normal samples

Nothing in it is a pickle. How a bank comes to its place: `inspector.bank_place`.
"""

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays

from inspector.drift import ARRAYS, Baseline
from inspector.errors import BankError, InspectorError
from inspector.manifest import MANIFEST_FILE, Calibration, Manifest, check_plain, read_manifest
from inspector.proportions import misfit
from inspector.recipe import Recipe
from inspector.types import BankRef, Decision, Float32Array, Thresholds

GRAPH_FILE: Final = "graph.xml"
BACKBONE_FILE: Final = "backbone.safetensors"
MEMORY_FILE: Final = "memory.safetensors"
SCORES_FILE: Final = "calibration.safetensors"
DRIFT_FILE: Final = "drift.safetensors"
SAMPLES_FOLDER: Final = "samples"

_Seen = TypeVar("_Seen")
_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True)
class Bank:
    """A bank whose every byte was verified.

    vectors: float32 (n, dim). source: int32 (n), an index into manifest.samples. position: int32 (n, 2).
    normal_scores: float32 (samples), ascending: the cross-fitted image scores of the normals. drift: the baseline of
    their whole pictures; None in banks of former versions.
    """

    path: Path
    manifest: Manifest
    ref: BankRef
    vectors: Float32Array
    source: NDArray[np.int32]
    position: NDArray[np.int32]
    normal_scores: Float32Array
    drift: Baseline | None = None

    @property
    def recipe(self) -> Recipe:
        """The recipe that the bank was built with."""
        return self.manifest.recipe

    @property
    def thresholds(self) -> Thresholds:
        """The thresholds that calibration set."""
        return self.manifest.thresholds

    def decide(self, score: float, size_wh: tuple[int, int]) -> tuple[Decision, str | None]:
        """What a frame of this size, in pixels, is with this score, as long as drift does not explain it; and what is
        wrong with its size, if anything.
        """
        usual = self.manifest.proportions
        wrong = None if usual is None else misfit(size_wh, usual)
        decision = self.thresholds.decide(score)
        return Decision.UNCERTAIN if decision is Decision.OK and wrong is not None else decision, wrong

    def summary(self) -> dict[str, Any]:
        """Which bank it is and what it weighs, as reports and --json have it: id, vectors, dim, bytes on disk."""
        return {
            "id": self.manifest.id,
            "vectors": self.manifest.vectors,
            "dim": self.manifest.dim,
            "bytes": self.bytes_on_disk,
        }

    @property
    def bytes_on_disk(self) -> int:
        """Size of all files, bytes."""
        return sum(file.stat().st_size for file in self.path.rglob("*") if file.is_file())

    def check_id(self) -> None:
        """Passes a bank whose id is that of its files and thresholds.

        Not asked when it is loaded: a bank that somebody changed by hand goes on to run.

        Raises:
            BankError: its thresholds or its id were changed in its manifest.
        """
        files, got = self.manifest.files, self.manifest.id
        expected = identity(files, self.manifest.calibration)
        if got not in (expected, identity(files, None)):
            raise BankError(
                f"bank {self.path}: got id {got}, but that of its files and thresholds is {expected}: manifest.json "
                "was changed since the bank was made; restore the folder or calibrate again"
            )

    def read(self, name: str) -> bytes:
        """One of its files, as it was when the bank was loaded.

        Raises:
            BankError: another bank lies there by now, or none.
        """
        try:
            return read_file(self.path, self.manifest, name)
        except BankError as error:
            raise BankError(
                f"bank {self.path}: was exchanged while it was read, expected it to stay; do it again"
            ) from error

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read and verify a bank.

        Raises:
            BankError: it is missing, damaged, of another schema, or its numbers cannot be (dimension, NaN).
        """
        manifest = read_manifest(path)
        verify_files(path, manifest)
        memory = _arrays(path, MEMORY_FILE, ("vectors", "source", "position"))
        normals = _arrays(path, SCORES_FILE, ("scores", "peaks", "fold"))
        vectors, scores = memory["vectors"], normals["scores"]
        expected = (manifest.vectors, manifest.dim)
        if vectors.dtype != np.float32 or vectors.shape != expected:
            raise BankError(f"bank {path}: vectors are {vectors.dtype} {vectors.shape}, expected float32 {expected}")
        if memory["source"].shape != (len(vectors),) or memory["position"].shape != (len(vectors), 2):
            raise BankError(f"bank {path}: source or position does not match {len(vectors)} vectors; calibrate again")
        if not np.isin(memory["source"], range(len(manifest.samples))).all():
            raise BankError(f"bank {path}: source names samples that the manifest does not list; calibrate again")
        if not np.isfinite(vectors).all() or not np.isfinite(scores).all():
            raise BankError(f"bank {path}: vectors or scores hold NaN or infinity; calibrate again")
        if scores.ndim != 1 or len(scores) == 0:
            raise BankError(f"bank {path}: got {scores.shape} normal scores, expected one for each sample")
        return cls(
            path,
            manifest,
            BankRef(manifest.id, manifest_digest(path)),
            vectors.astype(np.float32, copy=False),
            memory["source"].astype(np.int32, copy=False),
            memory["position"].astype(np.int32, copy=False),
            np.sort(scores.astype(np.float32, copy=False)),
            _baseline(path, manifest) if DRIFT_FILE in manifest.files else None,
        )


Stamp = tuple[int, int, int]
"""Tells without reading whether another bank lies at a path: inode, time of change and size of its manifest."""


def stamp(path: Path) -> Stamp | None:
    """The stamp of the bank at `path`; None where there is none."""
    try:
        found = (path / MANIFEST_FILE).stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def undisturbed(look: Callable[[], _Seen], read: Callable[[], _Found]) -> tuple[_Seen, _Found]:
    """What `read` finds of a bank that may be exchanged meanwhile, behind what `look` tells of it, such as its stamp:
    before the reading and again after it. Where that differs, both are done again.

    Raises: what they raise; an InspectorError of a read that was disturbed is not raised.
    """
    while True:
        before = look()
        try:
            found = read()
        except InspectorError:
            if look() == before:
                raise
            continue
        if look() == before:
            return before, found


def verify_files(path: Path, manifest: Manifest) -> None:
    """Compare each file with its sha256 in the manifest.

    Raises:
        BankError: a file is missing, was changed, or is not listed, or lies elsewhere, also by a link.
    """
    for name, expected in manifest.files.items():
        if _leads_out(path, name):
            raise BankError(f"bank {path}: {name!r} in its manifest leads out of the folder; calibrate again")
        try:
            got = file_sha256(path / name)
        except OSError as error:
            raise BankError(f"bank {path}: {name} cannot be read ({error.strerror}); restore the folder") from error
        if got != expected:
            raise BankError(
                f"bank {path}: {name} has sha256 {got[:16]}…, the manifest says {expected[:16]}…; "
                "restore the folder or calibrate again"
            )
    here = {str(file.relative_to(path)) for file in path.rglob("*") if file.is_file()}
    if strays := sorted(here - manifest.files.keys() - {MANIFEST_FILE}):
        raise BankError(f"bank {path}: {strays[0]} is not in the manifest; remove it or calibrate again")


def read_file(path: Path, manifest: Manifest, name: str) -> bytes:
    """One of the files of the bank at `path`, which need not have been verified.

    Raises:
        BankError: it cannot be read, lies elsewhere, or is not what the manifest lists.
    """
    file = path / name
    try:
        if not _leads_out(path, name):
            check_plain(file)
            content = file.read_bytes()
            if hashlib.sha256(content).hexdigest() == manifest.files.get(name):
                return content
    except OSError as error:
        raise BankError(f"bank {path}: {name} cannot be read ({error.strerror}); restore the folder") from error
    raise BankError(f"bank {path}: {name} is not the file that its manifest lists; restore the folder")


def _leads_out(path: Path, name: str) -> bool:
    """Whether a file of this name would lie outside of the bank at `path`, which may itself be reached by a link."""
    within = Path(os.path.realpath(path / name)).is_relative_to(os.path.realpath(path))
    return not within or ".." in Path(name).parts


def digests(folder: Path) -> dict[str, str]:
    """sha256 of each file below a folder by relative path, sorted."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): file_sha256(file) for file in files}


def identity(files: Mapping[str, str], calibration: Calibration | None) -> str:
    """A bank's id: the first twelve digits of the digest of its files' digests and its thresholds. Same bytes, same id.

    The same vectors under other thresholds decide otherwise: their id is another. Without calibration: the id that
    banks of former versions have.
    """
    told = dict(files)
    if calibration is not None:
        told["calibration"] = hashlib.sha256(calibration.model_dump_json().encode()).hexdigest()
    listing = "".join(f"{digest}  {name}\n" for name, digest in sorted(told.items()))
    return hashlib.sha256(listing.encode()).hexdigest()[:12]


def manifest_digest(path: Path) -> str:
    """The digest of the bank at `path`: the sha256 of its manifest, which lists the digests of all other files.

    Raises:
        OSError: it cannot be read.
    """
    return file_sha256(path / MANIFEST_FILE)


def file_sha256(path: Path) -> str:
    """sha256 of a plain file, in hexadecimal."""
    check_plain(path)
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _arrays(path: Path, name: str, keys: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    try:
        arrays: dict[str, NDArray[Any]] = load_arrays((path / name).read_bytes())
    except (OSError, SafetensorError, ValueError) as error:
        raise BankError(f"bank {path}: {name} cannot be read ({error})") from error
    if missing := [key for key in keys if key not in arrays]:
        raise BankError(f"bank {path}: {name} lacks {', '.join(missing)}; calibrate again")
    return arrays


def _baseline(path: Path, manifest: Manifest) -> Baseline:
    try:
        return Baseline.of_arrays(_arrays(path, DRIFT_FILE, ARRAYS), dim=manifest.dim)
    except ValueError as error:
        raise BankError(f"bank {path}: {DRIFT_FILE}: {error}; calibrate again") from error
