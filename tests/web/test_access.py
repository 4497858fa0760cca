"""Who gets in, as whom, and from where."""

import re
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from argon2 import PasswordHasher
from line import CAM2
from review_site import PASSWORD, ReviewSite, decided, posted, running_site

from inspector.store import Accounts, Role, Tally, open_database
from inspector.web.assets import ASSETS
from inspector.web.passwords import Passwords, TooManyFailuresError


def test_a_stranger_is_sent_to_the_login_and_back(site: ReviewSite) -> None:
    with site.client(None) as stranger:
        answer = stranger.get("/?state=all&order=newest")
        assert answer.status_code == 303
        assert answer.headers["location"] == "/login?next=%2F%3Fstate%3Dall%26order%3Dnewest"
        form = stranger.get(answer.headers["location"]).text
        assert 'name="next" value="/?state=all&amp;order=newest"' in form
        answer = stranger.post("/login", data={"name": "olga", "password": PASSWORD, "next": "/?state=all"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/?state=all")
        assert stranger.get("/").status_code == 200


def test_a_name_as_a_tablet_types_it_logs_in(site: ReviewSite) -> None:
    with site.client(None) as stranger:
        assert stranger.post("/login", data={"name": "Olga ", "password": PASSWORD}).status_code == 303
        assert "<span>olga</span>" in stranger.get("/").text


def test_a_password_that_is_refused_for_its_length_is_not_shown(site: ReviewSite) -> None:
    with site.client(None) as stranger:
        answer = stranger.post("/login", data={"name": "olga", "password": "hush" * 300})
    assert answer.status_code == 422
    assert "password: expected at most 1000 characters" in answer.text
    assert "hush" not in answer.text


def test_what_did_not_work_leads_back_to_where_it_can_be_asked_again(site: ReviewSite) -> None:
    with site.client("emil") as emil:
        assert (
            'href="/frame/999999?order=newest&amp;lot=a">Try again' in emil.get("/frame/999999?order=newest&lot=a").text
        )
        emil.headers["x-csrf-token"] = "of an earlier login"
        for path, page in (("/banks/rollback", "/banks"), ("/thresholds", "/thresholds"), ("/account", None)):
            refused = emil.post(path, data={"station": "any"})
            assert refused.status_code == 403
            assert ("Try again" in refused.text) == (page is not None)
            if page is not None:
                assert f'href="{page}">Try again' in refused.text
                assert emil.get(page).status_code == 200
    with site.client(None) as stranger:
        assert (
            stranger.post("/banks/rollback", data={"station": "any"}).headers["location"]
            == "/login?next=%2Fbanks&unsent=yes"
        )


@pytest.mark.parametrize("path", ["//other.example/login", "/%2Fother.example"])
def test_what_is_not_found_leads_to_no_other_site(site: ReviewSite, path: str) -> None:
    with site.client(None) as stranger:
        answer = stranger.get(site.url + path)
    assert answer.status_code == 404
    assert "other.example" not in answer.text
    assert 'href="/">To the queue' in answer.text


def test_who_sent_a_form_after_the_session_had_ended_is_told_and_comes_back_to_the_same_station(
    site: ReviewSite,
) -> None:
    with site.client("emil") as emil:
        form = emil.get(f"/thresholds?station={CAM2}").text
        [action] = re.findall(r'method="post" action="(/thresholds[^"]*)"', form)
        with site.engine.begin() as connection:
            connection.exec_driver_sql("DELETE FROM sessions")
        login = emil.post(
            unescape(action), data={"station": str(CAM2), "ok": "1", "ng": "2", "bank": "", "reason": "why"}
        )
        assert login.status_code == 303
        told = emil.get(login.headers["location"]).text
        assert "Your session has ended. What you sent was not recorded" in told
        [back] = re.findall(r'name="next" value="([^"]*)"', told)
        answer = emil.post("/login", data={"name": "emil", "password": PASSWORD, "next": unescape(back)})
        assert f'<option value="{CAM2}" selected' in emil.get(answer.headers["location"]).text
    with site.client(None) as stranger:
        assert "Your session has ended" not in stranger.get("/login?next=%2Fthresholds").text


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:run()"])
def test_a_login_never_leads_to_another_site(site: ReviewSite, target: str) -> None:
    with site.client(None) as stranger:
        answer = stranger.post("/login", data={"name": "olga", "password": PASSWORD, "next": target})
        assert answer.headers["location"] == "/"


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(site: ReviewSite) -> None:
    with site.client(None) as stranger:
        answer = stranger.post("/login", data={"name": "olga", "password": PASSWORD})
    said = answer.headers["set-cookie"].lower()
    assert "httponly" in said
    assert "samesite=lax" in said
    assert "secure" not in said


def test_wrong_passwords_at_once_are_as_many(site: ReviewSite) -> None:
    site.accounts.create("bert", PASSWORD, Role.OPERATOR, by="ada")
    with site.client(None) as stranger, ThreadPoolExecutor(20) as many:
        tries = [many.submit(stranger.post, "/login", data={"name": "bert", "password": "wrong"}) for _ in range(20)]
        codes = sorted(one.result().status_code for one in tries)
    assert codes == [401] * 5 + [429] * 15


def test_wrong_passwords_have_to_wait(site: ReviewSite) -> None:
    with site.client(None) as stranger:
        site.accounts.create("wendy", PASSWORD, Role.OPERATOR, by="ada")
        for _ in range(5):
            assert stranger.post("/login", data={"name": "wendy", "password": "wrong"}).status_code == 401
        answer = stranger.post("/login", data={"name": "Wendy", "password": "wrong"})
        assert answer.status_code == 429
        assert 0 < int(answer.headers["retry-after"]) <= 300
        assert stranger.post("/login", data={"name": "wendy", "password": PASSWORD}).status_code == 429
        assert stranger.post("/login", data={"name": "emil", "password": PASSWORD}).status_code == 303


def test_whoever_guesses_locks_nobody_out_who_asks_from_elsewhere(tmp_path: Path, bank: Path) -> None:
    with running_site(tmp_path, bank, behind_tls_proxy=True) as site, site.client(None) as stranger:

        def tried(name: str, password: str, forwarded: str) -> int:
            said = {"name": name, "password": password}
            return stranger.post("/login", data=said, headers={"x-forwarded-for": forwarded}).status_code

        assert [tried("olga", "wrong", "10.0.0.7") for _ in range(6)] == [401] * 5 + [429]
        assert tried("olga", PASSWORD, "10.0.0.7") == 429
        assert tried("olga", PASSWORD, "10.0.0.8") == 303
        made_up = [f"10.9.0.{number}, 10.0.0.9" for number in range(35)]
        assert [tried(f"name{i}", "wrong", said) for i, said in enumerate(made_up)] == [401] * 30 + [429] * 5
        own = [f"2001:db8::{number:x}" for number in range(6)]
        assert [tried("emil", "wrong", address) for address in own] == [401] * 5 + [429], "one machine's addresses"
        assert tried("emil", PASSWORD, "2001:db8:0:1::1") == 303
        mapped = ["::ffff:10.0.1.1"] * 5 + ["::ffff:10.0.1.2", "10.0.1.1"]
        assert [tried("ada", "wrong", address) for address in mapped] == [401] * 6 + [429]


def test_guesses_of_one_name_from_everywhere_have_an_end(tmp_path: Path) -> None:
    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    with open_database(f"sqlite:///{tmp_path}/ledger.sqlite3") as engine:
        passwords = Passwords(Accounts(engine, quick))
        for number in range(100):
            assert passwords.check("Olga", "wrong", address=f"10.0.{number}.1") is None
        with pytest.raises(TooManyFailuresError):
            passwords.check("olga", "wrong", address="10.1.0.1")


def test_logging_out_ends_the_session_on_this_side_too(site: ReviewSite) -> None:
    with site.client() as olga:
        cookie = dict(olga.cookies)
        assert olga.post("/logout").status_code == 303
        with site.client(None) as thief:
            thief.cookies.update(cookie)
            assert thief.get("/").status_code == 303


def test_nothing_is_changed_without_the_csrf_token(site: ReviewSite) -> None:
    frame = site.add()
    with site.client() as olga:
        del olga.headers["x-csrf-token"]
        assert posted(olga, f"/api/v1/frames/{frame}/disposition", to="defect", version=0).status_code == 403
        assert olga.post("/logout").status_code == 403
        olga.headers["x-csrf-token"] = "0" * 64
        assert posted(olga, f"/api/v1/frames/{frame}/disposition", to="defect", version=0).status_code == 403
    assert decided(site, frame) == (None, None, None)


@pytest.mark.parametrize(
    "headers", [{"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"origin": "http://evil.example"}]
)
def test_what_another_sites_page_sends_is_refused(site: ReviewSite, headers: dict[str, str]) -> None:
    frame = site.add()
    with site.client() as olga:
        olga.headers.update(headers)
        assert posted(olga, f"/api/v1/frames/{frame}/disposition", to="defect", version=0).status_code == 403
        assert olga.post("/login", data={"name": "olga", "password": PASSWORD}).status_code == 403
    assert decided(site, frame) == (None, None, None)


def test_every_answer_forbids_foreign_scripts_and_frames(site: ReviewSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tally, "stations", lambda _self: 1 / 0)
    with site.client("emil") as emil:
        for path in ("/", "/help", "/nowhere", f"{ASSETS.address}/style.css", "/api/v1/counts", "/audit"):
            answer = emil.get(path)
            assert (answer.status_code == 500) == (path == "/audit")
            headers = answer.headers
            assert headers["cache-control"]
            assert headers["content-security-policy"].startswith("default-src 'self'")
            assert "unsafe" not in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-frame-options"] == "DENY"


def test_no_page_has_inline_script_or_style(site: ReviewSite) -> None:
    frame = site.add()
    with site.client("ada") as ada:
        for path in ("/", f"/frame/{frame}", f"/frame/{frame}/nearest", "/help", "/nowhere"):
            text = ada.get(path).text
            assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=|javascript:", text), path


def test_a_link_logs_in_once(site: ReviewSite) -> None:
    code = site.sessions.begin_link("olga", 1, by="ada")
    with site.client(None) as stranger:
        assert stranger.get("/enter", params={"code": code}).status_code == 303
        assert stranger.get("/api/v1/me").json()["name"] == "olga"
    with site.client(None) as other:
        answer = other.get("/enter", params={"code": code})
        assert answer.status_code == 410
        assert "has been used" in answer.text
        assert other.get("/").status_code == 303


def test_who_has_forgotten_the_password_sets_another_by_a_link(site: ReviewSite) -> None:
    site.accounts.create("fred", "forgotten by now", Role.OPERATOR, by="ada")
    new = {"password": "a better password", "again": "a better password"}
    with site.client("ada") as ada:
        made = ada.post("/accounts/change", data={"name": "fred", "action": "link"}).text
        link = unescape(re.findall(r"<code[^>]*>(\S+)</code>", made)[0])
        assert ada.post("/account", data=new).status_code == 400, "who came by a password says the present one"
    with site.client(None) as fred:
        answer = fred.get(link)
        assert (answer.status_code, answer.headers["location"]) == (303, "/account")
        assert 'name="present"' not in fred.get("/account").text
        fred.headers["x-csrf-token"] = fred.get("/api/v1/me").json()["csrf"]
        assert fred.post("/account", data=new).status_code == 303
        assert 'name="present"' in fred.get("/account").text
        fred.headers["x-csrf-token"] = fred.get("/api/v1/me").json()["csrf"]
        assert fred.post("/account", data=new).status_code == 400
    assert site.accounts.verify("fred", "a better password") is not None


def test_a_token_speaks_for_its_account_below_the_api_alone(site: ReviewSite) -> None:
    frame = site.add()
    token = site.tokens.create("mes", "olga", Role.OPERATOR, by="ada")
    with site.client(None) as machine:
        assert machine.get("/api/v1/counts").status_code == 401
        machine.headers["authorization"] = f"Bearer {token}"
        assert machine.get("/api/v1/counts").json()["open"]["plant/hall1/line1/cam1"] >= 1
        assert posted(machine, f"/api/v1/frames/{frame}/disposition", to="unsure", version=0).status_code == 200
        assert machine.get("/").status_code == 303
        site.tokens.revoke(site.tokens.all()[0].id, by="ada")
        assert machine.get("/api/v1/counts").status_code == 401
    assert decided(site, frame) == ("unsure", None, "olga")


def test_an_account_that_is_disabled_is_out_at_once(site: ReviewSite) -> None:
    site.accounts.create("dora", PASSWORD, Role.OPERATOR, by="ada")
    with site.client("dora") as dora:
        assert dora.get("/").status_code == 200
        site.accounts.disable("dora", by="ada")
        assert dora.get("/").status_code == 303


def test_two_pages_on_one_box_do_not_log_each_other_out(tmp_path: Path, site: ReviewSite, bank: Path) -> None:
    with running_site(tmp_path, bank) as other, site.client() as olga:
        form = {"name": "emil", "password": PASSWORD}
        assert olga.post(f"{other.url}/login", data=form).status_code == 303
        assert [olga.get(f"{at.url}/api/v1/me").json()["name"] for at in (site, other)] == ["olga", "emil"]


def test_behind_tls_the_cookie_is_bound_to_it(tmp_path: Path, bank: Path) -> None:
    with running_site(tmp_path, bank, behind_tls_proxy=True) as site, site.client(None) as stranger:
        answer = stranger.post("/login", data={"name": "olga", "password": PASSWORD})
        assert answer.headers["set-cookie"].startswith(f"__Host-inspector-{urlsplit(site.url).port}=")
        assert "Secure" in answer.headers["set-cookie"]
        assert answer.headers["strict-transport-security"].startswith("max-age=")
