"""What a frame costs: by stage, through broker and daemon, and what selecting the bank costs beside other ways.

    python -m benchmarks.line --data DIR --weights DIR [--peer-python PYTHON] [--only SET] [--json FILE]

Frames are the test pictures of one data set, by default the one with the most good samples; banks are calibrated from
its first good samples. Stages are measured in this process, built-in backbone, mobilenetv2_100 and peer taking turns;
the peer searches the very vectors that ours searches. The daemon is a real one at a real mosquitto, fed by
`inspector camera`.
"""

import argparse
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.flow import through_daemon
from benchmarks.ours import SAMPLES, command, data_sets, good_files, good_in, picture, save_pictures, weights_file
from benchmarks.report import machine, number, ratio, table, write
from benchmarks.rival import ARCH, Rival, running_rival
from benchmarks.turns import HEAD, cells, latency, with_openvino
from calibration.coreset import greedy_k_center
from calibration.evaluation.cases import find_cases
from inspector.engines import open_engine
from inspector.pipeline import Pipeline
from inspector.recipe import Recipe
from inspector.types import Float32Array

BUILTIN = "builtin"


def main() -> None:
    """Measures, prints the tables, writes what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folders in MVTec's layout")
    parser.add_argument("--weights", type=Path, required=True, help=f"holds timm-{ARCH}*.safetensors")
    parser.add_argument("--peer-python", type=Path, help="a Python that has anomalib")
    parser.add_argument("--only", action="append", help="the name of the data set; that with the most good samples")
    parser.add_argument("--samples", type=int, default=SAMPLES, help="good samples, first by path  [200]")
    parser.add_argument("--frames", type=int, default=300, help="frames through the daemon, at each rate  [300]")
    parser.add_argument("--fps", type=float, default=15.0, help="the slower of the two rates  [15]")
    parser.add_argument("--skip", action="append", default=[], choices=["stages", "coreset", "daemon"])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    arguments = parser.parse_args()
    data = max(data_sets(arguments.data, arguments.only), key=lambda folder: len(good_files(folder, None)))
    weights = weights_file(arguments.weights, ARCH)
    document: dict[str, Any] = {"machine": machine(), "set": data.name, "samples": arguments.samples}
    with tempfile.TemporaryDirectory(prefix="benchmark-") as scratch:
        work = Path(scratch)
        for name, backbone in ((BUILTIN, BUILTIN), (ARCH, f"timm:{ARCH}@{weights}")):
            good = good_in(data)
            command("calibrate", good, "-o", work / name, "--backbone", backbone, "--first", arguments.samples)
        with ExitStack() as stack:
            rivals = {}
            for name in ("torch", "openvino") if arguments.peer_python else ():
                rivals[name] = stack.enter_context(running_rival(arguments.peer_python, weights, work / f"{name}.log"))
            if "stages" not in arguments.skip:
                document["stages"] = stages(data, work, rivals)
            if "coreset" not in arguments.skip:
                document["coreset"] = coreset(data, work, arguments.samples, rivals.get("torch"))
        if "daemon" not in arguments.skip:
            document["daemon"] = {
                name: through_daemon(work, work / name, data / "test", count=arguments.frames, fps=arguments.fps)
                for name in (BUILTIN, ARCH)
            }
    write(document, arguments.json)
    shown = markdown(document)
    print(shown)
    if arguments.markdown:
        arguments.markdown.write_text(shown + "\n", encoding="utf-8")


def stages(data: Path, work: Path, rivals: dict[str, Rival]) -> dict[str, Any]:
    """Milliseconds a frame, ours by stage."""
    pipelines = {name: Pipeline.open(work / name) for name in (BUILTIN, ARCH)}
    paths = [case.path for case in find_cases(data / "test")]
    save_pictures(paths, Recipe(), work / "frames.npy")
    np.save(work / "vectors.npy", pipelines[ARCH].bank.vectors)
    able = {}
    for name, rival in rivals.items():
        rival.ask("bank", bank=work / "vectors.npy")
        if name == "torch" or with_openvino(rival, Recipe().size_wh):
            able[name] = rival
    return latency(pipelines, able, [path.read_bytes() for path in paths], work / "frames.npy")


def coreset(data: Path, work: Path, samples: int, rival: Rival | None) -> dict[str, Any]:
    """Seconds to select a bank's vectors from all patches of the samples: ours, the literal loop, the peer's."""
    engine = open_engine("openvino", work / ARCH)
    found = [engine.embed(picture(path, Recipe())[None])[0] for path in good_files(data, samples)]
    vectors = np.concatenate([embedding.reshape(-1, embedding.shape[-1]) for embedding in found])
    count = min(Recipe().vectors, len(vectors))
    taken = []
    for _ in range(3):
        begin = time.perf_counter()
        selected, radius = greedy_k_center(vectors, count, np.random.default_rng(0))
        taken.append(time.perf_counter() - begin)
    begin = time.perf_counter()
    literal = literal_greedy(vectors, count, int(selected[0]))
    literal_s = time.perf_counter() - begin
    told: dict[str, Any] = {
        "patches": len(vectors),
        "dim": vectors.shape[1],
        "count": len(selected),
        "ours_s": min(taken),
        "radius": radius,
        "literal_s": literal_s,
        "same_selected": len(np.intersect1d(selected, literal)),
    }
    if rival is not None:
        np.save(work / "patches.npy", vectors)
        peer = rival.ask("coreset", vectors=work / "patches.npy", count=count)
        told |= {"peer_s": peer["seconds"], "peer_radius": peer["radius"]}
    return told


def literal_greedy(vectors: Float32Array, count: int, first: int) -> np.ndarray:
    """Farthest-first traversal as it is written down: a pass over all vectors for each one selected."""
    norms = np.einsum("ij,ij->i", vectors, vectors)
    nearest = np.full(len(vectors), np.inf, np.float32)
    selected = [first]
    while True:
        center = selected[-1]
        np.minimum(nearest, norms - 2 * (vectors @ vectors[center]) + norms[center], out=nearest)
        nearest[center] = 0
        if len(selected) == count:
            return np.array(selected)
        selected.append(int(nearest.argmax()))


def markdown(document: dict[str, Any]) -> str:
    """A table for each of the three parts."""
    told = document["machine"]
    parts = [f"{told['processor']}, {told['cores']} cores, frames of {document['set']}, 256x256."]
    if found := document.get("stages"):
        parts.append(table(["backbone", *HEAD], [[name, *cells(found, name)] for name in (BUILTIN, ARCH)]))
    if found := document.get("coreset"):
        parts.append(
            f"Coreset, {found['count']} of {found['patches']} vectors of {found['dim']}: {found['ours_s']:.1f} s; "
            f"a pass for each vector {found['literal_s']:.1f} s ({ratio(found['literal_s'], found['ours_s'])}, "
            f"{found['same_selected']} of {found['count']} the same)"
            + (
                f"; anomalib {found['peer_s']:.0f} s ({ratio(found['peer_s'], found['ours_s'])}); covering radius "
                f"{found['radius']:.3f}, anomalib {found['peer_radius']:.3f}."
                if "peer_s" in found
                else "."
            )
        )
    if daemons := document.get("daemon"):
        parts.append(table(_DAEMON_HEAD, [_daemon(name, found) for name, found in daemons.items()]))
    return "\n\n".join(parts)


_DAEMON_HEAD = (
    "backbone", "pipeline ms", "daemon adds ms", "share", "camera to subscriber ms p50", "p95",
    "frames a second, at most", "ready s", "resident MB",
)  # fmt: skip


def _daemon(name: str, found: dict[str, Any]) -> list[object]:
    paced = found["paced"]
    whole = paced["camera_to_subscriber_ms"]
    return [
        name,
        number(paced["pipeline_ms"], 2),
        number(paced["daemon_adds_ms"], 2),
        f"{paced['daemon_adds_ms'] / paced['pipeline_ms']:.0%}",
        number(whole["p50"]),
        number(whole["p95"]),
        number(found["fast"]["fps"], 0),
        number(found["ready_s"]),
        number(found["rss_mb"], 0),
    ]


if __name__ == "__main__":
    main()
