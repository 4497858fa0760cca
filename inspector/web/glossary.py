"""What people read for the words of the ledger."""

from inspector.web.message import Message

WORDS = {
    "ok": "ok",
    "ng": "ng",
    "uncertain": Message("uncertain"),
    "error": Message("error"),
    "drop": Message("dropped"),
    "defect": Message("defect"),
    "false_alarm": Message("false alarm"),
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
    "thresholds": "thresholds",
    "shadowed": "tried",
}
"""By word. `ok` and `ng` are marks, the same in every language; the last ones stand on English pages alone."""
