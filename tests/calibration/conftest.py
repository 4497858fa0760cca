"""Fixtures of the tests of calibration and evaluation."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from labelled import write_labelled

from calibration.finetuning import head, planting
from calibration.threads import half_of_the_cores


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """Parts of a calibration run on as many as the whole of it."""
    with half_of_the_cores():
        yield


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """Four good, three scratched with masks, two odd pictures without."""
    return write_labelled(tmp_path)


@pytest.fixture(scope="module")
def short_heads() -> Iterator[None]:
    """Heads are trained for a moment, on few planted defects: for modules that do not ask how well they tell."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planting, "PLANTED", 60)
        patch.setattr(head, "STEPS", 50)
        yield
