"""The page Banks, with the real daemon: rebuild, shadow run, promote, roll back, and what is refused."""

import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlencode

import pytest
from banks import stamped_part
from line import CAM1, Camera, Daemon, Plc, drawn_part, frame
from pages import Page as Parsed
from playwright.sync_api import Page, expect
from review_site import ReviewSite
from services import Mosquitto, wait_until
from sqlalchemy import event

from calibration.growth.derive import with_thresholds
from inspector.bank import Bank, file_sha256
from inspector.banks.promotion import promote
from inspector.banks.rebuilding import alone_at_station
from inspector.banks.replay import Judged, Shadow
from inspector.banks.shelf import KEEP, Shelf
from inspector.manifest import read_manifest
from inspector.store import Candidates
from inspector.store.candidates import CandidateState
from inspector.types import BankRef

Visit = Callable[..., Page]
STATION = str(CAM1)


@pytest.fixture
def site(roomy_site: ReviewSite) -> ReviewSite:
    return roomy_site


@pytest.fixture
def line(site: ReviewSite, mosquitto: Mosquitto) -> Iterator[Daemon]:
    """A daemon on the same ledger, archive and bank."""
    with Daemon(site.folder, port=mosquitto.port, bank=site.settings.stations[0].bank) as daemon:
        yield daemon.start()


def in_use(site: ReviewSite) -> str:
    return file_sha256(site.settings.stations[0].bank / "manifest.json")


def named(bank: Path) -> str:
    return read_manifest(bank).id


def button(text: str, name: str) -> dict[str, str | None]:
    [found] = [said for said in Parsed(text).all("button") if said.get("id") == name]
    return found


def runs(daemon: Daemon, digest: str) -> bool:
    return f'digest="{digest}",station="{STATION}"' in daemon.get("/metrics")[1]


def test_rebuild_shadow_promote_and_roll_back(
    site: ReviewSite, line: Daemon, plc: Plc, camera: Camera, visit: Visit
) -> None:
    place, before = site.settings.stations[0].bank, in_use(site)
    before_id = named(place)
    camera.send(*(frame(seed, payload=stamped_part(seed)) for seed in range(20)))
    camera.send(*(frame(seed, payload=drawn_part(seed, scratched=True)) for seed in range(100, 104)))
    wait_until(
        lambda: line.rows("SELECT count(*) FROM frames WHERE word = 'ng' AND image IS NOT NULL") == [(24,)], "24"
    )
    for number, name in line.rows("SELECT id, frame_id FROM frames"):
        said = "defect" if int(name.split("-")[1]) >= 100 else "false_alarm"
        site.reviews.dispose(number, to=said, reviewer="olga", version=0)  # type: ignore[arg-type]

    page = visit("emil", "/banks")
    expect(page.locator("#feedback + dl")).to_contain_text("20, 20 of them new to this bank")
    page.click("#rebuild")
    expect(page.get_by_role("heading", name="Candidate 1")).to_be_visible()
    # It gives way to all else: on a busy machine it takes its time.
    expect(page.locator(".badge.shadowed")).to_have_text("tried", timeout=200_000)
    expect(page.locator("#cleared")).to_have_text("20 of 20")
    expect(page.locator("#guard-missed")).to_have_text("0 of 4")
    expect(page.locator("#changed .frame-card")).to_have_count(20)
    built = Path(Candidates(site.engine).get(1).path)
    expect(page.locator("#from")).to_have_text(f"{named(place)} → {named(built)}")
    page.wait_for_function("() => [...document.images].every(one => one.loading === 'lazy' || one.naturalWidth > 0)")
    assert in_use(site) == before
    page.fill("input[name=reason]", "the new <b>stamp</b>")
    page.click("#promote")
    expect(page.locator("#moves")).to_contain_text("the new <b>stamp</b>")
    after = in_use(site)
    assert after != before
    expect(page.locator("#moves")).to_contain_text(f"{before_id} → {named(place)}")
    expect(page.locator("#bank-digest")).to_have_attribute("title", after)
    expect(page.locator("#lineage li")).to_have_count(2)
    wait_until(lambda: runs(line, after), "the daemon has taken it over")
    camera.send(frame(900, payload=stamped_part(900)))
    wait_until(lambda: len(plc.documents("verdict")) == 25, "the verdict")
    assert (plc.documents("verdict")[-1]["decision"], plc.documents("verdict")[-1]["bank"]["digest"]) == ("ok", after)
    page.reload()
    expect(page.locator("dl.facts").first).to_contain_text("its last frame was decided by this bank")

    page.locator(".act summary").click()
    page.locator(".act input[name=reason]").fill("a drill")
    page.click("#rollback")
    expect(page.locator("#bank-digest")).to_have_attribute("title", before)
    expect(page.locator("#moves tbody tr")).to_have_count(2)
    wait_until(lambda: runs(line, before), "the daemon is back")
    camera.send(frame(901, payload=stamped_part(901)))
    wait_until(lambda: len(plc.documents("verdict")) == 26, "the verdict")
    assert plc.documents("verdict")[-1]["decision"] == "ng"
    assert set(plc.answered().values()) == {1}
    page.goto(f"/audit?log=banks&station={STATION}")
    expect(page.locator("table.audit tbody tr")).to_have_count(2)


