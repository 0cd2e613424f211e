"""Labels that somebody looked at and found right, whatever a classifier thinks of them."""

from collections.abc import Iterable

from vitcore.dataset._dataset import Dataset
from vitcore.errors import StorageError
from vitcore.workspace import read_json, write_json

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
    try:
        return {int(image_id): str(label) for image_id, label in read_json(path)}
    except (TypeError, ValueError) as error:
        raise StorageError(f"{path} is damaged ({error}); delete it.") from error


def _write(dataset: Dataset, labels: dict[int, str]) -> None:
    try:
        write_json(dataset.folder / _FILE, sorted([image_id, label] for image_id, label in labels.items()))
    except OSError as error:
        raise StorageError(
            f"{dataset.folder} cannot be written ({error.strerror or error}); free some space."
        ) from error
