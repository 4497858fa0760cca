"""What a person asked of a calibration on the page, as the candidate keeps it so that it can be asked again."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Asked:
    """max_false_reject: the share of good parts that may be rejected, in (0, 1). larger: try larger pictures, too.

    finetune: train a head on synthetic defects. exclude_suspects: leave suspicious samples out of the bank.
    """

    max_false_reject: float = 0.005
    larger: bool = False
    finetune: bool = False
    exclude_suspects: bool = False

    def to_json(self) -> dict[str, Any]:
        """As the document of a candidate has it."""
        return asdict(self)

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Self:
        """What `to_json` gave."""
        return cls(**said)
