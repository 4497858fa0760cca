"""The page of figures and its part of the API, over HTTP, on the real application."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from line import CAM1, CAM2, drawn_part
from pages import HOSTILE, Page
from review_site import NOON, ReviewSite
from sqlalchemy import insert

from inspector.store.tables import removed

DAY = {"since": "2026-03-02T06:00", "until": "2026-03-03T06:00"}


@pytest.fixture(scope="module")
def client(site: ReviewSite) -> Iterator[httpx.Client]:
    flagged = [site.add() for _ in range(6)]
    for n in range(2):
        site.add(station=CAM2, minutes=180 + n)
    drawn = [site.add(drawn_part(1000 + n), sampled=True) for n in range(4)]
    for seed in range(20):
        site.add(drawn_part(1000 + seed % 10), kept=False)
    for frame in flagged[:3]:
        site.reviews.dispose(frame, to="defect", defect_type="scratch", reviewer="olga", version=0)
    site.reviews.dispose(flagged[3], to="defect", defect_type="dent", reviewer="olga", version=0)
    site.reviews.dispose(flagged[3], to="false_alarm", reviewer="emil", version=1)
    for frame in drawn[:3]:
        site.reviews.dispose(frame, to="false_alarm", reviewer="olga", version=0)
    with site.client() as opened:
        yield opened


def test_known_dispositions_give_known_numbers(client: httpx.Client) -> None:
    said = client.get("/api/v1/figures", params=DAY).json()
    assert said["outcomes"] == {"ok": 24, "uncertain": 0, "ng": 8, "error": 0, "drop": 0}
    assert (said["asked"], said["waiting"]) == (12, 5)
    assert said["pareto"] == [{"type": "scratch", "frames": 3, "share": 1.0}]
    rejects = said["false_rejects"]
    assert (rejects["count"], rejects["of"], rejects["not_decided"]) == (1, 32 - 3 - 4, 4)
    assert 0 < rejects["low"] < rejects["rate"] < rejects["high"] < 1
    assert (said["escapes"]["sampled_ok"]["count"], said["escapes"]["sampled_ok"]["of"]) == (0, 3)
    assert said["agreement"] == {"same": said["agreement"]["same"], "kappa": None}
    assert [(s["shift"], s["outcomes"]["ng"], s["waiting"]) for s in said["shifts"]] == [
        ("early", 6, 3),
        ("late", 2, 2),
        ("night", 0, 0),
    ]


def test_the_page_shows_the_same(client: httpx.Client) -> None:
    answer = client.get("/figures", params=DAY)
    page = Page(answer.text)
    assert answer.status_code == 200
    assert page.obeys_the_policy
    assert "Inspected 32 8 ng, 0 uncertain" in page.text
    assert "To review 5 of 12 frames" in page.text
    assert "1 of 25 good frames rejected, 4 ng not decided" in page.text
    charts = [said for tag, said in page.tags if tag == "svg"]
    assert len(charts) == 6
    assert all(said["role"] == "img" and said["aria-label"] for said in charts)
    assert sum(tag == "desc" for tag, _ in page.tags) == len(charts)
    assert sum(tag == "details" for tag, _ in page.tags) == len(charts)


def test_rejects_that_nobody_has_looked_at_are_no_rate_of_nought(client: httpx.Client, site: ReviewSite) -> None:
    for n in range(10):
        site.add(drawn_part(1000 + n % 2) if n > 1 else None, station=CAM2, minutes=20 * 24 * 60 + n)
    then = {"since": "2026-03-22T06:00", "until": "2026-03-23T06:00"}
    said = client.get("/api/v1/figures", params=then).json()
    for rejects in (said["false_rejects"], said["stations"][0]["false_rejects"]):
        assert rejects["rate"] is None
        assert (rejects["low"], rejects["not_decided"]) == (0, 2)
    page = Page(client.get("/figures", params=then).text).text
    assert "False rejects – 2 ng frames to decide first" in page
    assert "line1/cam2 – (0 to 56 %)" in page
    assert f"{CAM2} 8 0 2 0 0 2 of 2 – –" in page


def test_while_rejects_wait_the_interval_stands_for_the_rate(client: httpx.Client) -> None:
    page = Page(client.get("/figures", params=DAY).text).text
    assert re.search(r"False rejects 0\.\d+ to \d+ % 1 of 25 good frames rejected, 4 ng not decided", page)
    assert f"{CAM1} 24 0 6 0 0 3 of 10 1 of 25: 0." in page


def test_station_and_shift_narrow_it(client: httpx.Client) -> None:
    one = client.get("/api/v1/figures", params=DAY | {"station": str(CAM2)}).json()
    assert (one["outcomes"]["ng"], one["outcomes"]["ok"], one["waiting"]) == (2, 0, 2)
    early = client.get("/api/v1/figures", params=DAY | {"shift": "early"}).json()
    assert (early["outcomes"]["ng"], len(early["shifts"])) == (6, 1)
    agreed = [
        client.get("/api/v1/figures", params=DAY | {"shift": shift}).json()["agreement"]["same"]["of"]
        for shift in ("early", "late")
    ]
    assert agreed == [1, 0]
    none = client.get("/api/v1/figures", params=DAY | {"station": "a/b/c/d"}).json()
    assert none["outcomes"]["ok"] == 0


def test_a_forms_empty_fields_leave_the_address(client: httpx.Client) -> None:
    answer = client.get("/figures", params={"station": "", "since": "", "until": "", "shift": "late"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/figures?shift=late")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"since": "yesterday"}, "expected a time as in"),
        ({"since": "2026-03-03T06:00", "until": "2026-03-02T06:00"}, "expected a time before the end"),
        ({"since": "2020-01-01T00:00", "until": "2026-01-01T00:00"}, "expected at most 92"),
        ({"shift": "lunch"}, "expected one of early, late, night"),
        ({"days": "9999"}, "less than or equal to 92"),
    ],
)
def test_what_cannot_be_asked_is_told(client: httpx.Client, asked: dict[str, str], told: str) -> None:
    answer = client.get("/figures", params=asked)
    assert answer.status_code in (400, 422)
    assert told in Page(answer.text).text


def test_nobody_sees_it_without_a_login(site: ReviewSite) -> None:
    with site.client(None) as stranger:
        assert stranger.get("/figures").status_code == 303
        assert stranger.get("/api/v1/figures").status_code == 401


def test_without_frames_each_chart_says_what_is_missing(client: httpx.Client) -> None:
    page = Page(client.get("/figures", params={"since": "2020-01-01T06:00", "until": "2020-01-02T06:00"}).text)
    assert not page.all("svg")
    for said in (
        "No frame of this time was found to be a defect.",
        "No frames were inspected in this time.",
        "No frames arrived in this time.",
        "No station has frames in this time.",
        "No frame of this time has been decided yet.",
        "No frame was decided by two people",
        "No ok frame was sampled in this time.",
    ):
        assert said in page.text
    assert "nan" not in page.text.lower()


def test_hostile_words_are_shown_as_words(client: httpx.Client, site: ReviewSite) -> None:
    later = 10 * 24 * 60
    for words in HOSTILE:
        frame = site.add(lot=words, part_id=words, minutes=later)
        site.reviews.dispose(frame, to="defect", defect_type=words[:64], reviewer="olga", version=0)
    then = {"since": "2026-03-12T06:00", "until": "2026-03-13T06:00"}
    assert Page(client.get("/figures", params=then | {"station": HOSTILE[0]}).text).obeys_the_policy
    page = Page(client.get("/figures", params=then).text)
    assert page.obeys_the_policy
    assert not [said for said in page.all("img") if said.get("src") == "x"]
    for words in HOSTILE:
        assert re.sub(r"\s+", " ", words) in page.text
    assert "49" not in [word.strip() for word in page.words]


def test_where_frames_were_removed_it_says_since_when_rates_are_whole(client: httpx.Client, site: ReviewSite) -> None:
    earlier = {"since": "2026-02-01T06:00", "until": "2026-02-02T06:00"}
    assert client.get("/api/v1/figures", params=earlier).json()["complete_since"] is None
    assert "are removed already" not in Page(client.get("/figures", params=earlier).text).text
    at = datetime(2026, 2, 1, 7, tzinfo=UTC)
    site.add(minutes=int((at - NOON) / timedelta(minutes=1)))
    with site.engine.begin() as connection:
        connection.execute(insert(removed).values(station=str(CAM2), received_at=at))
    said = client.get("/api/v1/figures", params=earlier).json()
    assert said["complete_since"] == "2026-02-01T14:00:00Z"
    assert (said["outcomes"]["ng"], said["false_rejects"]["rate"], said["false_rejects"]["not_decided"]) == (1, None, 0)
    page = Page(client.get("/figures", params=earlier).text)
    assert "rates are of the shifts from 2026-02-01 14:00:00 on" in page.text
    assert "False rejects – No frames in shifts that still have all of theirs." in page.text
    assert client.get("/api/v1/figures", params=earlier | {"station": str(CAM1)}).json()["complete_since"] is None
    assert client.get("/api/v1/figures", params=DAY).json()["complete_since"] is None
