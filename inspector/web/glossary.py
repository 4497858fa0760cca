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
    "made": "account made",
    "role": "role changed",
    "password": "password changed",
    "link": "login link made",
    "token_made": "token made",
    "token_revoked": "token revoked",
}
"""By word. `ok` and `ng` are marks, the same in every language; the last ones stand on English pages alone."""


REASONS: Mapping[str, Message] = {
    "bad_frame": Message("cannot be inspected"),
    "bad_message": Message("message not understood"),
    "crc_mismatch": Message("picture changed on its way"),
    "damaged": Message("damaged picture"),
    "empty": Message("no picture"),
    "frame_id_reused": Message("frame id used twice"),
    "inference": Message("inspection failed"),
    "no_bank": Message("no bank yet"),
    "poison": Message("ended the inspection more than once"),
    "too_large": Message("picture too large"),
    "unknown_format": Message("unknown kind of picture"),
    "unknown_recipe": Message("unknown recipe"),
    "unknown_station": Message("unknown station"),
    "wrong_size": Message("picture of the wrong size"),
    "duplicate": Message("came twice"),
    "retained": Message("old message of the broker"),
    "superseded": Message("a newer one came"),
}
"""Why a frame became an error or was dropped, by the word of the contract, which tables and metrics keep."""


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


def answer(disposition: str, decision: str, defect_type: str | None = None) -> str:
    """What a person said of a frame, as it is shown: the type of a defect, where one is given; where the line passed
    it, nothing alarmed, so it is good.
    """
    if defect_type:
        return plant_word(defect_type)
    return WORDS["good" if disposition == "false_alarm" and decision == "ok" else disposition]
