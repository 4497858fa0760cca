"""Inspects one frame after the other: the only thread that runs pipelines."""

import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal, Protocol

from inspector.errors import FrameError, FramePoisonError, NoBankError, RecipeMismatchError, StoreError
from inspector.guarded import guarded
from inspector.heatmap import DRAWN, render_png
from inspector.line.delivery import Delivery
from inspector.line.intake import Intake
from inspector.line.outcome import Outcome, Post
from inspector.types import Drop, Frame, FrameMessage, Inspection, StationId

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 3
"""How often a frame is begun before it is given up, where the process ends each time."""

FINISH_S = 10.0
"""Seconds that the frame in hand gets when the worker is to end; supervisors wait for 30."""

_STORE_RETRY_S = 0.5

_POISON = f"the process ended {MAX_ATTEMPTS} times while it inspected this frame; it is not decoded again"


class Attempts(Protocol):
    """What the worker needs of the ledger."""

    def known(self, frame_ids: list[tuple[str, str]]) -> Mapping[tuple[str, str, str], str]:
        """Outcomes of (station, frame id): sha256 by (station, frame id, variant)."""
        ...

    def attempt(self, station: str, frame_id: str, sha256: str) -> int:
        """Counts an attempt; returns how many there were."""
        ...


class Worker:
    """Inspects what the intake holds until that is closed. A frame of a station without a post is an error.

    on_seen: looks at each frame that was inspected, and at the payloads of stations without a post. hand_on: takes each
    outcome and returns its number. all_durable: waits, at most so many seconds, until the outcomes up to a number are
    durable, and says whether they are. on_store: called with what is wrong each time that the ledger cannot be asked,
    and with None when it can again.
    """

    def __init__(
        self,
        intake: Intake,
        posts: Mapping[StationId, Post],
        ledger: Attempts,
        *,
        on_seen: Callable[[StationId, Frame | bytes], None],
        hand_on: Callable[[Outcome], int],
        all_durable: Callable[[float, int], bool],
        on_store: Callable[[str | None], None],
        on_fault: Callable[[BaseException], None],
    ) -> None:
        self._intake = intake
        self._posts = posts
        self._ledger = ledger
        self._on_seen = on_seen
        self._hand_on = hand_on
        self._all_durable = all_durable
        self._on_store = on_store
        self._handed_on = 0
        self._closing = threading.Event()
        self._in_hand: tuple[Delivery, float] | None = None
        self._thread = guarded("worker", self._run, on_fault)

    def __enter__(self) -> "Worker":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Takes no more, and finishes the frame in hand; one that takes over FINISH_S is left, and comes again."""
        self._closing.set()
        self._intake.close()
        self._thread.join(max(0.0, FINISH_S - self.inspecting_s))
        if self._thread.is_alive():
            log.error("left unfinished", extra={"frame": self.in_hand, "seconds": round(self.inspecting_s, 1)})

    @property
    def inspecting_s(self) -> float:
        """Seconds since the inspection of the frame in hand began; 0 while there is none."""
        in_hand = self._in_hand
        return 0.0 if in_hand is None else time.monotonic() - in_hand[1]

    @property
    def in_hand(self) -> str:
        """Station and id of the frame that is being inspected, in words."""
        in_hand = self._in_hand
        return "none" if in_hand is None else f"{in_hand[0].station}: {in_hand[0].raw.frame_id}"

    def _run(self) -> None:
        while (delivery := self._intake.take()) is not None:
            outcome = self._outcome(delivery)
            if outcome is not None:
                self._handed_on = self._hand_on(outcome)

    def _outcome(self, delivery: Delivery) -> Outcome | None:
        queue_ms = (time.perf_counter() - delivery.clock) * 1e3
        if delivery.retain:
            return Outcome.drop(delivery, Drop.RETAINED)
        post = self._posts.get(delivery.station)
        inspection, error, heatmap = None, delivery.fault, None
        if delivery.message is not None:
            if delivery.dup:
                seen = self._seen_before(delivery)
                if seen is None:
                    return None
                if seen == "decided":
                    return Outcome.drop(delivery, Drop.DUPLICATE)
                error = FramePoisonError(f"{delivery.station}: {_POISON}") if seen == "poison" else None
            if error is None:
                self._in_hand = delivery, time.monotonic()
                try:
                    inspection, heatmap = self._inspect(post, delivery.message)
                except FrameError as fault:
                    error = fault
                finally:
                    self._in_hand = None
        return Outcome(
            delivery=delivery,
            decided_at=datetime.now(UTC),
            result_id=str(uuid.uuid4()),
            inspection=inspection,
            post=post,
            error=error,
            heatmap=heatmap,
            queue_ms=queue_ms,
        )

    def _seen_before(self, delivery: Delivery) -> Literal["decided", "poison", "new"] | None:
        """What the ledger knows of a frame that the broker sends again; None where the worker ends first.

        Earlier frames are durable before this one is begun: it might end the process, and they are not to blame.
        """
        frame = (str(delivery.station), delivery.raw.frame_id, delivery.raw.sha256)
        failed = False
        while not self._closing.is_set():
            if not self._all_durable(_STORE_RETRY_S, self._handed_on):
                continue
            try:
                seen = self._look_up(*frame)
            except StoreError as error:
                failed = True
                self._on_store(str(error))
                self._closing.wait(_STORE_RETRY_S)
                continue
            if failed:
                self._on_store(None)
            return seen
        return None

    def _look_up(self, station: str, frame_id: str, sha256: str) -> Literal["decided", "poison", "new"]:
        if sha256 in self._ledger.known([(station, frame_id)]).values():
            return "decided"
        return "poison" if self._ledger.attempt(station, frame_id, sha256) >= MAX_ATTEMPTS else "new"

    def _inspect(self, post: Post | None, message: FrameMessage) -> tuple[Inspection, bytes | None]:
        if post is None:
            self._on_seen(message.station, message.payload)
            raise NoBankError(f"{message.station}: has no bank that can be used; /readyz and the log say why")
        if message.recipe is not None and message.recipe != post.recipe:
            raise RecipeMismatchError(
                f"{message.station}: recipe: got {message.recipe!r}, the station runs {post.recipe!r}"
            )
        inspection, frame = post.pipeline.inspect_decoding(message.payload)
        self._on_seen(message.station, frame)
        heatmap = render_png(inspection.anomaly_map, post.thresholds.pixel) if post.heatmap else None
        return replace(inspection, anomaly_map=DRAWN), heatmap
