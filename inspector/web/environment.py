"""The templates, with what all of them may use: one environment for each language."""

from collections.abc import Mapping
from datetime import datetime, tzinfo
from functools import partial
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from inspector.charts.wording import count, short_station, told_apart
from inspector.review.wording import grouped, measured, pace
from inspector.settings import Settings
from inspector.store.statement import MAX_NOTE
from inspector.web.address import plant_time
from inspector.web.assets import ASSETS
from inspector.web.glossary import REASONS, WORDS, answer, plant_word
from inspector.web.languages import Language
from inspector.web.message import Message
from inspector.web.script_words import script_words

TEMPLATES = Path(__file__).parent / "templates"


def open_templates(settings: Settings, languages: Mapping[str, Language]) -> dict[str, Environment]:
    """By language."""
    return {code: _open(settings, language, tuple(languages.values())) for code, language in languages.items()}


def _open(settings: Settings, language: Language, languages: tuple[Language, ...]) -> Environment:
    """Templates in which everything is escaped and a name that is not given is an error."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.policies["ext.i18n.trimmed"] = True
    environment.install_gettext_translations(language.catalogue, newstyle=True)  # type: ignore[attr-defined]
    environment.globals["language"] = language
    environment.globals["languages"] = languages
    environment.globals["script_words"] = script_words(language)
    environment.globals["assets"] = ASSETS.address
    environment.globals["defect_types"] = settings.review.defect_types
    environment.globals["words"] = WORDS
    environment.globals["answer"] = answer
    environment.globals["count"] = count
    environment.globals["told_apart"] = told_apart
    environment.globals["max_note"] = MAX_NOTE
    environment.globals["csrf_field"] = _csrf_field
    environment.filters["translated"] = language.text
    environment.filters["why"] = lambda word: language.text(REASONS.get(word, word))
    environment.filters["plant_word"] = lambda word: language.text(plant_word(word))
    environment.filters["moment"] = partial(_moment, zone=settings.review.zone)
    environment.filters["field_time"] = partial(_field_time, zone=settings.review.zone)
    environment.filters["short_station"] = partial(short_station, among=settings.station_names)
    environment.filters["score"] = _score
    environment.filters["duration"] = _duration
    environment.filters["grouped"] = grouped
    environment.filters["pace"] = pace
    environment.tests["message"] = _is_message
    return environment


@pass_context
def _csrf_field(context: Context) -> Markup:
    return Markup('<input type="hidden" name="csrf" value="{}">').format(context["user"].csrf)


def _is_message(text: str) -> bool:
    """Whether a text can be said in other languages; what cannot is English, and marked so."""
    return isinstance(text, Message)


def _score(value: float | None) -> str:
    """A score or threshold to four significant digits; a dash where there is none."""
    return "–" if value is None else f"{value:.4g}"


def _duration(seconds: float) -> Message:
    """As a person says it."""
    value, unit = measured(seconds)
    match unit:
        case "s":
            return Message("%(value)s s", value=value)
        case "min":
            return Message("%(value)s min", value=value)
        case "h":
            return Message("%(value)s h", value=value)
        case _:
            return Message("%(value)s days", value=value)


def _field_time(text: str | None, *, zone: tzinfo) -> str:
    """A time of an address as a field of a form takes it: by the plant's clock, without an offset."""
    moment = plant_time("time", text, zone)
    return "" if moment is None else moment.astimezone(zone).replace(tzinfo=None).isoformat(timespec="minutes")


def _moment(at: datetime | None, *, zone: tzinfo) -> Markup:
    """A time by the plant's clock, with the exact one for machines and on hover."""
    if at is None:
        return Markup("–")
    try:
        local = at.astimezone(zone)
    except OverflowError:
        local = at  # of a camera that says the first or the last day there is: no other zone has it
    text = local.strftime("%Y-%m-%d %H:%M:%S")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(at.isoformat(), local.isoformat(), text)
