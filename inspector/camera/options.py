"""What a camera station is asked to do."""

from dataclasses import dataclass, field

from inspector.camera.source import is_device, without_password
from inspector.contract.raw_frame import MAX_TEXT
from inspector.errors import UsageError
from inspector.legible import is_word
from inspector.settings import BrokerSettings
from inspector.types import Expected, StationId

_MOST_KEPT = 1_000_000


@dataclass(frozen=True, slots=True)
class CameraOptions:
    """fps: frames a second; 0 is as fast as the broker acknowledges; None is the source's own rate, or two.
    count: stop after so many. loop: begin the source anew at its end. lot, recipe: said with every frame.
    expected: all frames are checks, of parts that are known to be good or defective.
    window: frames on their way at a time. ack_timeout_s: how long to wait for the broker's answer at the end.
    seed, defect_rate: for the drawn product. size_wh: pixels that a USB camera is asked for. watch: the source is a
    folder that a camera writes into; keep, bridged, patience_s: see `WatchedFolder`.
    """

    source: str
    station: StationId
    broker: BrokerSettings = field(default_factory=BrokerSettings)
    fps: float | None = None
    count: int | None = None
    loop: bool = False
    lot: str | None = None
    recipe: str | None = None
    expected: Expected | None = None
    window: int = 16
    ack_timeout_s: float = 30.0
    seed: int | None = None
    defect_rate: float = 0.1
    size_wh: tuple[int, int] | None = None
    watch: bool = False
    keep: int | None = None
    bridged: bool = False
    patience_s: float = 60.0

    def __post_init__(self) -> None:
        if self.fps is not None and not 0 <= self.fps <= 10_000:
            raise UsageError(f"fps: got {self.fps}, expected 0 (as fast as acknowledged) to 10000")
        if self.count is not None and self.count < 1:
            raise UsageError(f"count: got {self.count}, expected at least 1")
        if not 1 <= self.window <= 65_535:
            raise UsageError(f"window: got {self.window}, expected 1 to 65535 frames")
        if self.size_wh is not None and (self.watch or not is_device(self.source)):
            width, height = self.size_wh
            raise UsageError(
                f"--size {width}x{height}: only a USB camera is asked for a size, by its number or as /dev/video0; "
                f"got {without_password(self.source)!r}"
            )
        if self.watch and self.loop:
            raise UsageError("--watch with --loop: a watched folder has no end to start over at; choose one")
        if self.keep is not None and not self.watch:
            raise UsageError(f"--keep {self.keep} without --watch: only from a watched folder pictures are taken")
        if self.bridged and not self.watch:
            raise UsageError("--bridged without --watch: only a watched folder waits for somebody who listens")
        if self.keep is not None and not 0 <= self.keep <= _MOST_KEPT:
            raise UsageError(f"--keep: got {self.keep}, expected 0 to {_MOST_KEPT} pictures")
        for name, word in (("lot", self.lot), ("recipe", self.recipe)):
            if word is not None and not is_word(word, MAX_TEXT):
                raise UsageError(
                    f"--{name}: got {word!r}, expected 1 to {MAX_TEXT} characters, none a control character; "
                    f"leave it out where there is no {name}"
                )
