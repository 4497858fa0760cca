"""The queues of the stations, and whose turn it is."""

import threading

import pytest
from services import wait_until

from inspector.line import intake as intakes
from inspector.line.delivery import Delivery
from inspector.line.intake import Intake
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
    monkeypatch.setattr(intakes, "QUEUE_BYTES", 100)
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
