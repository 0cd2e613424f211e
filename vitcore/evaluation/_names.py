"""The metrics: what each is called, and how its figures are to be read."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from vitcore.language import mark

__all__ = ["METRICS", "MetricKind"]


@dataclass(frozen=True)
class MetricKind:
    """A metric as people read it.

    Attributes:
        name: Within a sentence; to be given to `vitcore.language.tr`.
        is_share: It is a part of 1 and shown as a percentage, else as a figure with decimals.
        lower_is_better: 0 is perfect.
    """

    name: str
    is_share: bool = False
    lower_is_better: bool = False


METRICS: Mapping[str, MetricKind] = MappingProxyType(
    {
        "accuracy": MetricKind(mark("accuracy"), is_share=True),
        "balanced_accuracy": MetricKind(mark("balanced accuracy"), is_share=True),
        "cohen_kappa": MetricKind(mark("Cohen's kappa")),
        "macro_f1": MetricKind(mark("macro F1")),
        "top_3_accuracy": MetricKind(mark("top-3 accuracy"), is_share=True),
        "log_loss": MetricKind(mark("log loss"), lower_is_better=True),
        "expected_calibration_error": MetricKind(
            mark("expected calibration error"), is_share=True, lower_is_better=True
        ),
    }
)
"""The metrics of `vitcore.evaluation.Evaluation` by name, in the order in which they are shown."""
