"""Thresholds in a real browser: dragged by mouse, finger and arrow keys, previewed, applied, and what refuses them."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import cv2
import numpy as np
import pytest
from banks import copy_of
from line import CAM1, CAM2, drawn_part
from playwright.sync_api import Locator, Page, expect
from review_site import NOON, ReviewSite, running_site

from inspector.bank import Bank
from inspector.banks.shelf import Shelf
from inspector.manifest import read_manifest
from inspector.store import Audit, AuditFilter

Visit = Callable[..., Page]

HERE = f"/thresholds?station={CAM1}"
AGO = int((datetime.now(UTC) - timedelta(hours=6) - NOON) / timedelta(minutes=1))


@pytest.fixture(scope="module")
def own_bank(tmp_path_factory: pytest.TempPathFactory, bank: Path) -> Path:
    return copy_of(bank, tmp_path_factory.mktemp("own"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, own_bank: Path) -> Iterator[ReviewSite]:
    """Four known defects, a false alarm, thirty good frames."""
    with running_site(tmp_path_factory.mktemp("site"), own_bank) as running:
        bad = [running.add(spotted(n), minutes=AGO + n) for n in range(5)]
        for frame in bad[:4]:
            running.reviews.dispose(frame, to="defect", reviewer="olga", version=0)
        running.reviews.dispose(bad[4], to="false_alarm", reviewer="olga", version=0)
        for n in range(30):
            running.add(drawn_part(1000 + n % 10), minutes=AGO + 10 + n, kept=False)
        yield running


def spotted(seed: int) -> bytes:
    """A part with a faint spot: above ng, by less than the chart reaches."""
    picture = cv2.imdecode(np.frombuffer(drawn_part(1000 + seed), np.uint8), cv2.IMREAD_COLOR)
    cv2.circle(picture, (48, 48), 3, (140, 140, 140), -1)
    return bytes(cv2.imencode(".png", picture)[1])


def tile(page: Page, key: str) -> Locator:
    return page.locator(f'[data-key="{key}"]')


def drag(page: Page, name: str, by: float) -> None:
    """By mouse, so many pixels, from the middle of the handle's tab."""
    box = page.locator(f"#handle-{name} rect").nth(1).bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + by / 2, y, steps=4)
    page.mouse.move(x + by, y, steps=4)
    page.mouse.up()


def value(page: Page, name: str) -> float:
    return float(page.locator(f"#{name}").input_value())


def test_dragged_by_mouse_the_preview_follows(visit: Visit) -> None:
    page = visit("emil", HERE)
    expect(tile(page, "missed")).to_contain_text("of 4 known defects missed")
    expect(tile(page, "missed").locator(".value")).to_have_text("0")
    before = value(page, "ng")
    drag(page, "ng", 2000)
    assert value(page, "ng") > before
    expect(tile(page, "missed")).to_contain_text("0 rejected, 4 uncertain")
    drag(page, "ok", 2000)
    assert value(page, "ok") == value(page, "ng")
    expect(tile(page, "missed").locator(".value")).to_have_text("4")
    expect(tile(page, "missed")).to_have_class(re.compile("alarm"))
    expect(tile(page, "missed").locator(".now")).to_have_text("now 0")
    drag(page, "ok", -3000)
    expect(tile(page, "missed").locator(".value")).to_have_text("0")
    expect(tile(page, "to_review")).to_contain_text("35 frames" if value(page, "ok") == 0 else "frames")


def test_neither_crosses_the_other(visit: Visit) -> None:
    page = visit("emil", HERE)
    before = value(page, "ok")
    drag(page, "ng", -3000)
    assert value(page, "ng") == pytest.approx(before, rel=1e-5)


def test_by_arrow_keys(visit: Visit) -> None:
    page = visit("emil", HERE)
    handle = page.locator("#handle-ng")
    handle.focus()
    before = value(page, "ng")
    page.keyboard.press("ArrowRight")
    one = value(page, "ng")
    page.keyboard.press("PageUp")
    assert before < one < value(page, "ng")
    assert value(page, "ng") - one == pytest.approx(10 * (one - before), rel=0.05)
    assert float(handle.get_attribute("aria-valuenow") or 0) == value(page, "ng")
    page.keyboard.press("Home")
    assert value(page, "ng") == pytest.approx(value(page, "ok"))
    page.keyboard.press("End")
    expect(tile(page, "missed")).to_contain_text("0 rejected, 4 uncertain")


def test_a_station_that_is_chosen_by_keys_is_shown_when_show_is_pressed(visit: Visit) -> None:
    page = visit("emil", HERE)
    page.locator("[name=reason]").fill("dust")
    page.get_by_label("Station").focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_label("Station")).to_have_value(str(CAM2))
    with page.expect_request("**/api/v1/thresholds?*") as asked:
        page.locator("#handle-ng").press("ArrowRight")
    assert parse_qs(urlsplit(asked.value.url).query)["station"] == [str(CAM1)], "the page is still that of the other"
    expect(page).to_have_url(re.compile(f"{re.escape(HERE)}$"))
    expect(page.locator("[name=reason]")).to_have_value("dust")
    page.get_by_label("Station").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(rf"\?station={quote(str(CAM2), safe='')}$"))


