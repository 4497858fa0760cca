"""Calibrate: from a folder of good samples to a bank with thresholds. No defect is needed.

Patches of all samples are embedded through the line's own decoder and engine. Samples are split into folds; each is
scored against a bank selected from the other folds, so that no sample is ever scored against itself, and these
cross-fitted scores set the thresholds. The bank that is kept is selected from all samples.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import cv2
import numpy as np
import openvino as ov
from numpy.typing import NDArray
from safetensors.numpy import save_file

from calibration.backbone import OpenBackbone, open_backbone
from calibration.caveats import caveats
from calibration.choice import Choice, choose
from calibration.coreset import greedy_k_center
from calibration.drift import Normals
from calibration.export import embedding_graph
from calibration.finetune import Tuned, finetune
from calibration.light import any_light, factors, lit
from calibration.metric import Metric, learn
from calibration.pool import KEEP, MAX_BYTES, Patches, Pool, join, patches_of
from calibration.progress import Track, silent
from calibration.projection import FILE as PROJECTION_FILE
from calibration.projection import Projection
from calibration.samples import Samples, Skipped, read_samples
from calibration.suspects import Suspect
from calibration.suspects import find as find_suspects
from calibration.thresholds import Limits, limits
from inspector import bank as bank_files
from inspector import frame as decoder
from inspector.bank import DRIFT_FILE, Calibration, Lineage, Manifest, Promise, Sample
from inspector.drift import Baseline, usual_patch
from inspector.engines.openvino import OpenVinoEngine
from inspector.errors import BackboneError, UsageError
from inspector.patches import picture_of
from inspector.recipe import Recipe
from inspector.scoring import NearestNeighbours, anomaly_map, image_score
from inspector.types import Float32Array, Thresholds, UInt8Image
from inspector.window import Extent, extent_of, inside_of, picture_wh, window_of

THUMBNAIL = 160
"""Longer side of a sample's thumbnail, pixels."""

HEAT_SIDE = 64
"""Rows and columns at most of the patch scores that are kept of each sample, to be looked at."""


@dataclass(frozen=True, slots=True)
class Options:
    """What calibration is told.

    max_false_reject: the share of good parts that may be rejected, in (0, 1). folds: into how many parts the samples
    are split for cross-fitting. blocks: folds of consecutive samples, for frames that follow one another, much alike.
    first: use only the first so many files by path. limit: of those, so many, evenly over their order.
    exclude_suspects: leave suspicious samples out and begin again. finetune: train a head on synthetic defects, kept
    only if held-back ones are separated better. parent: sha256 of the manifest of the bank that this one replaces.
    """

    recipe: Recipe = field(default_factory=Recipe)
    backbone: str = "builtin"
    max_false_reject: float = 0.005
    folds: int = 5
    blocks: bool = False
    seed: int = 0
    first: int | None = None
    limit: int | None = None
    replace: bool = False
    exclude_suspects: bool = False
    finetune: bool = False
    parent: str | None = None

    def __post_init__(self) -> None:
        if not 0 < self.max_false_reject < 1:
            raise UsageError(
                f"max false reject: got {self.max_false_reject}, expected a share between 0 and 1, as 0.005"
            )
        if not 2 <= self.folds <= 50:
            raise UsageError(f"folds: got {self.folds}, expected 2 to 50")

    @classmethod
    def again(cls, bank_dir: Path, *, finetune: bool, replace: bool = False) -> Self:
        """As that bank was calibrated; it becomes the parent.

        Raises:
            BankError: no bank there.
        """
        manifest = bank_files.read_manifest(bank_dir)
        name, weights = manifest.backbone.name, bank_dir / "backbone.safetensors"
        return cls(
            recipe=manifest.recipe,
            backbone=name if name == "builtin" else f"{name}@{weights}",
            max_false_reject=manifest.calibration.promise.max_false_reject,
            folds=max(2, manifest.calibration.folds),
            blocks=manifest.calibration.fold_by == "block",
            seed=manifest.seed,
            replace=replace,
            finetune=finetune,
            parent=bank_files.file_sha256(bank_dir / "manifest.json"),
        )


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What came of it. radius: the largest distance of a normal patch to the bank.

    suspects: samples to look at; where they were excluded, they are among `skipped` as well. extent: how much the
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
    extent: Extent | None = None
    caveats: tuple[str, ...] = ()
    tuned: Tuned | None = None

    @property
    def left_out(self) -> float:
        """The share of the samples, duplicates aside, that was excluded: were they good, so many more are rejected."""
        others = sum(item.doubts[0].kind != "duplicate" for item in self.suspects)
        return others / (others + self.samples) if self.excluded else 0.0


