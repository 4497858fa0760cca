"""From samples to a bank on the page: calibrate, look at what the samples say, leave out, again, promote."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from banks import change_manifest, write_good
from line import CAM1, drawn_part
from pages import Page as Parsed
from playwright.sync_api import Page, expect
from review_site import NOON, ReviewSite
from services import DEADLINE_S, wait_until

from inspector.bank import Bank
from inspector.banks.rebuilding import alone_at_station, is_running
from inspector.samples.folder import SampleFolder
from inspector.store import Candidates

Visit = Callable[..., Page]
STATION = str(CAM1)
LONG_MS = 3 * DEADLINE_S * 1000

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(autouse=True)
def patience() -> None:
    """More of it: calibrations give way to all else."""
    expect.set_options(timeout=LONG_MS)


@pytest.fixture
def site(roomy_site: ReviewSite) -> ReviewSite:
    folder = SampleFolder(roomy_site.settings.data_dir, STATION)
    write_good(folder.good, 20, first_seed=1000)
    (folder.good / "bad.png").write_bytes(drawn_part(77, scratched=True))
    folder.recipe_file.write_text("size_wh: [64, 64]\nvectors: 500\nwhitening: 0\n")
    return roomy_site


def fits(page: Page, width: int) -> bool:
    page.set_viewport_size({"width": width, "height": 800})
    return int(page.evaluate("() => document.documentElement.scrollWidth")) <= width


def test_from_samples_to_the_first_bank(site: ReviewSite, visit: Visit) -> None:
    place = site.settings.stations[0].bank
    shutil.rmtree(place)
    page = visit("emil", "/line")
    page.set_default_timeout(LONG_MS)
    page.get_by_role("link", name="Make the first one").first.click()
    expect(page.get_by_role("navigation", name="Pages").locator("[aria-current=page]")).to_have_text("Samples")
    page.goto("/banks")
    assert all(fits(page, width) for width in (320, 390, 1280))
    page.locator("#in-use ~ p").get_by_role("link", name="Samples").click()
    page.get_by_role("navigation", name="Steps to a bank").get_by_role("link", name="Calibrate").click()
    expect(page.get_by_role("button", name="Calibrate")).to_be_in_viewport()
    page.get_by_label("Good parts that may be rejected, percent").fill("10")
    page.get_by_role("button", name="Calibrate").click()
    expect(page.get_by_role("heading", name="Candidate 1")).to_be_visible()
    expect(page.locator("#promise")).to_contain_text("10")
    first = page.locator("#judged .frame-card").first
    expect(first).to_contain_text("bad.png")
    expect(first).to_contain_text("scores")
    page.wait_for_function(
        "() => [...document.querySelectorAll('#judged img')].slice(0, 4).every(one => one.naturalWidth)"
    )
    ring = first.locator("circle").first.bounding_box()
    shown = first.locator(".picture").bounding_box()
    assert ring is not None
    assert shown is not None
    assert shown["x"] < ring["x"] + ring["width"] / 2 < shown["x"] + shown["width"]
    assert shown["y"] < ring["y"] + ring["height"] / 2 < shown["y"] + shown["height"]
    assert all(fits(page, width) for width in (320, 390, 1280))
    page.get_by_role("button", name="Leave these out").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was ticked")
    first.get_by_label("Tick bad.png").focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Leave these out").click()
    expect(page.get_by_role("heading", name="Candidate 2")).to_be_visible()
    expect(page.locator("#judged .frame-card").first).to_be_visible()
    expect(page.locator("#judged")).not_to_contain_text("bad.png")
    expect(page.locator("#shadow ~ p")).to_contain_text("Nothing to try it on yet")
    expect(page.locator("table.moves")).to_have_count(0)
    assert [one.name for one in SampleFolder(site.settings.data_dir, STATION).samples() if one.left_out] == ["bad.png"]
    page.get_by_role("button", name="Promote").click()
    expect(page.locator("#bank-digest")).to_be_visible()
    expect(page.get_by_role("status").get_by_text("Promoted.")).to_be_visible()
    made = Candidates(site.engine).get(2)
    assert Bank.load(place).ref.digest == made.digest
    expect(page.get_by_role("row", name="Candidate 2")).to_contain_text("20 samples")
    page.goto("/samples")
    expect(page.get_by_text("Last: candidate 2, promoted")).to_be_visible()
    assert all(fits(page, width) for width in (320, 390, 1280))


COVERED = """() => [...document.querySelectorAll('#judged .frame-card')].flatMap((card) => {
  const box = card.querySelector('.pick').getBoundingClientRect();
  const covered = (one) => {
    const at = one.getBoundingClientRect();
    return box.left < at.right && at.left < box.right && box.top < at.bottom && at.top < box.bottom;
  };
  return [...card.querySelectorAll('.picture, .line')].filter(covered).map((one) => one.outerHTML);
})"""
"""What on the cards lies under a tick box: pictures with their rings, words."""


FOUND = {
    "samples": 25, "vectors": 500, "dim": 64, "size_wh": [64, 64], "metric": False, "region": None, "left_out": [],
    "left_out_total": 0, "excluded": False, "suspects": [], "suspects_total": 2, "trimmed": 0, "highest": [],
    "caveats": [], "tuned": None, "seconds": 1,
}  # fmt: skip


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_no_tick_box_covers_a_ring_a_picture_or_words(site: ReviewSite, visit: Visit, width: int) -> None:
    folder = SampleFolder(site.settings.data_dir, STATION)
    corners = [[0.97, 0.03], [0.97, 0.97], [0.03, 0.03], [0.03, 0.97]]
    added = [folder.add(drawn_part(seed), NOON) for seed in range(3000, 3004)]
    marked = [
        {"name": name, "score": 12.345, "size_wh": [96, 96], "at": at} for name, at in zip(added, corners, strict=True)
    ]
    doubts = [{"kind": "outlying", "reason": "far"}, {"kind": "doubtful", "reason": "few"}]
    store = Candidates(site.engine)
    number = store.begin(STATION, by="emil", base=Bank.load(site.settings.stations[0].bank).ref, asked={}).id
    suspects = [one | {"reasons": doubts} for one in marked[:2]]
    store.tell(number, state="shadowed", found=FOUND | {"suspects": suspects, "highest": marked[1:]})
    page = visit("emil", f"/banks/candidates/{number}", has_touch=True)
    assert fits(page, width)
    expect(page.locator("#judged .frame-card")).to_have_count(4)
    assert page.evaluate(COVERED) == []
    for pick in page.locator("#judged .pick").all():
        size = pick.bounding_box()
        assert size is not None
        assert min(size["width"], size["height"]) >= 44
    page.locator("#judged .pick").first.tap()
    expect(page.locator("#judged .pick input").first).to_be_checked()


def test_what_is_ticked_stays_when_the_candidate_is_done(site: ReviewSite, visit: Visit) -> None:
    names = [path.name for path in sorted(SampleFolder(site.settings.data_dir, STATION).good.iterdir())[:3]]
    highest = [{"name": name, "score": 1.5, "size_wh": [96, 96], "at": [0.5, 0.5]} for name in names]
    store = Candidates(site.engine)
    with alone_at_station(site.settings, STATION):
        number = store.begin(STATION, by="emil", base=Bank.load(site.settings.stations[0].bank).ref, asked={}).id
        store.tell(number, state="built", found=FOUND | {"highest": highest})
        page = visit("emil", f"/banks/candidates/{number}")
        page.evaluate("() => { window.opened = true; }")
        tick = page.get_by_label(f"Tick {names[1]}")
        tick.check()
        store.tell(number, state="shadowed")
        expect(page.locator(".badge.shadowed")).to_be_visible()
    expect(page.locator("#notice")).to_contain_text(f"Candidate {number}: tried")
    expect(tick).to_be_checked()
    expect(tick).to_be_focused()
    assert page.evaluate("() => window.opened"), "it was not loaded anew"
    expect(page.get_by_role("button", name="Leave these out")).to_be_visible()
    expect(page.get_by_role("button", name="Promote")).to_be_visible()


def test_what_is_asked_is_checked(site: ReviewSite) -> None:
    with site.client("emil") as emil:
        for budget in ("0", "100", "-1", "nan", "inf", "much", ""):
            answer = emil.post("/samples/calibrate", data={"budget": budget})
            assert answer.status_code == 422, budget
        assert emil.post("/samples/calibrate?station=none/such/line/cam", data={"budget": "1"}).status_code == 400
        assert emil.post("/samples/again", data={"candidate": "9", "name": "bad.png"}).status_code == 404
    assert Candidates(site.engine).of(STATION) == []
    with site.client("olga") as olga:
        assert olga.post("/samples/calibrate", data={"budget": "1"}).status_code == 403


def test_the_form_has_the_budget_of_the_bank_in_use_and_keeps_what_was_asked_where_it_could_not_begin(
    site: ReviewSite,
) -> None:
    def form(text: str) -> tuple[str | None, set[str | None]]:
        inputs = {one.get("name"): one for one in Parsed(text).all("input")}
        return inputs["budget"]["value"], {name for name, one in inputs.items() if "checked" in one}

    place = site.settings.stations[0].bank
    change_manifest(place, lambda said: said["calibration"]["promise"].update(max_false_reject=0.07))
    with site.client("emil") as emil:
        assert form(emil.get("/samples").text) == ("7", set())
        with alone_at_station(site.settings, STATION):
            refused = emil.post("/samples/calibrate", data={"budget": "1.25", "finetune": "true"})
        assert (refused.status_code, form(refused.text)) == (400, ("1.25", {"finetune"}))
        shutil.rmtree(place)
        assert form(emil.get("/samples").text) == ("0.5", set())


def test_too_few_samples_are_told_on_the_page_of_the_candidate(site: ReviewSite, visit: Visit) -> None:
    folder = SampleFolder(site.settings.data_dir, STATION)
    folder.leave_out([one.name for one in folder.samples()][3:])
    page = visit("emil", "/samples")
    expect(page.get_by_role("button", name="Calibrate")).to_be_disabled()
    with site.client("emil") as emil:
        answer = emil.post("/samples/calibrate", data={"budget": "1"})
        assert answer.status_code == 303
    wait_until(lambda: not is_running(site.settings, STATION), "it is over", deadline_s=3 * DEADLINE_S)
    page.goto(answer.headers["location"])
    expect(page.locator(".fault")).to_contain_text("expected at least 4")


def test_one_at_a_time_and_nothing_is_left_out_for_nothing(site: ReviewSite) -> None:
    folder = SampleFolder(site.settings.data_dir, STATION)
    for seed in range(2000, 2200):
        (folder.good / f"more{seed}.png").write_bytes(drawn_part(seed))
    with site.client("emil") as emil:
        begun = emil.post("/samples/calibrate", data={"budget": "1", "finetune": "true"})
        assert begun.headers["location"] == "/banks/candidates/1"
        assert "is being made" in emil.get("/samples").text
        again = emil.post("/samples/calibrate", data={"budget": "1"})
        assert (again.status_code, "a candidate is being made already" in again.text) == (400, True)
        refused = emil.post("/samples/again", data={"candidate": "1", "name": "bad.png"})
        assert (refused.status_code, "Another candidate is being made" in refused.text) == (400, True)
        emil.post("/banks/candidates/1/stop")
    assert not [one for one in folder.samples() if one.left_out]


def test_a_rebuilt_candidate_has_no_samples_to_leave_out(site: ReviewSite) -> None:
    base = Bank.load(site.settings.stations[0].bank).ref
    number = Candidates(site.engine).begin(STATION, by="emil", base=base).id
    Candidates(site.engine).tell(number, state="shadowed")
    with site.client("emil") as emil:
        answer = emil.post("/samples/again", data={"candidate": str(number), "name": "bad.png"})
    assert (answer.status_code, "was not calibrated from samples" in answer.text) == (400, True)
    assert (Path(site.settings.data_dir) / "samples" / STATION / "good" / "bad.png").exists()
