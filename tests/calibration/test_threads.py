"""While a bank is made, matrices are multiplied on half of the cores."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from banks import write_good
from threadpoolctl import threadpool_info, threadpool_limits

from calibration.calibrate import Options, calibrate
from calibration.growth.guard import GuardFrame, conflicts
from calibration.growth.reader import Newcomer, Reader
from calibration.threads import half_of_the_cores
from inspector.recipe import Recipe


def test_a_calibration_leaves_half_of_the_cores_and_gives_them_back(tmp_path: Path) -> None:
    cores = len(os.sched_getaffinity(0))
    good = write_good(tmp_path / "good", 10)
    seen: list[int] = []

    def track(items: Sequence[object], _label: str) -> Iterable[object]:
        seen.extend(used())
        return items

    with threadpool_limits(cores, "blas"):
        options = Options(recipe=Recipe(size_wh=(64, 64), vectors=64), folds=2)
        calibrate(good, tmp_path / "bank", options, track=track)  # type: ignore[arg-type]
        assert set(used()) == {cores}
    assert set(seen) == {max(1, cores // 2)}


def test_the_guard_leaves_half_of_the_cores(bank: Path, tmp_path: Path) -> None:
    cores = len(os.sched_getaffinity(0))
    picture = write_good(tmp_path / "new", 1) / "000.png"
    seen: list[int] = []

    def track(items: Sequence[object], _label: str) -> Iterable[object]:
        seen.extend(used())
        return items

    with threadpool_limits(cores, "blas"):
        conflicts(Reader(bank), [Newcomer("new", picture)], [GuardFrame("7", picture)], track=track)  # type: ignore[arg-type]
    assert set(seen) == {max(1, cores // 2)}


@pytest.mark.parametrize(("had", "gets"), [(1, 1), (3, 3), (12, 8)])
def test_who_was_given_fewer_threads_keeps_them(had: int, gets: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As by OPENBLAS_NUM_THREADS, on a machine with 16 cores."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: set(range(16)))
    with threadpool_limits(had, "blas"):
        with half_of_the_cores():
            assert set(used()) == {gets}
        assert set(used()) == {had}


def used() -> list[int]:
    """By each library."""
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]
