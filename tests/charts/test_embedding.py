import json

import numpy as np
import pandas as pd
import pytest

from tests.charts.conftest import HOSTILE, names, rows_of, spec_of
from vitcore.charts import class_colours, embedding_chart


def points(count, classes):
    """Random points of images; each tenth is taken for the first class."""
    random = np.random.default_rng(0)
    true = [classes[number % len(classes)] for number in range(count)]
    predicted = [classes[0] if number % 10 == 0 else name for number, name in enumerate(true)]
    return pd.DataFrame(
        {
            "x": random.normal(size=count),
            "y": random.normal(size=count),
            "image_id": np.arange(count) + 100,
            "name": [f"{number}.png" for number in range(count)],
            "true": true,
            "predicted": predicted,
            "right": np.array(true) == np.array(predicted),
        }
    )


@pytest.mark.parametrize("by", ["class", "mistake"])
@pytest.mark.parametrize("count", [0, 1, 30])
def test_each_image_is_a_point(by, count):
    table = points(count, names(3))
    rows = rows_of(spec_of(embedding_chart(table, by)))
    assert sorted(row["image_id"] for row in rows) == list(table["image_id"])


@pytest.mark.parametrize("by", ["class", "mistake"])
def test_an_image_and_a_region_can_be_selected(by):
    params = {
        param["name"]: param["select"]
        for param in embedding_chart(points(5, names(2)), by).to_dict()["params"]
    }
    assert set(params) == {"point", "region"}
    assert params["point"]["type"] == "point"
    assert params["point"]["fields"] == ["image_id"]
    assert params["region"]["type"] == "interval"
    assert params["region"]["encodings"] == ["x", "y"]


def test_a_class_keeps_its_colour():
    classes = names(12)
    scale = embedding_chart(points(30, classes[3:]), "class", classes).to_dict()["layer"][0]["encoding"][
        "color"
    ]["scale"]
    assert dict(zip(scale["domain"], scale["range"], strict=True)) == class_colours(classes)


def test_mistakes_are_drawn_last_and_have_another_shape():
    spec = spec_of(embedding_chart(points(30, names(3)), "mistake"))
    answers = [row["answer"] for row in rows_of(spec)]
    assert answers == sorted(answers)
    assert answers.count("wrong") == 2
    assert len(set(spec["layer"][0]["encoding"]["shape"]["scale"]["range"])) == 2


def test_twenty_thousand_images_can_be_drawn():
    spec = spec_of(embedding_chart(points(20_000, names(100)), "class"))
    assert len(rows_of(spec)) == 20_000
    assert spec["layer"][0]["encoding"]["color"]["legend"] is None
    assert len(json.dumps(spec)) < 3_000_000


def test_hostile_names_are_data_in_the_scatter():
    table = points(len(HOSTILE), HOSTILE).assign(name=HOSTILE)
    rows = rows_of(spec_of(embedding_chart(table, "class")))
    assert [row["name"] for row in rows] == list(HOSTILE)
    assert [row["true"] for row in rows] == list(HOSTILE)
