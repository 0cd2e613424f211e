"""Training the output layer on stored embeddings, and looking for settings that suit them."""

from vitcore.training._checkpoint import Checkpoint
from vitcore.training._head import Head, HiddenHead, LinearHead, load_head, softmax
from vitcore.training._hyperparameters import (
    Augmentation,
    Balance,
    HeadKind,
    Hyperparameters,
    Monitor,
    Optimizer,
    Schedule,
)
from vitcore.training._loop import EpochRecord, FitResult, fit_head, fit_heads
from vitcore.training._presets import PRESETS, Preset
from vitcore.training._rates import LearningRateCurve, learning_rate_curve
from vitcore.training._search import SearchResult, SearchTrial, search_settings

__all__ = [
    "PRESETS",
    "Augmentation",
    "Balance",
    "Checkpoint",
    "EpochRecord",
    "FitResult",
    "Head",
    "HeadKind",
    "HiddenHead",
    "Hyperparameters",
    "LearningRateCurve",
    "LinearHead",
    "Monitor",
    "Optimizer",
    "Preset",
    "Schedule",
    "SearchResult",
    "SearchTrial",
    "fit_head",
    "fit_heads",
    "learning_rate_curve",
    "load_head",
    "search_settings",
    "softmax",
]
