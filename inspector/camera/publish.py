"""Frames out of a source and up to the broker, at a rate, each with an identity of its own."""

import hashlib
import io
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from inspector.camera.options import CameraOptions
from inspector.camera.source import PictureIdentity, Shot, Source, open_source, printable
from inspector.camera.uplink import FrameTally, Uplink
from inspector.camera.watch import WatchedFolder
from inspector.contract import instance_topic
from inspector.errors import BrokerError, FrameError, InspectorError
from inspector.header import upright_size_wh
from inspector.mqtt.credentials import passing_id
from inspector.types import FrameMessage, StationId

DEFAULT_FPS = 2.0
"""The rate of a source that has none of its own."""

_ANNOUNCED_WITHIN_S = 0.3
_WATCHED_ACK_TIMEOUT_S = 5.0
"""What is not acknowledged by then stays in its folder, and comes again."""


@dataclass(frozen=True, slots=True)
class CameraSummary:
    """What a camera station did. missed: pictures of the source that were never sent; the line counts them as a gap, as
    it does the frames that were given up. seconds: from its first frame until the last answer.
    """

    station: StationId
    protocol: str
    tally: FrameTally
    missed: int
    seconds: float

    @property
    def fps(self) -> float:
        """Acknowledged frames a second."""
        return self.tally.acknowledged / self.seconds if self.seconds > 0 else 0.0


def publish(
    options: CameraOptions,
    *,
    stop: threading.Event | None = None,
    on_frame: Callable[[FrameMessage, Shot], None] = lambda _message, _shot: None,
    on_notice: Callable[[str], None] = lambda _: None,
    on_tally: Callable[[FrameTally], None] = lambda _: None,
) -> CameraSummary:
    """Publishes until the source ends or fails, `count` is reached or `stop` is set; then waits for every answer.

    on_frame: called before each frame is sent. on_notice: a line worth telling a person. on_tally: after each frame and
    each answer. The last two from any thread.

    Raises:
        SourceError: the source cannot be opened. SourceLostError: it stopped to deliver.
        BrokerError: the broker cannot be reached, refuses, or did not acknowledge every frame.
    """
    stop = stop if stop is not None else threading.Event()
    run = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
    source = _source(options, run, stop, on_notice)
    uplink = Uplink(
        options.broker,
        client_id=passing_id("camera", options.station),
        window=options.window,
        on_notice=on_notice,
        on_tally=on_tally,
    )
    with source, uplink:
        _warn_if_unwatched(uplink, options.station, on_notice)
        rate = _rate(options, source)
        pace = _Pace(rate)
        shots = _repeated(source, stop, loop=options.loop)
        started = time.monotonic()
        sent = missed = 0
        size_told = False
        with _drained_on_error(uplink, options, on_notice):
            while (options.count is None or sent < options.count) and pace.wait(sent, stop):
                shot = next(shots, None)
                if shot is None:
                    break
                size_told = size_told or _size_told(shot, on_notice)
                missed += shot.lost
                if (passed := _passed(shot, rate, uplink.waited_s)) > 0:
                    missed += passed
                    on_notice(f"{passed} pictures of the source passed unsent while the broker was away or slow")
                message = _message(options, shot, run, sent + missed)
                on_frame(message, shot)
                if not uplink.send(message, shot.content_type, stop, shot.on_answer):
                    break
                sent += shot.identity is None or not shot.identity.again
        tally = _drained(uplink, options)
        seconds = time.monotonic() - started
    return CameraSummary(options.station, uplink.protocol, tally, missed, seconds)


def _source(options: CameraOptions, run: str, stop: threading.Event, on_notice: Callable[[str], None]) -> Source:
    if options.watch:
        return WatchedFolder(
            options.source,
            keep=options.keep,
            bridged=options.bridged,
            patience_s=options.patience_s,
            stop=stop,
            on_notice=on_notice,
        )
    return open_source(
        options.source,
        run=run,
        seed=options.seed,
        defect_rate=options.defect_rate,
        size_wh=options.size_wh,
        stop=stop,
        on_notice=on_notice,
    )


