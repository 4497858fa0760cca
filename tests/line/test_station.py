"""The queues of the stations, the order of acknowledgements, the gaps between sequence numbers."""

import threading
from dataclasses import replace

import pytest
from services import wait_until

from inspector.line import station as stations
from inspector.line.station import AckOrder, Delivery, Intake, SequenceGaps
from inspector.mqtt.arrival import Arrival
from inspector.settings import QueueSettings
from inspector.types import StationId

CAM1 = StationId.parse("plant/hall1/line1/cam1")
CAM2 = StationId.parse("plant/hall1/line1/cam2")


def delivery(name: str, station: StationId = CAM1, payload: bytes = b"x") -> Delivery:
    return Delivery.of(station, Arrival(1, 1, "t", payload, properties=[("frame_id", name)]))


def names(deliveries: list[Delivery] | None) -> list[str]:
    return [one.raw.frame_id for one in deliveries or ()]


def intake(policy: str = "every_frame", capacity: int = 2) -> Intake:
    queue = QueueSettings.model_validate({"policy": policy, "capacity": capacity})
    return Intake({CAM1: queue, CAM2: queue})


def taken(queues: Intake, count: int) -> list[str]:
    return names([one for one in (queues.take() for _ in range(count)) if one is not None])


def test_stations_are_served_in_turn() -> None:
    queues = intake(capacity=9)
    for name in ("a1", "a2", "a3"):
        queues.put(delivery(name))
    queues.put(delivery("b1", CAM2))
    assert taken(queues, 4) == ["a1", "b1", "a2", "a3"]


def test_every_frame_blocks_until_there_is_room() -> None:
    queues = intake()
    queues.put(delivery("1"))
    queues.put(delivery("2"))
    third = threading.Thread(target=queues.put, args=(delivery("3"),))
    third.start()
    assert third.is_alive()
    assert queues.depths()[CAM1] == 2
    assert taken(queues, 1) == ["1"]
    third.join(60)
    assert taken(queues, 2) == ["2", "3"]


def test_freshest_lets_the_oldest_go() -> None:
    queues = intake("freshest")
    assert [names(queues.put(delivery(str(i)))) for i in range(4)] == [[], [], ["0"], ["1"]]
    assert taken(queues, 2) == ["2", "3"]


def test_a_queue_is_bounded_in_bytes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stations, "QUEUE_BYTES", 100)
    queues = intake("freshest", capacity=9)
    queues.put(delivery("1", payload=b"x" * 60))
    assert names(queues.put(delivery("2", payload=b"x" * 60))) == ["1"]
    assert names(queues.put(delivery("3", payload=b"x" * 200))) == ["2"]
    assert taken(queues, 1) == ["3"]


def test_closing_wakes_who_waits() -> None:
    queues = intake(capacity=1)
    queues.put(delivery("1"))
    answers: list[object] = []
    putter = threading.Thread(target=lambda: answers.append(queues.put(delivery("2"))))
    putter.start()
    queues.close()
    putter.join(60)
    assert answers == [None]
    assert queues.take() is None


def test_taking_waits_for_a_frame() -> None:
    queues = intake()
    got: list[Delivery | None] = []
    taker = threading.Thread(target=lambda: got.append(queues.take()))
    taker.start()
    queues.put(delivery("1"))
    wait_until(lambda: got, "a frame was taken")
    taker.join(60)


def test_a_delivery_keeps_the_fault_of_its_message() -> None:
    broken = Delivery.of(CAM1, Arrival(1, 1, "t", b"x"))
    assert broken.message is None
    assert "frame_id is missing" in str(broken.fault)
    assert replace(broken, dup=True).raw.frame_id.startswith("sha256:")


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


@pytest.mark.parametrize(
    ("numbers", "missing"),
    [
        ([5, 6, 7], 0),
        ([5, 8], 2),
        ([5, 6, 5, 7], 0),
        ([100, 0, 1], 0),
        ([100, 1, 2], 0),
        ([1, 3, 2, 4], 1),
        ([5, 6, 7, 6, 7, 8], 0),
        ([65534, 65535, 2, 3, 10], 6),
        ([500_000, 2, 3, 4, 50, 60], 54),
        ([1, 2, 2**63 - 1, 3, 4, 9], 4),
        ([100, 2, 5, 6], 2),
    ],
)
def test_gaps_between_sequence_numbers(numbers: list[int], missing: int) -> None:
    gaps = SequenceGaps()
    assert sum(gaps.missing_before(number) for number in numbers) == missing


def test_check_parts_that_are_counted_beside_the_camera_are_no_gap() -> None:
    gaps = SequenceGaps()
    assert gaps.missing_before(0, check=True) == 0
    assert [gaps.missing_before(number) for number in (5000, 5001)] == [0, 0]
    assert [gaps.missing_before(number, check=True) for number in (0, 1, 2)] == [0, 0, 0]
    assert gaps.missing_before(5002) == 0
    assert gaps.missing_before(5003, check=True) == 0, "one that goes on from the camera's count"
    assert gaps.missing_before(5005) == 1


def test_what_the_broker_delivers_again_is_missing_nowhere() -> None:
    gaps = SequenceGaps()
    assert [gaps.missing_before(number) for number in (10, 11, 13)] == [0, 0, 1]
    assert [gaps.missing_before(number, again=True) for number in (11, 13)] == [0, 0]
    assert [gaps.missing_before(number, again=True) for number in (14, 16)] == [0, 1]
    assert gaps.missing_before(17) == 0
