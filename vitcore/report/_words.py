"""Words and figures that several sections use."""

import math

from babel.numbers import format_decimal

from vitcore.language import current, decimals, mark, percent, tr

__all__ = ["METRICS", "exactly", "figure", "plain", "spread"]

METRICS = {
    "accuracy": mark("Accuracy"),
    "balanced_accuracy": mark("Balanced accuracy"),
    "cohen_kappa": mark("Cohen's kappa"),
    "macro_f1": mark("Macro F1"),
    "top_3_accuracy": mark("Top-3 accuracy"),
    "log_loss": mark("Log loss"),
    "expected_calibration_error": mark("Calibration error"),
}
"""What the figures are called, in the order of the report."""

_SHARES = {"accuracy", "balanced_accuracy", "expected_calibration_error", "top_3_accuracy"}
_LONGEST = 60


def plain(name: str, limit: int = _LONGEST) -> str:
    """A name from outside on one line; a longer one loses its middle."""
    name = " ".join(name.split())
    half = (limit - 1) // 2
    return name if len(name) <= limit else f"{name[:half]}…{name[-half:]}"


def figure(name: str, value: float) -> str:
    """A metric as text: percentages for shares."""
    return percent(value) if name in _SHARES else decimals(value)


def spread(name: str, low: float, high: float) -> str:
    """The interval of a metric as text; nothing where there is none."""
    if math.isnan(low):
        return ""
    return tr("{low} to {high}").format(low=figure(name, low), high=figure(name, high))


def exactly(value: float) -> str:
    """A setting with all its digits, as in the language of now."""
    return str(format_decimal(value, "#,##0.##########", locale=current()))
