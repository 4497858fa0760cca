"""Certificates: until when they are valid. Otherwise that shows on the day when nobody is reached any more."""

import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from inspector.doctor.finding import Finding, fail, ok, warn
from inspector.settings import Settings

RENEWAL_DAYS = 30
"""A certificate that is valid for less is to be renewed."""

_NO_CHECK_TIME = 0x200000
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME: one that has expired is read like any other."""

_FLIGHTS = 4
"""So many times both sides of a handshake speak, at most."""


def certificates(settings: Settings) -> Iterator[Finding]:
    """Those that inspector itself shows: the review page's, and the daemon's own where the broker asks for one."""
    review, tls = settings.review, settings.broker.tls
    if review.cert_file is not None and review.key_file is not None:
        yield _own("the review page's", review.cert_file, review.key_file, clients=False)
    if tls is not None and tls.cert_file is not None and tls.key_file is not None:
        yield _own("our own for the broker", tls.cert_file, tls.key_file, clients=True)


def valid(whose: str, until: float) -> Finding:
    """How long a certificate lasts. until: seconds since 1970."""
    days = (until - time.time()) / 86400
    day = f"{datetime.fromtimestamp(until, UTC):%Y-%m-%d}"
    expected, do = f"{RENEWAL_DAYS} days or more", "renew it; see docs/deployment.md"
    if days < 0:
        return fail("certificate", f"{whose} was valid until {day}", expected=expected, do=do)
    told = f"{whose} is valid until {day}, for {days:.0f} days"
    return warn("certificate", told, expected=expected, do=do) if days < RENEWAL_DAYS else ok("certificate", told)


def _own(whose: str, certificate: Path, key: Path, *, clients: bool) -> Finding:
    try:
        return valid(whose, _until(certificate, key, clients=clients))
    except OSError as error:
        return fail(
            "certificate",
            f"{whose} cannot be used, {certificate} with {key}: {error.strerror or error}",
            expected="a certificate and its key, without a passphrase",
            do="make them anew; see docs/deployment.md",
        )


def _until(certificate: Path, key: Path, *, clients: bool) -> float:
    """Until when a certificate is valid, seconds since 1970, as it is seen by whom it is shown to.

    clients: a client shows it, not a server.

    Raises:
        OSError: certificate and key cannot be read, or are none of each other.
    """
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
