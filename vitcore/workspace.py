"""The places of things on disk.

::

    <root>/
        datasets/<dataset id>/     images and their index        (vitcore.dataset)
        features/<fingerprint>/    embeddings of one embedder    (vitcore.features)
        engines/                   networks as other engines read them, and which engine was found
                                   fastest here (vitcore.backbone, vitcore.pipeline)
        speeds.json                how quickly backbones took images here (vitcore.backbone)
        web/                       what web pages of classifiers need besides (vitcore.inference)
        models/<model id>/         a model that somebody sent    (vitcore.pipeline)
        runs/<run id>/             one training                  (vitcore.runs)
        locks/                     who is at work on what, held by the operating system

The root is ``$VITCORE_HOME``, or else the platform's folder for user data. Names of files and
folders are generated here; nothing a user typed or uploaded becomes part of a path.

A folder is first written as a temporary sibling (``.tmp-…``), flushed to the disk and then
renamed, so that a reader sees all of it or nothing. A lock is an ``flock`` on a file: the operating
system releases it when its process ends in any way, ``kill -9`` included.
"""

import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import filelock
import platformdirs

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

from vitcore.errors import NotFoundError, StorageError
from vitcore.messages import Message, message
from vitcore.records import TEMPORARY, disk_guard, guard

__all__ = ["Scratch", "Workspace", "folder_bytes", "new_id"]

_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_BINNED = ".bin-"
_BINNED_FOR_S = 7 * 24 * 3600
_BUSY_FOR_S = 3600  # with a file that is not written to any more
_MANY = 64  # files, from which on flushing everything is faster than flushing each


