"""Training the output layer on stored embeddings."""

from vitcore.training._head import LinearHead, softmax
from vitcore.training._hyperparameters import ClassWeights, Hyperparameters, Optimizer, Schedule
from vitcore.training._loop import EpochRecord, FitResult, fit_head

__all__ = [
    "ClassWeights",
    "EpochRecord",
    "FitResult",
    "Hyperparameters",
    "LinearHead",
    "Optimizer",
    "Schedule",
    "fit_head",
    "softmax",
]
