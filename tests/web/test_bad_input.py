"""What should not be asked, and what should not happen: each has a clear answer, and nothing is changed by it."""

import re
from contextlib import ExitStack
from pathlib import Path

import jsonschema
import pytest
from line import drawn_part
from review_site import PASSWORD, ReviewSite, decided, posted, running_site
from sqlalchemy import event

from inspector.store import Role
from inspector.web.assets import ASSETS

GONE = 9_999_999


@pytest.mark.parametrize(
    "path",
    [
        f"/frame/{GONE}",
        f"/api/v1/frames/{GONE}/picture",
        f"/frame/{GONE}/map",
        f"/frame/{GONE}/nearest",
        f"/api/v1/frames/{GONE}",
        f"/api/v1/frames/{2**70}",
        "/frame/-1",
        "/frame/0",
        "/bank-sample/" + "0" * 64 + "/0",
        "/nowhere",
    ],
)
def test_what_is_not_there_is_404(site: ReviewSite, path: str) -> None:
    with site.client() as olga:
        assert olga.get(path).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/frame/..%2F..%2Fetc%2Fpasswd",
        "/frame/1/../../../etc/passwd",
        "/bank-sample/..%2F..%2Fetc/0",
        "/bank-sample/../../etc/passwd",
        f"{ASSETS.address}/..%2F..%2Fpyproject.toml",
        f"{ASSETS.address}/../app.py",
        f"{ASSETS.address}/%2e%2e/app.py",
    ],
)
def test_no_path_leads_out_of_the_archive(site: ReviewSite, path: str) -> None:
    with site.client() as olga:
        answer = olga.get(path)
        assert answer.status_code in (404, 422)
        assert "root:" not in answer.text
        assert "create_app" not in answer.text


@pytest.mark.parametrize(
    "query",
    [
        "since=yesterday",
        "since=0001-01-01T00:00",
        "until=9999-12-31T23:59Z",
        "shift=lunch",
        "after=x",
        "after=newest_1_2",
        "score_min=many",
        "score_min=nan",
        "order=best",
    ],
)
def test_a_filter_that_cannot_be_is_told(site: ReviewSite, query: str) -> None:
    with site.client() as olga:
        page, said = olga.get(f"/?{query}"), olga.get(f"/api/v1/frames?{query}", headers={"accept": "application/json"})
    assert page.status_code in (400, 422)
    assert "<h1>This" in page.text
    assert said.status_code == page.status_code
    assert said.json()["error"]


@pytest.mark.parametrize(
    ("moment", "zone"),
    [("0001-01-01 00:00:00.000000", "America/Chicago"), ("9999-12-31 23:59:59.000000", "Asia/Tokyo")],
)
def test_a_camera_without_a_clock_keeps_nobody_from_its_frames(
    bank: Path, tmp_path: Path, moment: str, zone: str
) -> None:
    with running_site(tmp_path, bank, time_zone=zone) as far:
        frame = far.add()
        with far.engine.begin() as connection:
            connection.exec_driver_sql(f"UPDATE frames SET captured_at = '{moment}'")
        with far.client() as olga:
            assert olga.get(f"/frame/{frame}").status_code == 200


def test_times_of_an_address_stand_in_the_form_by_the_plants_clock(bank: Path, tmp_path: Path) -> None:
    with running_site(tmp_path, bank, time_zone="Asia/Tokyo") as far, far.client("ada") as ada:
        for path in ("/?", "/figures?", "/audit?"):
            page = ada.get(f"{path}since=2026-03-02T12:03Z&until=2026-03-03T07:00").text
            assert 'name="since" value="2026-03-02T21:03"' in page
            assert 'name="until" value="2026-03-03T07:00"' in page


def test_what_a_stranger_sends_has_a_clear_answer(site: ReviewSite) -> None:
    with site.client(None) as stranger:
        assert stranger.get("/login", params={"next": "//["}).status_code == 200
        answer = stranger.post("/login", data={"name": "olga", "password": PASSWORD, "next": "//["})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
    with site.client(None) as stranger:
        told = stranger.post("/login", data={"name": "olga", "password": "x"}, headers={"origin": "http://["})
        assert told.status_code == 403
    with site.client("ada") as ada:
        assert ada.post("/tokens/revoke", data={"token": 2**70}).status_code == 422
        odd = [(b"x-csrf-token", b"\xc3\xbc")]
        del ada.headers["x-csrf-token"]
        assert ada.post("/tokens/revoke", data={"token": 1}, headers=odd).status_code == 403