def test_what_changes_is_said_aloud_once_the_keys_rest(visit: Visit) -> None:
    page = visit("emil", HERE)
    assert page.locator("#trial[aria-live], #trial [aria-live]").count() == 0
    page.evaluate(
        """() => {
          window.said = [];
          const status = document.getElementById("aloud");
          new MutationObserver(() => said.push(status.textContent)).observe(status, { childList: true });
        }"""
    )
    page.locator("#handle-ng").evaluate(  # quicker than any hand, so that none rests between on a busy machine
        """(handle) => {
          const press = (key) => handle.dispatchEvent(new KeyboardEvent("keydown", { key }));
          for (const key of ["ArrowRight", "ArrowRight", "End"]) press(key);
        }"""
    )
    status = page.get_by_role("status").and_(page.locator("#aloud"))
    expect(status).to_contain_text("0 of 4 known defects missed 0 rejected, 4 uncertain")
    with page.expect_response("**/api/v1/thresholds?*"):
        page.locator("#handle-ng").press("End")  # the same answer
    page.wait_for_timeout(1000)
    assert len(page.evaluate("said")) == 1


def test_by_finger(visit: Visit) -> None:
    page = visit("emil", HERE, has_touch=True)
    before = value(page, "ng")
    box = page.locator("#handle-ng rect").nth(1).bounding_box()
    assert box is not None
    assert min(box["width"], box["height"]) >= 44
    x, y = box["x"] + 30, box["y"] + 20
    touch = page.context.new_cdp_session(page)
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for step in range(1, 6):
        touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": x + 20 * step, "y": y}]})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_function("before => Number(document.getElementById('ng').value) > before", arg=before)


def test_typed_numbers_move_the_handle(visit: Visit) -> None:
    page = visit("emil", HERE)
    at = page.locator("#handle-ng").get_attribute("transform")
    page.locator("#ng").fill(str(2 * value(page, "ng")))
    page.locator("#ng").press("Tab")
    expect(page.locator("#handle-ng")).not_to_have_attribute("transform", at or "")
    page.locator("#ng").fill("0.001")
    page.locator("#ng").press("Tab")
    assert value(page, "ng") == pytest.approx(value(page, "ok"))


def test_what_is_typed_stays_and_the_other_goes_along(visit: Visit) -> None:
    page = visit("emil", HERE)
    before = value(page, "ng")

    def types(name: str, text: str) -> tuple[float, float]:
        page.locator(f"#{name}").fill(text)
        page.locator(f"#{name}").press("Tab")
        return value(page, "ok"), value(page, "ng")

    above = float(f"{before + 1.23456:.6g}")
    assert types("ok", f"{above}") == (above, above)
    assert page.locator("#handle-ok").get_attribute("transform") == page.locator("#handle-ng").get_attribute(
        "transform"
    )
    assert types("ng", f"{above + 1}") == (above, above + 1)
    assert types("ng", "0.001") == (0.001, 0.001)
    assert types("ng", "") == (0.001, 0.001)
    assert types("ok", "-1") == (0, 0.001)
    expect(tile(page, "missed").locator(".value")).to_have_text("0")


def test_the_tab_of_ng_can_be_held_wherever_it_is(visit: Visit) -> None:
    page = visit("emil", HERE)
    page.locator("#handle-ng").press("End")
    page.locator("#handle-ok").press("End")
    assert value(page, "ok") == value(page, "ng")
    chart = page.locator("#scores").bounding_box()
    tab = page.locator("#handle-ng rect").nth(1).bounding_box()
    assert chart is not None
    assert tab is not None
    assert tab["x"] + tab["width"] <= chart["x"] + chart["width"]
    before = value(page, "ng")
    drag(page, "ok", -80)
    page.mouse.move(tab["x"] + tab["width"] - 4, tab["y"] + tab["height"] / 2)  # by its right end
    page.mouse.down()
    page.mouse.move(tab["x"] - 30, tab["y"] + tab["height"] / 2, steps=4)
    page.mouse.up()
    assert value(page, "ok") <= value(page, "ng") < before


def test_without_a_script_the_page_previews_too(visit: Visit) -> None:
    page = visit("emil", HERE, java_script_enabled=False)
    page.locator("#ok").fill("1000000")
    page.locator("#ng").fill("2000000")
    page.get_by_role("button", name="Preview").click()
    expect(tile(page, "missed").locator(".value")).to_have_text("4")
    assert "csrf" not in page.url


