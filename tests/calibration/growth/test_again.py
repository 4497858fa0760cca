"""A bank is calibrated once more as it was: its own samples, its own net, as many folds as it began with."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from banks import change_manifest, copy_of, sign, write_good
from line import drawn_part
from safetensors.numpy import save_file

from calibration.backbones.builtin import Block, NetSpec, Tap
from calibration.calibrate import Options, calibrate
from calibration.finetuning import head as heads
from calibration.finetuning import planting
from calibration.growth.derive import with_thresholds
from calibration.growth.grow import grow
from calibration.growth.reader import Newcomer
from calibration.growth.shrink import shrink
from inspector.bank import Bank, file_sha256
from inspector.cli import main
from inspector.engines import TOLERANCE, open_engine
from inspector.errors import BankError, SamplesError
from inspector.manifest import read_manifest
from inspector.recipe import Recipe

pytestmark = pytest.mark.usefixtures("short_heads")

RECIPE = Recipe(size_wh=(64, 64), vectors=64, whitening=0)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty good parts and a scratched one."""
    folder = write_good(tmp_path_factory.mktemp("again") / "good", 20, first_seed=1000)
    (folder / "scratched.png").write_bytes(drawn_part(1, scratched=True))
    return folder


@pytest.fixture(scope="module")
def bank(good: Path) -> Path:
    return calibrate(good, good.parent / "bank", Options(recipe=RECIPE, folds=7)).path


def again(bank: Path, good: Path) -> Path:
    out = bank.with_name(f"{bank.name}.again")
    return calibrate(good, out, Options.again(bank, finetune=False)).path


def test_the_same_samples_give_the_same_bank(bank: Path, good: Path) -> None:
    before, after = (read_manifest(place) for place in (bank, again(bank, good)))
    assert after.files == before.files
    assert after.calibration == before.calibration
    assert after.lineage.parent == file_sha256(bank / "manifest.json")


def test_growth_does_not_count_folds_up(bank: Path, good: Path, tmp_path: Path) -> None:
    new = tmp_path / "new.png"
    new.write_bytes(drawn_part(3))
    grow(bank, [Newcomer("new.png", new)], tmp_path / "grown")
    assert read_manifest(tmp_path / "grown").calibration.folds == 8
    assert Options.again(bank, finetune=True).folds == 7
    assert Options.again(tmp_path / "grown", finetune=True).folds == 5
    change_manifest(tmp_path / "grown", lambda manifest: manifest["calibration"].update(folds=55))
    assert Options.again(tmp_path / "grown", finetune=True).folds == 5


def test_what_was_removed_stays_out(bank: Path, good: Path, tmp_path: Path) -> None:
    new = tmp_path / "new.png"
    new.write_bytes(drawn_part(3))
    shrink(bank, ["scratched.png"], tmp_path / "shrunk")
    grow(tmp_path / "shrunk", [Newcomer("new.png", new)], tmp_path / "grown")
    done = calibrate(good, tmp_path / "done", Options.again(tmp_path / "grown", finetune=False))
    assert {item.path.name: item.reason for item in done.skipped} == {
        "scratched.png": "not a sample of the bank that is calibrated again"
    }
    assert done.samples == 20


def test_suspects_stay_out_and_so_do_patches_that_few_vouch_for(good: Path, tmp_path: Path) -> None:
    options = Options(recipe=RECIPE, folds=4, exclude_suspects=True)
    before = calibrate(good, tmp_path / "bank", options)
    assert "scratched.png" in {item.path.name for item in before.skipped}
    after = calibrate(good, tmp_path / "done", Options.again(tmp_path / "bank", finetune=False))
    assert after.skipped == before.skipped
    assert (after.bank_id, after.trimmed) == (before.bank_id, before.trimmed)
    with_thresholds(before.path, tmp_path / "looser", ok=before.thresholds.ok, ng=2 * before.thresholds.ng)
    shrink(tmp_path / "looser", ["000.png"], tmp_path / "shrunk")
    operation = read_manifest(tmp_path / "shrunk").lineage.operation
    assert operation == "remove 1 pictures (of a bank with suspects left out)"
    assert Options.again(tmp_path / "shrunk", finetune=True).exclude_suspects
    folder = Path(shutil.copytree(good, tmp_path / "more"))
    (folder / "new.png").write_bytes(drawn_part(4))
    more = calibrate(folder, tmp_path / "with more", Options.again(tmp_path / "bank", finetune=False))
    assert "new.png" in {item.path.name for item in more.skipped}


def test_a_folder_of_other_pictures_is_refused(bank: Path, tmp_path: Path) -> None:
    others = write_good(tmp_path / "others", 5, first_seed=500)
    with pytest.raises(SamplesError, match="0 of 5 are samples of the bank, expected at least 4; give the folder"):
        calibrate(others, tmp_path / "done", Options.again(bank, finetune=False))
    assert not (tmp_path / "done").exists()


def test_a_bank_keeps_its_own_net(bank: Path, good: Path, tmp_path: Path) -> None:
    """As one that was made with an earlier built-in net, of other depths."""
    earlier = copy_of(bank, tmp_path)
    blocks = (
        Block("a", 8, 12, 2),
        Block("b", 24, 16, 2),
        Block("c", 32, 16, 1),
        Block("d", 24, 20, 2),
        Block("e", 40, 0, 2),
    )
    spec = NetSpec(8, blocks, (Tap("stride8", "d", 10), Tap("stride16", "e", 14)))
    rng = np.random.default_rng(0)
    arrays = {name: rng.normal(0, 0.2, shape).astype(np.float32) for name, shape in spec.shapes().items()}
    save_file(arrays, earlier / "backbone.safetensors", metadata={"spec": spec.to_json()})
    sign(earlier)
    digest = file_sha256(earlier / "backbone.safetensors")
    change_manifest(earlier, lambda manifest: manifest["backbone"].update(weights_sha256=digest))
    done = again(earlier, good)
    manifest = Bank.load(done).manifest
    assert manifest.backbone == read_manifest(earlier).backbone
    assert manifest.files["backbone.safetensors"] == digest
    assert manifest.dim == 10 + 14
    one = np.random.default_rng(0).integers(0, 255, (1, 64, 64, 3), np.uint8)
    openvino, reference = (open_engine(name, done).embed(one) for name in ("openvino", "torch:cpu"))
    assert np.abs(openvino - reference).max() <= TOLERANCE * np.abs(reference).max()


def test_a_damaged_bank_is_refused(bank: Path, tmp_path: Path) -> None:
    damaged = copy_of(bank, tmp_path)
    (damaged / "backbone.safetensors").write_bytes(b"")
    with pytest.raises(BankError, match=r"backbone\.safetensors has sha256"):
        Options.again(damaged, finetune=True)


def test_the_command_line_tells_which_samples_are_missing(
    bank: Path, good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(planting, "PLANTED", 60)
    monkeypatch.setattr(heads, "STEPS", 20)
    folder = Path(shutil.copytree(good, tmp_path / "good"))
    (folder / "003.png").unlink()
    (folder / "new.png").write_bytes(drawn_part(4))
    with pytest.raises(SystemExit) as left:
        main(["finetune", str(bank), str(folder), "-o", str(tmp_path / "tuned"), "--json"])
    assert left.value.code == 0
    said = capsys.readouterr()
    assert f"warning: the new bank knows 20 of the 21 samples of {bank}" in said.err
    assert [Path(item["path"]).name for item in json.loads(said.out)["skipped"]] == ["new.png"]
