"""What images may have in common."""

import pandas as pd

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
    assert found["month"].tolist()[-2:] == ["2024-01", ""]
    assert found["patient"].index.equals(index.index)
    many = pd.concat([index] * 4, ignore_index=True)
    many["column:number"] = [str(n) for n in range(48)]
    assert "number" not in shared_columns(many)


def test_sizes_are_put_into_three_ranges():
    found = shared_columns(index_of(width=[100 * (n + 1) for n in range(12)]))["megapixels"]
    assert found.value_counts().tolist() == [4, 4, 4]
    assert found.iloc[0] == "0.01 … 0.05"


def test_images_that_are_alike_in_everything_share_nothing_to_tell_them_apart():
    assert shared_columns(index_of()) == {}
