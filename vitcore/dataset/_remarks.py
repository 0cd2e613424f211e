"""What to know about labelled images before anything is trained on them, in plain words."""

from collections import Counter
from collections.abc import Iterator

import pandas as pd

__all__ = ["warnings_of"]


def warnings_of(index: pd.DataFrame) -> Iterator[str]:
    """What to know about the images, before anything is trained on them."""
    counts = Counter(index["label"])
    smallest, largest = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    if len(counts) == 1:
        yield f"There is only one class, '{smallest}'; training needs at least two."
    elif counts[largest] >= 5 * counts[smallest]:
        yield (
            f"The classes are uneven: '{largest}' has {counts[largest]} images, '{smallest}' only "
            f"{counts[smallest]}; balanced class weights help."
        )
    for label in sorted(counts):
        if counts[label] < 10:
            yield f"'{label}' has only {counts[label]} images; with fewer than 10, expect poor results."
    copies = len(index) - index["sha256"].nunique()
    if copies:
        ready_made = bool((index["split"] != "").any())
        side = "" if ready_made else "; copies always fall on the same side of a split"
        yield f"{copies} images are exact copies of others{side}."
    leaked = int(index.drop_duplicates(["sha256", "split"])["sha256"].duplicated().sum())
    if leaked:
        yield f"{leaked} images are in several parts of the ready-made split; its figures will be too good."
    contradictions = int(index.drop_duplicates(["sha256", "label"])["sha256"].duplicated().sum())
    if contradictions:
        yield f"{contradictions} images appear under more than one class; one of the labels is wrong."
