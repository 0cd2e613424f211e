"""What more images would bring."""

import numpy as np
import pandas as pd
import pytest

from vitcore.errors import InputError
from vitcore.evaluation import class_forecast, forecast, wilson_interval
from vitcore.evaluation._forecast import _power_laws

SIZES = (30, 50, 80, 130, 200, 300)


def law(images, a=0.05, b=2.0, c=0.5):
    return 1 - (a + b * np.asarray(images, dtype=float) ** -c)


def exact(accuracies, sizes=SIZES, folds=10, judged=100):
    """Points of heads whose accuracy at a size is the same in all folds."""
    return pd.DataFrame(
        [
            {"images": images, "repeat": repeat, "judged": judged, "accuracy": accuracy}
            for images, accuracy in zip(sizes, accuracies, strict=True)
            for repeat in range(folds)
        ]
    )


def measured(random, judged=30, **world):
    """Points as luck has them: the same images are hard at all sizes."""
    points = exact(law(SIZES, **world), judged=judged)
    ease = random.random((10, judged))
    points["accuracy"] = [
        (ease[row.repeat] < row.accuracy + random.normal(0, 0.01)).mean() for row in points.itertuples()
    ]
    return points


def of_class(points, number):
    return points.rename(columns={"accuracy": "recall"}).assign(**{"class": number})


@pytest.mark.parametrize(("a", "b", "c"), [(0.0, 2.0, 0.4), (0.1, 1.5, 0.5), (0.02, 10.0, 1.0)])
def test_a_power_law_is_continued(a, b, c):
    told = forecast(exact(law(SIZES, a, b, c)), [300, 600, 1200])
    assert not told.too_few_to_say
    assert list(told.table.columns) == ["images", "accuracy", "low", "high"]
    assert told.table["images"].tolist() == [300, 600, 1200]
    assert told.table["accuracy"].to_numpy() == pytest.approx(law([300, 600, 1200], a, b, c), abs=2e-3)


def test_no_other_law_fits_better():
    from scipy.optimize import curve_fit

    random = np.random.default_rng(0)
    x = np.array(SIZES) / SIZES[-1]
    errors = 1 - law(SIZES) + random.normal(0, 0.03, (20, len(x)))
    weights = random.uniform(0.5, 2, len(x))

    def loss(a, b, c):
        return (weights * (errors - (a[:, None] + b[:, None] * x ** -c[:, None])) ** 2).sum(axis=1)

    ours = _power_laws(x, errors, weights)
    assert min(ours[0].min(), ours[1].min()) >= 0
    theirs = [
        curve_fit(
            lambda x, a, b, c: a + b * x**-c,
            x,
            error,
            p0=[0.1, 0.2, 0.5],
            sigma=weights**-0.5,
            bounds=([0, 0, 0.05], [1, 1, 2]),
        )[0]
        for error in errors
    ]
    assert (loss(*ours) <= 1.02 * loss(*np.transpose(theirs)) + 1e-6).all()  # c is one of fixed values


def test_nineteen_in_twenty_come_true():
    random = np.random.default_rng(1)
    held, widths = 0, []
    for _ in range(100):
        told = forecast(measured(random), [600], judged=150)
        assert not told.reason
        _, _, low, high = told.table.to_numpy()[0]
        reached = random.binomial(150, law(600)) / 150
        held += low <= reached <= high
        widths.append(high - low)
    assert 90 <= held <= 99
    assert np.mean(widths) < 0.16


def test_an_accuracy_measured_on_few_images_is_less_certain():
    points = measured(np.random.default_rng(2))
    itself, many, few = (forecast(points, [600], judged=judged).table for judged in (None, 1000, 50))
    assert itself["low"][0] > many["low"][0] > few["low"][0]
    assert itself["high"][0] <= many["high"][0] < few["high"][0]


