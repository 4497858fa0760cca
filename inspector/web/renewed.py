"""The page's certificate, renewed in place: who connects from then on is shown the new one."""

import logging
import ssl

from inspector.mqtt.certificate import OwnCertificate

log = logging.getLogger(__name__)


class Renewed:
    """Looks at the files at each new connection, in the thread that serves. Make it before they are read first."""

    def __init__(self, own: OwnCertificate) -> None:
        self._own = own
        self._seen = own.changed()
        self._newest: ssl.SSLContext | None = None

    def show(self, connection: ssl.SSLObject, _name: str | None, _first: ssl.SSLContext) -> None:
        """As `sni_callback` of the context that listens."""
        try:
            self._look()
        except OSError as error:
            log.warning("certificate not taken", extra={"fault": f"{self._own.certificate}: {error.strerror or error}"})
        if self._newest is not None:
            connection.context = self._newest

    def _look(self) -> None:
        """Raises OSError: the files are not there, or are no pair, as one of them may be still to come."""
        changed = self._own.changed()
        if changed == self._seen:
            return
        self._seen = changed
        self._own.until()  # where they are no pair, this tells
        renewed = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        renewed.load_cert_chain(self._own.certificate, self._own.key, password="")
        self._newest = renewed
        log.info("certificate renewed", extra={"file": str(self._own.certificate)})
