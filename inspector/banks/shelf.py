"""The shelf of a bank: the bank is exchanged in one step, and what it replaced is kept beside it.

    banks/tile/              the bank in use: whole at every moment, whatever happens
    banks/.tile.shelf/
        journal.jsonl        who exchanged which for which, when and why; written ahead, and again when it is done
        lock                 held during an exchange
        <digest>/            earlier banks, by the sha256 of their manifest; the last KEEP

A process that ends in the middle leaves the old bank or the new one in use, and a folder on the shelf under another
bank's digest at worst: the next exchange gives it its right name.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from inspector.bank import manifest_digest, verify_files
from inspector.bank_place import draft_prefix, is_bank_or_empty, shelf_folder, shelf_journal
from inspector.banks.journal import Journal, Move
from inspector.draft import clear_abandoned
from inspector.durable import sync_dir, sync_files
from inspector.errors import BankError
from inspector.exchange import exchange
from inspector.folder import refuse_bank
from inspector.legible import legible
from inspector.manifest import read_manifest
from inspector.owner import hand_over, open_to_readers, owner_beside
from inspector.pipeline import Pipeline
from inspector.types import BankRef, ExchangeAction

KEEP: Final = 5
"""How many earlier banks stay on the shelf."""

NO_BANK: Final = "none"
"""In place of the digest of a bank in use, where there was none to look at."""

_DRAFT = ".draft."


class ChangedError(BankError):
    """A bank is no longer the one that was looked at."""


def _check_words(*words: str | None) -> None:
    """Raises BankError: the audit, which takes them from the journal, cannot hold them."""
    if not all(legible(word or "") for word in words):
        raise BankError("reason: got a character that no database holds (NUL or half of one), expected legible text")


class Shelf:
    """The bank in use at `bank`, and its shelf. Safe between processes."""

    def __init__(self, bank: Path) -> None:
        self.bank = bank.resolve()
        self.folder = shelf_folder(self.bank)
        self._journal = Journal(shelf_journal(self.bank))

    def promote(
        self,
        candidate: Path,
        *,
        by: str,
        reason: str | None = None,
        action: ExchangeAction = "promote",
        guard: int | None = None,
        guard_missed: int = 0,
        tried: str | None = None,
        seen: str | None = None,
        check: Callable[[], object] | None = None,
    ) -> Move:
        """A copy of the bank at `candidate` is taken into use; the bank in use goes to the shelf.

        guard, guard_missed: for the journal, as Exchange has them. tried: the digest of the candidate as it was held
        against the guard. seen: that of the bank in use on which the decision rests, NO_BANK where there was none.
        Either may be None: whichever. check: called right before the exchange, while no other can begin; what it raises
        prevents it.

        Raises:
            ChangedError: the candidate, or the bank in use, is another one by now.
            BankError: the candidate is refused, is in use already, or the exchange is not possible here; or a word of
                the journal is none; or it is in use now, says so, and the disk failed behind that.
            UsageError: the place lies in another bank.
        """
        _check_words(by, reason)
        refuse_bank(self.bank.parent, "a bank in")
        self._check_place()
        after = Pipeline.open(candidate).bank.ref
        if tried is not None and tried != after.digest:
            raise ChangedError(f"bank {candidate}: has changed since it was tried; try it again, then promote it")
        with self._exchanging():
            self._check_seen(seen)
            if after == self._in_use():
                raise BankError(f"bank {candidate}: {after.id} is in use at {self.bank} already")
            draft = Path(tempfile.mkdtemp(prefix=_DRAFT, dir=self.folder))
            try:
                self._copy(candidate, draft)
                verify_files(draft, read_manifest(draft))
                if _named(draft) != after:
                    raise BankError(f"bank {candidate}: changed while it was copied; promote it again")
                if check is not None:
                    check()
                said = {"by": by, "reason": reason, "action": action, "guard": guard, "guard_missed": guard_missed}
                return self._exchange(draft, after, **said)
            except BaseException:
                with suppress(BankError, OSError):
                    self._tidy()  # not the draft alone: behind the exchange it is the bank that was replaced
                raise

    def rollback(self, *, by: str, reason: str | None = None, seen: str | None = None) -> Move:
        """The bank that the one in use replaced is taken into use again; once more goes one further back.

        seen: as `promote` has it.

        Raises:
            ChangedError: the bank in use is another one by now.
            BankError: nothing was replaced, or it is no longer on the shelf; or a word of the journal is none; or it is
                in use now, as `promote` has it.
        """
        _check_words(by, reason)
        if not self.folder.exists():
            self._previous()  # there is none, and no shelf is made for that
        with self._exchanging():
            self._check_seen(seen)
            after, folder = self._previous()
            Pipeline.open(folder)
            return self._exchange(folder, after, by=by, reason=reason, action="rollback")

    def previous(self, kept: Mapping[str, Path] | None = None) -> BankRef | None:
        """What a rollback would take into use; None where there is nothing. kept: what `kept` gave, if known."""
        try:
            return self._previous(kept)[0]
        except BankError:
            return None

    def moves(self) -> tuple[Move, ...]:
        """The journal, oldest first. The last one is done also where the process ended behind the exchange, before it
        wrote that down.
        """
        moves = self._journal.read()
        if moves and not moves[-1].done and self._holds(moves[-1].after):
            return *moves[:-1], moves[-1].model_copy(update={"done": True})
        return moves

    def with_memory_of(self, digest: str) -> set[str]:
        """The digests of all banks that differ from this one in their thresholds alone, by the journal; its own too."""
        moves = [move for move in self.moves() if move.action == "thresholds"]
        pairs = [{move.before.digest, move.after.digest} for move in moves if move.before is not None]
        found = {digest}
        while further := [pair for pair in pairs if pair & found and pair - found]:
            found.update(*further)
        return found

    def kept(self) -> dict[str, Path]:
        """Earlier banks by digest: those whose manifest can be read."""
        found = {}
        for file in sorted(self.folder.glob("*/manifest.json")):
            try:
                found[_named(file.parent).digest] = file.parent
            except BankError:
                continue  # a damaged folder can be rolled back to by nobody, and is cleared away in its turn
        return found

    def _previous(self, kept: Mapping[str, Path] | None = None) -> tuple[BankRef, Path]:
        current = self._in_use()
        moves = [move for move in self.moves() if move.action != "rollback" and move.after == current and move.before]
        if current is None or not moves or moves[-1].before is None:
            raise BankError(f"bank {self.bank}: replaced no other bank, so there is nothing to roll back to")
        before = moves[-1].before
        folder = (self.kept() if kept is None else kept).get(before.digest)
        if folder is None:
            raise BankError(
                f"bank {self.bank}: {before.id}, which it replaced, is no longer on the shelf (it keeps {KEEP}); "
                "promote it from a backup"
            )
        return before, folder

    def _check_place(self) -> None:
        if self.bank.exists() and not is_bank_or_empty(self.bank):
            raise BankError(
                f"bank {self.bank}: is no bank, so it is not replaced; name the bank's own folder, or a new one"
            )

    def _check_seen(self, seen: str | None) -> None:
        current = self._in_use()
        if seen is not None and seen != (current.digest if current else NO_BANK):
            now = f"is {current.id} ({current.digest[:12]})" if current else "holds no bank"
            raise ChangedError(f"bank {self.bank}: {now} by now, expected {seen[:12]}; look at it again, then decide")

    def _in_use(self) -> BankRef | None:
        """By its manifest or, where that is damaged, by the journal: a damaged bank is one to be replaced."""
        if not (self.bank / "manifest.json").is_file():
            return None
        try:
            return _named(self.bank)
        except BankError:
            taken = [move.after for move in self._journal.read() if move.done]
            if not taken:
                raise
            return taken[-1]

    def _holds(self, bank: BankRef) -> bool:
        try:
            return _named(self.bank) == bank
        except (BankError, OSError):
            return False

    def _copy(self, candidate: Path, draft: Path) -> None:
        try:
            shutil.copytree(candidate, draft, dirs_exist_ok=True)
            open_to_readers(draft)
            sync_files(draft)
        except OSError as error:
            # Of many files that could not be copied, the first tells why.
            why = error.args[0][0][2] if isinstance(error, shutil.Error) else error
            raise BankError(f"bank {candidate}: cannot be copied to {self.folder} ({why})") from error

    def _exchange(self, folder: Path, after: BankRef, **said: Any) -> Move:
        """The exchange itself: `folder`, on the shelf, becomes the bank in use."""
        number = max((move.number for move in self.moves()), default=0) + 1
        before = self._in_use()
        self._check_place()
        move = Move(number=number, at=datetime.now(UTC), before=before, after=after, **said)
        self._journal.write(move)
        try:
            if self.bank.exists():
                exchange(folder, self.bank)
            else:
                folder.rename(self.bank)
        except OSError as error:
            raise BankError(f"bank {self.bank}: cannot be exchanged ({error.strerror})") from error
        done = move.model_copy(update={"done": True})
        try:
            sync_dir(self.bank.parent)
            self._journal.write(done)
            self._tidy()
        except (BankError, OSError) as error:
            raise BankError(f"bank {self.bank}: {after.id} is in use now, but: {error}") from error
        return done

    @contextmanager
    def _exchanging(self) -> Iterator[None]:
        """One exchange at a time; what an earlier one left behind is put in order first."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise BankError(f"shelf {self.folder}: cannot be written ({error.strerror})") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            owner = owner_beside(self.bank)
            self._tell_what_happened()
            self._tidy()
            clear_abandoned(self.bank.parent, draft_prefix(self.bank))
            try:
                yield
            finally:
                for made in (self.folder, self.bank):
                    if made.exists():
                        hand_over(made, owner)
        finally:
            os.close(lock)

    def _tell_what_happened(self) -> None:
        """Completes the record of an exchange after which the process ended."""
        moves = self.moves()
        if moves != self._journal.read():
            self._journal.write(moves[-1])

    def _tidy(self) -> None:
        """Each folder under its own digest, the last KEEP in the order in which they were replaced, no draft."""
        order = {move.before.digest: move.number for move in self.moves() if move.before is not None}
        current = self._in_use()
        found: list[tuple[int, str]] = []
        for entry in sorted(self.folder.iterdir()):
            if not entry.is_dir():
                continue
            try:
                digest = _named(entry).digest
                if entry.name.startswith(_DRAFT):
                    verify_files(entry, read_manifest(entry))
            except BankError:
                shutil.rmtree(entry, ignore_errors=True)
                continue
            if (current is not None and digest == current.digest) or digest not in order:
                shutil.rmtree(entry, ignore_errors=True)  # a copy, or a candidate that was never taken into use
                continue
            if entry.name != digest:
                if (self.folder / digest).exists():
                    shutil.rmtree(entry, ignore_errors=True)
                    continue
                entry.rename(self.folder / digest)
            found.append((order[digest], digest))
        for _, digest in sorted(found)[:-KEEP]:
            shutil.rmtree(self.folder / digest, ignore_errors=True)


def _named(folder: Path) -> BankRef:
    return BankRef(read_manifest(folder).id, manifest_digest(folder))
