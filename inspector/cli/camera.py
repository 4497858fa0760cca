"""`inspector camera`: the command around `inspector.camera.publish`."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inspector.cli.live import Live, stop_by_signals

if TYPE_CHECKING:
    from inspector.camera import CameraSummary
    from inspector.settings import BrokerSettings

_ADDRESS = re.compile(r"(?P<host>\[[^]]*]|[^:]*)(:(?P<port>[^:]*))?")
"""HOST, HOST:PORT, [ADDRESS] or [ADDRESS]:PORT."""

_SIZE = re.compile(r"(?P<width>[1-9][0-9]{0,4})x(?P<height>[1-9][0-9]{0,4})")


@click.command()
@click.argument("source", envvar="SOURCE")
@click.option("--station", required=True, help="site/area/line/station, as in plant/hall1/line1/cam1.")
@click.option("--fps", type=float, help="Frames a second; 0: as fast as acknowledged.  [source's own, or 2]")
@click.option("--count", type=int, help="Stop after this many frames.")
@click.option("--loop", is_flag=True, help="Start over at the source's end.")
@click.option("--watch", is_flag=True, help="Go on with pictures that come into the folder, until stopped.")
@click.option("--keep", type=int, help="Watched: published pictures that stay, in its subfolder sent.  [1000]")
@click.option("--bridged", is_flag=True, help="Watched: do not wait for a subscriber; the broker passes frames on.")
@click.option("--broker", default="127.0.0.1:1883", show_default=True, help="Host and port; [ADDRESS]:PORT of IPv6.")
@click.option("--protocol", type=click.Choice(["auto", "5", "3.1.1"]), default="auto", show_default=True)
@click.option("--username", help="The station's user at the broker.")
@click.option("--password-file", type=click.Path(path_type=Path), help="File that holds the password alone.")
@click.option("--tls", is_flag=True, help="Encrypt; the broker is verified against the system's CAs.")
@click.option("--ca-file", type=click.Path(path_type=Path), help="CA of the broker; implies --tls.")
@click.option("--size", metavar="WxH", help="USB: pixels to ask the camera for, as in 1920x1080.  [640x480]")
@click.option("--lot", help="Sent with every frame.")
@click.option("--recipe", help="Sent with every frame.")
@click.option("--expected", type=click.Choice(["ok", "ng"]), help="The parts are check parts, known to be so.")
@click.option("--seed", type=click.IntRange(min=0), help="Synthetic parts: the same parts again.")
@click.option("--defect-rate", type=float, default=0.1, show_default=True, help="Synthetic parts: share of defects.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object.")
def camera(
    station: str,
    broker: str,
    protocol: str,
    username: str | None,
    password_file: Path | None,
    tls: bool,
    ca_file: Path | None,
    size: str | None,
    expected: str | None,
    as_json: bool,
    **told: Any,
) -> None:
    """Publish frames as a camera station.

    SOURCE is a folder of images, an image, a video file, a stream (rtsp://...), a device number, or
    synthetic[:plate|:cap]. With --watch it is a folder that a camera writes into; what is published leaves it. The
    environment variable SOURCE names it where no argument does: arguments are shown to every user of the machine.
    """
    from inspector.camera import CameraOptions, publish
    from inspector.errors import BrokerError
    from inspector.types import Expected, StationId

    options = CameraOptions(
        station=StationId.parse(station),
        broker=_broker(broker, protocol, username, password_file, tls=tls, ca_file=ca_file),
        expected=None if expected is None else Expected(expected),
        size_wh=None if size is None else _size_wh(size),
        **told,
    )
    live = Live(f"camera {station}")
    summary = publish(
        options,
        stop=stop_by_signals(),
        on_notice=live.notice,
        on_tally=lambda tally: live.show(f"{tally.sent} frames, {tally.acknowledged} acknowledged"),
    )
    live.clear()
    click.echo(_as_json(summary) if as_json else _as_text(summary, watch=options.watch, bridged=options.bridged))
    tally = summary.tally
    if (lost := tally.refused + tally.given_up) and not options.watch:
        raise BrokerError(f"broker {broker}: did not take {lost} of {tally.sent} frames of {station}")


def _size_wh(text: str) -> tuple[int, int]:
    from inspector.errors import UsageError

    if (sides := _SIZE.fullmatch(text)) is None:
        raise UsageError(f"--size {text}: expected width and height in pixels, as in 1920x1080")
    return int(sides["width"]), int(sides["height"])


def _broker(
    address: str,
    protocol: str,
    username: str | None,
    password_file: Path | None,
    *,
    tls: bool,
    ca_file: Path | None,
) -> "BrokerSettings":
    from pydantic import ValidationError

    from inspector.errors import UsageError
    from inspector.problem import explain
    from inspector.settings import BrokerSettings

    if (parts := _ADDRESS.fullmatch(address)) is None:
        raise UsageError(f"--broker {address}: expected HOST:PORT, with an IPv6 address in brackets, as in [::1]:1883")
    given: dict[str, Any] = {**parts.groupdict("1883"), "protocol": protocol, "username": username}
    if password_file is not None:
        given["password_file"] = password_file
    if tls or ca_file is not None:
        given["tls"] = {} if ca_file is None else {"ca_file": ca_file}
    try:
        return BrokerSettings.model_validate(given)
    except ValidationError as error:
        raise UsageError(f"--broker {address}: {explain(error.errors()[0], BrokerSettings)}") from error


def _as_text(summary: "CameraSummary", *, watch: bool, bridged: bool) -> str:
    tally = summary.tally
    line = (
        f"{summary.station}: {tally.sent} frames published, {tally.acknowledged} acknowledged "
        f"in {summary.seconds:.1f} s ({summary.fps:.1f} a second, MQTT {summary.protocol})"
    )
    if watch and (kept := tally.refused + (0 if bridged else tally.unheard)):
        line += f"; {kept} were refused or unheard, so their pictures stayed in the folder for another try"
    elif tally.refused:
        line += f"; {tally.refused} REFUSED by the broker"
    if tally.given_up:
        where = ", so their pictures stayed in the folder" if watch else ""
        line += f"; {tally.given_up} GIVEN UP, as the broker never takes them{where}"
    if summary.missed:
        line += f"; {summary.missed} pictures of the source were not sent"
    if tally.unheard and not watch:
        line += f"; {tally.unheard} had no subscriber: no daemon listens to this station"
    return line


def _as_json(summary: "CameraSummary") -> str:
    tally = summary.tally
    return json.dumps(
        {
            "station": str(summary.station),
            "protocol": summary.protocol,
            "published": tally.sent,
            "acknowledged": tally.acknowledged,
            "refused": tally.refused,
            "unheard": tally.unheard,
            "given_up": tally.given_up,
            "missed": summary.missed,
            "seconds": round(summary.seconds, 3),
            "fps": round(summary.fps, 3),
        }
    )
