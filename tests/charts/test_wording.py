"""Names and numbers as pages write them."""

from inspector.charts.wording import short_station


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
