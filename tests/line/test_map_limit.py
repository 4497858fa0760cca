"""What lost connections tell of how large an anomaly map may be."""

from inspector.line.heatmaps import MapLimit


def test_connections_in_a_row_that_end_on_maps_tell_the_limit() -> None:
    limit = MapLimit()
    for number, size in enumerate((3000, 2000, 2500)):
        limit.sent(100, number * 10)
        limit.sent(size, number * 10 + 0.1)
        assert limit.lost(number * 10 + 0.2) == (number == 2)
    assert limit.most == 1999


def test_connections_that_outlive_a_map_or_end_without_one_tell_nothing() -> None:
    limit = MapLimit()
    for number in range(20):
        now = number * 100.0
        limit.sent(3000, now)
        if number % 2:
            limit.sent(3000, now + 5)
            assert not limit.lost(now + 5.1)
        else:
            assert not limit.lost(now + 0.1)
            assert not limit.lost(now + 1)
    assert limit.most is None
