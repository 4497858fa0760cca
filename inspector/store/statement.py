"""What a reviewer says of a frame, and which words it may be said in."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self, get_args

from inspector.errors import InspectorError
from inspector.legible import is_word, legible
from inspector.store.frame_row import Disposition
from inspector.store.review_row import Action, ReviewRow

MAX_NOTE = 2000
"""Characters of a note, at most."""


class ReviewError(InspectorError):
    """A disposition that cannot be: the words are wrong, or the frame is not one of those."""


@dataclass(frozen=True, slots=True)
class FrameState:
    """What a frame is said to be, by whom and when; nothing where it waits."""

    disposition: Disposition | None = None
    defect_type: str | None = None
    reviewer: str | None = None
    at: datetime | None = None

    @classmethod
    def of(cls, said: ReviewRow) -> Self:
        """What it has been since then."""
        return cls(said.to_disposition, said.to_type, said.reviewer, said.at)


@dataclass(frozen=True, slots=True)
class Said:
    """What is done and by whom, as the audit has it."""

    action: Action
    reviewer: str
    at: datetime
    note: str | None = None
    batch: str | None = None


def checked(to: str, defect_type: str | None, reviewer: str, note: str | None) -> str | None:
    """Returns the note as it is kept: None where it says nothing.

    Raises:
        ReviewError: one of the words is not allowed.
    """
    check_reviewer(reviewer)
    if to not in get_args(Disposition):
        raise ReviewError(f"disposition: got {to!r}, expected one of {', '.join(get_args(Disposition))}")
    if defect_type is not None and to != "defect":
        raise ReviewError(f"defect_type: got {defect_type!r} with {to}, expected it with a defect alone")
    if defect_type is not None and not is_word(defect_type):
        raise ReviewError(
            f"defect_type: got {defect_type[:80]!r}, expected 1 to 64 characters, none a control character"
        )
    note = (note or "").strip()
    if len(note) > MAX_NOTE:
        raise ReviewError(f"note: got {len(note)} characters, expected at most {MAX_NOTE}")
    if not legible(note):
        raise ReviewError("note: got a character that no database holds (NUL or half of one), expected legible text")
    return note or None


def check_reviewer(reviewer: str) -> None:
    """Raises ReviewError: nobody can have this name."""
    if not is_word(reviewer):
        raise ReviewError(f"reviewer: got {reviewer[:80]!r}, expected the name of an account")
