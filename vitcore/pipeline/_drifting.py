"""Whether the photos that a run is asked about differ from those it was tested on."""

from dataclasses import dataclass

import pandas as pd

from vitcore.errors import InputError
from vitcore.evaluation import DriftTest, compare_use
from vitcore.inference import load_usage
from vitcore.runs import Run

__all__ = ["LEAST_IN_USE", "UsageDrift", "usage_drift"]

LEAST_IN_USE = 30
"""Answers that are needed to compare at all."""

_LATEST = 100


@dataclass(frozen=True, eq=False, kw_only=True)
class UsageDrift:
    """The figures of a run in use.

    Attributes:
        images: Number of answers whose figures are kept.
        test: Of the latest 100 of them; None if there are too few.
        days: By day: photos, and mean confidence.
        shares: By day: the share of each class, 0 … 1.
    """

    images: int
    test: DriftTest | None
    days: pd.DataFrame
    shares: pd.DataFrame


def usage_drift(run: Run) -> UsageDrift:
    """Compare the latest answers in use with those that the figures of the run come from.

    Not with the answers to the validation photos: those are of another head, which learned from fewer photos
    than the finished one does. The answers of a test part are of the finished head; those of a
    cross-validation of heads that were trained as that one, each for photos that it did not learn from.

    Raises:
        InputError: The run is of a version that kept no novelty.
        StorageError: The figures or the predictions cannot be read.
    """
    usage, tested = load_usage(run.folder), run.headline_predictions
    if "novelty" not in tested:
        raise InputError(
            "Run '{run_id}' is of an earlier version, which did not keep how unlike each photo is; train "
            "again to compare.",
            run_id=run.id,
        )
    latest = usage.tail(_LATEST)
    test = None
    if len(latest) >= LEAST_IN_USE:
        test = compare_use(
            (tested["confidence"].to_numpy(), tested["novelty"].to_numpy()),
            (latest["confidence"].to_numpy(), latest["novelty"].to_numpy()),
        )
    by_day = usage.groupby("day", sort=True)
    return UsageDrift(
        images=len(usage),
        test=test,
        days=pd.DataFrame({"photos": by_day.size(), "confidence": by_day["confidence"].mean()}),
        shares=pd.crosstab(usage["day"], usage["label"], normalize="index"),
    )
