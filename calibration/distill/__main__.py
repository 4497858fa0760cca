"""`python -m calibration.distill`: trains the built-in backbone, continues where it stopped, exports it."""

import time
from pathlib import Path
from typing import Any, TypeVar

import click
import torch

from calibration.backbones.builtin import LAYERS
from calibration.distill.augment import CropMix
from calibration.distill.checkpoint import load_checkpoint, save_checkpoint
from calibration.distill.export import export_weights, scaled_taps, shortened_taps
from calibration.distill.pictures import read_folders
from calibration.distill.student import load_start
from calibration.distill.teachers import Teachers, TeacherSource
from calibration.distill.training import RoundReport, Run, TrainingPlan
from inspector.errors import InspectorError, UsageError

Number = TypeVar("Number", int, float)
Triple = tuple[Number, Number, Number]


@click.command(context_settings={"show_default": True, "max_content_width": 110})
@click.option("--pictures", "pictures", type=click.Path(path_type=Path), multiple=True, help="A folder of pictures.")
@click.option("--share", "shares", type=float, multiple=True, help="How often each folder is drawn from.")
@click.option("--teacher", "teachers", required=True, multiple=True, metavar="NAME@FILE", help="A timm CNN.")
@click.option("--teacher-share", "teacher_shares", type=float, multiple=True, help="Each one's part of the target.")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="The .safetensors to write.")
@click.option("--checkpoint", type=click.Path(path_type=Path), required=True, help="Continued from if it exists.")
@click.option("--start", required=True, help="The net to begin with: mobilenetv2_100@FILE, or a finished .safetensors.")
@click.option("--rounds", default=60, help="Rounds in all.")
@click.option("--decay-rounds", default=12, help="Rounds at the end in which the learning rate falls.")
@click.option("--pool", default=2048, help="Fresh crops a round.")
@click.option("--passes", default=3, help="How often the student sees each crop.")
@click.option("--batch", default=32)
@click.option("--learning-rate", default=2e-3)
@click.option("--weight-decay", default=0.02)
@click.option("--fit-crops", default=1024, help="Crops that the targets are fitted on.")
@click.option("--whitening", default=0.5, help="Of the targets' components, 0 to 1.")
@click.option("--layer-shares", type=(float, float, float), default=(0.3, 1.0, 1.0), help="Of the loss.")
@click.option("--gains", type=(float, float, float), default=(1.0, 1.0, 1.0), help="Of the exported maps.")
@click.option("--trained-share", default=1.0, help="Of training in each weight; the rest is of --start.")
@click.option("--crop", default=192, help="Side of a crop in pixels, a multiple of 16.")
@click.option("--texture-share", default=0.2, help="Crops that begin as a drawn texture.")
@click.option("--defect-share", default=0.3, help="Crops with a synthetic defect.")
@click.option("--noise-share", default=0.3, help="Crops that only the student sees with noise.")
@click.option("--components", type=(int, int, int), default=(64, 96, 128), help="Tap channels.")
@click.option("--keep", type=(int, int, int), default=(64, 64, 64), help="Of them, in the exported net.")
@click.option("--seed", default=0)
@click.option("--device", default="cpu", help="Of torch: cpu, cuda.")
@click.option("--threads", default=torch.get_num_threads(), help="Of the CPU.")
@click.option("--max-short-side", default=512, help="Larger pictures are reduced to this when read.")
def main(
    pictures: tuple[Path, ...],
    shares: tuple[float, ...],
    teachers: tuple[str, ...],
    teacher_shares: tuple[float, ...],
    output: Path,
    checkpoint: Path,
    start: str,
    gains: Triple[float],
    crop: int,
    texture_share: float,
    defect_share: float,
    components: Triple[int],
    keep: Triple[int],
    device: str,
    threads: int,
    max_short_side: int,
    **plan_options: Any,
) -> None:
    """Distils the patch features of stronger CNNs into the built-in backbone.

    The weights are written after each round, so the run can be stopped at any time; with the same arguments it goes on
    from the checkpoint. --rounds, --decay-rounds, --passes and --trained-share may differ then: more rounds take it
    further.
    """
    shared = max(1, threads // 2) if device == "cpu" else threads  # teachers and student run side by side
    torch.set_num_threads(shared)
    plan = TrainingPlan(
        teacher_shares=_parts(teacher_shares, len(teachers), "--teacher-share", "--teacher"),
        mix=CropMix(size=crop, texture_share=texture_share, defect_share=defect_share),
        **plan_options,
    )
    started = time.monotonic()
    sources = [TeacherSource.parse(text) for text in teachers]
    folders = read_folders(pictures, max_short_side)
    weights = _parts(shares, len(pictures), "--share", "--pictures")
    teaching = Teachers(sources, device, low_precision=True, threads=shared)
    run = Run(
        plan, load_start(start), components, teaching, list(zip(folders, weights, strict=True)), device, workers=shared
    )
    if checkpoint.exists():
        load_checkpoint(checkpoint, run)
        click.echo(f"continues after round {run.finished_rounds} of {plan.rounds}")
    count = sum(len(folder.training) for folder in folders)
    click.echo(f"{count} pictures, {len(sources)} teacher(s), {plan.steps_per_round()} steps a round")

    def report(after: RoundReport) -> None:
        save_checkpoint(checkpoint, run)
        notes = {
            "rounds": after.round,
            "crops": after.round * plan.pool,
            "teachers": [source.name for source in sources],
            "whitening": plan.whitening,
            "trained_share": plan.trained_share,
            "gains": dict(zip(LAYERS, gains, strict=True)),
            "components": dict(zip(LAYERS, components, strict=True)),
            "components_kept": dict(zip(LAYERS, keep, strict=True)),
            "target_variance_kept": {f"stride{s}": round(p.explained, 4) for s, p in run.projections.items()},
            "unexplained": {f"stride{s}": round(share, 4) for s, share in after.unexplained.items()},
        }
        louder = scaled_taps(run.arrays(), dict(zip(LAYERS, gains, strict=True)))
        export_weights(output, *shortened_taps(run.student.spec, louder, dict(zip(LAYERS, keep, strict=True))), notes)
        lost = "  ".join(f"stride{stride} {share:.3f}" for stride, share in after.unexplained.items())
        click.echo(f"round {after.round}/{plan.rounds}  unexplained: {lost}  {time.monotonic() - started:.0f} s")

    run.train(report)


def _parts(given: tuple[float, ...], count: int, option: str, of: str) -> tuple[float, ...]:
    """The given shares scaled to add up to 1, or equal ones."""
    if given and (len(given) != count or min(given) < 0 or sum(given) <= 0):
        raise UsageError(f"{option}: got {list(given)}, expected one share >= 0 for each of {count} {of}")
    shares = given or (1.0,) * count
    return tuple(share / sum(shares) for share in shares)


if __name__ == "__main__":
    try:
        main(prog_name="python -m calibration.distill")
    except InspectorError as error:
        click.echo(f"error: {error}", err=True)
        raise SystemExit(error.exit_code) from None
