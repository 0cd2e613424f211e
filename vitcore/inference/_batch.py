"""Predicting any number of files into a table on disk, in constant memory, to be gone on with after a crash.

The table is a CSV file with one row per file, in the order in which they were given: ``path``, ``label``,
``confidence``, ``sure``, ``reason``, ``error``, then the probability of each class. Class columns come by
position, so a class may be called ``label`` as well. Where videos are answered, ``time_s`` comes before all:
when a picture is seen, in seconds from the start of its video; empty for a photo. People open the table in a
spreadsheet: it begins with the mark of UTF-8, and names that look like a formula have an apostrophe in front
(`vitcore.text.harmless`), which is gone when the table is read here.

While a table is not complete, ``<table>.unfinished`` lies beside it: which classifier is at work, and how
many bytes of the table are rows that can be relied on. It is written after these rows have reached the disk,
so that what follows them, half a row perhaps, can be cut off. A line feed would not do to find the last
whole row, for names of files may hold one.
"""

import csv
import glob
import hashlib
import json
import math
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
import pandas as pd

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

from vitcore.errors import InputError, NotFoundError, Stopped, StorageError
from vitcore.evaluation import FORMER_REASONS
from vitcore.features import Pass, Unreadable, local_pass
from vitcore.inference._classifier import Classifier, Prediction
from vitcore.messages import Message, mark, message
from vitcore.progress import Progress, Task
from vitcore.records import guard, load_record, plain_values, save_record
from vitcore.text import as_meant, spreadsheet, spreadsheet_rows

__all__ = [
    "BatchResult",
    "PredictedFile",
    "VideoPicture",
    "each_prediction",
    "predict_files",
    "read_predictions",
]

_FORMAT = 1
_COLUMNS = ("path", "label", "confidence", "sure", "reason", "error")
_WIDTH = len(_COLUMNS)
_TIME = "time_s"
_YES = "yes"
_REMEMBERED = 20


