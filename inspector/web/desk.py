"""What every page works with: settings, the rooms of the store, templates."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup
from sqlalchemy import Engine

from inspector import __version__
from inspector.charts.wording import count, short_station
from inspector.review.panels import duration
from inspector.settings import Settings
from inspector.store import Accounts, Archive, ReviewQueue, Reviews, Sessions, Setup, Tokens
from inspector.store.reviews import MAX_NOTE
from inspector.web.address import AddressQuery, plant_time
from inspector.web.evidence import Evidence
from inspector.web.live import Live
from inspector.web.navigation import NavEntry
from inspector.web.passwords import Passwords
from inspector.web.trials import Trials

HERE = Path(__file__).parent

WORDS = {
    "ok": "ok",
    "ng": "ng",
    "uncertain": "uncertain",
    "error": "error",
    "drop": "dropped",
    "defect": "defect",
    "false_alarm": "false alarm",
    "unsure": "unsure",
    "open": "open",
    "done": "decided",
    "all": "all",
    "dispose": "decided",
    "undo": "taken back",
    "escape": "escape entered",
    "promote": "promoted",
    "rollback": "rolled back",
    "thresholds": "thresholds",
    "shadowed": "tried",
}
"""What people read for the words of the ledger."""


@dataclass(frozen=True, slots=True)
class Desk:
    """One for the application; pages take it by `DeskDep`.

    evidence: pictures, and why they were flagged. live: what has changed. trials: what other thresholds are tried on.
    """

    settings: Settings
    engine: Engine
    accounts: Accounts
    setup: Setup
    sessions: Sessions
    tokens: Tokens
    passwords: Passwords
    archive: Archive
    queue: ReviewQueue
    reviews: Reviews
    templates: Environment
    navigation: Sequence[NavEntry]
    evidence: Evidence
    live: Live
    trials: Trials

    def stations(self, others: Iterable[str]) -> list[str]:
        """The stations of the settings in their order, then others that the ledger knows."""
        listed = self.settings.station_names
        return listed + sorted(set(others) - set(listed))

    def page(self, request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
        """Renders a template; `user` is who asks, or None."""
        return HTMLResponse(self.render(request, template, **values), status_code=status)

    def render(self, request: Request, template: str, **values: Any) -> str:
        """A template as text."""
        user = getattr(request.state, "user", None)
        shown = [entry for entry in self.navigation if user is not None and user.role.covers(entry.role)]
        page = self.templates.get_template(template)
        return page.render({"user": user, "navigation": shown, "here": request.url.path} | values)


def desk_of(request: Request) -> Desk:
    """The application's desk."""
    desk: Desk = request.app.state.desk
    return desk


def way_back(request: Request) -> str | None:
    """Where one can ask this again: its address; for what a form sent the form's page, if the navigation has it, with
    the query that the form was sent to.
    """
    url = request.url
    path: str | None = url.path
    if request.method != "GET":
        path = next((entry.path for entry in desk_of(request).navigation if entry.holds(url.path)), None)
    return f"{path}?{url.query}" if path and url.query else path


DeskDep = Annotated[Desk, Depends(desk_of)]


def without_empty_fields(request: Request, query: AddressQuery) -> Response | None:
    """Leads to the same address without the empty fields that a form sends; None where there are none."""
    if "" not in request.query_params.values():
        return None
    return RedirectResponse(f"{request.url.path}?{query.text()}", status_code=303)


def open_templates(settings: Settings) -> Environment:
    """Templates in which everything is escaped and a name that is not given is an error."""
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["version"] = __version__
    environment.globals["defect_types"] = settings.review.defect_types
    environment.globals["words"] = WORDS
    environment.globals["count"] = count
    environment.globals["max_note"] = MAX_NOTE
    environment.globals["csrf_field"] = _csrf_field
    environment.filters["moment"] = _moment(settings)
    environment.filters["field_time"] = partial(_field_time, zone=settings.review.zone)
    environment.filters["short_station"] = partial(short_station, among=settings.station_names)
    environment.filters["duration"] = duration
    return environment


@pass_context
def _csrf_field(context: Context) -> Markup:
    return Markup('<input type="hidden" name="csrf" value="{}">').format(context["user"].csrf)


def _field_time(text: str | None, *, zone: tzinfo) -> str:
    """A time of an address as a field of a form takes it: by the plant's clock, without an offset."""
    moment = plant_time("time", text, zone)
    return "" if moment is None else moment.astimezone(zone).replace(tzinfo=None).isoformat(timespec="minutes")


def _moment(settings: Settings) -> Callable[[datetime | None], Markup]:
    """A time by the plant's clock, with the exact one for machines and on hover."""

    def moment(at: datetime | None) -> Markup:
        if at is None:
            return Markup("–")
        try:
            local = at.astimezone(settings.review.zone)
        except OverflowError:
            local = at  # of a camera that says the first or the last day there is: no other zone has it
        text = local.strftime("%Y-%m-%d %H:%M:%S")
        return Markup('<time datetime="{}" title="{}">{}</time>').format(at.isoformat(), local.isoformat(), text)

    return moment
