"""What a server of ours on this machine answers."""

import urllib.error
import urllib.request
from http.client import HTTPException

_STRAIGHT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def status_of(url: str, token: str | None = None, *, within_s: float) -> int:
    """The HTTP status of a GET; 0 where nobody answers in time, or not in HTTP. token: sent as a bearer token.

    A proxy that the environment names is not asked: it does not reach our loopback, and the token is not for it.
    """
    request = urllib.request.Request(url, headers={} if token is None else {"Authorization": f"Bearer {token}"})
    try:
        with _STRAIGHT.open(request, timeout=within_s) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return int(error.code)
    except (OSError, HTTPException):
        return 0
