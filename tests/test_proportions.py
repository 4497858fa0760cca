"""A frame of other proportions than the samples is distorted: never ok, and told why."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from banks import change_manifest, copy_of
from line import drawn_part

from calibration.growth.grow import grow
from calibration.growth.reader import Newcomer
from inspector.errors import SamplesError
from inspector.manifest import read_manifest
from inspector.pipeline import Pipeline
from inspector.proportions import in_common, misfit
from inspector.types import Decision


def drawn(seed: int, wide: float, high: float, *, scratched: bool = False) -> bytes:
    """A drawn part, so many times as wide and as high."""
    picture = cv2.imdecode(np.frombuffer(drawn_part(seed, scratched=scratched), np.uint8), cv2.IMREAD_COLOR)
    return bytes(cv2.imencode(".png", cv2.resize(picture, None, fx=wide, fy=high))[1])


def test_proportions_that_all_frames_have_in_common() -> None:
    assert in_common([(800, 600), (400, 300)]) == pytest.approx(4 / 3)
    assert in_common([(800, 600), (806, 600)]) is not None
    assert in_common([(800, 600), (600, 800)]) is None
    assert in_common([(800, 600), (840, 600)]) is None
    assert misfit((1600, 1200), 4 / 3) is None
    assert misfit((1610, 1200), 4 / 3) is None
    assert "the frame is 1280x1024 pixels, 1.25 times as wide as high" in (misfit((1280, 1024), 4 / 3) or "")


def test_a_bank_knows_the_proportions_of_its_samples(bank: Path) -> None:
    assert read_manifest(bank).proportions == 1.0


def test_a_good_part_that_is_stretched_is_uncertain_and_says_why(bank: Path, tmp_path: Path) -> None:
    pipeline = Pipeline.open(bank)
    assert pipeline.inspect(drawn(1001, 1, 1)).decision is Decision.OK
    larger = pipeline.inspect(drawn(1001, 2, 2))
    assert (larger.decision, larger.reason) == (Decision.OK, None)
    stretched = pipeline.inspect(drawn(1001, 2, 1))
    assert stretched.score <= pipeline.bank.thresholds.ok, "by its score alone it would pass"
    assert stretched.decision is Decision.UNCERTAIN
    assert stretched.why is not None
    assert stretched.why.startswith("the frame is 192x96 pixels, 2 times as wide as high, and the samples 1 times")
    assert stretched.regions
    assert not stretched.explained, "drift has no part in it"
    defect = pipeline.inspect(drawn(3001, 2, 1, scratched=True))
    assert (defect.decision, defect.reason) == (Decision.NG, None)
    before = copy_of(bank, tmp_path)
    change_manifest(before, lambda manifest: manifest.pop("proportions"))
    assert Pipeline.open(before).inspect(drawn(1001, 2, 1)).decision is Decision.OK, "of such a bank nobody knows"


def test_a_bank_does_not_grow_by_pictures_of_other_proportions(bank: Path, tmp_path: Path) -> None:
    (tmp_path / "wide.png").write_bytes(drawn(1, 2, 1))
    with pytest.raises(SamplesError, match=r"wide.png: the frame is 192x96 pixels, 2 times as wide as high"):
        grow(bank, [Newcomer("wide.png", tmp_path / "wide.png")], tmp_path / "grown", operation="added")
