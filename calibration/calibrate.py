"""Calibrate: from a folder of good samples to a bank with thresholds. No defect is needed.

Patches of all samples are embedded through the line's own decoder and engine. Samples are split into folds; each is
scored against a bank selected from the other folds, so that no sample is ever scored against itself, and these
cross-fitted scores set the thresholds. The bank that is kept is selected from all samples.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from calibration.backbones.backbone import OpenBackbone, open_backbone
from calibration.bench import Bench
from calibration.caveats import caveats, pressed, region_in_doubt, rests_on_suspects
from calibration.choice import Choice, choose
from calibration.doubt import doubt
from calibration.finetuning.finetune import Tuned
from calibration.fit import Prepared, cross_fit, prepare, select
from calibration.new_bank import NewBank
from calibration.options import SUSPECTS_LEFT_OUT, Options
from calibration.pool import join
from calibration.samples import Samples, Skipped, in_blocks, read_samples
from calibration.suspects import Suspect
from calibration.suspects import find as find_suspects
from calibration.threads import half_of_the_cores
from calibration.thresholds import limits
from inspector.bank_place import new_folder
from inspector.engines.openvino import OpenVinoEngine
from inspector.errors import SamplesError
from inspector.manifest import Promise
from inspector.progress import Track, as_one_step, silent
from inspector.recipe import Recipe
from inspector.samples.enough import MINIMUM
from inspector.types import Float32Array, Thresholds
from inspector.window import Extent, extent_of

HIGHEST: Final = 8
"""How many of the samples that score highest are named."""


@dataclass(frozen=True, slots=True)
class Highest:
    """A sample of the bank on which the thresholds rest, as few score as high: its path below the samples folder.

    score: its image score against a bank of others. heat: the scores of its patches, float32 (rows, columns).
    """

    name: str
    score: float
    heat: Float32Array


@dataclass(frozen=True, slots=True)
class Calibrated:
    """The bank that was made, and what is to be known of it.

    skipped: files that are no samples, and why. radius: the largest distance of a normal patch to the bank.
    choice: the recipe, and what else was tried.
    highest: the HIGHEST samples with the highest scores, in this order.
    suspects: samples to look at. excluded: they are left out, and so among `skipped` as well; trimmed: the share of
        the other samples' patches that is left out too.
    extent: how much the region of interest leaves; None without one. caveats: what these samples cannot tell.
    tuned: the outcome of fine-tuning; None where it was not asked for.
    """

    path: Path
    bank_id: str
    samples: int
    skipped: tuple[Skipped, ...]
    vectors: int
    dim: int
    radius: float
    thresholds: Thresholds
    promise: Promise
    choice: Choice
    highest: tuple[Highest, ...]
    suspects: tuple[Suspect, ...] = ()
    excluded: bool = False
    trimmed: float = 0.0
    extent: Extent | None = None
    caveats: tuple[str, ...] = ()
    tuned: Tuned | None = None

    @property
    def left_out(self) -> float:
        """The share of the samples, duplicates aside, that was excluded. If they were good, so many more good parts are
        rejected.
        """
        others = sum(item.doubts[0].kind != "duplicate" for item in self.suspects)
        return others / (others + self.samples) if self.excluded else 0.0


@half_of_the_cores()
def calibrate(good_dir: Path, out_dir: Path, options: Options | None = None, *, track: Track = silent) -> Calibrated:
    """Build a bank from the good samples below `good_dir` and write it to the folder `out_dir`.

    Raises:
        SamplesError: no samples, or too few, of options.only where it names any. BackboneError, RecipeError: see there.
        BankError: `out_dir` exists (unless options.replace), or cannot be written.
    """
    options = options or Options()
    with new_folder(out_dir, replace=options.replace) as draft:
        samples = read_samples(good_dir, options.recipe, first=options.first, limit=options.limit, track=track)
        others = _others(samples, options.only)
        if not options.exclude_suspects:
            samples = samples.without(others)
        paths = [file.path for file in samples.files]
        choice = choose(paths, options.recipe, options.backbone, seed=options.seed, track=track)
        backbone = open_backbone(options.backbone, choice.recipe)
        engine = OpenVinoEngine(backbone.graph())

        def bench_of(samples: Samples) -> Bench:
            fold = assign_folds(len(samples.files), options)
            return Bench(samples, backbone.recipe, engine, fold, options.seed, track)

        bench = bench_of(samples)
        prepared = prepare(bench, tune=options.finetune and not options.exclude_suspects)
        suspects = _suspects(bench, prepared, closely=options.exclude_suspects)
        if options.exclude_suspects:
            reasons = {item.index: f"suspicious: {item.reason}" for item in suspects}
            bench = bench_of(samples.without({**others, **reasons}))
            prepared = prepare(bench, tune=options.finetune).without_doubtful(bench)
        if prepared.unlearnt:
            backbone = replace(backbone, recipe=_plain(backbone.recipe))
            choice = replace(choice, recipe=_plain(choice.recipe))
        new = _fitted(bench, prepared, backbone, _operation(options, suspects, prepared.tuned), options)
        manifest = new.write(draft, options, track)
    return Calibrated(
        path=out_dir,
        bank_id=manifest.id,
        samples=len(bench),
        skipped=bench.samples.skipped,
        vectors=manifest.vectors,
        dim=manifest.dim,
        radius=new.radius,
        thresholds=manifest.thresholds,
        promise=new.image.promise,
        choice=choice,
        highest=_highest(new),
        suspects=suspects,
        excluded=options.exclude_suspects,
        trimmed=prepared.trimmed,
        extent=extent_of(backbone.recipe, manifest.grid_hw),
        caveats=_caveats(new, () if options.exclude_suspects else suspects, choice.unseen, prepared.unlearnt),
        tuned=prepared.tuned,
    )


def assign_folds(count: int, options: Options) -> NDArray[np.int32]:
    """Each sample's fold, int32 (count,): shuffled by the seed, or blocks of consecutive samples."""
    fold = in_blocks(count, options.folds)
    return fold if options.blocks else np.random.default_rng(options.seed).permutation(fold)


