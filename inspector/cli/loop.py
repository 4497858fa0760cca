"""`inspector replay` and `inspector rebuild`: another bank before recorded frames, and one made from what was said."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inspector.cli import options
from inspector.cli.progress import track

if TYPE_CHECKING:
    from inspector.store import Candidate

_SHOWN = 20


@click.command()
@click.argument("bank", type=options.PATH)
@click.option("--from", "config", default="inspector.yaml", show_default=True, type=options.PATH,
              help="Settings of the daemon that recorded, or its data_dir")  # fmt: skip
@options.station
@click.option("--limit", default=500, show_default=True, help="Latest frames, beside defects and false alarms")
@options.as_json
def replay(bank: Path, config: Path, station: str | None, limit: int, as_json: bool) -> None:
    """Try BANK on recorded frames: which verdicts change, which confirmed defects would pass.

    Nothing is changed. Frames are those whose picture is archived: flagged ones, and the random sample of ok ones.
    Where none of them can be tried, it fails.
    """
    from inspector.banks.replay import replay as run
    from inspector.errors import BankError, StoreError
    from inspector.pipeline import Pipeline
    from inspector.store import Archive, Cases, Tally, open_database

    pictures, database, known = _recorded(config)
    with open_database(database) as engine:
        name = options.one_of(station, known or Tally(engine).stations())
        cases = Cases(engine)
        rows = (*cases.guard(name), *cases.false_alarms(name), *cases.recent(name, limit=limit))
        frames = list({row.id: row for row in rows}.values())
        without_picture = cases.without_picture(name)
    shadow = run(frames, Archive(pictures), Pipeline.open(bank), track=track)
    found = shadow.to_json() | {"defects_without_picture": without_picture}
    click.echo(json.dumps({"bank": str(bank), "station": name, **found}) if as_json else _text(found))
    if not frames:
        raise StoreError(f"station {name}: no frame with a picture is recorded, so nothing could be tried")
    if not shadow.judged:
        first = shadow.untried[0].why
        raise BankError(f"bank {bank}: none of {shadow.lost} recorded frames could be tried: {first}")


@click.command()
@options.config
@options.station
@click.option("--good", type=options.PATH, help="Folder of further good samples")
@options.by
@options.as_json
def rebuild(config: Path, station: str | None, good: Path | None, by: str, as_json: bool) -> None:
    """Make a candidate bank from false alarms, and try it on recorded frames.

    The bank in use is not changed. `inspector bank promote`, or the page Banks, takes the candidate into use.
    """
    from calibration.candidates.rebuild import rebuild as build
    from inspector import settings
    from inspector.store import open_database

    loaded = settings.load(config)
    name = options.one_of(station, loaded.station_names)
    with open_database(loaded.database_url) as engine:
        candidate = build(loaded, engine, name, by=by, good=good, track=track)
    if as_json:
        click.echo(json.dumps({"id": candidate.id, "path": candidate.path, "state": candidate.state,
                               "digest": candidate.digest, **candidate.document}))  # fmt: skip
    else:
        click.echo(_candidate(candidate))


def _recorded(config: Path) -> tuple[Path, str, list[str]]:
    """The folder of the pictures, the database's URL, and the stations where the settings tell them."""
    from inspector import settings
    from inspector.errors import UsageError
    from inspector.settings.settings import FRAMES, LEDGER

    if config.is_dir():
        ledger = config / LEDGER
        if not ledger.is_file():
            raise UsageError(f"{config}: holds no {LEDGER}, expected a data_dir; with another database, settings")
        return config / FRAMES, f"sqlite:///{ledger}", []
    loaded = settings.load(config)
    return loaded.frames_dir, loaded.database_url, loaded.station_names


def _text(found: dict[str, Any]) -> str:
    lines = [f"frames     {found['frames']} inspected, {found['lost']} could not be tried"]
    lines += [
        f"not tried  {one['frames']} {one['kind']}: frame {one['frame']}: {one['why']}" for one in found["lost_kinds"]
    ]
    lines += [f"decisions  {m['before']} -> {m['after']}: {m['frames']}" for m in found["decisions"]]
    untried = found["lost_defects"] + found["defects_without_picture"]
    now = f" ({found['missed_before']} pass now)"
    lines.append(f"guard      {_passing(len(found['missed']), found['guard'], untried, 'confirmed defects', now)}")
    untried = found["lost_false_alarms"]
    lines.append(f"cleared    {_passing(found['cleared'], found['false_alarms'], untried, 'false alarms')}")
    for one in found["changed"][:_SHOWN]:
        said = f", {one['disposition']}" if one["disposition"] else ""
        why = one["reason_before"] or one["reason_after"]
        said += f"; uncertain: {why}" if why else ""
        lines.append(
            f"changed    {one['before']} -> {one['after']}  {one['score_before']:.4g} -> {one['score_after']:.4g}  "
            f"frame {one['frame']} {one['part_id'] or one['frame_id']}{_at(one['received_at'])}{said}"
        )
    if found["changed_total"] > _SHOWN:
        lines.append(f"           … and {found['changed_total'] - _SHOWN} more (--json lists them)")
    return "\n".join(lines)


def _at(moment: str | None) -> str:
    return f" {datetime.fromisoformat(moment).astimezone(UTC):%Y-%m-%d %H:%M} UTC" if moment else ""


def _passing(passing: int, tried: int, untried: int, what: str, now: str = "") -> str:
    """How many of `tried` would pass. Of none that were tried nothing is said but why."""
    if not tried:
        return f"none of {untried} {what} could be tried" if untried else f"there are no {what}"
    more = f"; {untried} more could not be tried" if untried else ""
    return f"{passing} of {tried} {what} would pass{now}{more}"


def _candidate(candidate: "Candidate") -> str:
    document = candidate.document
    refused = document.get("refused", [])
    lines = [
        f"candidate  {candidate.id}: {candidate.path}",
        f"fed back   {len(document.get('fed', []))} false alarms, {len(refused)} left out",
    ]
    lines += [
        f"look again frame {one['frame']}: would hide confirmed defects, such as frame {one['hides'][0]}"
        for one in refused[:_SHOWN]
    ]
    return "\n".join([*lines, _text(dict(document["shadow"]))])
