"""Calibrate: from a folder of good samples to a bank with thresholds. No defect is needed.

Patches of all samples are embedded through the line's own decoder and engine. Samples are split into folds; each is
scored against a bank selected from the other folds, so that no sample is ever scored against itself, and these
cross-fitted scores set the thresholds. The bank that is kept is selected from all samples.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from safetensors.numpy import save_file

from calibration.backbone import OpenBackbone, open_backbone
from calibration.caveats import caveats, rests_on_suspects
from calibration.choice import Choice, choose
from calibration.export import embedding_graph
from calibration.finetune import Tuned
from calibration.fit import Bench, Prepared, cross_fit, prepare, select
from calibration.pool import Patches
from calibration.progress import Track, silent
from calibration.projection import FILE as PROJECTION_FILE
from calibration.samples import MINIMUM, Samples, Skipped, in_blocks, read_samples
from calibration.suspects import Suspect
from calibration.suspects import find as find_suspects
from calibration.thresholds import Limits, limits
from calibration.thumbnail import thumbnail
from inspector import bank as bank_files
from inspector.bank import DRIFT_FILE, Calibration, Lineage, Manifest, Promise, Sample
from inspector.engines.openvino import OpenVinoEngine
from inspector.errors import BankError, SamplesError, UsageError
from inspector.recipe import Recipe
from inspector.types import Thresholds
from inspector.window import Extent, extent_of

FOLDS: Final = 5
"""Parts that samples are split into where nothing else is said."""


@dataclass(frozen=True, slots=True)
class Options:
    """What calibration is told.

    max_false_reject: the share of good parts that may be rejected, in (0, 1). folds: into how many parts the samples
    are split for cross-fitting. blocks: folds of consecutive samples, for frames that follow one another, much alike.
    first: use only the first so many files by path. limit: of those, so many, evenly over their order.
    exclude_suspects: leave out suspicious samples, and of the others patches that too few vouch for, and begin again.
    finetune: train a head on synthetic defects, kept only if held-back ones are separated better. parent: sha256 of the
    manifest of the bank that this one replaces. only: sha256 of the files that may become samples; empty: all.
    """

    recipe: Recipe = field(default_factory=Recipe)
    backbone: str = "builtin"
    max_false_reject: float = 0.005
    folds: int = FOLDS
    blocks: bool = False
    seed: int = 0
    first: int | None = None
    limit: int | None = None
    replace: bool = False
    exclude_suspects: bool = False
    finetune: bool = False
    parent: str | None = None
    only: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if not 0 < self.max_false_reject < 1:
            raise UsageError(
                f"max false reject: got {self.max_false_reject}, expected a share between 0 and 1, as 0.005"
            )
        if not 2 <= self.folds <= 50:
            raise UsageError(f"folds: got {self.folds}, expected 2 to 50")

    @classmethod
    def again(cls, bank_dir: Path, *, finetune: bool, replace: bool = False) -> Self:
        """As that bank was calibrated, with its own backbone, on no other samples than its own; it becomes the parent.

        Growth counts folds up, so a bank that came from another has the usual number of them at most.

        Raises:
            BankError: no bank there, or it is damaged.
        """
        manifest = bank_files.read_manifest(bank_dir)
        bank_files.verify_files(bank_dir, manifest)
        done, folds = manifest.lineage.operation, manifest.calibration.folds
        return cls(
            recipe=manifest.recipe,
            backbone=f"{manifest.backbone.name}@{bank_dir / 'backbone.safetensors'}",
            max_false_reject=manifest.calibration.promise.max_false_reject,
            folds=max(2, folds if done.startswith("calibrate") else min(folds, FOLDS)),
            blocks=manifest.calibration.fold_by == "block",
            seed=manifest.seed,
            replace=replace,
            exclude_suspects="suspects left out" in done,
            finetune=finetune,
            parent=bank_files.file_sha256(bank_dir / "manifest.json"),
            only=frozenset(sample.sha256 for sample in manifest.samples),
        )


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What came of it. radius: the largest distance of a normal patch to the bank.

    choice: the recipe, and what else was tried. suspects: samples to look at; where they were excluded, they are among
    `skipped` as well, and `trimmed` is the share of the others' patches that was left out too. extent: how much the
    region of interest leaves; None without one. caveats: what these samples cannot tell. tuned: what fine-tuning came
    to; None where it was not asked for.
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
    suspects: tuple[Suspect, ...] = ()
    excluded: bool = False
    trimmed: float = 0.0
    extent: Extent | None = None
    caveats: tuple[str, ...] = ()
    tuned: Tuned | None = None

    @property
    def left_out(self) -> float:
        """The share of the samples, duplicates aside, that was excluded: were they good, so many more are rejected."""
        others = sum(item.doubts[0].kind != "duplicate" for item in self.suspects)
        return others / (others + self.samples) if self.excluded else 0.0


def calibrate(good_dir: Path, out_dir: Path, options: Options | None = None, *, track: Track = silent) -> Calibrated:
    """Build a bank from the good samples below `good_dir` and write it to the folder `out_dir`.

    Raises:
        SamplesError: no samples, or too few, of options.only where it names any. BackboneError, RecipeError: see there.
        BankError: `out_dir` exists (unless options.replace), or cannot be written.
    """
    options = options or Options()
    with bank_files.new_folder(out_dir, replace=options.replace) as draft:
        samples = read_samples(good_dir, options.recipe, first=options.first, limit=options.limit, track=track)
        others, twice = _others(samples, options.only), options.exclude_suspects
        if not twice:
            samples = samples.without(others)
        choice = choose(
            [file.path for file in samples.files],
            options.recipe,
            options.backbone,
            seed=options.seed,
            track=track,
        )
        backbone = open_backbone(options.backbone, choice.recipe)
        recipe = choice.recipe.model_copy(update={"layers": backbone.info.layers})
        graph = embedding_graph(backbone.features, recipe, mean=backbone.info.mean, std=backbone.info.std)
        engine = OpenVinoEngine(graph)

        def bench_of(samples: Samples) -> Bench:
            return Bench(samples, recipe, engine, assign_folds(len(samples.files), options), options.seed, track)

        bench = bench_of(samples)
        prepared = prepare(bench, tune=options.finetune and not twice)
        suspects = _suspects(bench, prepared)
        if twice:
            samples = samples.without({**others, **{item.index: f"suspicious: {item.reason}" for item in suspects}})
            bench = bench_of(samples)
            prepared = prepare(bench, tune=options.finetune).without_doubtful()
        found = cross_fit(bench, prepared)
        if projection := prepared.projection:
            projection.save(draft / PROJECTION_FILE)
            graph = embedding_graph(
                backbone.features, recipe, mean=backbone.info.mean, std=backbone.info.std, projection=projection
            )
            engine = OpenVinoEngine(graph)
        image, pixel = limits(found.scores, options.max_false_reject), limits(found.peaks, options.max_false_reject)
        memory, radius = select(prepared.material.patches(), recipe.vectors, options.seed, projection)
        try:
            ov.save_model(graph, draft / "graph.xml", compress_to_fp16=False)
        except RuntimeError as error:
            raise BankError(f"bank {out_dir}: graph.xml cannot be written; is the disk full?") from error
        (draft / "backbone.safetensors").write_bytes(backbone.weights)
        save_file(
            {"vectors": memory.vectors, "source": memory.source, "position": memory.position},
            draft / "memory.safetensors",
        )
        save_file(
            {"scores": found.scores, "peaks": found.peaks, "fold": bench.fold},
            draft / "calibration.safetensors",
        )
        save_file(found.baseline.arrays(), draft / DRIFT_FILE)
        listed = _write_thumbnails(samples, recipe, draft / "samples")
        tuned = prepared.material.tuned
        done = [f"{len(suspects)} suspects left out"] * twice + ([tuned.said] if tuned else [])
        operation = ", ".join(["calibrate", *done])
        manifest = _manifest(draft, recipe, backbone, engine, memory, radius, listed, image, pixel, operation, options)
        bank_files.write_manifest(draft, manifest)
    resting = None if twice else rests_on_suspects(found.scores, suspects, image.promise, image.ok)
    return Calibrated(
        path=out_dir,
        bank_id=manifest.id,
        samples=len(samples.files),
        skipped=samples.skipped,
        vectors=manifest.vectors,
        dim=manifest.dim,
        radius=radius,
        thresholds=manifest.thresholds,
        promise=image.promise,
        choice=choice,
        suspects=suspects,
        excluded=twice,
        trimmed=prepared.trimmed,
        extent=extent_of(recipe, manifest.grid_hw),
        caveats=caveats(samples, resting),
        tuned=tuned,
    )


def assign_folds(count: int, options: Options) -> NDArray[np.int32]:
    """Each sample's fold, int32 (count,): shuffled by the seed, or blocks of consecutive samples."""
    fold = in_blocks(count, options.folds)
    return fold if options.blocks else np.random.default_rng(options.seed).permutation(fold)


