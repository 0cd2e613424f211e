"""A dataset on disk: images under generated names, and an index of what they are.

::

    <dataset id>/
        dataset.json        name, classes, what was skipped, which index is current
        index-0001.csv      one row per image (`INDEX_COLUMNS`); a new file for every change
        images/ab/abc….jpg  the files as they came, named by their content
        thumbnails/ab/…     made at first use
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd
from PIL import ImageOps

from vitcore.dataset._decode import load_image
from vitcore.errors import StorageError
from vitcore.workspace import Workspace, read_json, write_json, write_text

__all__ = ["INDEX_COLUMNS", "Dataset", "Skipped", "list_datasets", "load_dataset"]

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
}
"""Columns of `Dataset.index` and their types.

`image_id` counts from 0 and stays with its image; `name` is the path in the source, as text;
`split` is ``train``, ``validation`` or ``test`` in a ready-made split, else empty; `sha256` is the
digest of the file's bytes; `file` is its path below the dataset's folder; `width` and `height` are
those of the upright image, in pixels.
"""

THUMBNAIL_SIZE = 240


@dataclass(frozen=True)
class Skipped:
    """A file that was not imported, and why."""

    name: str
    reason: str


@dataclass(frozen=True, eq=False, kw_only=True)
class Dataset:
    """Labelled images, as `load_dataset` reads them.

    Attributes:
        folder: Where it lies.
        id: Its id in the workspace.
        name: For people.
        version: Counts the changes made to it, from 1.
        created: Time of import, ISO 8601, UTC.
        source_digest: Digest of what it was imported from.
        index: One row per image, columns `INDEX_COLUMNS`.
        skipped: Files of the source that were not taken.
        ignored: Number of files left by operating systems, not worth a reason.
        warnings: What the user should know, one sentence each.
    """

    folder: Path
    id: str
    name: str
    version: int
    created: str
    source_digest: str
    index: pd.DataFrame
    skipped: tuple[Skipped, ...]
    ignored: int
    warnings: tuple[str, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names, sorted."""
        return tuple(sorted(self.index["label"].unique()))

    @property
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
        """Where an image lies, `file` being what the index says."""
        return self.folder / file

    def thumbnail(self, file: str) -> Path:
        """A small JPEG of an image's centred square, 240 pixels wide and high, made at first use."""
        path = self.folder / "thumbnails" / PurePosixPath(file).relative_to("images").with_suffix(".jpg")
        if not path.is_file():
            image = load_image(self.path(file), at_least=THUMBNAIL_SIZE // 2)
            image = ImageOps.fit(image, (THUMBNAIL_SIZE, THUMBNAIL_SIZE))
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".tmp-{secrets.token_hex(4)}")
            image.save(temporary, "JPEG", quality=85)
            temporary.replace(path)
        return path


def save_dataset(dataset: Dataset) -> None:
    """Write the index of a dataset's version, then its description, which names that version."""
    index_file = f"index-{dataset.version:04}.csv"
    write_text(dataset.folder / index_file, dataset.index.to_csv(index=False))
    write_json(
        dataset.folder / "dataset.json",
        {
            "name": dataset.name,
            "created": dataset.created,
            "source_digest": dataset.source_digest,
            "version": dataset.version,
            "index": index_file,
            "classes": dataset.class_counts,
            "skipped": [{"name": item.name, "reason": item.reason} for item in dataset.skipped],
            "ignored": dataset.ignored,
            "warnings": list(dataset.warnings),
        },
    )


def load_dataset(
    dataset_id: str, *, version: int | None = None, workspace: Workspace | None = None
) -> Dataset:
    """The dataset of that id.

    Args:
        dataset_id: As `import_dataset` gave it.
        version: An earlier version of it; the current one if not given.
        workspace: Where to look; the default workspace if not given.

    Raises:
        NotFoundError: There is none.
        StorageError: Its files are damaged.
    """
    workspace = workspace or Workspace.default()
    folder = workspace.find(workspace.datasets, dataset_id, "dataset")
    about = read_json(folder / "dataset.json")
    try:
        version = int(about["version"]) if version is None else version
        index = pd.read_csv(
            folder / f"index-{version:04}.csv",
            dtype=dict(INDEX_COLUMNS),
            keep_default_na=False,
            encoding="utf-8",
        )[list(INDEX_COLUMNS)]
        return _described(folder, about, version, index)
    except (OSError, ValueError, TypeError, LookupError) as error:
        raise StorageError(f"Dataset '{dataset_id}' is damaged ({error}); delete {folder}.") from error


def _described(folder: Path, about: dict[str, Any], version: int, index: pd.DataFrame) -> Dataset:
    return Dataset(
        folder=folder,
        id=folder.name,
        name=about["name"],
        version=version,
        created=about["created"],
        source_digest=about["source_digest"],
        index=index,
        skipped=tuple(Skipped(**item) for item in about["skipped"]),
        ignored=about["ignored"],
        warnings=tuple(about["warnings"]),
    )


def list_datasets(workspace: Workspace | None = None) -> pd.DataFrame:
    """The datasets of a workspace, newest first; one whose description is damaged is left out.

    Columns: id, name, created, images, classes, version, source_digest.
    """
    workspace = workspace or Workspace.default()
    rows = []
    for dataset_id in workspace.ids(workspace.datasets):
        try:
            about = read_json(workspace.datasets / dataset_id / "dataset.json")
            rows.append(
                {
                    "id": dataset_id,
                    "name": about["name"],
                    "created": about["created"],
                    "images": sum(about["classes"].values()),
                    "classes": len(about["classes"]),
                    "version": about["version"],
                    "source_digest": about["source_digest"],
                }
            )
        except (StorageError, LookupError, TypeError):
            continue
    columns = ["id", "name", "created", "images", "classes", "version", "source_digest"]
    return pd.DataFrame(rows, columns=columns)
