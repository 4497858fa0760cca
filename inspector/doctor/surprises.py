"""What would surprise in valid settings: warnings of `inspector config check`, never a reason not to start."""

import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from inspector.bank import DRIFT_FILE, MEMORY_FILE
from inspector.doctor.machine import nearest
from inspector.errors import BankError, StoreError
from inspector.manifest import Manifest, is_bank_there, read_manifest
from inspector.settings import Settings, is_loopback
from inspector.settings.sections import QUEUE_BYTES
from inspector.store.database import make_engine

_PROCESS_BYTES = 400_000_000
"""The daemon with its engine, before any bank."""

_MOUNTS = Path("/proc/self/mounts")
_SHARES = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "fuse.glusterfs", "fuse.sshfs")
"""File systems of another machine."""


@dataclass(frozen=True, slots=True)
class Surprise:
    """The key that it is about, and what would happen, with what to do."""

    key: str
    text: str


def surprises(settings: Settings) -> list[Surprise]:
    """All of them, in the order of the settings. Looks at the files and folders that they name."""
    return [
        *_broker(settings),
        *_secrets(settings),
        *_database(settings),
        *_metrics(settings),
        *_ports(settings),
        *_memory(settings),
        *_disk(settings),
        *_retention(settings),
        *_banks(settings),
        *_cameras(settings),
    ]


def _broker(settings: Settings) -> Iterator[Surprise]:
    broker = settings.broker
    if is_loopback(broker.host):
        return
    if broker.tls is None:
        yield Surprise(
            "broker.tls",
            f"{broker.host} is another machine and tls is not set: pictures, verdicts and the password cross the "
            "network as they are; set tls: {ca_file: ca.pem}",
        )
    if broker.username is None and (broker.tls is None or broker.tls.cert_file is None):
        yield Surprise(
            "broker.username",
            f"nobody says who connects to {broker.host}; set username and password_file, or a client certificate",
        )


def _secrets(settings: Settings) -> Iterator[Surprise]:
    tls = settings.broker.tls
    files = {
        "broker.password_file": settings.broker.password_file,
        "broker.tls.key_file": None if tls is None else tls.key_file,
        "metrics.token_file": settings.metrics.token_file,
        "review.key_file": settings.review.key_file,
    }
    for key, path in files.items():
        if path is not None and path.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
            yield Surprise(key, f"every user of this machine can read {path}; chmod 0640, with the daemon's group")


def _database(settings: Settings) -> Iterator[Surprise]:
    if settings.database is None:
        return
    try:
        url = make_url(settings.database)
    except ArgumentError:
        yield Surprise("database", "is no SQLAlchemy URL, as in postgresql+psycopg://inspector@db/inspector")
        return
    if url.password is not None:
        yield Surprise(
            "database",
            "holds a password that every reader of this file sees; use ?passfile=FILE, which only the daemon's user "
            "can read, a service or a socket",
        )
    try:
        make_engine(settings.database).dispose()
    except StoreError as error:
        yield Surprise("database", f"{str(error).removeprefix('database: ')}; the daemon will not start")


def _metrics(settings: Settings) -> Iterator[Surprise]:
    if not is_loopback(settings.metrics.host):
        yield Surprise(
            "metrics.host",
            f"{settings.metrics.host}: the token crosses the network as it is; keep it to the plant's own network",
        )


def _ports(settings: Settings) -> Iterator[Surprise]:
    if settings.one_port_for_two:
        yield Surprise(
            "review.port", f"{settings.review.port} is the port of metrics too: the page cannot start; choose another"
        )


def _memory(settings: Settings) -> Iterator[Surprise]:
    memory = _memory_bytes()
    if memory is None:
        return
    banks = {station.bank for station in settings.stations}
    cameras = len(settings.cameras)
    need = _PROCESS_BYTES + sum(map(_bank_bytes, banks)) + cameras * QUEUE_BYTES
    if need > memory:
        yield Surprise(
            "stations",
            f"full queues ({cameras} of {QUEUE_BYTES / 1e6:.0f} MB at most) and banks may take "
            f"{need / 1e9:.1f} GB, this machine has {memory / 1e9:.1f} GB; spread the stations over more machines",
        )


