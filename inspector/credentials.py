"""How a client shows the broker who it is, and how it verifies the broker."""

import ssl

from paho.mqtt.client import Client

from inspector.errors import SettingsError
from inspector.secret import read_secret
from inspector.settings import BrokerSettings, TlsSettings


def show_credentials(client: Client, broker: BrokerSettings) -> None:
    """Gives a client name, password, certificate and CA, as the settings say.

    Raises:
        SettingsError: the password or a certificate cannot be read.
    """
    if broker.username is not None:
        secret = broker.password_file
        client.username_pw_set(broker.username, None if secret is None else read_secret(secret))
    if broker.tls is not None:
        client.tls_set_context(_tls_context(broker.tls))


def _tls_context(tls: TlsSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=tls.ca_file)
        if tls.cert_file is not None:
            context.load_cert_chain(tls.cert_file, tls.key_file)
    except OSError as error:
        raise SettingsError(f"tls: the certificates cannot be used ({error})") from error
    return context
