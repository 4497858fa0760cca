"""The drawn product: deterministic, varied, and honest about where a defect is."""

import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from inspector.errors import SamplesError, UsageError
from inspector.synthetic import PRODUCTS, Defect, DefectKind, draw_part, write_dataset


@pytest.mark.parametrize("name", PRODUCTS)
def test_a_frame_is_a_picture_and_its_truth(name: str) -> None:
    drawn = draw_part(np.random.default_rng(1), name=name, size=192)
    assert drawn.pixels.shape == (192, 192, 3)
    assert drawn.pixels.dtype == np.uint8
    assert drawn.mask.shape == (192, 192)
    assert not drawn.mask.any()
    assert drawn.defect is None
    assert drawn.pixels.std() > 25


@pytest.mark.parametrize("name", PRODUCTS)
def test_the_same_seed_gives_the_same_frame_and_another_seed_another(name: str) -> None:
    defect = Defect(DefectKind.SCRATCH, 0.6)
    one, same, other = (
        draw_part(np.random.default_rng(seed), name=name, defect=defect, size=192) for seed in (5, 5, 6)
    )
    assert np.array_equal(one.pixels, same.pixels)
    assert np.array_equal(one.mask, same.mask)
    assert not np.array_equal(one.pixels, other.pixels)


@pytest.mark.parametrize("name", PRODUCTS)
@pytest.mark.parametrize("kind", list(DefectKind))
def test_a_defect_changes_the_picture_under_its_mask_and_hardly_elsewhere(kind: DefectKind, name: str) -> None:
    contrast = []
    for seed in range(4):
        bad = draw_part(np.random.default_rng(seed), name=name, defect=Defect(kind, 0.8))
        good = draw_part(np.random.default_rng(seed), name=name)
        assert 15 < bad.mask.sum() < 0.1 * bad.mask.size
        change = np.abs(bad.pixels.astype(float) - good.pixels).max(axis=2)
        away = ~cv2.dilate(bad.mask.astype(np.uint8), np.ones((25, 25), np.uint8)).astype(bool)
        assert change[away].max() <= 4
        contrast.append(change[bad.mask].mean())
    assert np.mean(contrast) > 8


@pytest.mark.parametrize("kind", list(DefectKind))
def test_a_severe_defect_is_plainer_than_a_slight_one(kind: DefectKind) -> None:
    total = {}
    for severity in (0.2, 1.0):
        pairs = [
            (
                draw_part(np.random.default_rng(seed), defect=Defect(kind, severity)).pixels.astype(int),
                draw_part(np.random.default_rng(seed)).pixels,
            )
            for seed in range(4)
        ]
        total[severity] = sum(np.abs(bad - good).sum() for bad, good in pairs)
    assert total[1.0] > 1.2 * total[0.2]


def test_good_parts_vary_in_pose_and_light() -> None:
    frames = np.stack([draw_part(np.random.default_rng(seed), size=192).pixels for seed in range(12)]).astype(float)
    assert frames.mean(axis=(1, 2, 3)).std() > 1
    assert np.median(frames.std(axis=0)) > 2


@pytest.mark.parametrize("severity", [0.0, -1.0, 1.5, float("nan")])
def test_a_severity_out_of_range_is_refused(severity: float) -> None:
    with pytest.raises(UsageError, match="severity"):
        Defect(DefectKind.DENT, severity)


def test_an_unknown_product_and_an_impossible_size_are_refused() -> None:
    with pytest.raises(UsageError, match="'gear': expected one of plate, cap"):
        draw_part(np.random.default_rng(0), name="gear")
    with pytest.raises(UsageError, match="got 10, expected 64 to 2048"):
        draw_part(np.random.default_rng(0), size=10)


def test_drawing_keeps_up_with_a_line() -> None:
    draw_part(np.random.default_rng(0))
    started = time.process_time()
    for seed in range(10):
        draw_part(np.random.default_rng(seed))
    assert (time.process_time() - started) / 10 < 0.2


def test_a_data_set_has_the_layout_that_calibration_and_evaluation_read(tmp_path: Path) -> None:
    written = write_dataset(tmp_path / "set", train_good=3, test_good=2, per_defect=1, size=128)
    assert sorted(path.name for path in written.good_dir.iterdir()) == ["000.png", "001.png", "002.png"]
    assert {path.name for path in written.test_dir.iterdir()} == {"good", *DefectKind}
    assert sorted(path.name for path in (written.test_dir / "good").iterdir()) == ["000.png", "001.png"]
    for kind in DefectKind:
        assert [path.name for path in (written.test_dir / kind).iterdir()] == ["000.png"]
        picture = cv2.imread(str(written.test_dir / kind / "000.png"))
        mask = cv2.imread(str(tmp_path / "set" / "ground_truth" / kind / "000_mask.png"), cv2.IMREAD_UNCHANGED)
        assert picture is not None
        assert mask is not None
        assert mask.shape == picture.shape[:2]
        assert set(np.unique(mask)) == {0, 255}


def test_a_data_set_has_the_same_bytes_twice_and_a_picture_does_not_depend_on_how_many(
    tmp_path: Path,
) -> None:
    for name, count in (("a", 2), ("b", 3)):
        write_dataset(tmp_path / name, product="cap", train_good=count, test_good=1, per_defect=1, size=128)
    for path in (tmp_path / "a").rglob("*.png"):
        assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()


def test_test_samples_are_not_training_samples(tmp_path: Path) -> None:
    written = write_dataset(tmp_path, train_good=2, test_good=2, per_defect=0, size=128)
    train = {path.read_bytes() for path in written.good_dir.iterdir()}
    test = {path.read_bytes() for path in (written.test_dir / "good").iterdir()}
    assert len(train | test) == 4


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "set").write_text("a file in the way")
    with pytest.raises(SamplesError, match="cannot write"):
        write_dataset(tmp_path / "set", train_good=1, test_good=0, per_defect=0, size=128)
