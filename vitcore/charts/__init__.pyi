from ._confidence import confidence_chart, probability_chart, reliability_chart
from ._confusion import confusion_chart, confusion_order
from ._curves import comparison_chart, loss_chart, score_chart
from ._dataset import class_count_chart, size_chart
from ._embedding import embedding_chart
from ._estimates import estimates_chart
from ._evaluation import (
    coverage_chart,
    forecast_chart,
    precision_recall_chart,
    roc_chart,
)
from ._labelling import label_curve_chart
from ._style import class_colours

__all__ = [
    "class_colours",
    "class_count_chart",
    "comparison_chart",
    "confidence_chart",
    "confusion_chart",
    "confusion_order",
    "coverage_chart",
    "embedding_chart",
    "estimates_chart",
    "forecast_chart",
    "label_curve_chart",
    "loss_chart",
    "precision_recall_chart",
    "probability_chart",
    "reliability_chart",
    "roc_chart",
    "score_chart",
    "size_chart",
]
