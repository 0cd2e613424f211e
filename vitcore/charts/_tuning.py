"""Looking for good settings."""

import math

import altair as alt
import numpy as np
import pandas as pd

from vitcore.charts._style import BLUE, GREEN, HEIGHT, ORANGE, PALE, figure, share, spoken, unchecked
from vitcore.language import mark, tr

__all__ = ["learning_rate_chart", "trials_chart"]

_SPREAD = 4.0  # how far the axis reaches below the best trial, in distances between the best and the median

# Shape, stroke and filling of a trial.
_KINDS = {
    mark("searched"): ("circle", BLUE, BLUE),
    mark("given up early"): ("circle", PALE, "transparent"),
    mark("baseline"): ("diamond", ORANGE, ORANGE),
    mark("far below"): ("triangle-down", PALE, "transparent"),
}


@unchecked
def trials_chart(
    trials: pd.DataFrame, total: int | None = None, *, title: str | None = None
) -> alt.LayerChart:
    """Accuracy of all that a search tried, in the order of trying, and the best so far as a line.

    Trials far below the others are drawn at the lower edge, so that the good ones can be told apart.

    Args:
        trials: One row per trial: ``number``, from 1; ``value``, its error, 0 … 1 or infinite;
            ``best``, the lowest error so far, maybe infinite or NaN; ``pruned``, whether it was given
            up early; ``baseline``, whether it is something that the search began with; ``text``, what
            was tried.
        total: Length of the axis in trials, so that a chart that grows keeps its scale.
        title: Of the axis; by default that the accuracies are those of a cross-validation.
    """
    title = title or tr("accuracy in cross-validation")
    finite = trials.replace(math.inf, math.nan)
    rows = pd.DataFrame(
        {
            "trial": finite["number"],
            "accuracy": 1 - finite["value"].astype("float64"),
            "best": 1 - finite["best"].astype("float64"),
            "settings": trials["text"].astype(str),
        }
    )
    low, high = _accuracy_span(rows["accuracy"].dropna())
    searched, given_up, baseline, far = (tr(kind) for kind in _KINDS)
    rows["kind"] = np.select(
        [rows["accuracy"] < low, trials["baseline"].astype(bool), trials["pruned"].astype(bool)],
        [far, baseline, given_up],
        searched,
    )
    shown = rows.dropna(subset="accuracy")
    steps = rows.dropna(subset="best")
    longest = max(total or 10, int(rows["trial"].max()) if len(rows) else 1)
    x = alt.X(
        "trial:Q",
        title=tr("trial"),
        scale=alt.Scale(domain=[0.5, longest + 0.5], nice=False),
        axis=alt.Axis(tickMinStep=1, format="d", grid=False),
    )
    scale = alt.Scale(domain=[low, high], clamp=True)
    axis = alt.Axis(format=".0%", tickCount=6)
    # The last kind is named only where there is one.
    kinds = [kind for kind in map(tr, _KINDS) if kind != far or kind in set(shown["kind"])]
    shapes, strokes, fills = ([signs[part] for signs in _KINDS.values()][: len(kinds)] for part in range(3))
    legend = alt.Legend(orient="top", title=None)
    line = (
        alt.Chart(steps)
        .mark_line(color=GREEN, strokeWidth=2.5, interpolate="step-after")
        .encode(x=x, y=alt.Y("best:Q", title=title, scale=scale, axis=axis))
    )
    points = (
        alt.Chart(shown)
        .mark_point(size=60, strokeWidth=1.5, opacity=0.9)
        .encode(
            x=x,
            y=alt.Y("accuracy:Q", title=title, scale=scale, axis=axis),
            shape=alt.Shape("kind:N", scale=alt.Scale(domain=kinds, range=shapes), legend=legend),
            stroke=alt.Stroke("kind:N", scale=alt.Scale(domain=kinds, range=strokes), legend=legend),
            fill=alt.Fill("kind:N", scale=alt.Scale(domain=kinds, range=fills), legend=legend),
            tooltip=[
                alt.Tooltip("trial:Q", title=tr("trial")),
                alt.Tooltip("accuracy:Q", title=title, format=".1%"),
                alt.Tooltip("kind:N", title=tr("kind")),
                alt.Tooltip("settings:N", title=tr("settings")),
            ],
        )
    )
    layers: list[alt.Chart] = [line, points]
    if len(steps):
        last = steps.tail(1)
        best = share(last["best"].iloc[0])
        label = last.assign(label=tr("best so far: {accuracy}").format(accuracy=best))
        late = last["trial"].iloc[0] > 0.6 * longest
        layers.append(
            alt.Chart(label)
            .mark_text(
                color=GREEN, fontWeight="bold", align="right" if late else "left", baseline="bottom", dy=-8
            )
            .encode(x=x, y=alt.Y("best:Q", scale=scale), text="label:N")
        )
    return spoken(alt.LayerChart(layer=layers).properties(height=HEIGHT))


