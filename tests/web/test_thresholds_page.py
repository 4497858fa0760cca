"""The page of thresholds over HTTP: what other thresholds would have done, and who may apply them."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from banks import copy_of, exchanged_after
from line import CAM1, CAM2, drawn_part
from pages import HOSTILE, Page
from review_site import NOON, ReviewSite, running_site

from calibration.growth.derive import with_thresholds
from inspector.bank import Bank
from inspector.exchange import exchange
from inspector.web import bank_readings

SOON = int((datetime.now(UTC) - timedelta(hours=30) - NOON) / timedelta(minutes=1))
"""Minutes after NOON: yesterday, in a shift that is over, as one that runs grows between two requests."""


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


def test_a_bank_without_frames_says_so(tmp_path: Path, bank: Path) -> None:
    with running_site(tmp_path, bank) as empty, empty.client("emil") as client:
        page = Page(client.get("/thresholds", params={"station": str(CAM2)}).text)
    assert "No frame was recorded with this bank yet" in page.text
    assert "No defect is known with this bank" in page.text
    assert "nan" not in page.text.lower()


def test_a_line_that_has_only_begun_has_less_than_a_shift(tmp_path: Path, bank: Path) -> None:
    with running_site(tmp_path, bank) as young, young.client("emil") as client:
        young.add(minutes=int((datetime.now(UTC) - NOON) / timedelta(minutes=1)))
        page = Page(client.get("/thresholds", params={"station": str(CAM1)}).text)
    assert "less than a shift with frames" in page.text


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


@pytest.fixture
def own(tmp_path: Path, bank: Path) -> Iterator[ReviewSite]:
    """A page of one test alone, on a copy of the bank, with three confirmed defects, at one station each by turns."""
    with running_site(tmp_path, copy_of(bank, tmp_path)) as running:
        for number in range(3):
            frame = running.add(station=(CAM1, CAM2)[number % 2], minutes=SOON + number)
            running.reviews.dispose(frame, to="defect", reviewer="olga", version=0)
        yield running


def applied(client: httpx.Client, site: ReviewSite, **changes: object) -> tuple[int, Page]:
    """Asks for thresholds above all scores; the page that comes in the end."""
    digest = Bank.load(site.settings.stations[0].bank).ref.digest
    sent = {"station": str(CAM1), "ok": 1e6, "ng": 1e6, "bank": digest, "reason": "fewer stops"} | changes
    answer = client.post("/thresholds", data=sent)
    if answer.status_code != 303:
        return answer.status_code, Page(answer.text)
    return answer.status_code, Page(client.get(answer.headers["location"]).text)


def test_thresholds_that_pass_confirmed_defects_are_applied_only_when_that_is_said(own: ReviewSite) -> None:
    place = own.settings.stations[0].bank
    before = Bank.load(place).ref
    own.reviews.dispose(own.add(kept=False), to="defect", reviewer="olga", version=0)
    with own.client("emil") as client:
        for too_few in ({}, {"passing": 0}, {"passing": 2}):
            status, page = applied(client, own, **too_few)
            assert status == 400
            assert page.obeys_the_policy
            assert "3 of 3 confirmed defects would pass with these thresholds" in page.text
            assert "1 more without a picture could not be asked. Nothing was applied" in page.text
            assert Bank.load(place).ref == before
            assert {said.get("href") for said in page.all("a")} >= {"/frame/1", "/frame/2", "/frame/3"}
            fields = {said.get("name"): said.get("value") for said in page.all("input")}
            assert (fields["passing"], fields["reason"], fields["ok"]) == ("3", "fewer stops", "1e+06")
            (tick,) = [said for said in page.all("input") if said.get("name") == "passing"]
            assert "checked" not in tick
            assert "3 of 3 confirmed defects may pass" in page.text
        status, page = applied(client, own, passing=3, reason=" ")
        assert (status, "Write down why" in page.text) == (400, True)
        status, page = applied(client, own, passing=3)
        assert status == 303
        assert "Applied. 3 of 3 confirmed defects would pass with them; 1 more without a picture" in page.text
        assert Bank.load(place).thresholds.ok == 1e6
        audit = Page(client.get("/audit", params={"log": "banks"}).text)
        assert "fewer stops" in audit.text
        assert "3 of 3" in audit.text


def test_thresholds_that_pass_none_are_applied_with_a_reason_alone(own: ReviewSite) -> None:
    in_use = Bank.load(own.settings.stations[0].bank).thresholds
    with own.client("emil") as client:
        assert "Applied" not in client.get("/thresholds", params={"applied": 1}).text
        status, page = applied(client, own, ok=in_use.ok, ng=in_use.ng + 1)
    assert status == 303
    assert "Applied. 0 of 3 confirmed defects would pass with them." in page.text
    assert not [said for said in page.all("input") if said.get("name") == "passing"]


def test_what_is_known_of_a_bank_is_the_same_at_every_station_that_shares_it(own: ReviewSite) -> None:
    """Two of the three defects are of one station, one of the other; four frames passed at one alone."""
    for number in range(4):
        own.add(drawn_part(1000 + number), station=CAM2, minutes=SOON + 10 + number, kept=False)
    own.reviews.dispose(own.add(minutes=SOON + 20, kept=False), to="defect", reviewer="olga", version=0)
    with own.client("emil") as client:
        answers = [client.get("/api/v1/thresholds", params={"station": str(one)}).json() for one in (CAM1, CAM2)]
        assert answers[0]["preview"] == answers[1]["preview"]
        assert answers[0]["shifts"] == answers[1]["shifts"] > 0
        assert (answers[0]["preview"]["caught"], answers[0]["preview"]["rejected"]) == (4, 0)
        for station in (CAM1, CAM2):
            page = Page(client.get("/thresholds", params={"station": str(station)}).text)
            assert "of 4 known defects missed" in page.text
            assert "of 4 good frames" in page.text
            assert "Frames of all 2 stations with this bank since" in page.text
            banks = Page(client.get("/banks", params={"station": str(station)}).text)
            assert "3 confirmed defects, of all stations with this bank; 1 more without a picture" in banks.text


def test_shifts_under_another_bank_do_not_count(tmp_path: Path, bank: Path) -> None:
    """A frame in each of five shifts, of those in the middle by a bank that was rolled back."""
    with running_site(tmp_path, copy_of(bank, tmp_path), stations=[CAM1]) as alone, alone.client("emil") as client:
        first, *_, last = [alone.add(minutes=SOON - n * 8 * 60) for n in (4, 3, 2, 1, 0)]
        with alone.engine.begin() as connection:
            between = f"id > {first} AND id < {last}"
            connection.exec_driver_sql(f"UPDATE frames SET bank_id = 'rolled back' WHERE {between}")
        shifts = client.get("/api/v1/thresholds").json()["shifts"]
    assert 1 < shifts <= 2, "the first from its frame on, the last as a whole"


def test_a_bank_of_its_own_is_judged_by_its_own_frames(tmp_path: Path, bank: Path) -> None:
    with running_site(tmp_path, copy_of(bank, tmp_path), stations=[CAM1]) as alone, alone.client("emil") as client:
        alone.reviews.dispose(alone.add(minutes=SOON), to="defect", reviewer="olga", version=0)
        alone.reviews.dispose(alone.add(station=CAM2, minutes=SOON), to="defect", reviewer="olga", version=0)
        page = Page(client.get("/thresholds").text)
        assert "of 1 known defect missed" in page.text
        assert "Frames since" in page.text
        assert "1 confirmed defect" in Page(client.get("/banks").text).text


def test_a_bank_that_is_exchanged_while_it_is_read_is_not_taken_for_the_one_before(
    own: ReviewSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rollback brings back the folder of before, with the same stamp."""
    place = own.settings.stations[0].bank
    before = Bank.load(place)
    with_thresholds(place, tmp_path / "other", ok=1e5, ng=2e5)
    monkeypatch.setattr(bank_readings, "stamp", exchanged_after(bank_readings.stamp, place, tmp_path / "other"))
    with own.client("emil") as client:
        found = [preview(client)["ng"]]
        exchange(place, tmp_path / "other")
        found.append(preview(client)["ng"])
    assert found == [2e5, before.thresholds.ng]
