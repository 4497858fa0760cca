"""`inspector bank`: what it prints of banks, and how one takes the place of another."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from banks import change_manifest, copy_of, write_good
from calling import Cli

from calibration.growth.derive import with_thresholds
from inspector.bank import identity
from inspector.manifest import read_manifest


def test_a_bank_of_few_samples_says_everywhere_that_ng_is_an_estimate(cli: Cli, bank: Path, tmp_path: Path) -> None:
    new = write_good(tmp_path / "new", 4, first_seed=3000)
    few = "samples are too few for 0.50% false rejects, that needs 199: ng is an estimate; at most "
    assert f"10 {few}" in cli("bank", "show", bank).out
    assert f"14 {few}" in cli("bank", "add", bank, new, "-o", tmp_path / "grown").out


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


def test_bank_show_tells_how_frames_are_looked_at(cli: Cli, bank: Path, tmp_path: Path) -> None:
    copied = copy_of(bank, tmp_path)
    crop = {"x": 8, "y": 4, "width": 64, "height": 48}
    change_manifest(copied, lambda manifest: manifest["recipe"].update(crop=crop, light=0.3, shift=0.05))
    assert ", crop 64x48 at (8, 4), light 0.3, shift 0.05\n" in cli("bank", "show", copied).out


def test_bank_diff_reads_as_text_and_not_as_code(cli: Cli, bank: Path, tmp_path: Path) -> None:
    copied = copy_of(bank, tmp_path)
    crop = {"x": 8, "y": 4, "width": 64, "height": 48}
    change_manifest(copied, lambda manifest: manifest["recipe"].update(crop=crop))
    change_manifest(copied, lambda manifest: manifest["calibration"]["promise"].update(interval=[0.0, 1 / 3]))
    out = cli("bank", "diff", bank, copied).out
    assert re.search(r"^recipe\.crop +none -> x 8, y 4, width 64, height 48$", out, re.MULTILINE)
    assert re.search(r"^promise\.interval +0, 0\.\d{1,4} -> 0, 0\.3333$", out, re.MULTILINE)


def test_thresholds_that_all_but_agree_are_told_apart(cli: Cli, bank: Path, tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    with_thresholds(bank, before, ok=10.4251, ng=10.4275)
    with_thresholds(before, after, ok=10.4259, ng=10.4275)
    assert "\nthresholds  ok 10.425, ng 10.428, pixel " in cli("bank", "show", before).out
    assert "lineage     thresholds ok 10.425 to 10.426, ng 10.428 to 10.428" in cli("bank", "show", after).out
    assert re.search("thresholds.ok +10.425 -> 10.426\n", cli("bank", "diff", before, after).out)


def test_bank_verify(cli: Cli, bank: Path, tmp_path: Path) -> None:
    assert "sound" in cli("bank", "verify", bank).out
    assert json.loads(cli("bank", "verify", bank, "--json").out).keys() == {"path", "id", "digest"}
    copied = copy_of(bank, tmp_path)
    (copied / "graph.bin").write_bytes(b"x")
    assert "graph.bin has sha256" in cli.fails("bank", "verify", copied)
    change_manifest(copied, lambda manifest: manifest.update(schema=9))
    assert "schema 9" in cli.fails("bank", "show", copied)


def test_verify_tells_thresholds_that_were_changed_in_the_manifest(cli: Cli, bank: Path, tmp_path: Path) -> None:
    copied, made = copy_of(bank, tmp_path), read_manifest(bank)
    change_manifest(copied, lambda manifest: manifest["calibration"].update(ng=made.calibration.ng * 10))
    told = cli.fails("bank", "verify", copied)
    assert f"got id {made.id}, but that of its files and thresholds is " in told
    assert "manifest.json was changed since the bank was made" in told


def test_verify_passes_banks_of_other_thresholds_and_of_former_versions(cli: Cli, bank: Path, tmp_path: Path) -> None:
    made = with_thresholds(bank, tmp_path / "lenient", ok=1.0, ng=99.0)
    assert f"sound; {made.id}" in cli("bank", "verify", tmp_path / "lenient").out
    former = identity(made.files, None)
    change_manifest(tmp_path / "lenient", lambda manifest: manifest.update(id=former))
    assert f"sound; {former}" in cli("bank", "verify", tmp_path / "lenient").out


def test_what_a_bank_says_of_itself_does_not_act_on_a_terminal(cli: Cli, bank: Path, tmp_path: Path) -> None:
    evil, damaged = copy_of(bank, tmp_path / "evil"), copy_of(bank, tmp_path / "damaged")
    word = "\x1b[2J\r\x1b]0;x\x07\n\u202esound"

    def write(manifest: dict[str, Any]) -> None:
        manifest["id"] += word
        manifest["backbone"]["name"] += word
        manifest["backbone"]["layers"] = [layer + word for layer in manifest["backbone"]["layers"]]
        manifest["lineage"]["operation"] += word
        manifest["samples"][0].update(path=f"a{word}.png", sha256="0" * 64)

    change_manifest(evil, write)
    change_manifest(damaged, lambda manifest: manifest["files"].update({f"b{word}": "0" * 64}))
    printed = [cli("bank", "list", evil.parent), cli("bank", "show", evil), cli("bank", "diff", bank, evil)]
    printed += [cli("bank", "verify", each) for each in (evil, damaged)]
    for done in printed:
        assert "\\x1b[2J\\r" in done.out + done.err
        assert not [sign for sign in done.out + done.err if (sign < " " and sign != "\n") or sign in "\x7f\u202e"]
        assert not [line for line in (done.out + done.err).splitlines() if line.startswith("sound")]


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
    back = json.loads(cli("bank", "rollback", place, "--by", "ben", "--reason", " ", "--json").out)
    assert (back["action"], back["reason"]) == ("rollback", None), "blanks give no reason"
    assert "the same: every frame gets the same verdict" in cli("bank", "diff", bank, place).out
    assert "nothing to roll back to" in cli.fails("bank", "rollback", place)


@pytest.mark.parametrize("words", ["add {own} {evil}", "remove {own} 0.png"])
def test_a_name_fakes_no_line_of_what_growth_says(cli: Cli, bank: Path, tmp_path: Path, words: str) -> None:
    own, evil = copy_of(bank, tmp_path), write_good(tmp_path / "evil", 1, first_seed=3000)
    shutil.copy(evil / "000.png", evil / "a\nnext       sh x\u202e.png")
    named = [word.format(own=own, evil=evil) for word in words.split()]
    done = cli("bank", *named, "-o", tmp_path / "b\n1")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert [line for line in lines if line.startswith(("next ", "1"))] == [lines[-1]]
    if "add" in words:
        assert f"left out   {evil}/a\\nnext       sh x\\u202e.png: the same picture as 000.png" in lines


def test_commands_to_be_copied_hold_where_a_name_has_a_space(cli: Cli, bank: Path, tmp_path: Path) -> None:
    own, new = copy_of(bank, tmp_path / "Good Parts"), write_good(tmp_path / "new", 1, first_seed=3000)
    grown = f"{own}.new"
    said = cli("bank", "add", own, new).out
    assert f"inspector bank diff '{own}' '{grown}'; inspector bank promote '{grown}' '{own}'\n" in said
    assert f"; inspector replay '{own}' --from SETTINGS shows" in cli("bank", "promote", grown, own).out


@pytest.mark.parametrize("inside", ["", "samples"])
@pytest.mark.parametrize(
    "words",
    [
        "calibrate {good} -o {made}",
        "bank add {bank} {good} -o {made}",
        "inspect {bank} {good}",
        "evaluate {bank} {good}",
    ],
)
def test_the_small_pictures_of_a_bank_are_no_samples(
    cli: Cli, bank: Path, tmp_path: Path, words: str, inside: str
) -> None:
    named = {"bank": bank, "good": bank / inside, "made": tmp_path / "made"}
    told = cli.fails(*(word.format(**named) for word in words.split()))
    assert "whose small pictures are no samples; name the folder they came from" in told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [
        "calibrate {good} -o {inside}",
        "finetune {bank} {good} -o {inside}",
        "compare {good} -o {bank}",
        "bank add {bank} {good} -o {inside}",
        "bank remove {bank} 0.png -o {inside}",
        "bank promote {other} {inside}",
        "export -c {config} --format csv -o {inside}",
        "db backup {inside} -c {config}",
        "demo --folder {inside}",
    ],
)
def test_what_a_command_makes_does_not_go_into_a_bank(cli: Cli, bank: Path, tmp_path: Path, words: str) -> None:
    own, config = copy_of(bank, tmp_path), tmp_path / "inspector.yaml"
    config.write_text("{data_dir: data, broker: {host: localhost}, stations: [{id: a/b/c/d, bank: copied}]}")
    good = write_good(tmp_path / "good", 4, first_seed=3000)
    named = {"bank": own, "inside": own / "x", "good": good, "config": config, "other": bank}
    told = cli.fails(*(word.format(**named) for word in words.split()), code=2)
    assert f"lies in the bank {own}, which nobody could use then; choose another folder" in told
    assert cli("bank", "verify", own).code == 0


@pytest.mark.parametrize(("words", "named"), [("add . {new}", "."), ("remove .. 0.png", "..")])
def test_the_folder_in_which_one_stands_may_be_the_bank(
    cli: Cli, bank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, named: str
) -> None:
    own, new = copy_of(bank, tmp_path), write_good(tmp_path / "new", 1, first_seed=3000)
    monkeypatch.chdir(own if named == "." else own / "samples")
    done = cli("bank", *(word.format(new=new) for word in words.split()))
    assert (done.code, done.err) == (0, "")
    assert f"inspector bank promote {tmp_path / 'copied.new'} {named}\n" in done.out
    assert cli("bank", "verify", tmp_path / "copied.new").code == 0
