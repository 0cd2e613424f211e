"""Remarks on labelled images before anything is trained on them, in plain words."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from vitcore.dataset._copies import COPY_KINDS, find_copies, has_split
from vitcore.dataset._findings import Finding, count_images

__all__ = ["Remark", "remarks", "warnings_of"]

FEW = 10
ENOUGH = 50
SMALL_SIDE = 64
_NAMED = 5  # classes in one sentence, or sentences about one class
_Z = 1.959963984540054  # 97.5 % point of the normal distribution


@dataclass(frozen=True)
class Remark:
    """One thing that is good or bad about a set of images.

    Attributes:
        good: Whether it is as one would wish.
        sentence: For people; names of classes are in it as they are.
    """

    good: bool
    sentence: str


def warnings_of(index: pd.DataFrame) -> Iterator[str]:
    """Yield what to know about the images before anything is trained on them."""
    counts = Counter(index["label"])
    smallest, largest = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    if len(counts) == 1:
        yield f"There is only one class, '{smallest}'; training needs at least two."
    elif counts[largest] >= 5 * counts[smallest]:
        yield (
            f"The classes are uneven: '{largest}' has {counts[largest]} images, '{smallest}' only "
            f"{counts[smallest]}; balanced class weights help."
        )
    few = sorted((count, label) for label, count in counts.items() if count < FEW)
    for count, label in sorted(few[:_NAMED], key=lambda item: item[1]):
        yield f"'{label}' has only {count} images; with fewer than {FEW}, expect poor results."
    if len(few) > _NAMED:
        more = len(few) - _NAMED
        yield f"And {more} more class{'es have' if more > 1 else ' has'} fewer than {FEW} images."
    for finding in find_copies(index):
        yield finding.sentence


def remarks(
    index: pd.DataFrame, validation_fraction: float = 0.2, findings: Sequence[Finding] | None = None
) -> list[Remark]:
    """Say what is good and what is bad about a set, in a few sentences that a person would say.

    One sentence of a kind at most, about the worst classes; what is bad comes first.

    Args:
        index: Rows as in `Dataset.index`.
        validation_fraction: Share of the images that will judge the classifier, where no ready-made
            split says which.
        findings: Of the checks of the set, `vitcore.audit.find_issues`, whose sentences on copies are
            taken over; found in the index if not given.
    """
    if index.empty:
        return []
    counts = index["label"].value_counts().sort_index()
    judging = _judging(index, validation_fraction)
    found = [
        *_about_classes(counts),
        *_about_judging(counts, judging),
        *_about_sizes(index),
        *_about_copies(find_copies(index) if findings is None else findings),
    ]
    return sorted(found, key=lambda remark: remark.good)


def _about_classes(counts: pd.Series) -> Iterator[Remark]:
    least, most = int(counts.min()), int(counts.max())
    if len(counts) == 1:
        yield Remark(False, f"There is only one class, '{counts.index[0]}'; training needs at least two.")
    elif most >= 5 * least:
        yield Remark(
            False,
            f"The classes are uneven: '{counts.idxmax()}' has {count_images(most)}, '{counts.idxmin()}' only "
            f"{least:,}; rare ones are overlooked easily, balanced class weights help.",
        )
    elif most <= 2 * least:
        yield Remark(True, "The classes are of about the same size.")
    if least >= ENOUGH:
        yield Remark(True, f"Every class has at least {ENOUGH} images.")


def _about_judging(counts: pd.Series, judging: pd.Series) -> Iterator[Remark]:
    """Return remarks on the precision of the figures to come: of the smallest classes, and of the whole."""
    small = counts[counts < ENOUGH].sort_values(kind="stable")
    if len(small) and len(counts) > 1:
        label, images = small.index[0], int(small.iloc[0])
        judges = int(judging.get(label, 0))
        others = _listed([f"'{name}' ({count})" for name, count in small.iloc[1:].items()])
        more = f" Few images as well: {others}." if others else ""
        why = "none of them judges it"
        if judges:
            why = (
                f"about {judges} of them judge{'s' * (judges == 1)} it, so one mistake more or less moves "
                f"its figure by {100 / judges:.0f} points"
            )
        yield Remark(False, f"Class '{label}' has {count_images(images)}; {why}.{more}")
    total = int(judging.sum())
    if total and len(counts) > 1:
        points = 100 * _half_width(0.8, total)
        known = f"an accuracy of 80 % is known to about ±{points:.0f} points"
        if points <= 5:
            yield Remark(True, f"About {total:,} images judge the classifier; {known}.")
        else:
            few = f"Only about {total:,} images judge the classifier; {known}"
            yield Remark(False, f"{few}, so small differences mean nothing.")


def _about_sizes(index: pd.DataFrame) -> Iterator[Remark]:
    sides = index[["width", "height"]].min(axis=1)
    small = int((sides < SMALL_SIDE).sum())
    if small:
        least = index.iloc[int(sides.to_numpy().argmin())]
        which = "All images are" if small == len(index) else count_images(small, "is", "are")
        yield Remark(
            False,
            f"{which} less than {SMALL_SIDE} pixels wide or high (the smallest {least['width']} × "
            f"{least['height']}); details that small photos do not show cannot be learned.",
        )


def _about_copies(findings: Sequence[Finding]) -> Iterator[Remark]:
    several = [finding for finding in findings if finding.kind in COPY_KINDS]
    for finding in several:
        yield Remark(False, finding.sentence)
    if not several:
        yield Remark(True, "No image is there twice.")


def _judging(index: pd.DataFrame, validation_fraction: float) -> pd.Series:
    """About how many images of each class will judge it."""
    if not has_split(index):
        counts = index["label"].value_counts()
        return (counts * validation_fraction).round().astype("int64").clip(lower=1, upper=counts - 1)
    part = "validation" if (index["split"] == "validation").any() else "test"
    return index.loc[index["split"] == part, "label"].value_counts()


def _half_width(share: float, total: int) -> float:
    """Half of Wilson's 95 % interval of a share; see `vitcore.evaluation.wilson_interval`."""
    square = _Z**2 / total
    return _Z * math.sqrt(share * (1 - share) / total + square / (4 * total)) / (1 + square)


def _listed(names: Sequence[str]) -> str:
    """Some names, and how many more there are."""
    if len(names) <= _NAMED:
        return ", ".join(names)
    more = len(names) - _NAMED
    return f"{', '.join(names[:_NAMED])} and {more} more class{'es' * (more > 1)}"
