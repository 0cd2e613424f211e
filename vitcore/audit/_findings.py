"""The faults of the present version of a dataset."""

from typing import get_args

import numpy as np
import pandas as pd

from vitcore.audit._measures import Measures
from vitcore.audit._quality import THRESHOLDS
from vitcore.dataset import MAX_PREVALENCE, Dataset, Finding, IssueKind, check_index
from vitcore.messages import Message, counted

__all__ = ["find_issues"]


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
    worst = index["image_id"].to_numpy()[np.argsort(scores, kind="stable")[:count]]
    return Finding(
        kind=kind,
        sentence=_sentences(count)[kind],
        groups=tuple((int(image_id),) for image_id in worst),
        remedies=("exclude",),
    )


def _sentences(count: int) -> dict[str, Message]:
    """Return what to say of so many images, by the kind of fault."""
    return {
        "empty": counted(
            "{count} image shows next to nothing. Without anything to see in them, they teach what does not "
            "belong to the class.",
            "{count} images show next to nothing. Without anything to see in them, they teach what does not "
            "belong to the class.",
            count,
        ),
        "blurry": counted(
            "{count} image is blurred. The details by which a class is told are missing in them.",
            "{count} images are blurred. The details by which a class is told are missing in them.",
            count,
        ),
        "dark": counted(
            "{count} image is very dark. Little can be seen in them; brighter ones teach more.",
            "{count} images are very dark. Little can be seen in them; brighter ones teach more.",
            count,
        ),
        "bright": counted(
            "{count} image is nearly white. Little can be seen in them; darker ones teach more.",
            "{count} images are nearly white. Little can be seen in them; darker ones teach more.",
            count,
        ),
    }
