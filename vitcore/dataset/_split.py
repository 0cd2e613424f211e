"""Dividing a dataset into images to learn from and images to be judged on."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from vitcore.dataset._copies import group_pairs
from vitcore.dataset._groups import joined
from vitcore.errors import DatasetError, SettingsError
from vitcore.messages import Message, counted, mark, message, shortened

__all__ = ["split_index"]

Ints = npt.NDArray[np.int64]
Groups = npt.NDArray[Any] | pd.Series


def split_index(
    index: pd.DataFrame,
    *,
    validation_fraction: float = 0.2,
    seed: int = 0,
    groups: Groups | None = None,
    earlier: pd.Series | None = None,
) -> pd.Series:
    """Assign each image to a part: a stratified, seeded split that keeps groups together.

    Every class gets its share of validation images, at least one. The images of a group always fall
    on the same side, also when they carry different labels, so that no image is ever judged that was
    learned from. A test part is left alone, for no choice may see it. The other parts of a ready-made
    split are respected, and images that were added to it later are learned from; where it has no
    validation part, that is drawn from its training part.

    Images that had a side before keep it, and only the others are drawn, until their class comes near
    its share. A new image goes where its group is. A group that has images of both sides by now is
    learned from, for it was; a class with nothing left on one side gets its smallest group from the other.

    Args:
        index: Rows as in `Dataset.index`.
        validation_fraction: Share of the images to be judged on, above 0 and below 1.
        seed: The same seed gives the same split.
        groups: What group each row belongs to, such as near-duplicates: any values, (N,). Files with
            the same content, and those of one group of the index, are together whatever it says.
        earlier: The side of each row so far, ``train`` or ``validation``, and empty where it is new, with
            the rows' index; all are new if not given.

    Returns:
        ``train``, ``validation`` or ``test`` per row, with the rows' index.

    Raises:
        SettingsError: The fraction is out of range.
        DatasetError: Fewer than two classes, or a class too small to be split.
    """
    if not 0 < validation_fraction < 1:
        raise SettingsError(
            "The validation fraction is {validation_fraction}; give a number above 0 and below 1, such as "
            "0.2.",
            validation_fraction=validation_fraction,
        )
    sealed = index["split"] == "test"
    if sealed.any():
        rest = index[~sealed]
        _check_taught(index, rest)
        parts = split_index(
            rest,
            validation_fraction=validation_fraction,
            seed=seed,
            groups=None if groups is None else np.asarray(groups)[~sealed.to_numpy()],
            earlier=None if earlier is None else earlier[~sealed.to_numpy()],
        )
        return parts.reindex(index.index, fill_value="test")
    if (index["split"] == "validation").any():
        return _ready_made(index)
    _check_classes(index)
    random = np.random.default_rng(seed)
    numbers = _group_numbers(index, groups)
    sides = _sides_of_groups(numbers, earlier)
    chosen: set[int] = set()
    for label, own in _groups_of_classes(index, numbers).items():
        if len(own) < 2:
            raise DatasetError(
                "{what}; add at least {missing} more, one to learn from and one to be judged on, or remove "
                "the class.",
                what=_too_few(index, numbers, label, len(own)),
                missing=2 - len(own),
            )
        drawn = sides.loc[own].iloc[random.permutation(len(own))]
        chosen.update(_validation_groups(drawn, validation_fraction))
    validation = pd.Series(numbers, index=index.index).isin(chosen)
    return validation.map({True: "validation", False: "train"}).astype("str").rename("split")


def _sides_of_groups(numbers: Ints, earlier: pd.Series | None) -> pd.DataFrame:
    """Number of images and side so far of each group, by its number: columns size and side."""
    sides = np.full(len(numbers), "", dtype=object) if earlier is None else earlier.to_numpy()
    table = pd.DataFrame({"group": numbers, "learned": sides == "train", "judged": sides == "validation"})
    groups = table.groupby("group").agg(
        size=("group", "size"), learned=("learned", "any"), judged=("judged", "any")
    )
    side = np.select([groups["learned"], groups["judged"]], ["train", "validation"], "")
    return groups[["size"]].assign(side=side)


def _validation_groups(groups: pd.DataFrame, fraction: float) -> set[int]:
    """The groups of a class that judge: those that did, and new ones until it has its share.

    Args:
        groups: Rows of `_sides_of_groups`, two or more, in the order in which they are drawn.
        fraction: The share of its images that a class gives.
    """
    new = groups[groups["side"] == ""]
    known = groups[groups["side"] == "validation"]
    chosen = set(known.index.tolist())
    taken = int(known["size"].sum())
    wanted = max(1, round(fraction * groups["size"].sum()))
    # Where a class has nothing to learn from yet, its last new group stays in training.
    free = new if (groups["side"] == "train").any() else new[:-1]
    for group, size in zip(free.index.tolist(), free["size"].tolist(), strict=True):
        if taken + size <= wanted:
            chosen.add(group)
            taken += size
    if not chosen:  # every new group is larger than the whole share, or there is none
        chosen.add((new if len(new) else groups)["size"].idxmin())
    if len(chosen) == len(groups):
        chosen.remove(groups["size"].idxmin())
    return chosen


def _check_classes(index: pd.DataFrame) -> None:
    count = index["label"].nunique()
    if count < 2:
        raise DatasetError(
            "The dataset has {count} class; training needs images of at least two.", count=count
        )


def _group_numbers(index: pd.DataFrame, groups: Groups | None) -> Ints:
    """The group of each row, numbered as they appear; rows of one content join their groups."""
    contents, _ = pd.factorize(index["sha256"])
    named = index.get("group")
    if groups is None:
        return joined(contents.astype(np.int64), named)
    numbers, names = pd.factorize(np.asarray(groups), use_na_sentinel=False)
    if len(numbers) != len(index):
        raise DatasetError(
            "{groups} groups for {images} images; give one for each.", groups=len(numbers), images=len(index)
        )
    first = pd.Series(numbers).groupby(contents).transform("first").to_numpy()
    pairs = np.unique(np.stack([first, numbers], axis=1)[first != numbers], axis=0)
    alike = group_pairs(len(names), pairs, np.ones(len(pairs)), largest=len(index))[numbers]
    return joined(alike, named)


def _groups_of_classes(index: pd.DataFrame, numbers: Ints) -> dict[str, Ints]:
    """The groups that count for each class: those of which it has the most images, or the first.

    Where that leaves a class with less than two, as where each photo gave a crop of every class, groups of
    several classes are shared out among these instead. Contents with several labels count for none.
    """
    table = pd.DataFrame({"group": numbers, "label": index["label"].to_numpy()})
    counts = table.groupby(["group", "label"], sort=False).size().rename("images").reset_index()
    counts = counts.sort_values("images", ascending=False, kind="stable")
    first = counts.drop_duplicates("group").sort_values("group")
    labels = sorted(index["label"].unique())
    if first["label"].value_counts().reindex(labels, fill_value=0).min() < 2:
        plain = index.groupby("sha256")["label"].transform("nunique").to_numpy() == 1
        shared = _shared_out(table[plain].drop_duplicates())
        first = pd.concat([shared, first[~first["group"].isin(shared["group"])]]).sort_values("group")
    return {label: first.loc[first["label"] == label, "group"].to_numpy() for label in labels}


def _shared_out(table: pd.DataFrame) -> pd.DataFrame:
    """Give each group to the class in it with the smallest part of its groups, pure groups first.

    Args:
        table: group and label, one row for each class that a group has images of.

    Returns:
        group and label, one row for each group.
    """
    in_all = table["label"].value_counts()
    labels_of = table.sort_values(["group", "label"]).groupby("group")["label"].agg(tuple)
    given = dict.fromkeys(in_all.index, 0)
    taken: dict[object, str] = {}
    for group, labels in sorted(labels_of.items(), key=lambda item: (len(item[1]), item[0])):
        label = min(labels, key=lambda name: given[name] / in_all[name])
        given[label] += 1
        taken[group] = label
    return pd.DataFrame({"group": list(taken), "label": list(taken.values())})


def _too_few(index: pd.DataFrame, numbers: Ints, label: str, count: int) -> Message:
    """That a class has only so many different images, and why where that is not plain."""
    rows = (index["label"] == label).to_numpy()
    images = int(rows.sum())
    found = counted(
        "Class '{name}' has {count} different image",
        "Class '{name}' has {count} different images",
        count,
        name=label,
    )
    if images == count:
        return found
    if len(set(numbers[rows])) > count:
        return message("{found} (what else it has is in other classes too)", found=found)
    exact = index.loc[rows, "sha256"].nunique() == count
    if "group" in index and (index.loc[rows, "group"] != "").any():
        return message("{found} (each group of images counts as one)", found=found)
    alike = message("copies") if exact else message("near-duplicates")
    template = mark("{found} (its {images} images are all {alike} of each other)")
    if count > 1:
        template = mark("{found} (many of its {images} images are {alike} of each other)")
    return message(template, found=found, images=images, alike=alike)


def _ready_made(index: pd.DataFrame) -> pd.Series:
    split = index["split"].replace("", "train")
    train = index.loc[split == "train", "label"]
    if train.nunique() < 2 or not (split == "validation").any():
        raise DatasetError(
            "The ready-made split has {classes} classes to learn from and {images} images to be judged on; "
            "it needs two and one at least.",
            classes=train.nunique(),
            images=int((split == "validation").sum()),
        )
    _check_taught(index, index[split == "train"])
    return split


def _check_taught(index: pd.DataFrame, taught: pd.DataFrame) -> None:
    untaught = sorted(set(index["label"]) - set(taught["label"]))
    if untaught:
        raise DatasetError(
            "The ready-made split has no training images of {classes}; add some to its training part, or "
            "remove the class.",
            classes=shortened(untaught, 5),
        )
