"""Chart of a labelling session."""

import altair as alt
import pandas as pd

from vitcore.charts._style import BLUE, inline, share_scale, spoken, unchecked
from vitcore.language import tr

__all__ = ["label_curve_chart"]

_HEIGHT = 120


@unchecked
def label_curve_chart(curve: pd.DataFrame) -> alt.LayerChart:
    """The share of right guesses over the labels given, with its interval.

    Args:
        curve: labels, accuracy, low, high (0 … 1), as `vitcore.pipeline.LabelSession.curve` gives them.
    """
    scale = share_scale(curve["low"])
    labels = alt.X("labels:Q", title=tr("labels"))
    accuracy = alt.Y("accuracy:Q", title=tr("right guesses"), scale=scale, axis=alt.Axis(format="%"))
    base = alt.Chart(inline(curve))
    band = base.mark_area(opacity=0.2, color=BLUE).encode(
        x=labels, y=alt.Y("low:Q", scale=scale, title=tr("right guesses")), y2="high:Q"
    )
    line = base.mark_line(point=True, color=BLUE).encode(
        x=labels,
        y=accuracy,
        tooltip=[
            alt.Tooltip("labels:Q", title=tr("labels")),
            alt.Tooltip("accuracy:Q", title=tr("right guesses"), format=".1%"),
        ],
    )
    return spoken((band + line).properties(height=_HEIGHT))
