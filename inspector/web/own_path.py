"""Which addresses lead to a page of this site."""

from urllib.parse import urlsplit


def is_own_path(target: str) -> bool:
    """Whether a browser that follows `target` stays on this site: it takes `//name`, and `/\\name`, for another one,
    also with a tab or a line's end in between.
    """
    try:
        parts = urlsplit(target)
    except ValueError:
        return False
    rooted = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return rooted and not parts.scheme and not parts.netloc


def own_path(target: str) -> str:
    """A path of this site; anything else becomes `/`."""
    return target if is_own_path(target) else "/"