@unchecked
def learning_rate_chart(curve: pd.DataFrame, suggestion: float) -> alt.LayerChart:
    """The loss while the learning rate rises, and the rate that is suggested.

    Args:
        curve: As `vitcore.training.LearningRateCurve.curve`: ``learning_rate``, ``loss`` and
            ``smoothed``, both in nats.
        suggestion: A learning rate.
    """
    rows = curve.replace(math.inf, math.nan).dropna()
    rates = [*rows["learning_rate"], suggestion]
    low, high = min(rates), max(rates)
    x = alt.X(
        "learning_rate:Q",
        title=tr("learning rate"),
        scale=alt.Scale(type="log", domain=[low, high], nice=False),
        axis=alt.Axis(
            labelExpr="format(datum.value, datum.value < 0.001 ? '~e' : '~g')",
            values=[
                10.0**power for power in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)
            ],
        ),
    )
    base = alt.Chart(rows).encode(
        x=x,
        tooltip=[
            alt.Tooltip("learning_rate:Q", title=tr("learning rate"), format=".2~g"),
            alt.Tooltip("loss:Q", title=tr("loss"), format=".3f"),
            alt.Tooltip("smoothed:Q", title=tr("smoothed"), format=".3f"),
        ],
    )
    title = tr("loss (cross-entropy)")
    raw = base.mark_line(color=BLUE, strokeWidth=1, opacity=0.35).encode(y=alt.Y("loss:Q", title=title))
    smoothed = base.mark_line(color=BLUE, strokeWidth=3).encode(y=alt.Y("smoothed:Q", title=title))
    text = tr("suggestion: {rate}").format(rate=figure(suggestion))
    place = alt.Chart(pd.DataFrame({"learning_rate": [suggestion], "label": [text]})).encode(x=x)
    rule = place.mark_rule(color=ORANGE, strokeDash=[4, 4], strokeWidth=2)
    late = math.log(suggestion / low) > 0.6 * math.log(high / low)
    # At the top, where a loss that falls has been left behind.
    label = place.mark_text(
        color="gray", align="right" if late else "left", dx=-6 if late else 6, dy=8
    ).encode(y=alt.value(0), text="label:N")
    return spoken(alt.LayerChart(layer=[raw, smoothed, rule, label]).properties(height=HEIGHT))


def _accuracy_span(accuracies: pd.Series) -> tuple[float, float]:
    """Ends of the axis: twentieths around all that is not far below the others."""
    if not len(accuracies):
        return 0.0, 1.0
    best = accuracies.max()
    # A little below the worst, for all may be alike.
    low = max(accuracies.min() - 0.01, best - max(_SPREAD * (best - accuracies.median()), 0.05))
    return max(math.floor(low * 20) / 20, 0.0), min(math.ceil(best * 20 + 0.2) / 20, 1.0)
