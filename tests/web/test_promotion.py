"""A bank that would pass a confirmed defect needs a written reason, and the audit knows each exchange."""

import multiprocessing
import os
import shutil
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from line import CAM1, CAM2, drawn_part
from review_site import ReviewSite, running_site
from sqlalchemy import select, update

from calibration.candidates.making import Told
from calibration.candidates.trial import try_it
from calibration.growth.derive import with_thresholds
from inspector.bank import Bank
from inspector.banks import guard, promotion
from inspector.banks import shelf as shelves
from inspector.banks.promotion import GuardError, apply_thresholds, promote, record, record_all, rollback
from inspector.banks.shelf import Shelf
from inspector.errors import BankError, UsageError
from inspector.progress import silent
from inspector.settings import Settings
from inspector.store import Audit, AuditFilter, Candidates, open_database
from inspector.store.tables import frames

STATION = str(CAM1)


@pytest.fixture
def site(tmp_path: Path, bank: Path) -> Iterator[ReviewSite]:
    """A page of its own, on a copy of the bank that may be exchanged."""
    place = Path(shutil.copytree(bank, tmp_path / "banks" / "tile"))
    with running_site(tmp_path, place) as running:
        yield running


def in_use(site: ReviewSite) -> Path:
    return site.settings.stations[0].bank


def blind(site: ReviewSite, folder: Path) -> Path:
    """A bank that passes everything."""
    with_thresholds(in_use(site), folder / "blind", ok=1e6, ng=1e6)
    return folder / "blind"


def test_a_bank_that_misses_a_guard_defect_needs_a_reason(site: ReviewSite, tmp_path: Path) -> None:
    frame = site.add()
    site.reviews.dispose(frame, to="defect", reviewer="olga", version=0)
    candidate = blind(site, tmp_path)
    before = Bank.load(in_use(site)).ref
    for reason in (None, "", "  "):
        with pytest.raises(GuardError, match=f"passes 1 of 1 confirmed defects .frame {frame}.") as caught:
            promote(site.settings, site.engine, STATION, candidate, by="emil", reason=reason)
        assert [one.frame for one in caught.value.missed] == [frame]
    assert Bank.load(in_use(site)).ref == before
    done = promote(site.settings, site.engine, STATION, candidate, by="emil", reason="a trial on shift")
    assert (done.guard, len(done.missed)) == (1, 1)
    told = Audit(site.engine).promotions(AuditFilter(station=STATION), limit=10)
    assert [(row.by, row.action, row.reason, row.guard_missed, row.guard) for row in told] == [
        ("emil", "promote", "a trial on shift", 1, 1)
    ]
    assert told[0].from_digest == before.digest
    rollback(site.settings, site.engine, STATION, by="emil", reason="enough")
    assert Bank.load(in_use(site)).ref == before


def test_thresholds_are_applied_as_a_bank_of_their_own(site: ReviewSite) -> None:
    before = Bank.load(in_use(site))
    done = apply_thresholds(
        site.settings, site.engine, STATION, ok=before.thresholds.ok, ng=before.thresholds.ng + 1, by="emil"
    )
    after = Bank.load(in_use(site))
    assert after.thresholds.ng == before.thresholds.ng + 1
    assert after.manifest.lineage.parent == before.ref.digest
    assert done.move.action == "thresholds"
    for station in (STATION, str(CAM2)):  # both stations name the same folder
        assert [row.action for row in Audit(site.engine).promotions(AuditFilter(station=station), limit=9)] == [
            "thresholds"
        ]
    with pytest.raises(UsageError, match="ok <= ng"):
        apply_thresholds(site.settings, site.engine, STATION, ok=3.0, ng=2.0, by="emil")
    site.reviews.dispose(site.add(), to="defect", reviewer="olga", version=0)
    with pytest.raises(GuardError):
        apply_thresholds(site.settings, site.engine, STATION, ok=1e6, ng=1e6, by="emil")
    assert Bank.load(in_use(site)).ref == after.ref
    assert list(site.settings.data_dir.glob(".thresholds*")) == []


def defects(site: ReviewSite, number: int) -> list[int]:
    """So many confirmed ones; only those whose picture is there can be inspected."""
    found = [site.add() for _ in range(number)]
    for one in found:
        site.reviews.dispose(one, to="defect", reviewer="olga", version=0)
    return found


