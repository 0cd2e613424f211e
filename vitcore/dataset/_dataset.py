"""A dataset on disk: images under generated names, and an index of what they are.

::

    <dataset id>/
        dataset.json        name, classes, changes, what was skipped, which index is current
        index-0001.csv      one row per image (`INDEX_COLUMNS`); a new file for every change
        images/ab/abc….jpg  the files as they came, named by their content
        thumbnails/ab/…     made at first use
        measures.json       and brightness.json, duplicates/, what the images show (vitcore.audit)
        divisions/          on which side each content is, by seed and validation fraction
        test-looks.json     how many classifiers its test part has judged (vitcore.pipeline)

An index file is never changed once ``dataset.json`` names its version, so a run can say which
version it learned from, and every version can be loaded again.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath

import pandas as pd
from PIL import Image, ImageOps

from vitcore.dataset._decode import load_image
from vitcore.dataset._findings import count_images
from vitcore.dataset._groups import COLUMN, NO_GROUPS, Series, find_series
from vitcore.dataset._provenance import MACHINE, about_unlabelled, labelled_by_people, with_provenance
from vitcore.dataset._remarks import warnings_of
from vitcore.errors import ImageError, NotFoundError, StorageError
from vitcore.fitting import is_elongated
from vitcore.messages import Message, mark, message
from vitcore.records import StoredMessage, Timestamp, guard, load_record, replacing, save_record, write_text
from vitcore.text import MAX_CLASS_NAME, class_name
from vitcore.workspace import Workspace

__all__ = [
    "INDEX_COLUMNS",
    "Change",
    "Dataset",
    "Skipped",
    "list_damaged_datasets",
    "list_datasets",
    "load_dataset",
    "squared",
]

INDEX_COLUMNS: Mapping[str, str] = {
    "image_id": "int64",
    "name": "str",
    "label": "str",
    "split": "str",
    "sha256": "str",
    "file": "str",
    "format": "str",
    "width": "int64",
    "height": "int64",
    "size_bytes": "int64",
    "excluded": "bool",
    "group": "str",
    "labelled_by": "str",
    "label_detail": "str",
    "label_confidence": "float64",
}
"""Columns of `Dataset.index` and their types.

