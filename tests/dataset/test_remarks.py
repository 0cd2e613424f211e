"""What to know about labelled images, in plain words."""

from collections.abc import Sequence

import pandas as pd
import pytest

from vitcore.dataset import Remark, find_copies, remarks
from vitcore.dataset._remarks import warnings_of


def table(counts: dict[str, int], *, side: int = 200) -> pd.DataFrame:
    """Different images, so many of each class."""
    labels = [label for label, count in counts.items() for _ in range(count)]
    return pd.DataFrame(
        {
            "image_id": range(len(labels)),
            "label": pd.Series(labels, dtype="str"),
            "sha256": pd.Series([f"content {n}" for n in range(len(labels))], dtype="str"),
            "split": pd.Series([""] * len(labels), dtype="str"),
            "group": "",
            "width": side,
            "height": side + 10,
        }
    )


def said(index: pd.DataFrame, *, good: bool) -> list[str]:
    return [str(remark.sentence) for remark in remarks(index) if remark.good is good]


def one(sentences: Sequence[str], part: str) -> str:
    (sentence,) = [sentence for sentence in sentences if part in sentence]
    return sentence


def test_a_good_set_is_praised():
    index = table({"cat": 1000, "dog": 1200})
    assert said(index, good=False) == []
    assert said(index, good=True) == [
        "The classes are of about the same size.",
        "Every class has at least 50 photos.",
        "Accuracy will be measured on 2,200 photos: expect ±2 points.",
        "No duplicate photos.",
    ]


def test_what_is_bad_comes_first():
    found = [remark.good for remark in remarks(table({"cat": 100, "hat": 12}))]
    assert found == sorted(found)
    assert False in found


def test_a_small_class_is_told_what_one_mistake_means():
    found = said(table({"cat": 60, "hat": 12}), good=False)
    assert one(found, "hat' has 12") == (
        "Class 'hat' has 12 photos; one mistake more or less moves its figure by 8 points."
    )


def test_many_small_classes_are_one_sentence_and_five_warnings():
    counts = {f"class {n:02}": 3 for n in range(50)} | {"large": 9}
    found = said(table(counts), good=False)
    assert "'class 00' has 3 photos" in one(found, "one mistake more")
    assert one(found, "Other classes with few photos").endswith(
        "'class 01' (3), 'class 02' (3), 'class 03' (3), 'class 04' (3), 'class 05' (3) and 45 more classes."
    )
    assert len(found) <= 4
    warnings = list(map(str, warnings_of(table(counts))))
    assert warnings[0] == "'class 00' has only 3 images; with fewer than 10, expect poor results."
    assert warnings[5:] == ["And 46 more classes have fewer than 10 images."]


def test_few_small_classes_are_named_one_by_one():
    warnings = list(map(str, warnings_of(table({"b": 4, "a": 9, "c": 10}))))
    assert warnings == [
        "'a' has only 9 images; with fewer than 10, expect poor results.",
        "'b' has only 4 images; with fewer than 10, expect poor results.",
    ]


def test_one_class_is_not_enough():
    index = table({"only": 80})
    assert "training needs at least two" in one(said(index, good=False), "only one class")
    assert list(map(str, warnings_of(index))) == [
        "There is only one class, 'only'; training needs at least two."
    ]


def test_uneven_classes_are_told():
    sentence = one(said(table({"many": 500, "few": 60}), good=False), "uneven")
    assert "'many' has 500 photos, 'few' only 60" in sentence


def test_a_wide_interval_is_told_before_the_training():
    assert said(table({"a": 50, "b": 50}), good=False) == [
        "Accuracy will be measured on only 100 photos: expect ±10 points, so small differences mean nothing."
    ]


def test_a_group_counts_once_in_the_interval_to_come():
    index = table({"a": 60, "b": 60})
    index["group"] = [f"subject {number // 6}" for number in range(120)]
    assert one(said(index, good=False), "measured on") == (
        "Accuracy will be measured on only 120 photos in 20 groups: expect ±20 points, so small differences "
        "mean nothing."
    )


def test_photos_set_aside_do_not_measure_in_the_cross_validation():
    index = table({"a": 60, "b": 60})
    index["split"] = ["test" if number % 4 == 0 else "" for number in range(120)]
    assert one(said(index, good=False), "measured on").startswith(
        "Accuracy will be measured on only 90 photos:"
    )
    index.loc[index["label"] == "b", "split"] = "test"
    index.loc[80:, "label"] = "c"
    assert "none of them is left to measure by" in one(said(index, good=False), "Class 'b' has 20 photos")


def test_the_interval_is_that_of_the_evaluation():
    from vitcore.dataset._remarks import _half_width
    from vitcore.evaluation import wilson_interval

    low, high = wilson_interval(80, 100)
    assert _half_width(0.8, 100) == pytest.approx((high - low) / 2)


def test_small_images_are_told():
    index = table({"a": 60, "b": 60})
    index.loc[7, ["width", "height"]] = 48, 20
    sentence = one(said(index, good=False), "less than 64 pixels")
    assert sentence.startswith("1 photo is less than 64 pixels wide or high (the smallest 48 × 20)")
    assert one(said(table({"a": 60}, side=8), good=False), "less than").startswith("All photos are")


def test_copies_contradictions_and_leaks_are_said_in_the_words_of_the_findings():
    index = table({"a": 60, "b": 60})
    index.loc[[1, 2], "sha256"] = "content 0"
    index.loc[60, "sha256"] = "content 5"
    index["split"] = "train"
    index.loc[[2, 30, 90], "split"] = "test"
    index.loc[4, "sha256"] = "content 3"
    found = said(index, good=False)
    assert one(found, "exact").startswith("1 image is an exact copy of another")
    assert one(found, "more than one class").startswith("One picture (2 images) is in more than one class")
    assert one(found, "ready-made split").startswith("One picture (3 images) is in more than one part")
    assert not any("twice" in sentence for sentence in said(index, good=True))
    sentences = [str(finding.sentence) for finding in find_copies(index)]
    assert len(sentences) == 3
    assert list(map(str, warnings_of(index))) == sentences
    assert [sentence for sentence in found if sentence in sentences] == sentences


def test_findings_that_are_given_are_taken_over():
    index = table({"a": 60, "b": 60})
    pairs = pd.DataFrame({"first": ["content 0"], "second": ["content 1"], "likeness": [0.99]})
    findings = find_copies(index, pairs)
    assert [finding.kind for finding in findings] == ["near_duplicates"]
    found = [str(remark.sentence) for remark in remarks(index, findings=findings)]
    assert str(findings[0].sentence) in found
    assert "No duplicate photos." not in found


def test_what_was_added_to_a_ready_made_split_counts_as_training():
    index = table({"a": 20, "b": 20})
    index["split"] = ["train", "test"] * 20
    index.loc[2, ["sha256", "split"]] = "content 0", ""  # a copy of a training image
    assert not any("more than one part" in warning for warning in map(str, warnings_of(index)))
    index.loc[3, "sha256"] = "content 0"  # and now one of a test image
    assert any(
        warning.startswith("One picture (3 images) is in more than one part")
        for warning in map(str, warnings_of(index))
    )


def test_nothing_is_said_of_no_images():
    assert remarks(table({})) == []


def test_a_remark_is_plain():
    assert Remark(True, "Fine.") == Remark(True, "Fine.")
