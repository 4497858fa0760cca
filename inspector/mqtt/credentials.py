"""How a client shows the broker who it is, and how it verifies the broker."""

import secrets
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from paho.mqtt.client import Client

from inspector.errors import SettingsError
from inspector.settings import BrokerSettings
from inspector.settings.secret import read_secret
from inspector.types import StationId


def passing_id(role: str, station: StationId) -> str:
    """The client id of a connection that the broker need not know again."""
    return f"{role}-{str(station).replace('/', '-')[-80:]}-{secrets.token_hex(3)}"


def show_credentials(client: Client, broker: BrokerSettings) -> None:
    """Gives a client name, password, certificate and CA, as the settings say, and as they lie in the files now.

    Raises:
        SettingsError: the password or a certificate cannot be read.
    """
    if broker.username is not None:
        secret = broker.password_file
        client.username_pw_set(broker.username, None if secret is None else read_secret(secret))
    if broker.tls is None:
        return
    with _certificates():
        context = ssl.create_default_context(cafile=broker.tls.ca_file)
        if broker.tls.cert_file is not None:
            context.load_cert_chain(broker.tls.cert_file, broker.tls.key_file)
    client.tls_set_context(context)


def when_silent(broker: BrokerSettings) -> str:
    """What to add where a broker says nothing, or hangs up, before it has answered."""
    return "" if broker.tls is not None else "; does it expect TLS? then say tls, or its ca_file"


@contextmanager
def _certificates() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SettingsError(f"tls: the certificates cannot be used ({error})") from error