class VideoPicture(bytes):
    """A picture of a video, as the content of an image file; its text is its name.

    Attributes:
        name: That of the video, with the time in it.
        time_s: When it is seen, in seconds from the start.
        problem: Why there is no picture: it is empty then, and has the name of the video.
    """

    name: str
    time_s: float | None
    problem: Message | None

    @classmethod
    def of(
        cls, name: str, content: bytes = b"", time_s: float | None = None, problem: Message | None = None
    ) -> Self:
        """Return a picture, or that there is none."""
        picture = cls(content)
        picture.name, picture.time_s, picture.problem = name, time_s, problem
        return picture

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, kw_only=True)
class PredictedFile:
    """A row of a table of predictions.

    Attributes:
        path: The file, as text: bytes that are no UTF-8 are replaced.
        label: The most probable class; empty if the file cannot be used.
        confidence: Its probability, 0 … 1; not a number if the file cannot be used.
        sure: Whether it is beyond the doubt that is tolerated.
        reason: Why it is not, as in `Prediction`.
        error: Why the file cannot be used; empty if it can.
        probabilities: Of every class, most probable first; empty if the file cannot be used.
        time_s: When it is seen, in seconds from the start of its video; None if it is no picture of one.
    """

    path: str
    label: str = ""
    confidence: float = math.nan
    sure: bool = False
    reason: str = ""
    error: str = ""
    probabilities: Mapping[str, float]
    time_s: float | None = None

    @classmethod
    def of(cls, path: Path | bytes | str, result: Prediction | Unreadable) -> Self:
        """The answer of `Classifier.predict_each` for a file."""
        picture = path if isinstance(path, VideoPicture) else None
        if isinstance(result, Unreadable):
            reason = picture.problem if picture is not None and picture.problem else result.reason
            return cls(path=_text(path), error=str(reason), probabilities={})
        return cls(
            path=_text(path),
            label=result.label,
            confidence=result.confidence,
            sure=result.sure,
            reason=result.reason,
            probabilities=result.probabilities,
            time_s=None if picture is None else picture.time_s,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: the answer, or the reason why the file cannot be used."""
        if self.error:
            return {"path": self.path, "reason": self.error}
        return {
            "path": self.path,
            "label": self.label,
            "confidence": self.confidence,
            "sure": self.sure,
            "reason": self.reason,
            "probabilities": dict(self.probabilities),
            **({} if self.time_s is None else {_TIME: self.time_s}),
        }


@dataclass(frozen=True, kw_only=True)
class BatchResult:
    """The outcome of predicting files into a table.

    Attributes:
        images: Rows of the table.
        kept: How many of them were there before.
        skipped: How many of them are of files that cannot be used.
        first_skipped: The first 20 of these.
    """

    images: int
    kept: int
    skipped: int
    first_skipped: tuple[PredictedFile, ...]


def predict_files(
    classifier: Classifier,
    files: Iterable[Path | bytes],
    table: Path,
    *,
    total: int | None = None,
    timed: bool = False,
    forward_pass: Pass = local_pass,
    task: Task | None = None,
) -> BatchResult:
    """Predict files into a CSV file, batch by batch; memory does not grow with their number.

    A table that was left unfinished, by a crash say, is gone on with: its rows are kept, and files that
    have one are not touched again. Where the files are not those of before, or in another order, the rows
    that are missing are added at the end; some hundred bytes of memory per row are needed for that alone.
    A table that is complete is replaced.

    Args:
        classifier: What predicts.
        files: Images, in order, each with its name as its text; what cannot be used gets a row with the
            reason.
        table: The CSV file.
        total: How many files there are, for the progress, if that is known.
        timed: Whether the table says when each picture of a video is seen.
        forward_pass: What takes them through the backbone.
        task: Where progress is reported, and what stops it; the rows that are there stay.

    Raises:
        InputError: The table was begun with another classifier, or somebody else is writing it.
        StorageError: The table cannot be written, or was changed since it was begun.
        Stopped: The task was stopped.
    """
    task, tally = task or Task(), _Tally()
    with closing(_Table(table, classifier, timed=timed)) as rows:
        remaining = _remaining(iter(files), tally.counting(rows.kept()))
        kept = tally.images
        meter = task.meter("predict", total, kept) if total is not None else None
        with closing(classifier.predict_each(remaining, forward_pass=forward_pass)) as results:
            while True:
                if task.stopped:
                    raise Stopped(
                        "Stopped after {images} images, which are kept; start it again to go on.",
                        images=tally.images,
                    )
                task.give_way()
                # As many as the classifier takes at once: what goes on later begins with the same batch,
                # and as batches can make a difference in the last digit, only so the rows are the same.
                following = islice(results, classifier.embedder.batch_size)
                batch = [PredictedFile.of(path, result) for path, result in following]
                if not batch:
                    break
                rows.write(tally.counting(batch))
                if meter is not None:
                    meter.add(len(batch))
                else:
                    task.report(Progress(phase="predict", done=tally.images))
        rows.finish()
    return BatchResult(
        images=tally.images, kept=kept, skipped=tally.skipped, first_skipped=tuple(tally.first_skipped)
    )


def each_prediction(table: Path) -> Iterator[PredictedFile]:
    """The rows of a table that `predict_files` wrote, one by one; of an unfinished one those it has.

    Raises:
        NotFoundError: There is no such file.
        InputError: It is no table of predictions.
    """
    with _opened(table) as (classes, rows):
        for time_s, cells in rows:
            yield _predicted(cells, classes, time_s)


def read_predictions(
    table: Path, start: int = 0, count: int | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of a table that `predict_files` wrote; of an unfinished one those it has.

    Args:
        table: The CSV file.
        start: The first row wanted, from 0.
        count: How many; all that follow if not given.

    Returns:
        Path to error, as in `PredictedFile`, and the probabilities, one column per class; the
        numbers of the rows are the index of both. A file that cannot be used has no label, and what is no
        number instead of its confidence and probabilities.

    Raises:
        NotFoundError: There is no such file.
        InputError: It is no table of predictions.
    """
    with _opened(table) as (classes, rows):
        chosen = [cells for _, cells in islice(rows, start, None if count is None else start + count)]
        numbers = np.array(
            [[_number(cells[2]), *map(_number, cells[_WIDTH:])] for cells in chosen], dtype=np.float64
        ).reshape(len(chosen), 1 + len(classes))
    index = pd.RangeIndex(start, start + len(chosen))
    answers = pd.DataFrame([cells[:_WIDTH] for cells in chosen], index, list(_COLUMNS), dtype="str")
    answers["confidence"] = numbers[:, 0]
    answers["sure"] = np.array([cells[3] == _YES for cells in chosen], dtype=np.bool_)
    return answers, pd.DataFrame(numbers[:, 1:], index, list(classes))


# --- the table as it is written --------------------------------------------------------------------


class _Table:
    """A table that rows are added to, by one writer at a time.

    Args:
        path: The CSV file; it is begun, or gone on with.
        classifier: What makes the rows.
        timed: Whether their times come first.
    """

    def __init__(self, path: Path, classifier: Classifier, *, timed: bool) -> None:
        self._path = path
        self._marker = _marker(path)
        self._digest = _digest(classifier, timed=timed)
        self._timed = timed
        self._classes = classifier.classes
        if path.exists() and not path.is_file():
            raise InputError(
                "{path} is not a file, and can be no table; give the name of a CSV file.", path=path
            )
        with guard(path):
            self._file = path.open("a+b")
        try:
            with guard(self._path):
                self._lock()
                self._begin()
        except BaseException:
            self._file.close()
            raise

    def kept(self) -> Iterator[PredictedFile]:
        """The rows that were there before."""
        try:
            with _opened(self._path) as (classes, rows):
                for time_s, cells in rows:
                    yield _predicted(cells, classes, time_s)
        except InputError as error:
            raise self._changed() from error

    def write(self, rows: Iterable[PredictedFile]) -> None:
        """Add rows; when this returns they are on the disk and will be kept."""
        self._write(self._timing(row.time_s) + _cells(row, self._classes) for row in rows)

    def _timing(self, time_s: float | None) -> list[str]:
        if not self._timed:
            return []
        return ["" if time_s is None else f"{time_s:.3f}"]

    def finish(self) -> None:
        """Call it complete."""
        with guard(self._path):
            self._marker.unlink()

    def close(self) -> None:
        """Let go of the file."""
        with guard(self._path):
            self._file.close()

    def _lock(self) -> None:
        if fcntl is None:
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                "{table} is being written by somebody else; wait for the end of that, or give another file.",
                table=self._path,
            ) from error

    def _begin(self) -> None:
        """Cut off what cannot be relied on, or everything; then there is at least the header."""
        found = _read_marker(self._path)
        size_bytes = self._file.seek(0, os.SEEK_END)
        self._bytes = 0
        if found is None or size_bytes == 0:
            self._mark()  # first: a table without a mark counts as complete
        else:
            self._bytes = found.bytes
            if found.classifier != self._digest:
                raise InputError(
                    "{table} was begun with another classifier, at another level of doubt, or with videos "
                    "treated differently, and is not complete; give another file, or delete it to start "
                    "over.",
                    table=self._path,
                )
            if self._bytes > size_bytes or not self._ends_a_row():
                raise self._changed()
            # A crash may have left a mark that was not yet in its place.
            for left in self._path.parent.glob(f".tmp-*-{glob.escape(self._marker.name)}"):
                left.unlink()
        self._file.truncate(self._bytes)
        if self._bytes == 0:
            self._write([[*([_TIME] if self._timed else []), *_COLUMNS, *self._classes]])

    def _ends_a_row(self) -> bool:
        if self._bytes == 0:
            return True
        self._file.seek(self._bytes - 1)
        return self._file.read(1) == b"\n"

    def _changed(self) -> StorageError:
        return StorageError(
            "{table} was changed since it was begun; give another file, or delete it to start over.",
            table=self._path,
        )

    def _write(self, rows: Iterable[Sequence[str]]) -> None:
        data = spreadsheet(rows) if self._bytes == 0 else spreadsheet_rows(rows).encode("utf-8", "replace")
        with guard(self._path):
            self._file.write(data)
            self._file.flush()
            os.fsync(self._file.fileno())
            self._bytes += len(data)
            self._mark()

    def _mark(self) -> None:
        save_record(self._marker, _Unfinished(classifier=self._digest, bytes=self._bytes))


