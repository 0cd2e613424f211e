"""Charts of confidence and calibration."""

from collections.abc import Mapping

import altair as alt
import numpy as np
import pandas as pd

from vitcore.charts._style import BLUE, HEIGHT, ORANGE, PALE, spoken, unchecked
from vitcore.language import tr

__all__ = ["confidence_chart", "probability_chart", "reliability_chart"]

_BINS = 20  # of a histogram of confidences


@unchecked
def probability_chart(probabilities: Mapping[str, float], top: int = 5) -> alt.LayerChart:
    """Bars of the most probable classes.

    Args:
        probabilities: By class, most probable first.
        top: How many to show.
    """
    names = list(probabilities)[:top]
    rows = pd.DataFrame({"class": names, "probability": [probabilities[name] for name in names]})
    rows["winner"] = rows.index == 0
    base = alt.Chart(rows).encode(
        # Room for the label beside a full bar.
        x=alt.X("probability:Q", scale=alt.Scale(domain=[0, 1.25]), axis=None),
        y=alt.Y("class:N", sort=names, title=None, axis=alt.Axis(labelLimit=130, domain=False, ticks=False)),
        tooltip=[
            alt.Tooltip("class:N", title=tr("class")),
            alt.Tooltip("probability:Q", title=tr("probability"), format=".2%"),
        ],
    )
    bars = base.mark_bar(cornerRadiusEnd=3).encode(
        color=alt.Color("winner:N", scale=alt.Scale(domain=[True, False], range=[BLUE, PALE]), legend=None)
    )
    labels = base.mark_text(align="left", dx=4, color="gray").encode(
        text=alt.Text("probability:Q", format=".1%")
    )
    return spoken(alt.LayerChart(layer=[bars, labels]).properties(height=alt.Step(22)))


@unchecked
def reliability_chart(bins: pd.DataFrame, before: pd.DataFrame | None = None) -> alt.LayerChart:
    """Draw accuracy against confidence; the diagonal is perfect calibration.

    Args:
        bins: One row per range of confidences: mean ``confidence`` and ``accuracy`` of its images, 0 … 1;
            the ends ``low`` and ``high`` of the interval of the accuracy; ``images``, their number.
            Ranges without images may be NaN.
        before: The same before the confidences were calibrated, drawn paler.
    """
    names = [tr("calibrated"), tr("before")]
    tables = {names[0]: bins} if before is None else {names[1]: before, names[0]: bins}
    rows = pd.concat([table.assign(state=state) for state, table in tables.items()]).dropna()
    share = alt.Scale(domain=[0, 1])
    axis = alt.Axis(format=".0%", tickCount=6)
    y = alt.Y("accuracy:Q", title=tr("accuracy"), scale=share, axis=axis)
    states = alt.Scale(domain=names, range=[BLUE, PALE])
    legend = None if before is None else alt.Legend(orient="top", title=None, symbolOpacity=1)
    base = alt.Chart(rows).encode(
        x=alt.X("confidence:Q", title=tr("confidence"), scale=share, axis=axis),
        color=alt.Color("state:N", scale=states, legend=legend),
        tooltip=[
            alt.Tooltip("confidence:Q", title=tr("mean confidence"), format=".1%"),
            alt.Tooltip("accuracy:Q", title=tr("accuracy"), format=".1%"),
            alt.Tooltip("low:Q", title=tr("95 % interval from"), format=".1%"),
            alt.Tooltip("high:Q", title=tr("to"), format=".1%"),
            alt.Tooltip("images:Q", title=tr("images"), format=",d"),
            *([] if before is None else [alt.Tooltip("state:N", title=tr("state"))]),
        ],
    )
    line = base.mark_line(strokeWidth=1.5, opacity=0.6).encode(y=y)
    bars = base.mark_rule(strokeWidth=2, opacity=0.7).encode(y=alt.Y("low:Q", scale=share), y2="high:Q")
    dots = base.mark_circle(opacity=1).encode(
        y=y, size=alt.Size("images:Q", scale=alt.Scale(range=[40, 450], zero=True), legend=None)
    )
    diagonal = (
        alt.Chart(pd.DataFrame({"share": [0.0, 1.0]}))
        .mark_line(color="gray", strokeDash=[4, 4], strokeWidth=1)
        .encode(x="share:Q", y="share:Q")
    )
    sides = pd.DataFrame(
        {
            "x": [0.03, 0.97],
            "y": [0.95, 0.05],
            "text": [tr("better than it claims"), tr("surer than it should be")],
        }
    )
    hints = (
        alt.Chart(sides)
        .mark_text(color="gray", fontStyle="italic", align=alt.expr("datum.x < 0.5 ? 'left' : 'right'"))
        .encode(x="x:Q", y="y:Q", text="text:N")
    )
    return spoken(alt.LayerChart(layer=[diagonal, hints, line, bars, dots]).properties(height=HEIGHT))


@unchecked
def confidence_chart(predictions: pd.DataFrame) -> alt.LayerChart:
    """Histogram of the confidences; wrong answers stand on the axis, right ones on top of them.

    Args:
        predictions: ``confidence``, 0 … 1, and whether it was ``right``, of each image.
    """
    right = predictions["right"].to_numpy(dtype=bool)
    confidences = predictions["confidence"].to_numpy(dtype=np.float64)
    edges = np.linspace(0, 1, _BINS + 1)
    counts = {
        tr("wrong"): np.histogram(confidences[~right], edges)[0],
        tr("right"): np.histogram(confidences[right], edges)[0],
    }
    rows = pd.concat(
        [
            pd.DataFrame(
                {"from": edges[:-1], "to": edges[1:], "answer": answer, "place": place, "images": images}
            )
            for place, (answer, images) in enumerate(counts.items())
        ]
    ).round(3)
    bars = (
        alt.Chart(rows[rows["images"] > 0])
        .mark_bar(binSpacing=1)
        .encode(
            x=alt.X(
                "from:Q",
                bin="binned",
                title=tr("confidence"),
                scale=alt.Scale(domain=[0, 1]),
                axis=alt.Axis(format=".0%", tickCount=6),
            ),
            x2="to:Q",
            y=alt.Y("images:Q", title=tr("images"), axis=alt.Axis(tickMinStep=1, format=",d")),
            color=alt.Color(
                "answer:N",
                scale=alt.Scale(domain=list(counts), range=[ORANGE, BLUE]),
                legend=alt.Legend(orient="top", title=None),
            ),
            order="place:Q",
            tooltip=[
                alt.Tooltip("answer:N", title=tr("answer")),
                alt.Tooltip("images:Q", title=tr("images"), format=",d"),
                alt.Tooltip("from:Q", title=tr("confidence from"), format=".0%"),
                alt.Tooltip("to:Q", title=tr("to"), format=".0%"),
            ],
        )
    )
    return spoken(alt.LayerChart(layer=[bars]).properties(height=HEIGHT))
