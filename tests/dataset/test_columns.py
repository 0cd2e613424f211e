"""What images may have in common."""

import numpy as np
import pandas as pd
import pytest

from vitcore.dataset import shared_columns


def index_of(count=12, **columns):
    table = {"format": "PNG", "width": 100, "height": 100, **columns}
    return pd.DataFrame(table, index=range(3, count + 3))


def test_columns_with_a_few_values_are_shared():
    index = index_of(
        **{
            "column:patient": [f"p{n // 4}" for n in range(12)],
            "column:number": [str(n) for n in range(12)],
            "column:same": "x",
            "column:taken": [f"2024-{n % 2 + 1:02}-05T10:00:00" for n in range(11)] + [""],
        }
    )
    found = shared_columns(index.assign(format=["PNG", "JPEG"] * 6))
    assert [*found] == ["number", "patient", "month", "format"]
    assert found["month"].values.tolist()[-2:] == ["2024-01", ""]
    assert found["patient"].values.index.equals(index.index)
    assert str(found["patient"].title("p{0}")) == "p{0}"  # a name from outside is no template
    many = pd.concat([index] * 4, ignore_index=True)
    many["column:number"] = [str(n) for n in range(48)]
    assert "number" not in shared_columns(many)


def test_a_column_of_the_table_goes_before_what_the_files_say():
    index = index_of(**{"column:format": ["scan", "film"] * 6, "column:size": ["S", "XL"] * 6})
    found = shared_columns(index.assign(format=["PNG", "JPEG"] * 6, width=range(50, 62)))
    assert set(found["format"].values) == {"scan", "film"}
    assert set(found["size"].values) == {"S", "XL"}


def test_sizes_are_put_into_three_ranges_with_plain_names():
    found = shared_columns(index_of(width=[100 * (n + 1) for n in range(12)]))["size"]
    assert found.values.value_counts().tolist() == [4, 4, 4]
    assert found.values.iloc[[0, 4, 8]].tolist() == [
        "small (below 467 pixels)",
        "medium (467 to 832 pixels)",
        "large (833 pixels and above)",
    ]
    assert found.title(found.values.iloc[0]).values == {"high": 467}


@pytest.mark.parametrize(
    ("widths", "expected"),
    [
        ([300] * 11 + [900], {"small (below 900 pixels)": 11, "large (900 pixels and above)": 1}),
        ([300] + [900] * 11, {"large (900 pixels and above)": 11, "small (below 900 pixels)": 1}),
        (
            [300] * 5 + [500] * 3 + [900] * 4,
            {
                "small (below 500 pixels)": 5,
                "medium (500 to 632 pixels)": 3,
                "large (633 pixels and above)": 4,
            },
        ),
        (
            [300] * 2 + [500] * 9 + [900],
            {"small (below 500 pixels)": 2, "large (500 pixels and above)": 10},
        ),
        (
            [300] * 4 + [500] * 5 + [501] * 6,
            {"small (below 500 pixels)": 4, "medium (500 pixels)": 5, "large (501 pixels and above)": 6},
        ),
        ([300] * 12, None),
    ],
)
def test_images_of_one_size_are_in_one_range(widths, expected):
    found = shared_columns(index_of(len(widths), width=widths, height=80)).get("size")
    assert (found and found.values.value_counts().to_dict()) == expected


def test_shapes_are_wide_tall_or_square():
    found = shared_columns(index_of(width=[100, 105, 110, 111, 95, 90] * 2))["shape"]
    assert found.values.tolist()[:6] == ["square", "square", "square", "wide", "square", "tall"]


def test_brightness_is_cut_into_thirds_and_empty_where_it_is_not_known():
    index = index_of()
    values = pd.Series([40.2, 50, 60, 70, 100, 110, 120, 130, 180, 190, 200, np.nan], index=index.index)
    found = shared_columns(index, brightness=values)["brightness"].values
    assert found.index.equals(index.index)
    assert found.value_counts().to_dict() == {
        "dark (below 80)": 4,
        "bright (127 and above)": 4,
        "medium (80 to 126)": 3,
        "": 1,
    }
    assert "brightness" not in shared_columns(index, brightness=values.clip(100, 112))
    assert "brightness" not in shared_columns(index, brightness=values * np.nan)


def test_images_that_are_alike_in_everything_share_nothing_to_tell_them_apart():
    assert shared_columns(index_of()) == {}
