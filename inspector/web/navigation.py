"""The navigation: pages add themselves."""

from dataclasses import dataclass

from inspector.store import Role
from inspector.web.message import Message


@dataclass(frozen=True, slots=True)
class NavEntry:
    """One link of the navigation, shown to whoever holds the role."""

    path: str
    text: Message
    role: Role

    def holds(self, path: str) -> bool:
        """Whether this is the page of a path, or what is below it."""
        return path == self.path or (self.path != "/" and path.startswith(f"{self.path}/"))
