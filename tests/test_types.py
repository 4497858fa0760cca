"""Values are checked at birth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.errors import StationNameError
from inspector.types import Decision, Expected, Frame, StationId, Thresholds


def test_a_station_reads_as_it_is_written() -> None:
    station = StationId.parse("plant/hall1/line-2/cam_3.left")
    assert (station.site, station.area, station.line, station.station) == ("plant", "hall1", "line-2", "cam_3.left")
    assert str(station) == "plant/hall1/line-2/cam_3.left"


@pytest.mark.parametrize(
    "text",
    [
        "", "plant", "a/b/c", "a/b/c/d/e", "a/b//d", "/a/b/c", "a/b/c/", "../b/c/d", "a/../c/d", "a/b/c/..",
        "a/b/c/d..e", "a/b/c/+", "a/#/c/d", "a/b/c/$x", "a/b/c d/e", "a/b/c/d\n", "a/b/c/\0", "a/b/c/é", ".a/b/c/d",
        "a/b/c/" + "x" * 65,
    ],
)  # fmt: skip
def test_a_station_that_topics_or_paths_must_not_carry(text: str) -> None:
    with pytest.raises(StationNameError):
        StationId.parse(text)


@given(st.text(alphabet=st.characters() | st.sampled_from("/ab.+#-_"), max_size=40))
def test_any_text_is_a_station_or_refused(text: str) -> None:
    try:
        station = StationId.parse(text)
    except StationNameError:
        return
    assert str(station) == text
    assert ".." not in text
    assert not set(text) & set("+#$ \0\\")


@pytest.mark.parametrize(
    "pixels", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3), np.uint16)]
)
def test_a_frame_is_eight_bit_rgb(pixels: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected uint8"):
        Frame(pixels)


def test_a_frame_knows_its_width_first() -> None:
    assert Frame(np.zeros((4, 6, 3), np.uint8)).size_wh == (6, 4)


@pytest.mark.parametrize(
    ("expected", "told"), [(Expected.OK, {Decision.OK}), (Expected.NG, {Decision.NG, Decision.UNCERTAIN})]
)
def test_a_check_part_is_told_for_what_it_is_and_never_by_an_error(expected: Expected, told: set[Decision]) -> None:
    assert {decision for decision in Decision if expected.met_by(decision)} == told


@pytest.mark.parametrize(
    ("score", "decision"),
    [(0.0, "ok"), (1.0, "ok"), (1.0001, "uncertain"), (2.0, "uncertain"), (2.0001, "ng"), (1e30, "ng")],
)
def test_thresholds_include_their_own_value(score: float, decision: str) -> None:
    assert Thresholds(1.0, 2.0, 1.0).decide(score) == decision


@pytest.mark.parametrize("score", [float("nan"), float("inf"), float("-inf")])
def test_a_score_that_is_no_number_is_an_error_and_never_ok(score: float) -> None:
    assert Thresholds(1.0, 2.0, 1.0).decide(score) is Decision.ERROR


@pytest.mark.parametrize(
    "values", [(2.0, 1.0, 1.0), (float("nan"), 1.0, 1.0), (1.0, float("inf"), 1.0), (1.0, 2.0, float("nan"))]
)
def test_thresholds_that_cannot_be(values: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="ok <= ng"):
        Thresholds(*values)
