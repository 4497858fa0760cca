"""What people read: in English where it is made, in their own language where it is shown."""

from collections.abc import Mapping
from gettext import NullTranslations
from typing import Self


class Message(str):
    """A text in English like any other, that also knows what its translation is found by.

    source: the English text with `%(name)s` where a value goes. values: what goes there, messages among them.
    """

    source: str
    values: Mapping[str, object]

    def __new__(cls, source: str, **values: object) -> Self:
        """In English, filled in."""
        made = super().__new__(cls, source % values if values else source)
        made.source, made.values = source, values
        return made

    def translated(self, catalogue: NullTranslations) -> str:
        """The same in the language of a catalogue; in English where it does not have it."""
        return self._filled(catalogue.gettext(self.source), catalogue)

    def _filled(self, text: str, catalogue: NullTranslations) -> str:
        if not self.values:
            return text
        return text % {
            name: value.translated(catalogue) if isinstance(value, Message) else value
            for name, value in self.values.items()
        }


class Counted(Message):
    """A text that a number decides on: `a minute`, `%(number)s minutes`."""

    many: str
    number: int

    def __new__(cls, one: str, many: str, number: int, **values: object) -> Self:
        """In the English form for the number, filled in."""
        made = super().__new__(cls, one if number == 1 else many, number=number, **values)
        made.source, made.many, made.number = one, many, number
        return made

    def translated(self, catalogue: NullTranslations) -> str:
        """As in the base class, in the form that the language has for the number."""
        return self._filled(catalogue.ngettext(self.source, self.many, self.number), catalogue)


def said(error: Exception) -> str:
    """What an error says: the message that it was raised with, so that it can be translated, else its text."""
    first = error.args[0] if error.args else None
    return first if isinstance(first, Message) else str(error)
