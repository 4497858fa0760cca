"""One frame, end to end, on a real small bank; and the decisions that a scripted engine leads to."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter

import cv2
import numpy as np
import pytest
from banks import change_manifest, copy_of
from line import drawn_part
from pictures import bomb, smooth_picture, with_opencv

from inspector.bank import Bank
from inspector.errors import (
    BankError,
    EngineError,
    FrameDamagedError,
    FrameEmptyError,
    FrameFormatError,
    FrameSizeError,
    FrameTooLargeError,
    InferenceError,
)
from inspector.pipeline import STAGES, Pipeline
from inspector.types import Decision, Float32Array, Inspection, UInt8Image

GOOD = [drawn_part(seed) for seed in range(6)]
SCRATCHED = [drawn_part(seed, scratched=True) for seed in range(6)]


class Scripted:
    """An engine that embeds every picture as one vector of the bank, `away` from it in one patch."""

    name = "scripted"

    def __init__(self, bank: Bank, away: float = 0.0, patch: tuple[int, int] = (3, 5)) -> None:
        rows, columns = bank.manifest.grid_hw
        self.embeddings = np.tile(bank.vectors[0], (1, rows, columns, 1))
        self.embeddings[0, patch[0], patch[1], 0] += away

    def embed(self, images: UInt8Image) -> Float32Array:  # noqa: ARG002
        return self.embeddings

    def distances(self, vectors: Float32Array, k: int, count: int, planes: object = None) -> None:
        """Faiss searches."""


@pytest.fixture(scope="module")
def pipeline(bank: Path) -> Pipeline:
    return Pipeline.open(bank)


def same(a: Inspection, b: Inspection) -> bool:
    """All but the time it took."""
    facts = [(i.decision, i.score, i.p_value, i.regions, i.size_wh, i.anomaly_map.tobytes()) for i in (a, b)]
    return facts[0] == facts[1]


def test_good_parts_are_told_from_scratched_ones(pipeline: Pipeline) -> None:
    good = [pipeline.inspect(payload) for payload in GOOD]
    scratched = [pipeline.inspect(payload) for payload in SCRATCHED]
    assert max(i.score for i in good) < min(i.score for i in scratched)
    assert {i.decision for i in scratched} == {Decision.NG}
    assert {i.p_value for i in scratched} == {1 / 11}
    assert all(0 < i.p_value <= 1 for i in good)


def test_an_inspection_is_complete(pipeline: Pipeline) -> None:
    began = perf_counter()
    inspection = pipeline.inspect(SCRATCHED[0])
    took_ms = (perf_counter() - began) * 1e3
    assert inspection.size_wh == (96, 96)
    assert inspection.anomaly_map.shape == (64, 64)
    assert inspection.anomaly_map.dtype == np.float32
    assert tuple(inspection.stage_ms) == STAGES
    assert all(ms >= 0 for ms in inspection.stage_ms.values())
    assert sum(inspection.stage_ms.values()) <= took_ms


def test_regions_cover_the_scratch_in_the_frames_own_pixels(pipeline: Pipeline) -> None:
    for payload in SCRATCHED:
        first = pipeline.inspect(payload).regions[0]
        assert first.x <= 48 <= first.x + first.width
        assert first.y <= 45 <= first.y + first.height
        assert first.x + first.width <= 96
        assert first.y + first.height <= 96


def test_a_frame_that_thresholds_set_by_hand_flag_has_a_region_at_its_highest_place(bank: Path, tmp_path: Path) -> None:
    strict = copy_of(bank, tmp_path)
    change_manifest(strict, lambda manifest: manifest["calibration"].update(ok=0.1, ng=0.2))
    pipeline = Pipeline.open(strict)
    for payload in GOOD:
        found = pipeline.inspect(payload)
        assert found.decision is Decision.NG
        assert found.score < pipeline.bank.thresholds.pixel
        y, x = np.unravel_index(int(found.anomaly_map.argmax()), found.anomaly_map.shape)
        scale = found.size_wh[0] / found.anomaly_map.shape[1]
        first = found.regions[0]
        assert first.x <= x * scale <= first.x + first.width
        assert first.y <= y * scale <= first.y + first.height
        assert first.area < 0.2 * found.size_wh[0] * found.size_wh[1]


def test_a_frame_that_is_ok_has_no_regions(pipeline: Pipeline) -> None:
    ok = [i for i in map(pipeline.inspect, GOOD) if i.decision is Decision.OK]
    assert ok
    assert all(i.regions == () for i in ok)


def test_a_score_depends_on_neither_order_nor_neighbours(pipeline: Pipeline, bank: Path) -> None:
    frames = [*GOOD, *SCRATCHED]
    first = [pipeline.inspect(payload) for payload in frames]
    for payload, before in reversed(list(zip(frames, first, strict=True))):
        assert same(pipeline.inspect(payload), before)
    fresh = Pipeline.open(bank)
    assert same(fresh.inspect(frames[-1]), first[-1])


def test_a_score_does_not_depend_on_the_thread(pipeline: Pipeline, bank: Path) -> None:
    expected = [pipeline.inspect(payload) for payload in SCRATCHED]
    got: dict[int, list[Inspection]] = {}

    def inspect_all(number: int) -> None:
        own = Pipeline.open(bank)
        got[number] = [own.inspect(payload) for payload in SCRATCHED]

    threads = [threading.Thread(target=inspect_all, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(2):
        assert all(same(a, b) for a, b in zip(got[number], expected, strict=True))


def test_threads_that_share_a_pipeline_each_get_their_own_parts_verdict(pipeline: Pipeline) -> None:
    frames = [GOOD[0], SCRATCHED[0]] * 50
    expected = [pipeline.inspect(payload) for payload in frames[:2]]
    with ThreadPoolExecutor(3) as threads:
        got = list(threads.map(pipeline.inspect, frames))
        why = list(threads.map(pipeline.explain, frames))
    for number, (inspection, explanation) in enumerate(zip(got, why, strict=True)):
        assert same(inspection, expected[number % 2])
        assert explanation.score == inspection.score


@pytest.mark.parametrize(
    ("payload", "error"),
    [
        (b"", FrameEmptyError),
        (b"hello", FrameFormatError),
        (GOOD[0][:-100], FrameDamagedError),
        (bomb(), FrameTooLargeError),
        (with_opencv(np.zeros((4, 40, 3), np.uint8), ".png"), FrameSizeError),
    ],
    ids=["empty", "garbage", "truncated", "bomb", "tiny"],
)
def test_what_cannot_be_inspected_raises_and_harms_nothing(
    pipeline: Pipeline, payload: bytes, error: type[Exception]
) -> None:
    before = pipeline.inspect(GOOD[0])
    with pytest.raises(error):
        pipeline.inspect(payload)
    assert same(pipeline.inspect(GOOD[0]), before)


def test_the_limit_of_pixels_is_the_callers(bank: Path) -> None:
    with pytest.raises(FrameTooLargeError):
        Pipeline.open(bank, max_pixels=96 * 96 - 1).inspect(GOOD[0])


@pytest.mark.parametrize("picture", [smooth_picture(50, 200), smooth_picture(1, 1).repeat(300, 0).repeat(9, 1)])
def test_frames_of_any_size_are_scored_in_their_own_pixels(pipeline: Pipeline, picture: UInt8Image) -> None:
    inspection = pipeline.inspect(with_opencv(picture, ".png"))
    height, width = picture.shape[:2]
    assert inspection.size_wh == (width, height)
    for region in inspection.regions:
        assert region.x + region.width <= width
        assert region.y + region.height <= height


def test_a_crop_is_all_that_counts(bank: Path, tmp_path: Path) -> None:
    cropped = copy_of(bank, tmp_path)
    change_manifest(cropped, lambda m: m["recipe"].update(crop={"x": 100, "y": 50, "width": 96, "height": 96}))
    pipeline = Pipeline.open(cropped)
    part = cv2.imdecode(np.frombuffer(SCRATCHED[0], np.uint8), cv2.IMREAD_COLOR)
    for ground in (0, 255):
        wide = np.full((200, 250, 3), ground, np.uint8)
        wide[50:146, 100:196] = part
        inspection = pipeline.inspect(with_opencv(wide, ".png"))
        alone = Pipeline.open(bank).inspect(SCRATCHED[0])
        assert inspection.score == alone.score
        assert [(r.x - 100, r.y - 50, r.width, r.height) for r in inspection.regions] == [
            (r.x, r.y, r.width, r.height) for r in alone.regions
        ]
    with pytest.raises(FrameSizeError, match="expected at least 196x146"):
        pipeline.inspect(SCRATCHED[0])


def test_the_decision_follows_the_banks_thresholds(bank: Path) -> None:
    loaded = Bank.load(bank)
    seen = {}
    for away in (0.0, *np.geomspace(1, 1e4, 60)):
        inspection = Pipeline(loaded, Scripted(loaded, away)).inspect(GOOD[0])
        assert inspection.decision is loaded.thresholds.decide(inspection.score)
        seen[inspection.decision] = inspection
    assert set(seen) == {Decision.OK, Decision.UNCERTAIN, Decision.NG}
    assert seen[Decision.NG].p_value == pytest.approx(1 / 11)
    row, column = np.unravel_index(seen[Decision.NG].anomaly_map.argmax(), (64, 64))
    assert (row // 8, column // 8) == (3, 5)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_an_engine_that_gives_no_numbers_is_an_error_and_never_ok(bank: Path, value: float) -> None:
    loaded = Bank.load(bank)
    engine = Scripted(loaded)
    engine.embeddings[0, 2, 2, 1] = value
    with pytest.raises(InferenceError, match="scripted: got NaN or infinity"):
        Pipeline(loaded, engine).inspect(GOOD[0])


def test_no_bank_no_pipeline(tmp_path: Path) -> None:
    with pytest.raises(BankError, match=r"no manifest\.json"):
        Pipeline.open(tmp_path)


def test_an_engine_that_does_not_exist(bank: Path) -> None:
    with pytest.raises(EngineError, match=r"engine 'onnx': no such engine; expected one of auto, openvino, torch"):
        Pipeline.open(bank, engine="onnx")
