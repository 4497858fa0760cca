"""The page Samples in a real browser: by mouse, keys and touch; with a real broker, and without scripts."""

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from line import CAM1, Camera, drawn_part, frame
from playwright.sync_api import Browser, Page, expect
from review_site import NOON, PASSWORD, ReviewSite, running_site
from services import DEADLINE_S, Mosquitto, holder_of, wait_until

from inspector import settings
from inspector.demo.port import free_port
from inspector.samples import collecting
from inspector.samples.folder import SampleFolder
from inspector.store import Accounts, Role, Sessions, open_database
from inspector.web.pages.samples import PAGE

Visit = Callable[..., Page]
STATION = str(CAM1)

NAME = """one => one.labels?.[0]?.textContent.trim() || one.textContent.trim() || one.querySelector('img')?.alt
  || document.getElementById(one.getAttribute('aria-labelledby'))?.textContent.trim()"""
"""What a screen reader calls it."""

CUT = """[...document.querySelectorAll('.looking .line, h2, dd, button')]
  .filter(one => one.scrollWidth > one.clientWidth + 1).length"""
"""How many texts are cut off."""


@pytest.fixture
def site(tmp_path: Path, bank: Path, mosquitto: Mosquitto) -> Iterator[ReviewSite]:
    """A page of one test alone, at a broker; what is left running is stopped."""
    with running_site(tmp_path, bank, broker=mosquitto.port) as running:
        yield running
        collecting.stop_all(running.settings)
        samples = SampleFolder(running.settings.data_dir, STATION)
        wait_until(lambda: (now := collecting.present(samples)) is None or now.state != "running", "nothing runs")


@pytest.fixture
def samples(site: ReviewSite) -> SampleFolder:
    return SampleFolder(site.settings.data_dir, STATION)


def put(samples: SampleFolder, number: int) -> list[str]:
    names = [samples.add(drawn_part(seed), NOON + timedelta(minutes=seed)) for seed in range(number)]
    return [name for name in names if name is not None]


def subscribed(samples: SampleFolder) -> bool:
    now = collecting.present(samples)
    return now is not None and now.due is not None


def left_out(samples: SampleFolder) -> list[str]:
    return [one.name for one in samples.samples() if one.left_out]


def test_what_was_done_is_told_where_somebody_looks(site: ReviewSite, samples: SampleFolder, visit: Visit) -> None:
    put(samples, 30)
    page = visit("emil", "/samples")
    page.locator(".pick input").last.check()
    page.get_by_role("button", name="Leave out").click()
    expect(page.locator(".told")).not_to_be_in_viewport()
    expect(page.locator("#notice")).to_contain_text("1 picture left out")


def test_from_an_empty_station_to_samples_that_were_looked_through(
    site: ReviewSite, samples: SampleFolder, visit: Visit, mosquitto: Mosquitto
) -> None:
    page = visit("emil", "/samples")
    page.get_by_label("How many").fill("4")
    page.get_by_label("Over").select_option("as they come")
    page.get_by_role("button", name="Collect").click()
    expect(page.locator("#said")).to_have_text(re.compile("0 of 4 samples, (connecting|waiting)"))
    with Camera(mosquitto.port) as camera:
        wait_until(lambda: subscribed(samples), "it is subscribed")
        camera.send(frame(1, lot="L1"), frame(2, lot="L2"), frame(2, prefix="again"), frame(3, lot="L2"))
        expect(page.locator("#said")).to_have_text("3 of 4 samples, waiting for a frame")
        assert page.locator(".collecting progress").evaluate("bar => bar.value / bar.max") == 0.75
        expect(page.locator(".frame-card")).to_have_count(3)
        expect(page.locator("#there")).to_have_text("3")
        expect(page.get_by_text("L2 (2), L1 (1)")).to_be_visible()
        expect(page.get_by_role("link", name="in use 3")).to_be_visible()
        camera.send(frame(4, lot="L2"))
    expect(page.locator("#last-run")).to_contain_text("4 of 4 samples, begun")  # it comes by itself
    expect(page.locator("#there")).to_have_text("4")
    expect(page.get_by_text("L2 (3), L1 (1)")).to_be_visible()
    expect(page.get_by_text("1 picture, there already and not taken again")).to_be_visible()

    page.locator(".pick input").nth(2).check()
    page.get_by_role("button", name="Leave out").click()
    expect(page.get_by_role("status").filter(has_text="1 picture left out")).to_be_visible()
    assert len(left_out(samples)) == 1
    page.get_by_role("link", name="left out 1").click()
    page.get_by_text("Delete those left out").click()
    page.get_by_role("button", name="Delete 1 picture for good").click()
    expect(page.get_by_text("Nothing is left out.")).to_be_visible()
    assert len(samples.samples()) == 3


