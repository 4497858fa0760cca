"""A port of the loopback that stays free until a service that is about to start listens on it."""

import random
import socket

from inspector.demo.machine import DemoError

HOST = "127.0.0.1"
_BELOW_EPHEMERAL = range(10_240, 32_768)
"""No system hands these to an outgoing connection unasked (Linux: from 32768; RFC 6335 and the others: from 49152)."""

_candidates = iter(random.sample(_BELOW_EPHEMERAL, len(_BELOW_EPHEMERAL)))


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on now; never the same one twice in a process.

    Not one of the system's choice (port 0): until the service listens, any client may be given it for its own end
    of a connection, even the one that asks at that port whether the service is up.

    Raises:
        DemoError: none is left.
    """
    for port in _candidates:
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise DemoError(
        f"no free port on {HOST} from {_BELOW_EPHEMERAL.start} to {_BELOW_EPHEMERAL.stop - 1}; stop what listens there"
    )


def listens(port: int) -> bool:
    """Whether a service accepts connections on that port of the loopback."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((HOST, port)) == 0


def check_port(port: int) -> None:
    """Raises DemoError where something else listens on that port of the loopback; 0 is always well."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise DemoError(
                f"metrics port {port}: {error.strerror}; choose another with --metrics-port, or leave it out"
            ) from error
