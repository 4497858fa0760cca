"""The demo's review page: an account whose password nobody knows, and a link that logs in as it."""

import secrets
import time
from pathlib import Path

from inspector.demo.daemon import RunningDaemon
from inspector.demo.machine import DemoError
from inspector.demo.port import listens
from inspector.leash import last_words
from inspector.settings import load
from inspector.store import Accounts, Role, Sessions, open_database
from inspector.web.server import address

_NAME = "demo"
_LINK_HOURS = 24.0
_LISTENS_WITHIN_S = 60.0


def prepare_page(config: Path) -> str:
    """Makes the account before anything else could; gives the address that logs in once.

    Raises:
        InspectorError: the configuration or the database cannot be used.
    """
    settings = load(config)
    with open_database(settings.database_url) as engine:
        Accounts(engine).create(_NAME, secrets.token_urlsafe(32), Role.ADMIN, by=_NAME)
        code = Sessions(engine).begin_link(_NAME, _LINK_HOURS, by=_NAME)
    return f"{address(settings.review, settings.review.port)}/enter?code={code}"


def wait_for_page(port: int, daemon: RunningDaemon) -> None:
    """Returns when the page answers.

    Raises:
        DemoError: the daemon ended, or the page does not listen within a minute.
    """
    end = time.monotonic() + _LISTENS_WITHIN_S
    while not listens(port):
        daemon.check()
        if time.monotonic() > end:
            raise DemoError(
                f"the review page does not answer after {_LISTENS_WITHIN_S:.0f} s: {last_words(daemon.log)}"
            )
        time.sleep(0.05)
