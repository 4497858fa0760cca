"""What a calibration has made, and how it becomes a bank's folder."""

from dataclasses import dataclass
from pathlib import Path

import openvino as ov
from safetensors.numpy import save_file

from calibration.backbones.backbone import OpenBackbone
from calibration.fit import CrossFitted
from calibration.options import Options
from calibration.pool import Patches
from calibration.projection import FILE as PROJECTION_FILE
from calibration.projection import Projection
from calibration.samples import Samples, again
from calibration.thresholds import Limits
from calibration.thumbnail import thumbnail
from inspector import bank as bank_files
from inspector.bank import BACKBONE_FILE, DRIFT_FILE, GRAPH_FILE, SAMPLES_FOLDER
from inspector.manifest import SCHEMA, Calibration, Lineage, Manifest, Sample, write_manifest
from inspector.progress import Track, silent
from inspector.proportions import in_common


@dataclass(frozen=True, slots=True)
class NewBank:
    """A bank that is not written yet.

    memory: its vectors, projected. radius: the largest distance of a normal patch to the nearest vector. image, pixel:
    limits of image scores and of the highest values of anomaly maps. grid_hw: rows and columns of patches. operation:
    what was done, for the lineage.
    """

    samples: Samples
    backbone: OpenBackbone
    projection: Projection
    memory: Patches
    radius: float
    fitted: CrossFitted
    image: Limits
    pixel: Limits
    grid_hw: tuple[int, int]
    operation: str

    def write(self, folder: Path, options: Options, track: Track = silent) -> Manifest:
        """Write all files into an empty folder; returns the manifest, which is written last.

        Raises:
            OSError, SafetensorError: a file cannot be written.
        """
        if self.projection:
            self.projection.save(folder / PROJECTION_FILE)
        try:
            ov.save_model(self.backbone.graph(self.projection), folder / GRAPH_FILE, compress_to_fp16=False)
        except RuntimeError as error:
            raise OSError(f"{GRAPH_FILE}; is the disk full?") from error
        (folder / BACKBONE_FILE).write_bytes(self.backbone.weights)
        self.memory.save(folder)
        self.fitted.normals.save(folder)
        save_file(self.fitted.baseline.arrays(), folder / DRIFT_FILE)
        manifest = self._manifest(folder, self._write_thumbnails(folder / SAMPLES_FOLDER, track), options)
        write_manifest(folder, manifest)
        return manifest

    def _write_thumbnails(self, folder: Path, track: Track) -> tuple[Sample, ...]:
        """A small JPEG of what the backbone saw of each sample, which is decoded once more."""
        folder.mkdir()
        listed = []
        for index, file in enumerate(track(self.samples.files, "writing small pictures")):
            name = f"{index:06d}.jpg"
            with again(file.path):
                small = thumbnail(file.path.read_bytes(), self.backbone.recipe)
            (folder / name).write_bytes(small)
            listed.append(
                Sample(
                    path=self.samples.name(index),
                    sha256=file.sha256,
                    thumbnail=name,
                    pixels_sha256=file.pixels_sha256,
                )
            )
        return tuple(listed)

    def _manifest(self, folder: Path, samples: tuple[Sample, ...], options: Options) -> Manifest:
        files = bank_files.digests(folder)
        calibration = Calibration(
            folds=min(options.folds, len(samples)),
            fold_by="block" if options.blocks else "image",
            ok=self.image.ok,
            ng=self.image.ng,
            pixel=self.pixel.ok,
            promise=self.image.promise,
        )
        count, dim = self.memory.vectors.shape
        return Manifest(
            schema=SCHEMA,
            id=bank_files.identity(files, calibration),
            recipe=self.backbone.recipe,
            backbone=self.backbone.info,
            seed=options.seed,
            vectors=count,
            dim=dim,
            grid_hw=self.grid_hw,
            covering_radius=self.radius,
            proportions=None if self.backbone.recipe.crop else in_common(file.size_wh for file in self.samples.files),
            samples=samples,
            calibration=calibration,
            lineage=Lineage(parent=options.parent, operation=self.operation),
            files=files,
        )