def test_a_collection_is_followed_and_takes_nothing_from_whoever_looks(
    samples: SampleFolder, visit: Visit, mosquitto: Mosquitto
) -> None:
    names = put(samples, 2)
    page = visit("emil", "/samples")
    expect(page.get_by_role("button", name="Calibrate")).to_be_disabled()
    page.get_by_label("How many").fill("4")
    page.get_by_label("Over").select_option("as they come")
    page.get_by_role("button", name="Collect").click()
    expect(page.locator("#stop")).to_be_visible()
    page.locator(".pick input").nth(1).check()
    page.get_by_label("Good parts that may be rejected, percent").fill("3")
    with Camera(mosquitto.port) as camera:
        wait_until(lambda: subscribed(samples), "it is subscribed")
        camera.send(frame(501), frame(502))
        expect(page.locator("#there")).to_have_text("4")
        expect(page.locator(".frame-card")).to_have_count(4)
        expect(page.locator("#range")).to_have_text("1 to 4 of 4")
        expect(page.get_by_role("button", name="Calibrate")).to_be_enabled()
        page.locator(".looking .picture").nth(3).click()
        expect(page.get_by_role("button", name="Further →")).to_be_disabled()
        camera.send(frame(503))
        expect(page.get_by_role("button", name="Further →")).to_be_enabled()
        page.keyboard.press("ArrowRight")
        expect(page.get_by_role("dialog", name="Sample 5, ")).to_be_visible()
        page.keyboard.press("x")
        page.keyboard.press("Escape")
        expect(page.locator(".looking .picture").nth(4)).to_be_focused()
        page.locator(".looking .picture").first.focus()
        camera.send(frame(504))
    expect(page.locator("#last-run")).to_contain_text("4 of 4 samples, begun")
    expect(page.locator(".frame-card")).to_have_count(6)
    expect(page.locator(".looking .picture").first).to_be_focused()
    expect(page.locator("#ticked")).to_have_text("2 ticked")
    assert page.get_by_label("Good parts that may be rejected, percent").input_value() == "3"
    new = [one.name for one in samples.samples() if one.name not in names]
    page.get_by_role("button", name="Leave out", exact=True).click()
    expect(page.locator(".frame-card")).to_have_count(4)
    assert left_out(samples) == [names[1], new[2]]


def test_a_collection_that_fills_further_pages_is_told_and_ticks_stay_when_it_ends(
    site: ReviewSite, samples: SampleFolder, visit: Visit, mosquitto: Mosquitto
) -> None:
    names = put(samples, PAGE)
    page = visit("emil", "/samples")
    page.get_by_label("Over").select_option("as they come")
    page.get_by_role("button", name="Collect").click()
    expect(page.locator("#stop")).to_be_visible()
    page.locator(".pick input").first.check()
    with Camera(mosquitto.port) as camera:
        wait_until(lambda: subscribed(samples), "it is subscribed")
        camera.send(frame(501))
        expect(page.get_by_role("link", name="Further →")).to_be_visible()
        expect(page.locator("#range")).to_have_text(f"1 to {PAGE} of {PAGE + 1}")
        expect(page.locator(".frame-card")).to_have_count(PAGE)
        samples.leave_out(names[1:2])  # by somebody else: what stood on the next page comes to this one
        camera.send(frame(502))
        expect(page.get_by_role("link", name="left out 1")).to_be_visible()
        expect(page.locator("#range")).to_have_text(f"1 to {PAGE} of {PAGE + 1}")
        expect(page.locator(".frame-card")).to_have_count(PAGE + 1)
    collecting.stop(site.settings, STATION, by="ada")
    expect(page.locator("#last-run")).to_contain_text("stopped by ada")
    expect(page.locator("#ticked")).to_have_text("1 ticked")
    expect(page.locator(".pick input").first).to_be_checked()


