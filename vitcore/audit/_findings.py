"""What is wrong with the present version of a dataset."""

from typing import get_args

import numpy as np
import pandas as pd

from vitcore.audit._measures import Measures
from vitcore.audit._quality import THRESHOLDS
from vitcore.dataset import MAX_PREVALENCE, Dataset, Finding, IssueKind, check_index

__all__ = ["find_issues"]

_FAULTS: dict[IssueKind, tuple[str, str]] = {
    "empty": (
        "show next to nothing",
        "Without anything to see in them, they teach what does not belong to the class.",
    ),
    "blurry": ("are blurred", "The details by which a class is told are missing in them."),
    "dark": ("are very dark", "Little can be seen in them; brighter ones teach more."),
    "bright": ("are nearly white", "Little can be seen in them; darker ones teach more."),
}


def find_issues(dataset: Dataset, measures: Measures | None = None) -> tuple[Finding, ...]:
    """Find what is wrong with the present version of a dataset, the most harmful first.

    Args:
        dataset: The dataset to check.
        measures: What `load_measures` gives; without it, only what the index shows is found.
    """
    if measures is None:
        return _most_harmful_first(check_index(dataset.index))
    faults = (_fault(dataset.index, kind, measures.quality[kind]) for kind in THRESHOLDS)
    found = check_index(dataset.index, measures.pairs)
    return _most_harmful_first((*found, *(fault for fault in faults if fault is not None)))


def _most_harmful_first(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    order = get_args(IssueKind)
    return tuple(sorted(findings, key=lambda finding: order.index(finding.kind)))


def _fault(index: pd.DataFrame, kind: IssueKind, quality: pd.Series) -> Finding | None:
    scores = quality.reindex(index["sha256"]).to_numpy()
    faulty = scores < THRESHOLDS[kind]  # not where it was not measured
    count = int(faulty.sum())
    if not 0 < count <= MAX_PREVALENCE * len(index):
        return None
    what, why = _FAULTS[kind]
    one = what.replace("are ", "is ").replace("show ", "shows ")
    found = f"{count:,} image{'s' * (count != 1)} {one if count == 1 else what}"
    worst = index["image_id"].to_numpy()[np.argsort(scores, kind="stable")[:count]]
    return Finding(
        kind=kind,
        sentence=f"{found}. {why}",
        groups=tuple((int(image_id),) for image_id in worst),
        remedies=("exclude",),
    )