def test_how_far_a_candidate_is_is_told_alike_among_the_others_and_on_its_page(site: ReviewSite) -> None:
    store = Candidates(site.engine)
    with alone_at_station(site.settings, STATION), site.client("emil") as client:
        number = store.begin(STATION, by="emil", base=BankRef("bank1", in_use(site))).id
        bar = f'<progress aria-label="Candidate {number}" max="%s" value="%s"></progress> <span class="step">%s</span>'
        for progress, told in (
            (None, bar % (1, 0, "beginning")),
            ({"step": "reading samples", "done": 3, "of": 20}, bar % (20, 3, "reading samples, 3 of 20")),
        ):
            store.tell(number, progress=progress)
            for path in ("/banks", f"/banks/candidates/{number}"):
                assert told in client.get(path).text, path


def test_a_server_that_is_away_while_a_candidate_is_made_is_told(site: ReviewSite, visit: Visit) -> None:
    store = Candidates(site.engine)
    with alone_at_station(site.settings, STATION):
        number = store.begin(STATION, by="emil", base=BankRef("bank1", in_use(site))).id
        page = visit("emil", f"/banks/candidates/{number}")
        page.context.set_offline(True)
        expect(page.locator("#notice")).to_have_text("The server cannot be reached. What is shown may be old.")
        page.context.set_offline(False)
        expect(page.locator("#notice")).to_be_hidden()
        store.tell(number, progress={"step": "reading samples", "done": 3, "of": 20})
        expect(page.locator(".step")).to_have_text("reading samples, 3 of 20")
        page.context.clear_cookies()
        expect(page.get_by_label("Password")).to_be_visible()


def test_a_reason_that_is_being_written_stays_when_a_candidate_is_done(
    site: ReviewSite, visit: Visit, tmp_path: Path
) -> None:
    place = site.settings.stations[0].bank
    before = in_use(site)
    with_thresholds(place, tmp_path / "other", ok=2.5, ng=2.75)
    promote(site.settings, site.engine, STATION, tmp_path / "other", by="emil")
    store = Candidates(site.engine)
    with alone_at_station(site.settings, STATION):
        number = store.begin(STATION, by="ada", base=BankRef("bank1", in_use(site))).id
        page = visit("emil", "/banks")
        page.get_by_text("Roll back to").first.click()
        page.get_by_label("Reason").press_sequentially("it rejects")
        expect(page.locator(".working")).to_have_count(1)
        store.tell(number, state="failed", fault="too few samples")
    expect(page.get_by_role("row", name=f"Candidate {number}")).to_contain_text("too few samples")
    expect(page.get_by_label("Reason")).to_be_focused()
    page.keyboard.type(" good parts")
    expect(page.get_by_label("Reason")).to_have_value("it rejects good parts")
    page.get_by_label("Reason").press("Enter")
    expect(page.get_by_role("status").get_by_text("Rolled back.")).to_be_visible()
    assert in_use(site) == before


