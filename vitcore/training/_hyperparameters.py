"""The settings of a training."""

import math
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self, get_args

from vitcore.errors import SettingsError

__all__ = ["ClassWeights", "Hyperparameters", "Optimizer", "Schedule"]

Optimizer = Literal["adamw", "sgd", "adam"]
Schedule = Literal["cosine", "constant"]
ClassWeights = Literal["none", "balanced"]


@dataclass(frozen=True, kw_only=True)
class Hyperparameters:
    """How a head is trained. Checks itself.

    Attributes:
        epochs: Passes over the training images, 1 … 1000.
        learning_rate: Step size at its highest, above 0 and up to 10.
        batch_size: Images per step, 1 … 65536.
        optimizer: ``adamw``, ``sgd`` (Nesterov momentum 0.9) or ``adam``.
        schedule: ``cosine`` lowers the learning rate to 0 along half a cosine, ``constant`` keeps it.
        warmup_epochs: Epochs in which the learning rate rises linearly to its highest, below `epochs`.
        weight_decay: Pull of the weights towards 0, 0 … 10; decoupled in ``adamw`` (Loshchilov and
            Hutter, "Decoupled Weight Decay Regularization", 2019), an L2 penalty in the others.
        label_smoothing: Part of the target that is spread over all classes, 0 up to below 1 (Szegedy
            et al., "Rethinking the Inception Architecture", 2016).
        class_weights: ``balanced`` weighs each class by the inverse of its frequency.
        views: Variants of each training image, 1 (the image itself) … 64.
        validation_fraction: Share of the images kept for validation, above 0 and up to 0.9.
        folds: Folds of a cross-validation after the training, 2 … 20; 0 for none.
        seed: Decides the split and the order of the batches, 0 … 2³² − 1.

    Raises:
        SettingsError: A value is out of its range, or two contradict each other.
    """

    epochs: int = 20
    learning_rate: float = 1e-3
    batch_size: int = 32
    optimizer: Optimizer = "adamw"
    schedule: Schedule = "cosine"
    warmup_epochs: int = 0
    weight_decay: float = 0.01
    label_smoothing: float = 0.0
    class_weights: ClassWeights = "none"
    views: int = 1
    validation_fraction: float = 0.2
    folds: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        """Check every value."""
        self._check_whole("epochs", 1, 1000)
        self._check_number("learning_rate", 0, 10, open_low=True)
        self._check_whole("batch_size", 1, 65536)
        self._check_choice("optimizer", get_args(Optimizer))
        self._check_choice("schedule", get_args(Schedule))
        self._check_whole("warmup_epochs", 0, 999)
        self._check_number("weight_decay", 0, 10)
        self._check_number("label_smoothing", 0, 0.99)
        self._check_choice("class_weights", get_args(ClassWeights))
        self._check_whole("views", 1, 64)
        self._check_number("validation_fraction", 0, 0.9, open_low=True)
        self._check_whole("folds", 0, 20)
        if self.folds == 1:
            raise SettingsError("folds is 1; give 2 to 20, or 0 for no cross-validation.")
        self._check_whole("seed", 0, 2**32 - 1)
        if self.warmup_epochs and self.warmup_epochs >= self.epochs:
            raise SettingsError(
                f"warmup_epochs is {self.warmup_epochs} and epochs {self.epochs}; the warm-up must end "
                "before the training does."
            )

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Settings from what `to_dict` gave, or from part of it.

        Raises:
            SettingsError: An unknown name, or a value out of its range.
        """
        unknown = sorted(values.keys() - {field.name for field in fields(cls)})
        if unknown:
            raise SettingsError(f"'{unknown[0]}' is not a hyperparameter; leave it out.")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Plain values by name, for JSON."""
        return asdict(self)

    def _check_whole(self, name: str, low: int, high: int) -> None:
        value = getattr(self, name)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise SettingsError(f"{name} is {value!r}; give a whole number from {low} to {high}.")

    def _check_number(self, name: str, low: float, high: float, *, open_low: bool = False) -> None:
        value = getattr(self, name)
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not number or not low <= value <= high or (open_low and value == low):
            bound = f"above {low}" if open_low else f"from {low}"
            raise SettingsError(f"{name} is {value!r}; give a number {bound} up to {high}.")

    def _check_choice(self, name: str, choices: tuple[str, ...]) -> None:
        value = getattr(self, name)
        if value not in choices:
            raise SettingsError(f"{name} is {value!r}; choose {', '.join(choices[:-1])} or {choices[-1]}.")