def test_an_operator_may_try_and_not_apply(visit: Visit, site: ReviewSite, own_bank: Path) -> None:
    page = visit("olga", HERE)
    drag(page, "ng", 100)
    expect(page.get_by_text("An engineer can apply them.")).to_be_visible()
    assert page.get_by_role("button", name="Apply to the line").count() == 0
    with site.client("olga") as client:
        sent = {"station": str(CAM1), "ok": 1, "ng": 2, "bank": Bank.load(own_bank).ref.digest, "reason": "x"}
        assert client.post("/thresholds", data=sent).status_code == 403


def test_applied_with_a_reason_they_are_a_new_bank_with_a_parent(
    visit: Visit, site: ReviewSite, own_bank: Path
) -> None:
    before = Bank.load(own_bank)
    page = visit("emil", HERE)
    drag(page, "ng", 60)
    chosen = value(page, "ng")
    page.get_by_role("button", name="Apply to the line").click()
    assert page.locator("[name=reason]").evaluate("field => field.validity.valueMissing")
    page.locator("[name=reason]").fill("dust on the lens <b>since</b> Monday")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="Applied.")).to_be_visible()
    after = Bank.load(own_bank)
    assert after.manifest.calibration.ng == pytest.approx(chosen)
    assert after.manifest.calibration.ok == before.manifest.calibration.ok
    assert (after.vectors == before.vectors).all()
    assert after.manifest.lineage.parent == before.ref.digest
    assert before.ref.digest in Shelf(own_bank).kept()
    newest = Audit(site.engine).promotions(AuditFilter(station=str(CAM1)), limit=1)[0]
    assert (newest.by, newest.action, newest.to_digest) == ("emil", "thresholds", after.ref.digest)
    assert newest.reason == "dust on the lens <b>since</b> Monday"
    assert value(page, "ng") == pytest.approx(chosen)
    expect(tile(page, "missed")).to_contain_text("of 4 known defects")
    page.get_by_role("link", name="the audit").click()
    expect(page.locator("table")).to_contain_text("dust on the lens <b>since</b> Monday")


@pytest.mark.parametrize(
    ("changes", "status", "told"),
    [
        ({"reason": "   "}, 400, "Write down why"),
        ({"ok": "9", "ng": "1"}, 400, "above ng"),
        ({"bank": "f" * 64}, 409, "given another bank meanwhile"),
        ({"ok": None, "ng": None}, 400, "in use already"),
        ({"station": "a/b/c/d"}, 400, "expected one of"),
        ({"ok": "nan"}, 422, "finite"),
        ({"reason": "x" * 2001}, 422, "2000"),
    ],
)
def test_what_is_refused_changes_nothing(
    site: ReviewSite, own_bank: Path, changes: dict[str, str | None], status: int, told: str
) -> None:
    in_use = Bank.load(own_bank)
    thresholds = in_use.thresholds
    sent = {"station": str(CAM1), "ok": "0.5", "ng": "0.6", "bank": in_use.ref.digest, "reason": "try"} | changes
    sent = {"ok": f"{thresholds.ok:.6g}", "ng": f"{thresholds.ng:.6g}"} | {k: v for k, v in sent.items() if v}
    with site.client("emil") as client:
        answer = client.post("/thresholds", data=sent)
    assert answer.status_code == status
    assert told in answer.text
    assert Bank.load(own_bank).ref == in_use.ref


def test_another_sites_form_is_refused(site: ReviewSite, own_bank: Path) -> None:
    digest = Bank.load(own_bank).ref.digest
    with site.client("emil") as client:
        del client.headers["x-csrf-token"]
        sent = {"station": str(CAM1), "ok": "1", "ng": "2", "bank": digest, "reason": "x"}
        assert client.post("/thresholds", data=sent).status_code == 403
    assert read_manifest(own_bank).calibration.ok != 1


def test_what_would_pass_confirmed_defects_is_applied_when_that_is_ticked(
    visit: Visit, site: ReviewSite, own_bank: Path
) -> None:
    before = Bank.load(own_bank).ref
    page = visit("emil", HERE)
    page.locator("#ng").fill("1000000")
    page.locator("#ng").press("Tab")
    page.locator("#ok").fill("1000000")
    page.locator("#ok").press("Tab")
    page.locator("[name=reason]").fill("fewer stops")
    for _ in range(2):  # without the tick, again
        page.get_by_role("button", name="Apply to the line").click()
        expect(page.get_by_role("alert")).to_contain_text("4 of 4 confirmed defects would pass with these thresholds")
        assert Bank.load(own_bank).ref == before
    page.get_by_label("4 of 4 confirmed defects may pass").check()
    page.get_by_role("button", name="Apply to the line").click()
    expect(page.get_by_role("status").filter(has_text="Applied.")).to_contain_text(
        "4 of 4 confirmed defects would pass"
    )
    newest = Audit(site.engine).promotions(AuditFilter(station=str(CAM1)), limit=1)[0]
    assert (newest.reason, newest.guard, newest.guard_missed) == ("fewer stops", 4, 4)
    assert Bank.load(own_bank).thresholds.ok == 1e6