def _others(samples: Samples, only: Collection[str]) -> dict[int, str]:
    """The numbers of samples that are none of `only` (empty: all are), and why they are left out.

    Raises:
        SamplesError: fewer than MINIMUM are left.
    """
    others = [index for index, file in enumerate(samples.files) if only and file.sha256 not in only]
    if (left := len(samples.files) - len(others)) < MINIMUM:
        raise SamplesError(
            f"samples {samples.folder}: {left} of {len(samples.files)} are samples of the bank, expected at least "
            f"{MINIMUM}; give the folder that the bank was calibrated on, or calibrate anew with `inspector calibrate`"
        )
    return dict.fromkeys(others, "not a sample of the bank that is calibrated again")


def _suspects(bench: Bench, prepared: Prepared, *, closely: bool) -> tuple[Suspect, ...]:
    """closely: train heads that tell doubtful samples, too, which takes as long as embedding several hundred."""
    files = bench.samples.files
    names = [bench.samples.name(index) for index in range(len(files))]
    maps = [bench.small_map(each) for each in prepared.support]
    doubtful = doubt(bench, prepared.support).max((1, 2)) if closely else None
    return find_suspects(names, prepared.worst, [file.look for file in files], maps, doubtful)


def _operation(options: Options, suspects: Collection[Suspect], tuned: Tuned | None) -> str:
    """What was done, for the lineage."""
    done = [f"{len(suspects)} {SUSPECTS_LEFT_OUT}"] if options.exclude_suspects else []
    return ", ".join(["calibrate", *done, *([tuned.said] if tuned else [])])


def _fitted(bench: Bench, prepared: Prepared, backbone: OpenBackbone, operation: str, options: Options) -> NewBank:
    """Thresholds from the other folds' banks, and the bank of all samples."""
    found = cross_fit(bench, prepared)
    memory, radius = as_one_step(
        bench.track,
        "selecting the bank",
        lambda: select(join(list(prepared.folds)), bench.recipe.vectors, bench.seed, prepared.projection),
    )
    return NewBank(
        samples=bench.samples,
        backbone=backbone,
        projection=prepared.projection,
        memory=memory,
        radius=radius,
        fitted=found,
        image=limits(found.normals.scores, options.max_false_reject),
        pixel=limits(found.normals.peaks, options.max_false_reject),
        grid_hw=bench.grid.hw,
        operation=operation,
    )


def _highest(new: NewBank) -> tuple[Highest, ...]:
    scores = new.fitted.normals.scores
    return tuple(
        Highest(new.samples.name(index), float(scores[index]), new.fitted.maps[index])
        for index in map(int, np.argsort(-scores, kind="stable")[:HIGHEST])
    )


def _plain(recipe: Recipe) -> Recipe:
    """Without the metric."""
    return recipe.model_copy(update={"whitening": 0.0})


def _caveats(new: NewBank, suspects: Collection[Suspect], *more: str | None) -> tuple[str, ...]:
    """What the samples cannot tell, the suspects that are in the bank included. more: sentences from elsewhere."""
    resting = rests_on_suspects(new.fitted.normals.scores, tuple(suspects), new.image.promise, new.image.ok)
    recipe = new.backbone.recipe
    return caveats(new.samples, resting, region_in_doubt(recipe), *more, pressed(new.samples, recipe))
