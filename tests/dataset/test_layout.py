"""From the names in a source to labels and splits."""

import pytest

from vitcore.layouts._folders import folder_layouts
from vitcore.sources._archives import Entry


def labels(*names: str) -> list[tuple[str, str]]:
    entries = [Entry(number, name, 0) for number, name in enumerate(names)]
    (layout,) = folder_layouts(entries)
    labelled = list(layout.items)
    assert [item.entry for item in labelled] == entries
    return [(item.label, item.split) for item in labelled]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param(["cats/1.png", "dogs/1.png"], ["cats", "dogs"], id="plain"),
        pytest.param(["photos/cats/1.png", "photos/dogs/1.png"], ["cats", "dogs"], id="wrapped"),
        pytest.param(["a/b/c/cats/1.png", "a/b/c/dogs/1.png"], ["cats", "dogs"], id="wrapped thrice"),
        pytest.param(["./photos/cats/1.png", "photos//dogs/1.png"], ["cats", "dogs"], id="odd separators"),
        pytest.param(["../../cats/1.png", "/dogs/1.png"], ["cats", "dogs"], id="hostile"),
        pytest.param(["cats/1.png"], ["cats"], id="one class"),
        pytest.param(["photos/cats/1.png"], ["cats"], id="one class, wrapped"),
        pytest.param(["cover.png", "cats/1.png", "dogs/1.png"], ["", "cats", "dogs"], id="stray image"),
        pytest.param(
            ["cover.png", "photos/cats/1.png", "photos/dogs/1.png"],
            ["", "cats", "dogs"],
            id="stray and wrapped",
        ),
        pytest.param(["1.png", "2.png"], ["", ""], id="no folders"),
        pytest.param(
            ["fruit/apple/1.png", "fruit/pear/1.png", "nut/1.png"],
            ["fruit/apple", "fruit/pear", "nut"],
            id="classes in classes",
        ),
        pytest.param(["fruit/apple/1.png", "fruit/pear/2.png"], ["apple", "pear"], id="shared parent"),
        pytest.param(
            ["train/cats/1.png", "train/dogs/1.png"], ["cats", "dogs"], id="train alone is a wrapper"
        ),
        pytest.param(["train/1.png", "bus/1.png"], ["train", "bus"], id="a class called train"),
        pytest.param([], [], id="nothing"),
    ],
)
def test_labels_are_read_off_folders(names, expected):
    assert labels(*names) == [(label, "") for label in expected]


@pytest.mark.parametrize(
    ("folder", "split"),
    [
        ("train", "train"),
        ("Training", "train"),
        ("val", "validation"),
        ("valid", "validation"),
        ("VALIDATION", "validation"),
        ("dev", "validation"),
        ("test", "test"),
        ("testing", "test"),
    ],
)
def test_a_ready_made_split_is_recognised_by_the_names_of_its_folders(folder, split):
    other = "val" if split == "train" else "train"
    found = labels(f"set/{folder}/cats/1.png", f"set/{folder}/dogs/1.png", f"set/{other}/cats/2.png")
    assert found[:2] == [("cats", split), ("dogs", split)]


def test_a_ready_made_split_keeps_classes_in_classes():
    assert labels("train/fruit/apple/1.png", "val/fruit/apple/2.png") == [
        ("fruit/apple", "train"),
        ("fruit/apple", "validation"),
    ]


def test_an_image_directly_in_a_part_of_the_split_has_no_class():
    assert labels("train/cats/1.png", "train/2.png", "val/cats/3.png")[1][0] == ""
