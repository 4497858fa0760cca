"""How long the inspection of a frame takes: of what a station's camera sent, where the archive has it."""

import statistics
from contextlib import ExitStack, suppress
from dataclasses import dataclass

import cv2
import numpy as np

from inspector.errors import FrameError, StoreError
from inspector.pipeline import Pipeline
from inspector.settings import Settings
from inspector.store import Archive, Cases
from inspector.store.database import make_engine
from inspector.types import StationId

_TIMES = 5


@dataclass(frozen=True, slots=True)
class Speed:
    """The median time of an inspection in seconds, of a frame of this size in pixels.

    decoded: whether that is the size of the camera's own; if not, decoding them comes on top.
    """

    seconds: float
    size_wh: tuple[int, int]
    decoded: bool

    def __str__(self) -> str:
        width, height = self.size_wh
        return f"{self.seconds * 1e3:.1f} ms a frame of {width}x{height}"


def kept_frames(settings: Settings) -> dict[StationId, bytes]:
    """The newest picture of each station that has one which can be read."""
    found: dict[StationId, bytes] = {}
    if settings.database is None and not settings.ledger_file.exists():
        return found  # to look would make it
    archive = Archive(settings.frames_dir)
    with suppress(StoreError), ExitStack() as stack:  # the examination of the database says why
        engine = make_engine(settings.database_url)
        stack.callback(engine.dispose)
        for station in settings.stations:
            for row in Cases(engine).recent(str(station.id), limit=1):
                with suppress(StoreError):
                    found[station.id] = archive.read(row.sha256, row.image or "")
    return found


def speed(pipeline: Pipeline, kept: bytes | None) -> Speed:
    """Of the kept picture; where there is none that the bank takes, of a noisy one as small as the recipe allows."""
    if kept is not None:
        with suppress(FrameError):
            return _speed(pipeline, kept, decoded=True)
    recipe = pipeline.bank.recipe
    if recipe.roi is not None:
        width, height = recipe.roi.frame_wh
    elif recipe.crop is not None:
        width, height = recipe.crop.x + recipe.crop.width, recipe.crop.y + recipe.crop.height
    else:
        width, height = recipe.size_wh
    noise = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    drawn = cv2.imencode(".jpg", noise)[1].tobytes()
    return _speed(pipeline, drawn, decoded=recipe.roi is not None)


def _speed(pipeline: Pipeline, picture: bytes, *, decoded: bool) -> Speed:
    runs = [pipeline.inspect(picture) for _ in range(_TIMES)]
    seconds = statistics.median(sum(run.stage_ms.values()) / 1e3 for run in runs)
    return Speed(seconds, runs[0].size_wh, decoded)
