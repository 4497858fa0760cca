"""Hashes of passwords: argon2id, a few at a time."""

import secrets
import threading
from typing import TYPE_CHECKING

from inspector.errors import UsageError

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MIN_PASSWORD = 10
MAX_PASSWORD = 256
"""Characters of a password."""

_HASHES_AT_ONCE = 2
"""A hash takes 64 MiB: a burst of logins must not take the memory of the box."""


class PasswordHashes:
    """Makes and compares hashes. Safe from any thread.

    hasher: argon2id with the parameters of RFC 9106 when not given.
    """

    def __init__(self, hasher: "PasswordHasher | None" = None) -> None:
        # The daemon imports the store without ever hashing a password.
        from argon2 import PasswordHasher

        self._hasher = hasher or PasswordHasher()
        self._nobodys = self._hasher.hash(secrets.token_urlsafe())
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


def _bytes(password: str) -> bytes:
    """Of anything that can be typed or sent, half a character included."""
    return password.encode("utf-8", "surrogatepass")
