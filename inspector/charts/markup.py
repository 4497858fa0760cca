"""HTML and SVG as text that is escaped unless it is markup already."""

from collections.abc import Iterable
from html import escape


class Markup(str):
    """Text that is markup: made by `el`, or by a hand that vouches for it."""

    __slots__ = ()

    def __html__(self) -> str:
        """Tells Jinja that this needs no escaping."""
        return self


Child = str | Iterable[str]
"""Plain text, which is escaped; Markup, which is not; or several of them."""


def el(name: str, /, *children: Child, **attributes: object) -> Markup:
    """One element: `el("p", "1 < 2", class_="note")` is `<p class="note">1 &lt; 2</p>`.

    A trailing underscore of an attribute's name is dropped, others become hyphens; attributes that are None are left
    out. Without children the element closes itself, which HTML allows of empty elements and SVG of all.
    """
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{said}>{join(*children)}</{name}>" if children else f"<{name}{said}/>")


def join(*children: Child) -> Markup:
    """Several children after one another."""
    return Markup("".join(_text(child) for child in children))


def _text(child: Child) -> str:
    if isinstance(child, Markup):
        return child
    if isinstance(child, str):
        return escape(child, quote=False)
    return "".join(_text(part) for part in child)
