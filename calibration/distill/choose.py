"""`python -m calibration.distill.choose`: compares weights without a test set, by separation from synthetic defects."""

from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
import torch

from calibration.backbones.builtin import load_weights, torch_features
from calibration.distill.pictures import read_folders
from calibration.distill.selection import Embed, separation
from calibration.distill.teachers import normalise
from inspector.errors import InspectorError
from inspector.types import Float32Array, UInt8Image


@click.command(context_settings={"show_default": True})
@click.argument("weights", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--pictures", type=click.Path(path_type=Path), multiple=True, required=True, help="Good samples.")
@click.option("--layer", "layers", multiple=True, default=("stride8", "stride16"), help="Finest first.")
@click.option("--gain", "gains", type=float, multiple=True, default=(1.0,), help="Of the last layer, further.")
@click.option("--size", default=256, help="Side of the pictures in pixels.")
@click.option("--seed", default=1)
def main(
    weights: tuple[Path, ...],
    pictures: tuple[Path, ...],
    layers: tuple[str, ...],
    gains: tuple[float, ...],
    size: int,
    seed: int,
) -> None:
    """Area under the ROC curve of drawn defects against held-back good samples, for each folder and in the mean."""
    folders = read_folders(pictures, max_short_side=512)
    for path in weights:
        net = torch_features(load_weights(path), layers)
        for gain in gains:
            areas = [separation(_embedder(net, gain), folder, size=size, seed=seed) for folder in folders]
            each = "  ".join(f"{area:.3f}" for area in areas)
            click.echo(f"{path}  gain {gain:g}: {each}  mean {np.mean(areas):.4f}")


def _embedder(net: torch.nn.Module, gain: float) -> Embed:
    def embed(images: UInt8Image) -> Sequence[Float32Array]:
        with torch.inference_mode():
            *finer, last = (maps.numpy() for maps in net(torch.from_numpy(normalise(images))))
        return [*finer, last * np.float32(gain)]

    return embed


if __name__ == "__main__":
    try:
        main(prog_name="python -m calibration.distill.choose")
    except InspectorError as error:
        click.echo(f"error: {error}", err=True)
        raise SystemExit(error.exit_code) from None
