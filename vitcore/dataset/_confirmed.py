"""Labels that somebody looked at and found right, whatever a classifier thinks of them."""

from collections.abc import Iterable

from vitcore.dataset._dataset import Dataset
from vitcore.messages import mark
from vitcore.records import load_record, write_json

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
    _write(dataset, _read(dataset) | {image_id: labels[image_id] for image_id in image_ids})


def unconfirm(dataset: Dataset, image_ids: Iterable[int]) -> None:
    """Take that back.

    Raises:
        StorageError: The disk is full or not writable.
    """
    dropped = set(image_ids)
    _write(dataset, {key: label for key, label in _read(dataset).items() if key not in dropped})


def _read(dataset: Dataset) -> dict[int, str]:
    path = dataset.folder / _FILE
    if not path.is_file():
        return {}
    return dict(load_record(tuple[tuple[int, str], ...], path, mark("delete it")))


def _write(dataset: Dataset, labels: dict[int, str]) -> None:
    write_json(dataset.folder / _FILE, sorted([image_id, label] for image_id, label in labels.items()))
