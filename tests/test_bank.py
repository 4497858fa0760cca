"""A bank is taken whole or refused whole, with the reason; it is never half there."""

import json
import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from banks import change_arrays, change_manifest, copy_of, sign, write_good
from line import drawn_part
from safetensors.numpy import load_file

from calibration.calibrate import Options, calibrate
from inspector import frame as decoder
from inspector.bank import Bank, digests, identity, new_folder
from inspector.errors import BankError, InspectorError
from inspector.manifest import read_manifest
from inspector.patches import picture_of
from inspector.pipeline import Pipeline
from inspector.recipe import Recipe
from inspector.scoring import NearestNeighbours, image_score


@pytest.fixture
def copied(bank: Path, tmp_path: Path) -> Path:
    return copy_of(bank, tmp_path)


def names(folder: Path) -> list[str]:
    """What lies in a folder, hidden entries included."""
    return sorted(entry.name for entry in folder.iterdir())


def refused(path: Path) -> str:
    """The one line that says why the bank at `path` is refused."""
    with pytest.raises(BankError) as caught:
        Bank.load(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


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


@pytest.mark.parametrize(
    "name",
    [
        "memory.safetensors",
        "calibration.safetensors",
        "backbone.safetensors",
        "graph.bin",
        "graph.xml",
        "samples/000003.jpg",
    ],
)
def test_one_changed_byte_is_refused_by_name(copied: Path, name: str) -> None:
    content = bytearray((copied / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copied / name).write_bytes(content)
    assert f"{name} has sha256" in refused(copied)


def test_a_missing_file_is_refused_by_name(copied: Path) -> None:
    (copied / "graph.bin").unlink()
    assert "graph.bin cannot be read (No such file or directory)" in refused(copied)


def test_a_stray_file_is_refused_by_name(copied: Path) -> None:
    (copied / "samples" / "extra.pkl").write_bytes(b"x")
    assert "samples/extra.pkl is not in the manifest" in refused(copied)


@pytest.mark.parametrize("name", ["graph.bin", "manifest.json"])
def test_what_has_no_end_is_not_read(copied: Path, name: str) -> None:
    (copied / name).unlink()
    os.mkfifo(copied / name)
    assert f"{name} cannot be read" in refused(copied)
    (copied / name).unlink()
    (copied / name).symlink_to("/dev/zero")
    assert "no plain file" in refused(copied)


def test_no_bank_there(tmp_path: Path) -> None:
    assert "no manifest.json there; expected a folder made by `inspector calibrate`" in refused(tmp_path / "none")


@pytest.mark.parametrize("text", ["", "{", "\x00", "[1, 2]", "null", "[" * 100_000])
def test_a_manifest_that_is_none(copied: Path, text: str) -> None:
    (copied / "manifest.json").write_text(text)
    assert "manifest.json cannot be read" in refused(copied) or "schema" in refused(copied)


@pytest.mark.parametrize("schema", [0, 2, "1", None])
def test_another_schema(copied: Path, schema: object) -> None:
    change_manifest(copied, lambda manifest: manifest.update(schema=schema))
    assert f"schema {schema!r}, this version reads schema 1" in refused(copied)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: m.update(typo=1), "manifest.json, typo"),
        (lambda m: m.pop("seed"), "manifest.json, seed"),
        (lambda m: m["recipe"].update(pooling=2), "manifest.json, recipe"),
        (lambda m: m["calibration"].update(ok=float("nan")), "thresholds"),
        (lambda m: m["calibration"].update(ok=9e9), "thresholds"),
        (lambda m: m["calibration"].update(pixel=float("inf")), "thresholds"),
        (lambda m: m.update(vectors=0), "manifest.json, vectors"),
        (lambda m: m.update(vectors=63), "vectors are float32 (64, "),
        (lambda m: m.update(dim=7), "expected float32 (64, 7)"),
        (lambda m: m["files"].update({"../../etc/passwd": "0" * 64}), "leads out of the folder"),
        (lambda m: m["files"].update({"/dev/zero": "0" * 64}), "leads out of the folder"),
        (lambda m: m.update(samples=m["samples"][:1]), "source names samples that the manifest does not list"),
    ],
)
def test_a_manifest_that_says_what_cannot_be(copied: Path, change: Callable[[dict[str, Any]], Any], said: str) -> None:
    change_manifest(copied, change)
    assert said in refused(copied)


