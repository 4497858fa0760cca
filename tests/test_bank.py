"""What a bank holds: all that was calibrated, nothing else, and the same each time."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from banks import change_manifest, copy_of, write_good
from line import drawn_part
from safetensors.numpy import load_file

from calibration.calibrate import Options, calibrate
from inspector import frame as decoder
from inspector.bank import Bank, digests, identity
from inspector.manifest import read_manifest
from inspector.patches import picture_of
from inspector.pipeline import Pipeline
from inspector.recipe import Recipe
from inspector.scoring import NearestNeighbours, image_score


@pytest.fixture
def copied(bank: Path, tmp_path: Path) -> Path:
    return copy_of(bank, tmp_path)


def test_a_bank_from_before_metric_and_centring_has_neither(copied: Path) -> None:
    """Their defaults are others than what such a bank was made by."""
    change_manifest(copied, lambda manifest: [manifest["recipe"].pop(key) for key in ("whitening", "centring")])
    recipe = Bank.load(copied).recipe
    assert (recipe.whitening, recipe.centring) == (0, 0)


@pytest.mark.parametrize("plane", [None, 0, 32])
def test_a_bank_scores_as_its_recipe_says(copied: Path, plane: int | None) -> None:
    """None: a bank from before there were planes."""

    def say(manifest: dict[str, Any]) -> None:
        manifest["recipe"].pop("plane")
        if plane is not None:
            manifest["recipe"]["plane"] = plane

    change_manifest(copied, say)
    pipeline, part = Pipeline.open(copied), drawn_part(3, scratched=True)
    bank = pipeline.bank
    assert bank.recipe.plane == (plane or 0)
    embeddings = pipeline.engine.embed(picture_of(decoder.decode(part), bank.recipe)[0][None])[0]
    points, planes = (image_score(NearestNeighbours(bank.vectors, plane=m).patch_scores(embeddings)) for m in (0, 32))
    assert planes < points
    assert pipeline.inspect(part).score == pytest.approx(planes if plane else points, rel=1e-3)


def test_a_bank_loads_as_it_was_calibrated(bank: Path) -> None:
    loaded = Bank.load(bank)
    manifest = loaded.manifest
    assert loaded.vectors.shape == (manifest.vectors, manifest.dim) == (64, manifest.dim)
    assert loaded.vectors.dtype == np.float32
    assert loaded.source.shape == (64,)
    assert loaded.source.min() >= 0
    assert loaded.source.max() < len(manifest.samples) == 10
    assert (loaded.position >= 0).all()
    assert (loaded.position < manifest.grid_hw).all()
    assert len(loaded.normal_scores) == 10
    assert (np.diff(loaded.normal_scores) >= 0).all()
    assert loaded.thresholds.ok <= loaded.thresholds.ng
    assert loaded.recipe.name == "disc"
    assert loaded.bytes_on_disk == sum(f.stat().st_size for f in bank.rglob("*") if f.is_file())


def test_every_user_can_read_a_bank(bank: Path) -> None:
    assert {file.stat().st_mode & 0o777 for file in bank.rglob("*") if file.is_file()} == {0o644}
    assert bank.stat().st_mode & 0o777 == 0o755


def test_all_that_design_asks_of_the_folder_is_there(bank: Path) -> None:
    found = {str(file.relative_to(bank)) for file in bank.rglob("*") if file.is_file()}
    thumbnails = {f"samples/{number:06d}.jpg" for number in range(10)}
    arrays = {
        "memory.safetensors",
        "calibration.safetensors",
        "backbone.safetensors",
        "drift.safetensors",
    }
    assert found == {"manifest.json", "graph.xml", "graph.bin"} | arrays | thumbnails
    manifest = read_manifest(bank)
    assert manifest.files.keys() == found - {"manifest.json"}
    assert manifest.lineage.operation == "calibrate"
    assert {sample.thumbnail for sample in manifest.samples} == {Path(name).name for name in thumbnails}


def test_it_holds_arrays_text_and_pictures_and_no_pickle(bank: Path) -> None:
    beginnings = {".json": b"{", ".xml": b"<?xml", ".jpg": b"\xff\xd8"}
    for file in (file for file in bank.rglob("*") if file.is_file()):
        if file.suffix == ".safetensors":
            assert load_file(file)
        elif file.name == "graph.bin":
            assert len(file.read_bytes()) % 4 == 0  # float32 weights, laid out by graph.xml
        else:
            assert file.read_bytes().startswith(beginnings[file.suffix])


def test_the_manifest_names_no_place_and_no_time(bank: Path) -> None:
    text = (bank / "manifest.json").read_text()
    assert str(bank.parent) not in text
    assert time.strftime("%Y-%m-%d") not in text


def test_the_same_seed_gives_the_same_bytes_and_another_seed_or_budget_another_bank(tmp_path: Path) -> None:
    good = write_good(tmp_path / "good", 6)
    recipe = Recipe(size_wh=(64, 64), vectors=32)
    for name, seed in (("first", 7), ("second", 7), ("third", 8)):
        calibrate(good, tmp_path / name, Options(recipe=recipe, folds=3, seed=seed))
    calibrate(good, tmp_path / "lenient", Options(recipe=recipe, folds=3, seed=7, max_false_reject=0.3))
    first, second, third = (digests(tmp_path / name) for name in ("first", "second", "third"))
    assert first == second
    assert first["memory.safetensors"] != third["memory.safetensors"]
    assert len({read_manifest(tmp_path / name).id for name in ("first", "second", "third", "lenient")}) == 3


def test_an_identity_depends_on_names_bytes_and_thresholds(bank: Path) -> None:
    files = {"a": "1", "b": "2"}
    calibration = read_manifest(bank).calibration
    other = calibration.model_copy(update={"ng": 2 * calibration.ng})

    def of(files: dict[str, str]) -> str:
        return identity(files, calibration)

    assert of(files) == of(dict(reversed(files.items())))
    assert len({of(files), of({"a": "2", "b": "1"}), of({"a": "1", "c": "2"}), identity(files, other)}) == 4


def test_the_json_in_the_manifest_is_stable(bank: Path) -> None:
    text = (bank / "manifest.json").read_text()
    assert text == json.dumps(json.loads(text), indent=1, sort_keys=True) + "\n"
