"""The loop: what operators said makes a candidate that clears false alarms, hides no defect, and is tried first."""

import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from banks import change_manifest, copy_of, stamped_part
from calling import Cli
from line import CAM1, CAM2, drawn_part
from pages import Page
from playwright.sync_api import Page as BrowserPage
from playwright.sync_api import expect
from review_site import ReviewSite
from services import DEADLINE_S, looks_at_locks, wait_until

from calibration.candidates import rebuild as rebuilding
from calibration.candidates.rebuild import rebuild
from calibration.growth.derive import with_thresholds
from inspector.bank import Bank
from inspector.banks.promotion import promote
from inspector.banks.rebuilding import alone_at_station, is_running, start
from inspector.banks.replay import replay
from inspector.banks.shelf import Shelf
from inspector.charts.wording import short_station, told_apart
from inspector.errors import SamplesError
from inspector.manifest import read_manifest
from inspector.pipeline import Pipeline
from inspector.store import Candidates, Cases
from inspector.types import Decision, StationId

STATION = str(CAM1)
UNSEEN = range(900, 910)
WRONG_SIZE = "got 96x96 pixels, but recipe 'disc' crops 200x200 at (0, 0); expected at least 200x200"


@pytest.fixture
def site(roomy_site: ReviewSite) -> ReviewSite:
    return roomy_site


def said(site: ReviewSite, payload: bytes, disposition: str, station: StationId = CAM1) -> int:
    """A frame that the line flagged, and what an operator said about it."""
    frame = site.add(payload, station=station)
    site.reviews.dispose(frame, to=disposition, reviewer="olga", version=0)  # type: ignore[arg-type]
    return frame


def decisions(bank: Path, payloads: list[bytes]) -> list[Decision]:
    pipeline = Pipeline.open(bank)
    return [pipeline.inspect(payload).decision for payload in payloads]


