"""Dividing a dataset into images to learn from and images to be judged on."""

import numpy as np
import pandas as pd

from vitcore.errors import DatasetError, SettingsError

__all__ = ["split_index"]


def split_index(index: pd.DataFrame, *, validation_fraction: float = 0.2, seed: int = 0) -> pd.Series:
    """Which part each image belongs to: a stratified, seeded split that keeps copies together.

    Every class gets its share of validation images, at least one. Files with the same content
    always fall on the same side, also when they carry different labels, so that no image is ever
    judged that was learned from. A ready-made split is respected; where it has no validation part,
    its test part takes that place.

    Args:
        index: Rows as in `Dataset.index`.
        validation_fraction: Share of the images to be judged on, above 0 and below 1.
        seed: The same seed gives the same split.

    Returns:
        ``train``, ``validation`` or ``test`` per row, with the rows' index.

    Raises:
        SettingsError: The fraction is out of range.
        DatasetError: Fewer than two classes, or a class too small to be split.
    """
    if not 0 < validation_fraction < 1:
        raise SettingsError(
            f"The validation fraction is {validation_fraction}; give a number above 0 and below 1, such as "
            "0.2."
        )
    if (index["split"] != "").any():
        return _ready_made(index)
    if index["label"].nunique() < 2:
        raise DatasetError(
            f"The dataset has {index['label'].nunique()} class; training needs images of at least two."
        )
    random = np.random.default_rng(seed)
    # A group is all rows of one content; it counts for the class it was first seen with.
    group_label = index.groupby("sha256", sort=False)["label"].first()
    group_size = index["sha256"].value_counts()
    chosen: set[str] = set()
    for label in sorted(index["label"].unique()):
        groups = group_label.index[group_label == label].to_numpy()
        if len(groups) < 2:
            raise DatasetError(
                f"Class '{label}' has {len(groups)} different image{'s' * (len(groups) != 1)}; add at least "
                f"{2 - len(groups)} more, one to learn from and one to be judged on, or remove the class."
            )
        sizes = group_size[groups].to_numpy()
        wanted = max(1, round(validation_fraction * sizes.sum()))
        taken = 0
        order = random.permutation(len(groups))
        for position in order[:-1]:  # the last group always stays in training
            if taken + sizes[position] <= wanted:
                chosen.add(groups[position])
                taken += sizes[position]
        if not taken:  # every group is larger than the whole share
            chosen.add(groups[order[sizes[order].argmin()]])
    validation = index["sha256"].isin(chosen)
    return validation.map({True: "validation", False: "train"}).astype("str").rename("split")


def _ready_made(index: pd.DataFrame) -> pd.Series:
    split = index["split"].copy()
    if not (split == "validation").any():
        split = split.replace("test", "validation")
    train = index.loc[split == "train", "label"]
    if train.nunique() < 2 or not (split == "validation").any():
        raise DatasetError(
            f"The ready-made split has {train.nunique()} classes to learn from and "
            f"{int((split == 'validation').sum())} images to be judged on; it needs two and one at least."
        )
    untaught = sorted(set(index["label"]) - set(train))
    if untaught:
        raise DatasetError(
            f"The ready-made split has no training images of {', '.join(untaught[:5])}; add some to its "
            "training part, or remove the class."
        )
    return split
