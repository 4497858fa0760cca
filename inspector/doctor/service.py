"""What the daemon opens: its database, its banks, its ports."""

import errno
import socket
from collections.abc import Iterator
from datetime import UTC, datetime

from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError

from inspector.bank import DRIFT_FILE
from inspector.doctor.finding import Finding, fail, ok, warn
from inspector.doctor.machine import nearest
from inspector.doctor.speed import Speed, kept_frames, speed
from inspector.errors import InspectorError, StoreError
from inspector.file_lock import is_locked
from inspector.http_status import status_of
from inspector.manifest import is_bank_there
from inspector.pipeline import Pipeline
from inspector.settings import Settings, address_of
from inspector.settings.secret import read_secret
from inspector.store.database import ENCODING, MAKE_IT, encoding, make_engine, revision, schemas
from inspector.store.tables import HEAD
from inspector.types import StationId

_BUSY = 0.8
_SKEW_S = 2.0
_ANSWERS_S = 5.0
_REFUSALS = {
    errno.EADDRINUSE: "is taken by another program",
    errno.EADDRNOTAVAIL: "is no address of this machine",
    errno.EACCES: "needs a right that this user has not, as ports below 1024 do",
}


def database(settings: Settings) -> Iterator[Finding]:
    """Whether a table can be made in it (and is taken back), whether this version reads it, and for PostgreSQL, whether
    it holds every text, and how far its clock is from ours.
    """
    file = settings.ledger_file
    if settings.database is None and not file.exists():
        if nearest(file.parent).is_dir():  # if not, the finding on the disk says so
            yield ok("database", f"{file} will be made at the first start")
        return
    where = str(file) if settings.database is None else "as the settings say"
    try:
        engine = make_engine(settings.database_url)
        try:
            with engine.connect() as connection:
                if connection.dialect.name == "sqlite":
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                connection.execute(text("CREATE TABLE inspector_doctor (id INTEGER)"))
                theirs = connection.execute(select(func.now())).scalar_one()
                schema = revision(connection)
                held_in = encoding(connection)
                connection.rollback()
        finally:
            engine.dispose()
    except (SQLAlchemyError, StoreError) as error:
        told = str(getattr(error, "orig", None) or error).strip().splitlines()[0].removeprefix("database: ")
        yield fail("database", told, expected="one that can be written", do="see database and data_dir in the settings")
        return
    if held_in != ENCODING:
        yield fail("database", f"its encoding is {held_in}", expected=ENCODING, do=MAKE_IT)
        return
    if schema is not None and schema not in schemas():
        yield fail(
            "database",
            f"has schema {schema}, {where}",
            expected=f"{HEAD} or older",
            do="run the version that wrote it, or restore a backup of before",
        )
        return
    yield ok("database", f"can be written, {where}")
    if isinstance(theirs, datetime) and theirs.tzinfo is not None:
        skew = (theirs - datetime.now(UTC)).total_seconds()
        if abs(skew) > _SKEW_S:
            yield warn(
                "database clock",
                f"{skew:+.1f} s from ours",
                expected=f"within {_SKEW_S:.0f} s",
                do="synchronise both machines with one time server",
            )
        else:
            yield ok("database clock", f"{skew:+.1f} s from ours")


def banks(settings: Settings, *, takt_s: float) -> Iterator[Finding]:
    """Each bank is verified and run; one process inspects for all cameras, so their times add up."""
    kept = kept_frames(settings)
    speeds: dict[StationId, Speed] = {}
    unusable = False
    for folder in dict.fromkeys(station.bank for station in settings.stations):
        if not is_bank_there(folder):
            yield warn(
                "bank",
                f"{folder} is not there yet, so frames become errors",
                expected="a bank",
                do="make the first one on the page Samples or with `inspector calibrate`, or correct the path",
            )
            continue
        try:
            pipeline = Pipeline.open(folder, max_pixels=settings.max_pixels, engine=settings.engine)
        except InspectorError as error:
            unusable = True
            yield fail("bank", str(error), expected="a bank that can be used", do="calibrate, or correct the path")
            continue
        here = {one.id: speed(pipeline, kept.get(one.id)) for one in settings.stations if one.bank == folder}
        speeds |= here
        manifest = pipeline.bank.manifest
        told = f"{folder} is sound ({manifest.id}), {max(here.values(), key=lambda one: one.seconds)}"
        if DRIFT_FILE in manifest.files:
            yield ok("bank", told)
        else:
            yield warn("bank", told, expected="one that knows drift", do="calibrate again")
    if unusable or not speeds:
        return
    cameras = settings.cameras.values()
    taken = {station: one.seconds for station, one in speeds.items()}
    share = sum(max(taken.get(one.id, 0.0) for one in products) for products in cameras) / takt_s
    told = f"{len(cameras)} camera(s) use {share:.0%} of a takt of {takt_s:g} s"
    if drawn := [station for station, one in speeds.items() if not one.decoded]:
        more = f" (and {len(drawn) - 1} more)" if len(drawn) > 1 else ""
        told += f", without decoding the frames of {drawn[0]}{more}, of which none is kept to try"
    if share > 1:
        yield fail("speed", told, expected="less than all of it", do="spread stations over more machines")
    elif share > _BUSY:
        yield warn("speed", told, expected=f"less than {_BUSY:.0%}", do="spread stations over more machines")
    else:
        yield ok("speed", told)


def ports(settings: Settings) -> Iterator[Finding]:
    """Free, or taken by our own daemon; and whether its metrics are guarded as the settings say."""
    metrics, review = settings.metrics, settings.review
    ours = is_locked(settings.daemon_lock)
    if (why := _refused(metrics.host, metrics.port)) is None:
        yield ok("metrics", f"{address_of(metrics.host, metrics.port)} is free")
    elif not ours:
        yield fail(
            "metrics",
            f"{address_of(metrics.host, metrics.port)} {why}",
            expected="a free one",
            do="set metrics.port, or end the other one",
        )
    else:
        yield from _guarded(settings)
    if not review.enabled:
        return
    if settings.one_port_for_two:
        yield fail(
            "review", f"{review.port} is the port of metrics too", expected="one of its own", do="set review.port"
        )
    elif (why := _refused(review.host, review.port)) is None:
        yield ok("review", f"{address_of(review.host, review.port)} is free")
    elif ours:
        yield ok("review", f"{address_of(review.host, review.port)} is in use, and so is the daemon")
    else:
        yield fail(
            "review",
            f"{address_of(review.host, review.port)} {why}",
            expected="a free one",
            do="set review.port",
        )


def _guarded(settings: Settings) -> Iterator[Finding]:
    metrics = settings.metrics
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(metrics.host, metrics.host)
    url = f"http://{address_of(host, metrics.port)}/metrics"
    stranger = status_of(url, within_s=_ANSWERS_S)
    if metrics.token_file is None:
        if stranger == 200:
            yield ok("metrics", f"the daemon answers at {url}, to this machine alone")
        else:
            yield fail("metrics", f"{url} answers {stranger}", expected="200", do="is that our daemon, of now?")
        return
    known = status_of(url, read_secret(metrics.token_file), within_s=_ANSWERS_S)
    if (stranger, known) == (401, 200):
        yield ok("metrics", f"the daemon answers at {url}, with the token alone")
    else:
        yield fail(
            "metrics",
            f"{url} answers {stranger} without and {known} with the token",
            expected="401 and 200",
            do="start the daemon anew: it read its token when it began",
        )


def _refused(host: str, port: int) -> str | None:
    """Why nothing can listen there; None where it is free."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return _REFUSALS.get(error.errno or 0, f"cannot be listened on ({error.strerror or error})")
    return None
