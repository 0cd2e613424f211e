import math

import numpy as np
import pandas as pd
import pytest

from tests.charts.conftest import HOSTILE, names, rows_of, spec_of, tables_of
from vitcore.charts import confidence_chart, probability_chart, reliability_chart


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


def bins(count, shift=0.0):
    """A table of `count` ranges of confidences."""
    confidence = np.linspace(0.1, 0.9, count)
    accuracy = confidence - shift
    return pd.DataFrame(
        {
            "confidence": confidence,
            "accuracy": accuracy,
            "low": accuracy - 0.05,
            "high": accuracy + 0.05,
            "images": np.arange(count) + 1,
        }
    )


@pytest.mark.parametrize("count", [0, 1, 10])
def test_each_range_of_confidences_is_a_point_of_the_reliability(count):
    points = tables_of(spec_of(reliability_chart(bins(count))), "confidence")
    assert sum(map(len, points)) == count
    assert [row["images"] for rows in points for row in rows] == list(range(1, count + 1))


def test_the_confidences_before_the_calibration_are_drawn_paler_beside_the_others():
    spec = spec_of(reliability_chart(bins(3), bins(4, shift=0.1)))
    [rows] = tables_of(spec, "confidence")
    assert [row["state"] for row in rows] == ["before"] * 4 + ["calibrated"] * 3
    assert rows[0]["accuracy"] == pytest.approx(0.0)
    colours = {
        layer["encoding"]["color"]["legend"] is None
        for layer in spec["layer"]
        if "color" in layer["encoding"]
    }
    assert colours == {False}


def test_a_range_without_images_is_left_out_of_the_reliability():
    table = bins(4)
    table.loc[1, ["confidence", "accuracy", "low", "high"]] = math.nan
    [rows] = tables_of(spec_of(reliability_chart(table)), "confidence")
    assert [row["images"] for row in rows] == [1, 3, 4]


def test_confidences_are_counted_in_twenty_ranges_wrong_ones_below():
    predictions = pd.DataFrame(
        {"confidence": [0.0, 0.97, 0.98, 1.0, 0.96, 0.51], "right": [False, True, True, True, False, True]}
    )
    spec = spec_of(confidence_chart(predictions))
    bars = {(row["answer"], row["from"]): row["images"] for row in rows_of(spec)}
    assert bars == {("wrong", 0.0): 1, ("wrong", 0.95): 1, ("right", 0.95): 3, ("right", 0.5): 1}
    assert {row["answer"]: row["place"] for row in rows_of(spec)} == {"wrong": 0, "right": 1}


@pytest.mark.parametrize("count", [0, 1])
def test_few_confidences_can_be_drawn(count):
    table = pd.DataFrame({"confidence": [0.5] * count, "right": [True] * count})
    assert len(rows_of(spec_of(confidence_chart(table)))) == count
