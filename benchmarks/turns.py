"""Latency, measured in turns: what disturbs the machine for a moment disturbs all sides alike."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.report import number, ratio, spread
from benchmarks.rival import THREADS, Rival, RivalError
from inspector.pipeline import STAGES, Pipeline

ROUNDS = 12
BURST = 8
WARM = 3
"""In each of ROUNDS, BURST frames of each side, after WARM that do not count."""

PAUSE_S = 0.1
"""Between turns: idle threads of one side spin for a while and would take the other's cores."""

TOTAL, UNDECODED = "total", "undecoded"
HEAD = ("decode + embed + search + map = total, ms", "p95", "without decode", "anomalib torch", "", "in OpenVINO", "")


def latency(
    pipelines: Mapping[str, Pipeline], rivals: Mapping[str, Rival], payloads: Sequence[bytes], pictures: Path
) -> dict[str, Any]:
    """Milliseconds a frame: ours by stage, from bytes to verdict; the peer's from the normalised tensor on.

    payloads and pictures: the same frames, as files and as what the recipe makes of them.
    """
    ours = {name: {stage: list[float]() for stage in (*STAGES, TOTAL, UNDECODED)} for name in pipelines}
    theirs = {name: list[float]() for name in rivals}
    for turn in range(ROUNDS):
        for name, pipeline in pipelines.items():
            time.sleep(PAUSE_S)
            for index in range(-WARM, BURST):
                told = pipeline.inspect(payloads[(turn * BURST + index) % len(payloads)]).stage_ms
                total = sum(told.values())
                if index >= 0:
                    for stage, taken in {**told, TOTAL: total, UNDECODED: total - told["decode"]}.items():
                        ours[name][stage].append(taken)
        for name, rival in rivals.items():
            time.sleep(PAUSE_S)
            theirs[name] += rival.ask("time", pictures=pictures, start=turn * BURST, count=BURST, warm=WARM)["ms"]
    return {
        "ours": {name: {stage: spread(taken) for stage, taken in found.items()} for name, found in ours.items()},
        "peer": {name: spread(taken) for name, taken in theirs.items()},
    }


def with_openvino(rival: Rival, size_wh: tuple[int, int]) -> bool:
    """Whether the peer's Python has OpenVINO; its model is then converted."""
    try:
        rival.ask("openvino", size_wh=size_wh, threads=THREADS)
    except RivalError as error:
        print(f"the peer in OpenVINO is left out: {error}", flush=True)
        return False
    return True


def cells(found: dict[str, Any], name: str) -> list[object]:
    """The medians of one of ours, and how many times longer the peer takes; under HEAD."""
    ours, peer = found["ours"][name], found["peer"]
    parts = " + ".join(f"{ours[stage]['p50']:.1f}" for stage in STAGES)
    undecoded = ours[UNDECODED]["p50"]
    row: list[object] = [f"{parts} = {ours[TOTAL]['p50']:.1f}", number(ours[TOTAL]["p95"]), number(undecoded)]
    for side in ("torch", "openvino"):
        theirs = peer[side]["p50"] if side in peer else None
        row += [number(theirs), ratio(theirs, undecoded)]
    return row
