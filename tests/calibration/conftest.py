"""Fixtures of the tests of calibration and evaluation."""

from pathlib import Path

import pytest
from labelled import write_labelled


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """Four good, three scratched with masks, two odd pictures without."""
    return write_labelled(tmp_path)
