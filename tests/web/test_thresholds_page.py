"""The page of thresholds over HTTP: what other thresholds would have done, and who may apply them."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from banks import copy_of
from line import CAM1, CAM2, drawn_part
from pages import HOSTILE, Page
from review_site import NOON, ReviewSite, running_site

from inspector.bank import Bank

SOON = int((datetime.now(UTC) - timedelta(hours=6) - NOON) / timedelta(minutes=1))
"""Minutes after NOON: some hours ago."""


@pytest.fixture(scope="module")
def client(site: ReviewSite) -> Iterator[httpx.Client]:
    bad = [site.add(minutes=SOON + n) for n in range(5)]
    for n in range(30):
        site.add(drawn_part(1000 + n % 10), minutes=SOON + 10 + n, kept=False)
    for frame in bad[:3]:
        site.reviews.dispose(frame, to="defect", reviewer="olga", version=0)
    site.reviews.dispose(bad[3], to="false_alarm", reviewer="olga", version=0)
    with site.client("emil") as opened:
        yield opened


@pytest.fixture(scope="module")
def in_use(bank: Path) -> tuple[float, float]:
    thresholds = Bank.load(bank).thresholds
    return thresholds.ok, thresholds.ng


def preview(client: httpx.Client, **asked: object) -> dict[str, object]:
    answer = client.get("/api/v1/thresholds", params={"station": str(CAM1), **asked})
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()["preview"]
    return found


def test_those_in_use_catch_what_they_caught(client: httpx.Client, in_use: tuple[float, float]) -> None:
    found = preview(client)
    assert (found["ok"], found["ng"]) == in_use
    assert (found["missed"], found["caught"], found["rejected"], found["waiting_rejected"]) == (0, 3, 1, 1)
    assert found["normals"] == 10


def test_far_above_all_scores_everything_passes(client: httpx.Client) -> None:
    found = preview(client, ok=1e6, ng=1e6)
    assert (found["missed"], found["caught"], found["rejected"], found["normals_above"]) == (3, 0, 0, 0)


def test_far_below_all_scores_everything_is_rejected(client: httpx.Client) -> None:
    found = preview(client, ok=0, ng=0)
    assert (found["missed"], found["caught"], found["normals_above"], found["normal_rate"]) == (0, 3, 10, 1.0)
    assert found["rejected"] == 31


def test_between_a_person_decides(client: httpx.Client) -> None:
    found = preview(client, ok=0, ng=1e6)
    assert (found["missed"], found["doubted"], found["uncertain"]) == (0, 3, 32)


def test_the_page_says_it_and_draws_it(client: httpx.Client) -> None:
    page = Page(client.get("/thresholds", params={"station": str(CAM1)}).text)
    assert page.obeys_the_policy
    assert "0 of 3 known defects missed" in page.text
    assert "1 frame that nobody has decided would be rejected too" in page.text
    assert "of 10 normal samples of the bank scored above ng" in page.text
    (chart,) = page.all("svg")
    assert chart["id"] == "scores"
    handles = [said for said in page.all("g") if said.get("role") == "slider"]
    assert [said["id"] for said in handles] == ["handle-ok", "handle-ng"]
    assert all(said["tabindex"] == "0" and said["aria-valuenow"] for said in handles)


def test_without_a_script_the_form_previews(client: httpx.Client) -> None:
    page = Page(client.get("/thresholds", params={"station": str(CAM1), "ok": "1000", "ng": "2000"}).text)
    assert "3 of 3 known defects missed" in page.text
    assert any("alarm" in str(said.get("class")) for said in page.all("div"))


def test_a_station_without_frames_says_so(client: httpx.Client) -> None:
    page = Page(client.get("/thresholds", params={"station": str(CAM2)}).text)
    assert "No frame was recorded with this bank yet" in page.text
    assert "No defect is known with this bank" in page.text
    assert "nan" not in page.text.lower()


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"ok": "5", "ng": "1"}, "expected ok at or below ng"),
        ({"ok": "nan"}, "finite number"),
        ({"ok": "-1"}, "greater than or equal to 0"),
        ({"ok": "x"}, "valid number"),
        *(({"station": words}, "expected one of") for words in HOSTILE),
    ],
)
def test_what_cannot_be_asked_is_told(client: httpx.Client, asked: dict[str, str], told: str) -> None:
    answer = client.get("/thresholds", params=asked)
    page = Page(answer.text)
    assert answer.status_code in (400, 422)
    assert told in page.text
    assert page.obeys_the_policy


def test_a_bank_that_is_not_there_is_told(tmp_path: Path, bank: Path) -> None:
    own = copy_of(bank, tmp_path)
    with running_site(tmp_path, own) as lost, lost.client("emil") as client:
        shutil.rmtree(own)
        assert "is not there; expected the bank of" in Page(client.get("/thresholds").text).text
        answer = client.get("/api/v1/thresholds")
        assert (answer.status_code, "is not there" in answer.json()["error"]) == (400, True)


def test_strangers_see_nothing(site: ReviewSite) -> None:
    with site.client(None) as stranger:
        assert stranger.get("/thresholds").status_code == 303
        assert stranger.get("/api/v1/thresholds").status_code == 401
