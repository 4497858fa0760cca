"""The order of acknowledgements."""

from inspector.line.acks import AckOrder


def test_acknowledgements_leave_in_order_of_arrival() -> None:
    order = AckOrder()
    for mid in (7, 8, 9):
        order.arrived(1, mid)
    assert order.settled(1, 8) == []
    assert order.settled(1, 7) == [7, 8]
    assert order.settled(1, 9) == [9]
    assert order.settled(1, 9) == []


def test_acknowledgements_of_a_lost_connection_never_leave() -> None:
    order = AckOrder()
    order.arrived(1, 7)
    order.arrived(2, 7)
    assert order.settled(1, 7) == []
    assert order.settled(2, 7) == [7]


def test_what_a_lost_connection_left_open_holds_back_no_acknowledgement_of_the_next() -> None:
    order = AckOrder()
    order.arrived(1, 7)
    order.arrived(1, 8)
    order.arrived(2, 1)
    assert order.settled(2, 1) == [1]
