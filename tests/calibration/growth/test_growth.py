"""A bank grows and shrinks: what it knew it still knows, what it learned passes, and it says what it cannot promise."""

import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from banks import change_manifest, copy_of, roomy_bank, stamped_part, write_good
from line import changed, drawn_part
from pictures import with_opencv
from safetensors.numpy import load_file

from calibration.calibrate import Options, calibrate
from calibration.growth.cover import HEADROOM
from calibration.growth.derive import Derived, with_thresholds
from calibration.growth.grow import grow
from calibration.growth.reader import Newcomer, Reader
from calibration.growth.shrink import shrink
from inspector.bank import Bank, digests
from inspector.cli import main
from inspector.errors import BankError, SamplesError, UsageError
from inspector.exchange import exchange
from inspector.pipeline import Pipeline
from inspector.recipe import Recipe
from inspector.types import Decision


def newcomers(folder: Path, payloads: Sequence[bytes]) -> list[Newcomer]:
    folder.mkdir(exist_ok=True)
    for number, payload in enumerate(payloads):
        (folder / f"{number:02d}.png").write_bytes(payload)
    return [Newcomer(f"{number:02d}.png", folder / f"{number:02d}.png") for number in range(len(payloads))]


def decisions(bank: Path, payloads: Sequence[bytes]) -> list[Decision]:
    pipeline = Pipeline.open(bank)
    return [pipeline.inspect(payload).decision for payload in payloads]


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return roomy_bank(tmp_path_factory.mktemp("calibrated"))


@pytest.fixture(scope="module")
def grown(bank: Path, tmp_path_factory: pytest.TempPathFactory) -> Derived:
    folder = tmp_path_factory.mktemp("grown")
    return grow(bank, newcomers(folder / "new", [stamped_part(seed) for seed in range(40)]), folder / "bank")


def test_what_came_in_passes_and_so_do_others_of_its_kind(bank: Path, grown: Derived) -> None:
    others = [stamped_part(seed) for seed in range(500, 510)]
    assert set(decisions(bank, others)) == {Decision.NG}
    assert decisions(grown.path, others).count(Decision.OK) >= 9
    assert grown.check is not None
    assert (grown.check.rejected, grown.check.total) == (40, 40)
    assert grown.still == ()


def test_a_defect_beside_what_came_in_is_still_found(grown: Derived) -> None:
    assert set(decisions(grown.path, [drawn_part(seed, scratched=True) for seed in range(5)])) == {Decision.NG}


def test_no_vector_goes_so_no_score_rises(bank: Path, grown: Derived) -> None:
    before, after = Bank.load(bank), Bank.load(grown.path)
    assert np.array_equal(after.vectors[: len(before.vectors)], before.vectors)
    assert len(before.vectors) < len(after.vectors) <= (1 + HEADROOM) * before.recipe.vectors
    assert set(after.source[len(before.vectors) :]) <= set(range(20, 60))
    old, new = Pipeline.open(bank), Pipeline.open(grown.path)
    for seed in range(5):
        assert new.inspect(drawn_part(seed)).score <= old.inspect(drawn_part(seed)).score + 1e-4


def test_thresholds_stay_and_the_promise_is_told_anew(bank: Path, grown: Derived) -> None:
    before, after = Bank.load(bank), Bank.load(grown.path)
    assert after.thresholds == before.thresholds
    assert after.manifest.calibration.promise.samples == 60 == len(after.normal_scores)
    assert any("20 earlier and 40 new" in caution for caution in grown.cautions)


def test_lineage_names_the_parent_and_what_came_in(bank: Path, grown: Derived) -> None:
    manifest = Bank.load(grown.path).manifest
    assert manifest.lineage.parent == Bank.load(bank).ref.digest
    assert [source.path for source in manifest.lineage.added] == [f"{number:02d}.png" for number in range(40)]
    assert manifest.lineage.operation == "add 40 pictures"
    assert len(manifest.samples) == len({sample.thumbnail for sample in manifest.samples}) == 60
    assert manifest.id != Bank.load(bank).manifest.id


