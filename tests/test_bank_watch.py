"""What a station's bank is compared with, from the first look on."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from services import wait_until

from inspector.banks.watch import BankWatch
from inspector.pipeline import Pipeline


class Told:
    """What a watch over one folder tells."""

    def __init__(self, folder: Path, open_bank: Callable[[Path], Pipeline]) -> None:
        self.taken: list[Path] = []
        self.refused: list[str | None] = []
        self.faults: list[BaseException] = []
        self.watch = BankWatch(
            {folder: "0" * 64},
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


def test_a_bank_that_goes_before_the_first_look_is_told(tmp_path: Path) -> None:
    told = Told(tmp_path / "gone", Pipeline.open)
    with told.watch:
        wait_until(lambda: told.refused, "it is told")
        told.watch.look()
    [fault] = told.refused
    assert fault is not None
    assert "no manifest" in fault
    assert (told.taken, told.faults) == ([], [])