def test_a_collection_is_stopped_from_another_page(
    site: ReviewSite, samples: SampleFolder, visit: Visit, mosquitto: Mosquitto
) -> None:
    page = visit("emil", "/samples")
    page.get_by_role("button", name="Collect").click()
    expect(page.locator("#stop")).to_be_visible()
    other = visit("ada", "/samples")
    other.get_by_role("button", name="Stop").click()
    expect(page.locator("#last-run")).to_contain_text("stopped by ada")


@pytest.mark.faults
def test_what_keeps_frames_away_and_a_process_that_died_are_told(
    site: ReviewSite, samples: SampleFolder, visit: Visit, mosquitto: Mosquitto
) -> None:
    page = visit("emil", "/samples")
    page.get_by_role("button", name="Collect").click()
    wait_until(lambda: subscribed(samples), "it is subscribed")
    mosquitto.stop()
    expect(page.locator("#trouble")).to_contain_text("connecting again")
    mosquitto.start()
    expect(page.locator("#trouble")).to_be_hidden()
    holder_of(samples.folder / "collecting.lock").kill()
    expect(page.locator(".fault")).to_have_text(re.compile("^Its process ended before it was done. What was collected"))
    expect(page.get_by_role("button", name="Collect")).to_be_enabled()


def test_ticking_by_mouse_with_shift_and_all(samples: SampleFolder, visit: Visit) -> None:
    put(samples, 6)
    page = visit("emil", "/samples")
    boxes = page.locator(".pick input")
    expect(page.get_by_role("button", name="Leave out")).to_be_disabled()
    boxes.nth(1).click()
    boxes.nth(4).click(modifiers=["Shift"])
    expect(page.locator("#ticked")).to_have_text("4 ticked")
    assert page.locator("#select-all").evaluate("box => box.indeterminate")
    page.get_by_label("Tick the page").check()
    expect(page.locator("#ticked")).to_have_text("6 ticked")
    page.get_by_label("Tick the page").uncheck()
    expect(page.get_by_role("button", name="Leave out")).to_be_disabled()


def test_the_page_stays_where_it_was(samples: SampleFolder, visit: Visit) -> None:
    names = put(samples, PAGE + 30)
    page = visit("emil", "/samples?page=2")
    expect(page.locator("#range")).to_have_text(f"{PAGE + 1} to {PAGE + 30} of {PAGE + 30}")
    page.locator(".pick input").nth(25).check()
    page.evaluate("scrollTo(0, 700)")
    page.locator("#move").evaluate("button => button.focus({ preventScroll: true })")
    page.keyboard.press("Enter")
    expect(page.locator("#range")).to_have_text(f"{PAGE + 1} to {PAGE + 29} of {PAGE + 29}")
    page.wait_for_function("() => Math.abs(scrollY - 700) < 80")  # a message more stands above
    assert left_out(samples) == [names[PAGE + 25]]
    page.get_by_role("link", name="← Back").click()
    expect(page.locator("#range")).to_have_text(f"1 to {PAGE} of {PAGE + 29}")