def _first(value: float) -> Callable[[dict[str, np.ndarray]], Any]:
    return lambda arrays: arrays["vectors"].__setitem__((0, 0), value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_first(float("nan")), "hold NaN or infinity"),
        (_first(float("inf")), "hold NaN or infinity"),
        (lambda a: a.update(vectors=a["vectors"].astype(np.float16)), "vectors are float16"),
        (lambda a: a.update(vectors=a["vectors"][:, :-1].copy()), "vectors are float32"),
        (lambda a: a.update(vectors=a["vectors"][:-1].copy()), "vectors are float32 (63"),
        (lambda a: a.update(source=a["source"][:-1].copy()), "source or position does not match 64 vectors"),
        (lambda a: a.update(position=a["position"][:, :1].copy()), "source or position does not match 64 vectors"),
        (lambda a: a.update(source=a["source"] + 10), "source names samples"),
        (lambda a: a.pop("vectors"), "memory.safetensors lacks vectors"),
    ],
)
def test_a_memory_that_cannot_be(copied: Path, change: Callable[[dict[str, np.ndarray]], Any], said: str) -> None:
    change_arrays(copied / "memory.safetensors", change)
    assert said in refused(copied)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda a: a.update(scores=np.full(10, np.nan, np.float32)), "hold NaN or infinity"),
        (lambda a: a.update(scores=np.zeros(0, np.float32)), "got (0,) normal scores"),
        (lambda a: a.update(scores=np.zeros((5, 2), np.float32)), "got (5, 2) normal scores"),
        (lambda a: a.pop("fold"), "calibration.safetensors lacks fold"),
    ],
)
def test_scores_that_cannot_be(copied: Path, change: Callable[[dict[str, np.ndarray]], Any], said: str) -> None:
    change_arrays(copied / "calibration.safetensors", change)
    assert said in refused(copied)


def test_a_baseline_that_cannot_be(copied: Path) -> None:
    change_arrays(copied / "drift.safetensors", lambda a: a.update(usual_patches=np.zeros((), np.float32)))
    assert "signals: got" in refused(copied)
    change_arrays(
        copied / "drift.safetensors", lambda a: a.update(usual_patches=np.zeros((len(a["signals"]), 1), np.float32))
    )
    assert "usual_patches: got" in refused(copied)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x04N.", (10**9).to_bytes(8, "little")], ids=repr)
def test_arrays_that_are_no_safetensors(copied: Path, content: bytes) -> None:
    (copied / "memory.safetensors").write_bytes(content)
    sign(copied)
    assert "memory.safetensors cannot be read" in refused(copied)


