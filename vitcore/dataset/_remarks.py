"""Remarks on labelled images before anything is trained on them, in plain words."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from vitcore.dataset._copies import COPY_KINDS, find_copies
from vitcore.dataset._findings import Finding
from vitcore.folds import CROSS_VALIDATED_WORTH
from vitcore.layouts import about_likeness
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
    """Yield what to know about the images before anything is trained on them; of none, nothing."""
    if index.empty:
        return
    counts = Counter(index["label"].tolist())
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


def remarks(index: pd.DataFrame, findings: Sequence[Finding] | None = None) -> list[Remark]:
    """Say what is good and what is bad about a set, in a few sentences that a person would say.

    One sentence of a kind at most, about the worst classes; what is bad comes first.

    Args:
        index: Rows as in `Dataset.index`.
        findings: Of the checks of the set, `vitcore.audit.find_issues`, whose sentences on copies are
            taken over; found in the index if not given.
    """
    if index.empty:
        return []
    counts = index["label"].value_counts().sort_index()
    found = [
        *_about_classes(counts),
        *_about_precision(index, counts),
        *_about_sizes(index),
        *_about_shapes(index),
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
            images=_photos(most),
            smallest=counts.idxmin(),
            least=least,
        )
        yield Remark(False, sentence)
    elif most <= 2 * least:
        yield Remark(True, message("The classes are of about the same size."))
    for sentence in about_likeness(list(counts.index)):
        yield Remark(False, sentence)
    if least >= ENOUGH:
        yield Remark(True, message("Every class has at least {least} photos.", least=ENOUGH))


def _about_precision(index: pd.DataFrame, counts: pd.Series) -> Iterator[Remark]:
    """Return remarks on the precision of the figures to come: of the smallest classes, and of the whole.

    Photos that were not set aside are all measured on, by cross-validation, each group as a whole.
    """
    measured = index[index["split"] != "test"]
    small = counts[counts < ENOUGH].sort_values(kind="stable")
    if len(small) and len(counts) > 1:
        label, images = small.index[0], int(small.iloc[0])
        tested = int((measured["label"] == label).sum())
        why = message("none of them is left to measure by")
        if tested:
            why = message(
                "one mistake more or less moves its figure by {points:.0f} points", points=100 / tested
            )
        sentence = message("Class '{name}' has {images}; {why}.", name=label, images=_photos(images), why=why)
        others = [f"'{name}' ({count})" for name, count in small.iloc[1:].items()]
        if others:
            sentence = message(
                "{sentence} Other classes with few photos: {classes}.",
                sentence=sentence,
                classes=_listed(others),
            )
        yield Remark(False, sentence)
    total = len(measured)
    if total and len(counts) > 1:
        alone = (measured["group"] == "").to_numpy()
        units = int(alone.sum()) + measured.loc[~alone, "group"].nunique()
        points = 100 * _half_width(0.8, units * CROSS_VALIDATED_WORTH)
        photos = _photos(total)
        if units < total:
            groups = counted("{count} group", "{count} groups", units)
            photos = message("{photos} in {groups}", photos=photos, groups=groups)
        template = mark("Accuracy will be measured on {photos}: expect ±{points:.0f} points.")
        if points > 5:
            template = mark(
                "Accuracy will be measured on only {photos}: expect ±{points:.0f} points, so small "
                "differences mean nothing."
            )
        yield Remark(points <= 5, message(template, photos=photos, points=points))


def _about_sizes(index: pd.DataFrame) -> Iterator[Remark]:
    sides = index[["width", "height"]].min(axis=1)
    small = int((sides < SMALL_SIDE).sum())
    if small:
        least = index.iloc[int(sides.to_numpy().argmin())]
        which = counted("{count} photo is", "{count} photos are", small)
        if small == len(index):
            which = message("All photos are")
        sentence = message(
            "{images} less than {side} pixels wide or high (the smallest {width} × {height}); details that "
            "small photos do not show cannot be learned.",
            images=which,
            side=SMALL_SIDE,
            width=least["width"],
            height=least["height"],
        )
        yield Remark(False, sentence)


def _about_shapes(index: pd.DataFrame) -> Iterator[Remark]:
    """Say how many photos are not seen as they are, and what they lose."""
    short, long = index[["width", "height"]].min(axis=1), index[["width", "height"]].max(axis=1)
    whole = 2 * long > 3 * short  # `vitcore.fitting.is_elongated`
    cut = ~whole & (4 * short < 3 * long)
    if whole.any():
        photos = counted(
            "{count} photo is more than half as long again as broad and is",
            "{count} photos are more than half as long again as broad and are",
            int(whole.sum()),
        )
        yield Remark(
            True,
            message(
                "{photos} seen whole: in strips, and so somewhat smaller than the others.", photos=photos
            ),
        )
    if cut.any():
        photos = counted(
            "{count} photo loses a quarter to a third of its picture",
            "{count} photos lose a quarter to a third of their picture",
            int(cut.sum()),
        )
        yield Remark(False, message("{photos} at the edges: only the centred square is seen.", photos=photos))


def _about_copies(findings: Sequence[Finding]) -> Iterator[Remark]:
    several = [finding for finding in findings if finding.kind in COPY_KINDS]
    for finding in several:
        yield Remark(False, finding.sentence)
    if not several:
        yield Remark(True, message("No duplicate photos."))


def _photos(count: int) -> Message:
    """Return a number of photos in words."""
    return counted("{count} photo", "{count} photos", count)


def _half_width(share: float, total: float) -> float:
    """Half of Wilson's 95 % interval of a share; see `vitcore.evaluation.wilson_interval`."""
    square = _Z**2 / total
    return _Z * math.sqrt(share * (1 - share) / total + square / (4 * total)) / (1 + square)


def _listed(names: Sequence[str]) -> list[str | Message]:
    """Some names, and how many more there are."""
    rest = len(names) - _NAMED
    more = [counted("{count} more class", "{count} more classes", rest)] if rest > 0 else []
    return [*names[:_NAMED], *more]
