"""The sides of images, kept with their dataset: one that was learned from or judged stays where it is.

A division is found by what it is drawn with, a seed and a fraction, and says on which side each content is,
also those of images that were taken out meanwhile, which may come back.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy.typing as npt
import pandas as pd

from vitcore.dataset._dataset import Dataset
from vitcore.dataset._split import split_index
from vitcore.errors import StorageError
from vitcore.messages import mark
from vitcore.records import guard, load_record, write_json
from vitcore.workspace import Workspace

__all__ = ["KeptSplit", "divide", "kept_divisions", "kept_sides"]

_FOLDER = "divisions"
_Sides = dict[str, Literal["train", "validation"]]  # by content hash


@dataclass(frozen=True, eq=False)
class KeptSplit:
    """A split that later ones follow.

    Attributes:
        parts: As `split_index` gives them.
        redrawn: True if there was an earlier one that is damaged, so that all were drawn anew.
    """

    parts: pd.Series
    redrawn: bool = False


def divide(
    dataset: Dataset,
    rows: pd.DataFrame,
    *,
    validation_fraction: float,
    seed: int,
    groups: npt.NDArray[Any] | None = None,
) -> KeptSplit:
    """Divide images as `split_index` does, each on the side that it had before, and keep that for later.

    A ready-made division is kept by the images themselves.

    Args:
        dataset: Where the images are.
        rows: Rows of its index, of one version or another.
        validation_fraction: As for `split_index`.
        seed: As for `split_index`.
        groups: As for `split_index`.

    Raises:
        SettingsError: The fraction is out of range.
        DatasetError: Fewer than two classes, or a class too small to be split.
        StorageError: The disk is full or not writable.
    """
    drawn_with: dict[str, Any] = {"validation_fraction": validation_fraction, "seed": seed, "groups": groups}
    if (rows["split"] == "validation").any():
        return KeptSplit(split_index(rows, **drawn_with))
    path = _path(dataset, seed, validation_fraction)
    with Workspace(dataset.folder.parents[1]).changing(path):
        found = _load(path)
        before = found or {}
        parts = split_index(rows, earlier=_sides_of(rows, before), **drawn_with)
        drawn = parts != "test"
        sides = {**before, **dict(zip(rows.loc[drawn, "sha256"], parts[drawn], strict=True))}
        if sides != before:
            with guard(path):
                path.parent.mkdir(exist_ok=True)
            write_json(path, sides)
    return KeptSplit(parts, redrawn=found is None)


def kept_sides(dataset: Dataset, rows: pd.DataFrame, *, validation_fraction: float, seed: int) -> pd.Series:
    """The side that each image had in earlier divisions, for `split_index`; empty where it is new.

    Args:
        dataset: Where the images are.
        rows: Rows of its index.
        validation_fraction: As for `split_index`.
        seed: As for `split_index`.
    """
    return _sides_of(rows, _load(_path(dataset, seed, validation_fraction)) or {})


def kept_divisions(dataset: Dataset) -> frozenset[tuple[int, float]]:
    """The divisions that there are of a dataset, by seed and validation fraction."""
    names = [path.stem.partition("-") for path in (dataset.folder / _FOLDER).glob("[0-9]*-*.json")]
    return frozenset((int(seed), float(fraction)) for seed, _, fraction in names)


def _path(dataset: Dataset, seed: int, fraction: float) -> Path:
    return dataset.folder / _FOLDER / f"{seed}-{float(fraction)!r}.json"


def _load(path: Path) -> _Sides | None:
    """The kept sides, none where there are none yet; None if they are damaged."""
    if not path.is_file():
        return {}
    try:
        return load_record(_Sides, path, mark("train again"))
    except StorageError:  # said by those who divide anew
        return None


def _sides_of(rows: pd.DataFrame, sides: _Sides) -> pd.Series:
    found = [sides.get(content, "") for content in rows["sha256"]]
    return pd.Series(found, index=rows.index, dtype="str")
