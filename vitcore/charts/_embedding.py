"""The images as points: alike ones lie side by side."""

from collections.abc import Mapping, Sequence
from typing import Literal

import altair as alt
import numpy as np
import pandas as pd

from vitcore.charts._style import ORANGE, PALE, PALETTE, class_colours, inline, spoken, unchecked
from vitcore.language import tr

__all__ = ["embedding_chart"]

_HEIGHT = 520  # more than of other charts, for the points need room
_MOST_NAMES = 24  # in a legend
_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")


@unchecked
def embedding_chart(
    points: pd.DataFrame,
    by: Literal["class", "mistake"] = "class",
    classes: Sequence[str] | None = None,
    learned: pd.DataFrame | None = None,
) -> alt.LayerChart:
    """Scatter of the embeddings; ``point`` selects an image by its ``image_id``, ``region`` a rectangle.

    Args:
        points: One row per image: ``x`` and ``y``, its place; ``image_id``; ``name``; the ``true`` and the
            ``predicted`` class; whether they are the same, ``right``.
        by: What the colour tells: the true class, or whether the image was recognised.
        classes: All classes of the dataset, so that each keeps its colour; by default the true ones in
            alphabetical order.
        learned: Images that were learned from, to be drawn small and pale below the others: ``x``, ``y``,
            ``name`` and ``label``.
    """
    point = alt.selection_point(name="point", fields=["image_id"], empty=False)
    region = alt.selection_interval(name="region", encodings=["x", "y"])
    area = 40 if len(points) <= 2000 else 16  # of a point, in square pixels
    size = alt.when(point).then(alt.value(6 * area))
    columns = ["x", "y", "image_id", "name", "true", "predicted"]
    # The mistakes are drawn last, so that nothing hides them.
    mistake = ~points["right"].astype(bool)
    rows = points[columns].assign(mistake=mistake).sort_values("mistake", kind="stable")
    rows = rows.round({"x": 3, "y": 3})
    colours = class_colours(sorted(set(points["true"])) if classes is None else classes)
    if by == "class":
        field = "true"
        groups, spread = list(colours), list(colours.values())
        # Eight colours can be told apart, so the shape helps where there are more classes.
        shapes = [_SHAPES[number // len(PALETTE) % len(_SHAPES)] for number in range(len(groups))]
    else:
        field = "answer"
        groups, spread, shapes = [tr("right"), tr("wrong")], [PALE, ORANGE], ["circle", "diamond"]
        rows[field] = np.where(rows["mistake"], groups[1], groups[0])
        size = size.when("datum.mistake").then(alt.value(2.5 * area))
    legend = (
        alt.Legend(orient="top", title=None, columns=4, labelLimit=120)
        if len(groups) <= _MOST_NAMES
        else None
    )
    dots = (
        alt.Chart(inline(rows))
        .mark_point(filled=True)
        .encode(
            x=_axis("x", tr("first dimension")),
            y=_axis("y", tr("second dimension")),
            color=alt.Color(f"{field}:N", scale=alt.Scale(domain=groups, range=spread), legend=legend),
            shape=alt.Shape(f"{field}:N", scale=alt.Scale(domain=groups, range=shapes), legend=legend),
            opacity=alt.condition(region, alt.value(0.8), alt.value(0.15)),
            size=size.otherwise(alt.value(area)),
            tooltip=[
                alt.Tooltip("name:N", title=tr("name")),
                alt.Tooltip("true:N", title=tr("true")),
                alt.Tooltip("predicted:N", title=tr("predicted")),
            ],
        )
        .add_params(point, region)
    )
    layers: list[alt.Chart] = [dots]
    if learned is not None:
        layers.insert(0, _pale(learned, colours if by == "class" else {}))
    return spoken(alt.LayerChart(layer=layers).properties(height=_HEIGHT))


def _pale(learned: pd.DataFrame, colours: Mapping[str, str]) -> alt.Chart:
    """Images that were learned from, in the colours of their classes, if any are given."""
    rows = learned[["x", "y", "name", "label"]].round({"x": 3, "y": 3})
    rows["colour"] = [colours.get(label, PALE) for label in rows["label"]]
    dots: alt.Chart = (
        alt.Chart(inline(rows))
        .mark_circle(size=14, opacity=0.35)
        .encode(
            x=_axis("x", tr("first dimension")),
            y=_axis("y", tr("second dimension")),
            # No scale, so that the legend stays that of the other images.
            color=alt.Color("colour:N", scale=None, legend=None),
            tooltip=[
                alt.Tooltip("name:N", title=tr("name")),
                alt.Tooltip("label:N", title=tr("learned as")),
            ],
        )
    )
    return dots


def _axis(field: Literal["x", "y"], title: str) -> alt.X | alt.Y:
    """An axis without numbers, for they mean nothing."""
    channel = alt.X if field == "x" else alt.Y
    return channel(
        f"{field}:Q",
        title=title,
        scale=alt.Scale(zero=False, nice=False, padding=12),
        axis=alt.Axis(labels=False, ticks=False, grid=False),
    )
