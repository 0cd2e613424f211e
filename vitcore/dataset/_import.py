"""From a source to a dataset: every file is read, decoded and accounted for."""

import hashlib
import io
import os
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from unicodedata import normalize

import numpy as np
import pandas as pd
from PIL import Image, ImageOps

from vitcore.dataset._dataset import (
    Dataset,
    Skipped,
    first_change,
    list_datasets,
    load_dataset,
    numbered,
    save_dataset,
)
from vitcore.dataset._decode import Examined, examine_image, load_image, photo_facts
from vitcore.dataset._edit import (
    about_groups,
    about_test_part,
    check_test_part,
    extended,
    grouped,
    unused_seed,
    with_test_part,
)
from vitcore.dataset._findings import count_images
from vitcore.dataset._groups import COLUMN, NO_GROUPS, GroupRule
from vitcore.dataset._pieces import ORIGIN, cut_out, frame_interval, is_cut, pieces_of
from vitcore.dataset._sample import SAMPLE, SAMPLE_COUNT, SAMPLE_NAME, sample_images
from vitcore.dataset._traits import about_traits
from vitcore.dataset._unpack import MAX_FILE_BYTES, Copier
from vitcore.dataset._versions import latest, write_version
from vitcore.errors import ArchiveError, ImageError, Stopped
from vitcore.layouts import Candidate, Labelled, Reading, Survey, survey_parts
from vitcore.messages import Message, message
from vitcore.progress import Progress, Task
from vitcore.records import timestamp
from vitcore.sources import Entry, NamedFile, Reader, Watch, clean_name, open_parts, typed_path
from vitcore.workspace import Workspace, new_id

__all__ = [
    "SourceLike",
    "add_images",
    "import_dataset",
    "inspect_source",
    "preview_source",
]

# Raise when the same source would give another dataset, so that nothing older is taken for it.
_REVISION = 5
PREVIEW_SIZE = 240
_SHOWN_EVERY_S = 0.1  # progress, at most


@dataclass(frozen=True)
class _Arrived:
    """A file that was copied into the staging folder."""

    item: Labelled
    path: Path
    sha256: str
    size_bytes: int


_Probe = tuple[Examined, dict[str, str]]


def _probe(path: Path) -> _Probe:
    """Decode an image file, and read what it says of the taking of the photo."""
    return examine_image(path), photo_facts(path)


SourceLike = str | Path | Sequence[str | Path | NamedFile]


def inspect_source(source: SourceLike, *, reading: Reading | None = None, task: Task | None = None) -> Survey:
    """Look at a source without importing it: what would be read in which way, and what is in doubt.

    Only names are looked at, and the CSV files; whether an image can be decoded is found out by the
    import.

    Args:
        source: As for `import_dataset`, but not ``sample``.
        reading: How to read it; found out where it says nothing.
        task: Where progress is reported, and what stops it.

    Raises:
        ArchiveError: The source cannot be read, or does not have what `reading` names.
        Stopped: The task was stopped.
    """
    paths = _paths(source)
    with open_parts(paths, reading.encoding if reading else "", _watch(task)) as parts:
        return survey_parts(parts, reading or Reading(), _title(paths))


