"""Which MQTT version to speak, learned from how connections end."""

from typing import Literal

Version = Literal["5", "3.1.1"]


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

    def ended(self, *, accepted: bool, wrong_version: bool, silent: bool) -> bool:
        """Learns from a connection that ended; returns whether to connect again at once.

        accepted: the broker accepted CONNECT. wrong_version: it refused the version. silent: it took the connection and
        did not answer.
        """
        if self._fixed:
            return False
        if self.now == "5":
            if accepted:
                self._suspected = False
            if not wrong_version and not silent:
                return False
            self.in_doubt = silent and not self._suspected
            self.now = "3.1.1"
            return True
        if self.in_doubt or not accepted:
            self._suspected = self.in_doubt and accepted
            self.in_doubt = False
            self.now = "5"
            return self._suspected
        return False
