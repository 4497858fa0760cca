"""The place of a bank: its folder is made beside it and moved there, so it is never half there; a bank that was there
changes places with it in one step.
"""

import shlex
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from safetensors import SafetensorError

from inspector.draft import draft_folder
from inspector.durable import sync_dir, sync_files
from inspector.errors import BankError
from inspector.exchange import exchange
from inspector.folder import refuse_bank
from inspector.manifest import MANIFEST_FILE
from inspector.owner import hand_over, open_to_readers, owner_beside


@contextmanager
def new_folder(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """A temporary folder beside `path`, moved to `path` when the block succeeds, removed when it fails.

    replace: where a bank is at `path`, the two change places in one step, and the old one is removed. What a process
    that was killed left of an earlier one is removed first.

    Raises:
        BankError: `path` exists and replace is not set, or what is there is no bank, or one with a journal, which is
            exchanged by promotion alone; or it cannot be written.
        UsageError: `path` lies in a bank.
    """
    path = path.resolve()
    refuse_bank(path.parent, "a new bank in")
    instead = f"make the new one beside it, then: inspector bank promote NEW {shlex.quote(str(path))}"
    if path.exists() and not replace:
        raise BankError(
            f"bank {path}: exists already; choose another name, or pass --replace, which deletes it; to be able to go "
            f"back: {instead}"
        )
    if path.exists() and not is_bank_or_empty(path):
        raise BankError(f"bank {path}: is no bank, so it is not replaced; choose another name, or move it away")
    if path.exists() and shelf_journal(path).is_file():
        raise BankError(f"bank {path}: was taken into use by promotion, so it is not replaced; {instead}")
    made = ExitStack()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = made.enter_context(draft_folder(path.parent, draft_prefix(path)))
    except OSError as error:
        raise BankError(f"bank {path}: cannot be written there ({error.strerror})") from error
    with made:
        try:
            yield draft
            open_to_readers(draft)
            hand_over(draft, owner_beside(path))
            sync_files(draft)
            if not replace or not path.exists():
                _place(draft, path)
            elif is_bank_or_empty(path):
                exchange(draft, path)
            else:
                raise BankError(f"bank {path}: is no bank by now, so it is not replaced; move it away and do it again")
            sync_dir(path.parent)
        except (OSError, SafetensorError) as error:
            raise BankError(f"bank {path}: cannot be written ({error})") from error


def shelf_folder(path: Path) -> Path:
    """Where the banks lie that were in use at this place, with the journal of who exchanged them; see banks.shelf."""
    return path.parent / f".{path.name}.shelf"


def shelf_journal(path: Path) -> Path:
    """Who exchanged which bank at this place; not there before the first exchange, also where one was refused."""
    return shelf_folder(path) / "journal.jsonl"


def draft_prefix(path: Path) -> str:
    """How the name begins of each folder in which a bank for this place is made."""
    return f".{path.name}.draft."


def _place(draft: Path, path: Path) -> None:
    """What somebody put there meanwhile stays: a folder is renamed onto nothing but an empty one."""
    try:
        draft.rename(path)
    except OSError as error:
        if path.exists():
            raise BankError(f"bank {path}: somebody else put it there meanwhile; choose another name") from error
        raise


def is_bank_or_empty(path: Path) -> bool:
    """Whether a bank may take this place: what lies there is one, damaged or not, or an empty folder."""
    return path.is_dir() and ((path / MANIFEST_FILE).is_file() or not any(path.iterdir()))
