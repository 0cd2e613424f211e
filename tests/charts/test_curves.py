import math

import numpy as np
import pandas as pd
import pytest

from tests.charts.conftest import HOSTILE, rows_of, spec_of
from vitcore.charts import comparison_chart, loss_chart, score_chart
from vitcore.runs import HISTORY_COLUMNS

CURVES = [loss_chart, score_chart]


def history(epochs, **overrides):
    """A history as `Run.history` reads it."""
    records = [
        {
            "epoch": epoch,
            "training_loss": 1 / epoch,
            "validation_loss": 1.1 / epoch,
            "accuracy": 1 - 0.5 / epoch,
            "balanced_accuracy": 1 - 0.6 / epoch,
            "cohen_kappa": 1 - 0.7 / epoch,
            "learning_rate": 0.001,
            "seconds": 0.1,
            **overrides,
        }
        for epoch in range(1, epochs + 1)
    ]
    return pd.DataFrame(records, columns=list(HISTORY_COLUMNS))


@pytest.mark.parametrize("chart", CURVES)
@pytest.mark.parametrize("epochs", [0, 1, 2, 20, 200])
@pytest.mark.parametrize("best", [None, 1])
def test_curves_can_be_drawn_at_any_length(chart, epochs, best):
    curves = 2 if chart is loss_chart else 3
    assert len(rows_of(spec_of(chart(history(epochs), 200, best)))) == curves * epochs


@pytest.mark.parametrize("chart", CURVES)
@pytest.mark.parametrize("epochs", [1, 20])
def test_the_axis_of_a_curve_is_as_long_as_the_training(chart, epochs):
    low, high = chart(history(1), epochs).to_dict()["layer"][0]["encoding"]["x"]["scale"]["domain"]
    assert low == 1
    assert high >= max(epochs, 2)


@pytest.mark.parametrize("missing", [None, math.nan])
def test_a_kappa_that_is_not_defined_is_left_out(missing):
    rows = rows_of(spec_of(score_chart(history(3, cohen_kappa=missing), 3)))
    assert len(rows) == 6
    assert {row["curve"] for row in rows} == {"accuracy", "balanced accuracy"}


def test_one_undefined_kappa_leaves_the_others_on_the_curve():
    table = history(3)
    table.loc[0, "cohen_kappa"] = math.nan
    rows = rows_of(spec_of(score_chart(table, 3)))
    assert [row["epoch"] for row in rows if "kappa" in row["curve"]] == [2, 3]


def test_the_loss_curve_has_the_values_of_the_history():
    rows = rows_of(spec_of(loss_chart(history(4), 4)))
    assert [row["value"] for row in rows if row["curve"] == "validation"] == pytest.approx(
        [1.1, 0.55, 1.1 / 3, 0.275]
    )


@pytest.mark.parametrize("chart", CURVES)
@pytest.mark.parametrize("best", [1, 12, 20])
def test_the_best_epoch_is_marked(chart, best):
    spec = spec_of(chart(history(20), 20, best))
    marked = [row["epoch"] for rows in spec["datasets"].values() for row in rows if "label" in row]
    assert marked == [best]


@pytest.mark.parametrize("chart", CURVES)
def test_a_chart_does_not_change_the_history(chart):
    table = history(3)
    chart(table, 3, 1).to_dict()
    pd.testing.assert_frame_equal(table, history(3))


@pytest.mark.parametrize("chart", CURVES)
@pytest.mark.parametrize("epochs", [0, 1, 2, 20])
def test_smoothed_curves_start_where_the_curves_do_and_lag_behind(chart, epochs):
    table = history(epochs)
    plain, smooth = (
        pd.DataFrame(rows_of(spec_of(chart(table, 20, smooth=s))), columns=["epoch", "curve", "value"])
        for s in (False, True)
    )
    assert len(plain) == len(smooth)
    if epochs:
        assert smooth["value"].iloc[0] == plain["value"].iloc[0]
    if epochs > 1:
        assert smooth["value"].iloc[1] != plain["value"].iloc[1]


def test_a_smoothed_curve_that_grows_does_not_change_where_it_was():
    short, long = (rows_of(spec_of(loss_chart(history(n), 20, smooth=True))) for n in (5, 9))
    known = {(row["epoch"], row["curve"]): row["value"] for row in long}
    assert all(known[row["epoch"], row["curve"]] == row["value"] for row in short)


def test_folds_are_drawn_as_a_band_around_their_mean():
    folds = pd.concat([history(3, accuracy=value).assign(fold=n) for n, value in enumerate((0.5, 0.7))])
    spec = spec_of(score_chart(history(3), 3, folds=folds))
    rows = [row for rows in spec["datasets"].values() for row in rows if "low" in row]
    band = next(row for row in rows if row["curve"] == "accuracy")
    deviation = np.std([0.5, 0.7], ddof=1)
    assert (band["low"], band["high"]) == pytest.approx((0.6 - deviation, 0.6 + deviation))


@pytest.mark.parametrize("count", [1, 2, 12])
def test_runs_are_drawn_over_each_other(count):
    histories = {f"{HOSTILE[0]} {number}": history(number + 1) for number in range(count)}
    rows = rows_of(spec_of(comparison_chart(histories, "accuracy", "accuracy")))
    assert len(rows) == sum(range(1, count + 1))
    assert {row["run"] for row in rows} == set(histories)


@pytest.mark.parametrize(("epochs", "dotted"), [(20, True), (1000, False)])
def test_long_curves_have_no_dots(epochs, dotted):
    history = pd.DataFrame({"epoch": range(1, epochs + 1), "training_loss": 1.0, "validation_loss": 2.0})
    mark = loss_chart(history, epochs).to_dict()["layer"][0]["mark"]
    assert bool(mark["point"]) is dotted
