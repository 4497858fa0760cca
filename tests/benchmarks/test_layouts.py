"""Benchmarks on data sets that are laid out otherwise, or have files that do not decode."""

from pathlib import Path

import pytest
from line import drawn_part

from benchmarks import accuracy, backbones, contamination, goals, robustness
from benchmarks.ours import data_sets, good_files, readable
from calibration.backbones.backbone import open_backbone
from calibration.evaluation.cases import find_cases
from inspector.engines.openvino import OpenVinoEngine
from inspector.recipe import Recipe

SCORED = {"left_out": 0, "of_them_defects": 0, "image_auroc": 0.5, "escape_rate": 0.25, "defects": 1}


def written(folder: Path, count: int, first: int = 0) -> None:
    folder.mkdir(parents=True)
    for number in range(count):
        (folder / f"{number:03d}.png").write_bytes(drawn_part(first + number))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Good samples and good test frames in two folders each, with the same names."""
    for number, folder in enumerate(("train/OK/A", "train/OK/B", "test/good", "test/OK", "test/scratch")):
        written(tmp_path / "part" / folder, 4, 10 * number)
    return tmp_path / "part"


def test_a_set_whose_good_samples_have_another_name_is_a_data_set(data: Path) -> None:
    """As BTAD's."""
    assert data_sets(data.parent, ["part"]) == [data]
    assert len(good_files(data)) == 8
    with pytest.raises(SystemExit, match="no data set none there, expected some of part"):
        data_sets(data.parent, ["part", "none"])


def test_files_of_one_name_in_several_folders_are_linked_each(data: Path, tmp_path: Path) -> None:
    good, mixed_in = contamination.arrange(data, tmp_path / "work", 0.2)
    assert (good, len(mixed_in)) == (8, 2)
    names = [path.name for path in sorted((tmp_path / "work" / "mixed").iterdir())]
    assert names[:3] == ["00000-0.png", "00000.png", "00001.png"]
    assert len(names) == 10
    labels = [case.label for case in find_cases(tmp_path / "work" / "data" / "test")]
    assert labels == ["good"] * 8 + ["scratch"] * 2


def test_good_frames_that_do_not_decode_are_told_and_none_is_no_division(
    bank: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "test" / "good" / "empty.png").touch()
    found = goals.kept(bank, [case.path for case in find_cases(data / "test") if case.label == "good"])
    assert {rate["of"] for rate in found.values()} == {8}
    assert f"left out: {data / 'test' / 'good' / 'empty.png'} (" in capsys.readouterr().out
    none = goals.kept(bank, [])
    assert [goals._rate(rate) for rate in none.values()] == [None] * 3
    robustness.write_frames(readable([data / "test" / "good" / "empty.png", *good_files(data, 2)]), tmp_path / "frames")
    assert [path.name for path in sorted((tmp_path / "frames").iterdir())] == ["00000.png", "00001.png"]


def test_backbones_and_accuracy_leave_out_files_that_do_not_decode(data: Path, tmp_path: Path) -> None:
    for folder in ("train/OK/A", "test/good"):
        (data / folder / "empty.png").touch()
    recipe = Recipe(size_wh=(64, 64), vectors=64, whitening=0)
    engine = OpenVinoEngine(open_backbone("builtin", recipe).graph())
    assert 0 <= backbones.auroc(engine, data, recipe, 0) <= 1
    bench = accuracy.Bench(data, tmp_path / "none.safetensors", tmp_path / "work", None)
    assert len(bench._cases) == 12


def test_a_figure_that_cannot_be_told_is_in_no_mean() -> None:
    known = dict.fromkeys(contamination.HOW, SCORED) | {"mixed in": 1, "good": 8, "look 1": SCORED}
    unknown = {how: SCORED | {"image_auroc": None, "escape_rate": None} for how in (*contamination.HOW, "look 1")}
    shown = contamination.markdown({"a": known, "b": unknown | {"mixed in": 0, "good": 8}})
    assert "| a | 1 beside 8 |" in shown
    assert "| mean |  | 0.500 | 0.500 | 0.500 |  |" in shown
    assert "| b | look 1 | 1 |  |  |" in shown
