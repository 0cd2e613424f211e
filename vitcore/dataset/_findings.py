"""Findings of the checks of a dataset: one for each kind of fault, with the images that show it."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from vitcore.messages import Message, counted

__all__ = [
    "MAX_PREVALENCE",
    "Finding",
    "ImageGroups",
    "IssueKind",
    "Remedy",
    "count_images",
    "groups_of_images",
]

IssueKind = Literal[  # the most harmful first
    "contradiction",
    "leak",
    "format_tells",
    "size_tells",
    "copies",
    "near_duplicates",
    "empty",
    "blurry",
    "dark",
    "bright",
    "odd_size",
    "odd_shape",
]
Remedy = Literal["keep_one", "exclude", "relabel"]
ImageGroups = tuple[tuple[int, ...], ...]

MAX_PREVALENCE = 0.5
"""Share of the images above which a property is what the dataset is like, not a fault of some."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong with a dataset.

    Attributes:
        kind: ``contradiction`` (one picture under several labels), ``leak`` (one picture in several
            parts of a ready-made split), ``format_tells`` or ``size_tells`` (the class can be told
            without looking at the picture), ``copies`` (the same file), ``near_duplicates`` (the
            same picture), ``empty``, ``blurry``, ``dark``, ``bright``, ``odd_size``, ``odd_shape``.
        sentence: What it is, of how many images, and why it matters.
        groups: Ids of images to be shown side by side. The first of a group is the one to keep.
        remedies: What helps: ``keep_one`` of each group, ``exclude`` images, ``relabel`` them.
    """

    kind: IssueKind
    sentence: Message
    groups: ImageGroups
    remedies: tuple[Remedy, ...]


def groups_of_images(
    index: pd.DataFrame,
    numbers: npt.NDArray[np.int64],
    chosen: npt.NDArray[np.bool_],
    order: npt.NDArray[Any] | None = None,
) -> ImageGroups:
    """Ids of the chosen rows, those with one number together, each group by `order` and then by id."""
    rows = np.flatnonzero(chosen)
    numbers, image_ids = numbers[rows], index["image_id"].to_numpy()[rows]
    keys = (image_ids, numbers) if order is None else (image_ids, order[rows], numbers)
    sorting = np.lexsort(keys)
    starts = np.flatnonzero(np.diff(numbers[sorting])) + 1
    groups = [tuple(ids.tolist()) for ids in np.split(image_ids[sorting], starts) if len(ids)]
    return tuple(sorted(groups, key=min))


def count_images(count: int) -> Message:
    """Return a number of images in words: ``1 image``, ``1,200 images``."""
    return counted("{count} image", "{count} images", count)
