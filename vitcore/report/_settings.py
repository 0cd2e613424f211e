"""The settings of a training: what each is called, and what its values are called."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from vitcore.evaluation import METRICS
from vitcore.language import listed, mark, number, percent, tr

__all__ = ["SETTINGS", "setting_title", "setting_value", "significant"]

SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "dataset": mark("Dataset"),
        "backbone": mark("Backbone"),
        "device": mark("Device"),
        "engine": mark("Engine"),
        "precision": mark("Precision"),
        "epochs": mark("Epochs"),
        "learning_rate": mark("Learning rate"),
        "batch_size": mark("Batch size"),
        "optimizer": mark("Optimizer"),
        "schedule": mark("Schedule"),
        "warmup_epochs": mark("Warm-up epochs"),
        "weight_decay": mark("Weight decay"),
        "label_smoothing": mark("Label smoothing"),
        "balance": mark("Rare classes"),
        "head": mark("Output layer"),
        "hidden_units": mark("Hidden units"),
        "dropout": mark("Dropout"),
        "noise": mark("Noise"),
        "mixup": mark("Mixup"),
        "monitor": mark("What the best epoch is best at"),
        "patience": mark("Patience"),
        "views": mark("Views per image"),
        "augmentations": mark("What the views vary"),
        "input_size": mark("Input size"),
        "validation_fraction": mark("Share kept for validation"),
        "finish": mark("Finish with all photos"),
        "repeats": mark("Other seeds"),
        "seed": mark("Seed"),
    }
)
"""Names of hyperparameters, and of all else in which trainings differ; to be given to `tr`."""

_VALUES: Mapping[str, Mapping[Any, str]] = {
    "optimizer": {
        "adamw": mark("AdamW"),
        "sgd": mark("SGD"),
        "adam": mark("Adam"),
        "lbfgs": mark("L-BFGS (logistic regression)"),
        "lda": mark("none (linear discriminant analysis)"),
    },
    "schedule": {"cosine": mark("cosine"), "constant": mark("constant")},
    "balance": {
        "none": mark("as they come"),
        "weights": mark("weighted"),
        "sampler": mark("shown more often"),
    },
    "head": {"linear": mark("linear"), "hidden": mark("one hidden layer")},
    "monitor": {
        "loss": mark("validation loss"),
        **{name: METRICS[name].name for name in ("accuracy", "balanced_accuracy", "cohen_kappa")},
    },
    "augmentations": {
        "blur": mark("blur"),
        "colour": mark("colour"),
        "crop": mark("crop"),
        "flip": mark("flip"),
        "rotation": mark("rotation"),
    },
    "input_size": {0: mark("usual")},
    "finish": {True: mark("on"), False: mark("off")},
    "repeats": {0: mark("off")},
}


def setting_title(name: str, *, in_sentence: bool = False) -> str:
    """Return the name of a setting, with a small letter at its beginning within a sentence."""
    title = tr(SETTINGS[name])
    return f"{title[0].lower()}{title[1:]}" if in_sentence else title


def setting_value(name: str, value: Any) -> str:
    """Return the name of a value of a setting."""
    if isinstance(value, list | tuple):
        return listed([setting_value(name, part) for part in value]) or tr("nothing")
    names = _VALUES.get(name, {})
    if value in names:
        return tr(names[value])
    if isinstance(value, str) or name == "seed":
        return str(value)
    return percent(value) if name == "validation_fraction" else significant(value)


def significant(value: float) -> str:
    """A number with as many digits as it has, six at most: ``0.002``, ``1e-05``."""
    text = f"{value:.6g}"
    return text if "e" in text else number(value, len(text.partition(".")[2]))
