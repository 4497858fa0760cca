"""The line-side daemon: opens everything in order, runs until it is told to stop, closes everything in reverse."""

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from sqlalchemy import Engine

from inspector import __version__, logs
from inspector.errors import InspectorError, UnknownStationError
from inspector.file_lock import file_lock
from inspector.line.companion import Warn
from inspector.line.control import Control, control_identity
from inspector.line.drift_watch import DriftWatch
from inspector.line.endpoints import serve
from inspector.line.entries import Entries
from inspector.line.health import Health
from inspector.line.heatmaps import Heatmaps
from inspector.line.housekeeper import Housekeeper, policy_of
from inspector.line.intake import Intake
from inspector.line.metrics import UNKNOWN_STATION, Metrics
from inspector.line.posts import Posts
from inspector.line.publisher import CONDITION as OUTBOX
from inspector.line.publisher import Publisher
from inspector.line.receptions import Receptions
from inspector.line.recorder import CONDITION as LEDGER
from inspector.line.recorder import Recorder
from inspector.line.self_report import SelfReport
from inspector.line.session_key import SessionKey
from inspector.line.settlement import Settled
from inspector.line.snapshots import Snapshots
from inspector.line.stopping import Stop, stopped_by_signals
from inspector.line.triage import Triage
from inspector.line.unknown_stations import UnknownStations, watch_identity
from inspector.line.vigil import BROKER, Vigil
from inspector.line.worker import Worker
from inspector.mqtt.certificate import own_certificates
from inspector.mqtt.connection import Connection
from inspector.pipeline import STAGES
from inspector.settings import Settings
from inspector.settings.secret import read_secret
from inspector.store import (
    Archive,
    Ledger,
    NewestPictures,
    Outbox,
    OutboxMessage,
    Quarantine,
    Retention,
    ReviewQueue,
    Reviews,
    open_database,
)
from inspector.store.sole_daemon import sole_daemon

log = logging.getLogger(__name__)

STAGE_LABELS = ("queue", *STAGES)

_ATTEMPTS = "attempts"
_BANKS = "banks"
_DATABASE = "database"
_IN_USE = "is used by another daemon, expected one of its own"
_LOOK_EVERY_S = 0.5
_FLUSH_S = 5.0
_SPARE_BYTES = 1_000_000_000
"""Left free on the disk for the ledger: with less, no picture is archived."""

Beside = Callable[[Warn], AbstractContextManager[object]]
"""Makes what runs beside the daemon, given what takes its warnings."""


def run(settings: Settings, *, stop: Stop | None = None, beside: Sequence[Beside] = ()) -> None:
    """Runs the daemon until SIGTERM, SIGINT or SIGHUP, then drains: what is in hand is decided, recorded, published.

    stop: ends it too, where it runs in a thread. beside: makes what runs as long as the daemon inspects.

    Raises:
        BankError, EngineError: stations have banks, and none of them can be used.
        StoreError: the data folder or the database cannot be used, or another daemon uses it.
        SettingsError: the metrics address cannot be listened on.
        InspectorError: a thread failed; its trace is in the log.
    """
    logs.configure()
    stop = SimpleQueue() if stop is None else stop
    with stopped_by_signals(stop):
        _Daemon(settings, stop).run(beside)
    log.info("stopped")


