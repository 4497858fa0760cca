"""How a client shows the broker who it is, and how it verifies the broker."""

import secrets
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from paho.mqtt.client import Client

from inspector.errors import SettingsError
from inspector.settings import BrokerSettings, TlsSettings
from inspector.settings.secret import read_secret
from inspector.types import StationId


def passing_id(role: str, station: StationId) -> str:
    """The client id of a connection that the broker need not know again."""
    return f"{role}-{str(station).replace('/', '-')[-80:]}-{secrets.token_hex(3)}"


def show_credentials(client: Client, broker: BrokerSettings) -> ssl.SSLContext | None:
    """Gives a client name, password, certificate and CA, as the settings say; returns what holds the latter, if any.

    Raises:
        SettingsError: the password or a certificate cannot be read.
    """
    _show_password(client, broker)
    if broker.tls is None:
        return None
    with _certificates():
        context = ssl.create_default_context(cafile=broker.tls.ca_file)
        _show_certificate(context, broker.tls)
    client.tls_set_context(context)
    return context


def renew_credentials(client: Client, broker: BrokerSettings, context: ssl.SSLContext | None) -> None:
    """For a client that connects again: what lies in the files now. A CA that was there before stays trusted.

    Raises:
        SettingsError: the password or a certificate cannot be read.
    """
    _show_password(client, broker)
    if broker.tls is not None and context is not None:
        with _certificates():
            if broker.tls.ca_file is not None:
                context.load_verify_locations(broker.tls.ca_file)
            _show_certificate(context, broker.tls)


def _show_password(client: Client, broker: BrokerSettings) -> None:
    if broker.username is not None:
        secret = broker.password_file
        client.username_pw_set(broker.username, None if secret is None else read_secret(secret))


def _show_certificate(context: ssl.SSLContext, tls: TlsSettings) -> None:
    if tls.cert_file is not None:
        context.load_cert_chain(tls.cert_file, tls.key_file)


@contextmanager
def _certificates() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SettingsError(f"tls: the certificates cannot be used ({error})") from error
