import math

import numpy as np
import pandas as pd
import pytest

from tests.charts.conftest import HOSTILE, names, spec_of, tables_of
from vitcore.charts import class_colours, coverage_chart, forecast_chart, precision_recall_chart, roc_chart

CURVES = [roc_chart, precision_recall_chart]


def curves(classes, points=5):
    """Both kinds of curves of these classes in one table."""
    rates = np.linspace(0, 1, points)
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "class": name,
                    "false_positive_rate": rates,
                    "true_positive_rate": np.sqrt(rates),
                    "recall": rates,
                    "precision": 1 - rates / 2,
                    "area": 0.9 - number / 1000,
                }
            )
            for number, name in enumerate(classes)
        ],
        ignore_index=True,
    )


def roc(table):
    return table[["class", "false_positive_rate", "true_positive_rate", "area"]]


def precision_recall(table):
    return table[["class", "recall", "precision", "area"]]


def lines_of(spec):
    return tables_of(spec, "x")[0]


@pytest.mark.parametrize("chart", CURVES)
@pytest.mark.parametrize("count", [1, 2, 8, 9, 100])
def test_each_class_has_a_curve(chart, count):
    columns = roc if chart is roc_chart else precision_recall
    spec = spec_of(chart(columns(curves(names(count)))))
    rows = lines_of(spec)
    assert {row["class"] for row in rows} == set(names(count))
    assert len(rows) == 5 * count
    assert [param["name"] for param in spec["params"]] == ["highlight"]


@pytest.mark.parametrize("chart", CURVES)
def test_without_classes_there_is_an_empty_chart(chart):
    columns = roc if chart is roc_chart else precision_recall
    spec_of(chart(columns(curves(["a"])).head(0)))


def test_the_points_of_a_roc_curve_are_those_of_the_table():
    rows = lines_of(spec_of(roc_chart(roc(curves(["a"])))))
    assert [(row["x"], row["y"]) for row in rows] == [
        (0, 0),
        (0.25, 0.5),
        (0.5, 0.707),
        (0.75, 0.866),
        (1, 1),
    ]
    assert {row["label"] for row in rows} == {"a (0.900)"}


def test_of_the_precisions_at_one_recall_the_best_is_drawn():
    table = pd.DataFrame(
        {"class": "a", "recall": [1, 0.5, 0.5, 0.5, 0], "precision": [0.4, 0.3, 0.5, 0.4, 1], "area": 0.5}
    )
    rows = lines_of(spec_of(precision_recall_chart(table)))
    assert [(row["x"], row["y"]) for row in rows] == [(0, 1), (0.5, 0.5), (1, 0.4)]


@pytest.mark.parametrize("chart", CURVES)
def test_a_class_keeps_its_colour_when_others_have_no_curve(chart):
    columns = roc if chart is roc_chart else precision_recall
    spec = spec_of(chart(columns(curves(["c", "d"])), classes=["a", "b", "c", "d"]))
    colours = class_colours(["a", "b", "c", "d"])
    assert spec["layer"][-1]["encoding"]["color"]["scale"]["range"] == [colours["c"], colours["d"]]


def test_of_many_classes_the_worst_stands_out_until_another_is_pointed_at():
    spec = spec_of(roc_chart(roc(curves(names(20)))))
    assert spec["params"][0]["value"] == [{"class": "class 19"}]
    assert spec["params"][0]["select"]["on"] == "pointerover"


@pytest.mark.thorough
def test_curves_of_many_classes_and_images_stay_small():
    rows = lines_of(roc_chart(roc(curves(names(20), points=5000))).to_dict())
    assert len(rows) < 20 * 402


@pytest.mark.parametrize("count", [len(HOSTILE), 5])
def test_hostile_class_names_are_data_in_the_curves(count):
    rows = lines_of(spec_of(roc_chart(roc(curves(HOSTILE[:count])))))
    assert {row["class"] for row in rows} == set(HOSTILE[:count])


def coverage(levels):
    """Answers at these levels of confidence; none at 1."""
    table = pd.DataFrame({"level": levels})
    table["coverage"] = 1 - table["level"]
    table["accuracy"] = (0.9 + table["level"] / 10).where(table["level"] < 1)
    return table


@pytest.mark.parametrize("levels", [[], [0.5], [1.0], np.linspace(0, 1, 101)])
@pytest.mark.parametrize("chosen", [None, 0.0, 0.7])
@pytest.mark.parametrize("target", [None, 0.95])
def test_any_coverage_can_be_drawn(levels, chosen, target):
    table = coverage(np.asarray(levels, dtype=float))
    spec = spec_of(coverage_chart(table, chosen, target))
    drawn = tables_of(spec, "level")
    assert sum(map(len, drawn[:1])) == int(table["accuracy"].notna().sum())


def test_the_chosen_level_and_the_target_are_marked():
    spec = spec_of(coverage_chart(coverage(np.linspace(0, 1, 11)), 0.21, 0.95))
    labels = [row["label"] for rows in tables_of(spec, "label") for row in rows]
    assert labels == ["target 95%", "80.0% answered, 92.0% of them right"]
    low, high = spec["layer"][0]["encoding"]["y"]["scale"]["domain"]
    assert low <= 0.9
    assert high == 1


def forecast(images):
    table = pd.DataFrame({"images": images})
    table["accuracy"] = 1 - 1 / np.sqrt(table["images"])
    return table.assign(low=table["accuracy"] - 0.02, high=table["accuracy"] + 0.02)


POINTS = pd.DataFrame({"images": [50, 50, 100], "error": [0.2, 0.22, 0.1], "repeat": [1, 2, 1]})


def test_what_lies_beyond_the_measured_part_is_a_forecast_without_a_gap():
    rows = tables_of(spec_of(forecast_chart(POINTS, forecast([50, 90, 120, 200]))), "part")[0]
    assert [(row["images"], row["part"]) for row in rows] == [
        (50, "fitted"),
        (90, "fitted"),
        (90, "forecast"),
        (120, "forecast"),
        (200, "forecast"),
    ]


@pytest.mark.parametrize(
    "points", [POINTS, POINTS.assign(accuracy=1 - POINTS["error"]).drop(columns="error")]
)
def test_errors_and_accuracies_are_drawn_alike(points):
    rows = tables_of(spec_of(forecast_chart(points, forecast([50, 200]))), "repeat")[0]
    assert [row["accuracy"] for row in rows] == pytest.approx([0.8, 0.78, 0.9])


@pytest.mark.parametrize("count", [0, 1, 3])
@pytest.mark.parametrize("images", [[], [70], [50, 400]])
def test_any_forecast_can_be_drawn(count, images):
    spec_of(forecast_chart(POINTS.head(count), forecast(np.asarray(images, dtype=float))))


def test_an_area_that_is_not_defined_is_left_out():
    table = roc(curves(["a", "b"]))
    table = table.assign(area=table["area"].where(table["class"] != "b", math.nan))
    assert {row["class"] for row in lines_of(spec_of(roc_chart(table)))} == {"a"}
