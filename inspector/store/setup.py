"""The first start: whoever has the code that this process made may make the first account."""

import hmac
import threading

from inspector.store.account import Account, AccountError, digest, new_secret
from inspector.store.accounts import Accounts


class Setup:
    """Holds the code, in this process alone. Safe from any thread."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._lock = threading.Lock()
        self._expected: bytes | None = None

    def begin(self) -> str | None:
        """A code with which the first administrator may be made; None where there are accounts. An earlier one is void.

        Raises:
            StoreError: the database cannot be read.
        """
        if not self._accounts.empty():
            return None
        code = new_secret()
        with self._lock:
            self._expected = _hashed(code)
        return code

    def accepts(self, code: str) -> bool:
        """Whether this is the code of `begin`, and not yet used up."""
        with self._lock:
            return self._expected is not None and hmac.compare_digest(self._expected, _hashed(code))

    def finish(self, code: str, name: str, password: str) -> Account:
        """Makes the first administrator; the code is used up.

        Raises:
            AccountError: the code is not the one, or there is an account.
            UsageError: the name or password is not allowed; the code remains.
            StoreError: the database cannot be read or written.
        """
        if not self.accepts(code):
            raise AccountError("setup: this link is not valid any more; start the review page again for a new one")
        account = self._accounts.create_first(name, password)
        with self._lock:
            self._expected = None
        return account


def _hashed(code: str) -> bytes:
    return digest("setup", code).encode()
