"""The store of embeddings: each computed once, found again by what the image is.

The vector of an image depends on the content of its file, on the embedder and on the view, and on
nothing else; so it is kept under exactly these. The same photo in two datasets, a renamed class or
another split costs nothing.

One folder per embedder fingerprint::

    vectors.f16      float16, one row of D numbers after another
    index.sqlite     (content hash, view) -> row number, checksum

A batch is written to the first file, flushed, and then entered in the index in one transaction: a
killed process loses at most the batch it was working on, and readers never see half a vector.

A checksum is that of a vector together with what it is the vector of. So whatever happens to either file,
a vector that is not what was written is found, and computed again.
"""

import os
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Self, TypeVar

import filelock
import numpy as np
import numpy.typing as npt

from vitcore.backbone import Embedder
from vitcore.errors import StorageError
from vitcore.messages import mark
from vitcore.records import guard
from vitcore.vectors import slices

__all__ = ["FeatureStore", "Key", "StoredVectors"]

Ints = npt.NDArray[np.int64]
Vector = npt.NDArray[np.float16]

Key = tuple[str, str]
"""Content hash and view key."""

_Answer = TypeVar("_Answer")
_Entry = tuple[str, str, int, int | None]  # content hash, view key, row, checksum; none in an older index

# In single precision, as which a training holds them. Up to that they are read at once: a training on
# them is done in a moment, and with its copies of them, some in half precision, it takes three times that.
# Beyond, each batch is read when its turn comes, which costs a fraction of a second per epoch.
_HELD_BYTES = 2**26
_CHECKED = 1024  # vectors at once; 9 MB of length 4608

# Errors of a damaged index: the last ones are of tables that are not ours, and of text that is none.
_DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_FORMAT", "SQLITE_ERROR", "none")