def inspector(*arguments: object) -> Any:
    command = [sys.executable, "-m", "inspector", *map(str, arguments), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_thirty_false_alarms_of_one_kind_are_cleared_and_no_guard_defect_is_missed(
    site: ReviewSite, tmp_path: Path
) -> None:
    alarms = [said(site, stamped_part(seed), "false_alarm") for seed in range(30)]
    defects = [said(site, drawn_part(seed, scratched=True), "defect") for seed in range(100, 106)]
    wrong = said(site, drawn_part(110, scratched=True), "false_alarm")
    waiting = site.add(stamped_part(700))
    place = site.settings.stations[0].bank
    before = Bank.load(place)
    assert Decision.OK not in decisions(place, [stamped_part(seed) for seed in UNSEEN])

    candidate = rebuild(site.settings, site.engine, STATION, by="emil")

    assert candidate.state == "shadowed"
    assert candidate.document["fed"] == alarms
    assert [one["frame"] for one in candidate.document["refused"]] == [wrong]
    assert set(candidate.document["refused"][0]["hides"]) <= set(defects)
    shadow = candidate.document["shadow"]
    assert (shadow["guard"], shadow["missed"], shadow["lost"]) == (6, [], 0)
    assert (shadow["fed"], shadow["fed_cleared"]) == (30, 30)
    changed = {one["frame"]: (one["before"], one["after"]) for one in shadow["changed"]}
    assert changed[waiting] == ("ng", "ok")
    assert wrong not in changed
    assert not changed.keys() & set(defects)
    assert Bank.load(place).ref == before.ref
    with site.client("emil") as client:
        page = client.get(f"/banks/candidates/{candidate.id}").text
    first = candidate.document["refused"][0]["hides"][0]
    assert f'would hide <a href="/frame/{first}">part-{first}</a>' in page
    assert f"part-{wrong} 2026-03-02 12:{wrong}:00 would hide part-{first}" in Page(page).text

    promote(site.settings, site.engine, STATION, Path(candidate.path), by="emil")

    after = Bank.load(place)
    assert after.thresholds == before.thresholds
    assert after.manifest.lineage.parent == before.ref.digest
    assert decisions(place, [stamped_part(seed) for seed in UNSEEN]).count(Decision.OK) >= 9
    assert set(decisions(place, [drawn_part(seed, scratched=True) for seed in range(800, 805)])) == {Decision.NG}
    with pytest.raises(SamplesError, match="each of the 1 new false alarms looks like a confirmed defect"):
        rebuild(site.settings, site.engine, STATION, by="emil")
    assert Candidates(site.engine).of(STATION)[0].state == "failed"


def test_what_a_candidate_promises_is_told_beside_what_the_bank_in_use_does(site: ReviewSite, tmp_path: Path) -> None:
    place = site.settings.stations[0].bank
    with_thresholds(
        place, tmp_path / "close", ok=Bank.load(place).thresholds.ng - 1e-5, ng=Bank.load(place).thresholds.ng
    )
    promote(site.settings, site.engine, STATION, tmp_path / "close", by="emil")
    before = read_manifest(place).calibration
    for seed in range(4):
        said(site, stamped_part(seed), "false_alarm")
    candidate = rebuild(site.settings, site.engine, STATION, by="emil")
    after = read_manifest(Path(candidate.path)).calibration
    with site.client("emil") as client:
        page = Page(client.get(f"/banks/candidates/{candidate.id}").text).text
    assert f"Promise {before.promise.in_words()} → {after.promise.in_words()}" in page
    ok, ng = told_apart(before.ok, before.ng)
    assert ok != ng
    assert f"Thresholds ok {ok}, ng {ng}; frames between the two are uncertain" in page


def test_a_promise_that_is_more_than_allowed_is_marked(site: ReviewSite, tmp_path: Path) -> None:
    place = site.settings.stations[0].bank
    low = Bank.load(place).thresholds.ng / 2
    with site.client("emil") as client:
        assert "more than allowed" not in client.get("/banks").text
        with_thresholds(place, tmp_path / "low", ok=low, ng=low)
        promote(site.settings, site.engine, STATION, tmp_path / "low", by="emil")
        assert "more than allowed" in Page(client.get("/banks").text).text
        said(site, stamped_part(1), "false_alarm")
        candidate = rebuild(site.settings, site.engine, STATION, by="emil")
        assert "more than allowed" in Page(client.get(f"/banks/candidates/{candidate.id}").text).text


def test_a_stamp_beside_a_defect_does_not_keep_stamps_out(site: ReviewSite) -> None:
    """A guard frame may show what the false alarms show: it is refused nothing, as its defect is still seen."""
    picture = cv2.imdecode(np.frombuffer(stamped_part(50), np.uint8), cv2.IMREAD_COLOR)
    cv2.line(picture, (30, 62), (66, 66), (10, 10, 10), 4)
    said(site, bytes(cv2.imencode(".png", picture)[1]), "defect")
    for seed in range(12):
        said(site, stamped_part(seed), "false_alarm")
    candidate = rebuild(site.settings, site.engine, STATION, by="emil")
    assert candidate.document["refused"] == []
    assert candidate.document["shadow"]["missed"] == []


def test_the_next_begins_as_soon_as_the_last_has_told_its_end(
    site: ReviewSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process is there a moment longer, and has the lock."""
    said(site, stamped_part(1), "false_alarm")
    last = rebuild(site.settings, site.engine, STATION, by="emil")
    found = looks_at_locks(monkeypatch)
    with ThreadPoolExecutor(1) as pool:
        with alone_at_station(site.settings, STATION):
            beginning = pool.submit(start, site.settings, site.engine, STATION, by="emil")
            wait_until(lambda: any(found), "the next has seen it")
        assert beginning.result(DEADLINE_S) == last.id + 1
    wait_until(lambda: not is_running(site.settings, STATION), "it is done", deadline_s=3 * DEADLINE_S)


def test_without_anything_new_there_is_no_candidate(site: ReviewSite) -> None:
    said(site, drawn_part(100, scratched=True), "defect")
    with pytest.raises(SamplesError, match="expected at least one that is new"):
        rebuild(site.settings, site.engine, STATION, by="emil")
    assert Candidates(site.engine).of(STATION)[0].document["fault"]
    assert not is_running(site.settings, STATION)


def test_a_whole_data_set_is_not_taken_for_good_samples(site: ReviewSite, tmp_path: Path) -> None:
    for folder, scratched in (("train/good", False), ("test/good", False), ("test/scratch", True)):
        (tmp_path / folder).mkdir(parents=True)
        for seed in range(3):
            (tmp_path / folder / f"{seed}.png").write_bytes(drawn_part(700 + seed, scratched=scratched))
    with pytest.raises(SamplesError, match="is a whole data set, expected the folder of its good samples; did you"):
        rebuild(site.settings, site.engine, STATION, by="emil", good=tmp_path)


def test_a_folder_of_good_samples_without_any_is_told(site: ReviewSite, tmp_path: Path) -> None:
    said(site, stamped_part(0), "false_alarm")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SamplesError, match="empty: no picture there; expected"):
        rebuild(site.settings, site.engine, STATION, by="emil", good=tmp_path / "empty")


def test_a_picture_that_is_gone_is_told(site: ReviewSite) -> None:
    for seed in range(6):
        said(site, stamped_part(seed), "false_alarm")
    gone = site.add(drawn_part(60, scratched=True))
    site.reviews.dispose(gone, to="defect", reviewer="olga", version=0)
    assert site.archive.remove(_sha(site, gone), "png") > 0
    candidate = rebuild(site.settings, site.engine, STATION, by="emil")
    assert candidate.document["shadow"]["lost"] == 1


def _sha(site: ReviewSite, frame: int) -> str:
    with site.engine.connect() as connection:
        return str(connection.exec_driver_sql(f"SELECT sha256 FROM frames WHERE id = {frame}").scalar_one())


def test_one_rebuild_of_a_station_at_a_time(site: ReviewSite, monkeypatch: pytest.MonkeyPatch) -> None:
    said(site, stamped_part(1), "false_alarm")
    work: Callable[..., None] = rebuilding._work

    def seen(*arguments: Any) -> None:
        assert is_running(site.settings, STATION)
        with pytest.raises(SamplesError, match="a candidate is being made already"):
            rebuild(site.settings, site.engine, STATION, by="emil")
        work(*arguments)

    monkeypatch.setattr(rebuilding, "_work", seen)
    rebuild(site.settings, site.engine, STATION, by="emil")
    assert len(Candidates(site.engine).of(STATION)) == 1


def test_the_command_line(site: ReviewSite, tmp_path: Path) -> None:
    said(site, drawn_part(100, scratched=True), "defect")
    for seed in range(8):
        said(site, stamped_part(seed), "false_alarm")
    config = tmp_path / "inspector.yaml"
    built = inspector("rebuild", "-c", config, "--station", STATION, "--by", "emil")
    assert (built["state"], len(built["fed"]), built["shadow"]["missed"]) == ("shadowed", 8, [])
    for source in (config, site.settings.data_dir):
        replayed = inspector("replay", built["path"], "--from", source, "--station", STATION)
        assert (replayed["frames"], replayed["cleared"], replayed["guard"]) == (9, 8, 1)
    refused = subprocess.run(
        [sys.executable, "-m", "inspector", "replay", built["path"], "--from", str(config)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "--station: got nothing, expected one of" in refused.stderr


def test_a_frame_that_changes_is_told_by_its_part_with_its_time_and_why_it_is_uncertain(
    site: ReviewSite, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place, strict = site.settings.stations[0].bank, tmp_path / "strict"
    ok = Bank.load(place).thresholds.ok
    with_thresholds(place, strict, ok=ok, ng=ok)
    part, nameless = site.add(dim_part(5000)), site.add(dim_part(5000), part_id=None, frame_id="f-nameless")
    rows = Cases(site.engine).recent(STATION, limit=9)
    assert {row.word for row in rows} == {"uncertain"}
    shadow = replay(rows, site.archive, Pipeline.open(place), in_use=Pipeline.open(strict))
    store = Candidates(site.engine)
    number = store.begin(STATION, by="emil", base=Bank.load(strict).ref).id
    store.tell(number, state="shadowed", shadow=shadow.to_json() | {"defects_without_picture": 0})
    with site.client("emil") as client:
        page = Page(client.get(f"/banks/candidates/{number}").text).text
    score = f"{rows[0].score:.4g}"
    why = "drift: brightness -15 %, contrast -14 %, embedding +177 %; the whole picture differs from the normals, "
    for name, minute in (("part-1", 1), ("f-nameless", 2)):
        where = f"{name} {short_station(STATION)} 2026-03-02 12:0{minute}:00"
        assert f"ng → uncertain {score} → {score} {where} uncertain: {why}" in page
    out = Cli(capsys)("replay", strict, "--from", tmp_path / "inspector.yaml", "--station", STATION).out
    for frame, name, minute in ((part, "part-1", 1), (nameless, "f-nameless", 2)):
        told = f"frame {frame} {name} 2026-03-02 12:0{minute} UTC; uncertain: {why}"
        assert f"changed    uncertain -> ng  {score} -> {score}  {told}" in out


def test_what_stations_with_the_same_bank_found_guards_it_too(site: ReviewSite) -> None:
    fed = [said(site, stamped_part(seed), "false_alarm") for seed in range(12)]
    wrong = said(site, drawn_part(110, scratched=True), "false_alarm")
    defects = [said(site, drawn_part(seed, scratched=True), "defect", CAM2) for seed in range(100, 106)]
    site.reviews.dispose(site.add(kept=False, station=CAM2), to="defect", reviewer="olga", version=0)
    there = said(site, stamped_part(900), "false_alarm", CAM2)
    candidate = rebuild(site.settings, site.engine, STATION, by="emil")
    assert candidate.document["fed"] == fed, "its own false alarms alone"
    assert [one["frame"] for one in candidate.document["refused"]] == [wrong]
    assert set(candidate.document["refused"][0]["hides"]) <= set(defects)
    shadow = candidate.document["shadow"]
    assert (shadow["guard"], shadow["defects_without_picture"], shadow["false_alarms"]) == (len(defects), 1, 14)
    assert {one["frame"] for one in shadow["changed"] if one["station"] == str(CAM2)} >= {there}
    with site.client("emil") as client:
        page = Page(client.get(f"/banks/candidates/{candidate.id}").text)
    row = Cases(site.engine).false_alarms(str(CAM2))[0]
    assert f"{row.part_id} {short_station(str(CAM2))} {row.received_at:%Y-%m-%d %H:%M:%S}" in page.text


def test_a_shadow_run_fits_a_narrow_screen(site: ReviewSite, visit: Callable[..., BrowserPage]) -> None:
    site.add(dim_part(5000), part_id="SN-2026-03-02-0000000000000000000000417")
    rows = Cases(site.engine).recent(STATION, limit=9)
    shadow = replay(rows, site.archive, Pipeline.open(site.settings.stations[0].bank))
    store = Candidates(site.engine)
    number = store.begin(STATION, by="emil", base=Bank.load(site.settings.stations[0].bank).ref).id
    store.tell(number, state="shadowed", shadow=shadow.to_json() | {"defects_without_picture": 0})
    page = visit("emil", f"/banks/candidates/{number}")
    expect(page.locator("table.moves")).to_contain_text("uncertain")
    page.set_viewport_size({"width": 320, "height": 800})
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 320


def dim_part(seed: int) -> bytes:
    """A drawn part in weaker light."""
    picture = cv2.imdecode(np.frombuffer(drawn_part(seed), np.uint8), cv2.IMREAD_COLOR)
    return bytes(cv2.imencode(".png", cv2.convertScaleAbs(picture, alpha=0.85))[1])


def test_a_bank_that_does_not_fit_the_pictures_says_why_nothing_could_be_tried(
    site: ReviewSite, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    defect = said(site, drawn_part(100, scratched=True), "defect")
    site.reviews.dispose(site.add(kept=False), to="defect", reviewer="olga", version=0)
    said(site, stamped_part(1), "false_alarm")
    newest = site.add()
    config, cli = tmp_path / "inspector.yaml", Cli(capsys)
    other = copy_of(site.settings.stations[0].bank, tmp_path)
    crop = {"x": 0, "y": 0, "width": 200, "height": 200}
    change_manifest(other, lambda manifest: manifest["recipe"].update(crop=crop))
    done = cli("replay", other, "--from", config, "--station", STATION)
    assert done.code == 1
    assert done.out.splitlines() == [
        "frames     0 inspected, 3 could not be tried",
        f"not tried  3 wrong_size: frame {defect}: {WRONG_SIZE}",
        "guard      none of 2 confirmed defects could be tried",
        "cleared    none of 1 false alarms could be tried",
    ]
    assert done.err.splitlines()[-1] == f"error: bank {other}: none of 3 recorded frames could be tried: {WRONG_SIZE}"
    done = cli("replay", other, "--from", config, "--station", STATION, "--json")
    told = json.loads(done.out)
    assert (done.code, told["frames"], told["lost"], told["lost_defects"], told["lost_false_alarms"]) == (1, 0, 3, 1, 1)
    assert told["lost_kinds"] == [
        {"kind": "wrong_size", "frames": 3, "frame": defect, "frame_id": "f-1", "why": WRONG_SIZE}
    ]
    assert told["defects_without_picture"] == 1

    site.archive.remove(_sha(site, newest), "png")
    done = cli("replay", site.settings.stations[0].bank, "--from", config, "--station", STATION)
    assert done.code == 0
    assert "frames     2 inspected, 1 could not be tried\nnot tried  1 no_picture: frame 4: " in done.out
    assert "guard      0 of 1 confirmed defects would pass (0 pass now); 1 more could not be tried\n" in done.out


def test_a_data_dir_knows_its_own_stations(site: ReviewSite, capsys: pytest.CaptureFixture[str]) -> None:
    site.add(drawn_part(100))
    source = ("replay", site.settings.stations[0].bank, "--from", site.settings.data_dir)
    told = json.loads(Cli(capsys)(*source, "--json").out)
    assert (told["station"], told["frames"]) == (STATION, 1)
    refused = Cli(capsys).fails(*source, "--station", "a/b/c/d", code=2)
    assert refused == f"error: --station: got a/b/c/d, expected one of {STATION}\n"


def test_where_nothing_is_recorded_nothing_was_tried(
    site: ReviewSite, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bank, config = site.settings.stations[0].bank, tmp_path / "inspector.yaml"
    refused = Cli(capsys).fails("replay", bank, "--from", config, "--station", STATION)
    assert refused == f"error: station {STATION}: no frame with a picture is recorded, so nothing could be tried\n"


def test_a_candidate_that_the_command_line_takes_into_use_is_promoted_on_the_page(
    site: ReviewSite, tmp_path: Path
) -> None:
    for seed in range(8):
        said(site, stamped_part(seed), "false_alarm")
    candidate = rebuild(site.settings, site.engine, STATION, by="emil")
    place = site.settings.stations[0].bank
    inspector("bank", "promote", candidate.path, place, "-c", tmp_path / "inspector.yaml")
    with site.client("emil") as client:
        assert "promoted" in client.get("/banks", params={"station": STATION}).text
        assert "Promote" not in client.get(f"/banks/candidates/{candidate.id}").text
    assert Candidates(site.engine).get(candidate.id).state == "promoted"


def test_a_candidate_that_was_rolled_back_is_told_as_that_and_can_be_promoted_again(
    site: ReviewSite, tmp_path: Path
) -> None:
    for seed in range(8):
        said(site, stamped_part(seed), "false_alarm")
    number = rebuild(site.settings, site.engine, STATION, by="emil").id
    place, path = site.settings.stations[0].bank, f"/banks/candidates/{number}"
    before = Bank.load(place).ref.digest
    with site.client("emil") as client:

        def state() -> str:
            return Candidates(site.engine).get(number).state

        def promoted() -> int:
            in_use = Bank.load(place).ref.digest
            return client.post(f"{path}/promote", data={"reason": "stamps", "seen": in_use}).status_code

        assert promoted() == 303
        assert (state(), 'id="promote"' in client.get(path).text) == ("promoted", False)
        assert promoted() == 303, "the same form again"
        assert [move.action for move in Shelf(place).moves()] == ["promote"]
        done = client.post("/banks/rollback", data={"station": STATION, "reason": "worse on <i>dents</i>"})
        assert "Rolled back. The daemon takes the bank over" in client.get(done.headers["location"]).text
        assert Bank.load(place).ref.digest == before
        assert state() == "rolled_back"
        assert '<span class="badge state rolled_back">rolled back</span>' in client.get("/banks").text
        page = client.get(path).text
        assert "by emil: worse on &lt;i&gt;dents&lt;/i&gt;" in page
        assert 'id="promote"' in page
        assert "Another bank has been taken into use since" not in page

        assert promoted() == 303
        assert Bank.load(place).ref.digest != before
        page = client.get(path).text
        assert (state(), 'id="promote"' in page, 'id="rolled-back"' in page) == ("promoted", False, False)

        inspector("bank", "rollback", place)  # of which no ledger hears
        assert 'id="promote"' in client.get(path).text
        assert state() == "rolled_back"
        assert client.post(f"{path}/reject").status_code == 303
        client.get("/banks")
        assert state() == "rejected"
