"""The difference between two classifiers in words."""

import pytest

from vitcore.evaluation import Comparison
from vitcore.language import speaking
from vitcore.report import difference_details, difference_sentence


def found(
    first: int, second: int, low: float, high: float, p_value: float, images: int = 480, groups: int = 0
):
    return Comparison(
        both_right=images - first - second - 10 if images > 20 else 0,
        only_first=first,
        only_second=second,
        both_wrong=10 if images > 20 else images - first - second,
        difference=(first - second) / images,
        low=low,
        high=high,
        p_value=p_value,
        groups=groups or images,
    )


@pytest.mark.parametrize(
    ("comparison", "sentence"),
    [
        pytest.param(
            found(25, 15, -0.005, 0.047, 0.154),
            "On the 480 photos that both trainings were judged on, this one is 2.1 points better (between "
            "0.5 worse and 4.7 better): that may be chance.",
            id="better by chance",
        ),
        pytest.param(
            found(40, 15, 0.022, 0.081, 0.001),
            "On the 480 photos that both trainings were judged on, this one is 5.2 points better (between "
            "2.2 and 8.1 better): that is hardly chance.",
            id="better",
        ),
        pytest.param(
            found(15, 40, -0.081, -0.022, 0.001),
            "On the 480 photos that both trainings were judged on, this one is 5.2 points worse (between "
            "2.2 and 8.1 worse): that is hardly chance.",
            id="worse",
        ),
        pytest.param(
            found(15, 28, -0.053, 0.001, 0.04),
            "On the 480 photos that both trainings were judged on, this one is 2.7 points worse (between 5.3 "
            "worse and 0.1 better): that may be chance.",
            id="the interval does not agree with the test",
        ),
        pytest.param(
            found(9, 9, -0.018, 0.018, 1.0),
            "On the 480 photos that both trainings were judged on, both are right equally often (between 1.8 "
            "worse and 1.8 better).",
            id="equal",
        ),
        pytest.param(
            found(1, 0, -0.4, 1.0, 1.0, images=1),
            "On the 1 photo that both trainings were judged on, this one is 100.0 points better (between "
            "40.0 worse and 100.0 better): that may be chance.",
            id="one photo",
        ),
        pytest.param(
            found(5, 4, -0.0001, 0.0002, 1.0, images=50_000),
            "On the 50,000 photos that both trainings were judged on, this one is 0.002 points better "
            "(between 0.010 worse and 0.020 better): that may be chance.",
            id="next to nothing",
        ),
    ],
)
def test_who_is_better_and_whether_that_may_be_chance(comparison, sentence):
    assert difference_sentence(comparison) == sentence


@pytest.mark.parametrize(
    ("p_value", "said"),
    [
        (0.154, "in 15 of 100 such comparisons (McNemar's exact test, p = 0.154)"),
        (0.0012, "in fewer than 1 of 100 such comparisons (McNemar's exact test, p = 0.001)"),
        (1e-7, "in fewer than 1 of 100 such comparisons (McNemar's exact test, p < 0.001)"),
    ],
)
def test_the_test_is_said_with_its_p_value(p_value, said):
    text = difference_details(found(25, 15, 0.0, 0.1, p_value))
    assert text.startswith(
        "This one alone is right on 25 of them, the other alone on 15; both are right on 430"
    )
    assert said in text


def test_where_both_are_equally_good_there_is_nothing_to_test():
    assert "McNemar" not in difference_details(found(9, 9, -0.018, 0.018, 1.0))


def test_that_photos_come_in_groups_is_said():
    text = difference_details(found(25, 15, -0.2, 0.3, 0.25, groups=80))
    assert "These photos come from 80 groups" in text
    assert "(exact test by groups, p = 0.250)" in text
    assert "groups" not in difference_details(found(25, 15, -0.2, 0.3, 0.25))


def test_it_is_said_in_spanish():
    with speaking("es"):
        assert difference_sentence(found(25, 15, -0.005, 0.047, 0.154)) == (
            "En las 480 fotos con las que se evaluaron ambos entrenamientos, este es 2,1 puntos mejor (entre "
            "0,5 peor y 4,7 mejor): puede ser casualidad."
        )
