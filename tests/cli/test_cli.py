"""The command line: what it prints, with which exit code, and one line for whatever goes wrong."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest
from banks import change_manifest, copy_of, write_good
from line import changed, drawn_part

from inspector import __version__, frame, heatmap
from inspector.cli import main
from inspector.pipeline import Pipeline

RECIPE = "{name: disc, size_wh: [64, 64], vectors: 32}"


class Done(NamedTuple):
    code: int
    out: str
    err: str


class Cli:
    """Calls the command line in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: object) -> Done:
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        printed = self._capsys.readouterr()
        code = left.value.code
        assert isinstance(code, int)
        return Done(code, printed.out, printed.err)

    def fails(self, *arguments: object, code: int = 1) -> str:
        """The one line on stderr of a command that fails."""
        done = self(*arguments)
        assert done.code == code
        assert done.err.startswith("error: ")
        assert done.err.count("\n") == 1
        return done.err


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(capsys)


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """A labelled test folder: two good, two scratched, with masks."""
    for name in ("test/good", "test/scratch", "ground_truth/scratch"):
        (tmp_path / name).mkdir(parents=True)
    mask = np.zeros((96, 96), np.uint8)
    cv2.line(mask, (30, 30), (66, 60), 255, 4)
    for seed in range(2):
        (tmp_path / "test" / "good" / f"{seed}.png").write_bytes(drawn_part(seed))
        (tmp_path / "test" / "scratch" / f"{seed}.png").write_bytes(drawn_part(seed, scratched=True))
        cv2.imwrite(str(tmp_path / "ground_truth" / "scratch" / f"{seed}_mask.png"), mask)
    return tmp_path / "test"


