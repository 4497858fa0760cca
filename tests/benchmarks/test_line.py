"""The line benchmark on a drawn product: a few frames through the real broker and the real daemon."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import line
from benchmarks.flow import through_daemon
from benchmarks.ours import command
from calibration.coreset import greedy_k_center
from inspector.synthetic import write_dataset


def test_what_the_daemon_adds(tmp_path: Path) -> None:
    drawn = write_dataset(tmp_path / "data", train_good=6, test_good=3, per_defect=0, size=96)
    command("calibrate", drawn.good_dir, "-o", tmp_path / "builtin")
    found = through_daemon(tmp_path, tmp_path / "builtin", drawn.test_dir, count=12, fps=50)
    paced = found["paced"]
    assert paced["frames"] == found["fast"]["frames"] == 12
    assert 0 < paced["pipeline_ms"] < paced["received_to_durable_ms"]
    assert paced["camera_to_subscriber_ms"]["n"] == 12
    assert paced["camera_to_subscriber_ms"]["min"] > paced["received_to_subscriber_ms"]["min"] > 0
    assert found["fast"]["fps"] > 0
    assert found["rss_mb"] > 50
    shown = line.markdown({"machine": {"processor": "any", "cores": 2}, "set": "data", "daemon": {"builtin": found}})
    assert "| builtin |" in shown


def test_the_literal_coreset_selects_the_same() -> None:
    vectors = np.random.default_rng(0).normal(size=(4000, 12)).astype(np.float32)
    selected, _ = greedy_k_center(vectors, 50, np.random.default_rng(1))
    assert line.literal_greedy(vectors, 50, int(selected[0])).tolist() == pytest.approx(selected.tolist())
