"""Chooses the frames that operators review, and archives their pictures."""

from collections.abc import Iterable
from dataclasses import dataclass

from inspector.errors import StoreError
from inspector.header import suffix_of
from inspector.line.health import Health
from inspector.store import Archive, score_ratio
from inspector.types import Decision

WARNING = "archive"

_DRAWN_DIGITS = 13
"""Hexadecimal digits of the digest that decide the draw: as many as a float holds exactly."""

_DRAWN_RANGE = 1 << 4 * _DRAWN_DIGITS


@dataclass(frozen=True, slots=True)
class Choice:
    """What the ledger says about the review of a frame. image: the suffix of its archived picture, None without one."""

    queued: bool = False
    sampled: bool = False
    image: str | None = None
    score_ratio: float | None = None


NOT_QUEUED = Choice()
"""Nobody is asked."""


class Triage:
    """Queues what is ng or uncertain, and a random sample of what is ok, and archives the pictures.

    A picture that cannot be archived is a warning, and holds back no verdict. sample_rate: 0 to 1.
    """

    def __init__(self, archive: Archive, health: Health, *, sample_rate: float) -> None:
        self.archive = archive
        self._health = health
        self._sample_rate = sample_rate

    def choose(self, decision: Decision, score: float, ng: float, *, sha256: str, image: bytes) -> Choice:
        """Whether an operator is asked; if so the picture is on disk afterwards, or the choice's `image` is None."""
        if not self.asks(decision, sha256):
            return NOT_QUEUED
        return Choice(True, decision is Decision.OK, self._archived(sha256, image), score_ratio(score, ng))

    def asks(self, decision: Decision, sha256: str) -> bool:
        """Whether an operator is asked."""
        return decision is not Decision.OK or drawn(sha256, self._sample_rate)

    def archive_together(self, images: Iterable[tuple[str, bytes]]) -> None:
        """Pictures, by digest, that are about to be chosen: together they take a slow disk a fraction of the time."""
        named = [(sha256, image, suffix) for sha256, image in images if (suffix := suffix_of(image)) is not None]
        if len(named) > 1:
            self.archive.keep_together(named)

    def _archived(self, sha256: str, image: bytes) -> str | None:
        suffix = suffix_of(image)
        try:
            if suffix is not None:
                self.archive.keep(sha256, image, suffix)
        except StoreError as error:
            self._health.warn(WARNING, str(error))
            return None
        self._health.warn(WARNING, None)
        return suffix


def drawn(sha256: str, rate: float) -> bool:
    """Whether a frame is in the random sample, by its digest alone: the same after any restart.

    The last digits decide, as the first ones choose the folder in the archive.
    """
    return int(sha256[-_DRAWN_DIGITS:], 16) < rate * _DRAWN_RANGE