@dataclass(frozen=True, slots=True)
class _Material:
    """What banks are selected from: patches of all samples by fold, as embedded; each sample's fold; and what
    fine-tuning came to.
    """

    pools: list[Pool]
    fold: NDArray[np.int32]
    tuned: Tuned | None

    def projections(self, recipe: Recipe, seed: int) -> tuple[Projection, list[Projection]]:
        """Learnt of all folds, and for each fold of all but it.

        All with a metric or none: without each of the folds there must be enough to learn it from, or the samples'
        scores would be measured otherwise than those of the line.
        """
        folds = range(len(self.pools))
        each = [self._metric(recipe, seed, held_out) if recipe.power > 0 else None for held_out in folds]
        final = None if None in each else self._metric(recipe, seed)
        if final is None:
            each = [None for _ in folds]
        if self.tuned is None or self.tuned.head is None:
            return Projection(final), [Projection(metric) for metric in each]
        heads = self.tuned.heads
        return Projection(final, self.tuned.head), [Projection(*pair) for pair in zip(each, heads, strict=True)]

    def _metric(self, recipe: Recipe, seed: int, without: int | None = None) -> Metric | None:
        return learn(join(self.patches(without)), recipe.power, np.random.default_rng(seed))

    def patches(self, without: int | None = None) -> list[Patches]:
        """Of all folds, or of all but one."""
        return [pool.patches() for number, pool in enumerate(self.pools) if number != without]


@dataclass(frozen=True, slots=True)
class _Fit:
    """Material, the projection of all of it, and each sample's figures against a bank of the other folds.

    heats: patch scores over the crop or whole frame, float32 (rows, columns) at most HEAT_SIDE each.
    """

    material: _Material
    projection: Projection
    scores: Float32Array
    peaks: Float32Array
    heats: list[Float32Array]
    baseline: Baseline


