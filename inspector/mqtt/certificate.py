"""Until when certificates are valid: those that inspector shows, and those that are shown to it."""

import ssl
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from inspector.settings import Settings

_NO_CHECK_TIME = 0x200000
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME: one that has expired is read like any other."""

_FLIGHTS = 4
"""So many times both sides of a handshake speak, at most."""


@dataclass(frozen=True, slots=True)
class OwnCertificate:
    """One of ours, with its key. clients: a client shows it, not a server."""

    certificate: Path
    key: Path
    clients: bool

    def until(self) -> float:
        """Until when it is valid, seconds since 1970, as it is seen by whom it is shown to.

        Raises:
            OSError: certificate and key cannot be read, or are none of each other.
        """
        return _until(self.certificate, self.key, self.clients, self.changed())

    def changed(self) -> tuple[int, int]:
        """When the files were changed last. Raises OSError: they are not there."""
        return self.certificate.stat().st_mtime_ns, self.key.stat().st_mtime_ns


def own_certificates(settings: Settings) -> dict[str, OwnCertificate]:
    """`review`: the page's. `client`: the daemon's own, where the broker asks for one."""
    review, tls = settings.review, settings.broker.tls
    found = {}
    if review.cert_file is not None and review.key_file is not None:
        found["review"] = OwnCertificate(review.cert_file, review.key_file, clients=False)
    if tls is not None and tls.cert_file is not None and tls.key_file is not None:
        found["client"] = OwnCertificate(tls.cert_file, tls.key_file, clients=True)
    return found


def shown_until(wire: object) -> float | None:
    """Until when the certificate is valid that the other end of a connection showed; None without TLS."""
    shown = wire.getpeercert() if isinstance(wire, ssl.SSLSocket) else None
    return ssl.cert_time_to_seconds(str(shown["notAfter"])) if shown else None


@lru_cache(maxsize=4)
def _until(certificate: Path, key: Path, clients: bool, _changed: tuple[int, int]) -> float:
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    for context in (server, client):
        context.load_cert_chain(certificate, key, password="")
    sees = server if clients else client
    sees.verify_mode = ssl.CERT_REQUIRED
    sees.load_verify_locations(certificate)
    sees.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = client.wrap_bio(back, there), server.wrap_bio(there, back, server_side=True)
    for end in ends * _FLIGHTS:
        with suppress(ssl.SSLWantReadError):
            end.do_handshake()
    shown = ends[1 if clients else 0].getpeercert() or {}
    return ssl.cert_time_to_seconds(str(shown["notAfter"]))
