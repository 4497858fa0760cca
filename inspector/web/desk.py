"""What every page works with: settings, the rooms of the store, templates."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment
from sqlalchemy import Engine

from inspector.banks.soundness import why_refused
from inspector.errors import BankError
from inspector.manifest import is_bank_there, read_manifest
from inspector.recipe import Recipe
from inspector.samples.folder import SampleFolder
from inspector.settings import Settings
from inspector.store import Accounts, Archive, ReviewQueue, Reviews, Sessions, Setup, Tokens
from inspector.web.address import AddressQuery
from inspector.web.evidence import Evidence
from inspector.web.languages import Language, chosen
from inspector.web.live import Live
from inspector.web.navigation import NavEntry
from inspector.web.own_path import is_own_path
from inspector.web.passwords import Passwords
from inspector.web.refusals import Refusals
from inspector.web.sample_pictures import SamplePictures
from inspector.web.trials import Trials

LANGUAGE_COOKIE = "language"
"""Where a browser keeps the language that was chosen in it."""

BY_LANGUAGE = {"vary": "accept-language, cookie"}
"""Headers of what is said in the language of who asks."""


@dataclass(frozen=True, slots=True)
class Desk:
    """One for the application; pages take it by `DeskDep`.

    evidence: pictures, and why they were flagged. sample_pictures: of good samples. live: what has changed. trials:
    what other thresholds are tried on.
    languages, templates: by the language's code.
    """

    settings: Settings
    engine: Engine
    accounts: Accounts
    setup: Setup
    sessions: Sessions
    tokens: Tokens
    passwords: Passwords
    refusals: Refusals
    archive: Archive
    queue: ReviewQueue
    reviews: Reviews
    languages: Mapping[str, Language]
    templates: Mapping[str, Environment]
    navigation: Sequence[NavEntry]
    evidence: Evidence
    sample_pictures: SamplePictures
    live: Live
    trials: Trials

    def stations(self, others: Iterable[str]) -> list[str]:
        """The stations of the settings in their order, then others that the ledger knows."""
        listed = self.settings.station_names
        return listed + sorted(set(others) - set(listed))

    def station_asked(self, name: str | None) -> str:
        """The station of the settings that an address names; the first of them where it names none.

        Raises:
            UsageError: it is not in the settings.
        """
        return str(self.settings.station(name or self.settings.station_names[0]).id)

    def samples(self, station: str) -> SampleFolder:
        """The good samples of a station. Raises UsageError: it is not in the settings."""
        found = self.settings.station(station)
        return SampleFolder(self.settings.data_dir, str(found.id), in_use=partial(_recipe_in_use, found.bank))

    def without_bank(self) -> list[str]:
        """The stations of the settings that have no bank yet, in their order."""
        return [str(one.id) for one in self.settings.stations if not is_bank_there(one.bank)]

    def language(self, request: Request) -> Language:
        """What somebody reads."""
        accepted = ",".join(request.headers.getlist("accept-language"))
        return self.languages[chosen(request.cookies.get(LANGUAGE_COOKIE), accepted, self.languages)]

    def page(self, request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
        """Renders a template, or a part of a page, in the language of who asks; `user` is who that is, or None.

        What answers a form is at `page_at` for the browser: the form's page where nothing else is given.
        """
        user = getattr(request.state, "user", None)
        shown = [entry for entry in self.navigation if user is not None and user.role.covers(entry.role)]
        page = self.templates[self.language(request).code].get_template(template)
        page_at = None if request.method == "GET" else way_back(request)
        text = page.render({"user": user, "navigation": shown, "here": request.url.path, "page_at": page_at} | values)
        return HTMLResponse(text, status_code=status, headers=BY_LANGUAGE)


def _recipe_in_use(place: Path) -> Recipe | None:
    """Of the bank at a place; None where there is none, or one that would be refused."""
    try:
        return None if why_refused(place) else read_manifest(place).recipe
    except BankError:  # it is exchanged just now
        return None


def desk_of(request: Request) -> Desk:
    """The application's desk."""
    desk: Desk = request.app.state.desk
    return desk


def way_back(request: Request) -> str | None:
    """Where one can ask this again: its address; for what a form sent the form's page, if the navigation has it, with
    the query that the form was sent to. None also where a browser would take it for another site.
    """
    url = request.url
    path: str | None = url.path
    if request.method != "GET":
        path = next((entry.path for entry in desk_of(request).navigation if entry.holds(url.path)), None)
    if path is None or not is_own_path(path):
        return None
    return f"{path}?{url.query}" if url.query else path


DeskDep = Annotated[Desk, Depends(desk_of)]


def without_empty_fields(request: Request, query: AddressQuery) -> Response | None:
    """Leads to the same address without the empty fields that a form sends; None where there are none."""
    if "" not in request.query_params.values():
        return None
    return RedirectResponse(f"{request.url.path}?{query.text()}", status_code=303)
