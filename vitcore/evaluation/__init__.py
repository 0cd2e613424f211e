"""The quality of predictions: metrics, their intervals, and where the mistakes lie."""

from vitcore.evaluation._calibration import fit_temperature, scaled_probabilities
from vitcore.evaluation._comparison import Comparison, compare
from vitcore.evaluation._curves import precision_recall_curves, roc_curves
from vitcore.evaluation._doubt import (
    DoubtRule,
    Verdicts,
    conformal_threshold,
    coverage_curve,
    fit_doubt_rule,
    prediction_sets,
    set_coverage,
)
from vitcore.evaluation._evaluation import Evaluation, Metric, evaluate
from vitcore.evaluation._forecast import Forecast, class_forecast, forecast
from vitcore.evaluation._intervals import (
    balanced_accuracy_interval,
    cohen_kappa_interval,
    macro_f1_interval,
    mean_interval,
    wilson_interval,
)
from vitcore.evaluation._labels import rank_labels
from vitcore.evaluation._metrics import (
    accuracy,
    balanced_accuracy,
    cohen_kappa,
    confusion_matrix,
    expected_calibration_error,
    log_loss,
    macro_f1,
    precision_recall_f1,
    top_3_accuracy,
)
from vitcore.evaluation._names import METRICS, MetricKind
from vitcore.evaluation._neighbours import NeighbourIndex, knn_labels, nearest, novelty
from vitcore.evaluation._projection import project
from vitcore.evaluation._reliability import calibration_noise_floor, reliability

__all__ = [
    "METRICS",
    "Comparison",
    "DoubtRule",
    "Evaluation",
    "Forecast",
    "Metric",
    "MetricKind",
    "NeighbourIndex",
    "Verdicts",
    "accuracy",
    "balanced_accuracy",
    "balanced_accuracy_interval",
    "calibration_noise_floor",
    "class_forecast",
    "cohen_kappa",
    "cohen_kappa_interval",
    "compare",
    "conformal_threshold",
    "confusion_matrix",
    "coverage_curve",
    "evaluate",
    "expected_calibration_error",
    "fit_doubt_rule",
    "fit_temperature",
    "forecast",
    "knn_labels",
    "log_loss",
    "macro_f1",
    "macro_f1_interval",
    "mean_interval",
    "nearest",
    "novelty",
    "precision_recall_curves",
    "precision_recall_f1",
    "prediction_sets",
    "project",
    "rank_labels",
    "reliability",
    "roc_curves",
    "scaled_probabilities",
    "set_coverage",
    "top_3_accuracy",
    "wilson_interval",
]
