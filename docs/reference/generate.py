"""The reference, written from the code each time the site is built: it cannot say what the product does not do."""

import json
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from inspector import contract
from inspector.cli import cli
from inspector.errors import FrameError
from inspector.line.daemon import STAGE_LABELS
from inspector.line.drift_watch import DriftWatch
from inspector.line.metrics import Metrics
from inspector.settings import Settings
from inspector.types import BankRef, StationId


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Called by mkdocs: adds the pages that nobody writes by hand."""
    for name, text in pages().items():
        files.append(File.generated(config, f"reference/{name}.md", content=text))
    return files


def pages() -> dict[str, str]:
    """Markdown by name."""
    return {
        "cli": _command_line(),
        "settings": _settings(),
        "messages": _messages(),
        "metrics": _metrics(),
        "errors": _errors(),
    }


def _command_line() -> str:
    parts = ["# Command line\n\nExit code 0: done, 1: failed, 2: bad usage. An error is one line.\n"]
    for path, command in _commands(cli, "inspector"):
        context = click.Context(command, info_name=path, max_content_width=100)
        parts.append(f"## {path}\n\n```text\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)


def _commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=path)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None:
                yield from _commands(below, f"{path} {name}")


def _settings() -> str:
    head = (
        "# Settings\n\nOne YAML file. A variable of the environment wins over it: `INSPECTOR_BROKER__HOST=broker7`. "
        "Paths are relative to the file. `inspector config check` names line and key of every mistake.\n\n"
        "| key | default | meaning |\n|---|---|---|\n"
    )
    return head + "\n".join(_rows(Settings, "")) + "\n"


def _rows(model: type[BaseModel], path: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        key = f"{path}{name}"
        below = _model_in(field.annotation)
        default = "needed" if field.is_required() else _shown(field.get_default(call_default_factory=True))
        said = field.description or (below.__doc__ or "").strip().splitlines()[0] if below else field.description or ""
        yield f"| `{key}` | {'' if below and not field.is_required() else default} | {said} |"
        if below is not None:
            listed = "[]" if typing.get_origin(field.annotation) is tuple else ""
            yield from _rows(below, f"{key}{listed}.")


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, typing.get_args(annotation))), None)


def _shown(value: object) -> str:
    if value is None or value is PydanticUndefined:
        return "none"
    return f"`{json.dumps(value, default=str)}`"


def _messages() -> str:
    parts = [
        "# Messages\n\n```text",
        (contract.__doc__ or "").partition("\n\n")[2].partition("\n\n`schemas")[0],
        "```\n",
    ]
    parts.append("A camera may send raw bytes with v5 user properties, or under 3.1.1 the JSON envelope `frame`.\n")
    names: tuple[typing.Literal["frame", "verdict", "error", "drift"], ...] = ("frame", "verdict", "error", "drift")
    for name in names:
        schema = contract.schema(name)
        parts.append(f"## {name}\n\n{schema['description']}\n\n| field | type | |\n|---|---|---|")
        for key, said in schema["properties"].items():
            kind = said.get("type") or said.get("enum") or said.get("const")
            needed = "" if key in schema["required"] else "optional; "
            text = ", ".join(map(str, kind)) if isinstance(kind, list) else str(kind)
            parts.append(f"| `{key}` | {text} | {needed}{said.get('description', '')} |")
        parts.append(f"\n```json\n{json.dumps(schema, indent=1)}\n```\n")
    return "\n".join(parts)


def _metrics() -> str:
    station = "plant/hall1/line1/cam1"
    metrics = Metrics([station], STAGE_LABELS)
    metrics.station_runs(station, BankRef("tile", "0" * 64), recipe="default", policy="every_frame")
    metrics.observe_disk(Path(__file__).parent)
    metrics.observe_certificates(lambda: {"broker": 0.0})
    metrics.observe_queues(lambda: {station: (0, 0)})
    metrics.observe_drift(DriftWatch([StationId.parse(station)]).figures)
    parts = [
        "# Metrics\n\nSeries exist from the start, at zero; those of banks and certificates come once they are known. "
        "Labels are bounded by the settings.\n",
        "| metric | kind | labels | meaning |\n|---|---|---|---|",
    ]
    for family in sorted(metrics.registry.collect(), key=lambda family: family.name):
        if family.name.startswith("inspector_"):
            labels = sorted({label for sample in family.samples for label in sample.labels} - {"le"})
            name = family.name + ("_total" if family.type == "counter" else "")
            parts.append(f"| `{name}` | {family.type} | {', '.join(labels)} | {family.documentation} |")
    return "\n".join(parts) + "\n"


def _errors() -> str:
    def walk(cls: type[FrameError]) -> Iterator[type[FrameError]]:
        yield cls
        for below in cls.__subclasses__():
            yield from walk(below)

    rows = sorted({(cls.reason, (cls.__doc__ or "").strip().splitlines()[0]) for cls in walk(FrameError)})
    head = (
        "# Errors\n\nThe `reason` of a message on `/error`, of a row in the ledger, and of "
        "`inspector_frames_rejected_total`. An error is never ok.\n\n| reason | meaning |\n|---|---|\n"
    )
    return head + "\n".join(f"| `{reason}` | {meaning} |" for reason, meaning in rows) + "\n"
