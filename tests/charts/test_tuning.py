import math

import numpy as np
import pandas as pd
import pytest

from tests.charts.conftest import HOSTILE, rows_of, spec_of, tables_of
from vitcore.charts import learning_rate_chart, trials_chart


def trials(errors, pruned=(), baselines=0):
    """A table of trials with these errors."""
    judged = [math.inf if number in pruned else error for number, error in enumerate(errors)]
    return pd.DataFrame(
        {
            "number": range(1, len(errors) + 1),
            "value": errors,
            "best": np.minimum.accumulate(judged) if errors else [],
            "pruned": [number in pruned for number in range(len(errors))],
            "baseline": [number < baselines for number in range(len(errors))],
            "text": [f"settings {number}" for number in range(len(errors))],
        }
    )


def points_of(spec):
    return spec["datasets"][spec["layer"][1]["data"]["name"]]


def test_trials_are_drawn_as_accuracies_with_the_best_so_far():
    spec = spec_of(trials_chart(trials([0.2, 0.25, 0.1, 0.15]), 10))
    assert [row["accuracy"] for row in points_of(spec)] == pytest.approx([0.8, 0.75, 0.9, 0.85])
    assert [row["best"] for row in rows_of(spec)] == pytest.approx([0.8, 0.8, 0.9, 0.9])
    assert [row["settings"] for row in points_of(spec)] == [f"settings {number}" for number in range(4)]
    assert tables_of(spec, "label")[0][0]["label"] == "best so far: 90.0%"


def test_baselines_and_what_was_given_up_have_signs_of_their_own():
    spec = spec_of(trials_chart(trials([0.2, 0.2, 0.25, 0.22], pruned={2}, baselines=2)))
    kinds = [row["kind"] for row in points_of(spec)]
    assert kinds == ["baseline", "baseline", "given up early", "searched"]
    scale = spec["layer"][1]["encoding"]["shape"]["scale"]
    assert dict(zip(scale["domain"], scale["range"], strict=True))["baseline"] == "diamond"
    scale = spec["layer"][1]["encoding"]["fill"]["scale"]
    assert dict(zip(scale["domain"], scale["range"], strict=True))["given up early"] == "transparent"


def test_what_fails_is_left_out():
    table = trials([math.inf, 0.3, math.inf], pruned={0, 2})
    spec = spec_of(trials_chart(table, 5))
    assert [row["trial"] for row in points_of(spec)] == [2]
    assert [row["trial"] for row in rows_of(spec)] == [2, 3]


@pytest.mark.parametrize("missing", [math.inf, math.nan])
def test_a_search_without_a_best_yet_can_be_drawn(missing):
    spec = spec_of(trials_chart(trials([0.3]).assign(best=missing), 5))
    assert len(points_of(spec)) == 1
    assert len(spec["layer"]) == 2


def test_a_hopeless_trial_does_not_press_the_others_together():
    spec = spec_of(trials_chart(trials([0.08, 0.09, 0.1, 0.9])))
    low, high = spec["layer"][1]["encoding"]["y"]["scale"]["domain"]
    assert (low, high) == pytest.approx((0.85, 0.95))
    assert points_of(spec)[3] | {"kind": "far below"} == points_of(spec)[3]
    assert "far below" in spec["layer"][1]["encoding"]["shape"]["scale"]["domain"]


@pytest.mark.parametrize("errors", [[], [0.0], [1.0], [0.5] * 3])
@pytest.mark.parametrize("total", [None, 1, 30])
def test_any_search_can_be_drawn(errors, total):
    spec = spec_of(trials_chart(trials(errors), total))
    assert len(points_of(spec)) == len(errors)
    low, high = spec["layer"][1]["encoding"]["y"]["scale"]["domain"]
    assert 0 <= low < high <= 1


@pytest.mark.parametrize(
    ("count", "total", "end"), [(3, 30, 30.5), (12, None, 12.5), (2, None, 10.5), (5, 3, 5.5)]
)
def test_the_axis_of_the_trials_is_as_long_as_the_search(count, total, end):
    spec = trials_chart(trials([0.5] * count), total).to_dict()
    assert spec["layer"][0]["encoding"]["x"]["scale"]["domain"] == [0.5, end]


def test_trials_are_not_changed_and_their_settings_are_data():
    table = trials([0.1] * len(HOSTILE)).assign(text=HOSTILE)
    before = table.copy()
    assert [row["settings"] for row in points_of(spec_of(trials_chart(table)))] == list(HOSTILE)
    pd.testing.assert_frame_equal(table, before)


def rates(count):
    """A curve of `count` steps."""
    loss = np.linspace(2, 1, count)
    return pd.DataFrame({"learning_rate": np.geomspace(1e-6, 10, count), "loss": loss, "smoothed": loss})


@pytest.mark.parametrize("count", [0, 1, 100])
def test_a_learning_rate_curve_of_any_length_can_be_drawn(count):
    spec = spec_of(learning_rate_chart(rates(count), 0.02))
    assert sum(map(len, tables_of(spec, "smoothed"))) == count
    assert tables_of(spec, "label")[0] == [{"learning_rate": 0.02, "label": "suggestion: 0.02"}]


def test_the_axis_of_the_learning_rates_has_powers_of_ten():
    x = learning_rate_chart(rates(100), 0.02).to_dict()["layer"][0]["encoding"]["x"]
    assert x["scale"]["type"] == "log"
    assert x["scale"]["domain"] == pytest.approx([1e-6, 10])
    assert x["axis"]["values"] == pytest.approx([10.0**power for power in range(-6, 2)])


def test_a_loss_without_bounds_is_left_out():
    table = rates(4)
    table.loc[3, "loss"] = math.inf
    assert len(tables_of(spec_of(learning_rate_chart(table, 0.02)), "smoothed")[0]) == 3
