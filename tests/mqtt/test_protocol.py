"""Which MQTT version is spoken next."""

from inspector.mqtt.protocol import ProtocolChoice


def silent(choice: ProtocolChoice) -> bool:
    return choice.ended(accepted=False, wrong_version=False, silent=True)


def unreachable(choice: ProtocolChoice) -> bool:
    return choice.ended(accepted=False, wrong_version=False, silent=False)


def accepted(choice: ProtocolChoice) -> bool:
    return choice.ended(accepted=True, wrong_version=False, silent=False)


def test_a_connection_that_is_lost_changes_nothing() -> None:
    choice = ProtocolChoice("auto")
    assert not accepted(choice)
    assert not unreachable(choice)
    assert choice.now == "5"


def test_a_refused_version_is_believed() -> None:
    choice = ProtocolChoice("auto")
    assert choice.ended(accepted=False, wrong_version=True, silent=False)
    assert (choice.now, choice.in_doubt) == ("3.1.1", False)
    assert not accepted(choice)
    assert choice.now == "3.1.1"


def test_silence_is_believed_when_it_comes_twice_from_a_broker_that_is_up() -> None:
    choice = ProtocolChoice("auto")
    assert silent(choice)
    assert (choice.now, choice.in_doubt) == ("3.1.1", True)
    assert accepted(choice)
    assert (choice.now, choice.in_doubt) == ("5", False)
    assert silent(choice)
    assert (choice.now, choice.in_doubt) == ("3.1.1", False)
    assert not accepted(choice)
    assert choice.now == "3.1.1"


def test_silence_of_a_broker_that_is_starting_is_forgotten() -> None:
    choice = ProtocolChoice("auto")
    silent(choice)
    accepted(choice)
    assert not accepted(choice)
    assert choice.now == "5"
    silent(choice)
    assert choice.in_doubt


def test_a_broker_that_is_away_is_tried_with_5_again() -> None:
    choice = ProtocolChoice("auto")
    for _ in range(3):
        assert silent(choice)
        assert not silent(choice)
        assert (choice.now, choice.in_doubt) == ("5", False)


def test_what_is_configured_stays() -> None:
    for version in ("5", "3.1.1"):
        choice = ProtocolChoice(version)  # type: ignore[arg-type]
        assert not silent(choice)
        assert choice.now == version