class _Tally:
    """Counts rows, and remembers the first of files that cannot be used."""

    def __init__(self) -> None:
        self.images = 0
        self.skipped = 0
        self.first_skipped: list[PredictedFile] = []

    def counting(self, rows: Iterable[PredictedFile]) -> Iterator[PredictedFile]:
        """The same rows, counted as they go by."""
        for row in rows:
            self.images += 1
            if row.error:
                self.skipped += 1
                if self.skipped <= _REMEMBERED:
                    self.first_skipped.append(row)
            yield row


def _remaining(files: Iterator[Path | bytes], rows: Iterator[PredictedFile]) -> Iterator[Path | bytes]:
    """The files that have no row yet.

    As a rule the files are those of before, in the order of before: both can be walked in step. From where
    they differ on, it takes a digest of every row.
    """
    for row in rows:
        file = next(files, None)
        if file is None or _text(file) != row.path:
            done = Counter(_short_digest(other.path) for other in chain([row], rows))
            pending = files if file is None else chain([file], files)
            return (file for file in pending if not _strike_off(done, _text(file)))
    return files


def _strike_off(done: Counter[int], path: str) -> bool:
    """Return whether a file has a row; each row stands for one, for a file may come more than once."""
    digest = _short_digest(path)
    found = done[digest] > 0
    done[digest] -= found
    return found


