"""The demo as a newcomer meets it: real processes from the command line, on both brokers, and every way out."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest
from services import DEADLINE_S, gone, wait_until

QUICK = ("--samples", "10", "--fps", "3", "--defect-rate", "0.3")


class Demo:
    """A running `inspector demo` and what it has said."""

    def __init__(self, *arguments: str, temporary: Path) -> None:
        environment = {**os.environ, "TMPDIR": str(temporary), "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}
        environment.pop("DISPLAY", None)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "inspector", "demo", *QUICK, *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.out, self.err = [], []
        self._readers = [
            threading.Thread(target=lambda pipe=pipe, said=said: said.extend(pipe), daemon=True)
            for pipe, said in ((self.process.stdout, self.out), (self.process.stderr, self.err))
        ]
        for reader in self._readers:
            reader.start()

    def said(self, text: str) -> str:
        """Waits for a line with this text."""
        wait_until(
            lambda: any(text in line for line in self.out) or self.process.poll() is not None,
            f"the demo says {text!r}",
            deadline_s=3 * DEADLINE_S,
        )
        found = [line for line in self.out if text in line]
        assert found, f"{text!r} not in {self.out} {self.err}"
        return found[0]

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def ended(self) -> int:
        code = self.process.wait(3 * DEADLINE_S)
        for reader in self._readers:
            reader.join(DEADLINE_S)
        return code


@contextmanager
def running_demo(*arguments: str, temporary: Path) -> Iterator[Demo]:
    demo = Demo(*arguments, temporary=temporary)
    try:
        yield demo
    finally:
        demo.process.kill()
        demo.ended()
        for pipe in (demo.process.stdout, demo.process.stderr):
            if pipe is not None:
                pipe.close()


def test_it_runs_for_a_while_and_sums_up(tmp_path: Path) -> None:
    with running_demo("--seconds", "4", "--broker", "amqtt", "--json", temporary=tmp_path) as demo:
        assert demo.ended() == 0, demo.err
        summary = json.loads("".join(demo.out))
        said = "".join(demo.err)
    assert summary["frames"] >= 4
    assert summary["verdicts"] == summary["frames"]
    assert (summary["errors"], summary["lost"]) == (0, 0)
    assert summary["good"] + summary["drawn"] == summary["frames"]
    assert 0 < summary["p50_ms"] <= summary["p99_ms"]
    assert "amqtt (MQTT 3.1.1) on 127.0.0.1:" in said
    assert re.search(r"metrics +http://127\.0\.0\.1:\d+/metrics", said)
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_ends_it_with_the_summary_and_a_kept_folder(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    arguments = ("--seconds", "600", "--broker", "mosquitto", "--keep", "--folder", str(folder))
    with running_demo(*arguments, temporary=tmp_path) as demo:
        demo.said("running for 600 s")
        family = demo.family()
        assert len(family) == 3
        url = demo.said("/metrics").split()[1]
        wait_until(lambda: _verdicts(url) >= 3, "verdicts are counted at /metrics")
        _review(demo.said("/enter?code=").split()[1])
        demo.process.send_signal(signal.SIGINT)
        assert demo.ended() == 0, demo.err
        assert demo.err == []
        assert any(re.match(r"frames +\d+ in, \d+ verdicts out, 0 errors, 0 lost", line) for line in demo.out)
        assert any(line.startswith("latency") for line in demo.out)
    assert all(map(gone, family))
    assert {"banks", "data", "inspector.yaml", "daemon.log"} <= {path.name for path in folder.iterdir()}


def _verdicts(url: str) -> float:
    with urllib.request.urlopen(url, timeout=DEADLINE_S) as answer:
        text = answer.read().decode()
    return sum(float(value) for value in re.findall(r"^inspector_verdicts_total\{.*\} (\S+)$", text, re.MULTILINE))


def _review(link: str) -> None:
    """The link logs in, the line's flagged frames are there to decide, and it works once."""
    with httpx.Client(base_url=link.partition("/enter")[0], timeout=DEADLINE_S) as browser:
        assert browser.get(link, follow_redirects=True).status_code == 200
        wait_until(lambda: browser.get("/api/v1/frames").json()["frames"], "a flagged frame is in the queue")
        frame = browser.get("/api/v1/frames").json()["frames"][0]
        assert browser.get(f"/frame/{frame['id']}/map").headers["content-type"] == "image/png"
        token = {"x-csrf-token": browser.get("/api/v1/me").json()["csrf"]}
        said = {"to": "false_alarm", "version": frame["version"]}
        answer = browser.post(f"/api/v1/frames/{frame['id']}/disposition", json=said, headers=token)
        assert answer.json()["reviewer"] == "demo"
    with httpx.Client(timeout=DEADLINE_S) as other:
        assert other.get(link).status_code == 410


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_before_it_runs_it_leaves_nothing(tmp_path: Path, number: int) -> None:
    with running_demo(temporary=tmp_path) as demo:
        demo.said("broker ")
        family = demo.family()
        demo.process.send_signal(number)
        assert demo.ended() == 130
        assert "Traceback" not in "".join(demo.err)
    assert all(map(gone, family))
    assert list(tmp_path.iterdir()) == []


def test_a_daemon_that_ends_is_told_in_one_line(tmp_path: Path) -> None:
    with running_demo("--seconds", "600", temporary=tmp_path) as demo:
        demo.said("running for 600 s")
        family = demo.family()
        next(process for process in family if "run" in process.cmdline()).kill()
        assert demo.ended() == 1
        assert len(demo.err) == 1
        assert "error: the daemon ended (exit code -9)" in demo.err[0]
    wait_until(lambda: all(map(gone, family)), "its page, which ends by itself when it is killed, is gone as well")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--folder", "/proc/demo"), 1, "demo folder /proc/demo: cannot be written"),
        (("--seconds", "0"), 2, "seconds: got 0"),
        (("--fps", "0"), 2, "fps: got 0"),
    ],
)
def test_what_cannot_be_is_one_line(tmp_path: Path, arguments: tuple[str, ...], code: int, message: str) -> None:
    with running_demo(*arguments, temporary=tmp_path) as demo:
        assert demo.ended() == code
        assert len(demo.err) == 1
        assert message in demo.err[0]