def test_a_candidate_that_misses_a_guard_defect_asks_for_a_reason(site: ReviewSite, tmp_path: Path) -> None:
    site.reviews.dispose(site.add(), to="defect", reviewer="olga", version=0)
    before = in_use(site)
    with_thresholds(site.settings.stations[0].bank, tmp_path / "blind", ok=1e6, ng=1e6)
    store = Candidates(site.engine)
    number = store.begin(STATION, by="emil", base=BankRef("bank1", before)).id
    with site.client("emil") as client:
        path = f"/banks/candidates/{number}"
        assert (
            "cannot be" in client.post(f"{path}/promote").text
            or "expected one that was tried" in client.post(f"{path}/promote").text
        )
        store.tell(number, state="shadowed", path=str(tmp_path / "blind"), digest="0" * 64)
        refused = client.post(f"{path}/promote", data={"reason": " "})
        assert refused.status_code == 400
        assert "passes 1 of 1 confirmed defects" in refused.text
        assert in_use(site) == before
        other = client.post(f"{path}/promote", data={"reason": "lot 7", "seen": before, "passing": "0"})
        assert other.status_code == 400, "a reason that was given before anybody knew of a defect is none for it"
        assert "passes 1 of 1 confirmed defects" in other.text
        assert "needed: 1 confirmed defect would pass" in other.text
        assert '<input type="hidden" name="passing" value="1">' in other.text
        assert in_use(site) == before
        late = client.post(f"{path}/promote", data={"reason": "trial", "seen": "0" * 64})
        assert late.status_code == 409
        assert "look at it again, then decide" in late.text
        assert 'value="trial"' in late.text
        assert client.post("/banks/rollback", data={"station": STATION, "seen": "0" * 64}).status_code == 409
        assert in_use(site) == before
        assert (
            client.post(f"{path}/promote", data={"reason": "trial", "seen": before, "passing": "1"}).status_code == 303
        )
    assert in_use(site) != before
    assert store.get(number).state == "promoted"


def test_that_confirmed_defects_would_pass_is_told_first_and_where_it_cannot_be_overlooked(site: ReviewSite) -> None:
    missed = Judged(site.add(part_id="P-1"), STATION, "f-1", "defect", "dent", "ng", "ok", 3.0, 1.0)
    caught = Judged(site.add(), STATION, "f-2", "defect", "dent", "ng", "ng", 3.0, 3.0)
    store = Candidates(site.engine)
    with site.client("emil") as client:
        for judged, told in (((missed, caught), 1), ((caught,), 0)):
            number = store.begin(STATION, by="emil", base=BankRef("bank1", in_use(site))).id
            shadow = Shadow(judged).to_json() | {"defects_without_picture": 0}
            store.tell(number, state="shadowed", shadow=shadow)
            page = client.get(f"/banks/candidates/{number}").text
            first = page[page.index("State</dt>") : page.index("Begun</dt>")]
            assert first.count('<span class="badge ng">1 confirmed defect would pass</span>') == told
        row = client.get("/banks").text
    assert row.count('<span class="badge ng">1 of 2</span>') == 1
    assert "0 of 1" in Parsed(row).text


def test_a_promotion_that_is_sent_twice_is_one_and_both_answers_say_so(site: ReviewSite, tmp_path: Path) -> None:
    site.decide_all()
    before = in_use(site)
    with_thresholds(site.settings.stations[0].bank, tmp_path / "twice", ok=2.5, ng=2.75)
    store, digest = Candidates(site.engine), file_sha256(tmp_path / "twice" / "manifest.json")
    number = store.begin(STATION, by="emil", base=BankRef("bank1", before)).id
    store.tell(number, state="shadowed", path=str(tmp_path / "twice"), digest=digest)
    form = {"reason": "trial", "seen": before, "passing": "99"}
    with site.client("emil") as client, ThreadPoolExecutor() as threads:
        clicks = [threads.submit(client.post, f"/banks/candidates/{number}/promote", data=form) for _ in range(3)]
        answers = [one.result() for one in clicks]
        answers.append(client.post(f"/banks/candidates/{number}/promote", data=form))
    assert [(one.status_code, one.headers.get("location")) for one in answers] == [
        (303, f"/banks?station={STATION}&did=promoted")
    ] * 4
    assert in_use(site) == digest
    moves = Shelf(site.settings.stations[0].bank).moves()
    assert sum(move.done and move.after.digest == digest for move in moves) == 1


def test_a_candidate_whose_shadow_run_died_is_not_promoted(site: ReviewSite, tmp_path: Path) -> None:
    before = in_use(site)
    with_thresholds(site.settings.stations[0].bank, tmp_path / "other", ok=1.0, ng=2.0)
    store = Candidates(site.engine)
    number = store.begin(STATION, by="emil", base=BankRef("bank1", before)).id
    store.tell(number, state="built", path=str(tmp_path / "other"), digest="0" * 64)
    with site.client("emil") as client:
        refused = client.post(f"/banks/candidates/{number}/promote", data={"seen": before})
    assert refused.status_code == 400
    assert "This candidate is failed; it cannot be promoted." in refused.text
    assert in_use(site) == before
    assert store.get(number).state == "failed"


