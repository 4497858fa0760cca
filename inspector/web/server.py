"""Serves the review page until SIGTERM or Ctrl-C."""

import logging
import socket
from collections.abc import Callable
from contextlib import closing

import uvicorn

from inspector import logs
from inspector.errors import SettingsError
from inspector.mqtt.certificate import own_certificates
from inspector.samples import collecting
from inspector.settings import ReviewSettings, Settings, address_of
from inspector.store import open_database
from inspector.web.app import create_app
from inspector.web.desk import Desk
from inspector.web.patience import Door, Patience
from inspector.web.renewed import Renewed

log = logging.getLogger(__name__)

_DRAIN_S = 3
_BACKLOG = 128


def serve(settings: Settings, *, say: Callable[[str], None]) -> None:
    """Opens the database, listens, and answers until the process is told to stop.

    say: told the address, and at the first start the link that makes the first account.

    Raises:
        SettingsError: the address cannot be listened on.
        StoreError: the database cannot be opened.
    """
    review = settings.review
    logs.configure()
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    with open_database(settings.database_url) as engine, closing(_listen(review)) as listener:
        app = create_app(settings, engine)
        url = address(review, listener.getsockname()[1])
        say(f"review page {url}")
        desk: Desk = app.state.desk
        if (code := desk.setup.begin()) is not None:
            say(f"first start: make the first account at {url}/setup?code={code}")
        server = uvicorn.Server(_configuration(app, settings))
        try:
            server.run(sockets=[listener])
        finally:
            collecting.stop_all(settings)


def address(review: ReviewSettings, port: int) -> str:
    """Where a browser on this machine finds the page."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(review.host, review.host)
    scheme = "https" if review.cert_file else "http"
    return f"{scheme}://{address_of(host, port)}"


def _listen(review: ReviewSettings) -> socket.socket:
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            review.host, review.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = Door(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(where)
            listener.listen(_BACKLOG)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise SettingsError(
            f"review: cannot listen on {address_of(review.host, review.port)}: {error.strerror or error}"
        ) from error
    return listener


def _configuration(app: object, settings: Settings) -> uvicorn.Config:
    review, own = settings.review, own_certificates(settings).get("review")
    renewed = Renewed(own) if own else None
    configuration = uvicorn.Config(
        app,  # type: ignore[arg-type]
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="on",
        backlog=_BACKLOG,  # so many are let in before Door may let one go
        http=Patience,
        ws="none",
        proxy_headers=False,  # inspector.web.forwarded
        ssl_certfile=review.cert_file,
        ssl_keyfile=review.key_file,
        timeout_graceful_shutdown=_DRAIN_S,
    )
    configuration.load()
    if renewed is not None and configuration.ssl is not None:
        configuration.ssl.sni_callback = renewed.show  # called at each handshake, also where no name is asked for
    return configuration
