"""The contract in one file: the values that flow from payload bytes to a published verdict.

    payload bytes -> FrameMessage -> Frame -> patch embeddings -> distances -> Inspection -> Verdict

Values are frozen and checked at birth; nothing downstream checks again. Times are UTC, durations milliseconds,
coordinates pixels of the original frame with the origin at the top left.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from inspector.errors import StationNameError

if TYPE_CHECKING:
    from inspector.planes import Planes

UInt8Image = NDArray[np.uint8]
Float32Array = NDArray[np.float32]

_STATION_LEVEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class Drop(StrEnum):
    """Why a frame got no answer."""

    DUPLICATE = "duplicate"
    RETAINED = "retained"
    SUPERSEDED = "superseded"


class Decision(StrEnum):
    """What the line is told about one frame. An error is never `ok`."""

    OK = "ok"
    NG = "ng"
    UNCERTAIN = "uncertain"
    ERROR = "error"


class Expected(StrEnum):
    """What the part of a check is known to be."""

    OK = "ok"
    NG = "ng"

    def met_by(self, decision: Decision) -> bool:
        """Whether the station told it: a good part passed, a defective one did not, be it ng or uncertain."""
        return decision is Decision.OK if self is Expected.OK else decision in (Decision.NG, Decision.UNCERTAIN)


@dataclass(frozen=True, slots=True)
class StationId:
    """One camera position, `site/area/line/station`. Each level: letters, digits, `_`, `.`, `-`, at most 64."""

    site: str
    area: str
    line: str
    station: str

    def __post_init__(self) -> None:
        for level in (self.site, self.area, self.line, self.station):
            if not _STATION_LEVEL.fullmatch(level) or ".." in level:
                raise StationNameError(
                    f"station {self!s}: level {level!r} is not allowed; expected 1 to 64 of letters, digits, "
                    "'_', '.', '-', beginning with a letter or digit, without '..'"
                )

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `site/area/line/station`.

        Raises:
            StationNameError: not four levels, or a level with a character that topics and paths must not carry.
        """
        levels = text.split("/")
        if len(levels) != 4:
            raise StationNameError(
                f"station {text!r}: got {len(levels)} level(s), expected four: site/area/line/station, "
                "as in plant/hall1/line1/cam1"
            )
        return cls(*levels)

    def __str__(self) -> str:
        return f"{self.site}/{self.area}/{self.line}/{self.station}"


@dataclass(frozen=True, slots=True)
class Frame:
    """A decoded picture.

    pixels: uint8 (height, width, 3), RGB, upright (EXIF orientation applied).
    """

    pixels: UInt8Image

    def __post_init__(self) -> None:
        if self.pixels.dtype != np.uint8 or self.pixels.ndim != 3 or self.pixels.shape[2] != 3:
            raise ValueError(f"frame: got {self.pixels.dtype} {self.pixels.shape}, expected uint8 (height, width, 3)")

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.pixels.shape[1], self.pixels.shape[0]


