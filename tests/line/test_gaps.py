"""The gaps between sequence numbers."""

import pytest

from inspector.line.gaps import SequenceGaps


@pytest.mark.parametrize(
    ("numbers", "missing"),
    [
        ([5, 6, 7], 0),
        ([5, 8], 2),
        ([5, 6, 5, 7], 0),
        ([100, 0, 1], 0),
        ([100, 1, 2], 0),
        ([1, 3, 2, 4], 1),
        ([5, 6, 7, 6, 7, 8], 0),
        ([65534, 65535, 2, 3, 10], 6),
        ([500_000, 2, 3, 4, 50, 60], 54),
        ([1, 2, 2**63 - 1, 3, 4, 9], 4),
        ([100, 2, 5, 6], 2),
        ([100, 50, 40, 101], 0),
    ],
)
def test_gaps_between_sequence_numbers(numbers: list[int], missing: int) -> None:
    gaps = SequenceGaps()
    assert sum(gaps.missing_before(number) for number in numbers) == missing


def test_check_parts_that_are_counted_beside_the_camera_are_no_gap() -> None:
    gaps = SequenceGaps()
    assert gaps.missing_before(0, check=True) == 0
    assert [gaps.missing_before(number) for number in (5000, 5001)] == [0, 0]
    assert [gaps.missing_before(number, check=True) for number in (0, 1, 2)] == [0, 0, 0]
    assert gaps.missing_before(5002) == 0
    assert gaps.missing_before(5003, check=True) == 0, "one that goes on from the camera's count"
    assert gaps.missing_before(5005) == 1


def test_what_the_broker_delivers_again_is_missing_nowhere() -> None:
    gaps = SequenceGaps()
    assert [gaps.missing_before(number) for number in (10, 11, 13)] == [0, 0, 1]
    assert [gaps.missing_before(number, again=True) for number in (11, 13)] == [0, 0]
    assert [gaps.missing_before(number, again=True) for number in (14, 16)] == [0, 1]
    assert gaps.missing_before(17) == 0
