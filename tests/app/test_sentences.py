import pytest

from app.shared.text import answer_details, answer_headline, download_name, signed
from vitcore.language import listed, percent, speaking


@pytest.mark.parametrize(
    ("names", "english", "spanish"),
    [
        ([], "", ""),
        (["a"], "a", "a"),
        (["a", "b"], "a and b", "a y b"),
        (["a", "b", "c"], "a, b and c", "a, b y c"),
        (["{0}", "{1}"], "{0} and {1}", "{0} y {1}"),
    ],
)
def test_names_are_listed_as_people_do(names, english, spanish):
    assert listed(names) == english
    with speaking("es"):
        assert listed(names) == spanish


@pytest.mark.parametrize(
    ("value", "english", "spanish"),
    [
        (1.25, "+1.2", "+1,2"),
        (-1.25, "\N{MINUS SIGN}1.2", "\N{MINUS SIGN}1,2"),
        (0.0, "+0.0", "+0,0"),
        (float("nan"), "\N{EN DASH}", "\N{EN DASH}"),
    ],
)
def test_a_signed_number_has_its_sign(value, english, spanish):
    assert signed(value, 1) == english
    with speaking("es"):
        assert signed(value, 1) == spanish


def test_a_sure_answer_needs_no_sentence():
    assert answer_details, answer_headline("", ["cat"]) == ""


def test_an_unlike_photo_is_not_sure_whatever_it_may_be_and_has_no_percentage():
    headline = answer_headline("cat", "novel", ["cat", "dog"])
    assert headline == "Not sure: unlike anything it learned from"
    assert answer_details("cat", "novel", 0.99, {"cat": 0.99, "dog": 0.01}) == "nearest class: cat"


def test_a_close_call_names_the_classes_and_counts_those_that_are_too_many():
    names = [f"class{number}" for number in range(9)]
    assert (
        answer_headline("class0", "ambiguous", names[:2])
        == "Not sure: a close call between class0 and class1"
    )
    assert "more" not in answer_headline("class0", "ambiguous", names[:5])
    assert answer_headline("class0", "ambiguous", names).endswith("class4 and 4 more")
    assert (
        answer_details("a", "ambiguous", 0.5, {"a": 0.5, "b": 0.4}) == f"a {percent(0.5)}, b {percent(0.4)}"
    )


def test_a_sure_answer_is_the_class_and_its_confidence():
    assert answer_headline("cat", "") == "cat"
    assert answer_details("cat", "", 0.9, {}) == f"{percent(0.9)} confident"


def test_names_in_a_close_call_do_no_harm():
    assert "![" not in answer_headline("x", "ambiguous", ["![x](http://evil/p.png)", "{count}"])
    assert "count" in answer_headline("x", "ambiguous", ["a", "{count}"])
    assert "![" not in answer_details("x", "ambiguous", 0.5, {"![x](http://evil/p.png)": 0.5})


def test_the_name_of_a_file_says_of_what_it_is_and_when_that_was():
    assert (
        download_name("beach 2026/b", "2026-12-01T10:00:00+00:00", "a.csv") == "beach-2026-b-2026-12-01-a.csv"
    )
    assert download_name("../..", "2026-12-01T10:00:00+00:00", "a.csv") == "photos-2026-12-01-a.csv"
