"""Models that somebody sent: opened with care, and kept beside the runs.

::

    <root>/models/<id>/
        config.json, head.safetensors, references.safetensors    the classifier (vitcore.inference)
        *.safetensors                                            weights that it brought along, if any
        README.md                                                its card, if it brought one
        origin.json                                              where it comes from

Of what was sent only files of these names are taken, none larger than it may be, and no name of it becomes
part of a path. A model is kept only if its records are sound and its arrays fit each other.
"""

import re
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from vitcore.errors import ArchiveError, InputError, StorageError
from vitcore.inference import check_model
from vitcore.messages import mark
from vitcore.records import Timestamp, guard, load_record, save_record, timestamp
from vitcore.text import class_name, shown
from vitcore.workspace import Workspace, new_id

__all__ = ["OpenedModel", "delete_model", "list_models", "load_model", "open_model"]

_ORIGIN = "origin.json"
_MODEL = "model"  # of a folder within the zip file of a run
_NEEDED = ("config.json", "head.safetensors", "references.safetensors")
_MB = 2**20
_LARGEST = {"config.json": 16 * _MB, "head.safetensors": 1024 * _MB, "README.md": 4 * _MB}
_LARGEST_ARRAYS = 4096 * _MB
_WEIGHTS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}\.safetensors")
_MOST_ENTRIES = 1000
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    OSError,
    EOFError,
    NotImplementedError,
    RuntimeError,  # encrypted
    ValueError,
)


@dataclass(frozen=True, kw_only=True)
class _Origin:
    """The record of where a model comes from."""

    name: str
    source: str
    opened: Timestamp


@dataclass(frozen=True, kw_only=True)
class OpenedModel:
    """A model that somebody sent.

    Attributes:
        folder: Where it lies; `vitcore.load_classifier` takes it.
        name: For people.
        source: Name of the file or folder that it came from.
        opened: When, as ISO 8601.
        classes: Names of its classes.
        backbone: Title of its backbone.
    """

    folder: Path
    name: str
    source: str
    opened: str
    classes: tuple[str, ...]
    backbone: str

    @property
    def id(self) -> str:
        """Its id in the workspace."""
        return self.folder.name


def open_model(
    source: Path, name: str = "", *, title: str = "", workspace: Workspace | None = None
) -> OpenedModel:
    """Take a model folder, or a zip file of one, into the workspace.

    Args:
        source: The folder or the file.
        name: What to call it; as what it came from, if not given.
        title: Name of what it came from, where `source` is a copy with another name.
        workspace: Where to keep it; the default workspace if not given.

    Raises:
        ArchiveError: It is no zip file, or holds no model.
        InputError: Something in it is missing, too large, or does not fit.
        StorageError: A file in it is damaged, or the disk is full.
    """
    workspace = workspace or Workspace.default()
    origin = class_name(title or source.name)[:200] or "model"
    called = class_name(name)[:200] or PurePosixPath(origin).stem
    with guard(workspace.models):
        workspace.models.mkdir(exist_ok=True)
    model_id = new_id()
    with workspace.staged(workspace.models, model_id) as folder:
        with _files_of(source) as files:
            _take(files, folder)
        config = check_model(folder)
        own, weights = config.backbone.source == "file", config.backbone.id
        if own and not (_WEIGHTS.fullmatch(weights) and (folder / weights).is_file()):
            raise InputError(
                "The model needs weights of its own, which it does not bring along; export it again."
            )
        save_record(folder / _ORIGIN, _Origin(name=called, source=origin, opened=timestamp()))
    return load_model(model_id, workspace=workspace)


def load_model(model_id: str, *, workspace: Workspace | None = None) -> OpenedModel:
    """Load the description of a model.

    Raises:
        NotFoundError: There is none of that id.
        StorageError: It is damaged.
    """
    workspace = workspace or Workspace.default()
    folder = workspace.find(workspace.models, model_id, "model")
    origin = load_record(_Origin, folder / _ORIGIN, mark("open the model again"))
    config = check_model(folder)
    return OpenedModel(
        folder=folder,
        name=origin.name,
        source=origin.source,
        opened=origin.opened,
        classes=config.classes,
        backbone=config.backbone.title,
    )


