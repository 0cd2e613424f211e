"""Charts of a dataset: class counts and image sizes."""

from collections.abc import Mapping

import altair as alt
import numpy as np
import pandas as pd

from vitcore.charts._style import BLUE, HEIGHT, spoken, unchecked
from vitcore.language import tr

__all__ = ["class_count_chart", "size_chart"]

_MOST_SIZES = 1500  # circles in a chart of sizes


@unchecked
def class_count_chart(counts: Mapping[str, int]) -> alt.LayerChart:
    """Bars of the number of images per class, in the order given."""
    rows = pd.DataFrame({"class": list(counts), "images": list(counts.values())})
    base = alt.Chart(rows).encode(
        x=alt.X("images:Q", title=tr("images"), axis=alt.Axis(tickMinStep=1)),
        y=alt.Y("class:N", sort=list(counts), title=None, axis=alt.Axis(labelLimit=110)),
        tooltip=[alt.Tooltip("class:N", title=tr("class")), alt.Tooltip("images:Q", title=tr("images"))],
    )
    bars = base.mark_bar(color=BLUE, cornerRadiusEnd=3)
    # Beside the bar, so that it reads on a light and on a dark page.
    labels = base.mark_text(align="left", dx=4, color="gray").encode(text=alt.Text("images:Q", format=",d"))
    return spoken(alt.LayerChart(layer=[bars, labels]).properties(height=alt.Step(20)))


@unchecked
def size_chart(index: pd.DataFrame) -> alt.LayerChart:
    """Widths and heights of the images; a larger circle stands for more images of one size.

    Args:
        index: As `vitcore.dataset.Dataset.index`.
    """
    sizes = index.groupby(["width", "height"], as_index=False).agg(
        images=("image_id", "size"), classes=("label", "nunique"), example=("label", "first")
    )
    if len(sizes) > _MOST_SIZES:
        # More circles would be one blot; sizes that differ by a few pixels become one.
        for side in ("width", "height"):
            digits = np.floor(np.log2(sizes[side].clip(lower=1))) - 4
            sizes[side] = (np.round(sizes[side] / 2.0**digits) * 2.0**digits).astype("int64")
        sizes = sizes.groupby(["width", "height"], as_index=False).agg(
            images=("images", "sum"), classes=("classes", "max"), example=("example", "first")
        )
    largest = float(max(sizes["width"].max(), sizes["height"].max()))
    smallest = float(min(sizes["width"].min(), sizes["height"].min()))
    wide = largest > 20 * smallest
    scale = alt.Scale(
        type="log" if wide else "linear", domain=[0.8 * smallest if wide else 0, 1.05 * largest]
    )
    diagonal = pd.DataFrame({"side": [max(smallest, 1.0), largest]})
    square = (
        alt.Chart(diagonal)
        .mark_line(color="gray", strokeDash=[4, 4], strokeWidth=1)
        .encode(x=alt.X("side:Q", scale=scale), y=alt.Y("side:Q", scale=scale))
    )
    circles = (
        alt.Chart(sizes)
        .mark_circle(color=BLUE, opacity=0.6, stroke="white", strokeWidth=0.5)
        .encode(
            x=alt.X("width:Q", title=tr("width in pixels"), scale=scale),
            y=alt.Y("height:Q", title=tr("height in pixels"), scale=scale),
            size=alt.Size("images:Q", scale=alt.Scale(range=[30, 700]), legend=None),
            tooltip=[
                alt.Tooltip("width:Q", title=tr("width")),
                alt.Tooltip("height:Q", title=tr("height")),
                alt.Tooltip("images:Q", title=tr("images")),
                alt.Tooltip("classes:Q", title=tr("classes")),
                alt.Tooltip("example:N", title=tr("such as")),
            ],
        )
    )
    return spoken(alt.LayerChart(layer=[square, circles]).properties(height=HEIGHT))
