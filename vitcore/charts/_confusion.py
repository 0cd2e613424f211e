"""The confusion heatmap."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import numpy.typing as npt

from vitcore.charts._style import inline, spoken, unchecked
from vitcore.language import tr

__all__ = ["confusion_chart", "confusion_order"]

_SIDE = 490  # of the squares together, in pixels; with the names beside them at most 640


@unchecked
def confusion_chart(
    confusion: npt.NDArray[np.int64],
    classes: Sequence[str],
    *,
    by_row: bool = False,
    dark: bool = False,
    order: Sequence[int] | None = None,
) -> alt.LayerChart:
    """Heatmap of a confusion matrix, true classes as rows; `cell` selects a true and predicted class.

    Args:
        confusion: (C, C), true classes as rows.
        classes: C names.
        by_row: Colour by the share of the true class instead of by the count.
        dark: For a dark page: more is lighter.
        order: Class numbers in the order to draw, as from `confusion_order`; those left out are not drawn.
    """
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    drawn = range(len(classes)) if order is None else order
    names = [classes[number] for number in drawn]
    rows = inline(
        [
            {
                "true": classes[i],
                "predicted": classes[j],
                "count": int(confusion[i, j]),
                "share": round(float(shares[i, j]), 4),
            }
            for i in drawn
            for j in drawn
        ]
    )
    value, top = ("share", 1.0) if by_row else ("count", float(max(confusion.max(), 1)))
    step = float(min(_SIDE / len(names), 88))
    side = step * len(names)
    font = float(np.clip(step, 9, 12))
    level = max(map(len, names)) * 7 < step
    slant = 0 if level else -45 if step >= 16 else -90
    axis: dict[str, Any] = {
        "labelLimit": 100,
        "labelFontSize": font,
        "labelOverlap": step < font,
        "ticks": False,
        "domain": False,
    }
    base = alt.Chart(rows).encode(
        x=alt.X("predicted:N", title=tr("predicted"), sort=names, axis=alt.Axis(labelAngle=slant, **axis)),
        y=alt.Y("true:N", title=tr("true"), sort=names, axis=alt.Axis(**axis)),
        tooltip=[
            alt.Tooltip("true:N", title=tr("true")),
            alt.Tooltip("predicted:N", title=tr("predicted")),
            alt.Tooltip("count:Q", title=tr("images")),
            alt.Tooltip("share:Q", title=tr("of the true class"), format=".1%"),
        ],
    )
    cell = alt.selection_point(name="cell", fields=["true", "predicted"])
    weak, strong = ("#1B2A33", "#7CC7F0") if dark else ("#EEF4F8", "#0B4F8A")
    # The root makes the few mistakes stand out beside the many right answers.
    scale = alt.Scale(type="sqrt", range=[weak, strong], domain=[0, top])
    squares = (
        base.mark_rect(cornerRadius=2 if step >= 12 else 0)
        .encode(
            color=alt.Color(f"{value}:Q", scale=scale, legend=None),
            opacity=alt.condition(cell, alt.value(1.0), alt.value(0.45)),
        )
        .add_params(cell)
    )
    layers: list[alt.Chart] = [squares]
    if step >= 24:  # the numbers fit
        layers.append(
            base.transform_filter("datum.count > 0")
            .mark_text(fontSize=10 if step < 32 else 12 if step < 60 else 15)
            .encode(
                text=alt.Text(f"{value}:Q", format=".0%" if by_row else "d"),
                # Half of the way between the colours, by the root.
                color=alt.condition(f"datum.{value} > {0.25 * top}", alt.value(weak), alt.value(strong)),
            )
        )
    # The names come beside the squares instead of taking their room, as they would in Streamlit.
    return spoken(alt.LayerChart(layer=layers).properties(width=side, height=side, autosize="pad"))


def confusion_order(confusion: npt.NDArray[np.int64]) -> list[int]:
    """Class numbers in an order that puts classes side by side that are taken for each other.

    The leaves of a hierarchical clustering, ordered optimally (Bar-Joseph et al., "Fast optimal leaf
    ordering for hierarchical clustering", 2001).

    Args:
        confusion: (C, C), true classes as rows; rows may be zero.

    Returns:
        C numbers; as they are if there are no mistakes.
    """
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    alike = shares + shares.T
    np.fill_diagonal(alike, 0)
    if not alike.any():
        return list(range(len(confusion)))
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    distances = alike.max() - alike
    np.fill_diagonal(distances, 0)
    tree = linkage(squareform(distances), method="average", optimal_ordering=True)
    return [int(number) for number in leaves_list(tree)]
