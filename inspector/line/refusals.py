"""Topics that the broker refuses: what waits for one is passed over until the broker takes one of its messages.

Of a topic that an access list leaves out, the messages of days may have come together: they are not all read each time
that one is tried again. No clock, no network.
"""

from collections.abc import Set
from dataclasses import dataclass

WAIT_S = 10.0
"""After so long a refused topic is tried again."""


@dataclass(slots=True)
class _Refusal:
    row: int
    wait_until: float
    ask_from: float
    taken: bool = False


class Refusals:
    """Which topics wait; messages by their number in the outbox. now: monotonic seconds."""

    def __init__(self) -> None:
        self._topics: dict[str, _Refusal] = {}

    @property
    def topics(self) -> Set[str]:
        """Those that wait: their messages are passed over."""
        return self._topics.keys()

    def refused(self, topic: str, row: int, now: float) -> None:
        """The broker refused a message of the topic; `row`, or one before it, is the first that is not sent yet."""
        until = now + WAIT_S
        waiting = self._topics.setdefault(topic, _Refusal(row, until, until))
        waiting.row, waiting.wait_until = min(waiting.row, row), until

    def taken(self, topic: str) -> None:
        """The broker took a message of the topic, if it waits, or none waits for it."""
        if topic in self._topics:
            self._topics[topic].taken = True

    def passed_over_from(self, row: int) -> None:
        """Messages from this one on are looked through again, and passed over where their topic waits."""
        for waiting in self._topics.values():
            waiting.row = min(waiting.row, row)

    def due(self, now: float) -> dict[str, int]:
        """The topics of which a message is to be tried, each with the row from which on they wait."""
        return {
            topic: waiting.row
            for topic, waiting in self._topics.items()
            if max(waiting.wait_until, waiting.ask_from) <= now and not waiting.taken
        }

    def tried(self, topic: str, now: float) -> None:
        """A message of the topic is on its way."""
        self._topics[topic].ask_from = now + WAIT_S

    def over(self, now: float) -> int | None:
        """Topics that the broker takes wait no longer; the row from which on they did, None where there is none.

        The broker may have refused one message for itself and taken another: also then WAIT_S go by.
        """
        over = {topic: one.row for topic, one in self._topics.items() if one.taken and one.wait_until <= now}
        for topic in over:
            del self._topics[topic]
        return min(over.values(), default=None)
