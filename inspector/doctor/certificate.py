"""Certificates: until when they are valid. Otherwise that shows on the day when nobody is reached any more."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

from inspector.doctor.finding import Finding, fail, ok, warn
from inspector.mqtt.certificate import own_certificates
from inspector.settings import Settings

RENEWAL_DAYS = 30
"""A certificate that is valid for less is to be renewed."""

_WHOSE = {"review": "the review page's", "client": "our own for the broker"}


def certificates(settings: Settings) -> Iterator[Finding]:
    """Those that inspector itself shows."""
    for name, one in own_certificates(settings).items():
        try:
            yield valid(_WHOSE[name], one.until())
        except OSError as error:
            yield fail(
                "certificate",
                f"{_WHOSE[name]} cannot be used, {one.certificate} with {one.key}: {error.strerror or error}",
                expected="a certificate and its key, without a passphrase",
                do="make them anew; see docs/deployment.md",
            )


def valid(whose: str, until: float) -> Finding:
    """How long a certificate lasts. until: seconds since 1970."""
    days = (until - time.time()) / 86400
    day = f"{datetime.fromtimestamp(until, UTC):%Y-%m-%d}"
    expected, do = f"{RENEWAL_DAYS} days or more", "renew it; see docs/deployment.md"
    if days < 0:
        return fail("certificate", f"{whose} was valid until {day}", expected=expected, do=do)
    told = f"{whose} is valid until {day}, for {days:.0f} days"
    return warn("certificate", told, expected=expected, do=do) if days < RENEWAL_DAYS else ok("certificate", told)
