"""What tells two banks apart."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from inspector.bank import Bank
from inspector.manifest import Manifest, Sample
from inspector.types import Float32Array


@dataclass(frozen=True, slots=True)
class Change:
    """One value that differs; `before` in the first bank, `after` in the second."""

    key: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Difference:
    """From a first bank to a second.

    changes: values of recipe, backbone and calibration that differ. added, removed: samples, by the digest of their
    bytes. shared_vectors: how many vectors both hold, bit for bit; vectors: how many each holds.
    kin: how one came from the other, where one is the other's parent.
    """

    changes: tuple[Change, ...]
    added: tuple[Sample, ...]
    removed: tuple[Sample, ...]
    vectors: tuple[int, int]
    shared_vectors: int
    kin: str | None

    @property
    def same(self) -> bool:
        """Whether nothing that decides about a frame differs."""
        return not self.changes and set(self.vectors) == {self.shared_vectors}

    def to_json(self) -> dict[str, Any]:
        """As `inspector bank diff --json` prints it."""
        return {
            "same": self.same,
            "changes": {change.key: {"before": change.before, "after": change.after} for change in self.changes},
            "samples": {
                "added": [{"path": s.path, "sha256": s.sha256} for s in self.added],
                "removed": [{"path": s.path, "sha256": s.sha256} for s in self.removed],
            },
            "vectors": {"before": self.vectors[0], "after": self.vectors[1], "shared": self.shared_vectors},
            "kin": self.kin,
        }


def difference(first: Bank, second: Bank) -> Difference:
    """Compares what decides about frames, and where it came from."""
    before, after = _values(first.manifest), _values(second.manifest)
    keys = [*before, *(key for key in after if key not in before)]
    changes = [Change(k, before.get(k), after.get(k)) for k in keys if before.get(k) != after.get(k)]
    old = {sample.sha256: sample for sample in first.manifest.samples}
    new = {sample.sha256: sample for sample in second.manifest.samples}
    return Difference(
        changes=tuple(changes),
        added=tuple(sample for digest, sample in new.items() if digest not in old),
        removed=tuple(sample for digest, sample in old.items() if digest not in new),
        vectors=(len(first.vectors), len(second.vectors)),
        shared_vectors=_shared(first.vectors, second.vectors),
        kin=_kin(first, second),
    )


def _values(manifest: Manifest) -> dict[str, Any]:
    """What decides, by dotted key, in a stable order."""
    roi = manifest.recipe.roi
    parts = {
        "backbone": manifest.backbone.model_dump(mode="json"),
        "recipe": {**manifest.recipe.model_dump(mode="json", exclude={"roi"}), "roi": str(roi) if roi else None},
        "thresholds": {
            "ok": manifest.calibration.ok,
            "ng": manifest.calibration.ng,
            "pixel": manifest.calibration.pixel,
        },
        "promise": manifest.calibration.promise.model_dump(mode="json"),
    }
    values = {f"{part}.{key}": value for part, content in parts.items() for key, value in content.items()}
    return {**values, "covering_radius": manifest.covering_radius, "seed": manifest.seed}


def _shared(first: Float32Array, second: Float32Array) -> int:
    if first.shape[1] != second.shape[1]:
        return 0
    rows = {row.tobytes() for row in np.ascontiguousarray(first)}
    return sum(row.tobytes() in rows for row in np.ascontiguousarray(second))


def _kin(first: Bank, second: Bank) -> str | None:
    if second.manifest.lineage.parent == first.ref.digest:
        return f"the second came from the first by: {second.manifest.lineage.operation}"
    if first.manifest.lineage.parent == second.ref.digest:
        return f"the first came from the second by: {first.manifest.lineage.operation}"
    return None
