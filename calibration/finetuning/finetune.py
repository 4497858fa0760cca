"""Fine-tuning on one's own part, from good samples alone: a head learns synthetic defects planted into them.

Whether it helps is judged by what it has not seen: held-back samples with held-back kinds of defects. It is kept only
where it separates them better than distances alone; the figures are reported either way.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from calibration.bench import Bench
from calibration.defects import KINDS
from calibration.finetuning.head import Head, train
from calibration.finetuning.planting import FEWEST, Material, gather
from calibration.finetuning.trial import WEIGHTS, HeadTrial, Round
from inspector.errors import SamplesError

LEAST_GAIN: Final = 0.005
"""Area under the ROC curve by which a head must separate better, averaged over the rounds of trial."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """The outcome. before, after: mean area under the ROC curve without and with a head.

    heads: one for each fold of the samples, trained without that fold; head: trained on all. Empty and None where the
    head is not kept.
    """

    before: float
    after: float
    heads: tuple[Head, ...] = ()
    head: Head | None = None

    @property
    def said(self) -> str:
        """In words, for the lineage."""
        held = f"separation of held-back synthetic defects {self.before:.3f} to {self.after:.3f}"
        return f"fine-tuned, {held}" if self.head else f"fine-tuning not kept, {held}"


def finetune(bench: Bench) -> Tuned:
    """Train heads on the samples of the bench, judge them, and keep them or not.

    Raises:
        SamplesError: fewer than FEWEST samples, or no defect can be planted into them.
        BackboneError: an embedding is not finite.
    """
    if len(bench) < FEWEST:
        raise SamplesError(f"fine-tuning: got {len(bench)} samples, expected at least {FEWEST}; calibrate without it")
    material = gather(bench)
    trial = HeadTrial(material, bench)
    rounds: list[Round] = []
    for number in bench.track(range(4), "fine-tuning: rounds of trial"):
        rounds.append(trial.round(number // 2, number % 2))
        if number == 1 and _means(rounds).max() <= np.mean([each.before for each in rounds]):
            break  # neither half of the kinds helped against the other
    after = _means(rounds)
    best = int(after.argmax())
    found = Tuned(float(np.mean([each.before for each in rounds])), float(after[best]))
    if found.after - found.before < LEAST_GAIN:
        return found
    gain = float(np.mean([each.unit for each in rounds])) * WEIGHTS[best]
    heads = tuple(head.with_gain(gain) for head in fold_heads(material, bench))
    head = _head(material, np.ones(len(material.numbers), bool), bench.seed).with_gain(gain)
    return Tuned(found.before, found.after, heads, head)


def fold_heads(material: Material, bench: Bench) -> list[Head]:
    """For each fold of the samples a head with gain 1, trained without it on defects of all kinds.

    Raises:
        SamplesError: the region of interest is too small for a sort of patches.
    """
    fold = bench.fold[material.numbers]
    folds = bench.track(range(int(bench.fold.max()) + 1), "training heads")
    return [_head(material, fold != held_out, bench.seed) for held_out in folds]


def _head(material: Material, seen: NDArray[np.bool_], seed: int) -> Head:
    return train(material.lesson(seen, range(len(KINDS))), np.random.default_rng(seed))


def _means(rounds: list[Round]) -> np.ndarray:
    """Area under the ROC curve at each weight, averaged over the rounds."""
    return np.asarray(np.mean([each.after for each in rounds], 0))