def test_half_a_character_as_the_token_of_a_form_is_refused(site: ReviewSite) -> None:
    """A form may name a character set in which there are such."""
    form = '--x\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n\\ud800\r\n--x--\r\n'
    kind = "multipart/form-data; boundary=x; charset=unicode_escape"
    with site.client() as olga:
        del olga.headers["x-csrf-token"]
        assert olga.post("/logout", content=form.encode(), headers={"content-type": kind}).status_code == 403
        assert olga.get("/").status_code == 200


@pytest.mark.parametrize("path", ["/thresholds", "/api/v1/thresholds", "/", "/api/v1/frames"])
def test_scores_beyond_all_that_there_are_are_refused(site: ReviewSite, path: str) -> None:
    names = ("ok", "ng") if "thresholds" in path else ("score_min", "score_max")
    with site.client("emil") as emil:
        assert emil.get(path, params=dict(zip(names, ("1e308", "1.7e308"), strict=True))).status_code == 422
        assert emil.get(path, params=dict(zip(names, ("1e11", "1e12"), strict=True))).status_code == 200
    if path == "/thresholds":
        with site.client("emil") as emil:
            form = {"station": site.settings.station_names[0], "ok": 1, "ng": 1e308, "bank": "x", "reason": "y"}
            assert emil.post(path, data=form).status_code == 422


def test_a_disposition_of_nothing_is_404(site: ReviewSite) -> None:
    with site.client() as olga:
        assert posted(olga, f"/api/v1/frames/{GONE}/disposition", to="defect", version=0).status_code == 404
        assert posted(olga, f"/api/v1/frames/{GONE}/undo", version=1).status_code == 404
        answer = posted(olga, "/api/v1/dispositions", to="defect", frames=[{"id": GONE, "version": 0}])
        assert answer.json()["unknown"] == [GONE]


def test_the_same_disposition_twice_is_one(site: ReviewSite) -> None:
    frame = site.add()
    with site.client() as olga:
        for _ in range(2):
            answer = posted(olga, f"/api/v1/frames/{frame}/disposition", to="defect", defect_type="dent", version=0)
            assert (answer.status_code, answer.json()["version"]) == (200, 1)
        for _ in range(2):
            answer = posted(olga, f"/api/v1/frames/{frame}/undo", version=1)
            assert (answer.status_code, answer.json()["version"]) == (200, 2)
        history = olga.get(f"/api/v1/frames/{frame}/history").json()
    assert [said["action"] for said in history] == ["dispose", "undo"]


def test_a_conflict_says_who_and_what(site: ReviewSite) -> None:
    frame = site.add()
    site.reviews.dispose(frame, to="unsure", reviewer="emil", version=0)
    with site.client() as olga:
        answer = posted(olga, f"/api/v1/frames/{frame}/disposition", to="defect", version=0)
    assert answer.status_code == 409
    said = answer.json()["conflict"]
    assert (said["reviewer"], said["disposition"], said["version"]) == ("emil", "unsure", 1)
    assert decided(site, frame) == ("unsure", None, "emil")


def test_the_api_answers_as_its_description_says(site: ReviewSite) -> None:
    """What refuses is described as it is; what machines send their token as is told."""
    frame = site.add()
    dispose = f"/api/v1/frames/{frame}/disposition"
    with site.client() as olga, site.client(None) as stranger:
        described = olga.get("/api/v1/openapi.json").json()
        refusals = [
            (olga.get("/api/v1/frames/999999"), 404),
            (olga.get("/api/v1/frames?limit=0"), 422),
            (olga.get("/api/v1/frames?shift=none"), 400),
            (olga.get("/api/v1/audit"), 403),
            (olga.put("/api/v1/me"), 405),
            (olga.post(dispose, content="{half", headers={"content-type": "application/json"}), 422),
            (olga.post(dispose, data={"to": "defect", "version": 0}, headers={"accept": "application/json"}), 422),
            (posted(olga, dispose, to="defect", version=3), 409),
            (stranger.get("/api/v1/me"), 401),
        ]
    components = described["components"]
    for answer, status in refusals:
        assert answer.status_code == status, answer.text
        named = "Conflict" if status == 409 else "Fault"
        jsonschema.validate(answer.json(), {"$ref": f"#/components/schemas/{named}", "components": components})
    assert [answer.json()["error"] for answer, _ in refusals[5:8]] == [
        *["expected a JSON object, sent as application/json"] * 2,
        f"frame {frame}: nobody has decided it, its version is 0",
    ]
    assert refusals[4][0].headers["allow"] == "GET"
    assert refusals[-1][0].headers["www-authenticate"] == "Bearer"
    [scheme] = components["securitySchemes"]
    for path in described["paths"].values():
        for operation in path.values():
            assert operation["security"] == [{scheme: []}]
            assert operation["responses"].keys() <= {"200", "409", "default"}
            assert operation["responses"]["200"]["content"]


