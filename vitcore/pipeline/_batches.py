"""Batches: new photos that a run was asked about, with its answers, as they lie on disk.

::

    <run>/batches/<batch id>/
        about.json        title, when, names of the photos, what was refused; there once all are copied
        photos/000000 …   the photos, under generated names
        answers.csv       one row per photo            (vitcore.inference.predict_files)
        corrections.json  answers that somebody corrected

A batch goes with its run.
"""

import re
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path, PurePosixPath
from typing import IO, Any

import numpy as np
import pandas as pd

from vitcore.dataset import Dataset, add_images, load_image, undo, unpack_photos
from vitcore.errors import DatasetError, ImageError, InputError, NotFoundError, StorageError
from vitcore.inference import (
    Classifier,
    Trust,
    keeping_usage,
    load_trust,
    predict_files,
    read_predictions,
)
from vitcore.layouts import Reading
from vitcore.messages import Message, cause, literal, mark
from vitcore.progress import Task
from vitcore.records import (
    StoredMessage,
    Timestamp,
    guard,
    load_record,
    plain_values,
    save_record,
    timestamp,
    write_json,
)
from vitcore.report import answer_sentence
from vitcore.runs import Run
from vitcore.sources import IMAGE_SUFFIXES, NamedFile
from vitcore.text import class_name, spreadsheet
from vitcore.workspace import Workspace, new_id

__all__ = [
    "Correction",
    "PhotoBatch",
    "answer_batch",
    "delete_batch",
    "list_batches",
    "list_damaged_batches",
    "load_batch",
    "new_batch",
]

_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_COLUMNS = ["path", "label", "confidence", "sure", "reason", "error"]
_UNSURE = "not sure"


