"""Pictures of archived frames, and why they were flagged: computed again with the bank of that time, and kept."""

import io
import threading
from dataclasses import dataclass, replace
from pathlib import Path

import cv2

from inspector.bank import SAMPLES_FOLDER, read_file
from inspector.errors import BankError, EngineError, FrameError, InspectorError, StoreError
from inspector.explain import Explanation
from inspector.header import upright_size_wh
from inspector.heatmap import DRAWN, render_png
from inspector.manifest import Manifest, read_manifest
from inspector.pipeline import Pipeline
from inspector.settings import Settings
from inspector.store import Archive, FrameRow
from inspector.thumbnail import jpeg
from inspector.web.absence import DAMAGED, LOST, not_archived
from inspector.web.bank_folders import BankFolders
from inspector.web.message import Message
from inspector.web.picture import SHOWN_AS_THEY_ARE, THUMBNAILS_BYTES, Picture, for_browser, shrunk
from inspector.web.recent import Recent
from inspector.web.region import Region

_BOX, _RIM = (255, 110, 0), (255, 255, 255)
_BANKS_OPEN = 2
_EXPLANATIONS = 200
_MAPS_BYTES = 64_000_000
_THUMBNAILS = 1500
_REGIONS = 50
_MANIFESTS = 20


class GoneError(Exception):
    """What was asked for is not there, or no longer; says what and why."""


class PictureGoneError(GoneError):
    """The frame's own picture."""


@dataclass(frozen=True, slots=True)
class Why:
    """map_png: the coloured map over the explanation's view. sample_names: of the bank that it comes from."""

    explanation: Explanation
    map_png: bytes
    sample_names: tuple[str, ...]