def test_a_rebuild_that_died_has_failed(site: ReviewSite) -> None:
    store = Candidates(site.engine)
    number = store.begin(STATION, by="emil", base=BankRef("bank1", in_use(site))).id
    with site.client("emil") as client:
        answer = client.get(f"/banks/candidates/{number}/progress")
        assert answer.json() == {"state": "failed", "progress": None}
        assert "its process ended before it was done" in client.get(f"/banks/candidates/{number}").text
        assert client.post(f"/banks/candidates/{number}/reject").status_code == 303
    assert store.get(number).state == "rejected"


def test_what_is_refused(site: ReviewSite) -> None:
    with site.client("olga") as client:
        assert client.get("/banks").status_code == 403
        assert client.post("/banks/rollback", data={"station": STATION}).status_code == 403
    with site.client("emil") as client:
        assert "The same bank inspects plant/hall1/line1/cam2" in client.get(f"/banks?station={STATION}").text
        assert "nothing to roll back to" in client.post("/banks/rollback", data={"station": STATION}).text
        assert client.post("/banks/rebuild", data={"station": "a/b/c/<script>"}).status_code == 400
        assert "<script>" not in client.get("/banks?station=<script>alert(1)</script>").text.replace(
            '<script type="module"', ""
        )
        for number in (0, 7, 2**70):
            assert client.get(f"/banks/candidates/{number}").status_code == 404
        del client.headers["x-csrf-token"]
        assert client.post("/banks/rollback", data={"station": STATION}).status_code == 403
    with site.client(None) as client:
        assert client.get("/banks").status_code == 303


def test_banks_have_the_same_names_on_every_page(site: ReviewSite, tmp_path: Path) -> None:
    place = site.settings.stations[0].bank
    first, refs = site.add(), [Bank.load(place).ref]
    number = Candidates(site.engine).begin(STATION, by="emil", base=refs[0]).id
    for ng in range(KEEP + 1):  # one more than the shelf keeps
        with_thresholds(place, tmp_path / str(ng), ok=1.0, ng=2.0 + ng)
        promote(site.settings, site.engine, STATION, tmp_path / str(ng), by="emil")
        refs.append(Bank.load(place).ref)
    Candidates(site.engine).tell(number, state="shadowed", digest=refs[1].digest, id=refs[1].id)
    pages = {
        "/banks": refs,
        f"/banks/candidates/{number}": refs[:2],
        "/audit?log=banks": refs,
        f"/frame/{first}": refs[:1],
    }
    with site.client("emil") as client:
        for path, expected in pages.items():
            text = client.get(path).text
            names = dict(re.findall(r'<span class="mono" title="manifest ([0-9a-f]{64})">([^<]*)</span>', text))
            assert {ref.digest: ref.id for ref in expected} == names, path
        assert f'{refs[0].id}</span> <span class="soft">no longer on the shelf' in client.get("/banks").text


@pytest.mark.parametrize(("state", "told"), [("shadowed", True), ("promoted", False), ("rejected", False)])
def test_only_a_candidate_that_may_be_promoted_is_called_out_of_date(
    site: ReviewSite, state: CandidateState, told: bool
) -> None:
    store = Candidates(site.engine)
    number = store.begin(STATION, by="emil", base=BankRef("bank1", "0" * 64)).id
    store.tell(number, state=state, digest="1" * 64, id="bank2")
    with site.client("emil") as client:
        page = client.get(f"/banks/candidates/{number}").text
    assert ("Another bank has been taken into use since" in page) == told


def test_defects_and_false_alarms_are_counted_without_reading_what_was_published_of_them(site: ReviewSite) -> None:
    for to in ("defect", "false_alarm", "false_alarm"):
        site.reviews.dispose(site.add(), to=to, reviewer="ida", version=0)  # type: ignore[arg-type]
    asked: list[str] = []
    event.listen(site.engine, "before_cursor_execute", lambda *said: asked.append(said[2]))
    with site.client("emil") as engineer:
        text = " ".join(Parsed(engineer.get(f"/banks?station={STATION}").text).text.split())
    assert "2 false alarms" in text
    assert sum("frames.document" in query for query in asked) == 1, "of the last frame alone"


