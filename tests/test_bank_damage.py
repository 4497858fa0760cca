"""A bank is taken whole or refused whole, with the reason."""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from banks import change_arrays, change_manifest, copy_of, sign, write_good

from calibration.calibrate import Options, calibrate
from inspector.bank import Bank
from inspector.errors import BankError, InspectorError
from inspector.pipeline import Pipeline
from inspector.recipe import Recipe


@pytest.fixture
def copied(bank: Path, tmp_path: Path) -> Path:
    return copy_of(bank, tmp_path)


def refused(path: Path) -> str:
    """The one line that says why the bank at `path` is refused."""
    with pytest.raises(BankError) as caught:
        Bank.load(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


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
    assert re.search("no plain file|leads out of the folder", refused(copied))


@pytest.mark.parametrize("name", ["graph.bin", "samples/000003.jpg", "samples"])
def test_what_lies_elsewhere_is_not_followed(copied: Path, tmp_path: Path, name: str) -> None:
    """Also where the bytes are right."""
    elsewhere = (copied / name).rename(tmp_path / "elsewhere")
    (copied / name).symlink_to(elsewhere)
    assert re.search(f"'{name}.*' in its manifest leads out of the folder", refused(copied))


def test_a_bank_may_be_reached_by_a_link(copied: Path, tmp_path: Path) -> None:
    (tmp_path / "in-use").symlink_to(copied)
    assert Bank.load(tmp_path / "in-use").ref == Bank.load(copied).ref


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
        (lambda m: m.update(typo=1), "manifest.json, typo: unknown key, "),
        (lambda m: m["samples"][0].update(newer=1), "; was the bank made by a newer version?"),
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