class Evidence:
    """Reads the archive and the banks. Threads may share it."""

    def __init__(self, settings: Settings, archive: Archive) -> None:
        self._settings = settings
        self._archive = archive
        self._turn = threading.Lock()  # one bank is opened, and one frame explained, at a time
        self._shrinking = threading.Lock()  # a page asks for many at once, and the line has to go on
        self._pipelines = Recent[str, Pipeline](_BANKS_OPEN)
        self._whys = Recent[tuple[str, str], Why](
            _EXPLANATIONS, most_bytes=_MAPS_BYTES, weigh=lambda why: len(why.map_png)
        )
        self._thumbnails = Recent[tuple[str, str], Picture](
            _THUMBNAILS, most_bytes=THUMBNAILS_BYTES, weigh=lambda small: len(small.data)
        )
        self._regions = Recent[str, Region | None](_REGIONS)
        self._manifests = Recent[str, Manifest](_MANIFESTS)
        self._banks = BankFolders(station.bank for station in settings.stations)

    def picture(self, row: FrameRow) -> Picture:
        """The frame as it was archived; what browsers do not show, or would turn, as PNG.

        Raises:
            PictureGoneError: it is not there, cannot be read, or is no picture any more.
        """
        data = self._read(row)
        try:
            return for_browser(data, row.image or "", max_pixels=self._settings.max_pixels)
        except FrameError as error:
            raise PictureGoneError(DAMAGED) from error

    def absence(self, row: FrameRow) -> Message | None:
        """Why there is no picture of the frame, as far as that is known without reading one; None: it is there."""
        if row.image is None:
            return not_archived(row, self._settings.review.zone)
        try:
            return None if self._archive.holds(row.sha256, row.image) else LOST
        except StoreError as error:
            return _unreadable(error)

    def size_wh(self, row: FrameRow) -> tuple[int, int]:
        """Width and height of the upright frame, from its header.

        Raises:
            PictureGoneError: it is not there, or is no picture any more.
        """
        try:
            return upright_size_wh(io.BytesIO(self._read(row)))
        except FrameError as error:
            raise PictureGoneError(DAMAGED) from error

    def thumbnail(self, row: FrameRow) -> Picture:
        """A small JPEG with the regions of the verdict drawn in.

        Raises:
            PictureGoneError: it is not there, or is no picture any more.
        """
        key = row.sha256, row.result_id
        return self._thumbnails.get(key, lambda: self._draw_thumbnail(row))

    def why(self, row: FrameRow) -> Why:
        """Why the frame was flagged, by the bank that decided it.

        Raises:
            GoneError: the bank or the picture is no longer there.
        """
        if (digest := row.bank_digest) is None:
            raise GoneError(Message("This frame names no bank."))
        return self._whys.get((row.sha256, digest), lambda: self._explain(row, digest))

    def region(self, digest: str) -> Region | None:
        """What the bank with this manifest digest leaves out of a frame; None where all of it counts.

        Raises:
            GoneError: the bank is no longer there.
        """
        return self._regions.get(digest, lambda: Region.of(self._manifest(digest).recipe))

    def sample(self, digest: str, number: int) -> Picture:
        """The thumbnail of a bank's sample.

        Raises:
            GoneError: no such bank, or no such sample in it, or not as its manifest lists it.
        """
        manifest = self._manifests.get(digest, lambda: self._manifest(digest))
        if not 0 <= number < len(manifest.samples):
            raise GoneError(Message("This bank has no such sample."))
        name = manifest.samples[number].thumbnail
        try:
            return Picture(read_file(self._folder(digest), manifest, f"{SAMPLES_FOLDER}/{name}"), _media_type(name))
        except BankError as error:
            raise GoneError(Message("The sample's picture cannot be read.")) from error

    def _explain(self, row: FrameRow, digest: str) -> Why:
        payload = self._read(row)
        with self._turn:
            pipeline = self._pipelines.get(digest, lambda: self._load(digest))
            try:
                explanation = pipeline.explain(payload)
            except FrameError as error:
                text = Message("The archived picture cannot be inspected again: %(why)s.", why=error)
                raise GoneError(text) from error
        bank = pipeline.bank
        return Why(
            replace(explanation, anomaly_map=DRAWN),
            render_png(explanation.anomaly_map, bank.thresholds.pixel),
            tuple(sample.path for sample in bank.manifest.samples),
        )

    def _manifest(self, digest: str) -> Manifest:
        try:
            return read_manifest(self._folder(digest))
        except BankError as error:
            raise GoneError(_unusable(error)) from error

    def _load(self, digest: str) -> Pipeline:
        folder = self._folder(digest)
        try:
            return Pipeline.open(folder, max_pixels=self._settings.max_pixels, engine=self._settings.engine)
        except (BankError, EngineError) as error:
            raise GoneError(_unusable(error)) from error

    def _folder(self, digest: str) -> Path:
        folder = self._banks.find(digest)
        if folder is None:
            raise GoneError(Message("The bank of that time is no longer here."))
        return folder

    def _read(self, row: FrameRow) -> bytes:
        if (why := self.absence(row)) is not None:
            raise PictureGoneError(why)
        try:
            return self._archive.read(row.sha256, row.image or "")
        except StoreError as error:
            raise PictureGoneError(self.absence(row) or _unreadable(error)) from error

    def _draw_thumbnail(self, row: FrameRow) -> Picture:
        data = self._read(row)
        try:
            with self._shrinking:
                pixels, scale = shrunk(data, row.image or "", self._settings.max_pixels)
        except (OSError, ValueError, FrameError) as error:
            raise PictureGoneError(DAMAGED) from error
        drawn = pixels.copy()
        high, wide = drawn.shape[:2]
        for region in row.verdict.get("regions", ()):
            left, top = (max(2, int(region[key] * scale) - 2) for key in ("x", "y"))
            right = min(wide - 3, int((region["x"] + region["width"]) * scale) + 2)
            below = min(high - 3, int((region["y"] + region["height"]) * scale) + 2)
            for colour, thickness in ((_RIM, 4), (_BOX, 2)):
                cv2.rectangle(drawn, (left, top), (right, below), colour, thickness)
        return Picture(jpeg(drawn), "image/jpeg")


def _unreadable(error: StoreError) -> Message:
    return Message("It cannot be read: %(why)s.", why=error)


def _unusable(error: InspectorError) -> Message:
    return Message("The bank of that time cannot be used: %(why)s", why=error)


def _media_type(name: str) -> str:
    return SHOWN_AS_THEY_ARE.get(Path(name).suffix.lstrip("."), "application/octet-stream")