def test_what_is_ticked_page_by_page_is_left_out_at_once(samples: SampleFolder, visit: Visit) -> None:
    names = put(samples, PAGE + 3)
    page = visit("emil", "/samples")
    page.locator(".pick input").nth(1).check()
    page.locator(".pick input").nth(2).check()
    page.get_by_role("link", name="Further →").click()
    expect(page.locator("#ticked")).to_have_text("2 ticked, 2 on other pages")
    page.locator(".pick input").nth(1).check()
    page.get_by_role("link", name="← Back").click()
    expect(page.locator(".pick input").nth(1)).to_be_checked()
    page.locator(".pick input").nth(2).uncheck()
    expect(page.locator("#ticked")).to_have_text("2 ticked, 1 on other pages")
    page.get_by_role("link", name="left out 0").click()
    expect(page.get_by_text("Nothing is left out.")).to_be_visible()
    page.get_by_role("link", name=f"in use {PAGE + 3}").click()
    page.get_by_role("button", name="Leave out").click()
    expect(page.get_by_role("status").filter(has_text="2 pictures left out")).to_be_visible()
    assert left_out(samples) == [names[1], names[PAGE + 1]]
    expect(page.locator("#ticked")).to_have_text("those that are ticked")
    page.locator(".pick input").first.check()
    page.get_by_role("link", name="Further →").click()
    page.get_by_role("button", name="Untick all").click()
    expect(page.get_by_role("button", name="Leave out")).to_be_disabled()
    page.get_by_role("link", name="← Back").click()
    expect(page.locator(".pick input").first).not_to_be_checked()


def test_calibrate_asks_first_while_something_is_ticked(site: ReviewSite, samples: SampleFolder, visit: Visit) -> None:
    put(samples, 5)
    page = visit("emil", "/samples")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method) if "/samples/calibrate" in request.url else None)
    page.locator(".pick input").nth(1).check()
    page.reload()
    page.get_by_role("button", name="Calibrate", exact=True).click()
    asked = page.get_by_role("dialog", name="1 sample is ticked and not left out")
    asked.get_by_role("button", name="Back").press("Enter")
    expect(asked).to_be_hidden()
    assert sent == []
    page.route("**/samples/calibrate*", lambda route: route.fulfill(body="begun"))
    page.get_by_role("button", name="Calibrate", exact=True).click()
    asked.get_by_role("button", name="Calibrate with them").click()
    expect(page.locator("body")).to_have_text("begun")
    assert sent == ["POST"]


def test_one_picture_after_another_large_by_keys(samples: SampleFolder, visit: Visit) -> None:
    names = put(samples, 4)
    page = visit("emil", "/samples")
    page.locator(".looking .picture").first.focus()
    page.keyboard.press("Enter")
    large = page.get_by_role("dialog", name="Sample 1, 2026-03-02 12:00:00")
    expect(large).to_be_visible()
    page.wait_for_function("() => document.getElementById('large-picture').naturalWidth === 96")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("dialog", name="Sample 2, ")).to_be_visible()
    said = page.locator("#large-name[aria-live=polite]")
    expect(said).to_have_text("Sample 2, 2026-03-02 12:01:00")
    page.keyboard.press("x")
    expect(page.get_by_label("Leave out X")).to_be_checked()
    expect(said).to_have_text("Sample 2, 2026-03-02 12:01:00, ticked")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_label("Leave out X")).not_to_be_checked()
    expect(said).to_have_text("Sample 3, 2026-03-02 12:02:00")
    page.get_by_role("button", name="Further →").click()
    expect(page.get_by_role("button", name="Further →")).to_be_disabled()
    page.get_by_label("Leave out X").check()
    page.keyboard.press("Escape")
    expect(page.locator(".looking .picture").nth(3)).to_be_focused()
    expect(page.locator("#ticked")).to_have_text("2 ticked")
    page.get_by_role("button", name="Leave out", exact=True).press("Enter")
    expect(page.locator(".frame-card")).to_have_count(2)
    assert left_out(samples) == [names[1], names[3]]


def test_the_keys_of_the_large_one_go_on_at_both_ends_of_the_page(samples: SampleFolder, visit: Visit) -> None:
    put(samples, 3)
    page = visit("emil", "/samples")
    page.locator(".looking .picture").first.click()
    page.locator("#after").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(page.locator("#after")).to_be_disabled()
    expect(page.locator("#before")).to_be_focused()
    page.keyboard.press("x")
    expect(page.get_by_label("Leave out X")).to_be_checked()
    page.keyboard.press("Enter")
    page.locator("#before").click()
    expect(page.get_by_role("dialog", name="Sample 1, ")).to_be_visible()
    expect(page.locator("#after")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("dialog", name="Sample 2, ")).to_be_visible()