def test_the_shelf_is_looked_through_once_for_the_page(
    site: ReviewSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, before = site.settings.stations[0].bank, named(site.settings.stations[0].bank)
    with_thresholds(place, tmp_path / "next", ok=1.0, ng=2.0)
    Shelf(place).promote(tmp_path / "next", by="emil")
    looked, kept = [], Shelf.kept
    monkeypatch.setattr(Shelf, "kept", lambda shelf: looked.append(shelf) or kept(shelf))
    with site.client("emil") as client:
        text = Parsed(client.get("/banks").text).text
    assert f"Roll back to {before}" in text
    assert "no longer on the shelf" not in text
    assert len(looked) == 1


def test_a_damaged_bank_in_use_is_told(site: ReviewSite) -> None:
    (site.settings.stations[0].bank / "manifest.json").write_text("{")
    with site.client("emil") as client:
        answer = client.get("/banks")
    assert answer.status_code == 200
    assert "manifest.json cannot be read" in answer.text


def test_a_bank_with_a_damaged_file_is_told_until_it_is_sound_again(site: ReviewSite, tmp_path: Path) -> None:
    """Its manifest alone looks sound."""
    place = site.settings.stations[0].bank
    memory = place / "memory.safetensors"
    with_thresholds(place, tmp_path / "next", ok=1.0, ng=2.0)
    promote(site.settings, site.engine, STATION, tmp_path / "next", by="emil")
    whole = memory.read_bytes()
    refused = re.compile(r'<p class="fault" id="refused">[^<]*memory.safetensors has sha256 \w{16}…, the')
    site.reviews.dispose(site.add(stamped_part(1)), to="false_alarm", reviewer="olga", version=0)
    with site.client("emil") as client:
        sound = client.get("/banks").text
        assert ('id="refused"' in sound, "disabled" in button(sound, "rebuild")) == (False, False)
        memory.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        for _ in range(2):
            damaged = client.get("/banks").text
            assert refused.search(damaged)
            assert "disabled" in button(damaged, "rebuild"), "it would be grown from what is damaged"
        memory.write_bytes(whole)
        assert 'id="refused"' not in client.get("/banks").text
        memory.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        late = client.post("/banks/rollback", data={"station": STATION, "reason": "damaged", "seen": "0" * 64})
        assert late.status_code == 409
        assert 'value="damaged"' in late.text
        assert client.post("/banks/rollback", data={"station": STATION, "reason": "damaged"}).status_code == 303
        assert 'id="refused"' not in client.get("/banks").text
    Bank.load(place)


def test_thresholds_that_all_but_agree_are_told_apart_and_the_promise_is_that_of_every_page(
    site: ReviewSite, tmp_path: Path
) -> None:
    place = site.settings.stations[0].bank
    with_thresholds(place, tmp_path / "close", ok=10.4251, ng=10.4275)
    promote(site.settings, site.engine, STATION, tmp_path / "close", by="emil")
    promise = read_manifest(place).calibration.promise
    frame = site.add()
    with sqlite3.connect(site.settings.data_dir / "ledger.sqlite3") as ledger:
        ledger.execute(
            "UPDATE frames SET score = 10.4259, document = json_set(document, '$.thresholds.ok', 10.4251,"
            " '$.thresholds.ng', 10.4275, '$.score', 10.4259) WHERE id = ?",
            (frame,),
        )
    with site.client("emil") as client:
        banks = Parsed(client.get("/banks").text).text
        shown = Parsed(client.get(f"/frame/{frame}").text).text
    assert promise.estimated
    assert f"Promise {promise.in_words()} Thresholds ok 10.425, ng 10.428; ng is estimated, frames between" in banks
    assert "score 10.426 ok to 10.425 · ng above 10.428" in shown


def test_where_there_is_no_bank_yet_the_page_says_so_calmly_and_how_one_is_made(site: ReviewSite) -> None:
    bank = site.settings.stations[0].bank
    shutil.rmtree(bank)
    with site.client("emil") as client:
        text = client.get("/banks").text
        bank.mkdir()
        assert client.get("/banks").text == text, "an empty folder is no bank either"
    assert "No bank yet" in text
    assert "manifest.json" not in text
    assert 'class="fault"' not in text
    [samples] = [said for said in Parsed(text).all("a") if said.get("id") == "first"]
    assert samples["href"] == f"/samples?{urlencode({'station': STATION})}"
    assert f"inspector collect good_samples/ --station {STATION}" in text
    assert f"inspector calibrate good_samples/ -o {bank}" in text
    assert "still runs" not in text


def test_what_lies_at_the_place_of_a_bank_and_is_none_stays_a_fault(site: ReviewSite) -> None:
    bank = site.settings.stations[0].bank
    (bank / "manifest.json").unlink()
    with site.client("emil") as client:
        text = client.get("/banks").text
    assert re.search(r'<p class="fault">bank [^<]*: no manifest.json there', text)
    assert "No bank yet" not in text
