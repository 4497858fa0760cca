"""The training loop, in rounds: draw a pool of crops, let the teachers look once, let the student look a few times.

Everything random comes from the seed and the number of the round, so that a run continued from its checkpoint goes on
as if it had not stopped. The learning rate warms up, stays, and falls linearly in the last rounds (Hu et al.,
"MiniCPM", 2024, after Zhai et al., "Scaling Vision Transformers", CVPR 2022), so a run can be prolonged without having
been wasted; what is exported is an exponential moving average of the weights (Polyak and Juditsky, 1992).
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from calibration.backbones.builtin import LAYERS, BuiltinWeights
from calibration.backbones.builtin_torch import BuiltinNet
from calibration.distill.augment import CropMix, draw_crop, noisy
from calibration.distill.pictures import PictureFolder
from calibration.distill.student import fit_taps
from calibration.distill.targets import Projection, TargetFit, stack
from calibration.distill.teachers import STRIDES, Teachers, normalise
from inspector.types import Float32Array, UInt8Image

HalfArray = NDArray[np.float16]
Maps = TypeVar("Maps", NDArray[Any], torch.Tensor)
FIT_ROUND = 2**31
"""The number of the imaginary round whose crops the projections are fitted on."""

START_CROPS = 192
"""Crops that the taps are set by at the beginning."""


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """What a run does.

    rounds: how many in all; decay_rounds: in how many at the end the learning rate falls. pool: crops drawn a round.
    passes: how often the student sees each. fit_crops: crops that the projections are fitted on. whitening: [0, 1].
    teacher_shares: of the target's variance, adding up to 1. layer_shares: weights of the loss at strides 4, 8, 16.
    noise_share: the share of the crops that the student sees with noise and the teachers without, [0, 1].
    trained_share: how much of what training made goes into each exported weight, [0, 1]; the rest is what it began with
    (Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022).
    """

    seed: int
    rounds: int
    decay_rounds: int
    pool: int
    passes: int
    batch: int
    learning_rate: float
    weight_decay: float
    fit_crops: int
    whitening: float
    teacher_shares: tuple[float, ...]
    layer_shares: tuple[float, float, float]
    mix: CropMix
    noise_share: float = 0.3
    trained_share: float = 1.0
    ema: float = 0.998
    warmup_steps: int = 200

    def steps_per_round(self) -> int:
        """Optimiser steps in a round."""
        return self.passes * (self.pool // self.batch)

    def rate(self, step: int) -> float:
        """The learning rate at a step, counted from the start of the run."""
        left = self.rounds * self.steps_per_round() - step
        falling = left / max(1, self.decay_rounds * self.steps_per_round())
        return self.learning_rate * min(1.0, (step + 1) / self.warmup_steps, falling)


@dataclass(frozen=True, slots=True)
class Pool:
    """Crops, uint8 (n, size, size, 3), and their targets by stride, float16 (n, components, h, w).

    The target at stride 4 holds every second row and column.
    """

    crops: UInt8Image
    targets: Mapping[int, HalfArray]


@dataclass(frozen=True, slots=True)
class RoundReport:
    """After a round: its number from 1, and the share of the target's variance left unexplained, by stride, [0, ~1]."""

    round: int
    unexplained: Mapping[int, float]


