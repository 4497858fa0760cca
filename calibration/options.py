"""What a calibration is told, by a person or by the bank that it repeats."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from inspector.bank import BACKBONE_FILE, manifest_digest, verify_files
from inspector.errors import UsageError
from inspector.manifest import read_manifest
from inspector.recipe import Recipe

SUSPECTS_LEFT_OUT: Final = "suspects left out"
"""How the lineage says that suspicious samples were excluded, of the bank itself or of one that it came from."""

FOLDS: Final = 5
"""Parts that samples are split into by default."""


@dataclass(frozen=True, slots=True)
class Options:
    """What calibration is told.

    max_false_reject: the share of good parts that may be rejected, in (0, 1).
    folds: into how many parts the samples are split for cross-fitting. blocks: each fold is a run of consecutive
        samples, for frames that follow one another and are much alike.
    first: use only the first so many files by path. limit: of those, so many, evenly over their order.
    exclude_suspects: leave out suspicious samples, and of the others the doubtful patches.
    finetune: train a head on synthetic defects, kept only if it separates held-back ones better.
    parent: sha256 of the manifest of the bank that this one replaces.
    only: sha256 of the files that may become samples; empty: all.

    Raises:
        UsageError: max_false_reject or folds is out of range.
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
        """The options that the bank was calibrated with, its own backbone and its own samples; it becomes the parent.

        Growth adds folds to a bank, so one that came from another bank gets at most FOLDS.

        Raises:
            BankError: no bank there, or it is damaged.
        """
        manifest = read_manifest(bank_dir)
        verify_files(bank_dir, manifest)
        operation, folds = manifest.lineage.operation, manifest.calibration.folds
        return cls(
            recipe=manifest.recipe,
            backbone=f"{manifest.backbone.name}@{bank_dir / BACKBONE_FILE}",
            max_false_reject=manifest.calibration.promise.max_false_reject,
            folds=max(2, folds if operation.startswith("calibrate") else min(folds, FOLDS)),
            blocks=manifest.calibration.fold_by == "block",
            seed=manifest.seed,
            replace=replace,
            exclude_suspects=SUSPECTS_LEFT_OUT in operation,
            finetune=finetune,
            parent=manifest_digest(bank_dir),
            only=frozenset(sample.sha256 for sample in manifest.samples),
        )
