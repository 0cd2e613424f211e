"""From a source to a dataset: every file is read, decoded and accounted for."""

import hashlib
import os
import shutil
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from threading import Event

import pandas as pd

from vitcore.dataset._dataset import (
    INDEX_COLUMNS,
    Dataset,
    Skipped,
    list_datasets,
    load_dataset,
    save_dataset,
)
from vitcore.dataset._decode import IMAGE_SUFFIXES, probe_image
from vitcore.dataset._layout import Labelled, label_entries
from vitcore.dataset._remarks import warnings_of
from vitcore.dataset._sample import SAMPLE, SAMPLE_COUNT, SAMPLE_NAME, sample_images
from vitcore.dataset._sources import Entry, Reader, is_junk, open_source
from vitcore.errors import ArchiveError, ImageError, Stopped
from vitcore.progress import Meter, OnProgress
from vitcore.workspace import Workspace, new_id

__all__ = ["MAX_FILE_BYTES", "MAX_TOTAL_BYTES", "import_dataset"]

MAX_FILE_BYTES = 200 * 2**20
"""Largest single image file that is taken."""

MAX_TOTAL_BYTES = 100 * 2**30
"""Most bytes that one import may unpack."""

# Raise when the same source would give another dataset, so that nothing older is taken for it.
_REVISION = 1
_FREE_RESERVE_BYTES = 2**30
_CHUNK_BYTES = 2**20
_ARCHIVES = frozenset({".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar"})


@dataclass(frozen=True)
class _Arrived:
    """A file that was copied into the staging folder."""

    item: Labelled
    path: Path
    sha256: str
    size_bytes: int


def import_dataset(
    source: str | Path,
    *,
    name: str | None = None,
    workspace: Workspace | None = None,
    on_progress: OnProgress | None = None,
    stop: Event | None = None,
) -> Dataset:
    """Import labelled images: one folder per class in a zip file, a tar file or a folder.

    Wrapping folders are tolerated, and a ready-made split (train/, val/, test/ above the class
    folders) is kept. Each image is decoded once, so that a file that would fail later is refused
    here by name. Nothing of the source is needed afterwards. A source that was imported before,
    under the same name and without changes since, gives the dataset that is already there.

    Args:
        source: A path, or ``sample`` for the handwritten digits that come with scikit-learn.
        name: What to call the dataset; the source's own name if not given.
        workspace: Where to put it; the default workspace if not given.
        on_progress: Called with the progress.
        stop: Set it to give up; nothing is left behind.

    Raises:
        ArchiveError: The source cannot be read, or has no images in class folders.
        StorageError: The disk is full or not writable.
        Stopped: `stop` was set.
    """
    workspace = workspace or Workspace.default()
    path = None if str(source) == SAMPLE else Path(source).expanduser().absolute()
    title = (name or "").strip() or _title(path)
    digest = _source_digest(path)
    known = list_datasets(workspace)
    same = known[(known["source_digest"] == digest) & (known["name"] == title) & (known["version"] == 1)]
    if len(same):
        return load_dataset(same["id"].iloc[0], workspace=workspace)
    dataset_id = new_id()
    importer = _Importer(on_progress, stop or Event())
    with workspace.staged(workspace.datasets, dataset_id) as folder:
        if path is None:
            importer.take(folder, _sample_files(), total=SAMPLE_COUNT)
        else:
            with open_source(path) as opened:
                wanted = {item.entry.number: item for item in importer.choose(opened.entries())}
                files = (
                    (replace(wanted[entry.number], entry=entry), file)
                    for entry, file in opened.read(set(wanted))
                )
                importer.take(folder, files, total=len(wanted))
        save_dataset(importer.dataset(folder, dataset_id, title, digest))
    return load_dataset(dataset_id, workspace=workspace)


def _title(path: Path | None) -> str:
    """What a source is called: the name of the folder, or of the archive without its endings."""
    if path is None:
        return SAMPLE_NAME
    return (path.name.partition(".")[0] if path.is_file() else path.name) or "Photos"


def _source_digest(path: Path | None) -> str:
    """Digest of a source: the bytes of an archive, names, sizes and times of the files of a folder.

    Raises:
        ArchiveError: There is nothing at `path`.
    """
    digest = hashlib.sha256(f"{_REVISION}:{SAMPLE if path is None else ''}".encode())
    if path is None:
        return digest.hexdigest()
    if path.is_file():
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()
    if not path.is_dir():
        raise ArchiveError(f"There is no file or folder {path}; check the path.")
    for parent, folders, files in os.walk(path):
        folders.sort()
        for file_name in sorted(files):
            status = Path(parent, file_name).lstat()
            line = f"{Path(parent, file_name)}\0{status.st_size}\0{status.st_mtime_ns}\0"
            digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _sample_files() -> Iterator[tuple[Labelled, Reader]]:
    for number, (name, label, file) in enumerate(sample_images()):
        yield Labelled(Entry(number, name, 0), label, ""), file


