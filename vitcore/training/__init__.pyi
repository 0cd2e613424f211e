from ._checkpoint import Checkpoint
from ._cross_validation import CrossValidated, cross_validate, finish_head, remaining_errors, usual_folds
from ._head import Head, HiddenHead, LinearHead, load_head, softmax
from ._history import EpochRecord
from ._hyperparameters import (
    Augmentation,
    Balance,
    HeadKind,
    Hyperparameters,
    Monitor,
    Optimizer,
    Schedule,
    settings_without_effect,
)
from ._learning_curve import class_curve_points, learning_curve_points
from ._loop import FitResult, fit_head, fit_heads
from ._out_of_fold import out_of_fold_logits
from ._presets import PRESETS, Preset

__all__ = [
    "PRESETS",
    "Augmentation",
    "Balance",
    "Checkpoint",
    "CrossValidated",
    "EpochRecord",
    "FitResult",
    "Head",
    "HeadKind",
    "HiddenHead",
    "Hyperparameters",
    "LinearHead",
    "Monitor",
    "Optimizer",
    "Preset",
    "Schedule",
    "class_curve_points",
    "cross_validate",
    "finish_head",
    "fit_head",
    "fit_heads",
    "learning_curve_points",
    "load_head",
    "out_of_fold_logits",
    "remaining_errors",
    "settings_without_effect",
    "softmax",
    "usual_folds",
]
