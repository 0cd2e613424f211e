"""The settings of a training."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, Self, get_args

from vitcore.errors import SettingsError
from vitcore.messages import mark

__all__ = [
    "Augmentation",
    "Balance",
    "HeadKind",
    "Hyperparameters",
    "Monitor",
    "Optimizer",
    "Schedule",
    "settings_without_effect",
]

Optimizer = Literal["adamw", "sgd", "adam", "lbfgs", "lda"]
Schedule = Literal["cosine", "constant"]
Balance = Literal["none", "weights", "sampler"]
HeadKind = Literal["linear", "hidden"]
Monitor = Literal["loss", "accuracy", "balanced_accuracy", "cohen_kappa"]
Augmentation = Literal["blur", "colour", "crop", "flip", "rotation"]

# L-BFGS takes all images in every step and finds the length of the step itself, for one linear head; linear
# discriminant analysis takes no steps.
_OF_STEPS = (
    "head",
    "learning_rate",
    "batch_size",
    "schedule",
    "warmup_epochs",
    "dropout",
    "noise",
    "mixup",
)
_WITHOUT_EFFECT: Mapping[str, tuple[str, ...]] = {
    "lbfgs": _OF_STEPS,
    "lda": (*_OF_STEPS, "weight_decay", "label_smoothing", "patience"),
}


def settings_without_effect(values: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of the settings that have no effect beside the others, and so stay at their defaults.

    Args:
        values: All settings by name; they may contradict each other.
    """
    if values["optimizer"] in _WITHOUT_EFFECT:
        return frozenset({*_WITHOUT_EFFECT[values["optimizer"]], "hidden_units"})
    return frozenset({"hidden_units"} if values["head"] == "linear" else ())


