"""The product as its commands: calibrate, run, camera, evaluate; what the line says is what the evaluation says."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from line import CAM1, Daemon, agrees
from services import Mosquitto, wait_until
from sklearn.metrics import roc_auc_score

from inspector.synthetic import write_dataset

SHARED = Path(__file__).parents[3] / "shared" / "data"


def inspector(*arguments: object) -> Any:
    """The JSON object that a command prints."""
    command = [sys.executable, "-m", "inspector", *map(str, arguments), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def verdicts_agree_with_evaluation(folder: Path, data: Path, broker: Mosquitto, *calibration: str) -> dict[str, Any]:
    """Publishes every test frame of a data set through the line, and compares with `inspector evaluate`."""
    bank, test_dir = folder / "bank", data / "test"
    inspector("calibrate", data / "train" / "good", "-o", bank, *calibration)
    with Daemon(folder, port=broker.port, bank=bank) as daemon:
        daemon.start()
        sent = inspector("camera", test_dir, "--station", CAM1, "--broker", f"127.0.0.1:{broker.port}", "--fps", 0)
        wait_until(lambda: daemon.metric("inspector_verdicts_total") >= sent["published"], "as many verdicts as frames")
        agrees(daemon)
        rows = daemon.rows("SELECT part_id, score FROM frames WHERE outcome = 'verdict'")
    figures: dict[str, Any] = inspector("evaluate", bank, test_dir)
    assert len(rows) == sent["published"] == figures["n_good"] + figures["n_defect"]
    defective = [not part.startswith("good/") for part, _ in rows]
    assert roc_auc_score(defective, [score for _, score in rows]) == pytest.approx(figures["image_auroc"], abs=1e-12)
    return figures


def test_the_line_says_what_the_evaluation_says(tmp_path: Path, mosquitto: Mosquitto) -> None:
    data = tmp_path / "plate"
    write_dataset(data, train_good=24, test_good=10, per_defect=2)
    figures = verdicts_agree_with_evaluation(tmp_path, data, mosquitto)
    assert figures["image_auroc"] > 0.7
    assert figures["pixel_auroc"] > 0.8


@pytest.mark.shared_data
@pytest.mark.skipif(not SHARED.is_dir(), reason="no real data sets beside the checkout")
def test_the_line_says_what_the_evaluation_says_on_real_parts(tmp_path: Path, mosquitto: Mosquitto) -> None:
    figures = verdicts_agree_with_evaluation(tmp_path, SHARED / "adfi_hazelnut", mosquitto)
    assert figures["image_auroc"] > 0.9
