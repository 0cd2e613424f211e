"""A split that stays put: each image keeps its side, whatever becomes of the dataset."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vitcore.dataset import (
    add_images,
    delete_class,
    divide,
    exclude,
    import_dataset,
    kept_divisions,
    kept_sides,
    rename_class,
    restore,
    set_aside,
    split_index,
    undo,
)
from vitcore.errors import DatasetError

USUAL = {"validation_fraction": 0.2, "seed": 0}
SIDES = ["train", "validation"]


def table(labels, groups, splits=None) -> pd.DataFrame:
    """Images of different contents, in groups."""
    return pd.DataFrame(
        {
            "label": list(labels),
            "sha256": [f"content {n}" for n in range(len(labels))],
            "split": [""] * len(labels) if splits is None else list(splits),
            "group": list(groups),
        }
    ).astype("str")


@st.composite
def grown(draw):
    """Images, some of which have a side, and what groups they are in."""
    count = draw(st.integers(4, 40))
    labels = draw(st.lists(st.sampled_from("abc"), min_size=count, max_size=count))
    groups = draw(st.lists(st.integers(0, count), min_size=count, max_size=count))
    earlier = draw(st.lists(st.sampled_from(["", "", *SIDES]), min_size=count, max_size=count))
    index = table(labels, [f"g{number}" for number in groups])
    fraction = draw(st.sampled_from([0.05, 0.2, 0.5, 0.9]))
    return index, pd.Series(earlier, index=index.index, dtype="str"), fraction, draw(st.integers(0, 3))


def majority(index: pd.DataFrame) -> pd.Series:
    """The class for which each group counts: that of most of its images, or of the first."""
    counts = index.groupby("group", sort=False)["label"].value_counts(sort=False)
    return counts.groupby("group").idxmax().map(lambda both: both[1])


@settings(max_examples=300, deadline=None)
@given(grown())
def test_only_what_is_new_is_assigned_and_groups_stay_whole(case):
    index, earlier, fraction, seed = case
    try:
        split = split_index(index, validation_fraction=fraction, seed=seed, earlier=earlier)
    except DatasetError:  # too small, whatever was before
        with pytest.raises(DatasetError):
            split_index(index, validation_fraction=fraction, seed=seed)
        return
    assert split.groupby(index["group"]).nunique().max() == 1
    assert (split.groupby(index["label"]).nunique() == 2).all()
    after, classes = split.groupby(index["group"]).first(), majority(index)
    if classes.value_counts().reindex(index["label"].unique(), fill_value=0).min() < 2:
        classes = classes[:0]  # groups of several classes were shared out among these: this holds for none
    learned = (earlier == "train").groupby(index["group"]).any()
    judged = (earlier == "validation").groupby(index["group"]).any() & ~learned
    for label in classes.unique():
        own = classes.index[classes == label]
        new = own[~learned[own] & ~judged[own]]
        # What was learned from judges only where the class has nothing else to judge by, one group then.
        if (learned[own] & (after[own] == "validation")).any():
            assert (after[own] == "validation").sum() == 1
            assert new.empty
        # What judged is learned from only where the class has nothing else to learn from.
        if (judged[own] & (after[own] == "train")).any():
            assert (after[own] == "train").sum() == 1
            assert new.empty
    pd.testing.assert_series_equal(
        split, split_index(index, validation_fraction=fraction, seed=seed, earlier=split), obj="once more"
    )


@pytest.mark.parametrize("seed", range(5))
def test_a_growing_class_keeps_its_share_photo_by_photo(seed):
    random = np.random.default_rng(seed)
    sides = pd.Series(dtype="str")
    for count in [10, *range(11, 30), 60, 61, 150]:
        index = table(["a", "b"] * count, [""] * (2 * count))
        earlier = sides.reindex(index["sha256"], fill_value="").set_axis(index.index)
        split = split_index(index, validation_fraction=0.2, seed=int(random.integers(99)), earlier=earlier)
        assert (split[earlier != ""] == earlier[earlier != ""]).all()
        judged = (split == "validation").groupby(index["label"]).sum()
        assert (judged == round(0.2 * count)).all()
        sides = split.set_axis(index["sha256"])


# a: train, b: validation, c: new; each row is class, group, side before, side after.
CASES = {
    "a new photo goes where its group is": [
        ("a", "1", "train", "train"),
        ("a", "1", "", "train"),
        ("a", "2", "validation", "validation"),
        ("a", "2", "", "validation"),
        ("a", "2", "", "validation"),
    ],
    "a group of both sides is learned from": [
        ("a", "1", "train", "train"),
        ("a", "1", "validation", "train"),
        ("a", "2", "validation", "validation"),
        ("a", "3", "train", "train"),
    ],
    "a group that takes the last validation photo of its class has the smallest one judge": [
        ("a", "1", "train", "train"),
        ("a", "1", "validation", "train"),
        ("a", "2", "train", "train"),
        ("a", "2", "train", "train"),
        ("a", "3", "train", "validation"),
    ],
    "what is new judges before what was learned from, also where it is larger": [
        ("a", "1", "train", "train"),
        ("a", "2", "train", "train"),
        ("a", "3", "", "validation"),
        ("a", "3", "", "validation"),
        ("a", "3", "", "validation"),
    ],
    "of judges alone the smallest is learned from": [
        ("a", "1", "validation", "validation"),
        ("a", "1", "validation", "validation"),
        ("a", "2", "validation", "train"),
    ],
    "what is new is learned from before what judged": [
        ("a", "1", "validation", "validation"),
        ("a", "2", "validation", "validation"),
        ("a", "3", "", "train"),
        ("a", "3", "", "train"),
        ("a", "3", "", "train"),
    ],
}


@pytest.mark.parametrize("rows", CASES.values(), ids=CASES.keys())
def test_what_becomes_of_a_class(rows):
    other = [("z", str(9 + n), side, side) for n, side in enumerate(["train"] * 4 + ["validation"])]
    labels, groups, before, after = zip(*rows, *other, strict=True)
    index = table(labels, groups)
    earlier = pd.Series(before, index=index.index, dtype="str")
    assert split_index(index, earlier=earlier).tolist() == list(after)


def test_a_test_part_and_a_ready_made_division_have_the_last_word():
    earlier = pd.Series(["train", "validation"] * 5)
    sealed = table(["a", "a", "b", "b"] * 2 + ["a", "b"], [""] * 10, ["test"] * 2 + [""] * 8)
    assert split_index(sealed, earlier=earlier).tolist() == ["test"] * 2 + SIDES * 4
    made = table(["a", "b"] * 3, [""] * 6, ["train", "train", "validation", "", "", ""])
    assert split_index(made, earlier=earlier[:6]).tolist() == ["train"] * 2 + ["validation"] + ["train"] * 3


# --- kept with the dataset ----------------------------------------------------------------------


@pytest.fixture
def dataset(picture_folder):
    return import_dataset(picture_folder(count=15))


def sides(dataset, **changes) -> dict[str, str]:
    """The side of each content by now."""
    parts = divide(dataset, dataset.index, **USUAL | changes).parts
    return dict(zip(dataset.index["sha256"], parts, strict=True))


def kept(before, after) -> bool:
    """Whether what was there before is on the side on which it was."""
    shared = before.keys() & after.keys()
    assert shared
    return all(before[content] == after[content] for content in shared)


def test_a_first_division_is_the_one_of_its_seed(dataset):
    expected = split_index(dataset.index, **USUAL).tolist()
    assert divide(dataset, dataset.index, **USUAL).parts.tolist() == expected
    assert kept_sides(dataset, dataset.index, **USUAL).tolist() == expected


def test_sides_outlive_every_edit(dataset, picture_folder):
    first = sides(dataset)
    more = picture_folder(("blue", "green", "red", "yellow"), count=20, name="more")
    grown = add_images(dataset, more)
    second = sides(grown)
    assert len(second) > len(first)
    assert kept(first, second)
    assert {"train", "validation"} == {
        second[content] for content in grown.index.loc[grown.index["label"] == "yellow", "sha256"]
    }
    everything = second
    for edit in (
        lambda data: rename_class(data, "blue", "sky"),
        lambda data: exclude(data, data.index["image_id"].iloc[:9]),
        lambda data: restore(data, data.excluded["image_id"].iloc[:5]),
        lambda data: delete_class(data, "green"),
        undo,
        lambda data: restore(data, data.excluded["image_id"]),
    ):
        grown = edit(grown)
        everything = {**everything, **sides(grown)}
        assert kept(second, everything)
    assert kept(everything, sides(grown))


def test_a_photo_that_is_removed_and_added_again_keeps_its_side(dataset, picture_folder):
    first = sides(dataset)
    more = picture_folder(("blue", "green", "red", "yellow"), count=21, name="more")
    larger = add_images(dataset, more)
    second = sides(larger)
    without = undo(larger)
    assert sides(without) == first
    again = add_images(without, more)
    assert not set(again.index["image_id"][len(first) :]) & set(larger.index["image_id"])
    assert sides(again) == second


def test_a_test_part_that_is_set_aside_takes_no_more_than_its_share_of_each_side(dataset):
    first = sides(dataset)
    sealed = set_aside(dataset, 0.2)
    second = {content: side for content, side in sides(sealed).items() if side != "test"}
    assert len(second) == len(first) - 9
    assert kept(first, second)
    assert list(second.values()).count("validation") >= 5
    assert sides(undo(sealed)) == first


def test_a_new_grouping_only_takes_photos_from_validation_to_training(dataset):
    first = sides(dataset)
    rows = dataset.index.assign(group=dataset.index["label"] + dataset.index["name"].str[-6:-5])
    rows["group"] += (dataset.index["image_id"] % 2).astype("str")  # half of ten photos in a group
    parts = divide(dataset, rows, **USUAL).parts
    assert parts.groupby(rows["group"]).nunique().max() == 1
    before = rows["sha256"].map(first)
    assert ((before == "validation") & (parts == "train")).any()
    # A class with no group that only judged has its smallest one judge.
    back = rows[(before == "train") & (parts == "validation")]
    assert len(back[["label", "group"]].drop_duplicates()) == back["label"].nunique()


def test_another_seed_or_fraction_draws_anew_and_is_kept_beside(dataset):
    first = sides(dataset)
    assert sides(dataset, seed=1) != first
    assert sides(dataset, validation_fraction=0.4) != first
    assert kept_divisions(dataset) == {(0, 0.2), (1, 0.2), (0, 0.4)}
    assert sides(dataset) == first


def test_a_ready_made_division_needs_no_record(dataset):
    made = dataset.index.assign(split=["train", "train", "validation"] * 15)
    assert divide(dataset, made, **USUAL).parts.tolist() == ["train", "train", "validation"] * 15
    assert kept_divisions(dataset) == frozenset()


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"x": "test"}', '{"x": 1}', "null", '{"x": null}', "\x00\xff"]
)
def test_a_damaged_record_is_replaced_and_that_is_said(dataset, content):
    first = sides(dataset)
    [path] = (dataset.folder / "divisions").iterdir()
    path.write_text(content, encoding="latin-1")
    assert (kept_sides(dataset, dataset.index, **USUAL) == "").all()
    found = divide(dataset, dataset.index, **USUAL)
    assert found.redrawn
    assert dict(zip(dataset.index["sha256"], found.parts, strict=True)) == first
    assert json.loads(path.read_text()) == first
    assert not divide(dataset, dataset.index, **USUAL).redrawn


def test_what_did_not_change_is_not_written_again(dataset):
    sides(dataset)
    [path] = (dataset.folder / "divisions").iterdir()
    written = path.stat().st_mtime_ns
    sides(exclude(dataset, dataset.index["image_id"].iloc[:2]))
    assert path.stat().st_mtime_ns == written
