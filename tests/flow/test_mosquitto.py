"""The broker that the other tests lean on."""

from services import Mosquitto, listening


def test_it_comes_back_on_its_own_port(mosquitto: Mosquitto) -> None:
    port = mosquitto.port
    assert listening(port)
    mosquitto.kill()
    assert not listening(port)
    mosquitto.start()
    assert mosquitto.port == port
    assert listening(port)