def new_id() -> str:
    """A new id such as ``20261123-104512-083155-9f3a1c``: sorted by time, safe as a file name."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}-{secrets.token_hex(3)}"


def folder_bytes(folder: Path) -> int:
    """Size of all files below a folder; what vanishes meanwhile counts nothing."""
    total = 0
    for parent, _, files in os.walk(folder):
        for name in files:
            with suppress(OSError):
                total += os.lstat(os.path.join(parent, name)).st_size  # noqa: PTH118 - called for every file
    return total


@dataclass(frozen=True)
class Workspace:
    """The folders under one root. Creating the object creates them.

    Raises:
        StorageError: The root cannot be created.
    """

    root: Path

    def __post_init__(self) -> None:
        """Create the folders."""
        try:
            with disk_guard():
                for folder in (self.datasets, self.features, self.runs, self._locks):
                    folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                "The workspace {root} cannot be created ({error}); set VITCORE_HOME to a folder that you may "
                "write to.",
                root=self.root,
                error=error,
            ) from error

    @classmethod
    def default(cls) -> "Workspace":
        """The workspace at ``$VITCORE_HOME``, or in the platform's folder for user data."""
        home = os.environ.get("VITCORE_HOME") or platformdirs.user_data_dir("vitcore", False)
        return cls(Path(home).expanduser().absolute())

    @property
    def datasets(self) -> Path:
        """Folder of the datasets."""
        return self.root / "datasets"

    @property
    def features(self) -> Path:
        """Folder of the stored embeddings."""
        return self.root / "features"

    @property
    def engines(self) -> Path:
        """Folder of what engines other than torch read; not there before one is used."""
        return self.root / "engines"

    @property
    def speeds(self) -> Path:
        """File with the measured speeds of backbones; not there before one is measured."""
        return self.root / "speeds.json"

    @property
    def web(self) -> Path:
        """Folder of what web pages need besides; not there before one is made."""
        return self.root / "web"

    @property
    def models(self) -> Path:
        """Folder of models that somebody sent; not there before one is opened."""
        return self.root / "models"

    @property
    def runs(self) -> Path:
        """Folder of the runs."""
        return self.root / "runs"

    @property
    def _locks(self) -> Path:
        return self.root / "locks"

    def find(self, parent: Path, item_id: str, what: str) -> Path:
        """The folder of an id below `parent`.

        Raises:
            NotFoundError: There is none; the message names the newest ones there are.
        """
        folder = parent / item_id
        if _ID.fullmatch(item_id) and folder.is_dir():
            return folder
        raise NotFoundError(
            "There is no {what} '{item_id}' (newest: {known}).",
            what=Message(what),
            item_id=item_id[:80],
            known=self.ids(parent)[:3] or message("none yet"),
        )

    def ids(self, parent: Path) -> list[str]:
        """The ids below `parent`, newest first."""
        names = (entry.name for entry in os.scandir(parent) if entry.is_dir())
        return sorted((name for name in names if _ID.fullmatch(name)), reverse=True)

    def lock(self, name: str) -> filelock.BaseFileLock:
        """The lock of that name, not yet acquired; any thread may release it."""
        return filelock.FileLock(self._lock_file(name), timeout=5, thread_local=False)

    def _lock_file(self, name: str) -> Path:
        return self._locks / f"{name}.lock"

    @contextmanager
    def changing(self, file: Path) -> Iterator[None]:
        """Nobody else reads, changes and writes a file of the workspace in such a block meanwhile.

        Raises:
            StorageError: Somebody else does so for long; the disk is full or not writable.
        """
        name = "-".join(file.relative_to(self.root).with_suffix("").parts)
        with guard(file):
            try:
                with self.lock(name):
                    yield
            except filelock.Timeout as error:
                raise StorageError(
                    "{path} is being changed elsewhere; try again in a moment.", path=file
                ) from error

    @contextmanager
    def using(self, folder: Path) -> Iterator[None]:
        """Keep a dataset or a run from being deleted during the block, here and in other processes."""
        prefix = _in_use(folder)
        with ExitStack() as held:
            with guard(folder), self.lock(prefix):
                held.enter_context(self._owned(f"{prefix}{new_id()}"))
            yield

    @contextmanager
    def deleting(self, folder: Path, name: str) -> Iterator[None]:
        """Nobody begins to use a dataset or a run during the block, in which it is taken away.

        Args:
            folder: Of the dataset or the run.
            name: What it is called, for people.

        Raises:
            StorageError: It is in use; or the disk is full or not writable.
        """
        prefix = _in_use(folder)
        with guard(folder), self.lock(prefix):
            for file in self._locks.glob(f"{prefix}?*.lock"):
                if self.is_locked(file.stem):
                    raise StorageError(
                        "'{name}' is in use: a training or other work on it waits or runs. Stop that first, "
                        "then delete it.",
                        name=name,
                    )
                _forget(file)  # of a process that was killed
            yield

    def is_locked(self, name: str) -> bool:
        """Return whether somebody, in this process or another, holds the lock of that name."""
        if fcntl is None:
            return self._is_taken(name)
        # A shared lock: those who look do not get into each other's way.
        try:
            descriptor = os.open(self._lock_file(name), os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def _is_taken(self, name: str) -> bool:
        """The same where there is no ``flock``, as on Windows."""
        lock = self.lock(name)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            return True
        lock.release()
        return False

    @contextmanager
    def staged(self, parent: Path, item_id: str) -> Iterator[Path]:
        """A temporary folder that becomes ``parent/item_id`` when the block ends without an error.

        Raises:
            StorageError: The disk is full or not writable.
        """
        name = f"{TEMPORARY}{item_id}"
        folder = parent / name
        with guard(parent), self._owned(name):
            try:
                folder.mkdir()
                yield folder
                _flush(folder)
                folder.replace(parent / item_id)
                _flush_entry(parent)
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def _owned(self, name: str) -> Iterator[None]:
        """Hold a lock whose name is used once; its file goes with it."""
        try:
            with self.lock(name):
                yield
        finally:
            _forget(self._lock_file(name))

    def scratch(self) -> "Scratch":
        """A new folder for work in progress, which `sweep` leaves alone until it is closed.

        Raises:
            StorageError: The disk is full or not writable.
        """
        name = f"{TEMPORARY}scratch-{new_id()}"
        made = Scratch(self.datasets / name, self.lock(name), self._lock_file(name))
        with guard(made.folder), ExitStack() as undo:
            undo.callback(made.close)
            made._lock.acquire()  # noqa: SLF001
            made.folder.mkdir()
            undo.pop_all()
        return made

    def remove(self, folder: Path) -> None:
        """Delete a folder below the workspace: gone from every list at once, then from the disk.

        Raises:
            StorageError: The disk is not writable.
        """
        doomed = folder.with_name(f"{TEMPORARY}{folder.name}-{secrets.token_hex(3)}")
        with guard(folder):
            folder.replace(doomed)
        shutil.rmtree(doomed, ignore_errors=True)

    def bin(self, folder: Path) -> None:
        """Take a folder out of every list, for `unbin` to bring back within a week.

        Raises:
            StorageError: The disk is not writable.
        """
        binned = folder.with_name(f"{_BINNED}{folder.name}")
        with guard(folder):
            os.utime(folder)
            folder.replace(binned)

    def unbin(self, parent: Path, item_id: str, what: str) -> None:
        """Bring back what `bin` took away.

        Raises:
            NotFoundError: It is not there any more.
            StorageError: The disk is not writable.
        """
        binned = parent / f"{_BINNED}{item_id}"
        if not (_ID.fullmatch(item_id) and binned.is_dir()):
            raise NotFoundError(
                "The deleted {what} '{item_id}' is not there any more.",
                what=Message(what),
                item_id=item_id[:80],
            )
        with guard(binned):
            binned.replace(parent / item_id)

    def sweep(self) -> int:
        """Delete what killed processes left half-written at any depth, and what was deleted a week ago.

        Returns:
            How many files and folders that were.
        """
        now = time.time()
        swept = 0
        for parent in (self.datasets, self.runs):
            for folder in parent.glob(f"{_BINNED}*"):
                if now - folder.stat().st_mtime > _BINNED_FOR_S:
                    shutil.rmtree(folder, ignore_errors=True)
                    swept += 1
        # Somebody who is at work may be writing a file; a folder that is being written has a lock of its own.
        busy = any(self.is_locked(file.stem) for file in self._locks.glob("*.lock"))
        for path in _temporaries(self.root):
            if self.is_locked(path.name):
                continue
            with suppress(OSError):  # it was finished meanwhile, or the disk is read-only
                has_lock = path.parent in (self.datasets, self.runs)
                if busy and not has_lock and now - path.stat().st_mtime < _BUSY_FOR_S:
                    continue
                _delete(path)
                _forget(self._lock_file(path.name))
                swept += 1
        return swept


@dataclass(frozen=True)
class Scratch:
    """A folder for work in progress, as `Workspace.scratch` makes it."""

    folder: Path
    _lock: filelock.BaseFileLock
    _lock_file: Path

    def close(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.release()
        _forget(self._lock_file)


def _temporaries(root: Path) -> Iterator[Path]:
    """Find what is half-written below a folder; not among photos of a dataset, which arrive in one step."""
    for parent, folders, files in os.walk(root):
        yield from (Path(parent, name) for name in (*folders, *files) if name.startswith(TEMPORARY))
        folders[:] = [name for name in folders if name != "images" and not name.startswith(TEMPORARY)]


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def _in_use(folder: Path) -> str:
    """The beginning of the names of the locks that users of a folder hold."""
    return f"use-{folder.parent.name}-{folder.name}-"


def _forget(lock_file: Path) -> None:
    """Delete the file of a lock that nobody will ask for again."""
    with suppress(OSError):  # on Windows, while somebody looks at it
        lock_file.unlink(missing_ok=True)


def _flush(folder: Path) -> None:
    """Ask the operating system to put every file of a folder on the disk."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    if len(files) > _MANY and hasattr(os, "sync"):
        os.sync()  # one call; on Linux it returns when all is written
        return
    for path in files:
        with path.open("r+b") as file:
            os.fsync(file.fileno())


def _flush_entry(folder: Path) -> None:
    """Make renames inside a folder durable, where folders can be opened (not on Windows)."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