def _memory_bytes() -> int | None:
    """What this process may have: of the machine, or less by its control group."""
    try:
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
    except OSError:
        return machine
    return min(machine, int(limit)) if limit.isdecimal() else machine


def _bank_bytes(folder: Path) -> int:
    file = folder / MEMORY_FILE
    return 2 * file.stat().st_size if file.is_file() else 0


def _disk(settings: Settings) -> Iterator[Surprise]:
    here = nearest(settings.data_dir)
    usage = shutil.disk_usage(here)
    bound = settings.retention.max_gb * 1e9 + settings.quarantine.max_mb * 1e6
    if bound > usage.total:
        yield Surprise(
            "retention.max_gb",
            f"pictures and quarantine may take {bound / 1e9:.0f} GB, the disk of {settings.data_dir} has "
            f"{usage.total / 1e9:.0f} GB; lower retention.max_gb",
        )
    kind = _file_system(here)
    if kind in ("tmpfs", "ramfs"):
        yield Surprise("data_dir", f"{settings.data_dir} is in memory: ledger and outbox are gone after a restart")
    if kind in _SHARES and settings.database is None:
        yield Surprise(
            "data_dir",
            f"{settings.data_dir} is on a network share ({kind}), where SQLite may damage the ledger; put data_dir on "
            "a disk of this machine, or set database to PostgreSQL",
        )


def _retention(settings: Settings) -> Iterator[Surprise]:
    keep = settings.retention
    if keep.reviewed_days < keep.records_days:
        yield Surprise(
            "retention.reviewed_days",
            f"decided frames go after {keep.reviewed_days:g} days, before the ok ones (records_days, "
            f"{keep.records_days:g}): false-reject and escape rates reach back no further; set at least "
            f"{keep.records_days:g}",
        )


def _file_system(folder: Path) -> str | None:
    """The kind of file system that a folder is on; None where the system does not tell."""
    try:
        mounts = _MOUNTS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    points = {Path(fields[1].replace("\\040", " ")): fields[2] for fields in map(str.split, mounts)}
    resolved = folder.resolve()
    return next((points[point] for point in (resolved, *resolved.parents) if point in points), None)


def _banks(settings: Settings) -> Iterator[Surprise]:
    manifests = {station.id: _manifest(station.bank) for station in settings.stations}
    starts = any(isinstance(manifest, Manifest) for manifest in manifests.values()) or not any(
        is_bank_there(station.bank) for station in settings.stations
    )
    without = "until it is there, the station's frames become errors" if starts else "the daemon will not start"
    for index, station in enumerate(settings.stations):
        key = f"stations[{index}].bank"
        manifest = manifests[station.id]
        if isinstance(manifest, BankError):
            yield Surprise(key, f"{manifest}; {without}")
            continue
        if DRIFT_FILE not in manifest.files:
            yield Surprise(key, f"{station.bank} was made before drift was known: no charts; calibrate again")
        if station.queue.policy == "freshest" and station.queue.capacity > 1:
            yield Surprise(
                f"stations[{index}].queue.capacity",
                f"freshest with {station.queue.capacity} places: pictures may be that many frames old; set 1",
            )


def _cameras(settings: Settings) -> Iterator[Surprise]:
    cameras = settings.cameras
    for index, station in enumerate(settings.stations):
        products = cameras[station.camera_name]
        if station.camera is not None and len(products) == 1:
            yield Surprise(
                f"stations[{index}].camera",
                f"no other station has {station.camera!r}, so nothing is shared; name the same camera at its other "
                "products, or leave it out",
            )
        first = next(one for one in products if one.bank == station.bank)
        if first is not station:
            yield Surprise(
                f"stations[{index}].bank",
                f"{station.bank} inspects {first.id} and {station.id}, which are products at one camera; give each its "
                "own",
            )


def _manifest(bank: Path) -> Manifest | BankError:
    try:
        return read_manifest(bank)
    except BankError as error:
        return error
