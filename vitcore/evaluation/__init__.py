"""How good predictions are: metrics, their intervals, and where the mistakes lie."""

from vitcore.evaluation._evaluation import Evaluation, Metric, evaluate, sure_threshold
from vitcore.evaluation._intervals import bootstrap_interval, wilson_interval
from vitcore.evaluation._metrics import (
    accuracy,
    balanced_accuracy,
    cohen_kappa,
    confusion_matrix,
    expected_calibration_error,
    log_loss,
    macro_f1,
    precision_recall_f1,
)

__all__ = [
    "Evaluation",
    "Metric",
    "accuracy",
    "balanced_accuracy",
    "bootstrap_interval",
    "cohen_kappa",
    "confusion_matrix",
    "evaluate",
    "expected_calibration_error",
    "log_loss",
    "macro_f1",
    "precision_recall_f1",
    "sure_threshold",
    "wilson_interval",
]
