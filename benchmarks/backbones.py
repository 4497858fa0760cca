"""Backbones side by side: the same PatchCore on the same pictures, only the network differs.

    python -m benchmarks.backbones --data DIR --weights DIR [--json FILE] [--markdown FILE]

--data holds folders in MVTec's layout. --weights holds `timm-NAME*.safetensors` of the teachers and of the peer. Beside
them come the two parts that the product draws: nothing like them was among the pictures that the built-in network
learnt from, so they tell what it is worth on a new part. They are not in the mean.

Recipe for all: 256x256, layers at strides 8 and 16, 3x3 pooling, 2,048 vectors by greedy k-center from the first 200
good samples, the product's score. Times are of one picture from uint8 to fused embeddings, on two threads, in single
precision; the backbones take turns, so that a busy moment hits them alike.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import openvino.properties as props
import openvino.properties.hint as hints

from benchmarks.ours import SAMPLES, good_files, picture, readable, readable_cases
from benchmarks.report import table, write
from calibration.backbones.backbone import open_backbone
from calibration.backbones.builtin import load_weights, openvino_features
from calibration.backbones.export import Features, embedding_graph
from calibration.coreset import greedy_k_center
from calibration.distill.student import random_weights
from calibration.evaluation.cases import GOOD, find_cases
from calibration.evaluation.metrics import image_auroc
from inspector.engines.openvino import OpenVinoEngine
from inspector.recipe import Recipe
from inspector.scoring import NearestNeighbours, image_score
from inspector.synthetic.dataset import write_dataset
from inspector.synthetic.product import PRODUCTS
from inspector.types import Float32Array

TURNS = 60
PAUSE_S = 0.02
"""Between networks: idle threads of the one before may spin for a while."""

DRAWN = {name: f"{name} (drawn)" for name in PRODUCTS}
"""Parts that are drawn, and what tables call them."""

PEER = "mobilenetv2_100"
TEACHERS = ("densenet201", "resnet18")
BUILTIN, RANDOM = "builtin", "builtin, random initialisation"


@dataclass(frozen=True, slots=True)
class Row:
    """One backbone: its time a picture, and its image AUROC on each set, 0..1."""

    name: str
    dim: int
    fastest_ms: float
    median_ms: float
    image_auroc: Mapping[str, float]

    @property
    def mean(self) -> float:
        """Over the sets that were photographed."""
        return float(np.mean([area for name, area in self.image_auroc.items() if name not in DRAWN.values()]))


def main() -> None:
    """Measures, prints the table, writes what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folders in MVTec's layout")
    parser.add_argument("--weights", type=Path, required=True, help="timm-NAME*.safetensors")
    parser.add_argument("--only", action="append", help="names of backbones; all by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--reuse", type=Path, action="append", default=[], help="--json of an earlier run: take up its AUROC"
    )
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    arguments = parser.parse_args()
    recipe = Recipe(centring=0)  # networks side by side: nothing but the distances of their embeddings
    graphs = {
        name: embedding_graph(features, recipe)
        for name, features in backbones(arguments.weights, recipe)
        if arguments.only is None or name in arguments.only
    }
    times = milliseconds(graphs)
    known = earlier(arguments.reuse, arguments.seed)
    rows = []
    with tempfile.TemporaryDirectory(prefix="benchmark-") as scratch:
        sets = {folder.parent.name: folder.parent for folder in sorted(arguments.data.glob("*/test"))}
        sets |= drawn(Path(scratch))
        for name, graph in graphs.items():
            engine = OpenVinoEngine(graph)
            areas: dict[str, float] = {}
            rows.append(Row(name, engine.grid[2], *times[name], areas))
            for called, folder in sets.items():
                found = known.get((name, called))
                areas[called] = auroc(engine, folder, recipe, arguments.seed) if found is None else found
                print(f"{name}: {called} {areas[called]:.4f}", flush=True)
                if arguments.json:
                    write(document(rows, arguments.seed), arguments.json)
    shown = markdown(rows)
    print(shown)
    if arguments.markdown:
        arguments.markdown.write_text(shown + "\n", encoding="utf-8")


def drawn(folder: Path) -> dict[str, Path]:
    """The drawn parts, by name: 80 good ones to learn, 80 to judge, 16 of each kind of defect, most of them faint."""
    for name in DRAWN:
        write_dataset(folder / name, product=name, train_good=80, test_good=80, per_defect=16, severity=(0.05, 0.5))
    return {called: folder / name for name, called in DRAWN.items()}


