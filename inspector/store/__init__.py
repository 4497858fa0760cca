"""What survives: the ledger of outcomes, the outbox of what is still to publish, the quarantine of bad bytes."""

from inspector.store.database import ConflictError, open_database
from inspector.store.ledger import Entry, Known, Ledger
from inspector.store.outbox import Outbox, Waiting
from inspector.store.quarantine import Quarantine

__all__ = ["ConflictError", "Entry", "Known", "Ledger", "Outbox", "Quarantine", "Waiting", "open_database"]
