"""`inspector bank promote`: the guard is asked where its ledger can be found, and where not that is said."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from line import CAM1
from review_site import ReviewSite, running_site
from services import as_nobody

from calibration.growth.derive import with_thresholds
from inspector.bank import Bank
from inspector.banks.shelf import Shelf
from inspector.cli import main
from inspector.store import Audit, AuditFilter


class Done(NamedTuple):
    code: int
    out: str
    err: str


Cli = Callable[..., Done]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    def call(*arguments: object) -> Done:
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        assert isinstance(left.value.code, int)
        return Done(left.value.code, printed.out, printed.err)

    return call


@pytest.fixture
def site(tmp_path: Path, bank: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ReviewSite]:
    """A page on a copy of the bank, and a folder elsewhere from which the command is called."""
    place = Path(shutil.copytree(bank, tmp_path / "banks" / "tile"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with running_site(tmp_path, place) as running:
        yield running


@pytest.fixture
def place(site: ReviewSite) -> Path:
    return site.settings.stations[0].bank


@pytest.fixture
def blind(place: Path, tmp_path: Path) -> Path:
    """A bank that passes everything."""
    with_thresholds(place, tmp_path / "blind", ok=1e6, ng=1e6)
    return tmp_path / "blind"


def confirmed(site: ReviewSite, **changes: Any) -> int:
    frame = site.add(**changes)
    site.reviews.dispose(frame, to="defect", reviewer="olga", version=0)
    return frame


def audit(site: ReviewSite) -> list[tuple[str, str | None, int | None, int]]:
    rows = Audit(site.engine).promotions(AuditFilter(station=str(CAM1)), limit=9)
    return [(row.by, row.reason, row.guard, row.guard_missed) for row in rows]


@pytest.mark.parametrize("named", [True, False])
def test_a_bank_that_misses_a_confirmed_defect_is_refused(
    site: ReviewSite, place: Path, blind: Path, cli: Cli, named: bool
) -> None:
    frame = confirmed(site)
    confirmed(site, kept=False)
    before = Bank.load(place).ref
    if not named:  # the settings of the folder where it is called
        os.chdir(site.folder)
    given = ("-c", site.folder / "inspector.yaml") if named else ()
    for reason in ((), ("--reason", "  ")):
        done = cli("bank", "promote", blind, place, *given, *reason)
        assert (done.code, done.out) == (1, "")
        assert f"passes 1 of 1 confirmed defects (frame {frame}); promote it with a written reason" in done.err
        assert done.err.count("\n") == 1
    assert Bank.load(place).ref == before
    done = cli("bank", "promote", blind, place, *given, "--reason", "a trial", "--by", "emil")
    assert done.code == 0
    assert done.out.splitlines()[1] == (
        f"guard: 1 of 1 confirmed defects would pass (frame {frame}); "
        "1 more could not be asked, their pictures are not there"
    )
    assert audit(site) == [("emil", "a trial", 1, 1)]
    assert "a trial, passes 1 of 1 confirmed defects" in cli("bank", "show", place).out


def test_a_bank_that_misses_none_passes(site: ReviewSite, place: Path, tmp_path: Path, cli: Cli) -> None:
    first = Bank.load(place)
    candidate = tmp_path / "other"
    with_thresholds(place, candidate, ok=first.thresholds.ok, ng=first.thresholds.ng + 1)
    config = site.folder / "inspector.yaml"
    done = cli("bank", "promote", candidate, place, "-c", config, "--by", "emil")
    assert "guard: no defect with a picture is confirmed yet" in done.out
    for _ in range(4):
        confirmed(site)
    with_thresholds(place, tmp_path / "third", ok=first.thresholds.ok, ng=first.thresholds.ng + 2)
    done = cli("bank", "promote", tmp_path / "third", place, "-c", config, "--by", "emil", "--json")
    said = json.loads(done.out)
    assert (said["guard"], said["guard_missed"], said["missed"], said["lost"]) == (4, 0, [], 0)
    assert said["guard_not_asked"] is None
    assert audit(site) == [("emil", None, 4, 0), ("emil", None, 0, 0)]


def test_where_nobody_can_be_asked_that_is_said(site: ReviewSite, place: Path, blind: Path, cli: Cli) -> None:
    confirmed(site)
    done = cli("bank", "promote", blind, place)
    assert done.code == 0
    assert done.out.splitlines()[1] == (
        "guard: not asked: there is no inspector.yaml in this folder, so nobody knows which defects are confirmed. "
        "With -c SETTINGS a bank is held against the defects that operators confirmed; "
        f"inspector replay {place} --from SETTINGS shows which of them this one passes"
    )
    assert Shelf(place).moves()[-1].guard is None
    with site.client("emil") as emil:
        for path in ("/banks", "/audit?log=banks"):
            assert "not asked" in emil.get(path).text
    assert [row[2] for row in audit(site)] == [None]
    assert ", guard not asked" in cli("bank", "show", place).out
    # What the line says to do does it.
    replayed = cli("replay", place, "--from", site.folder / "inspector.yaml", "--station", CAM1, "--json")
    assert len(json.loads(replayed.out)["missed"]) == 1


def test_settings_that_do_not_speak_of_the_bank(
    site: ReviewSite, place: Path, blind: Path, tmp_path: Path, cli: Cli
) -> None:
    other = tmp_path / "elsewhere" / "inspector.yaml"
    other.write_text("data_dir: data\nstations: [{id: a/b/c/d, bank: banks/mine}]\n")
    done = cli("bank", "promote", blind, place, "-c", other)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert f"no station runs the bank {place}, expected one of {other.parent / 'banks' / 'mine'}" in done.err
    assert Shelf(place).moves() == ()
    done = cli("bank", "promote", blind, place, "--json")  # it only lies in the folder
    assert done.code == 0
    assert "inspector.yaml: no station runs the bank" in json.loads(done.out)["guard_not_asked"]
    assert not (other.parent / "data").exists()


def test_in_a_folder_that_is_closed_to_the_daemons_user_it_says_to_name_the_settings(
    bank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    monkeypatch.chdir(closed)
    closed.chmod(0)
    with as_nobody():
        done = cli("bank", "promote", bank, tmp_path / "tile")
    closed.chmod(0o700)
    assert (done.code, done.out, done.err) == (
        2,
        "",
        "error: inspector.yaml in this folder cannot be looked at (Permission denied); name the settings with -c\n",
    )


def test_a_ledger_that_is_not_there_yet_is_not_made(bank: Path, tmp_path: Path, cli: Cli) -> None:
    config = tmp_path / "inspector.yaml"
    config.write_text("data_dir: data\nstations: [{id: a/b/c/d, bank: banks/tile}]\n")
    (tmp_path / "banks").mkdir()
    done = cli("bank", "promote", bank, tmp_path / "banks" / "tile", "-c", config)
    assert done.code == 0
    assert f"guard: not asked: {tmp_path / 'data' / 'ledger.sqlite3'} is not there yet" in done.out
    assert not (tmp_path / "data").exists()


def test_a_ledger_that_does_not_answer_stops_it_and_a_reason_goes_on_without(
    site: ReviewSite, place: Path, blind: Path, cli: Cli
) -> None:
    config = site.folder / "inspector.yaml"
    config.write_text(config.read_text() + "database: postgresql://nobody@127.0.0.1:1/nothing\n")
    done = cli("bank", "promote", blind, place, "-c", config)
    assert (done.code, done.out) == (1, "")
    assert Shelf(place).moves() == ()
    for wrong in ((), ("--reason", " "), ("--reason", "the ledger is away", "-c", config)):
        done = cli("bank", "promote", blind, place, "--no-guard", *wrong)
        assert (done.code, done.err.count("\n")) == (2, 1)
        assert "--no-guard: got it with" in done.err
    done = cli("bank", "promote", blind, place, "--no-guard", "--reason", "the ledger is away")
    assert done.code == 0
    assert "guard: not asked: --no-guard. With -c SETTINGS" in done.out
    assert Shelf(place).moves()[-1].reason == "the ledger is away"


def test_the_audit_is_current_when_it_is_read(site: ReviewSite, place: Path, blind: Path, cli: Cli) -> None:
    """A rollback asks no ledger, so none hears of it; nor does a promotion without settings."""
    assert cli("bank", "promote", blind, place, "--reason", "a trial", "--by", "root").code == 0
    with site.client("emil") as emil:
        rows = emil.get("/api/v1/audit", params={"log": "banks", "station": str(CAM1)}).json()["rows"]
        assert [(row["by"], row["action"], row["reason"]) for row in rows] == [("root", "promote", "a trial")]
        assert cli("bank", "rollback", place, "--reason", "worse on dents", "--by", "root").code == 0
        assert "worse on dents" in emil.get("/audit?log=banks").text
        answer = emil.get("/api/v1/audit", params={"log": "banks", "station": str(CAM1)}).json()
    assert [row["action"] for row in answer["rows"]] == ["rollback", "promote"]
    assert answer["behind"] == []


def test_a_journal_that_cannot_be_read_does_not_hide_the_audit(
    site: ReviewSite, place: Path, blind: Path, cli: Cli
) -> None:
    assert cli("bank", "promote", blind, place, "--reason", "a trial").code == 0
    with site.client("emil") as emil:
        assert "a trial" in emil.get("/audit?log=banks").text
        journal = Shelf(place).folder / "journal.jsonl"
        journal.rename(journal.with_suffix(".away"))
        journal.mkdir()
        page = emil.get("/audit?log=banks")
        assert page.status_code == 200
        assert "a trial" in page.text
        assert "The newest exchanges may be missing" in page.text
        assert "journal.jsonl cannot be read" in page.text
        answer = emil.get("/api/v1/audit", params={"log": "banks"}).json()
    assert [row["reason"] for row in answer["rows"]] == ["a trial"] * 2  # both stations have the bank
    assert len(answer["behind"]) == 1
    assert "journal.jsonl cannot be read" in answer["behind"][0]
