"""Which MQTT version is spoken next."""

from inspector.mqtt.protocol import Greeting, ProtocolChoice


def test_a_connection_that_is_lost_changes_nothing() -> None:
    choice = ProtocolChoice("auto")
    assert not choice.ended(Greeting.ACCEPTED)
    assert not choice.ended(Greeting.UNREACHED)
    assert choice.now == "5"


def test_a_refused_version_is_believed() -> None:
    choice = ProtocolChoice("auto")
    assert choice.ended(Greeting.WRONG_VERSION)
    assert (choice.now, choice.in_doubt) == ("3.1.1", False)
    assert not choice.ended(Greeting.ACCEPTED)
    assert choice.now == "3.1.1"


def test_silence_is_believed_when_it_comes_twice_from_a_broker_that_is_up() -> None:
    choice = ProtocolChoice("auto")
    assert choice.ended(Greeting.SILENT)
    assert (choice.now, choice.in_doubt) == ("3.1.1", True)
    assert choice.ended(Greeting.ACCEPTED)
    assert (choice.now, choice.in_doubt) == ("5", False)
    assert choice.ended(Greeting.SILENT)
    assert (choice.now, choice.in_doubt) == ("3.1.1", False)
    assert not choice.ended(Greeting.ACCEPTED)
    assert choice.now == "3.1.1"


def test_silence_of_a_broker_that_is_starting_is_forgotten() -> None:
    choice = ProtocolChoice("auto")
    choice.ended(Greeting.SILENT)
    choice.ended(Greeting.ACCEPTED)
    assert not choice.ended(Greeting.ACCEPTED)
    assert choice.now == "5"
    choice.ended(Greeting.SILENT)
    assert choice.in_doubt


def test_a_broker_that_is_away_is_tried_with_5_again() -> None:
    choice = ProtocolChoice("auto")
    for _ in range(3):
        assert choice.ended(Greeting.SILENT)
        assert not choice.ended(Greeting.SILENT)
        assert (choice.now, choice.in_doubt) == ("5", False)


def test_what_is_configured_stays() -> None:
    for version in ("5", "3.1.1"):
        choice = ProtocolChoice(version)  # type: ignore[arg-type]
        assert not choice.ended(Greeting.SILENT)
        assert choice.now == version