def without_pictures(site: ReviewSite) -> None:
    for picture in site.archive.folder.glob("*/*"):
        picture.unlink()


def test_thresholds_hold_against_what_their_memory_scored_without_inspecting_it_again(site: ReviewSite) -> None:
    found = defects(site, 3)
    without_pictures(site)
    ok = Bank.load(in_use(site)).thresholds.ok
    for ng in (1e5, 2e5):  # the second time the frames are of the bank before the one in use
        done = apply_thresholds(site.settings, site.engine, STATION, ok=ok, ng=ng, by="emil")
        assert (done.guard, done.missed, done.lost) == (3, (), 0)
    with site.engine.connect() as connection:
        scores = connection.execute(select(frames.c.id, frames.c.score).order_by(frames.c.score)).all()
    between = scores[0].score  # a score at ok passes
    with pytest.raises(GuardError, match="passes 1 of 3 confirmed") as caught:
        apply_thresholds(site.settings, site.engine, STATION, ok=between, ng=1e6, by="emil")
    assert [(one.frame, one.score_after) for one in caught.value.missed] == [tuple(scores[0])]
    with pytest.raises(GuardError) as caught:
        apply_thresholds(site.settings, site.engine, STATION, ok=1e6, ng=1e6, by="emil")
    assert [one.frame for one in caught.value.missed] == found
    Shelf(in_use(site)).rollback(by="emil")
    assert apply_thresholds(site.settings, site.engine, STATION, ok=ok, ng=3e5, by="emil").guard == 3


def test_a_defect_that_another_memory_scored_is_inspected(site: ReviewSite) -> None:
    defects(site, 2)
    with site.engine.begin() as connection:
        connection.execute(update(frames).values(bank_digest="0" * 64, score=1e9))
    with pytest.raises(GuardError, match="passes 2 of 2 confirmed"):
        apply_thresholds(site.settings, site.engine, STATION, ok=1e6, ng=1e6, by="emil")
    without_pictures(site)
    done = apply_thresholds(site.settings, site.engine, STATION, ok=1e6, ng=1e6, by="emil")
    assert (done.guard, done.lost) == (0, 2)


def test_a_defect_in_a_frame_of_other_proportions_passes_no_thresholds(site: ReviewSite) -> None:
    part = cv2.imdecode(np.frombuffer(drawn_part(1, scratched=True), np.uint8), cv2.IMREAD_COLOR)
    wide = site.add(bytes(cv2.imencode(".png", part[:60])[1]))
    site.reviews.dispose(wide, to="defect", reviewer="olga", version=0)
    assert apply_thresholds(site.settings, site.engine, STATION, ok=1e6, ng=1e6, by="emil").missed == ()


def test_a_candidate_is_held_against_what_its_shadow_run_scored_and_inspects_what_came_since(
    site: ReviewSite, tmp_path: Path
) -> None:
    found = defects(site, 2)
    store, candidate = Candidates(site.engine), blind(site, tmp_path)
    row = store.begin(STATION, by="emil", base=Bank.load(in_use(site)).ref)
    told = Told(store, row.id, silent)
    told.built(Bank.load(candidate))
    try_it(site.settings, site.engine, STATION, candidate, in_use=in_use(site), told=told)
    without_pictures(site)
    found += defects(site, 1)
    with pytest.raises(GuardError, match="passes 3 of 3 confirmed") as caught:
        promote(site.settings, site.engine, STATION, candidate, by="emil")
    assert [one.frame for one in caught.value.missed] == found
    done = promote(site.settings, site.engine, STATION, candidate, by="emil", reason="a trial", passing=3)
    assert (done.guard, done.lost) == (3, 0)
    without_pictures(site)
    back = apply_thresholds(site.settings, site.engine, STATION, ok=0.0, ng=0.0, by="emil")
    assert (back.guard, len(back.missed), back.lost) == (2, 0, 1), "in use, it is the memory that the shadow run asked"


def _apply(settings: Settings, ng: float) -> None:
    with open_database(settings.database_url) as engine:
        apply_thresholds(settings, engine, STATION, ok=ng, ng=ng, by="emil")


