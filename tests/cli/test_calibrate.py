"""`inspector calibrate`: what it prints, as text and as JSON, and how it fails."""

import json
from pathlib import Path

import pytest
from banks import write_good
from calling import Cli
from line import drawn_part

RECIPE = "{name: disc, size_wh: [64, 64], vectors: 32}"


def test_calibrate_says_what_it_built_and_promises(cli: Cli, tmp_path: Path) -> None:
    good = write_good(tmp_path / "good", 6)
    (good / "bad.png").write_bytes(b"x")
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    done = cli("calibrate", good, "-o", tmp_path / "a bank", "--recipe", tmp_path / "recipe.yaml", "--folds", "2")
    assert (done.code, done.err) == (0, "")
    assert "32 vectors of" in done.out
    assert "bad.png: frame: " in done.out
    assert "6 samples are too few for 0.50% false rejects: that needs 199" in done.out
    assert "ESTIMATE" in done.out
    assert f"inspector inspect '{tmp_path / 'a bank'}' PICTURE" in done.out


def test_a_name_fakes_no_line_of_what_calibrate_says(cli: Cli, tmp_path: Path) -> None:
    good = write_good(tmp_path / "good", 6)
    (good / "a\nnext       sh x\u202e").mkdir()
    for name in ("a\nnext       sh x\u202e/1.png", "twin.png"):
        (good / name).write_bytes(drawn_part(9))
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    done = cli("calibrate", good, "-o", tmp_path / "b\n1", "--recipe", tmp_path / "recipe.yaml", "--folds", "2")
    assert (done.code, done.err) == (0, "")
    assert f"{good / 'twin.png'}: the same picture as a\\nnext       sh x\\u202e/1.png\n" in done.out
    lines = done.out.splitlines()
    assert [line for line in lines if line.startswith(("next ", "1"))] == [lines[-1]]
    assert "\u202e" not in done.out


def test_calibrate_json(cli: Cli, tmp_path: Path) -> None:
    good = write_good(tmp_path / "good", 6)
    (good / "bad.png").write_bytes(b"x")
    (tmp_path / "r.yaml").write_text(RECIPE)
    arguments = ["calibrate", good, "-o", tmp_path / "b", "--recipe", tmp_path / "r.yaml", "--max-false-reject", "0.2"]
    told = json.loads(cli(*arguments, "--json").out)
    assert told["samples"] == 6
    assert told["bank"]["vectors"] == 32
    assert [Path(item["path"]).name for item in told["skipped"]] == ["bad.png"]
    assert told["promise"]["estimated"] is False
    assert told["thresholds"]["ok"] == told["thresholds"]["ng"]
    assert "exists already; choose another name, or pass --replace" in cli.fails(*arguments)
    assert json.loads(cli(*arguments, "--json", "--replace", "--seed", "1").out)["samples"] == 6


@pytest.mark.parametrize("form", ["text", "--json"])
def test_a_report_that_fails_after_the_work_leaves_the_bank_and_what_is_said_of_it(
    cli: Cli, tmp_path: Path, form: str
) -> None:
    good = write_good(tmp_path / "good", 6)
    (tmp_path / "r.yaml").write_text(RECIPE)
    (tmp_path / "seen" / "calibration.html").mkdir(parents=True)
    arguments = [
        "calibrate",
        good,
        "-o",
        tmp_path / "b",
        "--recipe",
        tmp_path / "r.yaml",
        "--report",
        tmp_path / "seen",
    ]
    done = cli(*arguments, *["--json"] * (form == "--json"))
    assert json.loads(done.out)["samples"] == 6 if form == "--json" else "6 samples are too few" in done.out
    told = f"error: the bank is at {tmp_path / 'b'}, but the report could not be written: report {tmp_path / 'seen'}: "
    assert (done.code, done.err.startswith(told), done.err.count("\n")) == (1, True, 1)
    assert "report     " not in done.out
    assert cli("bank", "verify", tmp_path / "b").code == 0


@pytest.mark.parametrize(
    ("folder", "expected"),
    [("tiles", "tiles"), ("tiles/good", "tiles"), ("tiles/train/good", "tiles"), ("tiles/train/OK", "tiles")],
)
def test_calibrate_names_the_bank_after_the_folder(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_good(Path(folder), 4)
    Path("r.yaml").write_text(RECIPE)
    assert cli("calibrate", folder, "--recipe", "r.yaml", "--folds", "2").code == 0
    assert (tmp_path / "banks" / "tiles" / "manifest.json").is_file()


def test_calibrate_fails_in_one_line(cli: Cli, tmp_path: Path) -> None:
    good = write_good(tmp_path / "good", 4)
    assert "no such folder" in cli.fails("calibrate", tmp_path / "none", "-o", tmp_path / "b")
    assert "expected builtin, timm:NAME" in cli.fails("calibrate", good, "-o", tmp_path / "b", "--backbone", "x")
    assert "recipe" in cli.fails("calibrate", good, "--recipe", tmp_path / "none.yaml", code=2)
    assert "got 7.0, expected a share" in cli.fails("calibrate", good, "--max-false-reject", "7", code=2)
    assert "folds: got 1" in cli.fails("calibrate", good, "--folds", "1", code=2)
    assert not (tmp_path / "b").exists()
