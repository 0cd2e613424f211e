"""Accuracy by what images have in common: a camera, a place, a month, a size."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from vitcore.evaluation._intervals import wilson_interval

__all__ = ["Slice", "accuracy_slices", "weakest_slice"]

_FEWEST = 5  # images of a slice that is named
_CHANCE = 0.05


@dataclass(frozen=True)
class Slice:
    """Images that have something in common and are recognised worse than the others.

    Attributes:
        column: What they have in common.
        value: The value of it.
        images: How many they are.
        accuracy: Of them, 0 … 1.
        low: Lower end of its 95 % interval.
        high: Upper end.
        others: Accuracy of all other images.
    """

    column: str
    value: str
    images: int
    accuracy: float
    low: float
    high: float
    others: float


def accuracy_slices(values: pd.Series, right: npt.NDArray[np.bool_]) -> pd.DataFrame:
    """Return the accuracy of the images of each value, the lowest first.

    Args:
        values: (N,), empty where an image has none.
        right: (N,), whether its class was recognised.

    Returns:
        Columns value, images, accuracy, low, high (Wilson's 95 % interval), p: how likely chance alone makes
        a difference like that from all other images, by Fisher's exact test; 1 where there are no others.
    """
    from scipy.stats import fisher_exact

    names, hits = values.to_numpy(), np.asarray(right, dtype=bool)
    rows = []
    for value in sorted(set(names) - {""}):
        chosen = names == value
        images, found = int(chosen.sum()), int(hits[chosen].sum())
        others, found_there = len(hits) - images, int(hits.sum()) - found
        table = [[found, images - found], [found_there, others - found_there]]
        p = float(fisher_exact(table)[1]) if others else 1.0
        rows.append((value, images, found / images, *wilson_interval(found, images), p))
    frame = pd.DataFrame(rows, columns=["value", "images", "accuracy", "low", "high", "p"])
    return frame.sort_values(["accuracy", "value"], kind="stable").reset_index(drop=True)


def weakest_slice(columns: Mapping[str, pd.Series], right: npt.NDArray[np.bool_]) -> Slice | None:
    """Return the slice that is recognised worse than all other images by more than chance; None without one.

    The more slices are looked at, the more of them differ by chance; so the one that chance explains least
    has to be less likely than 5 % over their number (C. E. Bonferroni, 1936).

    Args:
        columns: What images may have in common, each (N,).
        right: (N,), whether the class of an image was recognised.
    """
    found = [accuracy_slices(values, right).assign(column=name) for name, values in columns.items()]
    if not found:
        return None
    slices = pd.concat(found, ignore_index=True)
    slices = slices[slices["images"] >= _FEWEST]
    weak = slices[(slices["accuracy"] < right.mean()) & (slices["p"] * len(slices) < _CHANCE)]
    if weak.empty:
        return None
    worst = weak.sort_values("p", kind="stable").iloc[0]
    inside = (columns[worst["column"]] == worst["value"]).to_numpy()
    return Slice(
        column=str(worst["column"]),
        value=str(worst["value"]),
        images=int(worst["images"]),
        accuracy=float(worst["accuracy"]),
        low=float(worst["low"]),
        high=float(worst["high"]),
        others=float(right[~inside].mean()),
    )
