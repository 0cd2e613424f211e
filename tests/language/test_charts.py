"""Charts speak the language: titles, series, labels and numbers."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import vl_convert

from vitcore.charts import (
    class_count_chart,
    comparison_chart,
    confidence_chart,
    confusion_chart,
    coverage_chart,
    embedding_chart,
    forecast_chart,
    loss_chart,
    precision_recall_chart,
    probability_chart,
    reliability_chart,
    roc_chart,
    score_chart,
    size_chart,
)
from vitcore.language import speaking

RATES = np.linspace(0, 1, 5)
HISTORY = pd.DataFrame(
    {
        "epoch": range(1, 6),
        "training_loss": 1.5 - RATES,
        "validation_loss": 1.6 - RATES,
        "accuracy": RATES,
        "balanced_accuracy": RATES,
        "cohen_kappa": RATES,
    }
)
FOLDS = pd.concat([HISTORY, HISTORY.assign(accuracy=0.5, validation_loss=1.0)])
CURVES = pd.DataFrame(
    {
        "class": ["training"] * 5,
        "false_positive_rate": RATES,
        "true_positive_rate": np.sqrt(RATES),
        "recall": RATES,
        "precision": 1 - RATES / 2,
        "area": 0.876,
    }
)
BINS = pd.DataFrame(
    {"confidence": RATES, "accuracy": RATES, "low": RATES - 0.1, "high": RATES + 0.1, "images": range(5)}
)
POINTS = pd.DataFrame(
    {
        "x": RATES,
        "y": RATES,
        "image_id": range(5),
        "name": list("abcde"),
        "true": ["training"] * 5,
        "predicted": ["training", "images"] * 2 + ["images"],
        "right": [True, False, True, False, False],
    }
)
SIZES = pd.DataFrame({"image_id": range(3), "label": "training", "width": [1, 2, 3], "height": 2})
COVERAGE = pd.DataFrame({"level": RATES, "coverage": 1 - RATES, "accuracy": 0.9 + RATES / 10})
FORECAST = pd.DataFrame({"images": [50, 2000], "accuracy": [0.8, 0.9], "low": 0.7, "high": 0.95})
MEASURED = pd.DataFrame({"images": [50, 100], "error": [0.2, 0.1], "repeat": 1})

CHARTS = {
    "loss": lambda: loss_chart(HISTORY, 5, 3, smooth=True, folds=FOLDS),
    "score": lambda: score_chart(HISTORY, 5, 3, folds=FOLDS),
    "comparison": lambda: comparison_chart({"training": HISTORY}, "accuracy", "título"),
    "class counts": lambda: class_count_chart({"training": 12345, "images": 2}),
    "sizes": lambda: size_chart(SIZES),
    "embedding": lambda: embedding_chart(
        POINTS, learned=pd.DataFrame({"x": [0.0], "y": [0.0], "name": "a", "label": "training"})
    ),
    "mistakes": lambda: embedding_chart(POINTS, "mistake"),
    "confusion": lambda: confusion_chart(np.array([[12, 3], [1, 4]]), ["training", "images"], by_row=True),
    "roc": lambda: roc_chart(CURVES),
    "precision": lambda: precision_recall_chart(CURVES),
    "coverage": lambda: coverage_chart(COVERAGE, 0.25, 0.95),
    "forecast": lambda: forecast_chart(MEASURED, FORECAST),
    "probability": lambda: probability_chart({"training": 0.767, "images": 0.2}),
    "reliability": lambda: reliability_chart(BINS, BINS),
    "confidence": lambda: confidence_chart(pd.DataFrame({"confidence": RATES, "right": RATES > 0.5})),
}
# Columns whose values are words of the chart.
WORDS = {"answer", "curve", "kind", "label", "part", "state", "text"}
SAME = {"a", "título", "±", "training", "images"}  # what the tests call them, and names of classes


@cache
def spec_of(name: str, language: str) -> dict[str, Any]:
    with speaking(language):
        return CHARTS[name]().to_dict()


def nodes(spec: Any) -> Iterator[dict[str, Any]]:
    """All objects of a specification, those of the data left out."""
    if isinstance(spec, dict):
        yield spec
        for key, value in spec.items():
            if key not in {"data", "datasets", "config"}:
                yield from nodes(value)
    elif isinstance(spec, list):
        for value in spec:
            yield from nodes(value)


def rows(spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for table in spec.get("datasets", {}).values():
        yield from table
    for layer in spec["layer"]:
        yield from layer.get("data", {}).get("values", ())


def words(spec: dict[str, Any]) -> set[str]:
    """All that is written on a chart, but for names of classes and images."""
    titles = {node["title"] for node in nodes(spec) if isinstance(node.get("title"), str)}
    values = {row[column] for row in rows(spec) for column in WORDS & row.keys()}
    return {text for text in titles | values if isinstance(text, str)}


@pytest.mark.parametrize("name", CHARTS)
def test_nothing_on_a_chart_stays_english(name):
    english, spanish = words(spec_of(name, "en")), words(spec_of(name, "es"))
    assert len(english) == len(spanish)
    assert english & spanish <= SAME


@pytest.mark.parametrize("name", CHARTS)
def test_what_is_shown_has_a_title_of_its_own(name):
    """Without one, Vega shows the English name of the column."""
    for encoding in (node["encoding"] for node in nodes(spec_of(name, "es")) if "encoding" in node):
        tooltips = encoding.get("tooltip", [])
        for channel in [tooltips] if isinstance(tooltips, dict) else tooltips:
            assert channel.get("title"), channel
        for channel in (encoding.get(key, {}) for key in ("color", "shape", "fill", "stroke", "strokeDash")):
            if channel.get("legend"):
                assert channel["legend"]["title"] is None, channel


@pytest.mark.parametrize("name", CHARTS)
def test_series_are_in_their_scales(name):
    """Colours and dashes are given by the words that are in the data."""
    spec = spec_of(name, "es")
    for layer in spec["layer"]:
        data = layer.get("data", spec.get("data", {}))
        table = spec.get("datasets", {}).get(data.get("name"), data.get("values", []))
        for key in ("color", "shape", "fill", "stroke", "strokeDash"):
            channel = layer.get("encoding", {}).get(key, {})
            domain = (channel.get("scale") or {}).get("domain")
            if domain and channel.get("type") == "nominal":
                assert {row[channel["field"]] for row in table} <= set(domain)


def test_english_needs_no_configuration():
    for name in CHARTS:
        assert "locale" not in spec_of(name, "en").get("config", {})


def test_numbers_and_times_are_written_as_in_the_language():
    locale = spec_of("loss", "es")["config"]["locale"]
    assert locale["number"] == {
        "decimal": ",",
        "thousands": ".",
        "grouping": [3],
        "currency": ["", "\N{NO-BREAK SPACE}€"],
        "percent": "\N{NO-BREAK SPACE}%",
    }
    assert locale["time"]["days"][0] == "domingo"
    assert locale["time"]["months"] == [*locale["time"]["months"][:11], "diciembre"]
    assert all(len(locale["time"][name]) == count for name, count in (("shortDays", 7), ("shortMonths", 12)))


@pytest.mark.parametrize("name", CHARTS)
def test_every_chart_has_the_numbers_of_the_language(name):
    assert spec_of(name, "es")["config"]["locale"]["number"]["decimal"] == ","


@pytest.mark.parametrize(
    ("name", "drawn"),
    [
        ("probability", "76,7\N{NO-BREAK SPACE}%"),
        ("class counts", "10.000"),
        ("coverage", "objetivo 95\N{NO-BREAK SPACE}%"),
        ("roc", "training (0,876)"),
    ],
)
def test_a_chart_is_drawn_in_spanish(name, drawn):
    svg = vl_convert.vegalite_to_svg(spec_of(name, "es"))
    assert drawn in re.findall(r">([^<>]+)</text>", svg)


def test_the_mistakes_stay_on_top_in_any_language():
    for language in ("en", "es"):
        spec = spec_of("mistakes", language)
        scale = spec["layer"][0]["encoding"]["color"]["scale"]
        answers = [row["answer"] for row in rows(spec)]
        assert answers == [scale["domain"][0]] * 2 + [scale["domain"][1]] * 3
