"""Fixtures that every test may use: a real broker, database, bank, daemon and browser."""

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from line import Camera, Daemon, Plc, drawn_part
from playwright.sync_api import Browser, sync_playwright
from postgres import Postgres, postgres_folder, running_postgres
from services import Mosquitto
from sqlalchemy import Engine

from calibration.calibrate import Options, calibrate
from inspector.demo import port
from inspector.recipe import Recipe
from inspector.store import open_database

settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")
"""Examples are judged by what they say, never by how long a busy machine took over them."""


def pytest_configure(config: pytest.Config) -> None:
    """Each of several workers has ports of its own: none takes one on which another wants nobody to listen."""
    worker = getattr(config, "workerinput", None)
    if worker is not None:
        ports = list(port._BELOW_EPHEMERAL)[int(worker["workerid"].removeprefix("gw")) :: worker["workercount"]]
        port._candidates = iter(random.sample(ports, len(ports)))


@pytest.fixture
def start_mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Mosquitto]]:
    """Starts brokers with extra configuration lines: `start_mosquitto("max_packet_size 100000")`."""
    started: list[Mosquitto] = []

    def start(*options: str) -> Mosquitto:
        broker = Mosquitto(Path(tmp_path_factory.mktemp("mosquitto")), options=options)
        started.append(broker)
        broker.start()
        return broker

    yield start
    for broker in started:
        broker.stop()


@pytest.fixture
def mosquitto(start_mosquitto: Callable[..., Mosquitto]) -> Mosquitto:
    """A running broker with persistence, `.host`, `.port`, `.stop()`, `.kill()`, `.start()`."""
    return start_mosquitto()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running PostgreSQL, `.create_database()` gives the URL of an empty one, `.stop()`, `.start()`."""
    programs = postgres_folder()
    if programs is None:
        raise AssertionError("PostgreSQL is not installed: apt-get install postgresql, or make setup")
    with running_postgres(programs) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database; a test that asks for it runs on both kinds."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/data/ledger.sqlite3"
    server: Postgres = request.getfixturevalue("postgres")
    # Who asks for `database` wants the tables too; a copy of a database that has them is quicker made.
    return server.create_database(like=server.migrated if "database" in request.fixturenames else None)


@pytest.fixture
def database(url: str) -> Iterator[Engine]:
    """The newest tables, empty; on both kinds of database."""
    with open_database(url) as engine:
        yield engine


@pytest.fixture(scope="session")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small real bank of drawn parts, calibrated once."""
    folder = tmp_path_factory.mktemp("calibrated")
    good = folder / "good"
    good.mkdir()
    for seed in range(10):
        (good / f"{seed}.png").write_bytes(drawn_part(1000 + seed))
    recipe = Recipe(name="disc", size_wh=(64, 64), vectors=64)
    calibrate(good, folder / "bank", Options(recipe=recipe, folds=2))
    return folder / "bank"


@pytest.fixture
def daemon(mosquitto: Mosquitto, bank: Path, tmp_path: Path) -> Iterator[Daemon]:
    """The daemon as a process, for cam1, not yet started: change its `settings`, then `start()`."""
    with Daemon(tmp_path, port=mosquitto.port, bank=bank) as process:
        yield process


@pytest.fixture
def plc(mosquitto: Mosquitto) -> Iterator[Plc]:
    """Listens to verdicts and errors; each is checked against its schema."""
    with Plc(mosquitto.port) as listener:
        yield listener


@pytest.fixture
def camera(mosquitto: Mosquitto) -> Iterator[Camera]:
    """Publishes frames over MQTT 5."""
    with Camera(mosquitto.port) as publisher:
        yield publisher


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, without a screen."""
    program = shutil.which("chromium")
    assert program is not None, "chromium is not installed: apt-get install chromium, or make setup"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield browser
        browser.close()
