"""Who came in and who changed what accounts may do is in the log."""

import logging

import pytest
from review_site import PASSWORD, ReviewSite

from inspector.store import Role


def test_logins_and_changes_of_accounts_are_told(site: ReviewSite, caplog: pytest.LogCaptureFixture) -> None:
    with site.client("ada") as ada, site.client(None) as stranger:
        caplog.set_level(logging.INFO, logger="inspector.web")
        for name, password in (("OLGA", "wrong, really"), ("my password by mistake", "olga"), ("Olga", PASSWORD)):
            stranger.post("/login", data={"name": name, "password": password})
        ada.post("/accounts", data={"name": "ivy", "password": "long enough, really", "role": "viewer"})
        for action in ("operator", "link", "disable"):
            ada.post("/accounts/change", data={"name": "ivy", "action": action})
        ada.post("/accounts/change", data={"name": "nobody", "action": "disable"})
        ada.post("/tokens", data={"name": "mes", "role": "viewer"})
        ada.post("/tokens/revoke", data={"token": site.tokens.all()[-1].id})
    told = ("account", "address", "by_link", "role", "to", "token", "by")
    lines = [
        (record.getMessage(), {name: getattr(record, name) for name in told if hasattr(record, name)})
        for record in caplog.records
        if record.name.startswith("inspector.web.pages")
    ]
    assert lines == [
        ("login failed", {"account": "olga", "address": "127.0.0.1"}),
        ("login failed", {"account": None, "address": "127.0.0.1"}),
        ("logged in", {"account": "olga", "address": "127.0.0.1", "by_link": False}),
        ("account made", {"account": "ivy", "role": "viewer", "by": "ada"}),
        ("account changed", {"account": "ivy", "to": "operator", "by": "ada"}),
        ("account changed", {"account": "ivy", "to": "link", "by": "ada"}),
        ("account changed", {"account": "ivy", "to": "disable", "by": "ada"}),
        ("token made", {"token": "mes", "role": "viewer", "by": "ada"}),
        ("token revoked", {"token": site.tokens.all()[-1].id, "by": "ada"}),
    ]
    assert "mistake" not in caplog.text


def test_whoever_goes_on_guessing_is_seen_and_does_not_fill_the_log(
    site: ReviewSite, caplog: pytest.LogCaptureFixture
) -> None:
    site.accounts.create("quinn", PASSWORD, Role.OPERATOR, by="ada")
    with site.client("quinn") as quinn, site.client(None) as stranger:
        caplog.set_level(logging.INFO, logger="inspector.web")
        for number in range(9):
            stranger.post("/login", data={"name": "Quinn", "password": f"a guess, {number}"})
        for number in range(9):
            form = {"present": f"a guess, {number}", "password": "another long one", "again": "another long one"}
            quinn.post("/account", data=form)
        for _ in range(3):
            assert stranger.get("/enter?code=a-guess").status_code == 410
            bearer = {"authorization": "Bearer a-guess"}
            assert stranger.get("/api/v1/me", headers=bearer).status_code == 401
    here = {"account": "quinn", "address": "127.0.0.1"}
    lines = [
        (record.getMessage(), {name: getattr(record, name) for name in ("account", "address")})
        for record in caplog.records
        if record.levelno == logging.WARNING and record.name.startswith("inspector.web")
    ]
    assert lines == [
        *[("login failed", here)] * 5,
        ("login refused: too many failures", here),
        *[("present password wrong", here)] * 5,
        ("password refused: too many failures", here),
        ("login link refused: spent, too old or none", here | {"account": None}),
        ("token refused: void, too old or none", here | {"account": None}),
    ]
    assert 240 < caplog.records[5].__dict__["wait_s"] <= 300
    assert "guess" not in caplog.text
