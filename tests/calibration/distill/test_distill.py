"""The training recipe on a small scale: it learns, it resumes exactly, and what it writes loads."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file

from calibration.backbones.builtin import (
    LAYERS,
    Block,
    NetSpec,
    Tap,
    default_weights_path,
    load_weights,
    torch_features,
)
from calibration.distill import selection
from calibration.distill.__main__ import main
from calibration.distill.augment import CropMix, draw_crop, noisy
from calibration.distill.checkpoint import load_checkpoint, save_checkpoint
from calibration.distill.choose import main as choose
from calibration.distill.export import export_weights, scaled_taps, shortened_taps
from calibration.distill.pictures import PictureFolder, read_folder
from calibration.distill.selection import separation
from calibration.distill.student import mobilenet_spec, random_weights
from calibration.distill.targets import Moments
from calibration.distill.teachers import STRIDES, Teachers, TeacherSource, build_teacher, normalise
from calibration.distill.training import FIT_ROUND, RoundReport, Run, TrainingPlan
from calibration.drawing.defects import add_defect
from calibration.drawing.textures import FIELDS, draw_texture
from inspector.errors import BackboneError, SamplesError, UsageError

TEACHER = "mobilenetv3_small_050"
COMPONENTS = (4, 8, 8)
SPEC = NetSpec(
    8,
    (Block("a", 8, 8, 2), Block("b", 16, 8, 1), Block("c", 16, 16, 2), Block("d", 32, 16, 2), Block("e", 32, 0, 2)),
    (Tap("stride4", "b", 4), Tap("stride8", "d", 8), Tap("stride16", "e", 8)),
)
START = random_weights(SPEC, 7)
PLAN = TrainingPlan(
    seed=1,
    rounds=3,
    decay_rounds=1,
    pool=32,
    passes=1,
    batch=8,
    learning_rate=5e-3,
    weight_decay=0.01,
    fit_crops=64,
    whitening=0.5,
    teacher_shares=(1.0,),
    layer_shares=(0.5, 1.0, 1.0),
    mix=CropMix(size=64, texture_share=1.0),
    warmup_steps=2,
)


@pytest.fixture(scope="module")
def teachers() -> Teachers:
    torch.manual_seed(0)
    return Teachers([TeacherSource(TEACHER, None)], "cpu", low_precision=False, threads=2)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Sums in a fixed order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def folder() -> PictureFolder:
    rng = np.random.default_rng(0)
    pictures = [draw_texture(rng, 96) for _ in range(16)]
    return PictureFolder(Path("drawn"), tuple(pictures[:12]), tuple(pictures[12:]))


def new_run(teachers: Teachers, pool: int = 32) -> Run:
    return Run(replace(PLAN, pool=pool), START, COMPONENTS, teachers, [], "cpu", workers=2)


def test_the_loss_falls_and_the_file_loads(teachers: Teachers, tmp_path: Path) -> None:
    run, reports = new_run(teachers, pool=160), list[RoundReport]()
    run.train(reports.append)
    assert [report.round for report in reports] == [1, 2, 3]
    for stride in STRIDES:
        assert reports[-1].unexplained[stride] < reports[0].unexplained[stride]
    file = tmp_path / "small.safetensors"
    digest = export_weights(file, SPEC, run.arrays(), {"rounds": 3})
    weights = load_weights(file)
    assert (weights.digest, weights.spec) == (digest, SPEC)
    assert json.loads(file.with_suffix(".json").read_text())["rounds"] == 3
    image = torch.from_numpy(normalise(np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)))
    with torch.no_grad():
        trained = run.average(image)
    layers = ("stride4", "stride8", "stride16")
    for halved, whole in zip(torch_features(weights, layers)(image), trained, strict=True):
        torch.testing.assert_close(halved, whole, rtol=0.02, atol=0.02)


def test_a_run_begins_with_the_net_it_was_given_and_taps_that_fit(teachers: Teachers) -> None:
    run = Run(replace(PLAN, fit_crops=32), START, (4, 6, 10), teachers, [], "cpu")
    run.fit_targets()
    begun = run.arrays()
    for name, array in START.arrays.items():
        if not name.startswith("stride"):
            np.testing.assert_array_equal(begun[name], array, err_msg=name)
    assert [begun[f"{layer}.bias"].shape for layer in LAYERS] == [(4,), (6,), (10,)]
    crops = run._draw(FIT_ROUND, 32)
    with torch.no_grad():
        maps = run.student(torch.from_numpy(normalise(crops)))
    for stride, got in zip(STRIDES, maps, strict=True):
        wanted = torch.from_numpy(run.targets(crops)[stride]).float()
        step = got.shape[-1] // wanted.shape[-1]
        assert (got[:, :, ::step, ::step] - wanted).square().mean() < wanted.var((0, 2, 3)).mean()
    run.train(lambda _: None, until=1)
    assert any((run.arrays()[name] != begun[name]).any() for name in begun)


def test_half_of_the_start_can_be_kept(teachers: Teachers) -> None:
    whole, half = (
        Run(replace(PLAN, trained_share=share), START, COMPONENTS, teachers, [], "cpu") for share in (1.0, 0.5)
    )
    for run in (whole, half):
        run.train(lambda _: None, until=1)
    for name, array in half.arrays().items():
        between = (half.begun[name] + whole.arrays()[name]) / 2
        np.testing.assert_allclose(array, between, rtol=1e-5, atol=1e-6, err_msg=name)
    assert any((whole.begun[name] != whole.arrays()[name]).any() for name in whole.begun)


def test_the_built_in_net_teaches_as_well() -> None:
    net = build_teacher(TeacherSource.parse(f"builtin@{default_weights_path()}"))
    image = torch.from_numpy(normalise(np.zeros((1, 64, 64, 3), np.uint8)))
    maps = net(image)
    assert [tuple(each.shape[2:]) for each in maps] == [(64 // stride, 64 // stride) for stride in STRIDES]
    for expected, got in zip(torch_features(load_weights(), LAYERS)(image), maps, strict=True):
        torch.testing.assert_close(got, expected)


def test_noise_is_added_to_its_share_of_crops_and_to_copies_alone() -> None:
    crops = np.full((200, 8, 8, 3), 128, np.uint8)
    seen = noisy(np.random.default_rng(0), crops, 0.3)
    assert (crops == 128).all()
    spread = seen.astype(float).std(axis=(1, 2, 3))
    assert 40 < (spread > 0).sum() < 80
    assert 0.5 < spread[spread > 0].min() < spread.max() < 14
    np.testing.assert_array_equal(noisy(np.random.default_rng(0), crops, 0.0), crops)


def test_a_resumed_run_ends_where_an_uninterrupted_one_does(teachers: Teachers, tmp_path: Path) -> None:
    whole = new_run(teachers)
    whole.train(lambda _: None)
    first = new_run(teachers)
    first.train(lambda _: None, until=1)
    save_checkpoint(tmp_path / "run.safetensors", first)
    second = new_run(teachers)
    load_checkpoint(tmp_path / "run.safetensors", second)
    assert second.finished_rounds == 1
    second.train(lambda _: None)
    for name, array in whole.arrays().items():
        np.testing.assert_array_equal(array, second.arrays()[name], err_msg=name)


def test_a_checkpoint_of_another_run_is_refused(teachers: Teachers, tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    save_checkpoint(path, new_run(teachers))
    other = Run(PLAN, START, (4, 8, 12), teachers, [], "cpu")
    with pytest.raises(BackboneError, match="the architecture differ"):
        load_checkpoint(path, other)
    path.write_bytes(b"nothing")
    with pytest.raises(BackboneError, match="cannot be read"):
        load_checkpoint(path, new_run(teachers))


def test_a_run_may_go_further_than_planned(teachers: Teachers, tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    save_checkpoint(path, new_run(teachers))
    longer = Run(replace(PLAN, rounds=9, passes=4), START, COMPONENTS, teachers, [], "cpu")
    load_checkpoint(path, longer)
    assert longer.finished_rounds == 0


def test_the_rate_warms_up_stays_and_falls() -> None:
    plan = replace(PLAN, rounds=10, decay_rounds=5, warmup_steps=4)
    steps = plan.steps_per_round()
    assert plan.rate(0) == plan.learning_rate / 4
    assert plan.rate(4) == plan.rate(5 * steps) == plan.learning_rate
    assert plan.rate(10 * steps - 1) == pytest.approx(plan.learning_rate / (5 * steps))


def test_a_gain_scales_one_map_alone() -> None:
    weights = random_weights(SPEC, 0)
    louder = type(weights)(SPEC, scaled_taps(weights.arrays, {"stride16": 2.0}), "louder")
    layers, image = ("stride8", "stride16"), torch.randn(1, 3, 64, 64)
    for gain, quiet, loud in zip(
        (1, 2), torch_features(weights, layers)(image), torch_features(louder, layers)(image), strict=True
    ):
        torch.testing.assert_close(quiet * gain, loud)


def test_a_shortened_tap_keeps_its_first_channels() -> None:
    weights = random_weights(SPEC, 0)
    spec, arrays = shortened_taps(SPEC, weights.arrays, {"stride8": 3, "stride16": 10_000})
    shorter = type(weights)(spec, arrays, "shorter")
    layers, image = ("stride8", "stride16"), torch.randn(1, 3, 64, 64)
    fine, coarse = torch_features(weights, layers)(image)
    fewer, same = torch_features(shorter, layers)(image)
    torch.testing.assert_close(fewer, fine[:, :3])
    torch.testing.assert_close(same, coarse)


def test_what_is_too_large_or_beyond_half_precision_is_not_exported(tmp_path: Path) -> None:
    arrays = random_weights(SPEC, 0).arrays
    big = {name: array * np.float32(1e9) for name, array in arrays.items()}
    with pytest.raises(BackboneError, match="half precision"):
        export_weights(tmp_path / "x.safetensors", SPEC, big, {})
    wide = mobilenet_spec().with_taps((64, 64, 8192))
    with pytest.raises(BackboneError, match="expected at most 4000000"):
        export_weights(tmp_path / "x.safetensors", wide, random_weights(wide, 0).arrays, {})
    assert not list(tmp_path.iterdir())


def test_openvino_and_torch_teachers_agree() -> None:
    torch.manual_seed(3)
    fast = Teachers([TeacherSource(TEACHER, None)], "cpu", low_precision=False, threads=2)
    torch.manual_seed(3)
    reference = build_teacher(TeacherSource(TEACHER, None))
    images = np.random.default_rng(0).integers(0, 256, (3, 64, 96, 3), np.uint8)
    with torch.no_grad():
        expected = reference(torch.from_numpy(normalise(images)))
    (got,) = fast.features(images)
    for stride, maps in zip(STRIDES, expected, strict=True):
        assert got[stride].shape[2:] == (64 // stride, 96 // stride)
        np.testing.assert_allclose(got[stride], maps.numpy(), atol=1e-4 * float(maps.abs().max()) + 1e-5)


@pytest.mark.parametrize("whitening", [0.0, 0.5, 1.0])
def test_projections_keep_the_strongest_directions(whitening: float) -> None:
    rng = np.random.default_rng(0)
    hidden = rng.standard_normal((4000, 3), dtype=np.float32) * np.float32([3, 2, 1])
    vectors = hidden @ rng.standard_normal((3, 10), dtype=np.float32) + np.float32(5)
    moments = Moments()
    moments.add(vectors[:1000])
    moments.add(vectors[1000:])
    projection = moments.projection([(10, 1.0)], 3, whitening)
    assert projection.explained == pytest.approx(1, abs=1e-3)
    maps = projection.apply(vectors.T.reshape(1, 10, 40, 100))
    variances = maps.var(axis=(0, 2, 3))
    assert variances.mean() == pytest.approx(1, rel=0.01)
    assert np.all(np.diff(variances) < 0.01)
    if whitening == 1:
        np.testing.assert_allclose(variances, 1, rtol=0.01)


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.__name__)
def test_fields_fill_the_unit_interval(field: object) -> None:
    for seed in range(4):
        values = field(np.random.default_rng(seed), 64)  # type: ignore[operator]
        assert values.dtype == np.float32
        assert values.shape == (64, 64)
        assert values.min() == 0
        assert 0.99 < values.max() <= 1


def test_crops_depend_on_their_generator_alone(folder: PictureFolder) -> None:
    mix = CropMix(size=64)
    for seed in range(24):
        first, second = (draw_crop(np.random.default_rng(seed), [folder], [1.0], mix) for _ in range(2))
        assert first.shape == (64, 64, 3)
        assert first.dtype == np.uint8
        np.testing.assert_array_equal(first, second)


def test_defects_change_a_part_of_the_picture(folder: PictureFolder) -> None:
    for seed in range(24):
        rng = np.random.default_rng(seed)
        changed = (add_defect(rng, folder.training[0], folder.training[1]) != folder.training[0]).any(axis=2)
        assert changed.mean() < 0.7


def test_patches_are_pooled_as_those_of_a_bank() -> None:
    maps = np.random.default_rng(0).normal(size=(2, 5, 7, 3)).astype(np.float32)
    banked = torch.nn.functional.avg_pool2d(torch.from_numpy(maps).permute(0, 3, 1, 2), 3, 1, 1)
    np.testing.assert_allclose(selection._pooled(maps), banked.permute(0, 2, 3, 1), atol=1e-6)


def test_separation_finds_what_a_sharp_embedding_sees(folder: PictureFolder) -> None:
    def blind(images: np.ndarray) -> list[np.ndarray]:
        return [np.ones((len(images), 2, 8, 8), np.float32)]

    assert separation(blind, folder, size=64, seed=0) == 0.5
    few = PictureFolder(folder.path, folder.training[:2], ())
    with pytest.raises(SamplesError, match="got 2, expected at least 8 to hold one back"):
        separation(blind, few, size=64, seed=0)


def test_folders_called_test_are_refused(tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    with pytest.raises(SamplesError, match="for measuring"):
        read_folder(tmp_path / "test", 256)
    with pytest.raises(SamplesError, match="expected at least 2"):
        read_folder(tmp_path, 256)


def test_every_eighth_picture_is_held_back_and_large_ones_are_reduced(tmp_path: Path) -> None:
    for index in range(9):
        cv2.imwrite(str(tmp_path / f"{index}.png"), np.full((80, 120, 3), index, np.uint8))
    folder = read_folder(tmp_path, 40)
    assert [int(picture[0, 0, 0]) for picture in folder.held_back] == [7]
    assert len(folder.training) == 8
    assert folder.training[0].shape == (40, 60, 3)
    (tmp_path / "9.png").write_bytes(b"no picture")
    with pytest.raises(SamplesError, match="does not decode"):
        read_folder(tmp_path, 40)


@pytest.mark.parametrize("text", ["resnet18", "@file", "resnet18@"])
def test_a_teacher_needs_a_name_and_a_file(text: str) -> None:
    with pytest.raises(UsageError, match="expected NAME@FILE"):
        TeacherSource.parse(text)


def test_teachers_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match="no_such_net"):
        build_teacher(TeacherSource("no_such_net", None))
    with pytest.raises(BackboneError, match="cannot be read"):
        build_teacher(TeacherSource(TEACHER, tmp_path / "missing.safetensors"))
    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(BackboneError, match=r"array\(s\) missing"):
        build_teacher(TeacherSource(TEACHER, tmp_path / "other.safetensors"))


def test_the_command_trains_goes_on_and_exports(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for index in range(8):
        cv2.imwrite(str(pictures / f"{index}.png"), draw_texture(rng, 96))
    teacher = tmp_path / "teacher.safetensors"
    save_file(build_teacher(TeacherSource(TEACHER, None)).state_dict(), teacher)
    start, output = tmp_path / "start.safetensors", tmp_path / "net.safetensors"
    export_weights(start, SPEC, START.arrays, {})
    run = tmp_path / "run.safetensors"
    arguments = f"--pictures {pictures} --start {start} --teacher {TEACHER}@{teacher} -o {output} --checkpoint {run}"
    small = "--pool 16 --passes 1 --batch 8 --fit-crops 16 --crop 64 --components 4 4 4"
    for rounds, said in ((1, "round 1/1"), (2, "continues after round 1 of 2")):
        result = CliRunner().invoke(main, f"{arguments} {small} --rounds {rounds} --decay-rounds 1".split())
        assert result.exit_code == 0, result.output
        assert said in result.output
    assert load_weights(output).spec.channels(("stride8",)) == (4,)
    result = CliRunner().invoke(choose, f"{output} --pictures {pictures} --size 64 --gain 1 --gain 2".split())
    assert result.exit_code == 0, result.output
    assert [line.split("gain ")[1][0] for line in result.output.splitlines()] == ["1", "2"]
    assert json.loads(output.with_suffix(".json").read_text())["rounds"] == 2
