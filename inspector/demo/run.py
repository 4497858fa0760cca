"""The demo from beginning to end: folder, samples, banks, broker, daemon, cameras, live line, summary."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from inspector.demo.broker import running_broker
from inspector.demo.crew import crew_at_work
from inspector.demo.daemon import running_daemon
from inspector.demo.interrupt import Interrupt
from inspector.demo.machine import check_cpu
from inspector.demo.page import prepare_page, wait_for_page
from inspector.demo.port import check_port, free_port
from inspector.demo.report import live_line
from inspector.demo.scene import prepare, write_settings
from inspector.demo.score import Book, DemoSummary
from inspector.demo.watcher import watching
from inspector.demo.workplace import workplace
from inspector.errors import UsageError
from inspector.progress import Track

_OUTCOMES_WITHIN_S = 30.0
_LAST = 100


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What a demo does.

    seconds: how long the cameras run; None is until interrupted. samples: good parts of each product to calibrate on.
    fps: of each camera. metrics_port: 0 takes a free one.
    """

    seconds: float | None = None
    folder: Path | None = None
    keep: bool = False
    fps: float = 4.0
    samples: int = 80
    defect_rate: float = 0.15
    broker: Literal["auto", "mosquitto", "amqtt"] = "auto"
    metrics_port: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.seconds is not None and not self.seconds > 0:
            raise UsageError(f"seconds: got {self.seconds}, expected more than 0")
        if not 0 < self.fps <= 100:
            raise UsageError(f"fps: got {self.fps}, expected more than 0 and at most 100 frames a second")


@dataclass(frozen=True, slots=True)
class Voice:
    """How the demo speaks. say: one line. live: the state right now, shown every `live_every_s` seconds."""

    say: Callable[[str], None]
    live: Callable[[str], None]
    live_every_s: float
    track: Track


def run_demo(options: DemoOptions, voice: Voice, interrupt: Interrupt) -> DemoSummary:
    """Shows the whole product on this machine; returns what was seen when it is over.

    Raises:
        InspectorError: one line on what cannot be, here or at all. Every child process has ended by then.
        KeyboardInterrupt: interrupted before the cameras ran.
    """
    slow = check_cpu()
    check_port(options.metrics_port)
    book = Book()
    with ExitStack() as stack:
        folder = stack.enter_context(workplace(options.folder, keep=options.keep))
        fate = "kept at the end" if options.keep else "removed at the end; --keep keeps it"
        voice.say(f"folder     {folder} ({fate})")
        if slow:
            voice.say(f"notice     {slow}")
        broker = stack.enter_context(running_broker(folder, options.broker))
        voice.say(f"broker     {broker}, process {broker.process.pid}")
        positions = prepare(folder, samples=options.samples, seed=options.seed, say=voice.say, track=voice.track)
        metrics_port, review_port = options.metrics_port or free_port(), free_port()
        config = write_settings(
            folder, positions, broker=broker.settings, metrics_port=metrics_port, review_port=review_port
        )
        link = prepare_page(config)
        daemon = stack.enter_context(running_daemon(folder, config, metrics_port=metrics_port))
        voice.say(f"daemon     inspector run -c {daemon.config}")
        voice.say(f"           process {daemon.process.pid}, ready in {daemon.seconds:.1f} s, log {daemon.log}")
        voice.say(f"metrics    {daemon.url}/metrics")
        wait_for_page(review_port, daemon)
        voice.say(f"review     {link}")
        voice.say("           opens the review page; this link logs in once")
        stations = [position.station for position in positions]
        stack.enter_context(watching(broker.port, stations, book))
        with crew_at_work(
            positions,
            book,
            broker=broker.settings,
            fps=options.fps,
            defect_rate=options.defect_rate,
            seed=options.seed,
        ) as crew:
            voice.say(
                f"cameras    {', '.join(map(str, stations))}: {options.fps:g} frames a second each, "
                f"{options.defect_rate:.0%} with a defect"
            )
            voice.say(_until(options.seconds))
            interrupt.waits = True
            end = None if options.seconds is None else time.monotonic() + options.seconds
            shown = time.monotonic()
            while not interrupt.seen(0.1) and (end is None or time.monotonic() < end):
                broker.check()
                daemon.check()
                crew.check()
                if time.monotonic() - shown >= voice.live_every_s:
                    shown = time.monotonic()
                    voice.live(live_line(book.summary(last=_LAST)))
        crew.check()
        deadline = time.monotonic() + _OUTCOMES_WITHIN_S
        while book.open and time.monotonic() < deadline:
            daemon.check()
            time.sleep(0.05)
        return book.summary()


def _until(seconds: float | None) -> str:
    return "running until Ctrl-C" if seconds is None else f"running for {seconds:g} s; Ctrl-C ends it sooner"
