"""What the tests of the charts share."""

import json

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


def tables_of(spec, column):
    """The tables of the chart that have the column, in the order of its layers."""
    order = [layer["data"]["name"] for layer in spec["layer"] if "data" in layer] or [spec["data"]["name"]]
    tables = [spec["datasets"][name] for name in dict.fromkeys(order)]
    return [rows for rows in tables if rows and column in rows[0]]


def names(count):
    return [f"class {number}" for number in range(count)]
