"""Accuracy by what images have in common: a camera, a place, a month, a size."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from vitcore.evaluation._intervals import wilson_interval

Ints = npt.NDArray[np.int64]

__all__ = ["Slice", "accuracy_slices", "weakest_slice"]

_FEWEST = 5  # images of a slice that is named
_CHANCE = 0.05
_DEALS = (200, 2000)  # of the answers to the images, at least and at most
_DEALT = 100_000_000  # answers times slices, about as many as are dealt in half a second


@dataclass(frozen=True)
class Slice:
    """Images that have something in common and are recognised worse than the others.

    Attributes:
        column: What they have in common.
        value: The value of it.
        images: How many they are.
        accuracy: Of them, 0 … 1.
        low: Lower end of its 95 % interval.
        high: Upper end.
        others: Accuracy of all other images.
    """

    column: str
    value: str
    images: int
    accuracy: float
    low: float
    high: float
    others: float


def accuracy_slices(values: pd.Series, right: npt.NDArray[np.bool_]) -> pd.DataFrame:
    """Return the accuracy of the images of each value, the lowest first.

    Args:
        values: (N,), empty where an image has none.
        right: (N,), whether its class was recognised.

    Returns:
        Columns value, images, accuracy, low, high (Wilson's 95 % interval).
    """
    names, hits = values.to_numpy(), np.asarray(right, dtype=bool)
    rows = []
    for value in sorted(set(names) - {""}):
        chosen = names == value
        images, found = int(chosen.sum()), int(hits[chosen].sum())
        rows.append((value, images, found / images, *wilson_interval(found, images)))
    frame = pd.DataFrame(rows, columns=["value", "images", "accuracy", "low", "high"])
    return frame.sort_values(["accuracy", "value"], kind="stable").reset_index(drop=True)


def weakest_slice(
    columns: Mapping[str, pd.Series], right: npt.NDArray[np.bool_], *, seed: int = 0
) -> Slice | None:
    """Return the slice that is recognised worse than all other images by more than chance; None without one.

    The more slices are looked at, the more of them differ by chance. So the answers are dealt to the images
    anew, again and again, and the slice that chance explains least is named only if hardly any deal has one
    that is explained even less: P. H. Westfall and S. S. Young, "Resampling-Based Multiple Testing", 1993.
    Unlike a division of the 5 % by the number of slices, this knows that slices of one column are not
    independent, nor columns that say nearly the same.

    Args:
        columns: What images may have in common, each (N,).
        right: (N,), whether the class of an image was recognised.
        seed: Of the deals.
    """
    hits = np.asarray(right, dtype=bool)
    named = [
        (name, value, members)
        for name, values in columns.items()
        for value in sorted(set(values) - {""})
        if _FEWEST <= (members := (values == value).to_numpy()).sum() < len(hits)
    ]
    if not named:
        return None
    slices = np.stack([members for *_, members in named])  # (S, N)
    chances = _chances(slices.sum(axis=1), len(hits), int(hits.sum()))
    found = np.array([chance[hits[members].sum()] for chance, members in zip(chances, slices, strict=True)])
    worst = int(found.argmin())
    by_chance = _least_explained(slices, hits, chances, seed)
    if (1 + (by_chance <= found[worst]).sum()) / (1 + len(by_chance)) >= _CHANCE:
        return None
    column, value, members = named[worst]
    images, inside = int(members.sum()), int(hits[members].sum())
    low, high = wilson_interval(inside, images)
    return Slice(
        column=column,
        value=str(value),
        images=images,
        accuracy=inside / images,
        low=low,
        high=high,
        others=float(hits[~members].mean()),
    )


def _chances(sizes: Ints, images: int, right: int) -> list[npt.NDArray[np.float64]]:
    """How likely so many of as many images drawn by chance, or fewer, are right: S times (size + 1,).

    That is the p of Fisher's exact test, one-sided: a sum of the hypergeometric distribution. SciPy's takes
    minutes for many images.
    """
    logs = np.concatenate([[0.0], np.log(np.arange(1, images + 1)).cumsum()])  # of the factorials
    found = []
    for size in sizes.tolist():
        fewest, most = max(0, size - (images - right)), min(size, right)
        hits = np.arange(fewest, most + 1)
        ways = logs[right] - logs[hits] - logs[right - hits]
        ways += logs[images - right] - logs[size - hits] - logs[images - right - size + hits]
        chance = np.zeros(size + 1)
        chance[hits] = np.exp(ways - logs[images] + logs[size] + logs[images - size])
        found.append(chance.cumsum())
    return found


def _least_explained(
    slices: npt.NDArray[np.bool_],
    hits: npt.NDArray[np.bool_],
    chances: Sequence[npt.NDArray[np.float64]],
    seed: int,
) -> npt.NDArray[np.float64]:
    """The chance of the weakest slice in each of many deals of the answers: (D,)."""
    random = np.random.default_rng(seed)
    members = np.ascontiguousarray(slices.T).astype(np.int32)  # (N, S)
    sizes, wrong = members.sum(axis=0), int((~hits).sum())
    fewer = min(wrong, len(hits) - wrong)  # only the rarer answer is dealt
    deals = int(np.clip(_DEALT // max(members.shape[1] * fewer, 1), *_DEALS))
    counts = np.empty((deals, len(sizes)), dtype=np.int64)
    for deal in range(deals):
        dealt = members[random.choice(len(hits), fewer, replace=False, shuffle=False)].sum(axis=0)
        counts[deal] = sizes - dealt if fewer == wrong else dealt
    least: npt.NDArray[np.float64] = np.min(
        [chance[counts[:, number]] for number, chance in enumerate(chances)], axis=0
    )
    return least