@pytest.mark.parametrize(
    "command", [(), ("calibrate",), ("inspect",), ("evaluate",), ("compare",), ("run",), ("bank",), ("bank", "list"),
                ("bank", "show"), ("bank", "verify"), ("bank", "promote"), ("bank", "rollback"), ("bank", "diff"),
                ("bank", "add"), ("bank", "remove"), ("replay",), ("rebuild",)]
)  # fmt: skip
def test_help_fits_a_screen(cli: Cli, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    done = cli(*command, "--help")
    lines = done.out.splitlines()
    assert (done.code, done.err) == (0, "")
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    assert cli(*command, "-h").out == done.out


def test_help_names_every_command_and_each_opens(cli: Cli) -> None:
    overview = cli("--help").out
    for name in ("demo", "calibrate", "inspect", "evaluate", "compare", "run", "camera", "bank"):
        assert f"\n  {name} " in overview
        assert cli(name, "--help").code == 0


def test_version(cli: Cli) -> None:
    assert cli("--version").out == f"inspector, version {__version__}\n"


@pytest.mark.parametrize(
    "arguments", [("nosuch",), ("calibrate",), ("inspect",), ("inspect", "bank"), ("evaluate", "x"),
                  ("bank", "nosuch"), ("calibrate", "x", "--folds", "many"), ("calibrate", "x", "--nosuch"),
                  ("calibrate", "x", "--limit", "0"), ("demo", "--seed", "-1"),
                  ("camera", "synthetic:plate", "--station", "a/b/c/d", "--seed", "-1")]
)  # fmt: skip
def test_bad_usage_exits_with_2(cli: Cli, arguments: tuple[str, ...]) -> None:
    done = cli(*arguments)
    assert done.code == 2
    assert "Error: " in done.err
    assert "Traceback" not in done.err


def test_calibrate_says_what_it_built_and_promises(cli: Cli, tmp_path: Path) -> None:
    good = write_good(tmp_path / "good", 6)
    (good / "bad.png").write_bytes(b"x")
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    done = cli("calibrate", good, "-o", tmp_path / "bank", "--recipe", tmp_path / "recipe.yaml", "--folds", "2")
    assert (done.code, done.err) == (0, "")
    assert "32 vectors of" in done.out
    assert "bad.png: frame: " in done.out
    assert "6 samples are too few for 0.50% false rejects: that needs 199" in done.out
    assert "ESTIMATE" in done.out
    assert f"inspector inspect {tmp_path / 'bank'}" in done.out


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


def test_inspect_json_is_one_object_a_line(cli: Cli, bank: Path, parts: Path) -> None:
    done = cli("inspect", bank, parts / "good" / "0.png", parts / "scratch", "--json")
    assert (done.code, done.err) == (0, "")
    told = [json.loads(line) for line in done.out.splitlines()]
    assert [Path(item["path"]).name for item in told] == ["0.png", "0.png", "1.png"]
    assert all(item.keys() == {"path", "decision", "score", "p_value", "reason", "regions"} for item in told)
    assert [item["decision"] for item in told[1:]] == ["ng", "ng"]
    assert told[1]["regions"][0].keys() == {"x", "y", "width", "height", "area", "score"}


def test_a_bank_of_few_samples_says_everywhere_that_ng_is_an_estimate(cli: Cli, bank: Path, tmp_path: Path) -> None:
    new = write_good(tmp_path / "new", 4, first_seed=3000)
    few = "samples are too few for 0.50% false rejects, that needs 199: ng is an estimate; at most "
    assert f"10 {few}" in cli("bank", "show", bank).out
    assert f"14 {few}" in cli("bank", "add", bank, new, "-o", tmp_path / "grown").out


def test_inspect_says_why_a_frame_above_ng_is_uncertain(cli: Cli, bank: Path, tmp_path: Path) -> None:
    (tmp_path / "dim.png").write_bytes(changed(500, light=0.4))
    told = json.loads(cli("inspect", bank, tmp_path / "dim.png", "--json").out)
    assert told["decision"] == "uncertain"
    assert told["reason"].startswith("drift: ")
    assert told["reason"] in cli("inspect", bank, tmp_path / "dim.png").out


def test_heatmaps_and_reports_do_no_harm_to_a_bank_or_to_what_is_inspected(
    cli: Cli, bank: Path, parts: Path, tmp_path: Path
) -> None:
    own = shutil.copytree(bank, tmp_path / "own")
    made = tmp_path / "made"
    for words, said in (
        (("inspect", own, parts / "good", "--heatmaps", own / "seen"), "lies in the bank"),
        (("evaluate", own, parts, "--report", own), "lies in the bank"),
        (("inspect", own, parts, "--heatmaps", parts / "good" / "seen"), "whose pictures are inspected"),
        (("calibrate", parts / "good", "-o", made, "--report", made / "r"), "lies in the bank that is made"),
    ):
        done = cli(*words)
        assert (done.code, said in done.err) == (2, True), done
    assert not made.exists()
    assert cli("bank", "verify", own).code == 0


def test_a_name_that_is_no_text_is_printed_all_the_same(bank: Path, tmp_path: Path) -> None:
    strange = os.fsdecode(os.fsencode(tmp_path) + b"/Pr\xfcfteil.png")
    Path(strange).write_bytes(drawn_part(1))
    command = [sys.executable, "-X", "utf8", "-m", "inspector", "inspect", str(bank), strange]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert r"Pr\udcfcfteil.png" in done.stdout


def test_inspect_in_words(cli: Cli, bank: Path, parts: Path) -> None:
    done = cli("inspect", bank, parts / "scratch" / "0.png")
    assert done.out.startswith("ng ")
    assert "0.png" in done.out
    assert "region" in done.out


def test_what_cannot_be_inspected_is_an_error_and_exits_with_1(cli: Cli, bank: Path, parts: Path) -> None:
    (parts / "good" / "half.png").write_bytes(drawn_part(1)[:300])
    (parts / "good" / "phone.webp").write_bytes(b"RIFF")
    done = cli("inspect", bank, parts / "good", parts / "none.png", "--json")
    assert done.code == 1
    told = {Path(item["path"]).name: item for item in map(json.loads, done.out.splitlines())}
    assert len(told) == 5
    for name, reason in (("half.png", "damaged"), ("none.png", "unreadable"), ("phone.webp", "unknown_format")):
        assert (told[name]["decision"], told[name]["score"], told[name]["reason"]) == ("error", None, reason)
    assert "error      " in cli("inspect", bank, parts / "none.png").out


def test_heatmaps_are_written_over_each_picture(cli: Cli, bank: Path, parts: Path, tmp_path: Path) -> None:
    done = cli("inspect", bank, parts, "--heatmaps", tmp_path / "maps" / "new")
    assert done.code == 0
    files = sorted((tmp_path / "maps" / "new").iterdir())
    assert len(files) == 4
    pipeline = Pipeline.open(bank)
    for file, picture in zip(files, [parts / "good" / "0.png", parts / "good" / "1.png"], strict=False):
        inspection = pipeline.inspect(picture.read_bytes())
        pixels = frame.decode(picture.read_bytes()).pixels
        expected = heatmap.overlay(pixels, inspection.anomaly_map, pipeline.bank.thresholds.pixel)
        np.testing.assert_array_equal(frame.decode(file.read_bytes()).pixels, expected)
    plain = frame.decode((parts / "scratch" / "1.png").read_bytes()).pixels
    changed = np.abs(frame.decode(files[-1].read_bytes()).pixels.astype(int) - plain).max(2) > 20
    assert changed[40:52, 40:56].mean() > 0.5


def test_inspect_fails_in_one_line(cli: Cli, bank: Path, parts: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    part = parts / "good" / "0.png"
    assert "no picture there" in cli.fails("inspect", bank, tmp_path / "empty")
    assert "no manifest.json there" in cli.fails("inspect", tmp_path, part)
    assert "no such engine" in cli.fails("inspect", bank, part, "--engine", "tpu")
    told = cli.fails("inspect", bank, part, "--heatmaps", tmp_path / "file", code=2)
    assert f"heatmaps {tmp_path / 'file'}: no folder (File exists); choose another" in told


def test_evaluate_json_has_what_is_promised(cli: Cli, bank: Path, parts: Path) -> None:
    done = cli("evaluate", bank, parts, "--json")
    assert (done.code, done.err) == (0, "")
    told = json.loads(done.out)
    promised = {
        "image_auroc", "pixel_auroc", "aupro", "f1_max", "false_reject_rate", "escape_rate", "n_good", "n_defect",
        "latency_ms", "bank", "per_defect",
    }  # fmt: skip
    assert promised <= told.keys()
    assert told["latency_ms"].keys() == {"p50", "p95"}
    assert told["bank"].keys() == {"id", "vectors", "dim", "bytes"}
    assert told["per_defect"]["scratch"].keys() == {"image_auroc", "escape_rate", "n"}
    assert (told["image_auroc"], told["n_good"], told["n_defect"]) == (1.0, 2, 2)


def test_evaluate_in_words(cli: Cli, bank: Path, parts: Path) -> None:
    out = cli("evaluate", bank, parts).out
    assert "image AUROC        1.0000" in out
    assert "escape rate        0.00%" in out
    assert "\nscratch      2   1.0000     0.00%" in out


def test_evaluate_prints_some_of_many_notes(cli: Cli, bank: Path, parts: Path) -> None:
    for number in range(12):
        (parts / "good" / f"broken{number}.png").write_bytes(b"x")
    out = cli("evaluate", bank, parts).out
    assert out.count("\nnote: ") == 11
    assert out.endswith("\nnote: … and 2 more (--json lists all)\n")


def test_evaluate_fails_in_one_line(cli: Cli, bank: Path, tmp_path: Path) -> None:
    assert "no such folder" in cli.fails("evaluate", bank, tmp_path / "none")
    assert "no manifest.json" in cli.fails("evaluate", tmp_path / "none", tmp_path)


def test_a_report_that_cannot_be_written_is_told_before_the_frames_are_inspected(
    cli: Cli, bank: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    told = cli.fails("evaluate", bank, tmp_path / "none", "--report", tmp_path / "file", code=2)
    assert "cannot be written there" in told


def test_bank_list_shows_banks_and_why_others_are_refused(cli: Cli, bank: Path, tmp_path: Path) -> None:
    copied = copy_of(bank, tmp_path)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "manifest.json").write_text("{")
    (tmp_path / ".copied.draft").mkdir()
    (tmp_path / ".copied.draft" / "manifest.json").write_text("{")
    (tmp_path / "other").mkdir()
    done = cli("bank", "list", tmp_path)
    lines = done.out.splitlines()
    assert done.code == 0
    assert len(lines) == 2
    assert lines[0].startswith(f"{tmp_path / 'broken'}  refused: ")
    assert lines[1].startswith(f"{copied}  ")
    told = [json.loads(line) for line in cli("bank", "list", tmp_path, "--json").out.splitlines()]
    assert "error" in told[0]
    assert (told[1]["samples"], told[1]["vectors"], told[1]["backbone"]) == (10, 64, "builtin")
    assert "no such folder" in cli.fails("bank", "list", tmp_path / "none")


def test_bank_show(cli: Cli, bank: Path) -> None:
    out = cli("bank", "show", bank).out
    manifest = json.loads(cli("bank", "show", bank, "--json").out)
    assert manifest == json.loads((bank / "manifest.json").read_text())
    assert manifest["id"] in out
    for word in ("memory", "backbone", "recipe", "samples", "thresholds", "promise", "lineage"):
        assert f"\n{word} " in out


def test_bank_verify(cli: Cli, bank: Path, tmp_path: Path) -> None:
    assert "sound" in cli("bank", "verify", bank).out
    assert json.loads(cli("bank", "verify", bank, "--json").out).keys() == {"path", "id", "digest"}
    copied = copy_of(bank, tmp_path)
    (copied / "graph.bin").write_bytes(b"x")
    assert "graph.bin has sha256" in cli.fails("bank", "verify", copied)
    change_manifest(copied, lambda manifest: manifest.update(schema=9))
    assert "schema 9" in cli.fails("bank", "show", copied)


def test_run_fails_in_one_line(cli: Cli, tmp_path: Path) -> None:
    assert "inspector.yaml" in cli.fails("run", "-c", tmp_path / "inspector.yaml", code=2)


def test_as_a_process(bank: Path, parts: Path, tmp_path: Path) -> None:
    """What the shell sees: exit codes, stdout for results alone, and no trace."""
    run = [sys.executable, "-m", "inspector"]
    scored = subprocess.run(
        [*run, "inspect", bank, parts / "scratch", "--json"], capture_output=True, text=True, check=False, timeout=60
    )
    assert (scored.returncode, scored.stderr) == (0, "")
    assert len(scored.stdout.splitlines()) == 2
    failed = subprocess.run([*run, "bank", "verify", tmp_path], capture_output=True, text=True, check=False, timeout=60)
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr.startswith(f"error: bank {tmp_path}: no manifest.json there")
    assert failed.stderr.count("\n") == 1


def test_bank_promote_rollback_and_diff(cli: Cli, bank: Path, tmp_path: Path) -> None:
    place, candidate = tmp_path / "tile", copy_of(bank, tmp_path)
    change_manifest(candidate, lambda manifest: manifest["calibration"].update(pixel=9.5))
    assert cli("bank", "promote", bank, place, "--by", "anna").code == 0
    done = cli("bank", "promote", candidate, place, "--by", "anna", "--reason", "fewer spots", "--json")
    move = json.loads(done.out)
    assert (move["by"], move["reason"], move["done"]) == ("anna", "fewer spots", True)
    shown = cli("bank", "show", place).out
    assert "by anna: fewer spots" in shown
    assert f"rollback    to {move['before']['id']}" in shown
    difference = cli("bank", "diff", bank, place)
    assert "thresholds.pixel" in difference.out
    assert "64 -> 64, 64 in both" in difference.out
    assert json.loads(cli("bank", "diff", bank, place, "--json").out)["changes"]["thresholds.pixel"]["after"] == 9.5
    assert "is in use" in cli.fails("bank", "promote", candidate, place)
    assert "rollback" in cli("bank", "rollback", place, "--by", "ben").out
    assert "the same: every frame gets the same verdict" in cli("bank", "diff", bank, place).out
    assert "nothing to roll back to" in cli.fails("bank", "rollback", place)


def test_a_library_that_cannot_be_loaded_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "cv2.py").write_text("raise ImportError('libav.so: failed to map segment\\nfrom shared object')\n")
    command = [sys.executable, "-m", "inspector", "inspect", "bank", "picture.png"]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), *sys.path))}, capture_output=True,
        text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith(
        "error: a library cannot be loaded: libav.so: failed to map segment from shared object;"
    )
    assert done.stderr.count("\n") == 1


def test_a_process_without_memory_is_told_in_one_line(
    cli: Cli, tmp_path: Path, bank: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "part.png").write_bytes(drawn_part(1))

    def full(*_: object, **__: object) -> None:
        np.zeros((1 << 30, 1 << 20))

    monkeypatch.setattr(Pipeline, "open", full)
    assert "out of memory (Unable to allocate" in cli.fails("inspect", bank, tmp_path / "part.png")