def test_all_of_it_has_a_name_and_is_large_enough_for_a_finger(samples: SampleFolder, visit: Visit) -> None:
    put(samples, 3)
    samples.leave_out([samples.samples()[0].name])
    for path in ("/samples", "/samples?show=left_out"):
        page = visit("emil", path, has_touch=True)
        for role in ("button", "checkbox", "link", "textbox", "spinbutton", "combobox", "progressbar"):
            for one in page.get_by_role(role).all():  # type: ignore[arg-type]
                assert one.evaluate(NAME)
        names = page.locator(".pick").all_inner_texts()
        assert len(set(names)) == len(names)
        for pick in page.locator(".pick").all():
            size = pick.bounding_box()
            assert size
            assert min(size["width"], size["height"]) >= 44
        page.locator(".pick").first.tap()
        expect(page.locator("#ticked")).to_have_text("1 ticked")
        order = page.evaluate("[...document.querySelectorAll('h1, h2, h3')].map(one => Number(one.tagName[1]))")
        assert order[0] == 1
        assert all(after <= before + 1 for before, after in pairwise(order))
        ids = page.evaluate("[...document.querySelectorAll('[id]')].map(one => one.id)")
        assert len(set(ids)) == len(ids)


def test_pictures_from_this_computer_are_added_and_the_wrong_ones_told(
    samples: SampleFolder, visit: Visit, tmp_path: Path
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    for seed in range(8):
        (here / f"part-{seed}.png").write_bytes(drawn_part(seed))
    shutil.copy(here / "part-1.png", here / "part-10.png")
    (here / "part-11.png").write_bytes(b"GIF89a")
    (here / "part-12 <b>.png").write_bytes(drawn_part(3)[:200])
    page = visit("emil", "/samples")
    page.get_by_label("Pictures", exact=True).set_input_files(sorted(here.iterdir()))
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("#sent-said")).to_have_text("11 of 11, 8 added, 1 there already, 2 refused")
    expect(page.locator("#refused li")).to_have_text(
        [re.compile("^part-11.png: got GIF"), re.compile("^part-12 <b>.png: PNG of 200 bytes")]
    )
    stored = [(samples.good / one.name).read_bytes() for one in samples.samples()]
    assert stored == [drawn_part(seed) for seed in range(8)], "in the order of their numbers"
    page.get_by_role("link", name="Show them").click()
    expect(page.locator(".frame-card")).to_have_count(8)
    page.get_by_label("Pictures", exact=True).set_input_files(here / "part-2.png")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("#sent-said")).to_have_text("1 of 1, 0 added, 1 there already")


@pytest.mark.faults
def test_a_server_that_goes_away_while_pictures_are_sent_is_told(
    samples: SampleFolder, visit: Visit, tmp_path: Path
) -> None:
    here = [tmp_path / f"part-{seed}.png" for seed in range(3)]
    for seed, file in enumerate(here):
        file.write_bytes(drawn_part(seed))
    page = visit("emil", "/samples")
    sent = iter(range(10))
    page.route("**/samples/pictures*", lambda route: route.continue_() if next(sent) < 1 else route.abort())
    page.get_by_label("Pictures", exact=True).set_input_files(here)
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("#sent-said")).to_contain_text("1 of 3, 1 added: part-1.png did not reach the server.")
    expect(page.get_by_role("button", name="Add", exact=True)).to_be_enabled()


def test_a_page_that_was_opened_before_the_login_was_renewed_sends_all_the_same(
    site: ReviewSite, samples: SampleFolder, visit: Visit, tmp_path: Path
) -> None:
    (tmp_path / "part.png").write_bytes(drawn_part(1))
    page = visit("emil", "/samples")
    other = page.context.new_page()
    other.goto(f"/enter?code={site.sessions.begin_link('emil', 1, by='ada')}")
    page.get_by_label("Pictures", exact=True).set_input_files(tmp_path / "part.png")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("#sent-said")).to_have_text("1 of 1, 1 added")


