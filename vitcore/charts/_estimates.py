"""The figure of a training while it grows with the photos."""

import altair as alt
import pandas as pd

from vitcore.charts._style import BLUE, ORANGE, share_scale, spoken, unchecked
from vitcore.language import tr

__all__ = ["estimates_chart"]

_HEIGHT = 160


@unchecked
def estimates_chart(points: pd.DataFrame, *, final: bool = False) -> alt.LayerChart:
    """Accuracy by the number of images that it was measured on, with its interval.

    Args:
        points: One row per figure: ``images``, ``total``; ``accuracy``, ``low`` and ``high``, 0 … 1.
        final: Whether the last row is the final figure.
    """
    total = int(points["total"].max())
    x = alt.X(
        "images:Q",
        title=tr("photos"),
        scale=alt.Scale(domain=[0, total], nice=False),
        axis=alt.Axis(tickMinStep=1, tickCount=5, format=",d"),
    )
    scale = share_scale(points["low"])
    y = alt.Y("accuracy:Q", title=tr("accuracy"), scale=scale, axis=alt.Axis(format=".0%", tickCount=4))
    base = alt.Chart(points).encode(x=x)
    band = base.mark_area(color=BLUE, opacity=0.18).encode(y=alt.Y("low:Q", scale=scale), y2="high:Q")
    line = base.mark_line(color=BLUE, strokeWidth=2.5).encode(y=y)
    tooltip = [
        alt.Tooltip("images:Q", title=tr("photos"), format=",d"),
        alt.Tooltip("accuracy:Q", title=tr("accuracy"), format=".1%"),
        alt.Tooltip("low:Q", title=tr("95 % interval from"), format=".1%"),
        alt.Tooltip("high:Q", title=tr("to"), format=".1%"),
    ]
    dots = base.mark_circle(color=BLUE, size=60, opacity=1).encode(y=y, tooltip=tooltip)
    layers = [band, line, dots]
    if final:
        end = alt.Chart(points.tail(1)).encode(x=x, y=y, tooltip=tooltip)
        layers.append(end.mark_point(color=ORANGE, fill=ORANGE, size=130, opacity=1))
    return spoken(alt.LayerChart(layer=layers).properties(height=_HEIGHT))