@dataclass(frozen=True, kw_only=True)
class Hyperparameters:
    """The settings of a training. Validates itself.

    Attributes:
        epochs: Passes over the training images, 1 … 1000; with ``lbfgs`` its iterations, and with ``lda`` it
            plays no part.
        learning_rate: Step size at its highest, above 0 and up to 10.
        batch_size: Images per step, 1 … 65536.
        optimizer: ``adamw``, ``sgd`` (Nesterov momentum 0.9), ``adam``, or ``lbfgs``: logistic regression,
            all images in every step (Liu and Nocedal, "On the Limited Memory BFGS Method", 1989). With the
            first three a linear head is drawn to the solution of a linear discriminant analysis with a
            covariance shrunk as Ledoit and Wolf do ("A well-conditioned estimator for large-dimensional
            covariance matrices", 2004), the less the more images there are; ``lda`` is that solution.
        schedule: ``cosine`` lowers the learning rate to 0 along half a cosine, ``constant`` keeps it.
        warmup_epochs: Epochs in which the learning rate rises linearly to its highest, below `epochs`.
        weight_decay: Pull of the weights, 0 … 10: those of a linear head towards the solution that they are
            drawn to, those of a hidden one towards 0; decoupled in ``adamw`` (Loshchilov and
            Hutter, "Decoupled Weight Decay Regularization", 2019), an L2 penalty in the others. In
            ``lbfgs`` it is 1 / (C · N) with the C of scikit-learn and N training images, views included.
        label_smoothing: Part of the target that is spread over all classes, 0 up to below 1 (Szegedy
            et al., "Rethinking the Inception Architecture", 2016).
        balance: ``weights`` weighs each class by the inverse of its frequency; ``sampler`` shows the
            images of rare classes more often, so that all classes are seen equally often.
        head: ``linear``, or ``hidden`` for one hidden layer with GELU in between.
        hidden_units: Its width, 1 … 4096.
        dropout: Share of the features that are set to 0 in each step, 0 … 0.9 (Srivastava et al.,
            "Dropout", 2014).
        noise: Standard deviation of Gaussian noise on the standardised features, 0 … 2.
        mixup: Each step learns from blends of two images and of their labels; the share of the one is
            drawn from Beta(mixup, mixup), 0 … 2, 0 for no blends (Zhang et al., "mixup", 2018).
        monitor: What picks the best epoch on the validation images: the lowest ``loss`` or the highest
            ``accuracy``, ``balanced_accuracy`` or ``cohen_kappa``; of equals the one of lower loss.
        patience: Epochs without a new best one, after which the training ends, below `epochs`; 0 for
            never.
        views: Variants of each training image, 1 (the image itself) … 64.
        augmentations: What varies in them: any of ``blur``, ``colour``, ``crop``, ``flip`` and
            ``rotation``; kept in alphabetical order.
        input_size: Side of the square of pixels that the backbone sees, 56 … 1024; 0 for its own.
        validation_fraction: Share of the images kept for validation, above 0 and up to 0.9.
        finish: Whether the classifier that is kept learns from the validation images as well, once they
            have chosen the best epoch; cross-validation then says how good it is.
        repeats: Further trainings on the same images from other seeds, 0 … 20.
        seed: Decides the split and all that is random in the training, 0 … 2³² − 1.

    Raises:
        SettingsError: A value is out of its range, or two contradict each other.
    """

    epochs: int = 20
    learning_rate: float = 2e-4
    batch_size: int = 32
    optimizer: Optimizer = "adamw"
    schedule: Schedule = "cosine"
    warmup_epochs: int = 0
    weight_decay: float = 0.01
    label_smoothing: float = 0.1
    balance: Balance = "none"
    head: HeadKind = "linear"
    hidden_units: int = 256
    dropout: float = 0.0
    noise: float = 0.0
    mixup: float = 0.0
    monitor: Monitor = "loss"
    patience: int = 0
    views: int = 1
    augmentations: tuple[Augmentation, ...] = ("colour", "crop", "flip")
    input_size: int = 0
    validation_fraction: float = 0.2
    finish: bool = True
    repeats: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        """Check every value, then what they mean together."""
        self._check_whole("epochs", 1, 1000)
        self._check_number("learning_rate", 0, 10, open_low=True)
        self._check_whole("batch_size", 1, 65536)
        self._check_choice("optimizer", get_args(Optimizer))
        self._check_choice("schedule", get_args(Schedule))
        self._check_whole("warmup_epochs", 0, 999)
        self._check_number("weight_decay", 0, 10)
        self._check_number("label_smoothing", 0, 0.99)
        self._check_choice("balance", get_args(Balance))
        self._check_choice("head", get_args(HeadKind))
        self._check_whole("hidden_units", 1, 4096)
        self._check_number("dropout", 0, 0.9)
        self._check_number("noise", 0, 2)
        self._check_number("mixup", 0, 2)
        self._check_choice("monitor", get_args(Monitor))
        self._check_whole("patience", 0, 999)
        self._check_whole("views", 1, 64)
        self._sort_augmentations()
        self._check_whole("input_size", 0, 1024)
        if 0 < self.input_size < 56:
            raise SettingsError(
                "input_size is {input_size}; give 56 to 1024 pixels, or 0 for the backbone's own size.",
                input_size=self.input_size,
            )
        self._check_number("validation_fraction", 0, 0.9, open_low=True)
        if not isinstance(self.finish, bool):
            raise SettingsError("finish is {finish}; give true or false.", finish=repr(self.finish))
        self._check_whole("repeats", 0, 20)
        self._check_whole("seed", 0, 2**32 - 1)
        self._check_together()

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Settings by name, as JSON has them, all or some.

        Raises:
            SettingsError: An unknown name, or a value out of its range.
        """
        values = cls.upgraded(values)
        unknown = sorted(values.keys() - {field.name for field in fields(cls)})
        if unknown:
            raise SettingsError("'{name}' is not a hyperparameter; leave it out.", name=unknown[0])
        return cls(**values)

    @staticmethod
    def upgraded(values: dict[str, Any]) -> dict[str, Any]:
        """Bring values of earlier versions to this form."""
        values = dict(values)
        if "class_weights" in values and "balance" not in values:  # of before there was a sampler
            before = values["class_weights"]
            balance = "weights" if before == "balanced" else before
            values["balance"] = balance
            del values["class_weights"]
        # Of before every run was cross-validated, and before one learned from all its images at the end.
        former = {"finish": False} if values.pop("folds", None) is not None else {}
        return {**former, **values}

    def _check_together(self) -> None:
        """Refuse what contradicts itself, and what would have no effect."""
        if self.warmup_epochs and self.warmup_epochs >= self.epochs:
            raise SettingsError(
                "warmup_epochs is {warmup_epochs} and epochs {epochs}; the warm-up must end before the "
                "training does.",
                warmup_epochs=self.warmup_epochs,
                epochs=self.epochs,
            )
        if self.patience and self.patience >= self.epochs:
            raise SettingsError(
                "patience is {patience} and epochs {epochs}; the training would never end early: give fewer, "
                "or 0 for no patience.",
                patience=self.patience,
                epochs=self.epochs,
            )
        if self.views > 1 and not self.augmentations:
            raise SettingsError(
                "views is {views} without any augmentation, so all would be the same picture; choose some "
                "augmentations, or 1 view.",
                views=self.views,
            )
        usual = type(self).hidden_units
        if self.head == "linear" and self.hidden_units != usual:
            raise SettingsError(
                "hidden_units is {hidden_units} and the head is linear, which has none; choose the hidden "
                "head, or leave it at {usual}.",
                hidden_units=self.hidden_units,
                usual=usual,
            )
        if self.mixup and self.batch_size == 1:
            raise SettingsError(
                "mixup is {mixup:g} and batch_size 1; blending takes two images in a batch at least.",
                mixup=self.mixup,
            )
        self._check_without_steps(_WITHOUT_EFFECT.get(self.optimizer, ()))

    def _check_without_steps(self, without_effect: tuple[str, ...]) -> None:
        for name in without_effect:
            value, usual = getattr(self, name), getattr(type(self), name)
            if value != usual:
                raise SettingsError(
                    "{name} is {value}, of which the optimizer {optimizer} makes no use; leave it at "
                    "{usual}, or choose another optimizer.",
                    name=name,
                    optimizer=self.optimizer,
                    value=as_given(value),
                    usual=as_given(usual),
                )
        if without_effect and self.balance == "sampler":
            raise SettingsError(
                "balance is 'sampler', but {optimizer} takes all images at once; choose weights, or another "
                "optimizer.",
                optimizer=self.optimizer,
            )

    def _sort_augmentations(self) -> None:
        """Take a list, as JSON has it, as well as a tuple."""
        value, choices = self.augmentations, get_args(Augmentation)
        if not isinstance(value, list | tuple) or any(name not in choices for name in value):
            raise SettingsError(
                "augmentations is {value}; give a list of any of {choices}.",
                value=repr(value),
                choices=choices,
            )
        object.__setattr__(self, "augmentations", tuple(sorted(set(value))))

    def _check_whole(self, name: str, low: int, high: int) -> None:
        value = getattr(self, name)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise SettingsError(
                "{name} is {value}; give a whole number from {low} to {high}.",
                name=name,
                value=as_given(value),
                low=low,
                high=high,
            )

    def _check_number(self, name: str, low: float, high: float, *, open_low: bool = False) -> None:
        value = getattr(self, name)
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not number or not low <= value <= high or (open_low and value == low):
            template = mark("{name} is {value}; give a number from {low} up to {high}.")
            if open_low:
                template = mark("{name} is {value}; give a number above {low} up to {high}.")
            raise SettingsError(template, name=name, value=as_given(value), low=low, high=high)

    def _check_choice(self, name: str, choices: tuple[str, ...]) -> None:
        value = getattr(self, name)
        if value not in choices:
            raise SettingsError(
                "{name} is {value}; choose {choices:or}.", name=name, value=as_given(value), choices=choices
            )


def as_given(value: object) -> object:
    """Return a value for a message: a number as one, anything else as it is written in code."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number else repr(value)
