"""The settings themselves: what is valid and will surprise."""

from collections.abc import Iterator

from inspector.doctor.finding import Finding, ok, warn
from inspector.doctor.surprises import surprises
from inspector.settings import Settings


def choices(settings: Settings) -> Iterator[Finding]:
    """Which keys `inspector config check` warns of; it says why, and what to write instead."""
    keys = list(dict.fromkeys(one.key for one in surprises(settings)))
    if keys:
        yield warn(
            "settings",
            f"will surprise: {', '.join(keys)}",
            expected="nothing that does",
            do="inspector config check says why, and what to write",
        )
    else:
        yield ok("settings", "nothing in them will surprise")
