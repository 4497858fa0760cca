"""The navigation: pages add themselves."""

from dataclasses import dataclass

from inspector.store import Role


@dataclass(frozen=True, slots=True)
class NavEntry:
    """One link of the navigation, shown to whoever holds the role."""

    path: str
    text: str
    role: Role
