"""The brightness of photos, and with it all that photos may have in common.

Measured once for each content, and kept in the dataset's folder::

    brightness.json             of all that was ever measured, by content
"""

import contextlib
import json
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import pandas as pd

from vitcore.audit._quality import brightness
from vitcore.dataset import Dataset, SharedColumn, load_image, shared_columns
from vitcore.errors import ImageError, Stopped, StorageError
from vitcore.messages import mark
from vitcore.progress import Task
from vitcore.records import guard, record_of, save_record
from vitcore.vectors import slices

__all__ = ["measure_brightness", "photo_conditions"]

_FILE = "brightness.json"
_REVISION = 1  # raise when the same image would be measured in another way
_CHUNK = 64  # images between two looks at the stop


@dataclass(frozen=True)
class _Record:
    """The file: the brightness of images by their content hashes, 0 … 255."""

    revision: int
    brightness: dict[str, float]


def photo_conditions(
    dataset: Dataset, rows: pd.DataFrame, *, task: Task | None = None
) -> dict[str, SharedColumn]:
    """Return what images may have in common, their brightness included; see `shared_columns`.

    Args:
        dataset: As for `measure_brightness`.
        rows: As for `measure_brightness`.
        task: As for `measure_brightness`.

    Raises:
        Stopped: The task was stopped.
    """
    return shared_columns(rows, brightness=measure_brightness(dataset, rows, task=task))


def measure_brightness(dataset: Dataset, rows: pd.DataFrame, *, task: Task | None = None) -> pd.Series:
    """Return the mean brightness of images, from 0 (black) to 255 (white); NaN for one that cannot be read.

    Measured on thumbnails, and only where it was not measured before.

    Args:
        dataset: Where the images are.
        rows: Some rows of its index.
        task: Where progress is reported, and what stops it; what was measured so far is kept.

    Raises:
        Stopped: The task was stopped.
    """
    task = task or Task()
    known = dict(_load(dataset))
    fresh = rows[~rows["sha256"].isin(known)].drop_duplicates("sha256")
    if len(fresh):
        try:
            _measure(dataset, fresh, known, task)
        finally:
            # What cannot be kept is measured once more next time.
            with contextlib.suppress(StorageError):
                save_record(dataset.folder / _FILE, _Record(_REVISION, known))
    return rows["sha256"].map(known).astype("float64")


def _measure(dataset: Dataset, fresh: pd.DataFrame, known: dict[str, float], task: Task) -> None:
    """Measure images, some at a time, and add them to those that are known."""
    meter = task.meter("check", len(fresh))
    with ThreadPoolExecutor(min(16, os.cpu_count() or 1), thread_name_prefix="vitcore-check") as pool:
        for part in slices(len(fresh), _CHUNK):
            if task.stopped:
                raise Stopped("The check was stopped; what was found so far is kept.")
            chunk = fresh.iloc[part]
            values = pool.map(partial(_mean, dataset), chunk["file"])
            found = dict(zip(chunk["sha256"], values, strict=True))
            known.update({sha256: value for sha256, value in found.items() if value is not None})
            meter.add(len(chunk))


def _mean(dataset: Dataset, file: str) -> float | None:
    try:
        return round(255 * float(brightness(load_image(dataset.thumbnail(file))).mean()), 1)
    except (ImageError, StorageError, OSError):
        return None


def _load(dataset: Dataset) -> Mapping[str, float]:
    """What was measured so far; nothing if that cannot be read any more."""
    path = dataset.folder / _FILE
    try:
        status = path.stat()
    except OSError:
        return {}
    return _read(path, (status.st_ino, status.st_mtime_ns, status.st_size))


@lru_cache(maxsize=4)
def _read(path: Path, _version: tuple[int, int, int]) -> Mapping[str, float]:
    try:
        with guard(path, mark("delete it")):
            record = record_of(_Record, json.loads(path.read_bytes()))
    except StorageError:  # it can be measured again
        return {}
    return record.brightness if record.revision == _REVISION else {}
