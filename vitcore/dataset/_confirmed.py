"""Labels that somebody looked at and found right, whatever a classifier thinks of them."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from vitcore.dataset._dataset import Dataset
from vitcore.messages import mark
from vitcore.records import load_record, write_json
from vitcore.workspace import Workspace

__all__ = ["confirm", "confirmed", "unconfirm"]

_FILE = "confirmed.json"


def confirmed(dataset: Dataset) -> set[int]:
    """The images whose present label was confirmed; one that was moved to another class is not.

    Raises:
        StorageError: The file is damaged.
    """
    labels = dict(zip(dataset.rows["image_id"].tolist(), dataset.rows["label"], strict=True))
    return {image_id for image_id, label in _read(dataset).items() if labels.get(image_id) == label}


def confirm(dataset: Dataset, image_ids: Iterable[int]) -> None:
    """Note that the labels of images are right; on the disk at once.

    Raises:
        StorageError: The disk is full or not writable.
    """
    labels = dict(zip(dataset.rows["image_id"].tolist(), dataset.rows["label"], strict=True))
    with _changed(dataset) as found:
        found.update((image_id, labels[image_id]) for image_id in image_ids)


def unconfirm(dataset: Dataset, image_ids: Iterable[int]) -> None:
    """Take that back.

    Raises:
        StorageError: The disk is full or not writable.
    """
    with _changed(dataset) as found:
        for image_id in image_ids:
            found.pop(image_id, None)


@contextmanager
def _changed(dataset: Dataset) -> Iterator[dict[int, str]]:
    """Give the labels to change, which are written at its end; nobody else changes them meanwhile."""
    path = dataset.folder / _FILE
    with Workspace(dataset.folder.parent.parent).changing(path):
        labels = _read(dataset)
        yield labels
        write_json(path, sorted([image_id, label] for image_id, label in labels.items()))


def _read(dataset: Dataset) -> dict[int, str]:
    path = dataset.folder / _FILE
    if not path.is_file():
        return {}
    return dict(load_record(tuple[tuple[int, str], ...], path, mark("delete it")))