class Run:
    """A run in progress: what a checkpoint holds."""

    def __init__(
        self,
        plan: TrainingPlan,
        start: BuiltinWeights,
        components: Sequence[int],
        teachers: Teachers,
        folders: Sequence[tuple[PictureFolder, float]],
        device: str,
        workers: int = 1,
    ) -> None:
        """start: the net that the run begins with, but for its taps. components: of those, at strides 4, 8 and 16.
        folders: each with how often it is drawn from; the weights add up to 1. workers: threads that draw crops.
        """
        torch.manual_seed(plan.seed)
        self.plan = plan
        self.device = device
        # Channels last: a step on a CPU takes 40 ms a crop, against 72 with channels first; in bfloat16 it takes 32.
        self.student = BuiltinNet(start.spec.with_taps(components), LAYERS)
        self.student.take(start.arrays, taps=False)
        self.student = self.student.to(device).to(memory_format=torch.channels_last)
        self.average = deepcopy(self.student).requires_grad_(False)
        self.begun: dict[str, Float32Array] = {}
        self.projections: dict[int, Projection] = {}
        self.finished_rounds = 0
        parameters = list(self.student.parameters())
        groups = [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": plan.weight_decay},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=plan.learning_rate)
        self._teachers = teachers
        self._workers = workers
        self._folders = [folder for folder, _ in folders]
        self._weights = [weight for _, weight in folders]

    def fit_targets(self) -> None:
        """Fits the projections on crops of their own, and the taps to them."""
        fit = TargetFit()
        crops = self._draw(FIT_ROUND, self.plan.fit_crops)
        for start in range(0, len(crops), 16):
            fit.add(self._teachers.features(crops[start : start + 16]))
        components = self.student.spec.channels(LAYERS)
        self.projections = fit.projections(components, self.plan.teacher_shares, self.plan.whitening)
        crops = crops[:START_CROPS]
        targets = {f"stride{s}": torch.from_numpy(t).float() for s, t in self.targets(crops).items()}
        fit_taps(self.student.cpu(), torch.from_numpy(normalise(crops)), targets)
        self.student.to(self.device)
        self.average.load_state_dict(self.student.state_dict())
        self.begun = self.student.arrays()

    def train(self, report: Callable[[RoundReport], None], until: int | None = None) -> None:
        """Goes on to the last round of the plan, or to round `until`, and reports after each.

        The next pool is made by another thread while the student looks at this one.
        """
        if not self.projections:
            self.fit_targets()
        last = self.plan.rounds if until is None else until
        with ThreadPoolExecutor(1) as maker:
            upcoming = maker.submit(self._pool, self.finished_rounds)
            while self.finished_rounds < last:
                pool = upcoming.result()
                if self.finished_rounds + 1 < last:
                    upcoming = maker.submit(self._pool, self.finished_rounds + 1)
                unexplained = self._round(pool)
                self.finished_rounds += 1
                report(RoundReport(self.finished_rounds, unexplained))

    def _draw(self, number: int, count: int) -> UInt8Image:
        """The crops of a round, each from a generator of its own."""

        def one(index: int) -> UInt8Image:
            rng = np.random.default_rng([self.plan.seed, number, index])
            return draw_crop(rng, self._folders, self._weights, self.plan.mix)

        with ThreadPoolExecutor(self._workers) as threads:
            return np.stack(list(threads.map(one, range(count))))

    def _pool(self, number: int) -> Pool:
        crops = self._draw(number, self.plan.pool)
        return Pool(crops, self.targets(crops))

    def targets(self, crops: UInt8Image) -> dict[int, HalfArray]:
        """What the student should say about crops, as in `Pool`."""
        parts: dict[int, list[HalfArray]] = {stride: [] for stride in STRIDES}
        for start in range(0, len(crops), 16):
            features = self._teachers.features(crops[start : start + 16])
            for stride, projection in self.projections.items():
                maps = stack(features, stride)
                parts[stride].append(projection.apply(_thinned(maps, stride)).astype(np.float16))
        return {stride: np.concatenate(arrays) for stride, arrays in parts.items()}

    def _round(self, pool: Pool) -> dict[int, float]:
        plan = self.plan
        step = self.finished_rounds * plan.steps_per_round()
        lost = dict.fromkeys(STRIDES, 0.0)
        order = np.random.default_rng([plan.seed, self.finished_rounds])
        for _ in range(plan.passes):
            rows = order.permutation(len(pool.crops))
            for start in range(0, len(rows) - plan.batch + 1, plan.batch):
                batch = np.sort(rows[start : start + plan.batch])
                losses = self._losses(noisy(order, pool.crops[batch], plan.noise_share), pool.targets, batch)
                shares = zip(plan.layer_shares, losses.values(), strict=True)
                self.optimizer.zero_grad(set_to_none=True)
                torch.stack([share * loss for share, loss in shares]).sum().backward()  # type: ignore[no-untyped-call]
                for group in self.optimizer.param_groups:
                    group["lr"] = plan.rate(step)
                self.optimizer.step()
                step += 1
                self._follow(step)
                for stride, loss in losses.items():
                    lost[stride] += float(loss.detach()) / plan.steps_per_round()
        return lost

    def _losses(
        self, crops: UInt8Image, targets: Mapping[int, HalfArray], rows: NDArray[np.int64]
    ) -> dict[int, torch.Tensor]:
        """By stride: the squared error, as a share of the target's variance, which is 1 in the mean over components."""
        batch = torch.from_numpy(normalise(crops)).to(self.device, memory_format=torch.channels_last)
        with torch.autocast(torch.device(self.device).type, torch.bfloat16):
            maps = self.student(batch)
        losses = {}
        for stride, mapped in zip(STRIDES, maps, strict=True):
            target = torch.from_numpy(targets[stride][rows]).to(self.device).float()
            predicted = _thinned(mapped, stride).float()
            losses[stride] = (predicted - target).square().mean()
        return losses

    @torch.no_grad()
    def _follow(self, step: int) -> None:
        """Moves the average towards the student; faster at first."""
        keep = min(self.plan.ema, (1 + step) / (10 + step))
        for average, current in zip(_tensors(self.average), _tensors(self.student), strict=True):
            average.lerp_(current, 1 - keep)

    def arrays(self) -> dict[str, Float32Array]:
        """The averaged student's, mixed with those that it began with, by the names of `NetSpec.shapes`."""
        trained = np.float32(self.plan.trained_share)
        return {
            name: trained * array + (1 - trained) * self.begun[name] for name, array in self.average.arrays().items()
        }


def _tensors(net: nn.Module) -> list[torch.Tensor]:
    """Parameters and running statistics: all that is floating point."""
    return [tensor for tensor in net.state_dict().values() if tensor.is_floating_point()]


def _thinned(maps: Maps, stride: int) -> Maps:
    """Every second row and column at stride 4, whose maps are four times as large as the next; else all."""
    return maps[:, :, ::2, ::2] if stride == 4 else maps
