"""The passwords that people type: checked, and not to be guessed."""

from contextlib import ExitStack

from inspector.store import Account, Accounts
from inspector.web.limits import FailureLimit

_PERIOD_S = 300.0
_FAILURES_OF_A_NAME = 5
_FAILURES_OF_AN_ADDRESS = 30


class TooManyFailuresError(Exception):
    """A name or an address has failed too often. wait_s: seconds until it may try again."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"too many failures, expected none for {wait_s:.0f} s")
        self.wait_s = wait_s


class Passwords:
    """Checks passwords, and makes a name or an address wait that fails too often. Threads may share it."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._by_name = FailureLimit(_FAILURES_OF_A_NAME, _PERIOD_S)
        self._by_address = FailureLimit(_FAILURES_OF_AN_ADDRESS, _PERIOD_S)

    def check(self, name: str, password: str, *, address: str | None = None) -> Account | None:
        """The account of this name, if the password is right; else None, which counts as a failure.

        address: where the attempt comes from; None does not count by address.

        Raises:
            TooManyFailuresError: the password was not looked at.
            StoreError: the database cannot be read; nothing is counted.
        """
        attempts = [] if address is None else [(self._by_address, address)]
        attempts.append((self._by_name, name.casefold()))
        with ExitStack() as begun:
            for limit, key in attempts:
                if (wait_s := limit.begin(key)) > 0:
                    raise TooManyFailuresError(wait_s)
                begun.callback(limit.withdraw, key)
            account = self._accounts.verify(name, password)
            if account is None:
                begun.pop_all()
                return None
        self._by_name.forget(name.casefold())
        return account
