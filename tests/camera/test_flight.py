"""Which frame ends the connection each time that it is sent: as the broker's answers and lost connections tell."""

from listening import STATION

from inspector.camera.flight import STRIKES, Flight, Sending
from inspector.types import FrameMessage


def frames(flight: Flight, count: int) -> list[Sending]:
    made = []
    for number in range(count):
        message = FrameMessage(station=STATION, frame_id=str(number), payload=b"x", sha256="0" * 64)
        made.append(Sending(message, "image/png", lambda _: None))
        flight.add(made[-1])
    return made


def sent(flight: Flight) -> list[Sending]:
    """All that are due, sent; the number in the connection is that in the test."""
    out = []
    while (frame := flight.due()) is not None:
        frame.mid = int(frame.message.frame_id)
        out.append(frame)
    return out


def test_all_go_at_once_until_a_connection_is_lost_then_one_by_one_until_those_are_answered() -> None:
    flight = Flight()
    first, second = frames(flight, 2)
    assert sent(flight) == [first, second]
    assert flight.lost(1) is None
    (third,) = frames(flight, 1)
    third.message = FrameMessage(station=STATION, frame_id="2", payload=b"x", sha256="0" * 64)
    assert sent(flight) == [first]
    assert flight.answered(0) is first
    assert sent(flight) == [second]
    assert flight.answered(0) is None
    assert flight.answered(1) is second
    assert sent(flight) == [third]
    assert not flight.one_by_one


def test_a_frame_that_ends_the_connection_each_time_that_it_is_alone_leaves() -> None:
    flight = Flight()
    first, second, third = frames(flight, 3)
    sent(flight)
    flight.lost(1)
    sent(flight)
    flight.answered(0)
    for _ in range(STRIKES - 1):
        assert sent(flight) == [second]
        assert flight.lost(1) is None
    assert sent(flight) == [second]
    assert flight.lost(1) is second
    assert sent(flight) == [third]
    assert flight.answered(2) is third
    assert first.mid == 0


def test_one_connection_is_enough_where_the_broker_says_it() -> None:
    flight = Flight()
    first, second = frames(flight, 2)
    sent(flight)
    assert flight.lost(STRIKES) is None, "one of two: nobody knows which"
    sent(flight)
    assert flight.lost(STRIKES) is first
    assert sent(flight) == [second]


def test_what_else_ends_connections_speaks_for_the_frame() -> None:
    flight = Flight()
    (first,) = frames(flight, 1)
    for strikes, away in ((1, False), (1, True), (1, False), (0, False), (1, False), (1, True)) * 3:
        assert sent(flight) == [first]
        assert flight.lost(strikes) is None
        if away:
            flight.broker_away()


def test_connections_that_end_before_the_frame_is_sent_speak_for_it() -> None:
    flight = Flight()
    (first,) = frames(flight, 1)
    for _ in range(2 * STRIKES):
        sent(flight)
        assert flight.lost(1) is None
        assert flight.lost(1) is None
    assert flight.due() is first


def test_with_nothing_on_its_way_a_lost_connection_means_nothing() -> None:
    flight = Flight()
    assert flight.lost(STRIKES) is None
    assert not flight.one_by_one
    assert len(sent(flight)) == 0
    assert len(frames(flight, 2)) == len(sent(flight))