def test_folds_that_agree_by_luck_do_not_make_it_certain():
    table = forecast(exact(law(SIZES), judged=10), [600]).table
    low, high = wilson_interval(round(100 * table["accuracy"][0]), 100)
    assert table["low"][0] == pytest.approx(low)
    assert table["high"][0] == pytest.approx(high)


def test_the_same_seed_gives_the_same_interval():
    points = measured(np.random.default_rng(3))
    first, again, other = (forecast(points, [600], seed=seed).table for seed in (0, 0, 1))
    assert first.equals(again)
    assert not first.equals(other)
    assert first.equals(forecast(points.sample(frac=1, random_state=0), [600]).table)


@pytest.mark.parametrize(
    ("points", "reason"),
    [
        (exact(law(SIZES[-3:]), SIZES[-3:]), "The curve has 3 sizes, and a forecast needs 4."),
        (exact(law(SIZES), judged=4), "40 images are too few to judge by; a forecast needs 50."),
        (exact([0.8] * 6), "With 300 images it is not clearly better than with 30"),
        (exact(law(SIZES)[::-1]), "With 300 images it is not clearly better than with 30"),
        (measured(np.random.default_rng(4), judged=6), "may be off by 1. points"),
    ],
)
def test_too_little_to_say_is_said(points, reason):
    told = forecast(points, [600, 1200])
    assert told.too_few_to_say
    assert pd.Series([str(told.reason)]).str.contains(reason)[0]
    assert told.table.empty
    assert list(told.table.columns) == ["images", "accuracy", "low", "high"]


@pytest.mark.parametrize("at", [[], [0, 300], [600, 1501]])
def test_what_no_curve_reaches_is_refused(at):
    with pytest.raises(InputError, match="give numbers of images from 1 to 1,500"):
        forecast(exact(law(SIZES)), at)


def test_the_class_that_gains_most_comes_first():
    sizes = (25, 40, 63, 100)
    points = pd.concat(
        [
            of_class(exact(law(sizes, 0.1, 1.0), sizes, judged=10), 0),
            of_class(exact(law(sizes, 0.0, 4.0), sizes, judged=10), 1),
            of_class(exact(law(sizes), sizes, judged=1), 2),
        ]
    )
    table = class_forecast(points, 100)
    assert list(table.columns) == ["class", "now", "then", "low", "high", "gain", "reason"]
    assert table["class"].tolist() == [1, 0, 2]
    known = table[:2]
    assert known["now"].to_numpy() == pytest.approx([law(100, 0, 4), law(100, 0.1, 1)], abs=2e-3)
    assert known["then"].to_numpy() == pytest.approx([law(200, 0, 4), law(200, 0.1, 1)], abs=2e-3)
    assert known["gain"].to_numpy() == pytest.approx(known["then"] - known["now"])
    assert (known["low"] < known["then"]).all()
    assert (known["then"] < known["high"]).all()
    assert table["reason"].map(str).tolist() == [
        "",
        "",
        "10 images are too few to judge by; a forecast needs 20.",
    ]
    assert table.loc[2, ["now", "then", "low", "high", "gain"]].isna().all()


def test_folds_without_images_of_a_class_count_for_nothing():
    sizes = (25, 40, 63, 100)
    points = of_class(exact(law(sizes), sizes), 0)
    absent = points["repeat"] == 3
    without = points.assign(judged=points["judged"].where(~absent, 0), recall=points["recall"].where(~absent))
    then = class_forecast(without, 100)["then"][0]
    assert then == pytest.approx(class_forecast(points, 100)["then"][0])


def test_many_more_images_than_there_are_cannot_be_judged():
    [reason] = class_forecast(of_class(exact(law(SIZES)), 0), 1201)["reason"]
    assert str(reason) == "300 images are too few to tell what 1,201 more would bring."
    with pytest.raises(InputError, match="more is 0; give 1 or more"):
        class_forecast(of_class(exact(law(SIZES)), 0), 0)
