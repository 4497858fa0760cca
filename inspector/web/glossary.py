"""What people read for the words of the ledger."""

from collections.abc import Mapping

from inspector.web.message import Message

WORDS = {
    "ok": "ok",
    "ng": "ng",
    "uncertain": Message("uncertain"),
    "error": Message("error"),
    "drop": Message("dropped"),
    "defect": Message("defect"),
    "false_alarm": Message("false alarm"),
    "good": Message("good"),
    "unsure": Message("unsure"),
    "open": Message("open"),
    "done": Message("decided"),
    "all": Message("all"),
    "viewer": Message("viewer"),
    "operator": Message("operator"),
    "engineer": Message("engineer"),
    "admin": Message("admin"),
    "dispose": "decided",
    "undo": "taken back",
    "escape": "escape entered",
    "promote": "promoted",
    "rollback": "rolled back",
    "rolled_back": "rolled back",
    "thresholds": "thresholds",
    "shadowed": "tried",
}
"""By word. `ok` and `ng` are marks, the same in every language; the last ones stand on English pages alone."""


def answer(disposition: str, decision: str) -> str:
    """What a person said of a frame, as it is shown: where the line passed it, nothing alarmed, so it is good."""
    return WORDS["good" if disposition == "false_alarm" and decision == "ok" else disposition]


PLANT_WORDS: Mapping[str, Message] = {
    word: word
    for word in (
        Message("scratch"),
        Message("dent"),
        Message("crack"),
        Message("stain"),
        Message("foreign body"),
        Message("missing part"),
        Message("deformation"),
        Message("other"),
        Message("early"),
        Message("late"),
        Message("night"),
    )
}
"""Defect types and shifts that the settings have by default. What a plant calls its own stays as the plant wrote it."""


def plant_word(word: str) -> str:
    """A defect type or a shift as it is shown: as a message, where it is one of the defaults."""
    return PLANT_WORDS.get(word, word)
