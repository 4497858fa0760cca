"""How the picture of a sample is named: by the time of its frame, so that samples lie in the order of the line, and by
its bytes, so that none is taken twice.
"""

import hashlib
import re
from datetime import UTC, datetime

from inspector.header import suffix_of

DIGEST = 12
"""So many digits of a SHA-256 tell pictures of a station apart."""
_NAMED = re.compile(rf"(?:(\d{{8}}T\d{{9}})Z)?-([0-9a-f]{{{DIGEST}}})\.[a-z]+")
_MOMENT = "%Y%m%dT%H%M%S%f"


def digest_of(payload: bytes) -> str:
    """How the SHA-256 of a picture begins, as its name has it."""
    return hashlib.sha256(payload).hexdigest()[:DIGEST]


def name_of(payload: bytes, at: datetime) -> str:
    """The name of a picture whose frame is of this time: `20260301T080001000Z-0123456789ab.png`."""
    moment = at.astimezone(UTC)
    stamp = f"{moment:%Y%m%dT%H%M%S}{moment.microsecond // 1000:03d}Z"
    return f"{stamp}-{digest_of(payload)}.{suffix_of(payload)}"


def named_digest(name: str) -> str | None:
    """The digest in a name; None in one that was given by somebody else."""
    found = _NAMED.search(name)
    return None if found is None else found[2]


def named_moment(name: str) -> datetime | None:
    """The time in a name, UTC; None in one that was given by somebody else."""
    found = _NAMED.fullmatch(name)
    if found is None or found[1] is None:
        return None
    try:
        return datetime.strptime(found[1], _MOMENT).replace(tzinfo=UTC)
    except ValueError:
        return None
