"""Settings to begin with."""

from collections.abc import Mapping
from dataclasses import dataclass

from vitcore.messages import mark
from vitcore.training._hyperparameters import Hyperparameters

__all__ = ["PRESETS", "Preset"]


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Settings with a name.

    Attributes:
        title: For people.
        sentence: When to choose it.
        hyperparameters: The settings.
    """

    title: str
    sentence: str
    hyperparameters: Hyperparameters


PRESETS: Mapping[str, Preset] = {
    "quick": Preset(
        title=mark("Quick"),
        sentence=mark(
            "Linear discriminant analysis, all photos at once: an answer within moments, and a good one."
        ),
        hyperparameters=Hyperparameters(optimizer="lda", epochs=1),
    ),
    "balanced": Preset(
        title=mark("Balanced"),
        sentence=mark("Twenty epochs over the photos as they are; suits most sets."),
        hyperparameters=Hyperparameters(),
    ),
    "thorough": Preset(
        title=mark("Thorough"),
        sentence=mark(
            "Each photo in four variants, blended with others, for more epochs; the first training with "
            "it takes four times as long."
        ),
        hyperparameters=Hyperparameters(epochs=40, views=4, mixup=0.4),
    ),
}
"""By name, from the fastest to the slowest."""
