"""What tells two banks apart is said, and nothing else."""

from pathlib import Path

from banks import change_arrays, change_manifest, copy_of

from inspector.bank import Bank
from inspector.banks.difference import Change, difference


def test_a_bank_and_its_copy_are_the_same(bank: Path, tmp_path: Path) -> None:
    found = difference(Bank.load(bank), Bank.load(copy_of(bank, tmp_path)))
    assert found.same
    assert (found.changes, found.added, found.removed, found.kin) == ((), (), (), None)
    assert (found.vectors, found.shared_vectors) == ((64, 64), 64)


def test_thresholds_recipe_samples_vectors_and_kin(bank: Path, tmp_path: Path) -> None:
    first, second = Bank.load(bank), copy_of(bank, tmp_path)
    change_arrays(second / "memory.safetensors", lambda arrays: arrays["vectors"].__setitem__((3, 0), 7.5))

    def edit(manifest: dict) -> None:  # type: ignore[type-arg]
        manifest["calibration"]["pixel"] = 9.5
        manifest["recipe"]["name"] = "other"
        manifest["samples"][0].update(sha256="0" * 64, path="new.png")
        manifest["lineage"] = {"parent": first.ref.digest, "operation": "by hand"}

    change_manifest(second, edit)
    found = difference(first, Bank.load(second))
    assert not found.same
    assert found.changes == (
        Change("recipe.name", "disc", "other"),
        Change("thresholds.pixel", first.thresholds.pixel, 9.5),
    )
    assert [sample.path for sample in found.added] == ["new.png"]
    assert [sample.path for sample in found.removed] == [first.manifest.samples[0].path]
    assert found.shared_vectors == 63
    assert found.kin == "the second came from the first by: by hand"
    back = difference(Bank.load(second), first)
    assert back.kin == "the first came from the second by: by hand"
    assert (back.added, back.removed) == (found.removed, found.added)
