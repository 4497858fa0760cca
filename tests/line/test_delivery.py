"""What a frame says as it arrives."""

from dataclasses import replace

from inspector.line.delivery import Delivery
from inspector.mqtt.arrival import Arrival
from inspector.types import StationId

CAM1 = StationId.parse("plant/hall1/line1/cam1")


def test_a_delivery_keeps_the_fault_of_its_message() -> None:
    broken = Delivery.of(CAM1, Arrival(1, 1, "t", b"x"))
    assert broken.message is None
    assert "frame_id is missing" in str(broken.fault)
    assert replace(broken, dup=True).raw.frame_id.startswith("sha256:")
