import pytest

from app.shared.text import doubt_sentence, signed
from vitcore.language import listed, speaking


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
    assert doubt_sentence("", ["cat"]) == ""


def test_an_unlike_photo_is_said_to_be_unlike_whatever_it_may_be():
    assert "unlike" in doubt_sentence("novel", ["cat", "dog"])
    assert "cat" not in doubt_sentence("novel", ["cat", "dog"])


def test_a_close_call_names_the_classes_and_counts_those_that_are_too_many():
    names = [f"class{number}" for number in range(9)]
    assert (
        doubt_sentence("ambiguous", names[:2]) == "Not sure: a close call between **class0** and **class1**."
    )
    five = doubt_sentence("ambiguous", names[:5])
    assert all(f"**{name}**" in five for name in names[:5])
    assert "more" not in five
    assert doubt_sentence("ambiguous", names).endswith("**class4** and 4 more.")


def test_names_in_a_close_call_do_no_harm():
    assert "![" not in doubt_sentence("ambiguous", ["![x](http://evil/p.png)", "{count}"])
    assert "count" in doubt_sentence("ambiguous", ["a", "{count}"])
