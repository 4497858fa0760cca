"""The guard is asked as the line will judge: in each light that a newcomer is banked in, by as many distances."""

import tracemalloc
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import pytest
from banks import write_good
from line import changed, drawn_part

from calibration.calibrate import Options, calibrate
from calibration.growth import guard
from calibration.growth.grow import grow
from calibration.growth.guard import Conflict, GuardFrame, conflicts
from calibration.growth.reader import Newcomer, Reader
from inspector.pipeline import Pipeline
from inspector.recipe import Recipe
from inspector.types import Decision

T = TypeVar("T")
RECIPE = Recipe(size_wh=(64, 64), vectors=1000, whitening=0)


@pytest.mark.parametrize(("settings", "light"), [({}, 1.0), ({"light": 0.4}, 0.6), ({"neighbours": 3}, 1.0)])
def test_a_defect_that_was_called_a_false_alarm_is_left_out(
    settings: dict[str, float], light: float, tmp_path: Path
) -> None:
    good = write_good(tmp_path / "good", 12)
    bank = tmp_path / "bank"
    calibrate(good, bank, Options(recipe=RECIPE.model_copy(update=settings), folds=4, max_false_reject=0.1))
    defect, alarm, label = (tmp_path / name for name in ("defect.png", "alarm.png", "label.png"))
    defect.write_bytes(changed(950, light=light, scratched=True))
    alarm.write_bytes(drawn_part(950, scratched=True))
    label.write_bytes(drawn_part(951))
    newcomers = [Newcomer("alarm", alarm), Newcomer("label", label)]
    grow(bank, newcomers, tmp_path / "blind")
    found = [Pipeline.open(place).inspect(defect.read_bytes()).decision for place in (bank, tmp_path / "blind")]
    assert found == [Decision.NG, Decision.OK]
    assert conflicts(Reader(bank), newcomers, [GuardFrame("7", defect)]) == (Conflict("alarm", ("7",)),)


def test_every_defect_that_an_alarm_would_hide_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page names the first and counts the others: one alone might be taken for an exception."""
    calibrate(write_good(tmp_path / "good", 12), tmp_path / "bank", Options(recipe=RECIPE, folds=4))
    files = {"alarm": drawn_part(950, scratched=True), "label": drawn_part(951), "fine": drawn_part(952)}
    files |= {"7": changed(950, light=0.99, scratched=True), "8": files["alarm"], "9": changed(950, scratched=True)}
    for name, payload in files.items():
        (tmp_path / name).write_bytes(payload)
    newcomers = [Newcomer(name, tmp_path / name) for name in ("alarm", "label")]
    guards = [GuardFrame(name, tmp_path / name) for name in ("7", "fine", "8", "9")]
    assert conflicts(Reader(tmp_path / "bank"), newcomers, guards) == (Conflict("alarm", ("7", "8", "9")),)
    monkeypatch.setattr(guard, "_BYTES", 1)  # more guards than fit are asked one after another
    assert conflicts(Reader(tmp_path / "bank"), newcomers, guards) == (Conflict("alarm", ("7", "8", "9")),)


def test_memory_does_not_grow_with_the_number_of_newcomers(tmp_path: Path) -> None:
    recipe = RECIPE.model_copy(update={"light": 0.4})
    calibrate(write_good(tmp_path / "good", 12), tmp_path / "bank", Options(recipe=recipe, folds=4))
    rng = np.random.default_rng(0)
    for number in range(12):
        cv2.imwrite(str(tmp_path / f"{number}.png"), rng.integers(0, 255, (96, 96, 3), np.uint8))
    (tmp_path / "defect.png").write_bytes(drawn_part(950, scratched=True))
    held: list[int] = []

    def track(items: Iterable[T], _label: str) -> Iterator[T]:
        for item in items:
            held.append(tracemalloc.get_traced_memory()[0])
            yield item

    reader = Reader(tmp_path / "bank")
    newcomers = [Newcomer(f"{number}", tmp_path / f"{number}.png") for number in range(12)]
    one = reader.patches(newcomers[0].path.read_bytes(), 0).vectors.nbytes
    tracemalloc.start()
    try:
        conflicts(reader, newcomers, [GuardFrame("7", tmp_path / "defect.png")], track=track)  # type: ignore[arg-type]
    finally:
        tracemalloc.stop()
    assert len(held) == 12 + 1
    assert max(held) - held[0] < 4 * one