def _others(samples: Samples, only: Collection[str]) -> dict[int, str]:
    """The numbers of samples that are none of `only`, and why they are left out. Raises SamplesError: few are."""
    others = [index for index, file in enumerate(samples.files) if only and file.sha256 not in only]
    if (left := len(samples.files) - len(others)) < MINIMUM:
        raise SamplesError(
            f"samples {samples.folder}: {left} of {len(samples.files)} are samples of the bank, expected at least "
            f"{MINIMUM}; give the folder that the bank was calibrated on, or calibrate anew with `inspector calibrate`"
        )
    return dict.fromkeys(others, "not a sample of the bank that is calibrated again")


def _suspects(bench: Bench, prepared: Prepared) -> tuple[Suspect, ...]:
    names = [bench.samples.name(index) for index in bench.numbers]
    looks = [file.look for file in bench.samples.files]
    return find_suspects(names, prepared.worst, looks, [bench.small_heat(each) for each in prepared.support])


def _write_thumbnails(samples: Samples, recipe: Recipe, folder: Path) -> tuple[Sample, ...]:
    """A small JPEG of what the backbone saw of each sample."""
    folder.mkdir()
    listed = []
    for index, file in enumerate(samples.files):
        name = f"{index:06d}.jpg"
        (folder / name).write_bytes(thumbnail(file.path.read_bytes(), recipe))
        listed.append(Sample(path=samples.name(index), sha256=file.sha256, thumbnail=name))
    return tuple(listed)


def _manifest(
    draft: Path,
    recipe: Recipe,
    backbone: OpenBackbone,
    engine: OpenVinoEngine,
    memory: Patches,
    radius: float,
    samples: tuple[Sample, ...],
    image: Limits,
    pixel: Limits,
    operation: str,
    options: Options,
) -> Manifest:
    files = bank_files.digests(draft)
    rows, columns, dim = engine.grid
    return Manifest(
        schema=bank_files.SCHEMA,
        id=bank_files.identity(files),
        recipe=recipe,
        backbone=backbone.info,
        seed=options.seed,
        vectors=len(memory.vectors),
        dim=dim,
        grid_hw=(rows, columns),
        covering_radius=radius,
        samples=samples,
        calibration=Calibration(
            folds=min(options.folds, len(samples)),
            fold_by="block" if options.blocks else "image",
            ok=image.ok,
            ng=image.ng,
            pixel=pixel.ok,
            promise=image.promise,
        ),
        lineage=Lineage(parent=options.parent, operation=operation),
        files=files,
    )
