"""Which MQTT version to speak, learned from how connections end."""

from enum import Enum, auto
from typing import Literal

Version = Literal["5", "3.1.1"]


class Greeting(Enum):
    """How a broker answered CONNECT. UNREACHED: there was no connection, or it ended here before an answer. SILENT: it
    took the connection and did not answer. WRONG_VERSION: it refused the version. REFUSED: it refused something else.
    """

    UNREACHED = auto()
    SILENT = auto()
    ACCEPTED = auto()
    WRONG_VERSION = auto()
    REFUSED = auto()


class ProtocolChoice:
    """A broker that knows no MQTT 5 says so, closes the connection, or never answers; then 3.1.1 is spoken.

    A broker that is starting, or a proxy before it, is silent too. So a success with 3.1.1 after silence is `in_doubt`,
    and is given up at once for one more try with MQTT 5.
    """

    def __init__(self, protocol: Literal["auto", "5", "3.1.1"]) -> None:
        self.now: Version = "3.1.1" if protocol == "3.1.1" else "5"
        self.in_doubt = False
        self._fixed = protocol != "auto"
        self._suspected = False

    def ended(self, greeting: Greeting) -> bool:
        """Learns from a connection that ended; returns whether to connect again at once."""
        if self._fixed:
            return False
        accepted = greeting is Greeting.ACCEPTED
        if self.now == "5":
            if accepted:
                self._suspected = False
            if greeting not in (Greeting.WRONG_VERSION, Greeting.SILENT):
                return False
            self.in_doubt = greeting is Greeting.SILENT and not self._suspected
            self.now = "3.1.1"
            return True
        if self.in_doubt or not accepted:
            self._suspected = self.in_doubt and accepted
            self.in_doubt = False
            self.now = "5"
            return self._suspected
        return False
