"""The demo's parts, each alone: its book, its folder, its broker, and what it asks of a processor."""

import os
import signal
import socket
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import psutil
import pytest
from services import DEADLINE_S, gone, wait_until

from inspector.demo import port
from inspector.demo.broker import running_broker
from inspector.demo.machine import DemoError, check_cpu
from inspector.demo.port import check_port, free_port
from inspector.demo.report import live_line, summary_text
from inspector.demo.score import Book, Caught, quantile
from inspector.demo.workplace import workplace
from inspector.doctor.broker import broker as examined
from inspector.errors import BrokerError
from inspector.leash import child, last_words
from inspector.settings import Settings

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def cpuinfo(folder: Path, flags: str) -> Path:
    path = folder / "cpuinfo"
    path.write_text(f"processor : 0\nflags\t\t: fpu sse2 {flags}\n")
    return path


def test_a_processor_without_sse4_2_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match=r"no SSE4\.2.*2009 or later"):
        check_cpu(cpuinfo(tmp_path, "ssse3"), "x86_64")


def test_a_processor_without_avx2_is_told_to_be_slow(tmp_path: Path) -> None:
    notice = check_cpu(cpuinfo(tmp_path, "sse4_2 avx"), "x86_64")
    assert notice is not None
    assert "no AVX2" in notice


def test_a_usual_or_unknown_processor_needs_no_word(tmp_path: Path) -> None:
    assert check_cpu(cpuinfo(tmp_path, "sse4_2 avx avx2"), "x86_64") is None
    assert check_cpu(tmp_path / "absent", "x86_64") is None
    assert check_cpu(cpuinfo(tmp_path, ""), "aarch64") is None


def test_the_folder_is_made_and_removed() -> None:
    with workplace(None, keep=False) as folder:
        (folder / "banks" / "plate").mkdir(parents=True)
    assert not folder.exists()


def test_a_kept_folder_stays_and_serves_the_next_demo(tmp_path: Path) -> None:
    for _ in range(2):
        with workplace(tmp_path / "demo", keep=True) as folder:
            assert not (folder / "daemon.log").exists()
            (folder / "daemon.log").touch()
    assert (tmp_path / "demo" / "daemon.log").exists()


