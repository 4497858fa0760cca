"""Drift: signals of one whole picture, compared with those of the normals. Cheap, and pure.

A lamp that dims, a lens that fogs or a camera that was pushed changes the whole picture. So it shows in these signals,
which a defect hardly moves, and in the patch scores of the whole picture rather than in one place. A `Baseline` holds
what calibration measured on the normals; a `Reading` is one frame compared with it. Charts over time are in
inspector.chart.

Brightness, contrast, focus and colour are logarithms, so that a tenth less light is the same step everywhere. Focus is
the energy of the differences of neighbouring pixels over that of the picture, so that exposure and contrast cancel out.
Position is the phase correlation (Kuglin and Hines, 1975) with the normals' mean picture, in shares of the picture's
sides. Embedding is the distance of the frame's mean patch embedding to that of the normals, in units of its spread in
each dimension. A spread is a standard deviation that is kept from falling below a minimum.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.types import Float32Array, Reading, Thresholds, UInt8Image

SIGNALS: Final = (
    "brightness",
    "contrast",
    "focus",
    "red",
    "blue",
    "clipped",
    "position_x",
    "position_y",
    "embedding",
)
"""In the order of every array of signals."""

PICTURE_SIDE: Final = 64
"""Rows and columns of the small grey picture by which position is told."""

SMALLEST: Final = np.array([0.02, 0.03, 0.05, 0.01, 0.01, 0.005, 0.005, 0.005, 0.05])
"""The smallest spread of each signal, in its own unit: 0.02 is two percent of brightness, 0.005 half a percent of the
picture's side. Where normals are more alike than this, a smaller change is still not worth reporting."""

FRAME_LIMIT: Final = 3.5
"""A frame is out of control where a signal lies farther than this from the normals' mean, in spreads, and farther than
that of every normal."""

CLIP: Final = 4.0
"""Deviations, in spreads, are clipped to this in charts and in summaries of the normals: one odd frame is no trend."""

DARKEST, BRIGHTEST = 2, 253
"""Grey levels at or beyond these are clipped; JPEG blurs 0 and 255 by a level or two."""

ONE_SIDED: Final = np.array([signal in ("clipped", "embedding") for signal in SIGNALS])
"""Signals of which only an increase is a fault: bool (9,)."""

_RELATIVE = frozenset(("brightness", "contrast", "focus", "red", "blue", "embedding"))

ARRAYS: Final = ("picture", "embedding_mean", "embedding_spread", "signals", "usual_patches")
"""Names of the arrays in a bank's file."""

_WINDOW: Final = np.asarray(cv2.createHanningWindow((PICTURE_SIDE, PICTURE_SIDE), cv2.CV_32F), np.float32)

Signals = NDArray[np.float64]
"""One value for each of SIGNALS, float64 (9,), or rows of them."""


@dataclass(frozen=True, slots=True)
class Glance:
    """One picture by itself.

    looks: float64 (9,), the signals that need no baseline; the others are 0. small: grey, uint8 (64, 64).
    """

    looks: Signals
    small: UInt8Image


