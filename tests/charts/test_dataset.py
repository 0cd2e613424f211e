import numpy as np
import pandas as pd
import pytest

from tests.charts.conftest import HOSTILE, names, rows_of, spec_of
from vitcore.charts import class_count_chart, size_chart


@pytest.mark.parametrize("count", [1, 2, 50, 100])
def test_the_class_counts_are_the_bars(count):
    counts = {name: number for number, name in enumerate(names(count), 1)}
    rows = rows_of(spec_of(class_count_chart(counts)))
    assert {row["class"]: row["images"] for row in rows} == counts


def test_hostile_class_names_are_data_in_the_counts():
    counts = dict.fromkeys(HOSTILE, 3)
    assert [row["class"] for row in rows_of(spec_of(class_count_chart(counts)))] == list(HOSTILE)


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