`image_id` counts from 0, rises from row to row and stays with its image; `name` is the path in the
source, as text; `label` is empty where nobody gave one yet; `split` is ``train``, ``validation`` or ``test``
in a ready-made split, else empty;
`sha256` is the digest of the file's bytes; `file` is its path below the dataset's folder; `width`
and `height` are those of the upright image, in pixels; `excluded` says that the image was taken out;
`group` names what it belongs to, such as a patient or a burst, and is empty where it stands for itself;
`labelled_by` is ``imported``, ``person``, ``machine``, or empty without a label; `label_detail` names the run
or head of a machine, and how a person came to the image; `label_confidence` is a machine's, else 1, and 0
without a label.
Behind these stand columns such as ``column:patient``, as text: what a table beside the images says of them,
and ``taken``, ``camera`` and ``place`` where the files know it.
"""

THUMBNAIL_SIZE = 240

_PLACE, _DIGEST = r"images/[^/]+/[^/]+", "[0-9a-f]{64}"
_PARTS = ("", "train", "validation", "test")

_FILE = "dataset.json"
_REMEDY = mark("delete the dataset, then import it again")


@dataclass(frozen=True)
class Skipped:
    """A file that was not imported, and why."""

    name: str
    reason: StoredMessage


@dataclass(frozen=True)
class Change:
    """One step in the life of a dataset.

    Attributes:
        version: What it led to, from 1.
        base: The version that undoing leads back to; 0 if there is nothing to undo. An edit has the
            version before it; an undo has whatever the version it restored has.
        text: What was done, one sentence.
        created: When, ISO 8601, UTC.
        group_rule: The rule by which its images are grouped; empty if nobody chose one.
    """

    version: int
    base: int
    text: StoredMessage
    created: Timestamp
    group_rule: str = ""


@dataclass(frozen=True, kw_only=True)
class DatasetRecord:
    """The record in ``dataset.json``, as `Dataset` has it.

    Attributes:
        index: Name of the file with the rows of the current version.
        classes: Number of images of each class that take part.
        unlabelled: Number of images without a label that were not taken out.
    """

    name: str
    created: Timestamp
    source_digest: str
    version: int
    index: str = ""
    classes: dict[str, int]
    unlabelled: int = 0
    skipped: tuple[Skipped, ...]
    ignored: int
    next_image_id: int | None = None
    changes: tuple[Change, ...] = ()
    notes: tuple[StoredMessage, ...] = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class Dataset:
    """Images, most often labelled, as `load_dataset` reads them.

    Attributes:
        folder: Where it lies.
        id: Its id in the workspace.
        name: For people.
        version: Counts the changes made to it, from 1.
        created: Time of import, ISO 8601, UTC.
        source_digest: Digest of what it was imported from.
        rows: One row per image, also of those that were taken out, columns `INDEX_COLUMNS`.
        next_image_id: What the next image that is added is numbered; no number is used twice.
        changes: What led to this version, oldest first.
        skipped: Files that were not taken, of all that was ever imported; not undone by an undo.
        ignored: Number of files left by operating systems, not worth a reason.
        notes: What to know about how labels were read, of all that was ever imported.
    """

    folder: Path
    id: str
    name: str
    version: int
    created: str
    source_digest: str
    rows: pd.DataFrame
    next_image_id: int
    changes: tuple[Change, ...]
    skipped: tuple[Skipped, ...]
    ignored: int
    notes: tuple[Message, ...] = ()

    @cached_property
    def index(self) -> pd.DataFrame:
        """One row per image that takes part in training and figures, columns `INDEX_COLUMNS`.

        It was not taken out, and has a label that was imported or is a person's.
        """
        return self.rows[~self.rows["excluded"] & labelled_by_people(self.rows)].reset_index(drop=True)

    @cached_property
    def unlabelled(self) -> pd.DataFrame:
        """One row per image that waits for a label, columns `INDEX_COLUMNS`."""
        return self.rows[~self.rows["excluded"] & (self.rows["label"] == "")].reset_index(drop=True)

    @cached_property
    def machine_labelled(self) -> pd.DataFrame:
        """One row per image that a machine labelled, columns `INDEX_COLUMNS`."""
        by_machine = self.rows["labelled_by"] == MACHINE
        return self.rows[~self.rows["excluded"] & by_machine].reset_index(drop=True)

    @cached_property
    def excluded(self) -> pd.DataFrame:
        """One row per image that was taken out, columns `INDEX_COLUMNS`."""
        return self.rows[self.rows["excluded"]].reset_index(drop=True)

    @cached_property
    def warnings(self) -> tuple[Message, ...]:
        """Return the notes of the import and the warnings on the images that take part, one sentence each."""
        series = () if self.series is None else (self.series.sentence,)
        apart = about_unlabelled(len(self.unlabelled), len(self.machine_labelled))
        return (*self.notes, *apart, *series, *warnings_of(self.index))

    @cached_property
    def series(self) -> Series | None:
        """Images that look as if they belonged together, where a split may divide them; None if none do."""
        if self.index.empty or self.group_rule not in {"", NO_GROUPS}:
            return None
        return find_series(self.index)

    @property
    def divided(self) -> bool:
        """True if the images come with a division into those to learn from and those to choose by."""
        return bool((self.index["split"] == "validation").any())

    @property
    def group_rule(self) -> str:
        """The rule by which images are grouped, as `GroupRule.parse` takes it; empty if nobody chose one."""
        return self.changes[-1].group_rule

    @property
    def group_count(self) -> int:
        """Number of groups of images that belong together."""
        return int(self.index["group"].nunique()) - int((self.index["group"] == "").any())

    @property
    def can_undo(self) -> bool:
        """True if there is an edit to undo."""
        return self.changes[-1].base > 0

    @property
    def undoable(self) -> Message | None:
        """The edit that `undo` takes back, ``Moved 3 images to 'dogs'.``; None if there is nothing."""
        # A version has the images of the one after its base: an edit is that one, and an undo restored
        # a version with the same base.
        edit = self.changes[-1].base + 1
        texts = {change.version: change.text for change in self.changes}
        return texts[edit] if self.can_undo else None

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The class names, sorted."""
        return tuple(sorted(self.index["label"].unique()))

    @cached_property
    def class_counts(self) -> dict[str, int]:
        """Number of images of each class, in the order of `classes`."""
        counts = self.index["label"].value_counts()
        return {label: int(counts[label]) for label in self.classes}

    @property
    def split_counts(self) -> dict[str, int]:
        """Number of images of each part of a ready-made split; empty if there is none."""
        counts = self.index["split"].value_counts()
        return {str(split): int(count) for split, count in counts.items() if split}

    def path(self, file: str) -> Path:
        """Return the path of an image, `file` being that of the index."""
        return self.folder / file

    def thumbnail(self, file: str) -> Path:
        """A small JPEG of what is seen of an image, 240 pixels wide and high, made at first use.

        That is its centred square; an image more than half as long again as broad is there as a whole.

        Raises:
            ImageError: The image is damaged.
            StorageError: The disk is full or not writable.
        """
        path = self.folder / "thumbnails" / PurePosixPath(file).relative_to("images").with_suffix(".jpg")
        if not _is_thumbnail(path):
            image = self.small_image(file)
            with guard(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                with replacing(path, flush=False) as temporary:
                    image.save(temporary, "JPEG", quality=85)
        return path

    def small_image(self, file: str) -> Image.Image:
        """What `thumbnail` shows, without a file: for a disk that is full or not writable.

        Raises:
            ImageError: The image is damaged.
        """
        return squared(load_image(self.path(file), at_least=THUMBNAIL_SIZE // 2), THUMBNAIL_SIZE)


def squared(image: Image.Image, side: int) -> Image.Image:
    """What a thumbnail of `side` pixels shows: the centred square, or the whole of an elongated image."""
    if is_elongated(*image.size):
        return ImageOps.pad(image, (side, side), color="white")
    return ImageOps.fit(image, (side, side))


def _is_thumbnail(path: Path) -> bool:
    """Whether there is a small picture that is whole."""
    try:
        status = path.stat()
    except OSError:
        return False
    return _opens(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4096)
def _opens(path: Path, _modified_ns: int, _size_bytes: int) -> bool:
    try:
        return load_image(path).size == (THUMBNAIL_SIZE, THUMBNAIL_SIZE)
    except (ImageError, OSError):
        return False


def first_change(images: int, created: str, group_rule: str = "") -> Change:
    """The import of that many images, as the change that made version 1."""
    return Change(1, 0, message("Imported {images}.", images=count_images(images)), created, group_rule)


def numbered(rows: pd.DataFrame, first_id: int) -> pd.DataFrame:
    """Rows with all `INDEX_COLUMNS` from rows that lack `image_id`, `excluded`, `group` and provenance."""
    numbers = range(first_id, first_id + len(rows))
    return complete(rows.assign(image_id=numbers, excluded=False, group="").reset_index(drop=True))


def complete(rows: pd.DataFrame) -> pd.DataFrame:
    """Bring the columns of rows into their order and type.

    Extra ones that some rows lack are empty there; a label of which nothing else is noted was imported.
    """
    rows = with_provenance(rows)
    extra = sorted(name for name in rows.columns if name.startswith(COLUMN))
    rows = rows.assign(**{name: rows[name].fillna("") for name in extra})
    return rows[[*INDEX_COLUMNS, *extra]].astype({**INDEX_COLUMNS, **dict.fromkeys(extra, "str")})


def save_dataset(dataset: Dataset) -> None:
    """Write the index of a dataset's version, then its description, which names that version."""
    write_text(dataset.folder / _index_file(dataset.version), dataset.rows.to_csv(index=False))
    save_description(dataset)


def save_description(dataset: Dataset) -> None:
    """Write what there is to say of a dataset besides its index."""
    description = DatasetRecord(
        name=dataset.name,
        created=dataset.created,
        source_digest=dataset.source_digest,
        version=dataset.version,
        index=_index_file(dataset.version),
        classes=dataset.class_counts,
        unlabelled=len(dataset.unlabelled),
        skipped=dataset.skipped,
        ignored=dataset.ignored,
        next_image_id=dataset.next_image_id,
        changes=dataset.changes,
        notes=dataset.notes,
    )
    save_record(dataset.folder / _FILE, description)


def load_description(folder: Path) -> DatasetRecord:
    """Load what there is to say of a dataset besides its index.

    Raises:
        StorageError: Missing or damaged.
    """
    return load_record(DatasetRecord, folder / _FILE, _REMEDY)


def _index_file(version: int) -> str:
    return f"index-{version:04}.csv"


def load_dataset(
    dataset_id: str, *, version: int | None = None, workspace: Workspace | None = None
) -> Dataset:
    """The dataset of that id.

    Args:
        dataset_id: As `import_dataset` gave it.
        version: An earlier version of it; the current one if not given.
        workspace: Where to look; the default workspace if not given.

    Raises:
        NotFoundError: There is none, or it has no such version.
        StorageError: Its files are damaged.
    """
    workspace = workspace or Workspace.default()
    folder = workspace.find(workspace.datasets, dataset_id, mark("dataset"))
    about = load_description(folder)
    version = about.version if version is None else version
    if not 1 <= version <= about.version:
        raise NotFoundError(
            "Dataset '{dataset_id}' has no version {version}; its versions are 1 to {current}.",
            dataset_id=dataset_id,
            version=version,
            current=about.version,
        )
    return _described(folder, about, version, _read_rows(folder / _index_file(version)))


def _by_the_rule(label: str) -> str:
    """A class as it is called now; the first datasets were imported when there was no rule."""
    return class_name(class_name(label)[:MAX_CLASS_NAME]) or label


def _read_rows(path: Path) -> pd.DataFrame:
    with guard(path, _REMEDY):
        types = defaultdict(lambda: "str", INDEX_COLUMNS)
        rows = pd.read_csv(path, dtype=types, keep_default_na=False, encoding="utf-8")
        names = {label: _by_the_rule(label) for label in rows["label"].unique()}
        if any(label != name for label, name in names.items()):
            rows["label"] = rows["label"].map(names).astype("str")
        if "excluded" not in rows:  # written before images could be taken out
            rows["excluded"] = False
        if "group" not in rows:  # written before images could belong together
            rows["group"] = ""
        if rows["excluded"].all():
            raise ValueError(message("it has no images"))
        if not rows["image_id"].is_unique or (rows[["image_id", "width", "height"]] < 0).any(axis=None):
            raise ValueError(message("its numbers are not those of images"))
        if not (rows["file"].str.fullmatch(_PLACE) & rows["sha256"].str.fullmatch(_DIGEST)).all():
            raise ValueError(message("its files are not those of images"))
        if not rows["split"].isin(_PARTS).all():
            raise ValueError(message("its parts are not those of a division"))
        return complete(rows)


def _described(folder: Path, about: DatasetRecord, version: int, rows: pd.DataFrame) -> Dataset:
    # The last two are not there in what was written before datasets could be edited.
    changes = about.changes or (first_change(sum(about.classes.values()), about.created),)
    next_image_id = about.next_image_id
    return Dataset(
        folder=folder,
        id=folder.name,
        name=about.name,
        version=version,
        created=about.created,
        source_digest=about.source_digest,
        rows=rows,
        next_image_id=int(rows["image_id"].max()) + 1 if next_image_id is None else next_image_id,
        changes=tuple(change for change in changes if change.version <= version),
        skipped=about.skipped,
        ignored=about.ignored,
        notes=about.notes,
    )


def list_datasets(workspace: Workspace | None = None) -> pd.DataFrame:
    """The datasets of a workspace, newest first; one whose description is damaged is left out.

    Columns: id, name, created, images (that take part), unlabelled, classes, version, source_digest.
    """
    workspace = workspace or Workspace.default()
    rows = []
    for dataset_id, about in _descriptions(workspace).items():
        if isinstance(about, DatasetRecord):
            rows.append(
                {
                    "id": dataset_id,
                    "name": about.name,
                    "created": about.created,
                    "images": sum(about.classes.values()),
                    "unlabelled": about.unlabelled,
                    "classes": len(about.classes),
                    "version": about.version,
                    "source_digest": about.source_digest,
                }
            )
    columns = ["id", "name", "created", "images", "unlabelled", "classes", "version", "source_digest"]
    return pd.DataFrame(rows, columns=columns)


def list_damaged_datasets(workspace: Workspace | None = None) -> dict[str, StorageError]:
    """What is wrong with the datasets that `list_datasets` leaves out, by their ids, newest first."""
    found = _descriptions(workspace or Workspace.default())
    return {dataset_id: about for dataset_id, about in found.items() if isinstance(about, StorageError)}


def _descriptions(workspace: Workspace) -> dict[str, DatasetRecord | StorageError]:
    """The descriptions of the datasets of a workspace, or what is wrong with them, newest first."""
    found: dict[str, DatasetRecord | StorageError] = {}
    for dataset_id in workspace.ids(workspace.datasets):
        try:
            found[dataset_id] = load_description(workspace.datasets / dataset_id)
        except StorageError as error:
            found[dataset_id] = error
    return found
