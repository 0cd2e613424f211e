"""Altair charts as pure functions of tables; the app and the report draw the same ones."""

from vitcore.charts._confidence import confidence_chart, probability_chart, reliability_chart
from vitcore.charts._confusion import confusion_chart, confusion_order
from vitcore.charts._curves import comparison_chart, loss_chart, score_chart
from vitcore.charts._dataset import class_count_chart, size_chart
from vitcore.charts._embedding import embedding_chart
from vitcore.charts._evaluation import (
    coverage_chart,
    forecast_chart,
    precision_recall_chart,
    roc_chart,
)
from vitcore.charts._style import class_colours
from vitcore.charts._tuning import learning_rate_chart, trials_chart

__all__ = [
    "class_colours",
    "class_count_chart",
    "comparison_chart",
    "confidence_chart",
    "confusion_chart",
    "confusion_order",
    "coverage_chart",
    "embedding_chart",
    "forecast_chart",
    "learning_rate_chart",
    "loss_chart",
    "precision_recall_chart",
    "probability_chart",
    "reliability_chart",
    "roc_chart",
    "score_chart",
    "size_chart",
    "trials_chart",
]
