"""What is compared: backbones with recipes, each under a name that tells it apart from the others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from inspector.errors import UsageError
from inspector.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Candidate:
    """A recipe with a backbone, `builtin` or `timm:NAME[@FILE]`. finetune: it is fine-tuned on synthetic defects."""

    name: str
    backbone: str
    recipe: Recipe
    finetune: bool = False


def candidates(backbones: Sequence[str], recipes: Mapping[str, Recipe], *, finetune: bool = False) -> list[Candidate]:
    """Every backbone with every recipe, and if asked for each of them fine-tuned too; named by what differs.

    Raises:
        UsageError: the same backbone twice.
    """
    if len(set(backbones)) != len(backbones):
        raise UsageError(f"backbones: got {', '.join(backbones)}; expected each one once")
    short = {backbone: backbone.partition("@")[0].removeprefix("timm:") for backbone in backbones}
    if len(set(short.values())) < len(short):
        short = {backbone: backbone.removeprefix("timm:") for backbone in backbones}
    plain = []
    for backbone in backbones:
        for recipe_name, recipe in recipes.items():
            parts = [short[backbone]] if len(backbones) > 1 or len(recipes) == 1 else []
            parts += [recipe_name] if len(recipes) > 1 else []
            plain.append(Candidate(" · ".join(parts), backbone, recipe))
    tuned = [replace(item, name=f"{item.name} · fine-tuned", finetune=True) for item in plain] if finetune else []
    return plain + tuned
