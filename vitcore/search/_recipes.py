"""The recipes that a search compares."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from vitcore.messages import NOTHING, Message, message
from vitcore.training import PRESETS, Hyperparameters, settings_without_effect

__all__ = ["Recipe", "head_title", "rival_recipes"]

# What belongs to the question, and not to the answer: every recipe keeps it.
_KEPT = ("seed", "validation_fraction", "finish", "repeats", "input_size", "augmentations", "balance")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All that decides what a classifier makes of its photos.

    Attributes:
        backbone: As in `vitcore.compute.Compute`: a name, a file, or a pair written ``a+b``.
        hyperparameters: The settings of the head, the number of views and the input size.
    """

    backbone: str
    hyperparameters: Hyperparameters

    @staticmethod
    def upgraded(values: dict[str, Any]) -> dict[str, Any]:
        """Bring values of earlier versions to this form."""
        return {**values, "hyperparameters": Hyperparameters.upgraded(values["hyperparameters"])}


def rival_recipes(
    base: Recipe, *, backbones: Sequence[str] = (), input_sizes: Sequence[int] = ()
) -> list[Recipe]:
    """Return the recipes to compare with one, that one first.

    Each backbone at each input size with the settings of the base; and the base with other heads: those of
    the presets, and a hidden layer. Not each with each: the more recipes are compared, the larger the
    differences must be to be believed.

    Args:
        base: The settings that are kept unless another recipe is better.
        backbones: Others than that of the base.
        input_sizes: Sides in pixels, others than that of the base; 0 for a backbone's own.

    Raises:
        SettingsError: An input size is out of its range.
    """
    h = base.hyperparameters
    recipes = [
        Recipe(backbone=backbone, hyperparameters=replace(h, input_size=size))
        for backbone in (base.backbone, *backbones)
        for size in (h.input_size, *input_sizes)
    ]
    heads = [_asking_the_same(preset.hyperparameters, h) for preset in PRESETS.values()]
    if "head" not in settings_without_effect(vars(h)):
        heads.append(replace(h, head="hidden"))
    recipes += [replace(base, hyperparameters=head) for head in heads]
    return list(dict.fromkeys(recipes))


def head_title(recipe: Recipe, base: Recipe) -> Message:
    """Return how the head of a recipe differs from that of the base, in a word; empty if it does not."""
    h, given = recipe.hyperparameters, base.hyperparameters
    if replace(h, input_size=given.input_size) == given:
        return NOTHING
    for preset in PRESETS.values():
        if h == _asking_the_same(preset.hyperparameters, given):
            return message(preset.title)
    return message("hidden layer")


def _asking_the_same(preset: Hyperparameters, base: Hyperparameters) -> Hyperparameters:
    """Return the settings of a preset for the photos, the division and the classes of the base."""
    kept = {name: getattr(base, name) for name in _KEPT}
    if preset.optimizer in ("lbfgs", "lda") and base.balance == "sampler":
        kept["balance"] = "weights"
    if not base.augmentations:
        kept["augmentations"] = preset.augmentations
    return replace(preset, **kept)
