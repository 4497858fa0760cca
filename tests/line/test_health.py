"""Liveness, readiness and warnings."""

from inspector.line.health import Health


def test_it_is_ready_when_no_condition_has_a_fault() -> None:
    health = Health("ledger", "broker")
    assert health.faults() == {"ledger": "starting", "broker": "starting"}
    health.set("ledger", None)
    health.set("broker", None)
    assert health.ready
    health.set("ledger", "disk full")
    assert (health.ready, health.alive) == (False, True)
    health.set("ledger", None)
    health.fail("a bug")
    assert (health.ready, health.alive) == (False, False)
    assert health.faults() == {"process": "a bug"}


def test_a_warning_does_not_make_it_unready() -> None:
    health = Health("ledger")
    health.set("ledger", None)
    health.warn("bank tile", "refused: damaged")
    assert health.ready
    assert health.warnings() == {"bank tile": "refused: damaged"}
    health.warn("bank tile", None)
    assert health.warnings() == {}
