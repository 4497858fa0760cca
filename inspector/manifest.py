"""The manifest of a bank: what it was made of and how, the sha256 of each of its files, and where it came from."""

import errno
import json
import stat
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from inspector.errors import BankError
from inspector.problem import explain
from inspector.recipe import Recipe
from inspector.types import Thresholds

SCHEMA: Final = 1

MANIFEST_FILE: Final = "manifest.json"

_FROZEN = ConfigDict(frozen=True, extra="forbid")


class Backbone(BaseModel):
    """Which network embeds: `builtin` or `timm:NAME`, its layers, and the channel statistics it was trained with.

    weights_sha256: digest of the weights file that it was read from.
    """

    model_config = _FROZEN

    name: str
    layers: tuple[str, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    weights_sha256: str


class Sample(BaseModel):
    """One normal sample: its path below the samples folder, the digest of its bytes, its thumbnail's name.

    pixels_sha256: digest of what decodes from it, whatever the format; None in banks from before it was kept.
    """

    model_config = _FROZEN

    path: str
    sha256: str
    thumbnail: str
    pixels_sha256: str | None = None


class Promise(BaseModel):
    """What the thresholds promise, and on what grounds.

    max_false_reject: the budget asked for, 0..1. expected_false_reject: the rate that `ng` stands for.
    interval: where the true rate lies with 90 % confidence, given so many samples.
    estimated: `ng` is extrapolated from the tail, as the samples are too few for the budget.
    samples_needed: how many normal samples the budget needs without extrapolation.
    """

    model_config = _FROZEN

    max_false_reject: float = Field(gt=0, lt=1)
    expected_false_reject: float
    interval: tuple[float, float]
    estimated: bool
    samples: int
    samples_needed: int

    @property
    def exceeded(self) -> bool:
        """Whether more is expected than is allowed, as where somebody chose the thresholds."""
        return not self.estimated and self.expected_false_reject > self.max_false_reject

    def in_words(self) -> str:
        """The same in a line."""
        low, high = self.interval
        if self.estimated:
            return (
                f"{self.samples} samples are too few for {self.max_false_reject:.2%} false rejects, that needs "
                f"{self.samples_needed}: ng is an estimate; at most {high:.2%} of good parts score above it "
                "(90 % confidence)"
            )
        return (
            f"{self.expected_false_reject:.2%} false rejects expected of {self.max_false_reject:.2%} allowed; "
            f"90 % interval {low:.2%} to {high:.2%}, from {self.samples} samples"
        )


class Calibration(BaseModel):
    """How the thresholds were set."""

    model_config = _FROZEN

    folds: int
    fold_by: Literal["image", "block"]
    ok: float
    ng: float
    pixel: float
    promise: Promise

    def limits(self) -> dict[str, Any]:
        """The thresholds of a frame and what they promise, as pages and the documents of candidates have them."""
        promise = self.promise
        said = {"estimated": promise.estimated, "exceeded": promise.exceeded, "promise": promise.in_words()}
        return {"ok": self.ok, "ng": self.ng, **said}


class Source(BaseModel):
    """A picture by its name and the digest of its bytes."""

    model_config = _FROZEN

    path: str
    sha256: str


class Lineage(BaseModel):
    """Which bank this one came from, and what was done to it.

    parent: the sha256 of its manifest; None: from samples alone. added, removed: pictures.
    """

    model_config = _FROZEN

    parent: str | None
    operation: str
    added: tuple[Source, ...] = ()
    removed: tuple[Source, ...] = ()


class Manifest(BaseModel):
    """What manifest.json says. It carries no time and no absolute path: same samples and seed, same bytes.

    proportions: width over height of the samples' frames; None: they differ, the recipe crops, or they were not kept.
    """

    model_config = _FROZEN

    schema_version: Literal[1] = Field(alias="schema")
    id: str
    recipe: Recipe
    backbone: Backbone
    seed: int
    vectors: int = Field(ge=1)
    dim: int = Field(ge=1)
    grid_hw: tuple[int, int]
    covering_radius: float
    proportions: float | None = Field(default=None, gt=0)
    samples: tuple[Sample, ...]
    calibration: Calibration
    lineage: Lineage
    files: dict[str, str]

    @property
    def thresholds(self) -> Thresholds:
        """The thresholds as the core takes them."""
        return Thresholds(self.calibration.ok, self.calibration.ng, self.calibration.pixel)


def check_plain(file: Path) -> None:
    """Raises OSError where there is no plain file: what would be read from a device or a pipe has no end."""
    if not stat.S_ISREG(file.stat().st_mode):
        raise OSError(errno.EINVAL, "no plain file", str(file))


def is_bank_there(path: Path) -> bool:
    """Whether anything lies at `path`: a bank, sound or damaged, or what is none. If not, a first one is to be made."""
    try:
        return any(path.iterdir())
    except FileNotFoundError:
        return path.is_symlink()
    except OSError:
        return True


def read_manifest(path: Path) -> Manifest:
    """The manifest of the bank at `path`, checked by itself; the other files are not looked at.

    Raises:
        BankError: there is no bank, or its manifest is not JSON, of another schema, or says what cannot be.
    """
    file = path / MANIFEST_FILE
    try:
        check_plain(file)
        data = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BankError(
            f"bank {path}: no manifest.json there; expected a folder made by `inspector calibrate`"
        ) from error
    except NotADirectoryError as error:
        raise BankError(f"bank {path}: is no folder, expected one made by `inspector calibrate`") from error
    except (OSError, ValueError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise BankError(f"bank {path}: manifest.json cannot be read ({why})") from error
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        got = data.get("schema") if isinstance(data, dict) else type(data).__name__
        raise BankError(f"bank {path}: schema {got!r}, this version reads schema {SCHEMA}; calibrate again")
    if isinstance(data.get("recipe"), dict):
        for key in ("whitening", "centring"):
            data["recipe"].setdefault(key, 0.0)  # banks from before these keys do neither
    try:
        manifest = Manifest.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        newer = "; was the bank made by a newer version?" if first["type"] == "extra_forbidden" else ""
        raise BankError(f"bank {path}: manifest.json, {explain(first, Manifest)}{newer}") from error
    try:
        _ = manifest.thresholds
    except ValueError as error:
        raise BankError(f"bank {path}: manifest.json, calibration: {error}; calibrate again") from error
    return manifest


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write manifest.json into a folder: stable key order, one line a value."""
    text = json.dumps(manifest.model_dump(mode="json", by_alias=True), indent=1, sort_keys=True)
    (folder / MANIFEST_FILE).write_text(text + "\n", encoding="utf-8")
