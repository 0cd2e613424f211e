"""Versions of a dataset: the next one is written in one step, by one writer at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import filelock

from vitcore.dataset._dataset import Change, Dataset, load_dataset, load_description, save_dataset
from vitcore.errors import DatasetError
from vitcore.messages import Message
from vitcore.records import guard, timestamp
from vitcore.workspace import Workspace

__all__ = ["as_current", "commit", "latest", "workspace_of", "write_version"]


def commit(
    edited: Dataset, text: Message, *, base: int | None = None, group_rule: str | None = None
) -> Dataset:
    """Write a version whose rows were edited as the next one, `base` being what undoing leads to."""
    if edited.rows["excluded"].all():
        raise DatasetError(
            "Not a single image would be left; keep at least one, or delete the whole dataset instead."
        )
    with as_current(edited) as name:
        edited = replace(edited, name=name)
        return write_version(
            edited, text, base=edited.version if base is None else base, group_rule=group_rule
        )


def write_version(edited: Dataset, text: Message, *, base: int, group_rule: str | None = None) -> Dataset:
    """Write a version whose rows were edited as the next one; nobody else writes meanwhile."""
    version = edited.version + 1
    rule = edited.group_rule if group_rule is None else group_rule
    change = Change(version, base, text, timestamp(), rule)
    edited = replace(edited, version=version, changes=(*edited.changes, change))
    save_dataset(edited)
    return edited


@contextmanager
def latest(dataset: Dataset) -> Iterator[Dataset]:
    """Nobody else writes to the dataset during the block; gives its latest version.

    Raises:
        DatasetError: Somebody else is writing to it.
        NotFoundError: It was deleted.
        StorageError: The disk is full or not writable.
    """
    with _alone(dataset):
        yield load_dataset(dataset.id, workspace=workspace_of(dataset))


@contextmanager
def as_current(dataset: Dataset) -> Iterator[str]:
    """Nobody else writes to the dataset during the block; gives the name it has by now.

    Raises:
        DatasetError: The version on the disk is another one by now.
        NotFoundError: It was deleted.
        StorageError: The disk is full or not writable.
    """
    with _alone(dataset):
        current = load_description(dataset.folder)
        if current.version != dataset.version:
            raise DatasetError(
                "'{name}' was changed elsewhere in the meantime (version {latest}, not {version}) "
                "and stays as it is; look at it again, then repeat your change.",
                name=dataset.name,
                latest=current.version,
                version=dataset.version,
            )
        yield current.name


@contextmanager
def _alone(dataset: Dataset) -> Iterator[None]:
    """Nobody else writes to the dataset during the block."""
    workspace = workspace_of(dataset)
    with guard(dataset.folder):
        try:
            with workspace.lock(f"dataset-{dataset.id}"):
                workspace.find(workspace.datasets, dataset.id, "dataset")
                yield
        except filelock.Timeout as error:
            raise DatasetError(
                "'{name}' is being changed elsewhere; try again in a moment.", name=dataset.name
            ) from error


def workspace_of(dataset: Dataset) -> Workspace:
    return Workspace(dataset.folder.parent.parent)
