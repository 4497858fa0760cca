"""`inspector inspect`: what it prints, the maps that it writes, and how it fails."""

import json
import shutil
from pathlib import Path

import numpy as np
from calling import Cli
from line import changed, drawn_part

from inspector import frame, heatmap
from inspector.pipeline import Pipeline


def test_inspect_json_is_one_object_a_line(cli: Cli, bank: Path, parts: Path) -> None:
    done = cli("inspect", bank, parts / "good" / "0.png", parts / "scratch", "--json")
    assert (done.code, done.err) == (0, "")
    told = [json.loads(line) for line in done.out.splitlines()]
    assert [Path(item["path"]).name for item in told] == ["0.png", "0.png", "1.png"]
    assert all(item.keys() == {"path", "decision", "score", "p_value", "reason", "regions"} for item in told)
    assert [item["decision"] for item in told[1:]] == ["ng", "ng"]
    assert told[1]["regions"][0].keys() == {"x", "y", "width", "height", "area", "score"}


def test_masks_below_a_folder_are_no_frames_and_told(cli: Cli, bank: Path, parts: Path) -> None:
    truth = parts.parent / "ground_truth"
    shutil.copy(truth / "scratch" / "0_mask.png", parts / "scratch")
    shutil.copytree(truth, parts / "ground_truth")
    done = cli("inspect", bank, parts, "--json")
    assert [Path(json.loads(line)["path"]).relative_to(parts).as_posix() for line in done.out.splitlines()] == [
        *("good/0.png", "good/1.png"),
        *("scratch/0.png", "scratch/1.png"),
    ]
    assert done.err == "left out, masks of frames: 3, such as ground_truth/scratch/0_mask.png\n"
    assert len(cli("inspect", bank, parts / "ground_truth", "--json").out.splitlines()) == 2


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


def test_the_name_of_a_file_fakes_no_line_and_moves_no_cursor(cli: Cli, bank: Path, tmp_path: Path) -> None:
    for name in ("a\nok           0.1000  p=1.0000  b.png", "\x1b]0;title\x07.png", "\u202egnp.exe"):
        (tmp_path / name).write_bytes(drawn_part(3000))
    done = cli("inspect", bank, *sorted(tmp_path.iterdir()))
    assert len(done.out.splitlines()) == 3
    assert "a\\nok           0.1000" in done.out
    assert "\\x1b]0;title\\x07.png" in done.out
    assert "\\u202egnp.exe" in done.out


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


def test_the_map_of_a_picture_with_the_longest_name_is_written(
    cli: Cli, bank: Path, parts: Path, tmp_path: Path
) -> None:
    for name in ("x" * 251, "\u90e8" * 83):
        shutil.copy(parts / "good" / "0.png", parts / "good" / f"{name}.png")
    done = cli("inspect", bank, parts / "good", "--heatmaps", tmp_path / "maps")
    assert (done.code, done.err) == (0, "")
    written = sorted(file.name for file in (tmp_path / "maps").iterdir())
    assert [name[:8] for name in written] == ["000000_0", "000001_1", "000002_x", "000003_\u90e8"]
    assert all(name.endswith(".png") and len(name.encode()) <= 255 for name in written)


def test_a_map_that_cannot_be_written_is_told_with_its_folder(
    cli: Cli, bank: Path, parts: Path, tmp_path: Path
) -> None:
    (tmp_path / "maps" / "000000_0.png").mkdir(parents=True)
    done = cli("inspect", bank, parts / "good", "--heatmaps", tmp_path / "maps")
    told = f"error: heatmaps {tmp_path / 'maps'}: cannot be written there (Is a directory); choose another\n"
    assert (done.code, done.err) == (2, told)


def test_what_cannot_be_read_is_told_without_numbers_of_the_system(cli: Cli, bank: Path, tmp_path: Path) -> None:
    done = cli("inspect", bank, tmp_path / "none.png")
    assert done.out == f"error      {tmp_path / 'none.png'}: cannot be read (No such file or directory)\n"


def test_inspect_fails_in_one_line(cli: Cli, bank: Path, parts: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    part = parts / "good" / "0.png"
    for others in ((), (part,), (parts,)):
        told = cli.fails("inspect", bank, *others, tmp_path / "empty")
        assert f"{tmp_path / 'empty'}: no picture there; expected .bmp, " in told
    assert "no manifest.json there" in cli.fails("inspect", tmp_path, part)
    assert "no such engine" in cli.fails("inspect", bank, part, "--engine", "tpu")
    told = cli.fails("inspect", bank, part, "--heatmaps", tmp_path / "file", code=2)
    assert f"heatmaps {tmp_path / 'file'}: no folder (File exists); choose another" in told