def glance(picture: UInt8Image) -> Glance:
    """The signals of what the backbone sees, uint8 (height, width, 3) RGB, that need no baseline."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    red, green, blue, _ = cv2.mean(picture)
    mean, deviation = (value.item() for value in cv2.meanStdDev(grey))
    energy = cv2.norm(grey[1:], grey[:-1], cv2.NORM_L2SQR) + cv2.norm(grey[:, 1:], grey[:, :-1], cv2.NORM_L2SQR)
    clipped = 1 - cv2.countNonZero(cv2.inRange(grey, DARKEST + 1, BRIGHTEST - 1)) / grey.size
    looks = np.zeros(len(SIGNALS))
    looks[:6] = (
        np.log(mean + 1),
        np.log(deviation + 1),
        np.log((energy / grey.size + 1) / (deviation**2 + 1)),
        np.log((red + 1) / (green + 1)),
        np.log((blue + 1) / (green + 1)),
        clipped,
    )
    small = cv2.resize(grey, (PICTURE_SIDE, PICTURE_SIDE), interpolation=cv2.INTER_AREA)
    return Glance(looks, np.asarray(small, np.uint8))


def mean_embedding(embeddings: Float32Array, inside: NDArray[np.bool_] | None = None) -> Float32Array:
    """float32 (grid_h, grid_w, dim) -> float32 (dim,): the mean over all patches, or over those inside."""
    patches = embeddings.reshape(-1, embeddings.shape[2]) if inside is None else embeddings[inside]
    weights = np.full(len(patches), 1 / len(patches), np.float32)
    return np.asarray(weights @ patches, np.float32)


def usual_patch(patch_scores: Float32Array, inside: NDArray[np.bool_] | None = None) -> float:
    """The median patch score, which a defect in one place does not change."""
    scores = patch_scores.ravel() if inside is None else patch_scores[inside]
    middle = len(scores) // 2
    return float(np.partition(scores, middle)[middle])


@dataclass(frozen=True)
class Reference:
    """What the position and embedding of a frame are compared with.

    picture: float32 (64, 64), the mean of the normals' small pictures. mean, spread: float32 (dim,) each, of the mean
    patch embeddings of the normals.
    """

    picture: Float32Array
    mean: Float32Array
    spread: Float32Array

    @classmethod
    def of(cls, pictures: UInt8Image, embeddings: Float32Array) -> "Reference":
        """From small pictures, uint8 (n, 64, 64), and mean embeddings, float32 (n, dim), of n normals."""
        spread = embeddings.std(0)
        return cls(
            pictures.mean(0, dtype=np.float64).astype(np.float32),
            embeddings.mean(0),
            np.maximum(spread, max(0.1 * float(spread.mean()), 1e-6)).astype(np.float32),
        )

    def signals(self, looked: Glance, embedding: Float32Array) -> Signals:
        """All signals of one frame."""
        signals = looked.looks.copy()
        away = (embedding - self.mean) / self.spread
        signals[6:8] = self._moved(looked.small)
        signals[8] = 0.5 * np.log(np.dot(away, away) / len(away) + 1e-12)
        return signals

    def _moved(self, small: UInt8Image) -> tuple[float, float]:
        """How far a picture has moved to the right and down, in shares of its sides."""
        spectrum = self._spectrum.conj() * _spectrum(small)
        spectrum /= np.abs(spectrum) + self._least
        pairs = spectrum.view(np.float32).reshape(*small.shape, 2)
        peaks = np.asarray(cv2.idft(pairs, flags=cv2.DFT_REAL_OUTPUT), np.float32)
        _, _, _, (column, row) = cv2.minMaxLoc(peaks)
        return _peak(peaks[row], column) / PICTURE_SIDE, _peak(peaks[:, column], row) / PICTURE_SIDE

    @cached_property
    def _spectrum(self) -> NDArray[np.complex64]:
        return _spectrum(self.picture)

    @cached_property
    def _least(self) -> float:
        """Frequencies that are weaker than this in the normals' mean picture are noise, and weigh less.

        Above 0 also where that picture is of one level, so that nothing is divided by 0.
        """
        return max(1e-6 * float(np.abs(self._spectrum).max()) ** 2, float(np.finfo(np.float32).tiny))


def _spectrum(small: UInt8Image | Float32Array) -> NDArray[np.complex64]:
    grey = small.astype(np.float32)
    pairs = cv2.dft((grey - grey.mean()) * _WINDOW, flags=cv2.DFT_COMPLEX_OUTPUT)
    return np.ascontiguousarray(pairs, np.float32).view(np.complex64)[..., 0]


def _peak(around: Float32Array, at: int) -> float:
    """The signed position of the vertex of a parabola through the highest of cyclic values and its two neighbours."""
    before, here, after = (float(around[(at + step) % len(around)]) for step in (-1, 0, 1))
    bend = before - 2 * here + after
    top = at + (0.5 * (before - after) / bend if bend < 0 else 0.0)
    return top - len(around) if top > len(around) / 2 else top


@dataclass(frozen=True)
class Baseline:
    """What calibration measured on the normals.

    signals: float64 (samples, 9), of each sample against a reference of others, in the order of the manifest.
    usual_patches: float32 (samples,), the median patch score of each against a bank of others.
    """

    reference: Reference
    signals: Signals
    usual_patches: Float32Array

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]], *, dim: int) -> "Baseline":
        """From what `arrays` gave.

        Raises:
            ValueError: shapes do not fit one another or `dim`, or a number is not finite.
        """
        picture, mean, spread, signals, usual = (arrays[name] for name in ARRAYS)
        expected = {
            "picture": (picture, (PICTURE_SIDE, PICTURE_SIDE)),
            "embedding_mean": (mean, (dim,)),
            "embedding_spread": (spread, (dim,)),
            "signals": (signals, (max(1, usual.size), len(SIGNALS))),
            "usual_patches": (usual, (usual.size,)),
        }
        for name, (array, shape) in expected.items():
            if array.shape != shape:
                raise ValueError(f"{name}: got {array.shape}, expected {shape}")
        if not all(np.isfinite(arrays[name]).all() for name in ARRAYS) or (spread <= 0).any():
            raise ValueError("holds NaN, infinity or a spread of 0")
        return cls(Reference(picture, mean, spread), signals.astype(np.float64), usual)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """As they are kept in a bank, by the names in ARRAYS."""
        kept = self.reference.picture, self.reference.mean, self.reference.spread, self.signals, self.usual_patches
        return dict(zip(ARRAYS, kept, strict=True))

    def read(
        self,
        picture: UInt8Image,
        embeddings: Float32Array,
        patch_scores: Float32Array,
        inside: NDArray[np.bool_] | None = None,
    ) -> Reading:
        """Compare one frame: what the backbone saw, its patch embeddings and scores, and which patches count."""
        signals = self.reference.signals(glance(picture), mean_embedding(embeddings, inside))
        deviations = (signals - self.centre) / self.spread
        out = (deviations > self.frame_limits) | (deviations < self._lower_limits)
        names = tuple(SIGNALS[index] for index in np.flatnonzero(out))
        return Reading(signals, deviations, names, usual_patch(patch_scores, inside))

    def explains(self, reading: Reading, score: float, thresholds: Thresholds) -> bool:
        """Whether a score above `ng` comes from the whole picture, and no place in it stands out.

        That is so where the frame is out of control, and its score does not exceed `ng` once it is lowered by how far
        the frame's median patch score lies above that of the normals.
        """
        lift = max(0.0, reading.usual_patch - self.usual)
        return bool(reading.out) and score - lift <= thresholds.ng

    def reason(self, reading: Reading) -> str:
        """Why a frame that is explained so is uncertain, in words."""
        changes = dict(zip(SIGNALS, reading.deviations.tolist(), strict=True))
        said = ", ".join(f"{signal} {self.change(signal, changes[signal])}" for signal in reading.out)
        return f"drift: {said}; the whole picture differs from the normals, and no place in it stands out"

    def amount(self, signal: str, deviation: float) -> float:
        """A deviation in spreads as a relative change (-0.22: 22 % less), or as a share of the picture."""
        amount = deviation * float(self.spread[SIGNALS.index(signal)])
        return float(np.expm1(amount)) if signal in _RELATIVE else amount

    def change(self, signal: str, deviation: float) -> str:
        """A deviation in words: `-22 %`, `+3.1 % of the picture`."""
        amount = self.amount(signal, deviation) * 100
        return f"{amount:+.0f} %" if signal in _RELATIVE else f"{amount:+.1f} % of the picture"

    @cached_property
    def centre(self) -> Signals:
        """The normals' mean, odd ones clipped to CLIP; float64 (9,)."""
        return self._summary[0]

    @cached_property
    def spread(self) -> Signals:
        """The normals' standard deviation, clipped likewise, at least SMALLEST; float64 (9,)."""
        return self._summary[1]

    @cached_property
    def frame_limits(self) -> Signals:
        """The deviation, in spreads, beyond which a frame is out of control; float64 (9,)."""
        return np.asarray(np.maximum(FRAME_LIMIT, np.abs(self.deviations).max(0)), np.float64)

    @cached_property
    def _lower_limits(self) -> Signals:
        return np.where(ONE_SIDED, -np.inf, -self.frame_limits)

    @cached_property
    def deviations(self) -> Signals:
        """The normals' own deviations, in spreads; float64 (samples, 9)."""
        return np.asarray((self.signals - self.centre) / self.spread, np.float64)

    @cached_property
    def usual(self) -> float:
        """The mean of the normals' median patch scores."""
        return float(self.usual_patches.mean())

    @cached_property
    def _summary(self) -> tuple[Signals, Signals]:
        middle = np.median(self.signals, 0)
        rough = np.maximum(1.4826 * np.median(np.abs(self.signals - middle), 0), SMALLEST)
        kept = np.clip(self.signals, middle - CLIP * rough, middle + CLIP * rough)
        return kept.mean(0), np.maximum(kept.std(0), SMALLEST)
