"""Dividing a dataset into images to learn from and images to be judged on."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from vitcore.dataset import split_index
from vitcore.errors import DatasetError, SettingsError


def table(labels: Sequence[str], sha256: Sequence[str] | None = None, split: Sequence[str] | None = None):
    count = len(labels)
    frame = {
        "label": list(labels),
        "sha256": [f"content {n}" for n in range(count)] if sha256 is None else list(sha256),
        "split": [""] * count if split is None else list(split),
    }
    return pd.DataFrame(frame).astype("str")


def random_table(seed: int) -> pd.DataFrame:
    """Several uneven classes with many copies, some of them under two labels."""
    random = np.random.default_rng(seed)
    labels = [f"class {n}" for n in range(random.integers(2, 6)) for _ in range(random.integers(6, 80))]
    contents = random.integers(0, int(0.7 * len(labels)), len(labels))
    index = table(labels, [f"content {n}" for n in contents])
    # Each class has two contents of its own, or it could not be split.
    for label, rows in index.groupby("label").groups.items():
        index.loc[rows[:2], "sha256"] = [f"{label} first", f"{label} second"]
    return index.sample(frac=1, random_state=seed).reset_index(drop=True)


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("sizes", [(2, 2), (10, 10), (5, 50, 500)])
def test_every_class_gives_its_share(fraction, sizes):
    index = table([f"class {n}" for n, size in enumerate(sizes) for _ in range(size)])
    split = split_index(index, validation_fraction=fraction)
    assert set(split) == {"train", "validation"}
    for number, size in enumerate(sizes):
        part = split[index["label"] == f"class {number}"]
        assert (part == "validation").sum() == min(max(1, round(fraction * size)), size - 1)


@pytest.mark.parametrize("seed", range(8))
def test_copies_are_on_one_side_and_every_class_is_on_both(seed):
    index = random_table(seed)
    split = split_index(index, validation_fraction=0.25, seed=seed)
    assert split.groupby(index["sha256"]).nunique().max() == 1
    assert (split.groupby(index["label"]).nunique() == 2).all()


@pytest.mark.parametrize("seed", range(8))
def test_copies_hardly_change_the_share(seed):
    random = np.random.default_rng(seed)
    # 40 contents per class, some of them up to five times.
    contents = np.repeat(np.arange(80), random.integers(1, 6, 80))
    index = table([f"class {n // 40}" for n in contents], [str(n) for n in contents])
    split = split_index(index, validation_fraction=0.25, seed=seed)
    shares = (split == "validation").groupby(index["label"]).mean()
    assert shares.between(0.18, 0.32).all()


def test_a_crowd_of_copies_does_not_take_the_class_out_of_training():
    # 60 copies of one image and 40 different ones: a fifth can be had without the copies.
    index = table(["a"] * 100 + ["b"] * 100, ["copy"] * 60 + [str(n) for n in range(140)])
    for seed in range(100):
        split = split_index(index, validation_fraction=0.2, seed=seed)
        assert (split[index["label"] == "a"] == "validation").sum() == 20, seed


def test_the_same_seed_gives_the_same_split_and_another_one_another():
    index = table(["a", "b"] * 50)
    first, second, other = (split_index(index, seed=seed) for seed in (3, 3, 4))
    pd.testing.assert_series_equal(first, second)
    assert not first.equals(other)


def test_the_result_keeps_the_rows_of_the_index():
    index = table(["a", "b"] * 10).set_axis(range(100, 120))
    split = split_index(index)
    assert split.index.equals(index.index)
    assert (split.name, str(split.dtype)) == ("split", "str")


def test_the_index_is_not_changed():
    index = table(["a", "b"] * 10, split=(["train"] * 6 + ["test"] * 4) * 2)
    before = index.copy()
    split_index(index)
    pd.testing.assert_frame_equal(index, before)


def test_a_ready_made_split_is_respected():
    parts = ["train", "train", "validation", "test"] * 3
    index = table(["a", "b"] * 6, split=parts)
    assert split_index(index, validation_fraction=0.5, seed=9).tolist() == parts


@pytest.mark.parametrize("rest", ["train", ""])
def test_a_test_part_stays_sealed_and_a_missing_validation_part_is_drawn_from_the_rest(rest):
    index = table(["a", "b"] * 6, split=[rest] * 10 + ["test"] * 2)
    parts = split_index(index)
    assert parts.tolist()[10:] == ["test"] * 2
    assert parts.tolist()[:10] == split_index(index[:10]).tolist()
    assert parts.value_counts().to_dict() == {"train": 8, "validation": 2, "test": 2}


def test_a_class_that_is_in_the_test_part_alone_is_refused():
    index = table(["a", "b"] * 4 + ["c"], split=["train"] * 8 + ["test"])
    with pytest.raises(DatasetError, match="no training images of c"):
        split_index(index)


def test_images_added_to_a_ready_made_split_are_learned_from():
    parts = ["train", "train", "validation", "test", "", ""]
    assert split_index(table(["a", "b"] * 3, split=parts)).tolist() == [*parts[:4], "train", "train"]


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5, float("nan"), float("inf")])
def test_a_fraction_out_of_range_is_refused(fraction):
    with pytest.raises(SettingsError, match="above 0 and below 1"):
        split_index(table(["a", "b"] * 10), validation_fraction=fraction)


@pytest.mark.parametrize(
    ("index", "message"),
    [
        pytest.param(table(["a"] * 5), "at least two", id="one class"),
        pytest.param(table([]), "at least two", id="no images"),
        pytest.param(
            table(["a", "a", "tiny"]), "'tiny' has 1 different image; add at least 1", id="one image"
        ),
        pytest.param(
            table(["a", "a", "same", "same"], ["1", "2", "3", "3"]),
            "'same' has 1 different",
            id="only copies",
        ),
        pytest.param(
            table(["a", "a", "other", "other"], ["1", "2", "1", "2"]),
            "'other' has 0 different",
            id="all taken",
        ),
        pytest.param(
            table(["a", "a"], split=["train", "validation"]), "it needs two", id="ready-made, one class"
        ),
        pytest.param(
            table(["a", "b"], split=["train", "train"]),
            "Class 'a' has 1 different image",
            id="ready-made, no validation",
        ),
        pytest.param(
            table(["a", "b", "c"], split=["train", "train", "validation"]),
            "no training images of c",
            id="untaught",
        ),
    ],
)
def test_what_cannot_be_split_is_refused_with_the_reason(index, message):
    with pytest.raises(DatasetError, match=message):
        split_index(index)


def test_classes_that_are_in_the_same_groups_share_these_out():
    """As where each photo gave a crop of every class."""
    index = table(["a", "b"] * 8, list("ABCDEFGHIJKLMNOP"))
    split = split_index(index, validation_fraction=0.25, groups=np.arange(16) // 2)
    assert split.groupby(np.arange(16) // 2).nunique().max() == 1
    assert split[split == "validation"].groupby(index["label"]).size().to_dict() == {"a": 2, "b": 2}


# --- groups ------------------------------------------------------------------------------------


def random_groups(index: pd.DataFrame, seed: int) -> np.ndarray:
    """Groups across classes; the first two contents of each class stay by themselves."""
    groups = (
        np.random.default_rng(seed).integers(0, int(0.8 * len(index)), len(index)).astype(str).astype("O")
    )
    alone = index["sha256"].str.endswith(("first", "second")).to_numpy()
    groups[alone] = index.loc[alone, "sha256"]
    return groups


@pytest.mark.parametrize("seed", range(8))
def test_a_group_is_on_one_side_and_so_are_copies_whatever_the_groups_say(seed):
    index = random_table(seed)
    groups = random_groups(index, seed)
    split = split_index(index, validation_fraction=0.25, seed=seed, groups=groups)
    assert split.groupby(groups).nunique().max() == 1
    assert split.groupby(index["sha256"]).nunique().max() == 1
    assert set(split) == {"train", "validation"}


def test_groups_may_be_any_values_and_say_nothing_if_all_differ():
    index = table(["a", "b"] * 20)
    plain = split_index(index, seed=3)
    for groups in (np.arange(40) * 7, pd.Series([f"group {n}" for n in range(40)]).sample(frac=1)):
        pd.testing.assert_series_equal(split_index(index, seed=3, groups=groups), plain)


def test_a_group_under_two_labels_counts_for_the_class_with_most_of_it():
    # All images of b are alike, but for one; three more of the same are in a.
    index = table(["a"] * 20 + ["b"] * 6)
    groups = [*range(17), "x", "x", "x", "x", "x", "x", "x", "x", "y"]
    split = split_index(index, groups=np.array(groups, dtype=object))
    assert (split.groupby(index["label"]).nunique() == 2).all()


@pytest.mark.parametrize(
    ("index", "groups", "message"),
    [
        pytest.param(
            table(["a"] * 5 + ["b"] * 5),
            [0, 1, 2, 3, 4, 9, 9, 9, 9, 9],
            r"'b' has 1 different image \(its 5 images are all near-duplicates of each other\); add at ",
            id="near-duplicates",
        ),
        pytest.param(
            table(["a", "a", "b", "b", "b"], ["1", "2", "3", "3", "3"]),
            None,
            r"'b' has 1 different image \(its 3 images are all copies of each other\)",
            id="copies",
        ),
        pytest.param(
            table(["a", "a", "a", "b", "b"]),
            [0, 1, 1, 1, 2],
            r"'b' has 1 different image \(what else it has is in other classes too\)",
            id="in another class",
        ),
    ],
)
def test_a_class_of_one_group_is_refused_so_that_a_person_understands(index, groups, message):
    with pytest.raises(DatasetError, match=message):
        split_index(index, groups=None if groups is None else np.array(groups))


def test_groups_of_another_length_are_refused():
    with pytest.raises(DatasetError, match="3 groups for 4 images"):
        split_index(table(["a", "b"] * 2), groups=np.arange(3))