def test_an_empty_folder_of_somebody_is_left_empty(tmp_path: Path) -> None:
    with workplace(tmp_path, keep=False) as folder:
        (folder / "daemon.log").touch()
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_a_demo_s_is_never_removed(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(DemoError, match="is not empty"), workplace(tmp_path, keep=False):
        pass
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file" / "demo", tmp_path / "file", Path("/proc/demo")):
        with pytest.raises(DemoError, match=r"cannot be written.*--folder"), workplace(folder, keep=False):
            pass


def test_the_folder_is_removed_when_the_demo_fails() -> None:
    with pytest.raises(DemoError, match="a part ended"), workplace(None, keep=False) as folder:
        raise DemoError("a part ended")
    assert not folder.exists()


def test_a_port_in_use_is_told_by_number() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        with pytest.raises(DemoError, match=f"metrics port {number}: Address already in use"):
            check_port(number)
    check_port(0)


@pytest.mark.skipif(not _RANGE.exists(), reason="only Linux says which ports it hands out")
def test_a_free_port_is_none_that_the_system_hands_to_a_client() -> None:
    ports = [free_port() for _ in range(100)]
    assert len(set(ports)) == 100
    assert max(ports) < int(_RANGE.read_text().split()[0])


def test_a_port_in_use_is_no_free_one(monkeypatch: pytest.MonkeyPatch) -> None:
    unused = free_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setattr(port, "_candidates", iter([taken.getsockname()[1], unused]))
        assert port.free_port() == unused
    with pytest.raises(DemoError, match=r"no free port on 127\.0\.0\.1 from 10240 to 32767"):
        port.free_port()


def test_the_book_counts_what_the_line_said() -> None:
    book = Book()
    for number, truth in enumerate(["good", "good", "good", "scratch", "scratch", "dent", "good"]):
        book.sent(f"f{number}", truth, moment=float(number))
    for number, decision in enumerate(["ok", "ng", "uncertain", "ng", "ok", "error"]):
        book.decided(f"f{number}", decision, moment=number + 0.010 * (number + 1), inspection_ms=5.0)
    book.decided("f0", "ng", moment=50.0)
    book.decided("of another camera", "ng", moment=50.0)
    assert book.open == 1
    summary = book.summary()
    assert (summary.frames, summary.verdicts, summary.errors, summary.lost) == (7, 5, 1, 1)
    assert (summary.good, summary.false_rejects, summary.uncertain) == (4, 1, 1)
    assert summary.defects == {"dent": Caught(1, 0), "scratch": Caught(2, 1)}
    assert (summary.drawn, summary.caught) == (3, 1)
    assert summary.p50_ms == pytest.approx(30)
    assert summary.p99_ms == pytest.approx(50)
    text = summary_text(summary)
    assert "7 in, 5 verdicts out, 1 errors, 1 lost" in text
    assert "1 of 3 caught: dent 0/1, scratch 1/2" in text
    assert "caught 1/3" in live_line(summary)


def test_a_demo_that_is_left_running_does_not_fill_the_memory() -> None:
    book = Book()
    tracemalloc.start()
    try:
        for number in range(20_000):
            book.sent(f"frame-of-the-demo-{number:09d}", "good", moment=float(number))
            book.decided(f"frame-of-the-demo-{number:09d}", "ok", moment=number + 0.010, inspection_ms=5.0)
        assert tracemalloc.get_traced_memory()[0] < 1_000_000
    finally:
        tracemalloc.stop()
    assert book.summary(last=100).verdicts == 20_000


def test_a_book_without_outcomes_has_no_latency() -> None:
    assert Book().summary().p50_ms is None
    assert "p50 -" in summary_text(Book().summary())


def test_quantiles_are_values_that_occurred() -> None:
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert quantile([float(number) for number in range(1, 101)], 0.99) == 99.0
    assert quantile([], 0.5) is None


@pytest.mark.parametrize("kind", ["mosquitto", "amqtt"])
def test_a_broker_runs_beside_others_and_ends_with_its_block(tmp_path: Path, kind: str) -> None:
    with running_broker(tmp_path, kind) as one, running_broker(tmp_path, kind) as two:  # type: ignore[arg-type]
        assert one.kind == two.kind == kind
        assert one.port != two.port
        processes = [psutil.Process(broker.process.pid) for broker in (one, two)]
    assert not any(process.is_running() for process in processes)


def test_its_mosquitto_loses_no_frame_that_a_slow_machine_is_late_for(tmp_path: Path) -> None:
    with running_broker(tmp_path, "mosquitto") as broker:
        settings = Settings.model_validate(
            {
                "broker": broker.settings,
                "data_dir": tmp_path / "data",
                "stations": [{"id": "demo/hall1/line1/plate", "bank": tmp_path / "bank"}],
            }
        )
        (queue,) = [found for found in examined(settings, publish=False) if found.what == "queue"]
    assert queue.mark == "ok", queue


def test_a_broker_that_ends_is_told(tmp_path: Path) -> None:
    with running_broker(tmp_path) as broker:
        broker.check()
        broker.process.kill()
        broker.process.wait(DEADLINE_S)
        with pytest.raises(BrokerError, match=r"mosquitto ended \(exit code -9\)"):
            broker.check()


def failing_mosquitto(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = folder / "bin" / "mosquitto"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'Error: this build is broken' >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")


def test_a_broker_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing_mosquitto(tmp_path, monkeypatch)
    with (
        pytest.raises(BrokerError, match=r"mosquitto: does not start .*this build is broken"),
        running_broker(tmp_path, "mosquitto"),
    ):
        pass


def test_where_mosquitto_fails_the_embedded_broker_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing_mosquitto(tmp_path, monkeypatch)
    with running_broker(tmp_path) as broker:
        assert broker.kind == "amqtt"


def test_a_command_that_is_none_is_told(tmp_path: Path) -> None:
    with child(["/no/such/program"], tmp_path / "log") as process:
        assert process.wait(DEADLINE_S) != 0
    assert "/no/such/program: No such file" in last_words(tmp_path / "log")


def test_a_child_that_ignores_the_signal_is_ended_all_the_same(tmp_path: Path) -> None:
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(99)"
    )
    started = time.monotonic()
    with child([sys.executable, "-c", stubborn], tmp_path / "log", stop_within_s=0.5) as process:
        wait_until(lambda: "up" in (tmp_path / "log").read_text(), "the child runs")
    assert process.returncode == -signal.SIGKILL
    assert time.monotonic() - started < DEADLINE_S


def test_children_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from inspector.demo.broker import running_broker\n"
        "with running_broker(Path(sys.argv[1])) as broker:\n"
        "    print(broker.process.pid, flush=True); time.sleep(99)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    broker = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait(DEADLINE_S)
    parent.stdout.close()
    wait_until(lambda: gone(broker), "the broker ends as well")