def _drained(uplink: Uplink, options: CameraOptions) -> FrameTally:
    if not options.watch:
        return uplink.drain(options.ack_timeout_s)
    try:
        return uplink.drain(min(options.ack_timeout_s, _WATCHED_ACK_TIMEOUT_S))
    except BrokerError as error:
        raise BrokerError(
            f"{error}, and their files stay in {printable(options.source)}: they are published at the next start"
        ) from error


@contextmanager
def _drained_on_error(uplink: Uplink, options: CameraOptions, on_notice: Callable[[str], None]) -> Iterator[None]:
    """Frames that are on their way when the source fails arrive all the same, or are told."""
    try:
        yield
    except InspectorError:
        try:
            _drained(uplink, options)
        except BrokerError as error:
            on_notice(str(error))
        raise


def _passed(shot: Shot, rate: float, waited_s: float) -> int:
    """How many pictures would have been sent, had the frame before this one not waited for the broker."""
    if waited_s == 0:
        return 0  # a source that is faster than its pace, or than this machine, is thinned out as it was told to be
    return shot.overtaken if rate == 0 else min(shot.overtaken, int(waited_s * rate))


def _rate(options: CameraOptions, source: Source) -> float:
    if options.fps is not None:
        return options.fps
    return DEFAULT_FPS if source.fps is None else source.fps


def _repeated(source: Source, stop: threading.Event, *, loop: bool) -> Iterator[Shot]:
    yield from source.shots()
    while loop and not stop.is_set():
        yield from source.shots()


def _size_told(shot: Shot, on_notice: Callable[[str], None]) -> bool:
    """Whether the picture tells its size, and so it was told."""
    try:
        width, height = upright_size_wh(io.BytesIO(shot.image))
    except FrameError:
        return False
    on_notice(f"pictures have {width}x{height} pixels")
    return True


def _message(options: CameraOptions, shot: Shot, run: str, seq: int) -> FrameMessage:
    identity = shot.identity or PictureIdentity(f"{run}-{seq:06d}", seq, datetime.now(UTC))
    return FrameMessage(
        station=options.station,
        frame_id=f"{options.station.station}-{identity.name}",
        payload=shot.image,
        sha256=hashlib.sha256(shot.image).hexdigest(),
        seq=None if options.expected is not None else identity.seq,  # the production camera counts
        captured_at=identity.captured_at,
        part_id=shot.part_id,
        lot=options.lot,
        recipe=options.recipe,
        expected=options.expected,
    )


class _Pace:
    """When the next frame is due. A delay moves all later frames: lost time is not made up in a burst."""

    def __init__(self, fps: float) -> None:
        self._period = 1 / fps if fps > 0 else 0.0
        self._start = time.monotonic()

    def wait(self, seq: int, stop: threading.Event) -> bool:
        """Waits for frame `seq`; False where `stop` was set."""
        late = time.monotonic() - (self._start + seq * self._period)
        if late > self._period:
            self._start += late
        return not stop.wait(max(0.0, -late)) if late < 0 else not stop.is_set()


def _warn_if_unwatched(uplink: Uplink, station: StationId, on_notice: Callable[[str], None]) -> None:
    """Tells where no daemon on this broker says that it watches the station, or where it is away."""
    told = uplink.retained(instance_topic("+", "+"), _ANNOUNCED_WITHIN_S)
    if told is None:
        return  # a broker that does not answer is another matter, and the frames will show it
    daemons = [
        topic.removesuffix("/info")
        for topic, payload in told.items()
        if topic.endswith("/info") and str(station) in _announced(payload)
    ]
    states = [told.get(f"{daemon}/status", b"online").decode(errors="replace") for daemon in daemons]
    if not daemons:
        on_notice(
            f"no daemon announces station {station}, as far as this user of the broker may read; "
            "its frames may go unheard"
        )
    elif "online" not in states:
        on_notice(f"the daemon of station {station} is {states[0]}; the broker may keep the frames until it is back")


def _announced(info: bytes) -> frozenset[str]:
    """The stations in a daemon's `/info`; none where it is not of our making."""
    try:
        return frozenset(station["id"] for station in json.loads(info)["stations"])
    except (ValueError, KeyError, TypeError):
        return frozenset()