def earlier(files: Sequence[Path], seed: int) -> dict[tuple[str, str], float]:
    """Image AUROC by network and set, of earlier runs with the same seed and built-in weights."""
    known: dict[tuple[str, str], float] = {}
    for file in files:
        said = json.loads(file.read_text(encoding="utf-8"))
        if (said["recipe"]["seed"], said["weights_sha256"]) == (seed, load_weights().digest):
            for row in said["backbones"]:
                known |= {(row["name"], name): value for name, value in row["image_auroc"].items()}
    return known


def backbones(weights: Path, recipe: Recipe) -> Iterator[tuple[str, Features]]:
    """The built-in one, the same untrained, the teachers, the peer."""
    layers = ("stride8", "stride16")
    trained = load_weights()
    untrained = random_weights(trained.spec, seed=0)
    yield BUILTIN, lambda image: openvino_features(image, trained, layers)
    yield RANDOM, lambda image: openvino_features(image, untrained, layers)
    for name in (*TEACHERS, PEER):
        file = next(iter(sorted(weights.glob(f"timm-{name}*.safetensors"))), None)
        if file is not None:
            yield name, open_backbone(f"timm:{name}@{file}", recipe).features


def milliseconds(graphs: Mapping[str, ov.Model]) -> dict[str, tuple[float, float]]:
    """The fastest and the median time of each, ms a picture."""
    config = {
        hints.performance_mode: hints.PerformanceMode.LATENCY,
        hints.inference_precision: ov.Type.f32,
        props.inference_num_threads: 2,
    }
    core = ov.Core()
    requests: dict[str, Any] = {
        name: core.compile_model(graph, "CPU", config).create_infer_request() for name, graph in graphs.items()
    }
    noise = np.random.default_rng(0).integers(0, 256, (1, 256, 256, 3), np.uint8)
    taken: dict[str, list[float]] = {name: [] for name in graphs}
    for turn in range(TURNS + 3):
        for name, request in requests.items():
            time.sleep(PAUSE_S)
            request.infer([noise], share_inputs=True, share_outputs=True)  # brings its weights into the cache
            begin = time.perf_counter()
            request.infer([noise], share_inputs=True, share_outputs=True)
            if turn >= 3:
                taken[name].append((time.perf_counter() - begin) * 1e3)
    return {name: (min(values), float(np.median(values))) for name, values in taken.items()}


def auroc(engine: OpenVinoEngine, folder: Path, recipe: Recipe, seed: int) -> float:
    """Image AUROC on one set, 0..1, of a bank made of its first good samples."""
    samples = [engine.embed(picture(path, recipe)[None]) for path in readable(good_files(folder))]
    vectors = np.concatenate([embedding.reshape(-1, engine.grid[2]) for embedding in samples])
    del samples
    chosen, _ = greedy_k_center(vectors, recipe.vectors, np.random.default_rng(seed))
    neighbours = NearestNeighbours(vectors[chosen], recipe.neighbours)
    del vectors
    scores: dict[bool, list[float]] = {True: [], False: []}
    for case in readable_cases(find_cases(folder / "test")):
        embedding = engine.embed(picture(case.path, recipe)[None])[0]
        scores[case.label == GOOD].append(image_score(neighbours.patch_scores(embedding)))
    value = image_auroc(_array(scores[True]), _array(scores[False]))
    if value is None:
        raise SystemExit(f"{folder}: expected good and defective pictures below test/")
    return value


def _array(values: Sequence[float]) -> Float32Array:
    return np.array(values, np.float32)


def markdown(rows: Sequence[Row]) -> str:
    """The table, times also as a ratio to the peer's."""
    sets = list(rows[0].image_auroc)
    peer = next((row.fastest_ms for row in rows if row.name == PEER), None)
    head = ["backbone", *sets, "mean", "ms (fastest / median)", f"time, {PEER} = 1", "dim"]
    return table(
        head,
        [
            [
                row.name,
                *(f"{row.image_auroc[name]:.3f}" for name in sets),
                f"{row.mean:.4f}",
                f"{row.fastest_ms:.2f} / {row.median_ms:.2f}",
                None if peer is None else f"{row.fastest_ms / peer:.2f}",
                row.dim,
            ]
            for row in rows
        ],
    )


def document(rows: Sequence[Row], seed: int) -> dict[str, Any]:
    """What --json writes."""
    return {
        "recipe": {"size": 256, "strides": [8, 16], "pooling": 3, "vectors": 2048, "samples": SAMPLES, "seed": seed},
        "openvino": ov.__version__,
        "weights_sha256": load_weights().digest,
        "backbones": [
            {
                "name": row.name,
                "dim": row.dim,
                "fastest_ms": round(row.fastest_ms, 3),
                "median_ms": round(row.median_ms, 3),
                "image_auroc": {name: round(value, 4) for name, value in row.image_auroc.items()},
                "mean_image_auroc": round(row.mean, 4),
            }
            for row in rows
        ],
    }


if __name__ == "__main__":
    main()
