"""Which message ends the connection each time that it is sent waits apart; by numbers in the outbox and moments."""

from inspector.line.aside import Aside

SIZES = {1: 100, 2: 5000, 3: 100}


def ended_on(aside: Aside, row: int, size: int, now: float) -> None:
    """The connection ends with this one alone on its way."""
    assert aside.one_by_one
    aside.lost({row: size}, now)


def test_after_a_lost_connection_messages_go_one_by_one_until_all_are_answered() -> None:
    aside = Aside()
    assert not aside.one_by_one
    aside.lost(SIZES, 0)
    for row in SIZES:
        assert aside.one_by_one
        assert not aside.settled(row)
    assert not aside.one_by_one
    assert aside.rows == set()


def test_one_message_on_its_way_when_the_broker_restarts_is_sent_again_at_once() -> None:
    aside = Aside()
    aside.lost({1: 100}, 0)
    assert aside.one_by_one
    assert aside.rows == set()


def test_the_one_that_ends_the_connection_waits_and_is_tried_seldom() -> None:
    aside = Aside()
    aside.lost(SIZES, 0)
    aside.settled(1)
    ended_on(aside, 2, 5000, now=1)
    assert (aside.rows, aside.held) == ({2}, set())
    aside.settled(3)
    assert not aside.one_by_one
    assert not aside.is_due(now=10)
    assert aside.due(now=10) is None
    assert aside.is_due(now=17)
    assert aside.rows == {2}
    assert aside.due(now=17) == 2
    assert not aside.is_due(now=17)
    assert aside.rows == set()
    ended_on(aside, 2, 5000, now=17)
    assert (aside.rows, aside.held) == ({2}, {2})
    assert aside.due(now=300) is None
    assert aside.due(now=700) == 2


def test_others_as_large_are_held_without_another_try_and_go_when_one_passes() -> None:
    aside = Aside()
    aside.lost({1: 4000, 2: 5000}, 0)
    ended_on(aside, 2, 5000, now=1)
    ended_on(aside, 1, 4000, now=2)
    assert aside.due(now=20) == 1
    ended_on(aside, 1, 4000, now=20)
    assert aside.held == {1, 2}
    assert aside.due(now=100) is None
    assert aside.due(now=700) == 1
    assert aside.settled(1)
    assert aside.rows == aside.held == set()


def test_what_the_broker_announces_holds_for_one_connection() -> None:
    aside = Aside()
    aside.lost({1: 100}, 0)
    aside.larger_than_announced(1)
    assert (aside.rows, aside.held, aside.one_by_one) == ({1}, {1}, False)
    aside.connected()
    assert aside.rows == aside.held == set()