@dataclass(frozen=True, slots=True)
class FrameMessage:
    """What a camera station sent: an image payload with its identity, before any pixel is decoded.

    expected: the part is a check part, known to be good or defective; None for production.
    """

    station: StationId
    frame_id: str
    payload: bytes
    sha256: str
    seq: int | None = None
    captured_at: datetime | None = None
    part_id: str | None = None
    lot: str | None = None
    recipe: str | None = None
    expected: Expected | None = None


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Image scores at or below `ok` are ok, above `ng` are ng, between them uncertain.

    `pixel` bounds the anomaly map: connected areas above it are regions.
    """

    ok: float
    ng: float
    pixel: float

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (self.ok, self.ng, self.pixel))) or self.ok > self.ng:
            raise ValueError(f"thresholds: got {self}, expected finite numbers with ok <= ng")

    def decide(self, score: float) -> Decision:
        """The decision for a finite image score; a score that is no number is an error, never ok."""
        if not math.isfinite(score):
            return Decision.ERROR
        if score <= self.ok:
            return Decision.OK
        return Decision.NG if score > self.ng else Decision.UNCERTAIN


@dataclass(frozen=True, slots=True)
class Region:
    """A connected area of the anomaly map above the pixel threshold, in pixels of the original frame."""

    x: int
    y: int
    width: int
    height: int
    area: int
    score: float


@dataclass(frozen=True, slots=True)
class Reading:
    """Signals of one whole picture, compared with those of the normals; in the order of drift.SIGNALS.

    signals: float64 (signals,), each in its own unit. deviations: float64 (signals,), signed, in standard deviations of
    the normals. out: names of the signals that are out of control. usual_patch: the frame's median patch score.
    """

    signals: NDArray[np.float64]
    deviations: NDArray[np.float64]
    out: tuple[str, ...]
    usual_patch: float


@dataclass(frozen=True, slots=True)
class Inspection:
    """What the pipeline says about one picture.

    score: image score, >= 0. p_value: (0, 1], how often a normal sample scores at least this high.
    anomaly_map: float32 (height, width) at the recipe's size, over the crop or whole frame; 0 outside the region of
    interest. size_wh: of the frame, pixels. stage_ms: milliseconds by stage.
    reading: signals of the whole picture; None where the bank has no baseline. reason: why it is uncertain, where
    that is not its score alone. explained: its score is above `ng`, and drift alone explains that.
    """

    decision: Decision
    score: float
    p_value: float
    regions: tuple[Region, ...]
    anomaly_map: Float32Array
    size_wh: tuple[int, int]
    stage_ms: Mapping[str, float]
    reading: Reading | None = None
    reason: str | None = None
    explained: bool = False

    @property
    def why(self) -> str | None:
        """Why it is uncertain, as its verdict says; None where it is not."""
        uncertain = self.decision is Decision.UNCERTAIN
        return (self.reason or "the score is between the thresholds ok and ng") if uncertain else None


@dataclass(frozen=True, slots=True)
class BankRef:
    """Which bank decided: its id, and the sha256 of its manifest."""

    id: str
    digest: str


ExchangeAction = Literal["promote", "rollback", "thresholds"]


class Exchange(BaseModel):
    """One bank that took the place of another. before: None where there was no bank.

    guard: how many confirmed defects the bank was held against when it was taken into use; None where nobody asked.
    guard_missed: how many of them it passes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: datetime
    by: str
    action: ExchangeAction
    before: BankRef | None
    after: BankRef
    reason: str | None = None
    guard: int | None = None
    guard_missed: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """The durable outcome of one frame, as published. `reason` is set where the decision is not ok or ng.

    drift: signals of the whole picture that are out of control. expected: as the frame said it; None for production.
    """

    result_id: str
    station: StationId
    frame_id: str
    seq: int | None
    part_id: str | None
    lot: str | None
    recipe: str
    decision: Decision
    score: float
    thresholds: Thresholds
    p_value: float
    regions: tuple[Region, ...]
    bank: BankRef
    captured_at: datetime | None
    received_at: datetime
    decided_at: datetime
    stage_ms: Mapping[str, float] = field(default_factory=dict)
    reason: str | None = None
    drift: tuple[str, ...] = ()
    expected: Expected | None = None


Distances = Callable[[Float32Array], Float32Array]
"""From queries float32 (m, dim) to their distances float32 (m, k) to the k nearest vectors, or planes through them."""


class Engine(Protocol):
    """Runs a bank's exported graph: pooled, fused patch embeddings out of pictures."""

    @property
    def name(self) -> str:
        """What ran, for records: engine, device, precision."""
        ...

    def embed(self, images: UInt8Image) -> Float32Array:
        """uint8 (n, height, width, 3) RGB at the recipe's size -> float32 (n, grid_h, grid_w, dim).

        The embedding of a picture does not depend on n or on the other pictures.
        """
        ...

    def distances(self, vectors: Float32Array, k: int, count: int, planes: "Planes | None" = None) -> Distances | None:
        """A search of `count` queries at a time among `vectors`, float32 (n, dim), by the engine's own threads.

        planes: planes through these vectors, to which distances are taken; None: to the vectors themselves.

        Returns:
            None where the engine has no better way than faiss.
        """
        ...
