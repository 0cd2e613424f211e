"""What the index alone shows to be wrong with a dataset."""

import numpy as np
import pandas as pd
import pytest

from tests.dataset.conftest import by_kind, index_of
from vitcore.dataset import check_index

SIZE = (320, 240)


def test_a_sound_index_has_no_findings():
    assert check_index(index_of(["a", "b"] * 10)) == ()
    assert check_index(index_of([])) == ()


def test_exact_copies_are_found():
    index = index_of(["a", "b"] * 10)
    index.loc[[4, 8], "sha256"] = "content 2"
    (finding,) = check_index(index)
    assert (finding.kind, finding.remedies) == ("copies", ("keep_one",))
    assert finding.groups == ((2, 4, 8),)
    assert "2 images are exact copies of others" in str(finding.sentence)


def test_a_copy_under_two_labels_is_a_contradiction_and_reported_once():
    index = index_of(["a", "b"] * 10)
    index.loc[5, "sha256"] = "content 2"
    (finding,) = check_index(index)
    assert (finding.kind, finding.remedies) == ("contradiction", ("relabel", "exclude"))
    assert finding.groups == ((2, 5),)
    assert str(finding.sentence).startswith("One picture (2 images) is in more than one class")
    index.loc[5, "label"] = "a"
    (left,) = check_index(index)
    assert (left.kind, left.groups) == ("copies", finding.groups)
    assert check_index(index.drop(5)) == ()


def test_a_copy_in_two_parts_is_a_leak_and_what_is_judged_on_is_kept():
    index = index_of(["a", "b"] * 10)
    index["split"] = ["train"] * 12 + ["validation"] * 8
    index.loc[4, "sha256"] = "content 16"
    (finding,) = check_index(index)
    assert (finding.kind, finding.remedies) == ("leak", ("keep_one", "exclude"))
    assert finding.groups == ((16, 4),)


def test_what_was_added_to_a_ready_made_split_counts_as_training():
    index = index_of(["a", "b"] * 10)
    index["split"] = ["train", "train", "test", "test"] * 4 + [""] * 4
    index.loc[16, "sha256"] = "content 0"  # of the training part
    assert set(by_kind(check_index(index))) == {"copies"}
    index.loc[17, "sha256"] = "content 3"  # of the test part
    kinds = by_kind(check_index(index))
    assert set(kinds) == {"copies", "leak"}
    assert kinds["leak"].groups == ((3, 17),)


def test_near_duplicates_are_reported_once_under_the_most_harmful_kind():
    index = index_of(["a", "b"] * 10)
    index.loc[10, ["width", "height"]] = 500, 400
    pairs = pd.DataFrame(
        [("content 2", "content 10"), ("content 4", "content 5"), ("content 6", "gone")],
        columns=["first", "second"],
    ).assign(likeness=0.99)
    kinds = by_kind(check_index(index, pairs))
    assert list(kinds) == ["contradiction", "near_duplicates"]
    assert kinds["contradiction"].groups == ((4, 5),)
    assert kinds["near_duplicates"].groups == ((10, 2),)  # the largest first


def test_odd_sizes_and_shapes_are_found():
    kinds = by_kind(check_index(index_of(["a", "b"] * 10, sizes=[*[SIZE] * 18, (3200, 2400), (640, 128)])))
    assert set(kinds) == {"odd_size", "odd_shape"}
    assert kinds["odd_size"].groups == ((18,),)
    assert "most often 320 × 240 pixels" in str(kinds["odd_size"].sentence)
    assert kinds["odd_shape"].groups == ((19,),)
    assert kinds["odd_size"].remedies == kinds["odd_shape"].remedies == ("exclude",)


def test_a_few_pixels_more_are_not_odd():
    assert check_index(index_of(["a", "b"] * 10, sizes=[*[SIZE] * 19, (352, 256)])) == ()


# --- what gives the class away -----------------------------------------------------------------


@pytest.mark.parametrize("classes", [2, 3, 10, 50])
def test_a_class_of_its_own_format_is_found(classes):
    labels = [f"class {n % classes:02}" for n in range(20 * classes)]
    formats = ["PNG" if label == "class 01" else "JPEG" for label in labels]
    finding = by_kind(check_index(index_of(labels, formats)))["format_tells"]
    assert "right for 100%, where blind guessing is for 50%" in str(finding.sentence)
    assert "'class 01' PNG" in str(finding.sentence)
    assert finding.remedies == ()
    assert len(finding.groups) == classes
    assert {len(group) for group in finding.groups} == {2}
    assert {labels[image_id] for image_id in finding.groups[1]} == {"class 01"}


def test_formats_that_say_nothing_are_not_found():
    random = np.random.default_rng(0)
    labels = [f"class {n % 4}" for n in range(400)]
    assert check_index(index_of(labels, random.choice(["JPEG", "PNG", "WEBP"], 400).tolist())) == ()
    # Too few to be more than luck.
    assert check_index(index_of(["a", "a", "b", "b"], ["PNG", "PNG", "JPEG", "JPEG"])) == ()


def test_a_class_of_its_own_size_is_found():
    labels = ["hat", "shoe"] * 30
    sizes = [(400, 300) if label == "hat" else (500 + n % 5, 300 + n) for n, label in enumerate(labels)]
    finding = by_kind(check_index(index_of(labels, sizes=sizes)))["size_tells"]
    assert "'hat' 400 × 300" in str(finding.sentence)


def test_a_class_of_its_own_shape_is_found_though_no_size_comes_twice():
    random = np.random.default_rng(1)
    labels = ["hat", "shoe"] * 30
    heights = random.permutation(range(200, 320))[:60].tolist()
    sizes = [(2 * h if label == "hat" else h, h) for label, h in zip(labels, heights, strict=True)]
    assert "The shape alone" in str(
        by_kind(check_index(index_of(labels, sizes=sizes)))["size_tells"].sentence
    )


def test_sizes_that_no_two_images_share_say_nothing():
    random = np.random.default_rng(0)
    sizes = [tuple(pair) for pair in random.integers(900, 1100, (400, 2)).tolist()]
    assert check_index(index_of([f"class {n % 4}" for n in range(400)], sizes=sizes)) == ()
