"""What a station's bank is compared with, from the first look on."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from banks import change_manifest, copy_of
from services import DEADLINE_S, wait_until

from inspector.errors import BankError
from inspector.exchange import exchange
from inspector.line.bank_watch import BankWatch
from inspector.pipeline import Pipeline


class Told:
    """What a watch over one folder tells."""

    def __init__(self, folder: Path, open_bank: Callable[[Path], Pipeline], *, running: str = "0" * 64) -> None:
        self.taken: list[Path] = []
        self.refused: list[str | None] = []
        self.faults: list[BaseException] = []
        self.watch = BankWatch(
            {folder: running},
            open_bank=open_bank,
            hand_over=lambda folder, _: self.taken.append(folder),
            refuse=lambda _, fault: self.refused.append(fault),
            on_fault=self.faults.append,
        )


def test_a_bank_for_which_there_is_no_memory_is_refused_and_the_line_goes_on(bank: Path) -> None:
    def full(_: Path) -> Pipeline:
        np.zeros((1 << 30, 1 << 20))
        raise AssertionError("more memory than any machine has")

    told = Told(bank, full)
    with told.watch:
        wait_until(lambda: told.refused or told.faults, "it is told")
    assert (told.taken, told.faults) == ([], [])
    assert told.refused[0] is not None
    assert "out of memory (Unable to allocate" in told.refused[0]


def test_a_bank_that_is_still_refused_for_another_reason_is_told_of_that_one(bank: Path) -> None:
    """As where it was copied: at the first look a file is missing, later it is there and cut off."""
    reasons = ["memory.safetensors is missing", "memory.safetensors is missing", "graph.bin is cut off"]

    def refuse(_: Path) -> Pipeline:
        raise BankError(reasons.pop(0) if len(reasons) > 1 else reasons[0])

    told = Told(bank, refuse)
    with told.watch:
        for left in (2, 1):
            wait_until(lambda left=left: len(reasons) == left or told.faults, "it has looked")  # type: ignore[misc]
            told.watch.look()
        wait_until(lambda: len(told.refused) > 1 or told.faults, "the other reason is told")
    assert (told.refused, told.faults) == (["memory.safetensors is missing", "graph.bin is cut off"], [])


def test_a_daemon_that_was_started_behind_others_stays_there(bank: Path) -> None:
    priorities: list[int] = []

    def look(_: Path) -> Pipeline:
        priorities.append(os.getpriority(os.PRIO_PROCESS, 0))
        raise BankError("seen")

    told, own = Told(bank, look), []

    def begin() -> None:
        own.append(os.nice(5))
        told.watch.__enter__()

    starter = threading.Thread(target=begin)  # a thread begins with the priority of the one that starts it
    starter.start()
    starter.join()
    wait_until(lambda: told.refused or told.faults, "it has looked")
    told.watch.__exit__()
    assert (priorities, told.faults) == ([min(own[0] + 10, 19)], [])


def test_the_first_bank_is_opened_in_line_with_the_daemon_and_the_next_behind_it(bank: Path, tmp_path: Path) -> None:
    """Threads that embed begin with the first bank, and keep the priority of who opened it."""
    place = tmp_path / "bank"
    own, priorities = os.getpriority(os.PRIO_PROCESS, 0), []

    def opened(folder: Path) -> Pipeline:
        priorities.append(os.getpriority(os.PRIO_PROCESS, 0))
        return Pipeline.open(folder)

    told = Told(place, opened, running="")
    copied = copy_of(bank, tmp_path)
    with told.watch:
        copied.rename(place)
        wait_until(lambda: told.taken or told.faults, "the first bank is taken")
        copied = copy_of(bank, tmp_path)
        change_manifest(copied, lambda manifest: manifest["calibration"].update(pixel=9.0))
        exchange(copied, place)
        wait_until(lambda: len(told.taken) == 2 or told.faults, "the next bank is taken")
    assert (priorities[-2:], told.faults) == ([own, min(own + 10, 19)], [])


@pytest.mark.faults
def test_a_folder_that_hangs_does_not_hold_up_the_end(tmp_path: Path) -> None:
    """Whoever opens a pipe that nobody writes to waits, as on a network share that is gone."""
    pipe, begun = tmp_path / "pipe", threading.Event()
    os.mkfifo(pipe)

    def hang(_: Path) -> Pipeline:
        begun.set()
        raise BankError(pipe.read_text())

    told = Told(tmp_path, hang)
    with told.watch:
        assert begun.wait(DEADLINE_S)
    assert told.refused == []
    pipe.write_text("the share is back")
    wait_until(lambda: told.refused, "the thread goes on")
    assert (told.refused, told.taken, told.faults) == (["the share is back"], [], [])


def test_a_bank_that_goes_before_the_first_look_is_told(tmp_path: Path) -> None:
    told = Told(tmp_path / "gone", Pipeline.open)
    with told.watch:
        wait_until(lambda: told.refused, "it is told")
        told.watch.look()
    [fault] = told.refused
    assert fault is not None
    assert "no manifest" in fault
    assert (told.taken, told.faults) == ([], [])