def _begin(settings: Settings, ng: float) -> None:
    """Killed with the new bank made, and not yet in use."""
    promotion.promote = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment]
    _apply(settings, ng)


def test_what_a_kill_leaves_of_thresholds_goes_with_the_next(site: ReviewSite) -> None:
    before = Bank.load(in_use(site)).ref
    process = multiprocessing.get_context("spawn").Process(target=_begin, args=(site.settings, 1e6))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert Bank.load(in_use(site)).ref == before
    assert list(site.settings.data_dir.glob(".thresholds.*/*"))
    _apply(site.settings, 2e6)
    assert Bank.load(in_use(site)).thresholds.ng == 2e6
    assert list(site.settings.data_dir.glob(".thresholds.*")) == []


def test_a_promotion_clears_what_a_killed_calibration_left_beside_the_bank(site: ReviewSite, tmp_path: Path) -> None:
    left = in_use(site).parent / f".{in_use(site).name}.draft.abc_0123"
    shutil.copytree(in_use(site), left)
    promote(site.settings, site.engine, STATION, blind(site, tmp_path), by="emil")
    assert not left.exists()


def test_what_the_command_line_exchanged_is_in_the_audit_too(site: ReviewSite, tmp_path: Path) -> None:
    Shelf(in_use(site)).promote(blind(site, tmp_path), by="root")
    for _ in range(2):
        record(site.settings, site.engine, in_use(site))
    assert [row.by for row in Audit(site.engine).promotions(AuditFilter(station=STATION), limit=9)] == ["root"]