def _short_digest(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


def _digest(classifier: Classifier, *, timed: bool) -> str:
    """Of all that decides what a classifier says of an image, and what the columns are."""
    head, trust = vars(classifier.head), classifier.trust
    facts = {
        "format": _FORMAT,
        "classes": classifier.classes,
        "embedder": classifier.embedder.fingerprint,
        "trust": plain_values(trust.record),
        **({_TIME: True} if timed else {}),
    }
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name, array in sorted({**head, "references": trust.references, **trust.probe_arrays}.items()):
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


# --- the table as it is read -----------------------------------------------------------------------


def _marker(table: Path) -> Path:
    return table.with_name(f"{table.name}.unfinished")


@dataclass(frozen=True, kw_only=True)
class _Unfinished:
    """The record beside a table that is not complete.

    Attributes:
        classifier: Digest of the classifier at work.
        bytes: How much of the table can be relied on.
    """

    classifier: str
    bytes: int


def _read_marker(table: Path) -> _Unfinished | None:
    """Return the record beside a table; None if it is complete.

    Raises:
        StorageError: The file beside the table is damaged.
    """
    path = _marker(table)
    if not path.is_file():
        return None
    return load_record(_Unfinished, path, mark("delete it to start the table over"))


@contextmanager
def _opened(table: Path) -> Iterator[tuple[tuple[str, ...], Iterator[tuple[float | None, list[str]]]]]:
    """The classes of a table, and the times and cells of its rows, as far as they can be relied on.

    Raises:
        NotFoundError: There is no such file.
        InputError: It turns out to be something else while the block reads it.
    """
    found = _read_marker(table)
    try:
        file = table.open("rb")
    except OSError as error:
        raise NotFoundError(
            "There are no predictions in {table} ({error}); give a table that 'vitcore predict --csv' wrote.",
            table=table,
            error=error,
        ) from error
    with file:
        end = os.fstat(file.fileno()).st_size if found is None else found.bytes
        try:
            rows = csv.reader(_lines(file, end), strict=True)
            header = next(rows, list(_COLUMNS))
            timed = header[:1] == [_TIME]
            yield _classes(header[timed:]), _as_written(_of_width(len(header), rows), timed=timed)
        except (csv.Error, ValueError) as error:
            raise InputError(
                "{table} is no table of predictions ({error}); give one that 'vitcore predict --csv' wrote.",
                table=table,
                error=error,
            ) from error


def _lines(file: IO[bytes], end: int) -> Iterator[str]:
    """The lines of a file up to a position."""
    encoding = "utf-8-sig"  # the mark is in front of the first line only
    for line in file:
        end -= len(line)
        if end < 0:
            return
        yield line.decode(encoding)
        encoding = "utf-8"


def _classes(header: Sequence[str]) -> tuple[str, ...]:
    if tuple(header[:_WIDTH]) != _COLUMNS:
        raise ValueError(message("its columns are {columns}", columns=", ".join(header)[:80]))
    return tuple(map(as_meant, header[_WIDTH:]))


def _of_width(width: int, rows: Iterable[list[str]]) -> Iterator[list[str]]:
    for cells in rows:
        if len(cells) != width:
            raise ValueError(
                message("a row has {cells} cells, the first one {width}", cells=len(cells), width=width)
            )
        yield cells


def _cells(row: PredictedFile, classes: Sequence[str]) -> list[str]:
    if row.error:
        return [row.path, "", "", "", "", row.error, *[""] * len(classes)]
    sure = _YES if row.sure else "no"
    shares = (f"{row.probabilities[label]:.9g}" for label in classes)
    return [row.path, row.label, f"{row.confidence:.9g}", sure, row.reason, "", *shares]


def _as_written(rows: Iterator[list[str]], *, timed: bool) -> Iterator[tuple[float | None, list[str]]]:
    """Times, names as they are, and reasons as they are called today."""
    reason = _COLUMNS.index("reason")
    for cells in rows:
        time = cells.pop(0) if timed else ""
        cells[:_WIDTH] = map(as_meant, cells[:_WIDTH])
        cells[reason] = FORMER_REASONS.get(cells[reason], cells[reason])
        yield (float(time) if time else None), cells


def _predicted(cells: Sequence[str], classes: Sequence[str], time_s: float | None) -> PredictedFile:
    path, label, confidence, sure, reason, error, *shares = cells
    ranked = sorted(zip(classes, map(_number, shares), strict=True), key=lambda item: -item[1])
    return PredictedFile(
        path=path,
        label=label,
        confidence=_number(confidence),
        sure=sure == _YES,
        reason=reason,
        error=error,
        probabilities={} if error else dict(ranked),
        time_s=time_s,
    )


def _number(cell: str) -> float:
    return float(cell) if cell else math.nan


def _text(path: Path | bytes | str) -> str:
    return str(path).encode("utf-8", "replace").decode("utf-8")  # names may be any bytes
