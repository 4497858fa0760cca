"""What the backbone sees of a sample is what the line will show it."""

from pathlib import Path

import numpy as np
from banks import write_good

from calibration.backbones.backbone import open_backbone
from calibration.bench import Bench
from calibration.calibrate import Options, assign_folds
from calibration.samples import read_samples
from inspector import frame
from inspector.engines.openvino import OpenVinoEngine
from inspector.patches import picture_of
from inspector.progress import silent
from inspector.recipe import Recipe
from inspector.roi import Roi
from inspector.window import picture_wh


def test_a_picture_that_was_read_at_another_size_is_not_taken_where_a_small_region_makes_both_as_large(
    tmp_path: Path,
) -> None:
    """`auto` takes another size than samples were read at; a window is cut in steps."""
    good = write_good(tmp_path / "good", 4)
    region = Roi.model_validate({"frame_wh": (96, 96), "include": [[(30, 30), (50, 30), (50, 50), (30, 50)]]})
    read_at, chosen = (Recipe(size_wh=(side, side), whitening=0, roi=region) for side in (128, 160))
    assert picture_wh(read_at) == picture_wh(chosen)
    samples = read_samples(good, read_at)
    engine = OpenVinoEngine(open_backbone("builtin", chosen).graph())
    bench = Bench(samples, chosen, engine, assign_folds(4, Options()), 0, silent)
    expected, _ = picture_of(frame.decode((good / "000.png").read_bytes()), chosen)
    np.testing.assert_array_equal(bench.picture(0), expected)
    np.testing.assert_array_equal(next(bench.placed(0))[0], expected)
