"""What survives: the ledger and its outbox, quarantine and archive, what operators said, and who they are."""

from inspector.store.account import Account, AccountError, Role
from inspector.store.account_change import AccountChangeRow
from inspector.store.accounts import Accounts
from inspector.store.archive import Archive
from inspector.store.audit import Audit, AuditFilter, PromotionRow
from inspector.store.candidates import Candidate, Candidates
from inspector.store.cases import Cases
from inspector.store.checks import Checks
from inspector.store.database import ConflictError, open_database
from inspector.store.frame_row import Disposition, FrameRow, score_ratio
from inspector.store.ledger import Entry, Known, Ledger
from inspector.store.newest import Newest
from inspector.store.newest_pictures import NewestPictures
from inspector.store.outbox import Outbox, OutboxMessage
from inspector.store.promotions import Promotions
from inspector.store.quarantine import Quarantine
from inspector.store.queue import Counts, Cursor, Page, ReviewQueue
from inspector.store.queue_filter import QueueFilter, ShiftHours
from inspector.store.recorded import Recorded, RecordedScores
from inspector.store.retention import Freed, Policy, Retention
from inspector.store.review_row import ReviewRow
from inspector.store.reviews import BatchResult, Reviews, StaleError, UnknownFrameError
from inspector.store.sessions import Sessions
from inspector.store.setup import Setup
from inspector.store.statement import ReviewError
from inspector.store.tally import Tally
from inspector.store.tokens import Token, Tokens

__all__ = [
    "Account",
    "AccountChangeRow",
    "AccountError",
    "Accounts",
    "Archive",
    "Audit",
    "AuditFilter",
    "BatchResult",
    "Candidate",
    "Candidates",
    "Cases",
    "Checks",
    "ConflictError",
    "Counts",
    "Cursor",
    "Disposition",
    "Entry",
    "FrameRow",
    "Freed",
    "Known",
    "Ledger",
    "Newest",
    "NewestPictures",
    "Outbox",
    "OutboxMessage",
    "Page",
    "Policy",
    "PromotionRow",
    "Promotions",
    "Quarantine",
    "QueueFilter",
    "Recorded",
    "RecordedScores",
    "Retention",
    "ReviewError",
    "ReviewQueue",
    "ReviewRow",
    "Reviews",
    "Role",
    "Sessions",
    "Setup",
    "ShiftHours",
    "StaleError",
    "Tally",
    "Token",
    "Tokens",
    "UnknownFrameError",
    "open_database",
    "score_ratio",
]
