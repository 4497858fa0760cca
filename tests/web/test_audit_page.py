"""The page of the audit, over HTTP."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import httpx
import pytest
from line import CAM1, CAM2, drawn_part
from pages import HOSTILE, Page
from review_site import NOON, ReviewSite
from sqlalchemy import Engine, insert

from inspector import settings
from inspector.banks import promotion
from inspector.store.tables import account_changes, promotions


@pytest.fixture(scope="module")
def client(site: ReviewSite) -> Iterator[httpx.Client]:
    for words in HOSTILE:
        frame = site.add(frame_id=words)
        site.reviews.dispose(
            frame, to="defect", defect_type=words[:64], reviewer=words[:64], version=0, note=words * 20
        )
    last = site.add(station=CAM2)
    site.reviews.dispose(last, to="unsure", reviewer="olga", version=0)
    site.reviews.undo(last, reviewer="olga", version=1)
    with site.engine.begin() as connection:
        for words in HOSTILE:
            connection.execute(
                insert(promotions).values(
                    at=NOON, station=str(CAM1), by=words[:64], action="thresholds", from_id="a", from_digest="1" * 64,
                    to_id=words, to_digest="2" * 64, reason=words, guard_missed=2,
                )
            )  # fmt: skip
            row = {
                "at": NOON,
                "by": words[:64],
                "account": words[:64],
                "action": "token_made",
                "detail": f"viewer: {words}",
            }
            connection.execute(insert(account_changes), row)
    with site.client("emil") as opened:
        yield opened


def rows(text: str) -> int:
    return len(Page(text).all("tr")) - 1


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, len(HOSTILE) + 2),
        ({"who": "olga"}, 2),
        ({"who": "olga", "action": "undo"}, 1),
        ({"station": str(CAM1)}, len(HOSTILE)),
        ({"who": HOSTILE[0]}, 1),
        ({"log": "banks"}, len(HOSTILE)),
        ({"log": "banks", "action": "thresholds", "until": "2026-03-03T00:00"}, len(HOSTILE)),
        ({"log": "banks", "until": "2026-03-01T00:00"}, -1),
        ({"log": "banks", "action": "rollback"}, -1),
        ({"log": "accounts"}, len(HOSTILE) + 3),
        ({"log": "accounts", "who": "ada"}, 3),
        ({"log": "accounts", "named": "olga"}, 1),
        ({"log": "accounts", "named": HOSTILE[0]}, 1),
        ({"log": "accounts", "action": "made", "station": str(CAM1)}, 3),
        ({"log": "accounts", "until": "2026-03-03T00:00"}, len(HOSTILE)),
        ({"log": "accounts", "who": "olga"}, -1),
    ],
)
def test_filters_in_the_address(client: httpx.Client, asked: dict[str, str], expected: int) -> None:
    answer = client.get("/audit", params=asked)
    assert answer.status_code == 200
    assert rows(answer.text) == expected


@pytest.mark.parametrize(
    "asked",
    [
        {"action": "promote"},
        {"action": "dispsoe"},
        {"log": "banks", "action": "undo"},
        {"log": "accounts", "action": "undo"},
    ],
)
def test_an_action_that_the_log_does_not_have_is_refused(client: httpx.Client, asked: dict[str, str]) -> None:
    answer = client.get("/api/v1/audit", params=asked)
    assert answer.status_code == 400
    assert f"action: got '{asked['action']}', expected " in answer.json()["error"]


@pytest.mark.parametrize("log", ["frames", "banks", "accounts"])
def test_hostile_words_are_shown_as_words(client: httpx.Client, log: str) -> None:
    page = Page(client.get("/audit", params={"log": log}).text)
    assert page.obeys_the_policy
    assert not [said for said in page.all("img") if said.get("src") == "x"]
    for words in HOSTILE:
        assert re.sub(r"\s+", " ", words) in page.text


def test_page_after_page(client: httpx.Client, site: ReviewSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inspector.web.pages.audit.PAGE", 3)
    seen: list[int] = []
    asked: dict[str, object] = {}
    while True:
        said = client.get("/api/v1/audit", params=asked).json()
        seen += [row["id"] for row in said["rows"]]
        if said["next"] is None:
            break
        asked = {"before": said["next"]}
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == len(set(seen)) == len(HOSTILE) + 2
    older = [said for said in Page(client.get("/audit").text).all("a") if said.get("rel") == "next"]
    assert len(older) == 1
    assert older[0]["href"] == f"/audit?before={seen[2]}"


def test_an_account_may_be_called_like_one_of_the_logs(client: httpx.Client) -> None:
    links = [said.get("href", "") for said in Page(client.get("/audit?who=frames").text).all("a")]
    onward = [link for link in links if link.startswith("/audit?")]
    assert onward
    assert all("who=frames" in link for link in onward)


def test_nothing_matches(client: httpx.Client) -> None:
    assert "Nobody has said anything that matches" in Page(client.get("/audit?who=nobody").text).text
    assert "No station was given a bank" in Page(client.get("/audit?log=banks&who=nobody").text).text
    assert "No change of an account" in Page(client.get("/audit?log=accounts&who=nobody").text).text


@pytest.mark.parametrize("asked", ["frame=x", "frame=-1", "before=99999999999999999999", "log=x", "since=never"])
def test_what_cannot_be_asked_is_told(client: httpx.Client, asked: str) -> None:
    assert client.get(f"/audit?{asked}").status_code in (400, 422)


def test_what_an_administrator_changes_on_the_page_is_there_at_once(site: ReviewSite, client: httpx.Client) -> None:
    with site.client("ada") as ada, site.client(None) as ivy:
        ada.post("/accounts", data={"name": "ivy", "password": "long enough, really", "role": "viewer"})
        ada.post("/accounts/change", data={"name": "ivy", "action": "operator"})
        made = ada.post("/accounts/change", data={"name": "ivy", "action": "link"}).text
        ivy.get(unescape(re.findall(r"<code[^>]*>(\S+)</code>", made)[0]))
        ivy.headers["x-csrf-token"] = ivy.get("/api/v1/me").json()["csrf"]
        for present in ("", "a better password"):
            new = {"password": "a better password", "again": "a better password", "present": present}
            assert ivy.post("/account", data=new).status_code == 303
            ivy.headers["x-csrf-token"] = ivy.get("/api/v1/me").json()["csrf"]
        ada.post("/accounts/change", data={"name": "ivy", "action": "disable"})
        ada.post("/accounts/change", data={"name": "ivy", "action": "enable"})
        ada.post("/tokens", data={"name": "mes", "role": "viewer"})
        ada.post("/tokens/revoke", data={"token": site.tokens.all()[0].id})
    rows = client.get("/api/v1/audit", params={"log": "accounts", "since": "2026-03-03T00:00"}).json()["rows"]
    told = [(row["by"], row["account"], row["action"], row["detail"]) for row in reversed(rows)][3:]
    assert told == [
        ("ada", "ivy", "made", "viewer"),
        ("ada", "ivy", "role", "viewer to operator"),
        ("ada", "ivy", "link", None),
        ("ivy", "ivy", "password", "came by a login link"),
        ("ivy", "ivy", "password", None),
        ("ada", "ivy", "disabled", None),
        ("ada", "ivy", "enabled", None),
        ("ada", "ada", "token_made", "viewer: mes"),
        ("ada", "ada", "token_revoked", "viewer: mes"),
    ]
    shown = Page(client.get("/audit", params={"log": "accounts", "named": "ivy"}).text).text
    for words in ("account made", "role changed", "viewer to operator", "login link made", "password changed"):
        assert words in shown


def test_it_is_for_engineers(site: ReviewSite) -> None:
    with site.client("olga") as operator:
        assert operator.get("/audit").status_code == 403
        assert operator.get("/api/v1/audit").status_code == 403
        assert "/audit" not in [said.get("href") for said in Page(operator.get("/figures").text).all("a")]
    with site.client(None) as stranger:
        assert stranger.get("/audit").status_code == 303


def test_a_frame_that_passed_and_was_found_good_is_no_false_alarm(client: httpx.Client, site: ReviewSite) -> None:
    for payload, word in ((drawn_part(1001), "good"), (None, "false alarm")):
        frame = site.add(payload)
        site.reviews.dispose(frame, to="false_alarm", reviewer="ida", version=0)
        assert f'<span class="badge false_alarm">{word}</span>' in client.get("/audit", params={"frame": frame}).text


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_each_folder_of_a_bank_is_looked_for_a_few_times(
    database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many stations there are: links are followed by asking the disk."""
    lines = (f"  - {{id: plant/hall1/line1/cam{number}, bank: banks/{number}}}\n" for number in range(30))
    (tmp_path / "inspector.yaml").write_text("data_dir: data\nstations:\n" + "".join(lines))
    loaded, resolve, asked = settings.load(tmp_path / "inspector.yaml"), Path.resolve, []

    def followed(path: Path, strict: bool = False) -> Path:
        asked.append(path)
        return resolve(path, strict)

    monkeypatch.setattr(Path, "resolve", followed)
    assert promotion.record_all(loaded, database) == []
    assert 30 <= len(asked) <= 4 * 30


def test_the_filter_takes_the_name_that_the_column_shows_or_that_of_the_part(site: ReviewSite) -> None:
    before = site.add(part_id="p-90")
    first = site.add(frame_id=str(before + 2), part_id="p-91")
    second = site.add(frame_id=str(first), part_id=None)
    assert second == before + 2
    for frame in (first, second):
        site.reviews.dispose(frame, to="unsure", reviewer="olga", version=0)
    with site.client("emil") as emil:
        assert len([one for one in Page(emil.get("/audit").text).all("input") if one.get("name") == "named"]) == 1
        for typed, meant in ((first, second), (second, first), ("p-91", first), ("p-90", None)):
            shown = Page(emil.get("/audit", params={"named": str(typed)}).text)
            links = [said["href"] for said in shown.all("a") if str(said.get("href")).startswith("/frame/")]
            assert links == ([f"/frame/{meant}"] if meant else [])
        rows = emil.get("/api/v1/audit", params={"frame": first}).json()["rows"]
        assert [row["frame"] for row in rows] == [first]