def test_the_same_pictures_give_the_same_bytes(bank: Path, grown: Derived, tmp_path: Path) -> None:
    again = grow(bank, newcomers(tmp_path / "new", [stamped_part(seed) for seed in range(40)]), tmp_path / "bank")
    assert digests(again.path) == digests(grown.path)


def promoted(here: Path, other: Path) -> None:
    exchange(here, other)


def incomplete(here: Path, _other: Path) -> None:
    (here / "graph.bin").unlink()


@pytest.mark.parametrize("happens", [promoted, incomplete])
def test_a_bank_that_is_exchanged_while_it_grows_is_not_mixed_with_the_other(
    happens: Callable[[Path, Path], None], bank: Path, grown: Derived, tmp_path: Path
) -> None:
    here, other = copy_of(bank, tmp_path), Path(shutil.copytree(grown.path, tmp_path / "other"))

    def track(items: Sequence[object], label: str) -> Iterable[object]:
        if label == "looking at them again":
            happens(here, other)
        return items

    pictures = newcomers(tmp_path / "new", [drawn_part(3)])
    with pytest.raises(BankError, match=f"bank {here}: was exchanged while it was read, expected it to stay; do it"):
        grow(here, pictures, tmp_path / "bank", track=track)  # type: ignore[arg-type]
    assert not (tmp_path / "bank").exists()


