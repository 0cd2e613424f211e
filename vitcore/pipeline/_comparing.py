"""Two runs on the validation images that they share."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from vitcore.evaluation import Comparison, Evaluation, compare, evaluate
from vitcore.pipeline._material import class_numbers
from vitcore.runs import Run

__all__ = ["RunComparison", "compare_runs"]


@dataclass(frozen=True, eq=False, kw_only=True)
class RunComparison:
    """Two runs on the images that neither has learned from.

    Attributes:
        rows: name, file, true, first, second (what they predicted), only (``first``, ``second``,
            ``neither`` or nothing: who is right alone).
        relabelled: Number of shared images left out, for their class was another in the second run.
        comparison: Who is right how often, and whether that may be luck.
        first: Figures of the first on these images, over the classes of both.
        second: Those of the second.
    """

    rows: pd.DataFrame
    relabelled: int
    comparison: Comparison
    first: Evaluation
    second: Evaluation


def compare_runs(first: Run, second: Run) -> RunComparison | None:
    """Compare two runs; images are found again by their content. None if they share none.

    Raises:
        StorageError: One of them has no results, or they are damaged.
    """
    tables = [
        run.predictions.assign(position=np.arange(len(run.predictions))).drop_duplicates("sha256")
        for run in (first, second)
    ]
    shared = tables[0].merge(tables[1], on="sha256", suffixes=("_first", "_second"))
    same = shared["true_first"] == shared["true_second"]
    relabelled, shared = int((~same).sum()), shared[same]
    if shared.empty:
        return None
    classes = tuple(dict.fromkeys([*first.classes, *second.classes]))
    true = class_numbers(shared["true_first"], classes)
    one, other = (
        _widened(run.probabilities[shared[f"position_{who}"]], run.classes, classes)
        for who, run in (("first", first), ("second", second))
    )
    right, also = one.argmax(axis=1) == true, other.argmax(axis=1) == true
    alone = [right & ~also, ~right & also, ~right & ~also]
    return RunComparison(
        rows=pd.DataFrame(
            {
                "name": shared["name_first"],
                "file": shared["file_first"],
                "true": shared["true_first"],
                "first": shared["predicted_first"],
                "second": shared["predicted_second"],
                "only": np.select(alone, ["first", "second", "neither"], ""),
            }
        ),
        relabelled=relabelled,
        comparison=compare(true, one.argmax(axis=1), other.argmax(axis=1)),
        first=evaluate(true, one, classes),
        second=evaluate(true, other, classes),
    )


def _widened(
    probabilities: npt.NDArray[np.float32], classes: tuple[str, ...], all_classes: tuple[str, ...]
) -> npt.NDArray[np.float64]:
    """Probabilities over the classes of both runs: (N, C) -> (N, all)."""
    wide = np.zeros((len(probabilities), len(all_classes)))
    wide[:, [all_classes.index(name) for name in classes]] = probabilities
    return wide
