"""So many a second, and no more."""

from inspector.line.allowance import Allowance


def test_so_many_at_once_and_as_many_in_each_second_after_that() -> None:
    now = 100.0
    allowance = Allowance(4, clock=lambda: now)
    assert [allowance.take() for _ in range(6)] == [True] * 4 + [False] * 2
    now += 0.25
    assert [allowance.take() for _ in range(2)] == [True, False]
    now += 3600
    assert [allowance.take() for _ in range(6)] == [True] * 4 + [False] * 2
