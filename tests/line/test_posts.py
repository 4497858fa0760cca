"""Which banks run when the daemon starts."""

from pathlib import Path

import numpy as np
import pytest
from line import CAM1, CAM2

from inspector.line.daemon import STAGE_LABELS
from inspector.line.drift_watch import DriftWatch
from inspector.line.health import Health
from inspector.line.metrics import Metrics
from inspector.line.posts import Posts
from inspector.pipeline import Pipeline
from inspector.settings import Settings


def test_a_bank_for_which_there_is_no_memory_keeps_its_own_station_waiting_alone(
    bank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Pipeline.open

    def full(folder: Path, **options: object) -> Pipeline:
        if folder == tmp_path:
            np.zeros((1 << 30, 1 << 20))
            raise AssertionError("more memory than any machine has")
        return opened(folder, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Pipeline, "open", full)
    stations = [{"id": str(CAM1), "bank": bank}, {"id": str(CAM2), "bank": tmp_path}]
    settings = Settings.model_validate({"data_dir": tmp_path, "stations": stations})
    health = Health()
    posts = Posts(settings, Metrics(settings.station_names, STAGE_LABELS), health, DriftWatch((CAM1, CAM2)))
    posts.open(lambda _: None)
    assert [*posts.running] == [CAM1]
    assert [*health.faults()] == [f"bank {CAM2}"]
    assert "out of memory (Unable to allocate" in health.faults()[f"bank {CAM2}"]