class FeatureStore:
    """The stored vectors of one embedder.

    Safe to use from several threads and processes at once.

    Args:
        folder: Created if need be.
        dimension: Length of a vector, D.

    Raises:
        StorageError: The folder cannot be used.
    """

    def __init__(self, folder: Path, dimension: int) -> None:
        self._index_file = folder / "index.sqlite"
        self._vectors_file = folder / "vectors.f16"
        self._dimension = dimension
        self._row_bytes = 2 * dimension
        # Two who switch to WAL at once do not wait for each other as SQLite's writers do.
        self._lock = filelock.FileLock(folder / "create.lock")
        with guard(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._vectors_file.touch()
            with self._lock:
                self._with_index(_create)

    @classmethod
    def of(cls, embedder: Embedder) -> Self:
        """The store of an embedder's vectors, in its workspace."""
        return cls(embedder.workspace.features / embedder.fingerprint, embedder.dimension)

    def rows(self, keys: Sequence[Key]) -> Ints:
        """Row number of each key, -1 for those that are not stored: (len(keys),)."""
        return self._entries(keys)[0]

    def intact(self, keys: Sequence[Key]) -> Ints:
        """As `rows`, and -2 for those whose vector is not what was written: (len(keys),).

        In a store of before there were checksums, a vector that is finite and not all zeros gets one.
        """
        rows, checksums = self._entries(keys)
        stored = np.flatnonzero(rows >= 0)
        in_order = stored[np.argsort(rows[stored], kind="stable")]
        new: list[tuple[int, str, str]] = []
        for part in slices(len(in_order), _CHECKED):
            places = in_order[part].tolist()
            vectors = self.read(rows[in_order[part]])
            for place, vector, found in zip(
                places, vectors, _checksums([keys[place] for place in places], vectors), strict=True
            ):
                if checksums[place] is None and np.isfinite(vector).all() and vector.any():
                    new.append((found, *keys[place]))
                elif checksums[place] != found:
                    rows[place] = -2
        if new:
            statement = "UPDATE vectors SET checksum = ? WHERE sha256 = ? AND view = ?"
            self._with_index(lambda database: database.executemany(statement, new))
        return rows

    def _entries(self, keys: Sequence[Key]) -> tuple[Ints, list[int | None]]:
        """Row number and checksum of each key, -1 for those that are not stored."""
        found = self._with_index(lambda database: _look_up(database, keys))
        missing = (-1, None)
        rows = np.array([found.get(key, missing)[0] for key in keys], dtype=np.int64)
        # A row beyond the end of the file, after a power failure say, counts as missing.
        rows[rows >= self._vectors_file.stat().st_size // self._row_bytes] = -1
        return rows, [found.get(key, missing)[1] for key in keys]

    def read(self, rows: Ints) -> Vector:
        """The vectors in those rows: (N,) -> (N, D).

        Raises:
            StorageError: They are gone.
        """
        return _read(self._vectors_file, rows, self._dimension)

    def vectors(self, rows: Ints) -> "Vector | StoredVectors":
        """The vectors in those rows, in memory if they are few: (N,) or (N, V) -> (N, D) or (N, V, D).

        Raises:
            StorageError: They are gone.
        """
        if 4 * rows.size * self._dimension > _HELD_BYTES:
            return StoredVectors(self._vectors_file, rows, self._dimension)
        return self.read(rows.reshape(-1)).reshape(*rows.shape, self._dimension)  # (N * V, D) -> (N, V, D)

    def write(self, keys: Sequence[Key], vectors: npt.NDArray[np.float32]) -> None:
        """Store vectors (len(keys), D) under their keys, all or none.

        Raises:
            StorageError: The disk is full or not writable.
        """
        written = vectors.astype(np.float16)
        checksums = _checksums(keys, written)

        def enter(database: sqlite3.Connection) -> None:
            # Holds off other writers, also those of other processes, until the commit.
            database.execute("BEGIN IMMEDIATE")
            # Rows beyond the end of the file are lost, and must not seem to be there once it grows.
            stored = self._vectors_file.stat().st_size // self._row_bytes
            database.execute("DELETE FROM vectors WHERE row >= ?", (stored,))
            (first,) = database.execute("SELECT COALESCE(MAX(row) + 1, 0) FROM vectors").fetchone()
            with self._vectors_file.open("r+b") as file:
                file.seek(first * self._row_bytes)
                file.write(written.tobytes())
                file.flush()
                os.fsync(file.fileno())
            entries = zip(keys, range(first, first + len(keys)), checksums, strict=True)
            _enter(database, ((*key, row, checksum) for key, row, checksum in entries))
            if len(_look_up(database, keys)) < len(set(keys)):
                raise _OutOfOrderError("keys that were written are not found")

        self._with_index(enter)

    def _with_index(self, work: Callable[[sqlite3.Connection], _Answer]) -> _Answer:
        """Return the result of work with the index, in one transaction; a damaged index is mended."""
        with guard(self._index_file.parent):
            try:
                return self._in_transaction(work)
            except sqlite3.DatabaseError as error:
                name = getattr(error, "sqlite_errorname", "none")
                # What may be written, and is refused as read-only, has a damaged header.
                seems_locked = name.startswith("SQLITE_READONLY") and os.access(self._index_file, os.W_OK)
                if not (name.startswith(_DAMAGED) or seems_locked):
                    raise
            self._mend()
            return self._in_transaction(work)

    def _in_transaction(self, work: Callable[[sqlite3.Connection], _Answer]) -> _Answer:
        with closing(sqlite3.connect(self._index_file, timeout=60)) as database, database:
            return work(database)

    def _mend(self) -> None:
        """Make the index anew from what can be read of it; checksums tell what of that is true."""
        with self._lock:
            with suppress(sqlite3.Error):
                if self._in_transaction(_is_sound):  # somebody else has mended it
                    return
            entries = _salvaged(self._index_file)
            for ending in ("-wal", "-shm", ""):
                self._index_file.with_name(f"{self._index_file.name}{ending}").unlink(missing_ok=True)
            self._in_transaction(_create)
            self._in_transaction(lambda database: _enter(database, entries))


class _OutOfOrderError(sqlite3.DatabaseError):
    """The index holds keys where they are not looked for."""

    sqlite_errorname = "SQLITE_CORRUPT"


def _create(database: sqlite3.Connection) -> None:
    database.execute("PRAGMA journal_mode=WAL")
    database.execute(
        "CREATE TABLE IF NOT EXISTS vectors (sha256 TEXT, view TEXT, row INTEGER UNIQUE NOT NULL,"
        " checksum INTEGER, PRIMARY KEY (sha256, view)) WITHOUT ROWID"
    )
    columns = {name for _, name, *_ in database.execute("PRAGMA table_info(vectors)")}
    if "checksum" not in columns:  # of before there were any
        database.execute("ALTER TABLE vectors ADD COLUMN checksum INTEGER")


def _is_sound(database: sqlite3.Connection) -> bool:
    database.execute("UPDATE vectors SET view = view WHERE row < 0")  # it can be written
    [(answer,)] = database.execute("PRAGMA integrity_check(1)").fetchall()
    return bool(answer == "ok")


def _look_up(database: sqlite3.Connection, keys: Sequence[Key]) -> dict[Key, tuple[int, int | None]]:
    """Row number and checksum of the keys that are stored."""
    found: dict[Key, tuple[int, int | None]] = {}
    for view in sorted({view for _, view in keys}):
        wanted = sorted({sha256 for sha256, key_view in keys if key_view == view})
        for start in range(0, len(wanted), 500):  # SQLite takes a limited number of parameters
            part = wanted[start : start + 500]
            marks = ",".join("?" * len(part))
            # Only question marks are put into the text.
            query = f"SELECT sha256, row, checksum FROM vectors WHERE view = ? AND sha256 IN ({marks})"  # noqa: S608
            for sha256, row, checksum in database.execute(query, (view, *part)):
                if isinstance(row, int) and row >= 0:
                    found[sha256, view] = (row, checksum)
    return found


def _enter(database: sqlite3.Connection, entries: Iterable[_Entry]) -> None:
    database.executemany(
        "INSERT OR REPLACE INTO vectors (sha256, view, row, checksum) VALUES (?, ?, ?, ?)", entries
    )


def _salvaged(index_file: Path) -> list[_Entry]:
    """Return the rows of a damaged index that can be read from its beginning and from its end."""
    found: dict[Key, _Entry] = {}
    for order in ("ASC", "DESC"):
        with suppress(sqlite3.Error), closing(sqlite3.connect(index_file)) as database:
            query = f"SELECT * FROM vectors ORDER BY sha256 {order}, view {order}"  # noqa: S608 - of ours
            for sha256, view, row, *checksum in database.execute(query):
                if isinstance(row, int):
                    found[sha256, view] = (sha256, view, row, checksum[0] if checksum else None)
    return list(found.values())


def _checksums(keys: Sequence[Key], vectors: Vector) -> list[int]:
    """Of vectors (len(keys), D), each together with its key."""
    return [
        zlib.crc32(vector, zlib.crc32(f"{view} {sha256}".encode()))
        for (sha256, view), vector in zip(keys, np.ascontiguousarray(vectors), strict=True)
    ]


class StoredVectors:
    """Vectors that stay on the disk until they are asked for; looks like an array of them.

    An index picks rows, and views of each if there are any, as it does of an array, and reads nothing; the
    last axis cannot be picked from. What remains when a single vector is picked is an array, which is
    read. So does `np.asarray` read all that there is, and with it every function of numpy: take a part
    first where there may be many.

    They are read row by row rather than mapped into memory, for the pages of a mapped file count as
    memory that the process holds, and touching one brings in its neighbours: half as fast.

    Args:
        file: Rows of D numbers in half precision, one after another.
        rows: Which of them stand where: (N,) or (N, V).
        dimension: Length of a vector, D.
    """

    dtype = np.dtype(np.float16)

    def __init__(self, file: Path, rows: Ints, dimension: int) -> None:
        self._file, self._rows, self._dimension = file, rows, dimension

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, D) or (N, V, D)."""
        return (*self._rows.shape, self._dimension)

    @property
    def ndim(self) -> int:
        """2 or 3."""
        return self._rows.ndim + 1

    def __len__(self) -> int:
        """N."""
        return len(self._rows)

    def __getitem__(self, key: Any) -> "Vector | StoredVectors":
        """Some of them, not read yet; or a single one, (D,), which is."""
        rows = np.asarray(self._rows[key])
        if rows.ndim:
            return StoredVectors(self._file, rows, self._dimension)
        one: Vector = _read(self._file, rows.reshape(1), self._dimension)[0]
        return one

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """All of them, in memory.

        Raises:
            StorageError: They are gone.
            ValueError: `copy` is False, but there is nothing in memory to share.
        """
        if copy is False:
            raise ValueError("Vectors on the disk cannot be had without a copy; leave copy at None.")
        # (N * V, D) -> (N, V, D)
        vectors = _read(self._file, self._rows.reshape(-1), self._dimension).reshape(self.shape)
        return vectors if dtype is None else vectors.astype(dtype, copy=False)


def _read(file: Path, rows: Ints, dimension: int) -> Vector:
    """Vectors by their row numbers, from the beginning of the file to its end: (N,) -> (N, D)."""
    vectors = np.empty((len(rows), dimension), dtype=np.float16)
    memory, row_bytes = vectors.reshape(-1).view(np.uint8).data, 2 * dimension
    order = np.argsort(rows, kind="stable")
    in_order = rows[order]
    # Neighbours in the file that are to be neighbours here as well are read in one go.
    alone = (np.diff(in_order) != 1) | (np.diff(order) != 1)
    firsts = np.flatnonzero(np.append(True, alone)[: len(rows)])
    ends = order[firsts] + np.diff(firsts, append=len(rows))
    runs = np.stack([in_order[firsts], order[firsts], ends], axis=1) * row_bytes
    remedy = mark("train again to compute the embeddings")
    with guard(file, remedy), file.open("rb", buffering=0) as source:
        for offset, start, end in runs.tolist():
            source.seek(offset)
            place = start
            while place < end:
                got = source.readinto(memory[place:end])
                if not got:
                    raise StorageError(
                        "Embeddings in {folder} are gone; train again to compute them.", folder=file.parent
                    )
                place += got
    return vectors
