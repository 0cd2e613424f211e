"""Remarks on labelled images before anything is trained on them, in plain words."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from vitcore.dataset._classes import about_likeness
from vitcore.dataset._copies import COPY_KINDS, find_copies
from vitcore.dataset._findings import Finding, count_images
from vitcore.messages import Message, counted, mark, message

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
        sentence: For people.
    """

    good: bool
    sentence: Message


def warnings_of(index: pd.DataFrame) -> Iterator[Message]:
    """Yield what to know about the images before anything is trained on them."""
    counts = Counter(index["label"])
    smallest, largest = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    if len(counts) == 1:
        yield message("There is only one class, '{name}'; training needs at least two.", name=smallest)
    elif counts[largest] >= 5 * counts[smallest]:
        yield message(
            "The classes are uneven: '{largest}' has {most} images, '{smallest}' only {least}; balanced "
            "class "
            "weights help.",
            largest=largest,
            most=counts[largest],
            smallest=smallest,
            least=counts[smallest],
        )
    few = sorted((count, label) for label, count in counts.items() if count < FEW)
    for count, label in sorted(few[:_NAMED], key=lambda item: item[1]):
        yield message(
            "'{name}' has only {images} images; with fewer than {few}, expect poor results.",
            name=label,
            images=count,
            few=FEW,
        )
    if len(few) > _NAMED:
        yield counted(
            "And {count} more class has fewer than {few} images.",
            "And {count} more classes have fewer than {few} images.",
            len(few) - _NAMED,
            few=FEW,
        )
    yield from about_likeness(list(counts))
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
        sentence = message(
            "There is only one class, '{name}'; training needs at least two.", name=counts.index[0]
        )
        yield Remark(False, sentence)
    elif most >= 5 * least:
        sentence = message(
            "The classes are uneven: '{largest}' has {images}, '{smallest}' only {least}; rare ones are "
            "overlooked easily, balanced class weights help.",
            largest=counts.idxmax(),
            images=count_images(most),
            smallest=counts.idxmin(),
            least=least,
        )
        yield Remark(False, sentence)
    elif most <= 2 * least:
        yield Remark(True, message("The classes are of about the same size."))
    for sentence in about_likeness(list(counts.index)):
        yield Remark(False, sentence)
    if least >= ENOUGH:
        yield Remark(True, message("Every class has at least {least} images.", least=ENOUGH))


def _about_judging(counts: pd.Series, judging: pd.Series) -> Iterator[Remark]:
    """Return remarks on the precision of the figures to come: of the smallest classes, and of the whole."""
    small = counts[counts < ENOUGH].sort_values(kind="stable")
    if len(small) and len(counts) > 1:
        label, images = small.index[0], int(small.iloc[0])
        judges = int(judging.get(label, 0))
        why = message("none of them judges it")
        if judges:
            why = counted(
                "about {count} of them judges it, so one mistake more or less moves its figure by "
                "{points:.0f} points",
                "about {count} of them judge it, so one mistake more or less moves its figure by "
                "{points:.0f} points",
                judges,
                points=100 / judges,
            )
        sentence = message(
            "Class '{name}' has {images}; {why}.", name=label, images=count_images(images), why=why
        )
        others = [f"'{name}' ({count})" for name, count in small.iloc[1:].items()]
        if others:
            sentence = message(
                "{sentence} Few images as well: {classes}.",
                sentence=sentence,
                classes=_listed(others),
            )
        yield Remark(False, sentence)
    total = int(judging.sum())
    if total and len(counts) > 1:
        points = 100 * _half_width(0.8, total)
        known = message("an accuracy of 80 % is known to about ±{points:.0f} points", points=points)
        template = mark("About {images} images judge the classifier; {known}.")
        if points > 5:
            template = mark(
                "Only about {images} images judge the classifier; {known}, so small differences mean nothing."
            )
        yield Remark(points <= 5, message(template, images=total, known=known))


def _about_sizes(index: pd.DataFrame) -> Iterator[Remark]:
    sides = index[["width", "height"]].min(axis=1)
    small = int((sides < SMALL_SIDE).sum())
    if small:
        least = index.iloc[int(sides.to_numpy().argmin())]
        which = counted("{count} image is", "{count} images are", small)
        if small == len(index):
            which = message("All images are")
        sentence = message(
            "{images} less than {side} pixels wide or high (the smallest {width} × {height}); details that "
            "small photos do not show cannot be learned.",
            images=which,
            side=SMALL_SIDE,
            width=least["width"],
            height=least["height"],
        )
        yield Remark(False, sentence)


def _about_copies(findings: Sequence[Finding]) -> Iterator[Remark]:
    several = [finding for finding in findings if finding.kind in COPY_KINDS]
    for finding in several:
        yield Remark(False, finding.sentence)
    if not several:
        yield Remark(True, message("No image is there twice."))


def _judging(index: pd.DataFrame, validation_fraction: float) -> pd.Series:
    """About how many images of each class will judge it."""
    if not (index["split"] == "validation").any():
        counts = index.loc[index["split"] != "test", "label"].value_counts()
        return (counts * validation_fraction).round().astype("int64").clip(lower=1, upper=counts - 1)
    return index.loc[index["split"] == "validation", "label"].value_counts()


def _half_width(share: float, total: int) -> float:
    """Half of Wilson's 95 % interval of a share; see `vitcore.evaluation.wilson_interval`."""
    square = _Z**2 / total
    return _Z * math.sqrt(share * (1 - share) / total + square / (4 * total)) / (1 + square)


def _listed(names: Sequence[str]) -> list[str | Message]:
    """Some names, and how many more there are."""
    rest = len(names) - _NAMED
    more = [counted("{count} more class", "{count} more classes", rest)] if rest > 0 else []
    return [*names[:_NAMED], *more]
