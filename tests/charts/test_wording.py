"""Names and numbers as pages write them."""

import pytest

from inspector.charts.wording import short_station, told_apart


def test_a_station_is_named_by_as_much_as_tells_it_from_the_others() -> None:
    others = ["plant/hall1/line1/cam1", "plant/hall2/line1/cam1", "plant/hall1/line1/cam2", "cam1", "line1/cam1"]
    assert short_station("plant/hall1/line1/cam1") == "line1/cam1"
    assert [short_station(name, others) for name in others] == [
        "hall1/line1/cam1",
        "hall2/line1/cam1",
        "line1/cam2",
        "cam1",
        "line1/cam1",
    ]
    assert short_station("a/b/c", ["x/a/b/c"]) == "a/b/c"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ((10.4251, 10.4275), ("10.425", "10.428")),
        ((10.4, 12.0), ("10.4", "12")),
        ((10.4251, 10.4251, 8), ("10.43", "10.43", "8")),
        ((1.0, 1.0 + 2**-52), ("1.0", "1.0000000000000002")),
        ((0.1 + 0.2, 0.3), ("0.30000000000000004", "0.3")),
        ((4.65831,), ("4.658",)),
        ((), ()),
    ],
)
def test_numbers_that_differ_are_told_apart(values: tuple[float, ...], said: tuple[str, ...]) -> None:
    assert told_apart(*values) == said
