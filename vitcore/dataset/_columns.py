"""What images may have in common: the columns of a table, and what the files themselves say."""

import numpy as np
import pandas as pd

from vitcore.dataset._groups import COLUMN, extra_columns

__all__ = ["shared_columns"]

_MOST = 30  # values of a column; with more, nearly every image has its own
_SIZES = 3  # ranges of the size


def shared_columns(index: pd.DataFrame) -> dict[str, pd.Series]:
    """Return what the images of an index may have in common, by name.

    Those are the columns of a table, ``camera`` and ``place``, ``month`` (of the photo), ``format`` and
    ``megapixels`` (in three ranges of about as many images), if they have 2 to 30 different values.

    Args:
        index: Rows as in `Dataset.index`.

    Returns:
        Values as text, with the rows' index, empty where an image has none.
    """
    columns = {name: index[COLUMN + name] for name in extra_columns(index) if name != "taken"}
    if COLUMN + "taken" in index:
        columns["month"] = index[COLUMN + "taken"].str[:7]
    columns["format"] = index["format"]
    columns["megapixels"] = _ranges(index["width"] * index["height"] / 1e6)
    return {name: values for name, values in columns.items() if 2 <= values[values != ""].nunique() <= _MOST}


def _ranges(sizes: pd.Series) -> pd.Series:
    """Return the range of each size, as text."""
    edges = np.unique(np.quantile(sizes, np.linspace(0, 1, _SIZES + 1)))
    if len(edges) < 3:
        return pd.Series("", index=sizes.index)
    place = np.clip(np.searchsorted(edges, sizes, side="right") - 1, 0, len(edges) - 2)
    return pd.Series([f"{edges[n]:.2f} … {edges[n + 1]:.2f}" for n in place], index=sizes.index)