class _Importer:
    """What an import has found so far."""

    def __init__(self, on_progress: OnProgress | None, stop: Event) -> None:
        self._on_progress = on_progress
        self._stop = stop
        self._skipped: list[tuple[str, str]] = []
        self._ignored = 0
        self._rows: list[dict[str, object]] = []
        self._total_bytes = 0

    def choose(self, entries: Iterable[Entry]) -> list[Labelled]:
        """The entries worth reading: images in class folders."""
        images = []
        for entry in entries:
            if is_junk(entry):
                self._ignored += 1
            elif reason := entry.problem or _unfit(entry):
                self._skip(entry, reason)
            else:
                images.append(entry)
        wanted = []
        for item in label_entries(images):
            if item.label:
                wanted.append(item)
            else:
                self._skip(item.entry, "not inside a class folder")
        if not wanted:
            raise ArchiveError(
                f"No images in class folders were found ({len(images)} images, "
                f"{len(self._skipped) - len(images)} other files); put the images of each class into a "
                "folder with the name of the class."
            )
        return wanted

    def take(self, folder: Path, files: Iterable[tuple[Labelled, Reader]], total: int) -> None:
        """Copy the files into `folder` and check each image, decoding ahead in threads."""
        incoming = folder / "incoming"
        incoming.mkdir()
        workers = min(8, os.cpu_count() or 1)
        meter = Meter(self._on_progress, "import", total)
        pending: deque[tuple[_Arrived, Future[tuple[str, int, int]]]] = deque()
        with ThreadPoolExecutor(workers, thread_name_prefix="vitcore-import") as pool:
            for item, file in files:
                arrived = self._copy(item, file, incoming)
                if arrived is not None:
                    pending.append((arrived, pool.submit(probe_image, arrived.path)))
                if len(pending) > 4 * workers:
                    self._settle(folder, *pending.popleft())
                meter.add(1)
                if self._stop.is_set():
                    pool.shutdown(cancel_futures=True)
                    raise Stopped("The import was stopped; nothing was kept.")
            while pending:
                self._settle(folder, *pending.popleft())
        incoming.rmdir()
        if not self._rows:
            name, reason = self._skipped[-1]
            raise ArchiveError(f"None of the images can be used (for example '{name}': {reason}).")

    def dataset(self, folder: Path, dataset_id: str, name: str, digest: str) -> Dataset:
        """The dataset of what was taken, sorted by name so that the source's order does not matter."""
        index = pd.DataFrame(self._rows).sort_values(["label", "name", "sha256"], kind="stable")
        index.insert(0, "image_id", range(len(index)))
        index = index.astype(dict(INDEX_COLUMNS))[list(INDEX_COLUMNS)].reset_index(drop=True)
        return Dataset(
            folder=folder,
            id=dataset_id,
            name=name,
            version=1,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            source_digest=digest,
            index=index,
            skipped=tuple(Skipped(*pair) for pair in sorted(self._skipped)),
            ignored=self._ignored,
            warnings=tuple(warnings_of(index)),
        )

    def _skip(self, entry: Entry, reason: str) -> None:
        self._skipped.append((entry.name, reason))

    def _copy(self, item: Labelled, file: Reader, incoming: Path) -> _Arrived | None:
        """Copy one file, counting its real bytes: what an archive says of sizes is not trusted."""
        if item.entry.problem:
            self._skip(item.entry, item.entry.problem)
            return None
        path = incoming / str(item.entry.number)
        digest = hashlib.sha256()
        size_bytes = 0
        reason = ""
        with path.open("wb") as copy:
            try:
                while chunk := file.read(_CHUNK_BYTES):
                    size_bytes += len(chunk)
                    if size_bytes > MAX_FILE_BYTES:
                        reason = f"larger than {MAX_FILE_BYTES // 2**20} MB"
                        break
                    digest.update(chunk)
                    copy.write(chunk)
            except ArchiveError as error:
                reason = f"damaged in the archive ({error.__cause__})"
        self._total_bytes += size_bytes
        if self._total_bytes > MAX_TOTAL_BYTES:
            raise ArchiveError(f"Over {MAX_TOTAL_BYTES // 2**30} GB of files; import them in several parts.")
        if shutil.disk_usage(incoming).free < _FREE_RESERVE_BYTES:
            raise ArchiveError("Less than 1 GB of disk space is left; free some, then import again.")
        if reason:
            path.unlink()
            self._skip(item.entry, reason)
            return None
        return _Arrived(item, path, digest.hexdigest(), size_bytes)

    def _settle(self, folder: Path, arrived: _Arrived, probe: "Future[tuple[str, int, int]]") -> None:
        """Move a checked image to its place, or say why it is not one."""
        try:
            kind, width, height = probe.result()
        except ImageError as error:
            arrived.path.unlink()
            self._skip(arrived.item.entry, str(error))
            return
        file = PurePosixPath("images", arrived.sha256[:2], f"{arrived.sha256}.{kind.lower()}")
        place = folder / file
        place.parent.mkdir(parents=True, exist_ok=True)
        arrived.path.replace(place)
        self._rows.append(
            {
                "name": arrived.item.entry.name,
                "label": arrived.item.label,
                "split": arrived.item.split,
                "sha256": arrived.sha256,
                "file": str(file),
                "format": kind,
                "width": width,
                "height": height,
                "size_bytes": arrived.size_bytes,
            }
        )


def _unfit(entry: Entry) -> str:
    """Why a file is no candidate, by its name; an empty string if it is one."""
    suffix = PurePosixPath(entry.name).suffix.lower()
    if suffix in IMAGE_SUFFIXES:
        return ""
    if suffix in {".heic", ".heif"}:
        return "HEIC photos cannot be read yet; export them as JPEG"
    if suffix in _ARCHIVES:
        return "an archive inside the archive; unpack it first"
    return f"not an image file ({suffix or 'no file name ending'})"
