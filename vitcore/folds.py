"""Folds of images, each of which is evaluated by heads that learned from the others."""

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["CROSS_VALIDATED_WORTH", "deal_folds"]

CROSS_VALIDATED_WORTH = 0.65
"""Of an image for the interval of a cross-validation.

Its heads learned from almost the same images, and so err together, and the classifier that is kept is another
one still: the interval that takes the answers for independent is too narrow (S. Bates, T. Hastie and R.
Tibshirani, "Cross-validation: what does it estimate and how well does it do it?", 2023). By how much was
measured: ``python -m benchmarks headline``.
"""

Ints = npt.NDArray[np.int64]

_MOST_ALONE = 500  # images without a group that are dealt together with the groups


def deal_folds(labels: npt.NDArray[Any], groups: npt.NDArray[Any], folds: int, *, seed: int) -> Ints:
    """Deal images to folds, stratified by class, a group always to one fold.

    By scikit-learn's StratifiedGroupKFold. It takes half a millisecond for each group, 10 s for 20,000
    images: of many images that are alone, most are dealt by StratifiedKFold, and so many with the groups
    that these still even out. Where every class has fewer images than there are folds, nothing can be
    stratified, and the groups are dealt as they come.

    Args:
        labels: (N,), the classes.
        groups: (N,), what may not be divided, such as near-duplicates.
        folds: 2 or more, and no more than there are groups.
        seed: The same seed deals the same folds.

    Returns:
        0 … folds − 1, (N,).
    """
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold, StratifiedKFold

    _, numbers, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    apart = np.random.default_rng(seed).permutation(np.flatnonzero(sizes[numbers] == 1))[_MOST_ALONE:]
    if len(apart) < _MOST_ALONE:
        apart = apart[:0]
    together = np.setdiff1d(np.arange(len(numbers)), apart)
    fold = np.zeros(len(numbers), dtype=np.int64)
    for rows, stratified in ((together, StratifiedGroupKFold), (np.sort(apart), StratifiedKFold)):
        if not len(rows):
            continue
        codes = np.unique(labels[rows], return_inverse=True)[1]
        kind = stratified if np.bincount(codes).max() >= folds else GroupKFold
        dealer = kind(folds, shuffle=True, random_state=seed)
        options = {} if kind is StratifiedKFold else {"groups": numbers[rows]}
        with warnings.catch_warnings():  # that a class has fewer images than there are folds is no fault
            warnings.simplefilter("ignore", UserWarning)
            for number, (_, held_out) in enumerate(dealer.split(codes, codes, **options)):
                fold[rows[held_out]] = number
    return fold
