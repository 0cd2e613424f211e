"""A figure before its time: a quick classifier of the first images, while the others are still looked at."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from vitcore.evaluation import independence, wilson_interval
from vitcore.features import FirstLook, ImageFile
from vitcore.folds import CROSS_VALIDATED_WORTH, deal_folds
from vitcore.progress import Estimate, Task
from vitcore.vectors import Vectors

__all__ = ["estimate_accuracy", "first_look", "look_at_once"]

Ints = npt.NDArray[np.int64]

_FEWEST = 20  # images of the first estimate
_PER_CLASS = 4
_UNLIKE = 0.1  # difference of the share of a class, from which on a sample says little of the whole
_FOLDS = 5
_MOST = 8000  # images: beyond, an estimate would hold up the work, and is good enough


def first_look(rows: pd.DataFrame, task: Task, *, seed: int) -> FirstLook:
    """Return the order in which images are best computed, and the estimates that are made meanwhile.

    The images of all classes are mixed, in the proportions that they have in the whole.

    Args:
        rows: Of a dataset's index: N images.
        task: Where the estimates are published.
        seed: Of the order, and of the folds.
    """
    labels, groups = _numbers(rows)
    order = mixed_order(labels, seed=seed)

    def look(vectors: Vectors) -> None:
        first = order[: len(vectors)]
        estimate = estimate_accuracy(np.asarray(vectors), labels[first], groups[first], seed=seed)
        if estimate is not None:
            task.estimate(replace(estimate, total=len(rows)))

    return FirstLook(order=order, sizes=_sizes(len(rows), int(labels.max()) + 1), look=look)


def look_at_once(
    rows: pd.DataFrame, task: Task, *, seed: int
) -> Callable[[Sequence[ImageFile], Vectors], None]:
    """Return what publishes an estimate from some images and their vectors; as `first_look`.

    None is made of images that are too few, or whose classes are not there in about their proportions.
    """
    by_content = rows.drop_duplicates("sha256").set_index("sha256")
    proportions = rows["label"].value_counts(normalize=True)

    def look(images: Sequence[ImageFile], vectors: Vectors) -> None:
        own = by_content.loc[[image.sha256 for image in images]]
        found = own["label"].value_counts(normalize=True).reindex(proportions.index, fill_value=0)
        few = len(own) < max(_FEWEST, _PER_CLASS * len(proportions))
        if few or (found - proportions).abs().max() > _UNLIKE:
            return
        estimate = estimate_accuracy(np.asarray(vectors), *_numbers(own), seed=seed)
        if estimate is not None:
            task.estimate(replace(estimate, total=len(rows)))

    return look


def _numbers(rows: pd.DataFrame) -> tuple[Ints, Ints]:
    """Class and group of each image, numbered: (N,), (N,)."""
    labels, _ = pd.factorize(rows["label"])
    groups, _ = pd.factorize(rows["group"].where(rows["group"] != "", rows["image_id"].astype(str)))
    return labels, groups


def mixed_order(labels: Ints, *, seed: int) -> Ints:
    """Return positions in an order any beginning of which has the classes in their proportions: (N,)."""
    random = np.random.default_rng(seed)
    place = np.empty(len(labels))
    for label in np.unique(labels):
        own = random.permutation(np.flatnonzero(labels == label))
        place[own] = (np.arange(len(own)) + random.random()) / len(own)
    return np.argsort(place, kind="stable")


def estimate_accuracy(
    vectors: npt.NDArray[np.floating], labels: Ints, groups: Ints, *, seed: int
) -> Estimate | None:
    """Return what cross-validation of ridge regression makes of some images; None of too few.

    Ridge regression on class membership is solved at once, and on the vectors of a Vision Transformer about
    as good as the head that is trained in the end.

    Args:
        vectors: (n, D).
        labels: (n,), class numbers.
        groups: (n,), what stays together.
        seed: Of the folds.
    """
    from sklearn.linear_model import RidgeClassifier

    folds = min(_FOLDS, len(np.unique(groups)))
    if folds < 2 or len(np.unique(labels)) < 2:
        return None
    fold = deal_folds(labels, groups, folds, seed=seed)
    scaled = vectors.astype(np.float32)
    right = np.zeros(len(labels), dtype=bool)
    for number in range(folds):
        held_out, learned = fold == number, fold != number
        if not held_out.any() or len(np.unique(labels[learned])) < 2:
            continue
        mean, spread = scaled[learned].mean(axis=0), scaled[learned].std(axis=0) + 1e-6
        # On more dimensions than images it would overfit without a strong pull.
        probe = RidgeClassifier(alpha=float(scaled.shape[1]))
        probe.fit((scaled[learned] - mean) / spread, labels[learned])
        right[held_out] = probe.predict((scaled[held_out] - mean) / spread) == labels[held_out]
    worth = independence(right, groups) * CROSS_VALIDATED_WORTH
    low, high = wilson_interval(int(right.sum()), len(right), worth)
    return Estimate(images=len(labels), total=len(labels), accuracy=float(right.mean()), low=low, high=high)


def _sizes(images: int, classes: int) -> Sequence[int]:
    """Return after how many images to look: each time twice as many, as long as there are more to come."""
    sizes, size = [], max(_FEWEST, _PER_CLASS * classes)
    while size <= min(0.75 * images, _MOST):
        sizes.append(size)
        size *= 2
    return sizes
