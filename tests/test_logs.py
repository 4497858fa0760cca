"""JSON log lines."""

import json
import logging
import sys
import threading
from collections.abc import Iterator

import pytest

from inspector import logs


@pytest.fixture(autouse=True)
def _own_handlers() -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before, level


def test_a_line_is_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    try:
        raise ValueError("of\ntwo lines")
    except ValueError:
        logging.getLogger("a").exception("it broke", extra={"station": "x"})
    (line,) = capsys.readouterr().err.splitlines()
    said = json.loads(line)
    assert (said["level"], said["logger"], said["message"], said["station"]) == ("ERROR", "a", "it broke", "x")
    assert "ValueError" in said["exc_info"]


def test_an_event_is_told_once_in_a_period_with_what_was_kept_back(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    limited = logs.RateLimited(logging.getLogger("a"), period_s=3600)
    for _ in range(5):
        limited.warning("x", "again")
    limited.warning("y", "other")
    assert [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()] == ["again", "other"]
    at_once = logs.RateLimited(logging.getLogger("a"), period_s=0)
    at_once.warning("x", "again")
    at_once.warning("x", "again")
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_whoever_makes_up_keys_does_not_fill_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    limited = logs.RateLimited(logging.getLogger("a"), period_s=3600, max_keys=2)
    for key in range(10):
        limited.warning(key, "again")
    assert len(capsys.readouterr().err.splitlines()) == 2
    brief = logs.RateLimited(logging.getLogger("a"), period_s=0, max_keys=2)
    for key in range(10):
        brief.warning(key, "again")
    assert len(capsys.readouterr().err.splitlines()) == 10


def test_threads_that_share_it_do_not_break_one_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections to the broker do, each in a thread of its own; keys are the topics that others choose."""
    silent = logging.getLogger("silent")
    monkeypatch.setattr(silent, "disabled", True)
    limited = logs.RateLimited(silent, period_s=0, max_keys=4)
    faults: list[Exception] = []

    def warn(thread: int) -> None:
        try:
            for number in range(20_000):
                limited.warning((thread, number % 50), "again")
        except (KeyError, RuntimeError) as error:
            faults.append(error)

    threads = [threading.Thread(target=warn, args=(thread,)) for thread in range(4)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert not faults
