"""What images may have in common: columns of a table, what the files say, ranges of what is measured."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from vitcore.dataset._groups import COLUMN, extra_columns
from vitcore.messages import Message, literal, mark, message

__all__ = ["SharedColumn", "shared_columns"]

_MOST = 30  # values of a column; with more, nearly every image has its own
_SQUARE = 1.1  # times as long as the other side, from which on an image is wide or tall
_LEAST_SPREAD = 16  # of the brightness; with less, all images are about as light


class _Names(NamedTuple):
    """Templates for the names of ranges: the lowest one, those between, those of one number, the highest."""

    lowest: str
    between: str
    single: str
    highest: str


_BRIGHTNESS = _Names(
    mark("dark (below {high})"),
    mark("medium ({low} to {highest})"),
    mark("medium ({low})"),
    mark("bright ({low} and above)"),
)
_SIZES = _Names(
    mark("small (below {high} pixels)"),
    mark("medium ({low} to {highest} pixels)"),
    mark("medium ({low} pixels)"),
    mark("large ({low} pixels and above)"),
)


@dataclass(frozen=True, eq=False)
class SharedColumn:
    """Something that images may have in common.

    Attributes:
        values: Of each image, as text, empty where it has none: (N,).
        titles: What the values are called that are no names from outside.
    """

    values: pd.Series
    titles: Mapping[str, Message] = field(default_factory=dict)

    def title(self, value: str) -> Message:
        """Return what a value is called."""
        return self.titles.get(value) or literal(value)


def shared_columns(index: pd.DataFrame, *, brightness: pd.Series | None = None) -> dict[str, SharedColumn]:
    """Return what the images of an index may have in common, by name.

    Those are the columns of a table, ``camera`` and ``place``, ``month`` (of the photo), ``format``, ``size``
    (the longer side, in up to three ranges of about as many images), ``shape`` (wide, tall or square) and
    ``brightness`` (as the size), if they have 2 to 30 different values. A column of a table goes before what
    else has its name.

    Args:
        index: Rows as in `Dataset.index`, N.
        brightness: Of the images, 0 … 255, NaN where it is not known: (N,).

    Returns:
        Columns with the rows' index.
    """
    columns = {}
    if COLUMN + "taken" in index:
        columns["month"] = SharedColumn(index[COLUMN + "taken"].str[:7])
    columns["format"] = SharedColumn(index["format"])
    longer = index[["width", "height"]].max(axis=1)
    columns["size"] = _ranges(longer, _SIZES)
    columns["shape"] = _shapes(index)
    if brightness is not None and _spread(brightness) >= _LEAST_SPREAD:
        columns["brightness"] = _ranges(brightness, _BRIGHTNESS)
    named = {name: SharedColumn(index[COLUMN + name]) for name in extra_columns(index) if name != "taken"}
    columns = named | {name: column for name, column in columns.items() if name not in named}
    return {name: column for name, column in columns.items() if 2 <= _count(column) <= _MOST}


def _count(column: SharedColumn) -> int:
    """The number of different values."""
    return int(column.values[column.values != ""].nunique())


def _spread(values: pd.Series) -> float:
    return float(values.max() - values.min())


def _shapes(index: pd.DataFrame) -> SharedColumn:
    """Return the shape of each image: wide, tall or square."""
    titles = (message("tall"), message("square"), message("wide"))
    ratio = (index["width"] / index["height"]).to_numpy()
    return _named(index, np.searchsorted([1 / _SQUARE, _SQUARE], ratio), titles)


def _ranges(values: pd.Series, names: _Names) -> SharedColumn:
    """Cut values, NaN where there is none, into ranges of about as many images, by whole numbers: (N,)."""
    whole = values.round()
    bounds = _bounds(whole.dropna().to_numpy().astype(np.int64))
    titles = [message(names.lowest, high=bound) for bound in bounds[:1]]
    for low, high in itertools.pairwise(bounds):
        template = names.single if high == low + 1 else names.between
        titles.append(message(template, low=low, highest=high - 1))
    titles += [message(names.highest, low=bound) for bound in bounds[-1:]]
    places = np.searchsorted(bounds, whole.fillna(0).to_numpy(), side="right")
    return _named(values, np.where(whole.isna(), -1, places), titles)


def _bounds(known: npt.NDArray[np.int64]) -> list[int]:
    """The lowest values of all ranges but the first; none if all values are the same."""
    if not len(known):
        return []
    thirds = np.round(np.quantile(known, [1 / 3, 2 / 3])).astype(np.int64)
    # Where a third of the values and more are the lowest one, the range behind it begins with the next.
    above = known[known > known.min()]
    return sorted({int(max(third, above.min())) for third in thirds}) if len(above) else []


def _named(
    rows: Any, places: npt.NDArray[np.integer], titles: "list[Message] | tuple[Message, ...]"
) -> SharedColumn:
    """Return a column of names, by their places in a list; empty for a place below 0."""
    names = [str(title) for title in titles]
    values = pd.Series(
        [names[place] if 0 <= place < len(names) else "" for place in places], index=rows.index
    )
    return SharedColumn(values, dict(zip(names, titles, strict=True)))
