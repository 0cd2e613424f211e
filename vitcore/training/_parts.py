"""The parts of a cross-validation, as row numbers."""

from typing import Any

import numpy as np
import numpy.typing as npt

from vitcore.errors import SettingsError
from vitcore.folds import deal_folds

__all__ = ["fold_parts"]

Ints = npt.NDArray[np.int64]


def fold_parts(
    labels: Ints, groups: npt.NDArray[Any] | None, folds: int, *, seed: int
) -> list[tuple[Ints, Ints]]:
    """Return the row numbers to learn from and those to be judged on, for each fold of `deal_folds`.

    Raises:
        SettingsError: Fewer groups than folds.
    """
    names = np.arange(len(labels)) if groups is None else groups
    count = len(np.unique(names))
    if count < folds:
        raise SettingsError(
            "{folds} folds need as many different images, and there are {count}; add images, or choose fewer "
            "folds.",
            folds=folds,
            count=count,
        )
    fold = deal_folds(labels, names, folds, seed=seed)
    return [(np.flatnonzero(fold != number), np.flatnonzero(fold == number)) for number in range(folds)]
