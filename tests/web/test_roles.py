"""What each role may ask: every route of the page stands in a table here, and one without a line fails."""

from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest
from fastapi.routing import APIRoute
from review_site import PASSWORD, ReviewSite
from starlette.routing import Mount, Route

from inspector.store import Role
from inspector.web.app import create_app
from inspector.web.assets import ASSETS
from inspector.web.pages import PAGES

DIGEST = "0" * 64

ANYBODY = {
    ("GET", "/login"),
    ("POST", "/language"),
    ("POST", "/login"),
    ("GET", "/enter"),
    ("GET", "/setup"),
    ("POST", "/setup"),
    ("GET", ASSETS.address),
}
"""Where people are who are not logged in: they show a secret first, or see nothing of the plant."""

NEEDED = {
    Role.VIEWER: {
        ("GET", "/"),
        ("GET", "/account"),
        ("POST", "/account"),
        ("GET", "/api/v1/checks"),
        ("GET", "/api/v1/checks.csv"),
        ("GET", "/api/v1/figures"),
        ("GET", "/api/v1/me"),
        ("GET", "/api/v1/openapi.json"),
        ("GET", "/checks"),
        ("GET", "/figures"),
        ("GET", "/frame/{frame}/thumbnail"),
        ("GET", "/line"),
        ("GET", "/line/thumbnail"),
        ("POST", "/logout"),
    },
    Role.OPERATOR: {
        ("GET", "/api/v1/counts"),
        ("GET", "/api/v1/export/{kind}"),
        ("GET", "/api/v1/frames"),
        ("GET", "/api/v1/frames/{frame}"),
        ("GET", "/api/v1/frames/{frame}/history"),
        ("GET", "/api/v1/frames/{frame}/picture"),
        ("GET", "/api/v1/thresholds"),
        ("GET", "/api/v1/versions"),
        ("GET", "/bank-region/{digest}/{part}"),
        ("GET", "/bank-sample/{digest}/{number}"),
        ("GET", "/find"),
        ("GET", "/frame/{frame}"),
        ("GET", "/frame/{frame}/map"),
        ("GET", "/frame/{frame}/nearest"),
        ("GET", "/frame/{frame}/panel"),
        ("GET", "/frame/{frame}/picture"),
        ("GET", "/help"),
        ("GET", "/live"),
        ("GET", "/thresholds"),
        ("POST", "/api/v1/batches/{batch}/undo"),
        ("POST", "/api/v1/dispositions"),
        ("POST", "/api/v1/frames/{frame}/disposition"),
        ("POST", "/api/v1/frames/{frame}/escape"),
        ("POST", "/api/v1/frames/{frame}/undo"),
    },
    Role.ENGINEER: {
        ("GET", "/api/v1/audit"),
        ("GET", "/audit"),
        ("GET", "/banks"),
        ("GET", "/banks/candidates/{number}"),
        ("GET", "/banks/candidates/{number}/progress"),
        ("GET", "/samples/region"),
        ("GET", "/samples/region/mask"),
        ("GET", "/samples"),
        ("GET", "/samples/picture"),
        ("GET", "/samples/progress"),
        ("GET", "/samples/thumbnail"),
        ("POST", "/banks/candidates/{number}/promote"),
        ("POST", "/banks/candidates/{number}/reject"),
        ("POST", "/banks/candidates/{number}/stop"),
        ("POST", "/banks/rebuild"),
        ("POST", "/banks/rollback"),
        ("POST", "/samples/region"),
        ("POST", "/samples/again"),
        ("POST", "/samples/calibrate"),
        ("POST", "/samples/collect"),
        ("POST", "/samples/leave_out"),
        ("POST", "/samples/pictures"),
        ("POST", "/samples/remove"),
        ("POST", "/samples/stop"),
        ("POST", "/samples/take"),
        ("POST", "/samples/take_back"),
        ("POST", "/thresholds"),
    },
    Role.ADMIN: {
        ("GET", "/accounts"),
        ("POST", "/accounts"),
        ("POST", "/accounts/change"),
        ("POST", "/tokens"),
        ("POST", "/tokens/revoke"),
    },
}

ASKED = [(role, *route) for role, routes in NEEDED.items() for route in sorted(routes)]


def routes(site: ReviewSite) -> Iterator[tuple[str, str]]:
    """Method and path of all that the application answers."""
    for page in PAGES:
        for route in page.router.routes:
            assert isinstance(route, APIRoute)
            yield from ((method, route.path) for method in route.methods)
    for other in create_app(site.settings, site.engine).routes:
        if isinstance(other, Mount | Route):
            yield "GET", other.path


@pytest.fixture(scope="module")
def clients(site: ReviewSite) -> Iterator[dict[Role | None, httpx.Client]]:
    """Somebody of each role, and a stranger."""
    site.accounts.create("vera", PASSWORD, Role.VIEWER, by="ada")
    names = {None: None, Role.VIEWER: "vera", Role.OPERATOR: "olga", Role.ENGINEER: "emil", Role.ADMIN: "ada"}
    with ExitStack() as opened:
        yield {role: opened.enter_context(site.client(name)) for role, name in names.items()}


def ask(client: httpx.Client, method: str, path: str) -> int:
    """The status of a request that says nothing, so that nothing is done."""
    filled = path.format(frame=999_999, kind="csv", digest=DIGEST, part="border", number=999_999, batch="none")
    headers = {"accept": "application/json"}
    with client.stream(method, filled, headers=headers) as answer:
        return answer.status_code


def test_every_route_stands_in_the_table(site: ReviewSite) -> None:
    assert sorted(routes(site)) == sorted(ANYBODY.union(*NEEDED.values()))


@pytest.mark.parametrize(("needed", "method", "path"), ASKED)
def test_a_route_is_for_its_role_and_those_above(
    clients: dict[Role | None, httpx.Client], needed: Role, method: str, path: str
) -> None:
    assert ask(clients[None], method, path) == 401
    for role in Role:
        if path == "/logout" and role.covers(needed):
            continue  # asked below: it would end the session of the tests that follow
        assert (ask(clients[role], method, path) == 403) is not role.covers(needed), role


@pytest.mark.parametrize(("method", "path"), [(method, path) for _, method, path in ASKED if method != "GET"])
def test_nothing_is_done_for_who_has_the_cookie_alone(
    clients: dict[Role | None, httpx.Client], method: str, path: str
) -> None:
    with httpx.Client(base_url=clients[Role.ADMIN].base_url, cookies=clients[Role.ADMIN].cookies) as forged:
        assert ask(forged, method, path) == 403
    assert ask(clients[Role.ADMIN], "GET", "/api/v1/me") == 200
