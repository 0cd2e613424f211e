"""Metrics in words: what each is called, how its figure is written, and what it says."""

import math

from vitcore.evaluation import METRICS, Metric
from vitcore.language import decimals, mark, number, of_100, tr
from vitcore.report._blocks import Figure, Unit

__all__ = ["METRIC_MEANINGS", "metric_figure", "metric_name", "metric_sentence", "metric_title"]

METRIC_MEANINGS = {
    "accuracy": mark("Share of photos whose class was recognised."),
    "balanced_accuracy": mark("The same, each class counting equally."),
    "cohen_kappa": mark("Agreement beyond guessing; 1 is perfect, 0 is guessing."),
}
"""Explanations of the metrics that stand in large type; to be given to `tr`."""

_SENTENCES = {
    "accuracy": mark("It recognises {share} photos."),
    "balanced_accuracy": mark("If all classes were equally frequent, it would recognise {share}."),
    "cohen_kappa": mark("Of the mistakes that guessing would make, it avoids {share}."),
    "macro_f1": mark(
        "Finding all photos of a class, and only those: the mean over the classes; 1 is perfect."
    ),
    "top_3_accuracy": mark("In {share} photos the right class is among its three best guesses."),
    "log_loss": mark("Punishes confident mistakes; 0 is perfect, {guessing} is guessing."),
    "expected_calibration_error": mark("Its stated confidence is off by {points} points on average."),
}


def metric_name(name: str) -> str:
    """Return the name of a metric as it stands within a sentence."""
    return tr(METRICS[name].name)


def metric_title(name: str) -> str:
    """Return the name of a metric with a capital at its beginning."""
    title = metric_name(name)
    return f"{title[0].upper()}{title[1:]}"


def metric_figure(name: str, metric: Metric | float) -> Figure:
    """A metric as it is written: a percentage if it is a share, with its interval if it has one."""
    metric = metric if isinstance(metric, Metric) else Metric(metric)
    unit: Unit = "share" if METRICS[name].is_share else "score"
    return Figure(metric.value, unit, metric.low, metric.high)


def metric_sentence(name: str, value: float, classes: int) -> str:
    """Say what the value of a metric means, in one sentence.

    Args:
        name: Of the metric.
        value: NaN if it is not defined.
        classes: How many there are to guess from.
    """
    if math.isnan(value):
        return tr("Not defined for these photos.")
    if name == "cohen_kappa" and value < 0:
        return tr("It does worse than guessing.")
    return tr(_SENTENCES[name]).format(
        share=of_100(value), guessing=decimals(math.log(classes)), points=number(100 * value, 1)
    )
