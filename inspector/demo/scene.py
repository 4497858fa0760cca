"""What the demo shows: two drawn products, a bank of each, and a configuration that inspects them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from calibration.calibrate import calibrate
from calibration.options import Options
from inspector.demo.port import HOST
from inspector.progress import Track
from inspector.recipe import Recipe
from inspector.samples.folder import SampleFolder
from inspector.settings import BrokerSettings
from inspector.synthetic import PRODUCTS, write_dataset
from inspector.types import StationId

MAX_FALSE_REJECT = 0.02
_SAMPLE_RATE = 0.02
_DATA = "data"
_VECTORS = 1024
_VECTORS_A_SAMPLE = 16


@dataclass(frozen=True, slots=True)
class Position:
    """One camera position: the product it sees and the bank that inspects it."""

    product: str
    station: StationId
    bank: Path


def prepare(folder: Path, *, samples: int, seed: int, say: Callable[[str], None], track: Track) -> tuple[Position, ...]:
    """Draws good samples of each product into its station's folder, where the page Samples shows them, and calibrates a
    bank on them.

    Raises:
        InspectorError: see `calibrate`.
    """
    started = time.monotonic()
    for product in track(PRODUCTS, "drawing good samples"):
        place = _samples(folder, product)
        place.folder.mkdir(parents=True)
        with TemporaryDirectory(dir=folder) as drawn:
            dataset = write_dataset(
                Path(drawn), product=product, train_good=samples, test_good=0, per_defect=0, seed=seed
            )
            dataset.good_dir.rename(place.good)
    drawn_in = time.monotonic() - started
    say(f"samples    {samples} good parts each of {' and '.join(PRODUCTS)}, drawn in {drawn_in:.1f} s")
    return tuple(_calibrated(folder, product, samples, say, track) for product in PRODUCTS)


def _calibrated(folder: Path, product: str, samples: int, say: Callable[[str], None], track: Track) -> Position:
    started = time.monotonic()
    bank = folder / "banks" / product
    recipe = Recipe(name=product, vectors=min(_VECTORS, _VECTORS_A_SAMPLE * samples))
    options = Options(recipe=recipe, max_false_reject=MAX_FALSE_REJECT)
    done = calibrate(_samples(folder, product).good, bank, options, track=track)
    expected = "too few samples to tell" if done.promise.estimated else f"{done.promise.expected_false_reject:.1%}"
    say(
        f"bank       {product}: {done.vectors} vectors from {done.samples} samples, calibrated in "
        f"{time.monotonic() - started:.1f} s; false rejects expected: {expected}"
    )
    return Position(product, _station(product), bank)


def _station(product: str) -> StationId:
    return StationId("demo", "hall1", "line1", product)


def _samples(folder: Path, product: str) -> SampleFolder:
    return SampleFolder(folder / _DATA, str(_station(product)))


def write_settings(
    folder: Path,
    positions: Sequence[Position],
    *,
    broker: BrokerSettings,
    metrics_port: int,
    review_port: int | None = None,
) -> Path:
    """Writes the daemon's configuration; gives its path. review_port: of the review page; None runs none."""
    settings = {
        "instance": "demo",
        "broker": broker.model_dump(include={"host", "port", "protocol"}),
        "data_dir": f"./{_DATA}",
        "metrics": {"host": HOST, "port": metrics_port},
        "review": {"enabled": review_port is not None, "port": review_port or 0, "sample_rate": _SAMPLE_RATE},
        "stations": [
            {"id": str(position.station), "bank": str(position.bank.relative_to(folder))} for position in positions
        ],
    }
    path = folder / "inspector.yaml"
    path.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    return path