def list_models(workspace: Workspace | None = None) -> dict[str, OpenedModel | StorageError]:
    """Return the models by id, newest first; of a damaged one what is wrong with it."""
    workspace = workspace or Workspace.default()
    found: dict[str, OpenedModel | StorageError] = {}
    for model_id in workspace.ids(workspace.models) if workspace.models.is_dir() else ():
        try:
            found[model_id] = load_model(model_id, workspace=workspace)
        except StorageError as error:
            found[model_id] = error
    return found


def delete_model(model_id: str, *, workspace: Workspace | None = None) -> None:
    """Delete a model, damaged or not.

    Raises:
        NotFoundError: There is none of that id.
        StorageError: It is not writable.
    """
    workspace = workspace or Workspace.default()
    folder = workspace.find(workspace.models, model_id, "model")
    with guard(folder):
        shutil.rmtree(folder)


# --- what was sent ---------------------------------------------------------------------------------

_Files = Mapping[str, "_File"]


@dataclass(frozen=True)
class _File:
    """A file that was sent: its size as it claims, and how to open it."""

    size_bytes: int
    source: Path | tuple[zipfile.ZipFile, zipfile.ZipInfo]

    def open(self) -> IO[bytes]:
        if isinstance(self.source, Path):
            return self.source.open("rb")
        archive, entry = self.source
        return archive.open(entry)


@contextmanager
def _files_of(source: Path) -> Iterator[_Files]:
    """The files of the one model in a folder or a zip file, by their plain names."""
    if source.is_dir():
        inner = source / _MODEL if (source / _MODEL / _NEEDED[0]).is_file() else source
        with guard(inner):
            paths = [path for path in inner.iterdir() if path.is_file() and not path.is_symlink()]
        yield _needed({path.name: _File(path.stat().st_size, path) for path in paths})
        return
    try:
        with zipfile.ZipFile(source) as archive:
            entries = archive.infolist()
            if len(entries) > _MOST_ENTRIES:
                raise ArchiveError(
                    "The zip file holds more than {most} files; send a model alone.", most=_MOST_ENTRIES
                )
            yield _needed(_of_one_folder(archive, entries))
    except _UNREADABLE as error:
        raise ArchiveError(
            "'{name}' is no zip file of a model that can be read; give a model folder or a zip file of one.",
            name=shown(source.name),
        ) from error


def _of_one_folder(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo]) -> dict[str, _File]:
    """The files beside the one ``config.json``; an encrypted one cannot be read."""
    by_folder: dict[PurePosixPath, dict[str, _File]] = {}
    for entry in entries:
        if not entry.is_dir() and not entry.flag_bits & 1:
            path = PurePosixPath(entry.filename)
            by_folder.setdefault(path.parent, {})[path.name] = _File(entry.file_size, (archive, entry))
    models = [files for files in by_folder.values() if _NEEDED[0] in files]
    if len(models) > 1:
        raise ArchiveError("The zip file holds {count} models; give one at a time.", count=len(models))
    return models[0] if models else {}


def _needed(files: dict[str, _File]) -> dict[str, _File]:
    missing = [name for name in _NEEDED if name not in files]
    if missing:
        raise ArchiveError(
            "There is no model in it: {missing} is missing; give what the export as a model folder made.",
            missing=missing[0],
        )
    return files


def _take(files: _Files, folder: Path) -> None:
    """Copy the files that belong to a model, and no others."""
    weights = [name for name in files if _WEIGHTS.fullmatch(name) and name not in _NEEDED][:1]
    for name in [*_NEEDED, *(["README.md"] if "README.md" in files else []), *weights]:
        most = _LARGEST.get(name, _LARGEST_ARRAYS)
        too_large = InputError(
            "{name} is larger than {most} MB; this is no model of ViT Studio.", name=name, most=most // _MB
        )
        if files[name].size_bytes > most:
            raise too_large
        with files[name].open() as sent, (folder / name).open("xb") as kept:
            left = most
            while part := sent.read(_MB):  # what a zip file claims of sizes need not be true
                left -= len(part)
                if left < 0:
                    raise too_large
                kept.write(part)
