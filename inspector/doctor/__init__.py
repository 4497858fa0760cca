"""`inspector doctor`: what would go wrong, looked for before it does. Nothing that it does is seen by the line."""

from collections.abc import Iterator
from functools import partial

from inspector.doctor.broker import broker
from inspector.doctor.certificate import certificates
from inspector.doctor.choices import choices
from inspector.doctor.finding import Finding, Mark, examined
from inspector.doctor.machine import clock, disk
from inspector.doctor.service import banks, database, ports
from inspector.settings import Settings

__all__ = ["Finding", "Mark", "examine"]


def examine(settings: Settings, *, takt_s: float, publish: bool) -> Iterator[Finding]:
    """Everything in turn. takt_s: seconds from part to part, at each station. publish: see `broker`."""
    yield from examined("settings", partial(choices, settings))
    yield from examined("broker", partial(broker, settings, publish=publish))
    yield from examined("certificate", partial(certificates, settings))
    yield from examined("clock", partial(clock, settings))
    yield from examined("disk", partial(disk, settings))
    yield from examined("database", partial(database, settings))
    yield from examined("bank", partial(banks, settings, takt_s=takt_s))
    yield from examined("ports", partial(ports, settings))
