"""Who was not let in stands in the log: whoever guesses is seen, and does not fill it."""

import logging

from fastapi import Request

from inspector.logs import RateLimited

log = logging.getLogger(__name__)


class Refusals:
    """Tells them, of each kind, account and address once in ten seconds. Threads may share it."""

    def __init__(self) -> None:
        self._limited = RateLimited(log)

    def tell(self, request: Request, what: str, account: str | None = None, **more: object) -> None:
        """what: the line. account: whose, if there is one of that name; never what was typed."""
        address = address_of(request)
        self._limited.warning((what, account, address), what, account=account, address=address, **more)


def address_of(request: Request) -> str:
    """Where a request comes from; empty where that is not known."""
    return request.client.host if request.client else ""
