from ._calibration import fit_temperature, scaled_probabilities, uncorrected_probabilities
from ._comparison import Comparison, compare
from ._curves import precision_recall_curves, roc_curves
from ._doubt import (
    FORMER_REASONS,
    DoubtRule,
    Verdicts,
    conformal_threshold,
    coverage_curve,
    fit_doubt_rule,
    prediction_sets,
    set_coverage,
)
from ._drift import ALARM_RATE, DriftTest, compare_use
from ._evaluation import Evaluation, Metric, evaluate
from ._forecast import Forecast, class_forecast, forecast
from ._intervals import (
    balanced_accuracy_interval,
    cohen_kappa_interval,
    independence,
    macro_f1_interval,
    mean_interval,
    wilson_interval,
)
from ._labels import rank_labels
from ._metrics import (
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
from ._names import METRICS, MetricKind
from ._neighbours import NEAREST, NeighbourIndex, knn_labels, nearest, novelty
from ._probes import NO_PROBES, Copies, Probes, fit_probes
from ._projection import project
from ._reliability import calibration_noise_floor, reliability
from ._slices import Slice, accuracy_slices, weakest_slice

__all__ = [
    "ALARM_RATE",
    "FORMER_REASONS",
    "METRICS",
    "NEAREST",
    "NO_PROBES",
    "Comparison",
    "Copies",
    "DoubtRule",
    "DriftTest",
    "Evaluation",
    "Forecast",
    "Metric",
    "MetricKind",
    "NeighbourIndex",
    "Probes",
    "Slice",
    "Verdicts",
    "accuracy",
    "accuracy_slices",
    "balanced_accuracy",
    "balanced_accuracy_interval",
    "calibration_noise_floor",
    "class_forecast",
    "cohen_kappa",
    "cohen_kappa_interval",
    "compare",
    "compare_use",
    "conformal_threshold",
    "confusion_matrix",
    "coverage_curve",
    "evaluate",
    "expected_calibration_error",
    "fit_doubt_rule",
    "fit_probes",
    "fit_temperature",
    "forecast",
    "independence",
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
    "uncorrected_probabilities",
    "weakest_slice",
    "wilson_interval",
]
