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
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import filelock
import numpy as np
import numpy.typing as npt

from vitcore.backbone import Embedder
from vitcore.dataset import USUAL_AUGMENTATIONS, load_image, make_view, view_key
from vitcore.errors import ImageError, Stopped, StorageError
from vitcore.progress import Meter, OnProgress
from vitcore.workspace import Workspace

__all__ = ["Embeddings", "FeatureStore", "ImageFile", "embed_images"]

Key = tuple[str, str]
"""Content hash and view key."""


@dataclass(frozen=True)
class ImageFile:
    """An image file and the SHA-256 of its content."""

    path: Path
    sha256: str


@dataclass(frozen=True, eq=False)
class Embeddings:
    """The vectors of some images and what they cost.

    Attributes:
        vectors: float16 (N, V, D): images, views, dimensions.
        computed: Number of forward passes that were needed; 0 when all vectors were in the store.
        seconds: Time spent on those.
    """

    vectors: npt.NDArray[np.float16]
    computed: int
    seconds: float

    @property
    def images_per_second(self) -> float:
        """Forward passes per second, 0 if there were none."""
        return self.computed / self.seconds if self.computed else 0.0


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


def embed_images(
    embedder: Embedder,
    images: Sequence[ImageFile],
    *,
    views: int = 1,
    augmentations: Sequence[str] = USUAL_AUGMENTATIONS,
    workspace: Workspace | None = None,
    on_progress: OnProgress | None = None,
    stop: Event | None = None,
) -> Embeddings:
    """The embeddings of images, computing only those that are not stored yet.

    Threads decode ahead while the backbone works.

    Args:
        embedder: The frozen backbone.
        images: Which images.
        views: Variants per image (`vitcore.dataset.make_view`); the first is the image itself.
        augmentations: What the other views vary.
        workspace: Where the store is; the default workspace if not given.
        on_progress: Called with the progress in images, each view counting as one.
        stop: Set it to stop after the current batch; what was computed stays stored.

    Raises:
        ImageError: An image cannot be decoded any more.
        Stopped: `stop` was set.
    """
    workspace = workspace or Workspace.default()
    store = FeatureStore(workspace.features / embedder.fingerprint, embedder.dimension)
    view_keys = [view_key(view, augmentations) for view in range(views)]
    keys = [(image.sha256, key) for image in images for key in view_keys]
    rows = store.rows(keys)
    # One job per key that is missing, also when several images have the same content.
    missing = {
        keys[number]: (images[number // views], number % views)
        for number in np.flatnonzero(rows < 0).tolist()
    }
    seconds = 0.0
    if missing:
        finished = len(set(keys)) - len(missing)
        meter = Meter(on_progress, "embed", len(set(keys)), done=finished)
        jobs = list(missing.values())
        for batch, pixels in _decoded_batches(embedder, jobs, augmentations, stop or Event()):
            store.write([(image.sha256, view_keys[view]) for image, view in batch], embedder.embed(pixels))
            meter.add(len(batch))
        seconds = meter.elapsed_s
        rows = store.rows(keys)
    vectors = store.read(rows).reshape(len(images), views, embedder.dimension)  # (N * V, D) -> (N, V, D)
    return Embeddings(vectors, len(missing), seconds)


def _decoded_batches(
    embedder: Embedder,
    jobs: Sequence[tuple[ImageFile, int]],
    augmentations: Sequence[str],
    stop: Event,
) -> Iterator[tuple[list[tuple[ImageFile, int]], npt.NDArray[np.uint8]]]:
    """Jobs in batches with their pixels (B, S, S, 3), decoded a few batches ahead in threads."""

    def decode(job: tuple[ImageFile, int]) -> npt.NDArray[np.uint8]:
        image, view = job
        try:
            loaded = load_image(image.path, at_least=embedder.input_size)
        except (ImageError, OSError) as error:
            raise ImageError(
                f"{image.path} can no longer be read ({error}); import the dataset again."
            ) from error
        return embedder.prepare(make_view(loaded, image.sha256, view, augmentations))

    size = embedder.batch_size
    workers = min(16, os.cpu_count() or 1)
    ahead: deque[Future[npt.NDArray[np.uint8]]] = deque()
    waiting = iter(jobs)
    with ThreadPoolExecutor(workers, thread_name_prefix="vitcore-decode") as pool:
        try:
            for start in range(0, len(jobs), size):
                if stop.is_set():
                    raise Stopped("The embedding was stopped; what was computed is kept.")
                while len(ahead) < 3 * size and (job := next(waiting, None)) is not None:
                    ahead.append(pool.submit(decode, job))
                batch = list(jobs[start : start + size])
                yield batch, np.stack([ahead.popleft().result() for _ in batch])
        finally:
            for future in ahead:
                future.cancel()