@dataclass(frozen=True, eq=False)
class PhotoBatch:
    """Photos that a run was asked about, as they stand when this is loaded.

    Attributes:
        folder: Where they lie.
        title: What they were called.
        created: When, as ISO 8601.
        names: Of the photos, in order.
        refused: Files that could not be taken at all, and why.
        times_s: Of each photo that is a picture of a video, when it is seen, in seconds from the start;
            None for others. Empty where no photo is one.
    """

    folder: Path
    title: str
    created: str
    names: tuple[str, ...]
    refused: tuple[tuple[str, Message], ...]
    times_s: tuple[float | None, ...] = ()

    @property
    def id(self) -> str:
        """Its id in the run."""
        return self.folder.name

    @property
    def is_complete(self) -> bool:
        """True if all photos were answered or refused."""
        return len(self.answers) == len(self.names) > 0 or (bool(self.refused) and not self.names)

    def photo(self, number: int) -> Path:
        """The file of a photo."""
        return _photo(self.folder, number)

    @cached_property
    def _table(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        table = self.folder / "answers.csv"
        if not table.is_file():
            return pd.DataFrame(columns=_COLUMNS), pd.DataFrame()
        return read_predictions(table)

    @cached_property
    def answers(self) -> pd.DataFrame:
        """The answers so far: name, label, confidence, sure, reason, error; one row per photo, from 0.

        What cannot be used has an error and no label.
        """
        rows, _ = self._table
        return rows.assign(path=list(self.names[: len(rows)])).rename(columns={"path": "name"})

    @cached_property
    def corrections(self) -> dict[int, "Correction"]:
        """The corrections, by the number of the photo."""
        file = self.folder / "corrections.json"
        if not file.is_file():
            return {}
        return load_record(dict[int, Correction], file, mark("delete it"))

    def probabilities(self, number: int) -> dict[str, float]:
        """Of each class for a photo that was answered, the most probable first."""
        _, shares = self._table
        row = shares.iloc[number].sort_values(ascending=False, kind="stable")
        return {str(label): float(share) for label, share in row.items()}

    def problem(self, number: int) -> Message:
        """Return why a photo cannot be used; the table has it in English alone, so it is found out anew."""
        try:
            load_image(self.photo(number))
        except ImageError as error:
            return error.message
        except OSError as error:
            return cause(error)
        return literal(str(self.answers.loc[number, "error"]))

    def label(self, number: int) -> str:
        """Return the class of a photo: its correction, or else the answer."""
        corrected = self.corrections.get(number)
        return corrected.label if corrected else str(self.answers.loc[number, "label"])

    def possible(self, number: int) -> tuple[str, ...]:
        """Return the classes that a photo may be, the most probable first.

        Raises:
            StorageError: The model of the run is damaged.
        """
        _, shares = self._table
        row = shares.iloc[[number]].to_numpy(dtype=np.float64)
        verdicts = self._trust.verdicts(row, np.zeros(1))
        return verdicts.possible(0, row[0], [str(name) for name in shares.columns])

    @cached_property
    def _trust(self) -> Trust:
        return load_trust(self.folder.parents[1])

    def answer(self, number: int) -> str:
        """Return the answer for a photo: a class, or that it is not sure and why.

        Raises:
            StorageError: The model of the run is damaged.
        """
        row = self.answers.loc[number]
        possible = self.possible(number) if row["reason"] == "ambiguous" else ()
        return answer_sentence(str(row["label"]), str(row["reason"]), possible)

    def correct(self, number: int, label: str, dataset: Dataset) -> Dataset:
        """Say what a photo really shows, and add it to a dataset as that.

        Args:
            number: Of the photo.
            label: A class of the dataset, or a new one.
            dataset: Its latest version is added to.

        Returns:
            The new version.

        Raises:
            ArchiveError: The dataset has this photo in this class already.
            DatasetError: The name cannot be used, the photo was corrected already, or the dataset is being
                changed by somebody else.
            StorageError: The disk is full or not writable.
        """
        label = class_name(label)
        if not label:
            raise DatasetError("The class has no name; choose one, or type a new one.")
        name = PurePosixPath(self.names[number]).name
        if PurePosixPath(name).suffix.lower() not in IMAGE_SUFFIXES:
            name += ".jpg"  # only the content tells, but an import looks at names first
        with self._changed_corrections() as corrections:
            if number in corrections:
                raise DatasetError(
                    "The photo was corrected already, to '{label}'; undo that first.",
                    label=corrections[number].label,
                )
            changed = add_images(dataset, [NamedFile(name, self.photo(number))], reading=Reading(label=label))
            corrections[number] = Correction(label, changed.id, changed.version)
        return changed

    def take_back(self, number: int, dataset: Dataset) -> Dataset:
        """Undo `correct`, as long as the dataset was not changed since.

        Raises:
            DatasetError: It was.
        """
        with self._changed_corrections() as corrections:
            changed = undo(dataset)
            corrections.pop(number, None)
        return changed

    @contextmanager
    def _changed_corrections(self) -> Iterator[dict[int, "Correction"]]:
        """Give the corrections to change, and write them at the end; nobody else does meanwhile."""
        file = self.folder / "corrections.json"
        workspace = Workspace(self.folder.parents[3])
        with workspace.changing(file):
            self.__dict__.pop("corrections", None)
            yield self.corrections
            write_json(file, {str(number): plain_values(what) for number, what in self.corrections.items()})

    def to_csv(self) -> bytes:
        """The answers as a table for spreadsheets: one row per photo, the refused ones last."""
        classes = [str(name) for name in self._table[1].columns]
        rows: list[list[object]] = [
            [
                *([row["time_s"]] if self.times_s else []),
                row["file"],
                self.answer(number) if row["label"] else "",
                row["label"],
                row["confidence"] if row["label"] else "",
                ("yes" if row["sure"] else "no") if row["label"] else "",
                row["reason"],
                row["corrected"],
                row["error"],
                *(row["probabilities"].get(name, "") for name in classes),
            ]
            for number, row in enumerate(self._rows())
        ]
        header = ["file", "answer", "label", "confidence", "sure", "reason", "corrected", "error", *classes]
        header = [*self._time(None), *header]
        return spreadsheet([header, *rows])

    def to_dict(self) -> dict[str, Any]:
        """The answers as plain values: ``predictions`` and ``skipped``, as the command line gives them."""
        rows = list(self._rows())
        return {
            "predictions": [
                {key: value for key, value in row.items() if key != "error"} for row in rows if row["label"]
            ],
            "skipped": [{"file": row["file"], "reason": row["error"]} for row in rows if not row["label"]],
        }

    def _rows(self) -> Iterator[dict[str, Any]]:
        for number, row in enumerate(self.answers.to_dict("records")):
            corrected = self.corrections.get(number)
            yield {
                "file": row["name"],
                "label": row["label"],
                "confidence": row["confidence"],
                "sure": bool(row["sure"]),
                "reason": row["reason"],
                "corrected": corrected.label if corrected else "",
                "error": row["error"],
                "probabilities": self.probabilities(number) if row["label"] else {},
                **self._time(number),
            }
        for name, reason in self.refused:
            yield {
                "file": name, "label": "", "confidence": 0.0, "sure": False, "reason": "", "corrected": "",
                "error": str(reason), "probabilities": {}, **self._time(None),
            }  # fmt: skip

    def _time(self, number: int | None) -> dict[str, float | None]:
        """The time of a picture of a video, for its row; nothing where no photo is one."""
        if not self.times_s:
            return {}
        return {"time_s": None if number is None else self.times_s[number]}

    def write_sorted(self, file: Path | IO[bytes], *, unsure_apart: bool) -> None:
        """Write a zip file with the photos in one folder per class, by what they were taken for.

        Args:
            file: Where to.
            unsure_apart: Whether answers that are not sure go to a folder of their own.
        """
        used: set[str] = set()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:  # photos are compressed already
            for number in self.answers.index[self.answers["label"] != ""]:
                doubted = not self.answers.loc[number, "sure"] and number not in self.corrections
                folder = _UNSURE if unsure_apart and doubted else _part(self.label(number))
                name = _free(f"{folder}/{_part(PurePosixPath(self.names[number]).name)}", used)
                archive.write(self.photo(number), name)


@dataclass(frozen=True, kw_only=True)
class _Description:
    """The record in ``about.json``, as `PhotoBatch` has it."""

    title: str
    created: Timestamp
    names: tuple[str, ...]
    refused: tuple[tuple[str, StoredMessage], ...]
    times_s: tuple[float | None, ...] = ()


@dataclass(frozen=True)
class Correction:
    """The corrected class of a photo, and the version of the dataset that was made by adding it."""

    label: str
    dataset_id: str
    version: int


def new_batch(
    run: Run,
    sources: Sequence[NamedFile],
    title: str,
    *,
    interval_s: float = 0.0,
    task: Task | None = None,
) -> PhotoBatch:
    """Copy photos, or those in archives, into a new batch of a run; `answer_batch` answers them.

    Args:
        run: Whose answers are wanted.
        sources: Photos and archives.
        title: For people.
        interval_s: Seconds between the pictures that are taken of a video; 0 for none.
        task: Where progress is reported, and what stops it; nothing is kept.

    Raises:
        ArchiveError: There is no image in them.
        StorageError: The disk is full or not writable.
        Stopped: The task was stopped.
    """
    folder = run.folder / "batches" / new_id()
    try:
        with guard(folder):
            (folder / "photos").mkdir(parents=True)
            found = unpack_photos(
                sources, lambda number: _photo(folder, number), interval_s=interval_s, task=task
            )
        taken = [item for item in found if item.reason is None]
        times_s = tuple(item.time_s for item in taken)
        about = _Description(
            title=title,
            created=timestamp(),
            names=tuple(item.name for item in taken),
            refused=tuple((item.name, item.reason) for item in found if item.reason is not None),
            times_s=times_s if any(time_s is not None for time_s in times_s) else (),
        )
        save_record(folder / "about.json", about)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return load_batch(run, folder.name)


def answer_batch(
    batch: PhotoBatch,
    classifier: Classifier,
    *,
    task: Task | None = None,
) -> None:
    """Answer what was not answered yet.

    Args:
        batch: The photos.
        classifier: Of their run.
        task: Where progress is reported, and what stops it; what was answered stays.

    Raises:
        Stopped: The task was stopped.
        VitcoreError: As for `vitcore.inference.predict_files`.
    """
    if not batch.names or replace(batch).is_complete:  # as it stands now, not as it was loaded
        return
    table = batch.folder / "answers.csv"
    answer = partial(
        predict_files,
        keeping_usage(classifier, batch.folder.parents[1]),  # of the run, if somebody agreed
        [batch.photo(number) for number in range(len(batch.names))],
        table,
        total=len(batch.names),
        task=task,
    )
    try:
        answer()
    except InputError:  # begun at another level of doubt: all answers are to be of the present one
        table.unlink()
        answer()


def load_batch(run: Run, batch_id: str) -> PhotoBatch:
    """The batch of that id.

    Raises:
        NotFoundError: There is none.
        StorageError: Its files are damaged.
    """
    folder = run.folder / "batches" / batch_id
    if not (_ID.fullmatch(batch_id) and (folder / "about.json").is_file()):
        raise NotFoundError(
            "There are no photos '{batch_id}' any more; drop them again.", batch_id=batch_id[:80]
        )
    about = load_record(_Description, folder / "about.json", mark("drop the photos again"))
    return PhotoBatch(folder=folder, **vars(about))


def list_batches(run: Run) -> list[PhotoBatch]:
    """All batches of a run, newest first; one whose files are damaged is left out."""
    return [found for found in _loaded(run).values() if isinstance(found, PhotoBatch)]


def list_damaged_batches(run: Run) -> dict[str, StorageError]:
    """What is wrong with the batches that `list_batches` leaves out, by their ids, newest first."""
    return {batch_id: found for batch_id, found in _loaded(run).items() if isinstance(found, StorageError)}


def delete_batch(run: Run, batch_id: str) -> None:
    """Delete a batch, damaged or not, from the disk."""
    if _ID.fullmatch(batch_id):
        shutil.rmtree(run.folder / "batches" / batch_id, ignore_errors=True)


def _loaded(run: Run) -> dict[str, PhotoBatch | StorageError]:
    """The batches of a run, or what is wrong with them, newest first."""
    found: dict[str, PhotoBatch | StorageError] = {}
    for folder in sorted((run.folder / "batches").glob("*/"), reverse=True):
        try:
            found[folder.name] = load_batch(run, folder.name)
        except StorageError as error:
            found[folder.name] = error
        except NotFoundError:  # still being copied, or given up by a crash
            continue
    return found


def _photo(folder: Path, number: int) -> Path:
    return folder / "photos" / f"{number:06}"


def _part(name: str) -> str:
    """A name as one part of a path in an archive."""
    text = re.sub(r'[\\/:*?"<>|\x00-\x1f]', "_", name).strip(" .")
    return text[:120] or "_"


def _free(name: str, used: set[str]) -> str:
    """The name, numbered if it was used before."""
    suffix = PurePosixPath(name).suffix
    stem = name.removesuffix(suffix)
    free, count = name, 1
    while free.casefold() in used:
        count += 1
        free = f"{stem} ({count}){suffix}"
    used.add(free.casefold())
    return free
