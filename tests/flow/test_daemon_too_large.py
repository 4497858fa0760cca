"""Messages of the daemon that the broker never takes hold back nothing else, and are not lost."""

import json
from collections.abc import Callable
from itertools import count
from pathlib import Path

import cv2
import numpy as np
import pytest
from line import CAM1, Camera, Daemon, Plc, agrees, frame
from services import Mosquitto, wait_until

LIMIT = 1000
"""Bytes: more than a verdict has, and fewer than one of a frame whose names are as long as they may be."""

FLAT = bytes(cv2.imencode(".png", np.full((96, 96), 120, np.uint8))[1])
LONG = "n" * 120


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_a_verdict_that_is_too_large_for_the_broker_waits_and_the_others_pass(
    start_mosquitto: Callable[..., Mosquitto], bank: Path, tmp_path: Path, protocol: str
) -> None:
    broker = start_mosquitto(f"max_packet_size {LIMIT}")
    with Daemon(tmp_path, port=broker.port, bank=bank) as daemon, Plc(broker.port) as plc:
        daemon.settings["broker"]["protocol"] = protocol
        daemon.start()
        with Camera(broker.port, version=protocol) as camera:
            for seed in range(8):
                names = {"frame_id": f"{LONG}-{seed}", "part_id": LONG, "lot": LONG} if seed in (2, 3) else {}
                camera.send(frame(seed, payload=FLAT, **names))
            camera.send(frame(8, payload=b"no picture"))

        wait_until(lambda: len(plc.answered()) == 7, "seven are answered")
        assert plc.answered().keys() == {f"f-{seed}" for seed in (0, 1, 4, 5, 6, 7, 8)}
        wait_until(lambda: daemon.metric("inspector_outbox_held") == 2, "both others are held")
        told = "2 messages are larger than the broker takes, such as"
        wait_until(lambda: told in daemon.faults().get("outbox", ""), "readyz says so, a moment after the figures")
        wait_until(lambda: daemon.rows("SELECT count(*) FROM outbox") == [(2,)], "they wait in the outbox")
        assert len(daemon.logged("message held")) == 2
        agrees(daemon)

        with Camera(broker.port, version=protocol) as camera:
            camera.send(frame(9, payload=FLAT))
        wait_until(lambda: "f-9" in plc.answered(), "the line goes on")


DISC = bytes(cv2.imencode(".png", cv2.circle(np.full((96, 96), 120, np.uint8), (48, 48), 30, 170, -1))[1])
"""A small frame whose anomaly map is larger than the limit."""


def answered(plc: Plc, frames: int) -> None:
    wait_until(lambda: len(plc.answered()) == frames, "all are answered")


@pytest.mark.parametrize(("protocol", "losses"), [("5", 0), ("3.1.1", 3)])
def test_anomaly_maps_that_are_too_large_for_the_broker_are_left_out(
    start_mosquitto: Callable[..., Mosquitto], bank: Path, tmp_path: Path, protocol: str, losses: int
) -> None:
    broker = start_mosquitto(f"max_packet_size {LIMIT}")
    with Daemon(tmp_path, port=broker.port, bank=bank) as daemon, Plc(broker.port) as plc:
        daemon.settings["stations"][0]["heatmap"] = True
        daemon.settings["broker"]["protocol"] = protocol
        daemon.start()
        numbers = count()

        def left_out() -> bool:
            camera.send(frame(next(numbers), payload=DISC))
            return f"heatmap {CAM1}" in json.loads(daemon.get("/readyz")[1])["warnings"]

        with Camera(broker.port, version=protocol) as camera:
            wait_until(left_out, "it is told")
            left_out()
            answered(plc, next(numbers))  # so the daemon is back, and its log says how often it was away
            before = len(daemon.logged("broker away"))
            for _ in range(20):
                left_out()
        answered(plc, next(numbers) - 1)  # one number was not sent
        assert before == len(daemon.logged("broker away"))
        assert losses <= before <= 2 * losses
        assert daemon.ready()
