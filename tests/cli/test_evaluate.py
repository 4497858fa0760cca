"""`inspector evaluate`: what it prints, as text and as JSON, and how it fails."""

import json
from pathlib import Path

from calling import Cli
from line import drawn_part


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


def test_the_terminal_says_of_the_promise_what_the_page_says(cli: Cli, bank: Path, parts: Path, tmp_path: Path) -> None:
    """Two good frames without a reject show nothing; all of twelve rejected show enough."""
    out = cli("evaluate", bank, parts, "--report", tmp_path).out
    assert "\npromise            not refuted: 0 of 2 above ng, " in out
    assert "(telling takes about 600 good frames)" in out
    assert "Not refuted" in (tmp_path / "evaluation.html").read_text("utf-8")
    for number in range(12):
        (parts / "good" / f"{number}.png").write_bytes(drawn_part(100 + number, scratched=True))
    out = cli("evaluate", bank, parts, "--report", tmp_path).out
    assert "\npromise            broken: 12 of 12 above ng, " in out
    assert "telling takes" not in out
    assert "Broken" in (tmp_path / "evaluation.html").read_text("utf-8")


def test_evaluate_prints_some_of_many_notes(cli: Cli, bank: Path, parts: Path) -> None:
    for number in range(12):
        (parts / "good" / f"broken{number}.png").write_bytes(b"x")
    out = cli("evaluate", bank, parts).out
    assert out.count("\nnote: ") == 11
    assert out.endswith("\nnote: … and 2 more (--json lists all)\n")


def test_a_name_fakes_no_line_of_what_evaluate_says(cli: Cli, bank: Path, parts: Path, tmp_path: Path) -> None:
    (parts / "scratch").rename(parts / "a\nescape rate  0.00%\u202e")
    (parts / "good" / "b\nnote: sound\x1b[2J.png").write_bytes(b"x")
    done = cli("evaluate", bank, parts, "--report", tmp_path / "c\nnote: fine")
    assert (done.code, done.err) == (0, "")
    said = done.out.splitlines()
    at = said.index("") + 1
    head, row, *notes, report = said[at:]
    assert row.startswith("a\\nescape rate  0.00%\\u202e      2   1.0000  ")
    assert head.index("AUROC") + len("AUROC") == row.index("1.0000") + len("1.0000")
    assert all(note.startswith("note: ") for note in notes)
    assert [note for note in notes if note.startswith("note: good/b\\nnote: sound\\x1b[2J.png: ")]
    assert report == f"report             {tmp_path}/c\\nnote: fine/evaluation.html"
    assert not [sign for sign in done.out if (sign < " " and sign != "\n") or sign == "\u202e"]


def test_evaluate_fails_in_one_line(cli: Cli, bank: Path, tmp_path: Path) -> None:
    assert "no such folder" in cli.fails("evaluate", bank, tmp_path / "none")
    assert "no manifest.json" in cli.fails("evaluate", tmp_path / "none", tmp_path)


def test_a_report_that_fails_after_the_work_leaves_the_figures(
    cli: Cli, bank: Path, parts: Path, tmp_path: Path
) -> None:
    (tmp_path / "seen" / "evaluation.html").mkdir(parents=True)
    done = cli("evaluate", bank, parts, "--json", "--report", tmp_path / "seen")
    assert json.loads(done.out)["image_auroc"] == 1
    told = "error: the figures are above, but the report could not be written: report "
    assert (done.code, done.err.startswith(told), done.err.count("\n")) == (1, True, 1)


def test_a_report_that_cannot_be_written_is_told_before_the_frames_are_inspected(
    cli: Cli, bank: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    told = cli.fails("evaluate", bank, tmp_path / "none", "--report", tmp_path / "file", code=2)
    assert f"report {tmp_path / 'file'}: it is a file, expected a folder; choose another one" in told
