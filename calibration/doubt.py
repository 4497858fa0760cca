"""Which patches of the good samples are doubtful: few other samples vouch for them, and they look like a defect.

Support alone overlooks what many samples have, as each vouches for the next. A head that learnt synthetic defects does
not count how often a sight occurs; what none of them resembled does not alarm it. So both are brought to the same
scale and either is enough to doubt: added as they are, a calm head would acquit what no other sample shows.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from calibration.bench import Bench
from calibration.finetuning.finetune import fold_heads
from calibration.finetuning.head import Head
from calibration.finetuning.planting import FEWEST, gather
from calibration.pool import Patches
from inspector.errors import SamplesError
from inspector.scoring import smooth
from inspector.types import Float32Array

DOUBTFUL: Final = 0.5
"""Share of the samples whose most doubtful patch lies beyond the bound; all patches beyond it are left out.

Chosen on good samples of four parts, a tenth of them with drawn pits, lines or cracks: docs/studies.md.
"""

LEAST_SPREAD: Final = 0.02
"""Lower bound of the distance between quartiles: samples that are all but equal differ in nothing."""


def doubt(bench: Bench, support: Sequence[Float32Array], heads: Sequence[Head] = ()) -> Float32Array:
    """How doubtful each patch of each sample is, by what `calibration.support` found and what heads say.

    heads: one for each fold, trained without it, as fine-tuning leaves them; trained here where there are none. Where
    samples are too few to learn from, or no defect can be planted into them, support alone decides.

    Returns:
        float32 (n, grid_h, grid_w), of no unit; patches that do not count are as little doubtful as any.
    """
    counted = bench.grid.counted
    doubts = _scaled(np.log(np.maximum(np.stack(support), 1e-6)), counted)
    if heads := heads or _trained(bench):
        doubts = np.logaddexp(doubts, _scaled(_alarms(bench, heads), counted))
    doubts[:, ~counted] = doubts.min()
    return doubts


def undoubted(patches: Patches, doubts: Float32Array) -> NDArray[np.int64]:
    """The rows of the patches that are grounds for a bank, by the maps that `doubt` gave."""
    bound = np.quantile(doubts.max((1, 2)), 1 - DOUBTFUL)
    found = doubts[patches.source, patches.position[:, 0], patches.position[:, 1]]
    return np.flatnonzero(found <= bound)


def _trained(bench: Bench) -> Sequence[Head]:
    """A head for each fold; none where there is nothing to learn from."""
    if len(bench) < FEWEST:
        return ()
    try:
        return fold_heads(gather(bench), bench)
    except SamplesError:
        return ()


def _alarms(bench: Bench, heads: Sequence[Head]) -> Float32Array:
    """What the head of its fold says of the patches of each sample: float32 (n, grid_h, grid_w), smoothed."""
    return np.stack(
        [
            smooth(heads[bench.fold[index]].logits(bench.embed(bench.picture(index), index)), bench.grid.inside)
            for index in bench.track(range(len(bench)), "looking for defects")
        ]
    )


def _scaled(maps: Float32Array, counted: NDArray[np.bool_]) -> Float32Array:
    """Maps, float32 (n, grid_h, grid_w), so that the highest of each sample have median 0 and quartiles 1 apart."""
    highest = maps[:, counted].max(1)
    low, middle, high = np.quantile(highest, (0.25, 0.5, 0.75))
    return np.asarray((maps - middle) / max(float(high - low), LEAST_SPREAD), np.float32)