def calibrate(good_dir: Path, out_dir: Path, options: Options | None = None, *, track: Track = silent) -> Calibrated:
    """Build a bank from the good samples below `good_dir` and write it to the folder `out_dir`.

    Raises:
        SamplesError: no samples, or too few. BackboneError, RecipeError: see there.
        BankError: `out_dir` exists (unless options.replace), or cannot be written.
    """
    options = options or Options()
    with bank_files.new_folder(out_dir, replace=options.replace) as draft:
        samples = read_samples(good_dir, options.recipe, first=options.first, limit=options.limit, track=track)
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
        twice = options.exclude_suspects
        fit = _fit(samples, recipe, engine, options, track, tune=options.finetune and not twice)
        suspects = _suspects(samples, fit)
        excluded = twice and len(suspects) > 0
        if excluded:
            samples = samples.without({item.index: f"suspicious: {item.reason}" for item in suspects})
        if excluded or (twice and options.finetune):
            fit = _fit(samples, recipe, engine, options, track, tune=options.finetune)
        if projection := fit.projection:
            projection.save(draft / PROJECTION_FILE)
            graph = embedding_graph(
                backbone.features, recipe, mean=backbone.info.mean, std=backbone.info.std, projection=projection
            )
            engine = OpenVinoEngine(graph)
        image, pixel = limits(fit.scores, options.max_false_reject), limits(fit.peaks, options.max_false_reject)
        memory, radius = _select(fit.material.patches(), recipe.vectors, options.seed, projection)
        ov.save_model(graph, draft / "graph.xml", compress_to_fp16=False)
        (draft / "backbone.safetensors").write_bytes(backbone.weights)
        save_file(
            {"vectors": memory.vectors, "source": memory.source, "position": memory.position},
            draft / "memory.safetensors",
        )
        save_file(
            {"scores": fit.scores, "peaks": fit.peaks, "fold": fit.material.fold}, draft / "calibration.safetensors"
        )
        save_file(fit.baseline.arrays(), draft / DRIFT_FILE)
        listed = _write_thumbnails(samples, recipe, draft / "samples")
        tuned = fit.material.tuned
        done = [f"{len(suspects)} suspects left out"] * excluded + ([tuned.said] if tuned else [])
        operation = ", ".join(["calibrate", *done])
        manifest = _manifest(draft, recipe, backbone, engine, memory, radius, listed, image, pixel, operation, options)
        bank_files.write_manifest(draft, manifest)
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
        excluded=excluded,
        extent=extent_of(recipe, manifest.grid_hw),
        caveats=caveats(samples),
        tuned=tuned,
    )


