"""The passwords that people type: checked, and not to be guessed."""

from collections.abc import Hashable
from contextlib import ExitStack
from ipaddress import IPv4Address, IPv6Network, ip_address

from inspector.store import Account, Accounts
from inspector.web.limits import FailureLimit

_PERIOD_S = 300.0
_FAILURES_OF_A_NAME_FROM_AN_ADDRESS = 5
_FAILURES_OF_AN_ADDRESS = 30
_FAILURES_OF_A_NAME = 100
"""From wherever: more than one address can make, so that nobody locks out others from a single machine."""

_NETWORK_BITS = 64
"""Of an IPv6 address: one machine may take all those that begin alike."""


class TooManyFailuresError(Exception):
    """A name or an address has failed too often. wait_s: seconds until it may try again."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"too many failures, expected none for {wait_s:.0f} s")
        self.wait_s = wait_s


class Passwords:
    """Checks passwords, and makes an address wait that fails too often, or a name. Threads may share it."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._by_name = FailureLimit(_FAILURES_OF_A_NAME, _PERIOD_S)
        self._by_both = FailureLimit(_FAILURES_OF_A_NAME_FROM_AN_ADDRESS, _PERIOD_S)
        self._by_address = FailureLimit(_FAILURES_OF_AN_ADDRESS, _PERIOD_S)

    def check(self, name: str, password: str, *, address: str | None = None) -> Account | None:
        """The account of this name, if the password is right; else None, which counts as a failure.

        address: where the attempt comes from; None for somebody who is logged in.

        Raises:
            TooManyFailuresError: the password was not looked at.
            StoreError: the database cannot be read; nothing is counted.
        """
        folded, machine = name.casefold(), None if address is None else _machine(address)
        attempts: list[tuple[FailureLimit, Hashable]] = [(self._by_both, (folded, machine)), (self._by_name, folded)]
        if machine is not None:
            attempts.append((self._by_address, machine))
        with ExitStack() as begun:
            for limit, key in attempts:
                if (wait_s := limit.begin(key)) > 0:
                    raise TooManyFailuresError(wait_s)
                begun.callback(limit.withdraw, key)
            account = self._accounts.verify(name, password)
            if account is None:
                begun.pop_all()
                return None
        self._by_both.forget((folded, machine))
        return account


def _machine(address: str) -> str:
    """What one machine cannot change about its address."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv4Address):
        return str(found)
    return str(found.ipv4_mapped or IPv6Network((int(found), _NETWORK_BITS), strict=False))