@pytest.mark.parametrize(
    "body",
    [
        {"to": "maybe", "version": 0},
        {"to": "defect"},
        {"to": "defect", "version": -1},
        {"to": "false_alarm", "defect_type": "dent", "version": 0},
        {"to": "defect", "defect_type": "x" * 65, "version": 0},
        {"to": "defect", "defect_type": "a\x00b", "version": 0},
    ],
)
def test_words_that_are_not_allowed_change_nothing(site: ReviewSite, body: dict[str, object]) -> None:
    frame = site.add()
    with site.client() as olga:
        answer = posted(olga, f"/api/v1/frames/{frame}/disposition", **body)
    assert answer.status_code in (400, 422)
    assert answer.json()["error"]
    assert decided(site, frame) == (None, None, None)


def test_an_escape_is_entered_by_hand(site: ReviewSite) -> None:
    frame = site.add(drawn_part(1005), part_id="came-back")
    with site.client() as olga:
        found = olga.get("/find?part=came-back")
        assert f"/frame/{frame}?" in found.text
        page = olga.get(f"/frame/{frame}")
        assert "enters an <b>escape</b>" in page.text
        answer = posted(olga, f"/api/v1/frames/{frame}/escape", version=0, defect_type="crack")
        assert answer.json()["disposition"] == "defect"
    assert [row.action for row in site.reviews.history(frame)] == ["escape"]


def test_a_full_disk_is_a_clear_answer_and_reading_goes_on(site: ReviewSite) -> None:
    frames = [site.add() for _ in range(30)]

    def full(connection: object, _record: object) -> None:
        connection.execute("PRAGMA max_page_count = 1").close()  # type: ignore[attr-defined]

    with site.client() as olga:
        event.listen(site.engine, "connect", full)
        site.engine.dispose()
        try:
            said = {"to": "unsure", "version": 0, "note": "n" * 2000}
            answers = [posted(olga, f"/api/v1/frames/{frame}/disposition", **said) for frame in frames]
            assert answers[-1].status_code == 503
            assert "database or disk is full" in answers[-1].text
            assert "kept in this browser" in answers[-1].text
            assert decided(site, frames[-1]) == (None, None, None)
            assert olga.get(f"/frame/{frames[-1]}").status_code == 200
        finally:
            event.remove(site.engine, "connect", full)
            site.engine.dispose()
        assert posted(olga, f"/api/v1/frames/{frames[-1]}/disposition", **said).status_code == 200


def test_only_administrators_see_accounts(site: ReviewSite) -> None:
    for name in ("olga", "emil"):
        with site.client(name) as client:
            assert client.get("/accounts").status_code == 403
            assert 'href="/accounts"' not in client.get("/").text
            body = {"name": "mallory", "password": PASSWORD, "role": "admin"}
            assert client.post("/accounts", data=body).status_code == 403
    assert "mallory" not in [account.name for account in site.accounts.all()]


