"""Labels that a person or a machine gives to photos of a dataset, one version of it for each step."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

import pandas as pd

from vitcore.dataset._dataset import Dataset
from vitcore.dataset._edit import chosen_rows, class_name_for
from vitcore.dataset._findings import count_images
from vitcore.dataset._provenance import MACHINE, PERSON, LabelledBy
from vitcore.dataset._versions import commit
from vitcore.errors import DatasetError
from vitcore.messages import Message, message

__all__ = ["LabelSource", "label_images", "unlabel"]


@dataclass(frozen=True, kw_only=True)
class LabelSource:
    """Where labels come from.

    Attributes:
        by: A person or a machine.
        detail: Of a machine: which run or head.
        details: By image, where they differ; of a person: how a photo was picked.
        confidences: Of a machine, by image, 0 … 1; 1 where nothing is given.
    """

    by: LabelledBy = PERSON
    detail: str = ""
    details: Mapping[int, str] = field(default_factory=dict)
    confidences: Mapping[int, float] = field(default_factory=dict)


BY_HAND = LabelSource()


def label_images(
    dataset: Dataset,
    labels: Mapping[int, str],
    *,
    leave_out: Collection[int] = (),
    source: LabelSource = BY_HAND,
) -> Dataset:
    """Give images labels, and take others out, as one step that `undo` takes back.

    A machine labels only what has no label by a person and was not imported with one.

    Args:
        dataset: The current version.
        labels: Class names by image id; names of new classes follow the rule of `vitcore.text.class_name`.
        leave_out: Ids of images to remove, as `exclude` does.
        source: Who gives the labels.

    Returns:
        The new version.

    Raises:
        DatasetError: Nothing would change, an image or a name cannot be used, or the dataset was changed
            elsewhere.
        StorageError: The disk is full or not writable.
    """
    rows = dataset.rows
    chosen = chosen_rows(dataset, {*labels, *leave_out})
    out = rows["image_id"].isin(set(leave_out))
    if (chosen & ~out & rows["excluded"]).any():
        raise DatasetError("The choice has photos that were removed; restore them first, then label them.")
    names = {name: class_name_for(dataset, name) for name in set(labels.values())}
    ids = rows["image_id"].tolist()
    given = pd.Series([names.get(labels.get(one, ""), "") for one in ids], index=rows.index, dtype="str")
    new = (given != "") & ~out
    if source.by == MACHINE:
        new &= (rows["label"] == "") | (rows["labelled_by"] == MACHINE)
    taken = out & ~rows["excluded"]
    if not new.any() and not taken.any():
        raise DatasetError("No photo would get another label; choose others.")
    confidences = pd.Series([source.confidences.get(one, 1.0) for one in ids], index=rows.index)
    details = pd.Series([source.details.get(one, source.detail) for one in ids], index=rows.index)
    edited = rows.assign(
        label=rows["label"].mask(new, given),
        labelled_by=rows["labelled_by"].mask(new, source.by),
        label_detail=rows["label_detail"].mask(new, details),
        label_confidence=rows["label_confidence"].mask(new, confidences),
        excluded=rows["excluded"] | taken,
    ).astype({"label": "str", "labelled_by": "str", "label_detail": "str"})
    return commit(replace(dataset, rows=edited), _sentence(int(new.sum()), int(taken.sum()), source.by))


def unlabel(dataset: Dataset, image_ids: Collection[int]) -> Dataset:
    """Take the labels of images back, so that they have none.

    Args:
        dataset: The current version.
        image_ids: Images with a label.

    Returns:
        The new version.

    Raises:
        DatasetError: None of them has a label, an image is unknown, or the dataset was changed elsewhere.
        StorageError: The disk is full or not writable.
    """
    rows = dataset.rows
    chosen = chosen_rows(dataset, image_ids) & (rows["label"] != "")
    if not chosen.any():
        raise DatasetError("None of the chosen photos has a label; choose others.")
    edited = rows.assign(
        label=rows["label"].mask(chosen, ""),
        labelled_by=rows["labelled_by"].mask(chosen, ""),
        label_detail=rows["label_detail"].mask(chosen, ""),
        label_confidence=rows["label_confidence"].mask(chosen, 0.0),
        split=rows["split"].mask(chosen, ""),
    )
    count = count_images(int(chosen.sum()))
    return commit(replace(dataset, rows=edited), message("Took the labels of {images} back.", images=count))


def _sentence(labelled: int, taken: int, by: LabelledBy) -> Message:
    """Return what was done, one sentence."""
    given = message("Labelled {images}.", images=count_images(labelled))
    if by == MACHINE:
        given = message("Accepted labels by a classifier for {images}.", images=count_images(labelled))
    if not taken:
        return given
    out = message("Removed {images}.", images=count_images(taken))
    return message("{labelled} {taken}", labelled=given, taken=out) if labelled else out