def assign_folds(count: int, options: Options) -> NDArray[np.int32]:
    """Each sample's fold, int32 (count,): shuffled by the seed, or blocks of consecutive samples."""
    folds = min(options.folds, count)
    fold = (np.arange(count) * folds // count).astype(np.int32)
    return fold if options.blocks else np.random.default_rng(options.seed).permutation(fold)


def _fit(
    samples: Samples, recipe: Recipe, engine: OpenVinoEngine, options: Options, track: Track, *, tune: bool
) -> _Fit:
    fold = assign_folds(len(samples.files), options)
    pools = _embed(samples, recipe, engine, fold, options, track)
    tuned = _finetune(samples, recipe, engine, fold, options, track) if tune else None
    return _cross_fit(samples, recipe, engine, _Material(pools, fold, tuned), options, track)


def _finetune(
    samples: Samples,
    recipe: Recipe,
    engine: OpenVinoEngine,
    fold: NDArray[np.int32],
    options: Options,
    track: Track,
) -> Tuned:
    def embed(picture: UInt8Image) -> Float32Array:
        embedding: Float32Array = engine.embed(picture[None])[0]
        return embedding

    return finetune(
        lambda index: _picture(samples, index, recipe),
        fold,
        embed,
        vectors=recipe.vectors,
        whitening=recipe.power,
        inside=inside_of(recipe, engine.grid[:2]),
        seed=options.seed,
        track=track,
    )


def _suspects(samples: Samples, fit: _Fit) -> tuple[Suspect, ...]:
    names = [samples.name(index) for index in range(len(samples.files))]
    return find_suspects(names, fit.scores, [file.look for file in samples.files], fit.heats)


def _embed(
    samples: Samples, recipe: Recipe, engine: OpenVinoEngine, fold: NDArray[np.int32], options: Options, track: Track
) -> list[Pool]:
    number, inside = int(fold.max()) + 1, inside_of(recipe, engine.grid[:2])
    pools = [
        Pool(MAX_BYTES // number, KEEP * recipe.vectors, np.random.default_rng([options.seed, index]))
        for index in range(number)
    ]
    for index in track(range(len(samples.files)), "embedding patches"):
        picture = _picture(samples, index, recipe)
        for light in factors(recipe.light):
            embedding = _embedded(samples, index, lit(picture, light), engine)
            pools[fold[index]].add(patches_of(embedding, index, inside))
    return pools


def _cross_fit(
    samples: Samples,
    recipe: Recipe,
    engine: OpenVinoEngine,
    material: _Material,
    options: Options,
    track: Track,
) -> _Fit:
    """Image score and highest value of the anomaly map of each sample, in a light that frames may be in, against a bank
    of the other folds.
    """
    fold = material.fold
    final, cross_fitted = material.projections(recipe, options.seed)
    normals = Normals(len(fold), final.width(engine.grid[2]))
    scores = np.empty(len(fold), np.float32)
    peaks = np.empty(len(fold), np.float32)
    usual = np.empty(len(fold), np.float32)
    heats = [np.empty((0, 0), np.float32)] * len(fold)
    window, inside = window_of(recipe), inside_of(recipe, engine.grid[:2])
    for held_out in track(range(len(material.pools)), "cross-fitting thresholds"):
        projection = cross_fitted[held_out]
        memory, _ = _select(material.patches(held_out), recipe.vectors, options.seed, projection)
        neighbours = NearestNeighbours.on(engine, memory.vectors, recipe.neighbours, engine.grid[:2], inside)
        for index in np.flatnonzero(fold == held_out):
            light = any_light(recipe.light, np.random.default_rng([options.seed, int(index)]))
            picture = lit(_picture(samples, int(index), recipe), light)
            embedding = _embedded(samples, int(index), picture, engine)
            normals.take(int(index), picture, final.apply(embedding), inside)
            patch_scores = neighbours.patch_scores(projection.apply(embedding), inside)
            heat = anomaly_map(patch_scores, picture_wh(recipe), inside)
            whole = window.spread(heat) if window else heat
            scores[index] = image_score(patch_scores)
            peaks[index] = whole.max()
            usual[index] = usual_patch(patch_scores, inside)
            heats[index] = _small(whole if window else patch_scores)
    return _Fit(material, final, scores, peaks, heats, normals.baseline(fold, usual))


def _small(heat: Float32Array) -> Float32Array:
    rows, columns = heat.shape
    size_wh = min(columns, HEAT_SIDE), min(rows, HEAT_SIDE)
    return np.asarray(cv2.resize(heat, size_wh, interpolation=cv2.INTER_AREA), np.float32)


def _picture(samples: Samples, index: int, recipe: Recipe) -> UInt8Image:
    return picture_of(decoder.decode(samples.files[index].path.read_bytes()), recipe)[0]


def _embedded(samples: Samples, index: int, picture: UInt8Image, engine: OpenVinoEngine) -> Float32Array:
    """Patch embeddings of a sample's picture."""
    embedding: Float32Array = engine.embed(picture[None])[0]
    if not np.isfinite(embedding).all():
        raise BackboneError(
            f"backbone: embeds {samples.name(index)} as NaN or infinity, expected finite numbers; "
            "are these weights of this network?"
        )
    return embedding


def _select(parts: list[Patches], count: int, seed: int, projection: Projection) -> tuple[Patches, float]:
    everything = join(parts)
    everything = replace(everything, vectors=projection.apply(everything.vectors))
    rows, radius = greedy_k_center(everything.vectors, count, np.random.default_rng(seed))
    return everything.take(rows), radius


def _write_thumbnails(samples: Samples, recipe: Recipe, folder: Path) -> tuple[Sample, ...]:
    """A small JPEG of what the backbone saw of each sample."""
    folder.mkdir()
    listed = []
    for index, file in enumerate(samples.files):
        picture, view = picture_of(decoder.decode(file.path.read_bytes()), recipe)
        scale = THUMBNAIL / max(view.width, view.height)
        size = (max(1, round(view.width * scale)), max(1, round(view.height * scale)))
        small = cv2.resize(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), size, interpolation=cv2.INTER_AREA)
        name = f"{index:06d}.jpg"
        (folder / name).write_bytes(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes())
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
            pixel=pixel.ng,
            promise=image.promise,
        ),
        lineage=Lineage(parent=options.parent, operation=operation),
        files=files,
    )