def test_an_administrator_makes_accounts_links_and_tokens(site: ReviewSite) -> None:
    with site.client("ada") as ada:
        new = {"name": "nora", "password": PASSWORD, "role": "operator"}
        assert "nora can log in now" in ada.post("/accounts", data=new).text
        assert "The name nora is taken." in ada.post("/accounts", data=new).text
        assert "expected 10 to" in ada.post("/accounts", data=new | {"name": "nils", "password": "short"}).text
        ada.post("/accounts/change", data={"name": "nora", "action": "engineer"})
        assert [account.role for account in site.accounts.all() if account.name == "nora"] == [Role.ENGINEER]
        link = re.search(
            r"http://\S+/enter\?code=[\w-]+", ada.post("/accounts/change", data={"name": "nora", "action": "link"}).text
        )
        assert link is not None
        with site.client(None) as browser:
            assert browser.get(link[0]).status_code == 303
            assert browser.get("/api/v1/me").json()["name"] == "nora"
        ada.post("/accounts/change", data={"name": "nora", "action": "disable"})
        assert site.accounts.verify("nora", PASSWORD) is None
        assert "is the last admin" in ada.post("/accounts/change", data={"name": "ada", "action": "operator"}).text
        token = re.search(
            r"insp_[\w-]+", ada.post("/tokens", data={"name": "mes", "role": "operator", "days": 30}).text
        )
        assert token is not None
        assert token[0] not in ada.get("/accounts").text
        assert site.tokens.account(token[0]) is not None


def test_an_account_that_was_refused_keeps_its_name_and_its_role_in_the_form(site: ReviewSite) -> None:
    with site.client("ada") as ada:
        refused = ada.post("/accounts", data={"name": "nils", "password": "administrator", "role": "engineer"})
        made = ada.get("/accounts").text
    form = refused.text.partition('action="/accounts"')[2].partition("</form>")[0]
    assert refused.status_code == 400
    assert 'value="nils"' in form
    assert '<option value="engineer" selected>' in form
    assert "administrator" not in form
    assert '<option value="operator" selected>' in made.partition('action="/accounts"')[2]


def test_everybody_may_change_their_own_password(site: ReviewSite) -> None:
    site.accounts.create("pia", PASSWORD, Role.OPERATOR, by="ada")
    with site.client("pia") as elsewhere, site.client("pia") as pia:
        form = {"present": "wrong", "password": "another long one", "again": "another long one"}
        assert "present password is wrong" in pia.post("/account", data=form).text
        form["present"] = PASSWORD
        assert "differ" in pia.post("/account", data=form | {"again": "mistyped"}).text
        assert pia.post("/account", data=form).status_code == 303
        assert pia.get("/").status_code == 200
        assert elsewhere.get("/").status_code == 303
    assert site.accounts.verify("pia", "another long one") is not None


def test_nobody_fills_the_memory(site: ReviewSite) -> None:
    with site.client(None) as stranger:
        told = stranger.post(
            "/api/v1/dispositions", content=b"x" * 1_000_001, headers={"content-type": "application/json"}
        )
        assert told.status_code == 413
        assert "1000 kB at most" in told.text
        parts = (b"x" * 100_000 for _ in range(11))  # in chunks, so of a length that it does not say
        told = stranger.post("/api/v1/dispositions", content=parts, headers={"content-type": "application/json"})
        assert told.status_code == 413
    with site.client() as olga:
        assert olga.get("/").status_code == 200


def test_a_selection_that_is_sent_twice_is_taken_back_by_its_name(site: ReviewSite) -> None:
    frames = [{"id": site.add(), "version": 0} for _ in range(3)]
    name = "0f9a4f0e-4c52-4c0a-9b3e-0d3c4e9f0a11"
    with site.client() as olga:
        for _ in range(2):
            said = posted(olga, "/api/v1/dispositions", frames=frames, to="defect", batch=name).json()
            assert (len(said["done"]), said["batch"]) == (3, name)
        assert posted(olga, "/api/v1/dispositions", frames=frames, to="defect", batch="mine").status_code == 422
        back = posted(olga, f"/api/v1/batches/{name}/undo").json()
        assert len(back["done"]) == 3
    assert {decided(site, one["id"]) for one in frames} == {(None, None, None)}


def test_of_countless_streams_of_an_account_the_oldest_end(site: ReviewSite) -> None:
    with site.client() as olga, ExitStack() as opened:
        streams = [opened.enter_context(olga.stream("GET", "/live")) for _ in range(55)]
        for ended in streams[:5]:
            assert 1 <= "".join(ended.iter_text()).count("event: ") < 60, (
                "it ends before its time, which is 120 of them"
            )
        newest = streams[-1].iter_text()
        assert "retry: " in next(newest)
        assert [next(newest) for _ in range(3)]
