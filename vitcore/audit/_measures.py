"""Measures of the photos themselves: how sharp and light they are, and which are the same picture.

Kept in the dataset's folder, by content, so that edits of the dataset cost nothing::

    measures.json               quality and near-duplicates of all that was ever measured
"""

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Annotated

import pandas as pd

from vitcore import engines, features
from vitcore.audit._near_duplicates import NearDuplicate, find_near_duplicates, pair_table
from vitcore.audit._quality import THRESHOLDS, quality_scores
from vitcore.compute import DEFAULT_COMPUTE, Compute
from vitcore.dataset import Dataset, IssueKind, load_image
from vitcore.errors import ImageError, Stopped, StorageError
from vitcore.messages import mark
from vitcore.progress import Task
from vitcore.records import guard, record_of, save_record, table
from vitcore.workspace import Workspace

__all__ = ["Measures", "load_measures", "measure"]

_REVISION = 1  # raise when the same images would be measured in another way
_CHUNK = 64  # images between two looks at the stop


@dataclass(frozen=True, eq=False, kw_only=True)
class Measures:
    """The images of a dataset, measured.

    Attributes:
        fingerprint: Of the embedder whose embeddings were compared.
        compared: Content hashes of the images that were compared with each other.
        pairs: Near-duplicates among them. Columns first, second (content hashes), similarity (of the
            embeddings, up to 1), likeness (of the pixels, up to 1).
        quality: Scores from 0, the worst, to 1, by content hash. Columns empty, blurry, dark, bright.
    """

    fingerprint: str
    compared: frozenset[str]
    pairs: pd.DataFrame
    quality: pd.DataFrame

    def missing(self, dataset: Dataset) -> int:
        """Return how many images of the present version were not measured."""
        measured = self.compared.intersection(self.quality.index)
        return int((~dataset.index["sha256"].isin(measured)).sum())


@dataclass(frozen=True, eq=False, kw_only=True)
class _Record:
    """The file of `Measures`."""

    revision: int
    fingerprint: str
    compared: tuple[str, ...]
    pairs: tuple[NearDuplicate, ...]
    quality: Annotated[pd.DataFrame, table({"sha256": "str", **dict.fromkeys(THRESHOLDS, "float")})]


def measure(
    dataset: Dataset,
    *,
    compute: Compute = DEFAULT_COMPUTE,
    workspace: Workspace | None = None,
    task: Task | None = None,
) -> Measures:
    """Measure the images that were not measured yet, and keep what is found.

    Args:
        dataset: Whose present images to measure.
        compute: As for `vitcore.train`; a training with it finds the embeddings made here, and engine
            ``auto`` goes on with the one that made them.
        workspace: Where embeddings are kept; the default workspace if not given.
        task: Where progress is reported, and what stops it; what was found so far is kept.

    Raises:
        BackboneError: The backbone cannot be had.
        DeviceError: The device, the precision or the engine is not here.
        ImageError: An image cannot be decoded any more.
        Stopped: The task was stopped.
        StorageError: The disk is full or not writable.
    """
    workspace, task = workspace or Workspace.default(), task or Task()
    measures = load_measures(dataset) or _nothing_measured()
    contents = dataset.index.drop_duplicates("sha256")
    files = features.image_files(dataset, contents)
    embedder, _ = engines.prepare_embedder(
        compute,
        files,
        list(contents["label"]),
        workspace=workspace,
        task=task,
    )
    if measures.fingerprint != embedder.fingerprint or not measures.compared.issuperset(contents["sha256"]):
        found = features.embed_images(embedder, files, task=task)
        pairs = find_near_duplicates(
            dataset,
            contents,
            found.vectors[:, 0],
            fingerprint=embedder.fingerprint,
            task=task,
        )
        measures = _compared(measures, embedder.fingerprint, contents["sha256"], pairs)
        _save(dataset, measures)
    fresh = contents[~contents["sha256"].isin(measures.quality.index)]
    try:
        for scores in _quality(dataset, fresh, task):
            parts = [part for part in (measures.quality, scores) if len(part)]
            measures = replace(measures, quality=pd.concat(parts))
    finally:
        if len(fresh):
            _save(dataset, measures)
    return measures


def load_measures(dataset: Dataset) -> Measures | None:
    """Load what was measured so far; None if that is nothing, or cannot be read any more."""
    path = dataset.folder / "measures.json"
    try:
        status = path.stat()
    except OSError:
        return None
    return _read_measures(path, (status.st_ino, status.st_mtime_ns, status.st_size))


@lru_cache(maxsize=4)  # a page asks at every draw
def _read_measures(path: Path, _version: tuple[int, int, int]) -> Measures | None:
    try:
        with guard(path, mark("delete it")):
            record = record_of(_Record, json.loads(path.read_bytes()))
            if record.revision != _REVISION:
                return None
            quality = record.quality.set_index("sha256")[list(THRESHOLDS)].astype("float64")
    except StorageError:  # it can be measured again
        return None
    return Measures(
        fingerprint=record.fingerprint,
        compared=frozenset(record.compared),
        pairs=pair_table(record.pairs),
        quality=quality,
    )


def _nothing_measured() -> Measures:
    quality = pd.DataFrame(
        columns=list(THRESHOLDS), index=pd.Index([], name="sha256", dtype="str"), dtype="float64"
    )
    return Measures(fingerprint="", compared=frozenset(), pairs=pair_table([]), quality=quality)


def _compared(before: Measures, fingerprint: str, contents: pd.Series, pairs: pd.DataFrame) -> Measures:
    """Add pairs among some contents; those with others, which are excluded for now, are kept."""
    same = before.fingerprint == fingerprint
    elsewhere = ~(before.pairs["first"].isin(contents) & before.pairs["second"].isin(contents))
    kept = before.pairs[elsewhere] if same else before.pairs[:0]
    return Measures(
        fingerprint=fingerprint,
        compared=frozenset(contents) | (before.compared if same else frozenset()),
        pairs=pd.concat([part for part in (kept, pairs) if len(part)] or [pairs], ignore_index=True),
        quality=before.quality,
    )


def _save(dataset: Dataset, measures: Measures) -> None:
    record = _Record(
        revision=_REVISION,
        fingerprint=measures.fingerprint,
        compared=tuple(sorted(measures.compared)),
        pairs=tuple(measures.pairs.itertuples(index=False, name=None)),
        quality=measures.quality.round(4).rename_axis("sha256").reset_index(),
    )
    save_record(dataset.folder / "measures.json", record)


def _quality(dataset: Dataset, contents: pd.DataFrame, task: Task) -> Iterator[pd.DataFrame]:
    """Score the thumbnails of images, some at a time."""
    if contents.empty:
        return
    meter = task.meter("check", len(contents))
    with ThreadPoolExecutor(min(16, os.cpu_count() or 1), thread_name_prefix="vitcore-check") as pool:
        for start in range(0, len(contents), _CHUNK):
            if task.stopped:
                raise Stopped("The check was stopped; what was found so far is kept.")
            chunk = contents.iloc[start : start + _CHUNK]
            scores = list(pool.map(partial(_scores, dataset), chunk["file"]))
            yield pd.DataFrame(scores, index=pd.Index(chunk["sha256"], name="sha256"))
            meter.add(len(chunk))


def _scores(dataset: Dataset, file: str) -> dict[IssueKind, float]:
    try:
        return quality_scores(load_image(dataset.thumbnail(file)))
    except (ImageError, OSError) as error:
        raise ImageError(
            "{file} can no longer be read ({error}); import the dataset again.",
            file=dataset.path(file),
            error=error,
        ) from error
