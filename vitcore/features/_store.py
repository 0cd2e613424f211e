"""The store of embeddings: each computed once, found again by what the image is.

The vector of an image depends on the content of its file, on the embedder and on the view, and on
nothing else; so it is kept under exactly these. The same photo in two datasets, a renamed class or
another split costs nothing.

One folder per embedder fingerprint::

    vectors.f16      float16, one row of D numbers after another
    index.sqlite     (content hash, view) -> row number

A batch is written to the first file, flushed, and then entered in the index in one transaction: a
killed process loses at most the batch it was working on, and readers never see half a vector.
"""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import filelock
import numpy as np
import numpy.typing as npt

from vitcore.errors import StorageError

__all__ = ["FeatureStore", "Key"]

Key = tuple[str, str]
"""Content hash and view key."""


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
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._vectors_file.touch()
            # Two who switch to WAL at once do not wait for each other as SQLite's writers do.
            with filelock.FileLock(folder / "create.lock"), self._connect() as database:
                database.execute("PRAGMA journal_mode=WAL")
                database.execute(
                    "CREATE TABLE IF NOT EXISTS vectors (sha256 TEXT, view TEXT, row INTEGER UNIQUE NOT NULL,"
                    " PRIMARY KEY (sha256, view)) WITHOUT ROWID"
                )
        except (OSError, sqlite3.Error) as error:
            raise StorageError(
                f"The stored embeddings in {folder} cannot be used ({error}); delete that folder, "
                "they will be computed again."
            ) from error

    def rows(self, keys: Sequence[Key]) -> npt.NDArray[np.int64]:
        """Row number of each key, -1 for those that are not stored: (len(keys),)."""
        with self._connect() as database:
            found: dict[Key, int] = {}
            for view in sorted({view for _, view in keys}):
                wanted = sorted({sha256 for sha256, key_view in keys if key_view == view})
                for start in range(0, len(wanted), 500):  # SQLite takes a limited number of parameters
                    part = wanted[start : start + 500]
                    marks = ",".join("?" * len(part))
                    # Only question marks are put into the text.
                    query = f"SELECT sha256, row FROM vectors WHERE view = ? AND sha256 IN ({marks})"  # noqa: S608
                    found.update(
                        ((sha256, view), row) for sha256, row in database.execute(query, (view, *part))
                    )
        # A row beyond the end of the file, after a power failure say, counts as missing.
        stored = self._vectors_file.stat().st_size // self._row_bytes
        rows = np.array([found.get(key, -1) for key in keys], dtype=np.int64)
        rows[rows >= stored] = -1
        return rows

    def read(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float16]:
        """The vectors in those rows: (N,) -> (N, D)."""
        if len(rows) == 0:
            return np.empty((0, self._dimension), dtype=np.float16)
        stored = np.memmap(self._vectors_file, dtype=np.float16, mode="r")
        whole = len(stored) // self._dimension
        vectors: npt.NDArray[np.float16] = stored[: whole * self._dimension].reshape(whole, -1)[rows]
        return vectors

    def write(self, keys: Sequence[Key], vectors: npt.NDArray[np.float32]) -> None:
        """Store vectors (len(keys), D) under their keys, all or none.

        Raises:
            StorageError: The disk is full or not writable.
        """
        data = vectors.astype(np.float16).tobytes()
        try:
            with self._connect() as database:
                # Holds off other writers, also those of other processes, until the commit.
                database.execute("BEGIN IMMEDIATE")
                # Rows beyond the end of the file are lost, and must not seem to be there once it grows.
                stored = self._vectors_file.stat().st_size // self._row_bytes
                database.execute("DELETE FROM vectors WHERE row >= ?", (stored,))
                (first,) = database.execute("SELECT COALESCE(MAX(row) + 1, 0) FROM vectors").fetchone()
                with self._vectors_file.open("r+b") as file:
                    file.seek(first * self._row_bytes)
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                database.executemany(
                    "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)",
                    [(sha256, view, first + number) for number, (sha256, view) in enumerate(keys)],
                )
        except (OSError, sqlite3.Error) as error:
            raise StorageError(
                f"Embeddings cannot be stored ({error}); free some disk space, then go on."
            ) from error

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        """A connection whose block is one transaction."""
        with closing(sqlite3.connect(self._index_file, timeout=60)) as database, database:
            yield database