def test_without_scripts_the_forms_work(samples: SampleFolder, visit: Visit) -> None:
    names = put(samples, 3)
    page = visit("emil", "/samples", java_script_enabled=False)
    expect(page.get_by_role("button", name="Add", exact=True)).to_be_disabled()  # as until its script is there
    page.locator(".pick input").nth(1).check()
    page.get_by_role("button", name="Leave out").click()
    expect(page.locator(".frame-card")).to_have_count(2)
    assert left_out(samples) == [names[1]]
    shown = page.request.get(page.locator(".looking .picture").first.get_attribute("href") or "")
    assert shown.body() == drawn_part(0)
    page.get_by_role("button", name="Collect").click()
    page.get_by_role("button", name="Stop").click()
    wait_until(lambda: (now := collecting.present(samples)) is not None and now.ended == "stopped by emil", "stopped")


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_lies_beside_the_page_or_over_another(samples: SampleFolder, visit: Visit, width: int) -> None:
    put(samples, 5)
    page = visit("emil", "/samples")
    page.set_viewport_size({"width": width, "height": 800})
    page.locator(".pick input").first.check()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CUT) == 0
    page.locator(".looking .picture").first.click()
    size = page.get_by_role("dialog").bounding_box()
    assert size
    assert size["x"] >= 0
    assert size["x"] + size["width"] <= width
    assert size["height"] <= 800


def end(process: subprocess.Popen[str]) -> None:
    """Its output stays open as long as a collection that it began."""
    process.kill()
    process.wait(DEADLINE_S)
    assert process.stdout is not None
    process.stdout.close()


@pytest.mark.faults
@pytest.mark.parametrize(("number", "ended"), [(signal.SIGTERM, True), (signal.SIGKILL, False)])
def test_a_page_that_ends_in_order_ends_collections_and_one_that_is_killed_finds_them_again(
    chromium: Browser, mosquitto: Mosquitto, bank: Path, tmp_path: Path, number: signal.Signals, ended: bool
) -> None:
    port = free_port()
    path = tmp_path / "inspector.yaml"
    said = {"data_dir": "data", "broker": {"port": mosquitto.port}, "review": {"port": port}}
    path.write_text(yaml.safe_dump(said | {"stations": [{"id": STATION, "bank": str(bank)}]}))
    loaded = settings.load(path)
    samples = SampleFolder(loaded.data_dir, STATION)
    with open_database(loaded.database_url) as engine:
        Accounts(engine).create("emil", PASSWORD, Role.ENGINEER, by="ada")
        links = [Sessions(engine).begin_link("emil", 1, by="ada") for _ in range(2)]

    def serve() -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "inspector", "review", "-c", str(path)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert process.stdout is not None
        assert "review page" in process.stdout.readline()
        return process

    def enter(page: Page, link: str) -> None:
        page.goto(f"http://127.0.0.1:{port}/enter?code={link}")
        page.goto(f"http://127.0.0.1:{port}/samples")

    first = serve()
    try:
        with chromium.new_context() as context:
            page = context.new_page()
            enter(page, links[0])
            page.get_by_role("button", name="Collect").click()
            expect(page.locator("#stop")).to_be_visible()
            first.send_signal(number)
            first.wait(DEADLINE_S)
    finally:
        end(first)
    second = serve()
    try:
        with chromium.new_context() as context:
            page = context.new_page()
            enter(page, links[1])
            if ended:
                expect(page.locator("#last-run")).to_contain_text("stopped by the end of the page")
            else:
                page.get_by_role("button", name="Stop").click()
                expect(page.locator("#last-run")).to_contain_text("stopped by emil")
    finally:
        end(second)
        collecting.stop_all(loaded)
        wait_until(lambda: (now := collecting.present(samples)) is None or now.state != "running", "nothing runs")