def _watch(task: Task | None) -> Watch | None:
    """Report to a task how much of a list of files was read, and end the reading where that is asked for."""
    if task is None:
        return None
    shown_s = float("-inf")

    def watch(done_bytes: int, total_bytes: int) -> None:
        nonlocal shown_s
        if task.stopped:
            raise Stopped("The look at the files was stopped; nothing was imported.")
        if total_bytes and time.monotonic() - shown_s >= _SHOWN_EVERY_S:
            shown_s = time.monotonic()
            done, total = (max(1, size // 2**20) for size in (done_bytes, total_bytes))
            task.report(Progress(phase="list", done=done, total=total, unit="MB"))

    return watch


def preview_source(
    source: SourceLike, candidate: Candidate, *, most: int = 8, task: Task | None = None
) -> dict[str, Image.Image]:
    """The first image of each of the first classes of a reading, to see whether it is meant.

    Args:
        source: As for `inspect_source`.
        candidate: One of its candidates.
        most: How many classes at most.
        task: As for `inspect_source`.

    Returns:
        Small images by class; a class whose first image cannot be decoded is left out.

    Raises:
        ArchiveError: The source cannot be read.
        Stopped: The task was stopped.
    """
    first: dict[str, Labelled] = {}
    for item in candidate.items:
        if item.label and len(first) < most:
            first.setdefault(item.label, item)
    found: dict[str, Image.Image] = {}
    with open_parts(_paths(source), candidate.reading.encoding, _watch(task)) as parts:
        for entry, file in parts.read({item.entry.number for item in first.values()}):
            try:
                image = load_image(file.read(MAX_FILE_BYTES), at_least=PREVIEW_SIZE // 2)
            except (ImageError, ArchiveError):
                continue
            for label, item in first.items():
                if item.entry.number == entry.number:
                    found[label] = ImageOps.fit(cut_out(image, item), (PREVIEW_SIZE, PREVIEW_SIZE))
    return {label: found[label] for label in sorted(found)}


def import_dataset(
    source: SourceLike,
    *,
    name: str | None = None,
    reading: Reading | None = None,
    group_by: str = "",
    test_fraction: float = 0.0,
    workspace: Workspace | None = None,
    task: Task | None = None,
) -> Dataset:
    """Import labelled images from a zip file, a tar file, a folder, or several of these.

    The classes are one folder each, or a CSV file says which image is what; wrapping folders are
    tolerated, and a ready-made split (train/, val/, test/) is kept. Each image is decoded once, so
    that a file that would fail later is refused here by name. Nothing of the source is needed
    afterwards. A source that was imported before, in the same way, under the same name and without
    changes since, gives the dataset that is already there.

    Args:
        source: A path, several of them, or ``sample`` for the handwritten digits of scikit-learn. Of
            several archives each is read by itself, and one without folders is a class of its name.
        name: What to call the dataset; the source's own name if not given.
        reading: How to read the classes where several ways are possible, see `inspect_source`.
        group_by: Which images belong together, see `group_images`; empty if that is not known.
        test_fraction: Share of the images to set aside for testing, see `set_aside`; 0 for none.
        workspace: Where to put it; the default workspace if not given.
        task: Where progress is reported, and what stops it; nothing is left behind.

    Raises:
        ArchiveError: The source cannot be read, has no images with classes, or can be read in several
            ways, which the message names.
        SettingsError: The rule for groups is none, or finds no group in the images; the share is out of
            range.
        DatasetError: A share is to be set aside, and there is a ready-made split, or a class is too small.
        StorageError: The disk is full or not writable.
        Stopped: The task was stopped.
    """
    workspace = workspace or Workspace.default()
    reading = reading or Reading()
    rule = str(GroupRule.parse(group_by)) if group_by else ""
    if test_fraction:
        check_test_part(test_fraction, ())
    paths = [] if str(source) == SAMPLE else _paths(source)
    title = clean_name((name or "").strip()) or (_title(paths) if paths else SAMPLE_NAME)
    digest = _source_digest(paths, f"{reading}:{rule}:{test_fraction}{':unlabelled' * reading.unlabelled}")
    known = list_datasets(workspace)
    same = known[(known["source_digest"] == digest) & (known["name"] == title) & (known["version"] == 1)]
    if len(same):
        return load_dataset(same["id"].iloc[0], workspace=workspace)
    dataset_id = new_id()
    importer = _Importer(task or Task())
    with workspace.staged(workspace.datasets, dataset_id) as folder:
        if paths:
            importer.read(paths, reading, folder, test_fraction)
        else:
            importer.take(folder, _sample_files(), total=SAMPLE_COUNT)
        rule = rule or importer.group_rule
        save_dataset(importer.dataset(folder, dataset_id, title, digest, rule, test_fraction))
    return load_dataset(dataset_id, workspace=workspace)


def add_images(
    dataset: Dataset,
    source: SourceLike,
    *,
    reading: Reading | None = None,
    group_by: str = "",
    test_fraction: float = 0.0,
    task: Task | None = None,
) -> Dataset:
    """Add the images of another source to a dataset, as a new version of it.

    Classes are matched by their names; new ones are added. An image that the dataset has already, in
    the same class, is skipped and named as such. In a dataset with a ready-made split, images that come
    without one are for training.

    Args:
        dataset: Its latest version is added to, whichever this is.
        source: As for `import_dataset`.
        reading: As for `import_dataset`; its `Reading.label` is the class of all images.
        group_by: Which of all its images then belong together, as for `group_images`; as before if empty.
        test_fraction: Share of all its images that is then set aside, as for `set_aside`; 0 for none.
        task: Where progress is reported, and what stops it; the dataset stays as it is.

    Returns:
        The latest version: each of the three steps that is taken makes one. If one is refused, none is taken.

    Raises:
        ArchiveError: As for `import_dataset`, or there is nothing new in the source.
        SettingsError: As for `import_dataset`.
        DatasetError: A share is to be set aside, and there is a division already, or a class is too small;
            or the dataset is being changed by somebody else.
        StorageError: The disk is full or not writable.
        Stopped: The task was stopped.
    """
    rule = GroupRule.parse(group_by) if group_by else None
    if test_fraction:  # refused before a file is read
        check_test_part(test_fraction, dataset.split_counts)
    workspace = Workspace(dataset.folder.parent.parent)
    importer = _Importer(task or Task())
    scratch = workspace.scratch()
    try:
        importer.read(_paths(source), reading or Reading(), scratch.folder)
        with latest(dataset) as current:  # it may have been edited meanwhile
            rows = importer.new_rows(current)
            notes = tuple(dict.fromkeys([*current.notes, *importer.notes]))
            edited = extended(replace(current, notes=notes), rows, importer.skipped, importer.ignored)
            added = message("Added {images}.", images=count_images(len(rows)))
            steps: list[tuple[Dataset, Message, str | None]] = [(edited, added, None)]
            if rule is None and importer.group_rule and current.group_rule in {"", NO_GROUPS}:
                rule = GroupRule.parse(importer.group_rule)
            if rule is not None and str(rule) != current.group_rule:
                edited = replace(edited, rows=grouped(edited.rows, rule))
                steps.append((edited, about_groups(edited, rule), str(rule)))
            if test_fraction:
                edited = replace(
                    edited, rows=with_test_part(edited.rows, test_fraction, seed=unused_seed(current))
                )
                steps.append((edited, about_test_part(edited), None))
            for file in rows["file"].unique():
                place = current.path(file)
                place.parent.mkdir(parents=True, exist_ok=True)
                (scratch.folder / file).replace(place)
            written = current
            for step, text, chosen in steps:
                following = replace(step, version=written.version, changes=written.changes)
                written = write_version(following, text, base=written.version, group_rule=chosen)
            return written
    finally:
        scratch.close()


def _paths(source: SourceLike) -> list[str | Path | NamedFile]:
    """The single sources; what is relative is so to the present folder."""
    several = [source] if isinstance(source, str | Path) else list(source)
    if not several:
        raise ArchiveError("No file was given; give an archive, a folder or several of them.")
    return [item if isinstance(item, NamedFile) else typed_path(item) for item in several]


def _title(paths: Sequence[str | Path | NamedFile]) -> str:
    """Return the name of a source: that of the folder, or of the archive without its endings."""
    first = paths[0]
    if isinstance(first, NamedFile):
        parts = [part for part in PurePosixPath(clean_name(first.name)).parts if part not in {"/", "..", "."}]
        name = (parts or [""])[0]
        if any(isinstance(path, NamedFile) and path.name.partition("/")[0] != name for path in paths):
            return "Photos"  # several folders or files, none of which stands for all
        return (name if len(parts) > 1 else name.partition(".")[0]) or "Photos"
    path = Path(first)
    name = clean_name(path.name)
    return (name if path.is_dir() else name.partition(".")[0]) or "Photos"


def _source_digest(paths: Sequence[str | Path | NamedFile], wishes: str) -> str:
    """Digest of a source and of how to import it: the bytes of files, names, sizes and times in folders.

    Raises:
        ArchiveError: There is nothing at a path.
    """
    digest = hashlib.sha256(f"{_REVISION}:{'' if paths else f'{SAMPLE} {SAMPLE_COUNT}'}:{wishes}".encode())
    for item in paths:
        path = item.path if isinstance(item, NamedFile) else Path(item)
        if isinstance(item, NamedFile) or len(paths) > 1:
            name = item.name if isinstance(item, NamedFile) else path.name
            digest.update(f"{name}\0".encode("utf-8", "surrogatepass"))
        if path.is_file():
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        elif path.is_dir():
            for line in _folder_lines(path):
                digest.update(line.encode("utf-8", "surrogatepass"))
        else:
            raise ArchiveError("There is no file or folder {path}; check the path.", path=path)
    return digest.hexdigest()


def _folder_lines(path: Path) -> Iterator[str]:
    for parent, folders, files in os.walk(path):
        folders.sort()
        for file_name in sorted(files):
            status = Path(parent, file_name).lstat()
            yield f"{Path(parent, file_name)}\0{status.st_size}\0{status.st_mtime_ns}\0"


def _sample_files() -> Iterator[tuple[list[Labelled], Reader]]:
    for number, (name, label, file) in enumerate(sample_images()):
        yield [Labelled(Entry(number, name, 0), label)], file


class _Importer:
    """The state of an import."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._skipped: list[Skipped] = []
        self._ignored = 0
        self._rows: list[dict[str, object]] = []
        self._copier = Copier()
        self._examined: dict[str, Examined] = {}
        self._every_page = False
        self._interval_s = 0.0
        self.notes: tuple[Message, ...] = ()

    @property
    def group_rule(self) -> str:
        """The rule that keeps the pieces of a file together; empty where every file is one photo."""
        return f"column:{ORIGIN}" if any(COLUMN + ORIGIN in row for row in self._rows) else ""

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """The files that were not taken, by name."""
        return tuple(sorted(self._skipped, key=lambda item: (item.name, str(item.reason))))

    @property
    def ignored(self) -> int:
        """Number of files left by operating systems."""
        return self._ignored

    def read(
        self,
        paths: Sequence[str | Path | NamedFile],
        reading: Reading,
        folder: Path,
        test_fraction: float = 0.0,
    ) -> None:
        """Find out what a source holds, then take its images into `folder`.

        A share that cannot be set aside, because there is a division, is refused before that.
        """
        interval_s = frame_interval(reading.frames)
        watch = _watch(Task(stop=self._task.stop))
        with open_parts(paths, reading.encoding, watch) as parts:
            survey = survey_parts(parts, reading, _title(paths))
            chosen = survey.certain()
            if test_fraction:
                check_test_part(test_fraction, chosen.splits)
            self._ignored = survey.ignored
            self.notes = chosen.notes
            for entry, reason in survey.skipped:
                self._skip(entry.name, reason)
            for item in chosen.items:
                if item.reason is not None:
                    self._skip(item.entry.name, item.reason)
            if chosen.table is not None:
                not_there = message("listed in {table}, but not there", table=chosen.table.name)
                for name in chosen.missing:
                    self._skip(name, not_there)
            self._every_page = bool(reading.pages)
            self._interval_s = interval_s
            wanted: dict[int, list[Labelled]] = {}
            for item in chosen.items:
                if item.reason is None:
                    wanted.setdefault(item.entry.number, []).append(item)
            files = (
                ([replace(item, entry=entry) for item in wanted[entry.number]], file)
                for entry, file in parts.read(set(wanted))
            )
            self.take(folder, files, total=len(wanted))
            self.notes += (*self._lost_classes(chosen), *about_traits(self._examined))

    def _lost_classes(self, chosen: Candidate) -> Iterator[Message]:
        """Yield a sentence for each class of which no photo could be read."""
        reasons = {skipped.name: skipped.reason for skipped in self._skipped}
        there = {row["label"] for row in self._rows}
        for name in sorted(chosen.classes.keys() - there):
            file = next(item.entry.name for item in chosen.items if item.label == name)
            yield message(
                "None of the photos of class '{name}' can be used (for example '{file}': {reason}).",
                name=name,
                file=file,
                reason=reasons.get(normalize("NFC", file), ""),
            )

    def new_rows(self, dataset: Dataset) -> pd.DataFrame:
        """The rows of what was taken that are new to a dataset."""
        rows = self._sorted_rows()
        keys = list(zip(rows["sha256"], rows["label"], strict=True))
        there = dataset.rows[~dataset.rows["excluded"]]
        known = set(zip(there["sha256"], there["label"], strict=True))
        known |= {(content, "") for content in there["sha256"]}
        new = np.array([key not in known for key in keys], dtype=bool)
        for name in rows.loc[~new, "name"]:
            self._skip(name, message("already in the dataset"))
        if not new.any():
            raise ArchiveError(
                "All {count} images are in the dataset already; nothing was added.", count=len(rows)
            )
        rows = rows[new].reset_index(drop=True)
        # A dataset is divided ready-made as a whole or not at all; what comes later is for learning.
        if not dataset.divided:
            rows["split"] = ""
        else:
            rows["split"] = rows["split"].replace("", "train")
        return rows

    def _sorted_rows(self) -> pd.DataFrame:
        return pd.DataFrame(self._rows).sort_values(["label", "name", "sha256"], kind="stable")

    def take(self, folder: Path, files: Iterable[tuple[Sequence[Labelled], Reader]], total: int) -> None:
        """Copy the files into `folder` and check each image, decoding ahead in threads."""
        incoming = folder / "incoming"
        incoming.mkdir()
        workers = min(8, os.cpu_count() or 1)
        meter = self._task.meter("import", total)
        pending: deque[tuple[_Arrived, Future[_Probe]]] = deque()
        with ThreadPoolExecutor(workers, thread_name_prefix="vitcore-import") as pool:
            for items, file in files:
                for arrived in self._copy(items, file, incoming):
                    pending.append((arrived, pool.submit(_probe, arrived.path)))
                while len(pending) > 4 * workers:
                    self._settle(folder, *pending.popleft())
                meter.add(1)
                if self._task.stopped:
                    pool.shutdown(cancel_futures=True)
                    raise Stopped("The import was stopped; nothing was kept.")
            while pending:
                self._settle(folder, *pending.popleft())
        incoming.rmdir()
        if not self._rows:
            last = self._skipped[-1]
            raise ArchiveError(
                "None of the images can be used (for example '{name}': {reason}).",
                name=last.name,
                reason=last.reason,
            )

    def dataset(
        self, folder: Path, dataset_id: str, name: str, digest: str, rule: str, test_fraction: float
    ) -> Dataset:
        """The dataset of what was taken, sorted by name so that the source's order does not matter."""
        rows = grouped(numbered(self._sorted_rows(), 0), GroupRule.parse(rule))
        if test_fraction:
            rows = with_test_part(rows, test_fraction)
        created = timestamp()
        return Dataset(
            folder=folder,
            id=dataset_id,
            name=name,
            version=1,
            created=created,
            source_digest=digest,
            rows=rows,
            next_image_id=len(rows),
            changes=(first_change(len(rows), created, rule),),
            skipped=self.skipped,
            ignored=self.ignored,
            notes=self.notes,
        )

    def _skip(self, name: str, reason: Message) -> None:
        self._skipped.append(Skipped(normalize("NFC", name), reason))

    def _copy(self, items: Sequence[Labelled], file: Reader, incoming: Path) -> Iterator[_Arrived]:
        """Copy one file into `incoming`, or the pieces it is cut into, or note why not."""
        entry = items[0].entry
        path = incoming / str(entry.number)
        copied = self._copier.copy(entry, file, path)
        if isinstance(copied, Message):
            self._skip(entry.name, copied)
        elif is_cut(items, self._every_page):
            yield from self._cut(items, path)
            path.unlink()
        else:
            yield _Arrived(items[0], path, copied.sha256, copied.size_bytes)

    def _cut(self, items: Sequence[Labelled], path: Path) -> Iterator[_Arrived]:
        """Save the pieces of a file beside it, as files of their own."""
        try:
            for number, piece in enumerate(pieces_of(path, items, self._interval_s)):
                content = io.BytesIO()
                piece.image.save(content, "PNG")
                place = path.with_name(f"{path.name}-{number}")
                copied = self._copier.copy(piece.item.entry, io.BytesIO(content.getvalue()), place)
                if isinstance(copied, Message):
                    self._skip(piece.item.entry.name, copied)
                else:
                    yield _Arrived(piece.item, place, copied.sha256, copied.size_bytes)
        except ImageError as error:
            self._skip(items[0].entry.name, error.message)

    def _settle(self, folder: Path, arrived: _Arrived, probe: "Future[_Probe]") -> None:
        """Move a checked image to its place, or say why it is not one."""
        try:
            found, facts = probe.result()
        except ImageError as error:
            arrived.path.unlink()
            self._skip(arrived.item.entry.name, error.message)
            return
        self._examined[arrived.item.entry.name] = found
        file = PurePosixPath("images", arrived.sha256[:2], f"{arrived.sha256}.{found.kind.lower()}")
        place = folder / file
        place.parent.mkdir(parents=True, exist_ok=True)
        arrived.path.replace(place)
        self._rows.append(
            {
                "name": normalize("NFC", arrived.item.entry.name),
                "label": arrived.item.label,
                "split": arrived.item.split,
                "sha256": arrived.sha256,
                "file": str(file),
                "format": found.kind,
                "width": found.width,
                "height": found.height,
                "size_bytes": arrived.size_bytes,
                **{COLUMN + name: text for name, text in {**facts, **arrived.item.columns}.items()},
            }
        )
