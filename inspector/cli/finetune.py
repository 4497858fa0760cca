"""`inspector finetune`."""

import json
from pathlib import Path
from time import perf_counter

import click

from inspector.cli import options
from inspector.cli.calibrate import as_object, as_text
from inspector.cli.progress import track


@click.command()
@click.argument("bank", type=options.PATH)
@click.argument("good_dir", type=options.PATH)
@click.option("-o", "--output", type=options.PATH, required=True, help="The new bank's folder")
@options.replace_new
@options.as_json
def finetune(bank: Path, good_dir: Path, output: Path, replace: bool, as_json: bool) -> None:
    """Calibrate on the samples of BANK below GOOD_DIR once more as BANK was, and fine-tune.

    Recipe, backbone, seed and budget are those of BANK; the folds too, but at most 5 where it came from another bank.
    Pictures that BANK does not have are left out. A head learns synthetic defects planted into the samples; it is kept
    only where it separates held-back kinds of them better, and lineage says so either way.
    """
    from calibration.calibrate import calibrate
    from calibration.options import Options

    start = perf_counter()
    again = Options.again(bank, finetune=True, replace=replace)
    done = calibrate(good_dir, output, again, track=track)
    seconds = perf_counter() - start
    if done.samples < (before := len(again.only)):
        click.echo(
            f"warning: the new bank knows {done.samples} of the {before} samples of {bank}; the others are not below "
            f"{good_dir}, or are left out",
            err=True,
        )
    click.echo(json.dumps(as_object(done, seconds)) if as_json else as_text(done, seconds, options_of="calibrate "))
