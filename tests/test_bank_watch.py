"""What a station's bank is compared with, from the first look on."""

from pathlib import Path

from services import wait_until

from inspector.banks.watch import BankWatch
from inspector.pipeline import Pipeline


def test_a_bank_that_goes_before_the_first_look_is_told(tmp_path: Path) -> None:
    told: list[tuple[Path, str | None]] = []
    taken: list[Path] = []
    faults: list[BaseException] = []
    watch = BankWatch(
        {tmp_path / "gone": "0" * 64},
        open_bank=Pipeline.open,
        hand_over=lambda folder, _: taken.append(folder),
        refuse=lambda folder, fault: told.append((folder, fault)),
        on_fault=faults.append,
    )
    with watch:
        wait_until(lambda: told, "it is told")
        watch.look()
    [(folder, fault)] = told
    assert folder == tmp_path / "gone"
    assert fault is not None
    assert "no manifest" in fault
    assert (taken, faults) == ([], [])