class _Daemon:
    """The parts of one daemon, and what they share."""

    def __init__(self, settings: Settings, stop: Stop) -> None:
        stations = settings.station_names
        self._settings = settings
        self._stop = stop
        self._metrics = Metrics(stations, STAGE_LABELS)
        self._health = Health(_BANKS, LEDGER, OUTBOX, BROKER, *(f"{BROKER} {name}" for name in stations))
        self._intake = Intake({station.id: station.queue for station in settings.stations})
        self._drift = DriftWatch(station.id for station in settings.stations)
        self._metrics.observe_drift(self._drift.figures)
        self._posts = Posts(settings, self._metrics, self._health, self._drift)

    def run(self, beside: Sequence[Beside]) -> None:
        """Everything is closed in the reverse of the order in which it is opened here."""
        settings = self._settings
        with ExitStack() as opened:
            opened.enter_context(file_lock(settings.daemon_lock, f"data_dir {settings.data_dir}", _IN_USE))
            self._key = SessionKey.open(settings.data_dir)
            port = opened.enter_context(self._serve_http())
            log.info("starting", extra={"version": __version__, "instance": settings.instance, "http_port": port})
            opened.enter_context(sole_daemon(settings.database_url, partial(self._health.set, _DATABASE)))
            database = opened.enter_context(open_database(settings.database_url, migrate=True))
            ledger, outbox, quarantine = Ledger(database), Outbox(database), self._open_quarantine()
            archive = self._open_archive()
            self._bank_watch = self._posts.open(self._fault)
            self._health.set(_BANKS, None)
            self._wire_control(outbox)
            self._wire_work(ledger, quarantine, archive)
            self._wire_stations(ledger)
            housekeeper = self._housekeeper(database, archive)

            opened.enter_context(self._control_connection)
            opened.callback(self._last_word)
            if settings.report_unknown_stations:
                opened.enter_context(self._watch_connection)
            opened.enter_context(self._receptions.open())
            opened.enter_context(self._recorder)
            opened.enter_context(self._publisher)
            opened.callback(self._recorder.flush, _FLUSH_S)
            opened.enter_context(self._snapshots)
            opened.enter_context(self._worker)
            opened.enter_context(housekeeper)
            opened.enter_context(self._bank_watch)
            for companion in beside:
                opened.enter_context(companion(self._health.warn))
            self._until_stopped()

    def _wire_control(self, outbox: Outbox) -> None:
        """Makes and joins what speaks of the daemon, and what publishes; nothing runs yet."""
        settings = self._settings
        self._control_connection = Connection(
            settings.broker,
            control_identity(settings.instance, self._key.text),
            on_change=self._control_changed,
            on_fault=self._fault,
            on_message=lambda arrival: self._control.command(arrival),
            on_published=self._answered,
        )
        report = SelfReport(
            settings.instance,
            self._posts,
            self._health,
            self._drift,
            self._intake,
            protocol=lambda: self._control_connection.protocol,
        )
        self._control = Control(
            settings.instance,
            self._control_connection,
            info=report.info,
            health=report.state,
            drift=self._drift.documents,
            commands={"ping": report.ping, "health": report.state, "reload": self._reload},
            warn=self._health.warn,
        )
        unknown_stations = UnknownStations(
            frozenset(settings.station_names), self._control_connection, on_frame=self._count_unknown
        )
        self._watch_connection = Connection(
            settings.broker,
            watch_identity(settings.instance, self._key.text),
            on_change=lambda _: None,
            on_fault=self._fault,
            on_message=unknown_stations.frame,
            may_connect=lambda: self._receptions.all_listen(),
        )
        self._publisher = Publisher(
            outbox,
            self._control_connection,
            self._health,
            confirm=self._confirmed,
            on_held=self._metrics.outbox_held.set,
            on_fault=self._fault,
        )
        self._heatmaps = Heatmaps(self._control_connection, self._health, calm=lambda: self._publisher.calm)
        self._metrics.outbox_depth.set(outbox.depth())

    def _wire_work(self, ledger: Ledger, quarantine: Quarantine, archive: Archive) -> None:
        """Makes and joins what inspects, and what records; nothing runs yet."""
        settings = self._settings
        triage = Triage(archive, self._health, sample_rate=settings.review.sample_rate)
        self._recorder = Recorder(
            ledger,
            Entries(quarantine, triage),
            self._health,
            on_recorded=self._recorded,
            on_confirmed=self._publisher.removed,
            on_failure=self._metrics.store_failures.inc,
            on_missing=lambda station: self._metrics.archive_failures.labels(station).inc(),
            on_fault=self._fault,
        )
        self._metrics.quarantine_bytes.set_function(lambda: quarantine.size_bytes)
        self._metrics.observe_disk(settings.data_dir)
        self._metrics.observe_certificates(self._certified)
        self._snapshots = Snapshots(
            NewestPictures(settings.data_dir), self._health, max_pixels=settings.max_pixels, on_fault=self._fault
        )
        self._worker = Worker(
            self._intake,
            self._posts.running,
            ledger,
            on_seen=self._snapshots.seen,
            hand_on=self._recorder.record,
            all_durable=self._recorder.flush,
            on_store=self._attempts_changed,
            on_fault=self._fault,
        )

    def _wire_stations(self, ledger: Ledger) -> None:
        """Makes where frames come in, and what watches over all of it; nothing runs yet."""
        self._receptions = Receptions(
            self._settings,
            self._key,
            ledger,
            self._intake,
            self._metrics,
            self._health,
            record=self._recorder.record,
            on_fault=self._fault,
        )
        self._metrics.observe_queues(self._receptions.depths)
        self._vigil = Vigil(
            self._worker,
            self._recorder,
            self._control,
            self._drift,
            self._health,
            self._metrics,
            stations=self._settings.station_names,
            inspected=self._posts.running,
            on_fault=self._fault,
        )

    def _serve_http(self) -> AbstractContextManager[int]:
        metrics = self._settings.metrics
        token = None if metrics.token_file is None else read_secret(metrics.token_file)
        return serve(self._health, self._metrics.registry, host=metrics.host, port=metrics.port, token=token)

    def _open_quarantine(self) -> Quarantine:
        bounds = self._settings.quarantine
        quarantine = Quarantine(
            self._settings.data_dir / "quarantine",
            max_bytes=bounds.max_mb * 1_000_000,
            max_files=bounds.max_files,
        )
        quarantine.open()
        return quarantine

    def _open_archive(self) -> Archive:
        limit = round(self._settings.retention.max_gb * 1e9)
        self._metrics.archive_limit.set(limit)
        return Archive(self._settings.frames_dir, max_bytes=limit, spare_bytes=_SPARE_BYTES)

    def _housekeeper(self, database: Engine, archive: Archive) -> Housekeeper:
        return Housekeeper(
            ReviewQueue(database),
            Reviews(database),
            Retention(database, archive, policy_of(self._settings.retention)),
            archive,
            self._metrics,
            self._health,
            stations=frozenset(self._settings.station_names),
            on_fault=self._fault,
        )

    def _until_stopped(self) -> None:
        while True:
            self._vigil.look()
            try:
                word = self._stop.get(timeout=_LOOK_EVERY_S)
            except Empty:
                continue
            if isinstance(word, BaseException):
                raise InspectorError(f"daemon: stopped by a fault: {type(word).__name__}: {word}") from word
            log.info("stopping", extra={"cause": word})
            return

    def _last_word(self) -> None:
        if self._health.alive:
            self._control.stopped()
        else:
            self._control.failed()

    def _fault(self, error: BaseException) -> None:
        """A thread ended by an exception: told with its trace, and the daemon ends for its supervisor."""
        self._health.fail(f"{type(error).__name__}: {error}")
        self._stop.put(error)
        log.critical("fault", exc_info=error, extra={"in_thread": threading.current_thread().name})

    def _recorded(self, settled: Sequence[Settled], messages: Sequence[OutboxMessage]) -> None:
        """Outcomes are durable: published, counted, acknowledged."""
        self._publisher.publish(messages)
        for one in settled:
            delivery = one.outcome.delivery
            self._metrics.count(one)
            if not one.duplicate:
                self._drift.take(one.outcome)
            self._receptions.settled(delivery)
            if one.outcome.heatmap is not None and not one.duplicate:
                self._heatmaps.show(
                    delivery.station,
                    one.outcome.heatmap,
                    frame_id=delivery.raw.frame_id,
                    result_id=one.outcome.result_id,
                )
        self._metrics.outbox_depth.inc(len(messages))

    def _attempts_changed(self, fault: str | None) -> None:
        """Whether the ledger takes that a frame is begun which the broker sends again."""
        self._health.set(_ATTEMPTS, fault)
        if fault is not None:
            self._metrics.store_failures.inc()

    def _control_changed(self, fault: str | None) -> None:
        self._health.set(BROKER, fault)
        self._heatmaps.connection_changed(fault)

    def _answered(self, link: int, mid: int, refusal: str | None) -> None:
        """The broker confirmed what somebody published, or refused it."""
        self._publisher.answered(link, mid, refusal)
        self._control.answered(link, mid, refusal)

    def _confirmed(self, ids: Sequence[int]) -> None:
        """The broker has these messages."""
        self._metrics.outbox_depth.dec(len(ids))
        self._recorder.confirm(ids)

    def _count_unknown(self) -> None:
        self._metrics.received.labels(UNKNOWN_STATION).inc()
        self._metrics.rejected.labels(UNKNOWN_STATION, UnknownStationError.reason).inc()

    def _certified(self) -> dict[str, float]:
        """Until when certificates are valid, seconds since 1970; without those that cannot be read now."""
        until = {}
        for name, one in own_certificates(self._settings).items():
            with suppress(OSError):
                until[name] = one.until()
        broker = self._control_connection.certified_until
        return until if broker is None else {**until, "broker": broker}

    def _reload(self) -> dict[str, Any]:
        """Banks are looked at now; what comes of it is in the info and in the health."""
        return {"looking_at": self._bank_watch.look()}