@pytest.fixture(scope="module")
def other_bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bank whose graph gives other embeddings."""
    folder = tmp_path_factory.mktemp("other")
    recipe = Recipe(size_wh=(64, 64), vectors=16, layers=("stride8",))
    calibrate(write_good(folder / "good", 4), folder / "bank", Options(recipe=recipe, folds=2))
    return folder / "bank"


def test_the_graph_of_another_backbone_is_refused(copied: Path, other_bank: Path) -> None:
    for name in ("graph.xml", "graph.bin"):
        shutil.copy(other_bank / name, copied / name)
    assert "graph" in refused(copied)  # by its digest
    sign(copied)
    with pytest.raises(BankError, match=r"its graph gives embeddings \(1, 8, 8, \d+\), its manifest says"):
        Pipeline.open(copied)


def test_the_graph_of_another_size_is_refused(copied: Path) -> None:
    change_manifest(copied, lambda manifest: manifest["recipe"].update(size_wh=[96, 64]))
    with pytest.raises(BankError, match="its graph does not fit its recipe"):
        Pipeline.open(copied)


@pytest.mark.parametrize("content", [b"", b"<net/>", bytes(100)], ids=["empty", "bare", "zeros"])
def test_a_graph_that_is_none(copied: Path, content: bytes) -> None:
    (copied / "graph.xml").write_bytes(content)
    sign(copied)
    with pytest.raises(InspectorError) as caught:
        Pipeline.open(copied)
    assert "\n" not in str(caught.value)


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


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    place = tmp_path / "deep" / "bank"
    with new_folder(place) as draft:
        assert not place.exists()
        assert draft.parent == place.parent
        assert draft.name.startswith(".")
        (draft / "file").write_text("x")
    assert (place / "file").read_text() == "x"
    assert names(place.parent) == ["bank"]
    assert place.stat().st_mode & 0o777 == 0o755


def test_what_fails_leaves_nothing(tmp_path: Path) -> None:
    def failing() -> None:
        with new_folder(tmp_path / "bank") as draft:
            (draft / "file").write_text("x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()
    assert names(tmp_path) == []


def test_an_existing_bank_is_replaced_only_when_asked(tmp_path: Path) -> None:
    place = tmp_path / "bank"
    place.mkdir()
    (place / "manifest.json").write_text("x")
    with pytest.raises(BankError, match="exists already; choose another name, or pass --replace"), new_folder(place):
        pass
    with new_folder(place, replace=True) as draft:
        (draft / "new").write_text("y")
        assert (place / "manifest.json").exists()
    assert names(place) == ["new"]
    assert names(tmp_path) == ["bank"]


@pytest.mark.parametrize("name", ["samples", "note.txt"])
def test_what_is_no_bank_is_never_replaced(tmp_path: Path, name: str) -> None:
    write_good(tmp_path / "samples", 3)
    (tmp_path / "note.txt").write_text("kept")
    with pytest.raises(BankError, match="is no bank, so it is not replaced"), new_folder(tmp_path / name, replace=True):
        pass
    assert names(tmp_path) == ["note.txt", "samples"]
    assert len(names(tmp_path / "samples")) == 3
    (tmp_path / "empty").mkdir()
    with new_folder(tmp_path / "empty", replace=True) as draft:
        (draft / "manifest.json").write_text("{}")
    assert names(tmp_path / "empty") == ["manifest.json"]


def test_a_replacement_that_fails_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "bank"
    place.mkdir()
    (place / "manifest.json").write_text("x")

    def full(first: Path, second: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("inspector.bank.exchange", full)
    with pytest.raises(BankError, match="No space left"), new_folder(place, replace=True) as draft:
        (draft / "new").write_text("y")
    assert names(place) == ["manifest.json"]
    assert names(tmp_path) == ["bank"]


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(BankError, match="cannot be written"), new_folder(tmp_path / "file" / "bank"):
        pass


def _build_forever(good: Path, place: Path) -> None:
    recipe = Recipe(size_wh=(64, 64), vectors=64)
    calibrate(good, place, Options(recipe=recipe, folds=2, replace=True))


def test_a_calibration_that_is_killed_leaves_no_bank_behind(tmp_path: Path) -> None:
    good = write_good(tmp_path / "good", 40)
    place = tmp_path / "banks" / "bank"
    process = multiprocessing.get_context("spawn").Process(target=_build_forever, args=(good, place))
    process.start()
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("banks/.bank.*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert list(tmp_path.glob("banks/.bank.*"))
    assert not place.exists()


def test_the_json_in_the_manifest_is_stable(bank: Path) -> None:
    text = (bank / "manifest.json").read_text()
    assert text == json.dumps(json.loads(text), indent=1, sort_keys=True) + "\n"


@pytest.mark.parametrize("replace", [False, True])
def test_what_somebody_else_put_there_meanwhile_stays(replace: bool, tmp_path: Path) -> None:
    place = tmp_path / "bank"

    def meet(draft: Path) -> None:
        (draft / "made").write_text("ours")
        place.mkdir()
        (place / "notes.txt").write_text("precious")

    with pytest.raises(BankError, match=r"meanwhile|by now"), new_folder(place, replace=replace) as draft:
        meet(draft)
    assert (place / "notes.txt").read_text() == "precious"
    assert [entry.name for entry in tmp_path.iterdir()] == ["bank"]