def test_a_bank_never_grows_beyond_its_headroom(bank: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = [bytes(cv2.imencode(".png", rng.integers(0, 255, (96, 96, 3), np.uint8))[1]) for _ in range(24)]
    grown = grow(bank, newcomers(tmp_path / "new", noise), tmp_path / "bank")
    assert (grown.before.vectors, grown.manifest.vectors) == (1000, 2000)
    assert any("the bank is full" in caution for caution in grown.cautions) == bool(grown.still)
    assert grown.manifest.covering_radius > grown.before.covering_radius


@pytest.mark.parametrize("count", [1, 12])
def test_what_came_in_passes_by_the_mean_of_several_distances(count: int, tmp_path: Path) -> None:
    recipe = Recipe(name="disc", size_wh=(64, 64), vectors=1000, whitening=0, neighbours=4)
    good = write_good(tmp_path / "good", 20, first_seed=1000)
    calibrate(good, tmp_path / "bank", Options(recipe=recipe, folds=4))
    payloads = [stamped_part(seed) for seed in range(count)]
    grown = grow(tmp_path / "bank", newcomers(tmp_path / "new", payloads), tmp_path / "grown")
    assert set(decisions(tmp_path / "bank", payloads)) == {Decision.NG}
    assert set(decisions(tmp_path / "grown", payloads)) == {Decision.OK}
    assert grown.still == ()
    assert grown.before.vectors < grown.manifest.vectors < (1 + HEADROOM) * recipe.vectors
    assert not any("would still not pass" in caution for caution in grown.cautions)


def saved_again(payload: bytes) -> bytes:
    """The same pixels in another format."""
    return with_opencv(cv2.imdecode(np.frombuffer(payload, np.uint8), cv2.IMREAD_COLOR), ".bmp")


def test_a_bank_that_does_not_know_the_pixels_of_its_samples_goes_by_their_bytes(bank: Path, tmp_path: Path) -> None:
    old = copy_of(bank, tmp_path)
    change_manifest(old, lambda manifest: [sample.pop("pixels_sha256") for sample in manifest["samples"]])
    grown = grow(old, newcomers(tmp_path / "new", [drawn_part(1003), saved_again(drawn_part(1004))]), tmp_path / "bank")
    assert [item.reason for item in grown.skipped] == ["the same picture as 003.png"]


def test_what_cannot_be_added_is_told(bank: Path, tmp_path: Path) -> None:
    payloads = [stamped_part(0), stamped_part(0), b"no picture", drawn_part(1003), saved_again(drawn_part(1004))]
    grown = grow(bank, newcomers(tmp_path / "new", payloads), tmp_path / "bank")
    assert len(grown.manifest.lineage.added) == 1
    reasons = {item.path.name: item.reason for item in grown.skipped}
    assert reasons["01.png"] == "the same picture as 00.png"
    assert reasons["03.png"] == "the same picture as 003.png"
    assert reasons["04.png"] == "the same picture as 004.png"
    assert "frame" in reasons["02.png"]
    with pytest.raises(SamplesError, match="nothing to add of 1 pictures"):
        grow(bank, newcomers(tmp_path / "new", [b"no picture"]), tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_folder_to_be_added_tells_what_is_not_read_and_is_no_whole_data_set(
    bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_good(tmp_path / "new" / "good", 5, first_seed=40)
    (tmp_path / "new" / "good" / "phone.webp").write_bytes(b"RIFF\0\0\0\0WEBP")
    write_good(tmp_path / "new" / "bad", 1, first_seed=900)
    for folder, code in ((tmp_path / "new" / "good", 0), (tmp_path / "new", 1)):
        with pytest.raises(SystemExit) as left:
            main(["bank", "add", str(bank), str(folder), "-o", str(tmp_path / "more"), "--json"])
        assert left.value.code == code
    said = capsys.readouterr()
    (skipped,) = json.loads(said.out)["skipped"]
    assert Path(skipped["path"]).name == "phone.webp"
    assert skipped["reason"].startswith("frame: got WebP, expected a JPEG")
    assert "is a whole data set" in said.err


@pytest.mark.parametrize("words", ["add {bank} {good} {empty}", "remove {bank} 000.png --good {empty}"])
def test_a_folder_without_pictures_is_told_also_beside_others(
    bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: str
) -> None:
    good, empty = write_good(tmp_path / "good", 1, first_seed=40), tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(SystemExit) as left:
        main(["bank", *(word.format(bank=bank, good=good, empty=empty) for word in words.split())])
    assert left.value.code == 1
    assert f"samples {empty}: no picture there; expected .bmp, " in capsys.readouterr().err
    assert not bank.with_name(f"{bank.name}.new").exists()


def test_what_went_is_gone_and_can_be_made_up_for(bank: Path, tmp_path: Path) -> None:
    before = Bank.load(bank)
    gone = before.manifest.samples[4]
    shrunk = shrink(bank, [gone.path, before.manifest.samples[7].sha256], tmp_path / "bank")
    after = Bank.load(tmp_path / "bank")
    assert len(after.manifest.samples) == 18 == len(after.normal_scores)
    assert gone.path not in [sample.path for sample in after.manifest.samples]
    assert not (tmp_path / "bank" / "samples" / gone.thumbnail).exists()
    assert len(after.vectors) == int((~np.isin(before.source, (4, 7))).sum())
    assert {source.sha256 for source in after.manifest.lineage.removed} == {
        gone.sha256,
        before.manifest.samples[7].sha256,
    }
    assert any("give the folder of the samples with --good" in caution for caution in shrunk.cautions)
    good = [Newcomer(sample.path, bank.parent / "good" / sample.path) for sample in before.manifest.samples]
    filled = shrink(bank, [gone.path], tmp_path / "filled", good=good)
    assert Bank.load(tmp_path / "filled").manifest.samples == tuple(s for s in before.manifest.samples if s != gone)
    assert filled.manifest.vectors >= int((before.source != 4).sum())
    assert filled.manifest.covering_radius <= filled.before.covering_radius
    assert not any("--good" in caution for caution in filled.cautions)


def farthest(bank: Path, pictures: Sequence[Newcomer]) -> float:
    """How far a patch of these pictures is at most from the vector nearest to it."""
    reader = Reader(bank)
    patches = [reader.patches(picture.path.read_bytes(), 0).vectors for picture in pictures]
    return float(reader.known.search(np.concatenate(patches), 1)[0].max())


def test_what_passed_by_the_vectors_of_a_newcomer_still_passes_when_that_goes(bank: Path, tmp_path: Path) -> None:
    """Patches that are near enough to its vectors are not banked, but are within the radius that is told."""
    first, *others = newcomers(tmp_path / "new", [stamped_part(seed) for seed in range(30)])
    one = grow(bank, [first], tmp_path / "one").path
    like = [picture for picture in others if decisions(one, [picture.path.read_bytes()]) == [Decision.OK]]
    assert len(like) > 5
    many = grow(one, like, tmp_path / "many")
    assert farthest(many.path, [first, *like]) <= many.manifest.covering_radius <= Bank.load(bank).thresholds.ok
    samples = [Newcomer(file.name, file) for file in sorted((bank.parent / "good").iterdir())]
    without = shrink(many.path, [first.name], tmp_path / "without", good=[*samples, *like])
    assert farthest(without.path, like) <= without.manifest.covering_radius * 1.001
    assert set(decisions(without.path, [picture.path.read_bytes() for picture in like])) == {Decision.OK}


@pytest.mark.usefixtures("short_heads")
def test_patches_that_were_left_out_as_doubtful_stay_out(tmp_path: Path) -> None:
    """A sample with a scratch stays, without the scratch; where another goes, it is covered as before."""
    good = write_good(tmp_path / "good", 40)
    for seed in range(12):
        (good / f"bad{seed:02d}.png").write_bytes(drawn_part(700 + seed, scratched=True))
    recipe = Recipe(size_wh=(64, 64), vectors=256, whitening=0)
    made = calibrate(good, tmp_path / "bank", Options(recipe=recipe, folds=4, exclude_suspects=True))
    samples = Bank.load(made.path).manifest.samples
    assert made.trimmed > 0
    assert len([sample for sample in samples if sample.path.startswith("bad")]) > 2
    staying = [Newcomer(sample.path, good / sample.path) for sample in samples]
    shrunk = shrink(made.path, [samples[0].path], tmp_path / "shrunk", good=staying)
    one, other = Pipeline.open(made.path), Pipeline.open(shrunk.path)
    for seed in range(5):
        part = drawn_part(800 + seed, scratched=True)
        assert other.inspect(part).score > 0.99 * one.inspect(part).score


def test_where_the_threshold_rests_on_what_went_it_is_told(tmp_path: Path) -> None:
    """A scratched part among the samples has set ok: without it in the bank, no scratch is rejected all the same."""
    good = write_good(tmp_path / "good", 12)
    (good / "scratched.png").write_bytes(drawn_part(700, scratched=True))
    made = calibrate(good, tmp_path / "bank", Options(recipe=Recipe(size_wh=(64, 64), vectors=200, whitening=0)))
    shrunk = shrink(tmp_path / "bank", ["scratched.png"], tmp_path / "without")
    assert Pipeline.open(shrunk.path).inspect(drawn_part(701, scratched=True)).decision is not Decision.NG
    (told,) = [caution for caution in shrunk.cautions if caution.startswith("ok rests on what was removed")]
    left = float(Bank.load(shrunk.path).normal_scores.max())
    assert f"by the samples that stay it would be {left:.3g}, not {made.thresholds.ok:.3g}" in told
    others = shrink(tmp_path / "bank", ["003.png"], tmp_path / "others")
    assert not any("rests on what was removed" in caution for caution in others.cautions)


def test_newcomers_of_a_bank_that_was_made_in_blocks_are_held_back_in_blocks(bank: Path, tmp_path: Path) -> None:
    copied = copy_of(bank, tmp_path)
    change_manifest(copied, lambda manifest: manifest["calibration"].update(fold_by="block"))
    grow(copied, newcomers(tmp_path / "new", [stamped_part(seed) for seed in range(10)]), tmp_path / "grown")
    fold = load_file(tmp_path / "grown" / "calibration.safetensors")["fold"][-10:]
    assert fold.tolist() == sorted(fold.tolist())
    assert len(set(fold.tolist())) > 1


def test_what_went_is_in_no_limit_of_drift(tmp_path: Path) -> None:
    good = write_good(tmp_path / "good", 12, first_seed=1000)
    (good / "zz.png").write_bytes(changed(2000, light=0.4))
    recipe = Recipe(name="disc", size_wh=(64, 64), vectors=200, whitening=0)
    calibrate(good, tmp_path / "bank", Options(recipe=recipe, folds=2))
    shrink(tmp_path / "bank", ["zz.png"], tmp_path / "without")
    dim = changed(3000, light=0.7)
    before, after = (Pipeline.open(tmp_path / name).inspect(dim).reading for name in ("bank", "without"))
    assert before is not None
    assert after is not None
    assert "brightness" not in before.out
    assert "brightness" in after.out
    drift = Bank.load(tmp_path / "without").drift
    assert drift is not None
    assert len(drift.usual_patches) == 12


def test_where_only_later_samples_stay_no_limits_of_drift_are_left(bank: Path, tmp_path: Path) -> None:
    first = [sample.path for sample in Bank.load(bank).manifest.samples]
    grow(bank, newcomers(tmp_path / "new", [stamped_part(seed) for seed in range(10)]), tmp_path / "grown")
    shrink(tmp_path / "grown", first, tmp_path / "without")
    left = Bank.load(tmp_path / "without")
    assert len(left.manifest.samples) == 10
    assert left.drift is None
    assert Pipeline.open(tmp_path / "without").inspect(stamped_part(3)).reading is None


def test_what_is_not_in_the_bank_cannot_go(bank: Path, tmp_path: Path) -> None:
    with pytest.raises(SamplesError, match=r"other\.png is none of its samples"):
        shrink(bank, ["other.png"], tmp_path / "bank")
    with pytest.raises(SamplesError, match="0 of its samples would remain, expected at least 4"):
        shrink(bank, [sample.path for sample in Bank.load(bank).manifest.samples], tmp_path / "bank")


def test_of_samples_of_one_name_the_one_meant_must_be_said(bank: Path, tmp_path: Path) -> None:
    first, second = write_good(tmp_path / "first", 1), write_good(tmp_path / "second", 1, first_seed=50)
    two = [Newcomer("000.png", folder / "000.png") for folder in (first, second)]
    grow(bank, two, tmp_path / "grown")
    alike = [sample for sample in Bank.load(tmp_path / "grown").manifest.samples if sample.path == "000.png"]
    with pytest.raises(
        SamplesError, match=r"000\.png is the path of 3 of its samples, expected one; say which"
    ) as told:
        shrink(tmp_path / "grown", ["000.png"], tmp_path / "shrunk")
    assert all(sample.sha256 in str(told.value) for sample in alike)
    assert not (tmp_path / "shrunk").exists()
    shrunk = shrink(tmp_path / "grown", [two[1].sha256], tmp_path / "shrunk")
    assert [source.sha256 for source in shrunk.manifest.lineage.removed] == [two[1].sha256]


def test_other_thresholds_are_another_bank_with_the_same_vectors(bank: Path, tmp_path: Path) -> None:
    before = Bank.load(bank)
    manifest = with_thresholds(bank, tmp_path / "bank", ok=0.01, ng=1e6)
    after = Bank.load(tmp_path / "bank")
    assert np.array_equal(after.vectors, before.vectors)
    assert (after.thresholds.ok, after.thresholds.ng, after.thresholds.pixel) == (0.01, 1e6, before.thresholds.pixel)
    assert manifest.lineage.parent == before.ref.digest
    assert manifest.id != before.manifest.id
    assert manifest.files == before.manifest.files
    assert decisions(tmp_path / "bank", [drawn_part(1)]) == [Decision.UNCERTAIN]
    assert manifest.calibration.promise.expected_false_reject == pytest.approx(1 / 21)
    with pytest.raises(UsageError, match="ok <= ng"):
        with_thresholds(bank, tmp_path / "wrong", ok=2.0, ng=1.0)


def test_the_command_line(bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "new"
    write_good(folder / "second", 5, first_seed=40)
    for arguments in (["add", bank, folder, "-o", tmp_path / "more"], ["remove", tmp_path / "more", "second/000.png"]):
        with pytest.raises(SystemExit) as left:
            main(["bank", *map(str, arguments)])
        assert left.value.code == 0
    said = capsys.readouterr().out
    assert "5 pictures added, 0 removed" in said
    assert "0 pictures added, 1 removed" in said
    assert f"inspector bank promote {tmp_path / 'more.new'} {tmp_path / 'more'}" in said
    assert Bank.load(tmp_path / "more.new").manifest.lineage.removed[0].path == "second/000.png"