def test_an_exchange_behind_which_the_process_ended_is_in_the_audit_at_once_and_once(
    site: ReviewSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(_folder: Path) -> None:
        raise KeyboardInterrupt

    shelf, candidate = Shelf(in_use(site)), blind(site, tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(shelves, "sync_dir", end)
        with pytest.raises(KeyboardInterrupt):
            shelf.promote(candidate, by="anna", reason="new light")
    for _ in range(2):
        assert record_all(site.settings, site.engine) == []
        assert told(site, STATION) == ["anna"]
    assert [move.done for move in shelf.moves()] == [True]
    rollback(site.settings, site.engine, STATION, by="emil", reason="enough")
    assert told(site, STATION) == ["anna", "emil"]


def test_what_cannot_be_promoted(site: ReviewSite, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not in the settings, expected one of"):
        promote(site.settings, site.engine, "a/b/c/d", blind(site, tmp_path), by="emil")
    with pytest.raises(BankError, match=r"no manifest\.json there"):
        promote(site.settings, site.engine, STATION, tmp_path / "none", by="emil")
    with pytest.raises(BankError, match="nothing to roll back to"):
        rollback(site.settings, site.engine, STATION, by="emil")


def test_an_escape_guards_as_well(site: ReviewSite, tmp_path: Path) -> None:
    frame = site.add(drawn_part(1), sampled=True)
    site.reviews.escape(frame, reviewer="olga", version=0)
    with pytest.raises(GuardError):
        promote(site.settings, site.engine, STATION, blind(site, tmp_path), by="emil")


def ng_of(site: ReviewSite, folder: Path, number: int) -> Path:
    """A bank of its own, by its ng."""
    with_thresholds(in_use(site), folder / str(number), ok=1.0, ng=1.0 + number)
    return folder / str(number)


def told(site: ReviewSite, station: str) -> list[str]:
    """Who gave the station its banks, oldest first, as the audit has it."""
    rows = Audit(site.engine).promotions(AuditFilter(station=station), limit=9)
    return [row.by for row in reversed(rows)]


def test_a_station_that_comes_later_has_no_history_from_before_it(tmp_path: Path, bank: Path) -> None:
    place = Path(shutil.copytree(bank, tmp_path / "banks" / "tile"))
    with running_site(tmp_path, place, stations=[CAM1]) as site:
        for number, by in enumerate(("ann", "ben", "cem")):
            Shelf(place).promote(ng_of(site, tmp_path, number), by=by)
            record(site.settings, site.engine, place)
        assert told(site, STATION) == ["ann", "ben", "cem"]
    with running_site(tmp_path, place, stations=[CAM1, CAM2]) as site:
        for _ in range(2):
            record(site.settings, site.engine, place)
            assert told(site, str(CAM2)) == ["cem"]  # what it runs
        Shelf(place).promote(ng_of(site, tmp_path, 3), by="dan")
        record(site.settings, site.engine, place)
        assert told(site, str(CAM2)) == ["cem", "dan"]
        assert told(site, STATION) == ["ann", "ben", "cem", "dan"]


def test_a_station_that_was_there_all_along_has_what_the_audit_was_not_told_at_once(
    site: ReviewSite, tmp_path: Path
) -> None:
    """Its frames tell since when it runs these banks; a station without any begins with what it runs now."""
    Shelf(in_use(site)).promote(ng_of(site, tmp_path, 0), by="ann")
    Shelf(in_use(site)).promote(ng_of(site, tmp_path, 1), by="ben")
    first, between = site.add(), datetime.now(UTC)
    Shelf(in_use(site)).promote(ng_of(site, tmp_path, 2), by="cem")
    with site.engine.begin() as connection:
        connection.execute(update(frames).where(frames.c.id == first).values(received_at=between))
    record(site.settings, site.engine, in_use(site))
    assert told(site, STATION) == ["ben", "cem"]
    assert told(site, str(CAM2)) == ["cem"]


def waiting(site: ReviewSite, bank: Path) -> int:
    """A candidate that may be promoted."""
    ref, store = Bank.load(bank).ref, Candidates(site.engine)
    number = store.begin(STATION, by="emil", base=Bank.load(in_use(site)).ref).id
    store.tell(number, state="shadowed", path=str(bank), digest=ref.digest)
    return number


def test_a_candidate_that_is_put_aside_while_its_guard_is_asked_is_not_taken_into_use(
    site: ReviewSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, number, answers = Bank.load(in_use(site)).ref, waiting(site, ng_of(site, tmp_path, 0)), []
    ask = guard.ask
    with site.client("emil") as emil, site.client("ada") as ada:

        def slow(*args: Any, **kwargs: Any) -> Any:
            answers.append(ada.post(f"/banks/candidates/{number}/reject"))
            return ask(*args, **kwargs)

        monkeypatch.setattr(guard, "ask", slow)
        late = emil.post(f"/banks/candidates/{number}/promote", data={"seen": before.digest})
        again = ada.post(f"/banks/candidates/{number}/reject")
    assert [one.status_code for one in (*answers, again)] == [303, 303]
    assert late.status_code == 409
    assert f"candidate {number}: is rejected by now" in late.text
    assert Bank.load(in_use(site)).ref == before
    assert Shelf(in_use(site)).moves() == ()
    assert Candidates(site.engine).get(number).state == "rejected"


def test_who_puts_a_candidate_aside_that_is_in_use_by_then_is_told(
    site: ReviewSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank = ng_of(site, tmp_path, 0)
    number, tell = waiting(site, bank), Candidates.tell
    with site.client("emil") as emil, site.client("ada") as ada:

        def slow(self: Candidates, *args: Any, **said: Any) -> Any:
            if said.get("state") == "rejected":
                assert emil.post(f"/banks/candidates/{number}/promote").status_code == 303
            return tell(self, *args, **said)

        monkeypatch.setattr(Candidates, "tell", slow)
        late = ada.post(f"/banks/candidates/{number}/reject")
        monkeypatch.undo()
        later = ada.post(f"/banks/candidates/{number}/reject")
    for answer in (late, later):
        assert answer.status_code == 409
        assert "This candidate is promoted by now; it was not put aside." in answer.text
    assert Bank.load(in_use(site)).ref == Bank.load(bank).ref
    assert Candidates(site.engine).get(number).state == "promoted"


def test_a_candidate_that_the_command_line_took_into_use_is_not_put_aside(site: ReviewSite, tmp_path: Path) -> None:
    bank = ng_of(site, tmp_path, 0)
    number = waiting(site, bank)
    Shelf(in_use(site)).promote(bank, by="root")
    with site.client("ada") as ada:
        assert ada.post(f"/banks/candidates/{number}/reject").status_code == 409
    assert Candidates(site.engine).get(number).state == "promoted"
