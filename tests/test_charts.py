import json
import math

import numpy as np
import pandas as pd
import pytest

from vitcore.charts import (
    class_count_chart,
    comparison_chart,
    confusion_chart,
    loss_chart,
    probability_chart,
    score_chart,
    size_chart,
)
from vitcore.runs import HISTORY_COLUMNS

HOSTILE = (
    "![x](http://evil/p.png)",
    "<script>alert(1)</script>",
    "a.b",
    "a[0]",
    "datum['x']",
    "'quoted' \"twice\"",
    "back\\slash",
    "line\nbreak",
    "",
    "猫 🐈",
    "x" * 300,
)
CURVES = [loss_chart, score_chart]


def spec_of(chart):
    """The chart as Vega-Lite; Altair checks it against the schema."""
    spec = chart.to_dict()
    json.dumps(spec, allow_nan=False)
    assert spec["$schema"].startswith("https://vega.github.io/schema/vega-lite/")
    return spec


def rows_of(spec):
    """The rows of the chart's first layer."""
    data = spec["data"] if "data" in spec else spec["layer"][0]["data"]
    return spec["datasets"][data["name"]]


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


def confusion_of(count):
    return np.random.default_rng(count).integers(0, 50, (count, count))


def names(count):
    return [f"class {number}" for number in range(count)]


# --- curves ------------------------------------------------------------------------------------


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


# --- confusion ---------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [2, 50, 100])
@pytest.mark.parametrize("by_row", [False, True])
@pytest.mark.parametrize("dark", [False, True])
def test_a_confusion_matrix_of_any_size_can_be_drawn(count, by_row, dark):
    spec = spec_of(confusion_chart(confusion_of(count), names(count), by_row=by_row, dark=dark))
    assert len(rows_of(spec)) == count**2


def test_confusion_rows_are_the_true_classes():
    confusion = np.array([[5, 1, 0], [2, 6, 0], [0, 3, 7]])
    rows = rows_of(confusion_chart(confusion, ["cat", "dog", "fox"]).to_dict())
    counts = {(row["true"], row["predicted"]): row["count"] for row in rows}
    assert counts == {
        ("cat", "cat"): 5,
        ("cat", "dog"): 1,
        ("cat", "fox"): 0,
        ("dog", "cat"): 2,
        ("dog", "dog"): 6,
        ("dog", "fox"): 0,
        ("fox", "cat"): 0,
        ("fox", "dog"): 3,
        ("fox", "fox"): 7,
    }


def test_confusion_shares_are_those_of_the_true_class():
    rows = rows_of(confusion_chart(np.array([[3, 1], [0, 0]]), ["cat", "dog"], by_row=True).to_dict())
    shares = {(row["true"], row["predicted"]): row["share"] for row in rows}
    assert shares == {("cat", "cat"): 0.75, ("cat", "dog"): 0.25, ("dog", "cat"): 0, ("dog", "dog"): 0}


@pytest.mark.parametrize("confusion", [np.zeros((2, 2), np.int64), np.eye(2, dtype=np.int64)])
def test_an_empty_and_a_perfect_matrix_can_be_drawn(confusion):
    spec_of(confusion_chart(confusion, ["cat", "dog"]))


@pytest.mark.parametrize("count", [2, 50])
def test_a_cell_is_selected_by_its_two_classes(count):
    params = confusion_chart(confusion_of(count), names(count)).to_dict()["params"]
    assert [param["name"] for param in params] == ["cell"]
    assert params[0]["select"]["fields"] == ["true", "predicted"]


def test_the_classes_keep_their_order_on_both_axes():
    encoding = confusion_chart(confusion_of(3), ["b", "c", "a"]).to_dict()["layer"][0]["encoding"]
    assert encoding["x"]["sort"] == ["b", "c", "a"]
    assert encoding["y"]["sort"] == ["b", "c", "a"]


def test_a_dark_page_gets_other_colours():
    light, dark = (confusion_chart(confusion_of(3), names(3), dark=dark).to_dict() for dark in (False, True))
    colours = [spec["layer"][0]["encoding"]["color"]["scale"]["range"] for spec in (light, dark)]
    assert colours[0] != colours[1]


@pytest.mark.parametrize("dark", [False, True])
def test_hostile_class_names_are_data_in_a_confusion_matrix(dark):
    spec = spec_of(confusion_chart(confusion_of(len(HOSTILE)), HOSTILE, dark=dark))
    assert {row["true"] for row in rows_of(spec)} == set(HOSTILE)


# --- bars --------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 50, 100])
def test_the_class_counts_are_the_bars(count):
    counts = {name: number for number, name in enumerate(names(count), 1)}
    rows = rows_of(spec_of(class_count_chart(counts)))
    assert {row["class"]: row["images"] for row in rows} == counts


def test_hostile_class_names_are_data_in_the_counts():
    counts = dict.fromkeys(HOSTILE, 3)
    assert [row["class"] for row in rows_of(spec_of(class_count_chart(counts)))] == list(HOSTILE)


@pytest.mark.parametrize(("count", "shown"), [(2, 2), (5, 5), (50, 5), (100, 5)])
def test_the_most_probable_classes_are_shown(count, shown):
    probabilities = {name: 1 / (number + 2) for number, name in enumerate(names(count))}
    rows = rows_of(spec_of(probability_chart(probabilities)))
    assert [row["class"] for row in rows] == names(count)[:shown]
    assert [row["winner"] for row in rows] == [True] + [False] * (shown - 1)


def test_more_of_the_probable_classes_can_be_asked_for():
    probabilities = dict.fromkeys(names(20), 0.05)
    assert len(rows_of(spec_of(probability_chart(probabilities, top=8)))) == 8


def test_hostile_class_names_are_data_in_the_probabilities():
    rows = rows_of(spec_of(probability_chart(dict.fromkeys(HOSTILE, 0.1), top=20)))
    assert [row["class"] for row in rows] == list(HOSTILE)


# --- smoothing, bands, several runs, sizes ------------------------------------------------------


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


def sizes(pairs):
    return pd.DataFrame(
        [(n, f"class {n % 3}", width, height) for n, (width, height) in enumerate(pairs)],
        columns=["image_id", "label", "width", "height"],
    )


def test_one_size_is_one_circle_with_its_count():
    spec = spec_of(size_chart(sizes([(40, 30)] * 5 + [(10, 20)])))
    circles = [row for rows in spec["datasets"].values() for row in rows if "images" in row]
    assert sorted((row["width"], row["height"], row["images"]) for row in circles) == [
        (10, 20, 1),
        (40, 30, 5),
    ]


@pytest.mark.parametrize("pairs", [[(1, 1)], [(1, 20000), (20000, 1)], [(7, 7)] * 3])
def test_any_sizes_can_be_drawn(pairs):
    spec_of(size_chart(sizes(pairs)))


def test_thousands_of_sizes_are_drawn_as_fewer_circles():
    pairs = np.random.default_rng(0).integers(300, 4000, (6000, 2)).tolist()
    spec = spec_of(size_chart(sizes(pairs)))
    circles = [row for rows in spec["datasets"].values() for row in rows if "images" in row]
    assert sum(row["images"] for row in circles) == 6000
    assert len(circles) < 2500
