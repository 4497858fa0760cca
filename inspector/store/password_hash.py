"""Hashes of passwords: argon2id, a few at a time."""

import secrets
import threading
from functools import cache
from typing import TYPE_CHECKING

from inspector.errors import UsageError

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MIN_PASSWORD = 10
MAX_PASSWORD = 256
"""Characters of a password."""

_FEWEST_DIFFERENT = 5

_TRIED_FIRST = frozenset(
    (
        *("0123456789", "0987654321", "1234567890", "123456789a", "9876543210", "1q2w3e4r5t", "1qaz2wsx3edc"),
        *("qwertyuiop", "qwertzuiop", "azertyuiop", "qwerty12345", "qwertz12345", "qwerty123456"),
        *("password12", "password123", "password1234", "password12345", "passw0rd123", "passwort123", "passwort1234"),
        *("administrator", "administrator1", "admin12345", "admin123456", "inspector1", "inspector12", "inspector123"),
        *("letmein1234", "welcome123", "welcome1234", "changeme123", "iloveyou123", "abcdefghij", "abcd123456"),
    )
)
"""Of at least MIN_PASSWORD characters, in small letters."""

_HASHES_AT_ONCE = 2
"""A hash takes 64 MiB: a burst of logins must not take the memory of the box."""


class PasswordHashes:
    """Makes and compares hashes. Safe from any thread.

    hasher: argon2id with the parameters of RFC 9106 when not given.
    """

    def __init__(self, hasher: "PasswordHasher | None" = None) -> None:
        self._hasher = hasher or _usual_hasher()
        self._nobodys = _nobodys(self._hasher)
        self._turn = threading.BoundedSemaphore(_HASHES_AT_ONCE)

    def hash(self, password: str) -> str:
        """The hash to keep of a password."""
        with self._turn:
            return self._hasher.hash(_bytes(password))

    def matches(self, hashed: str | None, password: str) -> bool:
        """Whether the hash is that of the password. None is nobody's, which takes as long to tell."""
        from argon2.exceptions import InvalidHashError, VerificationError

        try:
            with self._turn:
                self._hasher.verify(hashed or self._nobodys, _bytes(password[: MAX_PASSWORD + 1]))
        except (VerificationError, InvalidHashError):
            return False
        return hashed is not None

    def is_outdated(self, hashed: str) -> bool:
        """Whether a hash is weaker than those that are made now."""
        return self._hasher.check_needs_rehash(hashed)


def check_password(name: str, password: str) -> None:
    """Raises UsageError where the account of this name must not have this password."""
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise UsageError(f"password: got {len(password)} characters, expected {MIN_PASSWORD} to {MAX_PASSWORD}")
    if password.lower() == name.lower():
        raise UsageError("password: got the name, expected something that others do not know")
    if (different := len(set(password))) < _FEWEST_DIFFERENT:
        raise UsageError(f"password: got {different} different characters, expected at least {_FEWEST_DIFFERENT}")
    if password.lower() in _TRIED_FIRST:
        raise UsageError("password: got one of those that everybody tries first, expected something of your own")


@cache
def _usual_hasher() -> "PasswordHasher":
    # The daemon imports the store without ever hashing a password.
    from argon2 import PasswordHasher

    return PasswordHasher()


@cache
def _nobodys(hasher: "PasswordHasher") -> str:
    """The hash of a password that nobody has."""
    return hasher.hash(secrets.token_urlsafe())


def _bytes(password: str) -> bytes:
    """Of anything that can be typed or sent, half a character included."""
    return password.encode("utf-8", "surrogatepass")
