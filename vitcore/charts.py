"""Altair charts as pure functions of tables; the app and the report draw the same ones."""

import math
from collections.abc import Mapping, Sequence

import altair as alt
import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["class_count_chart", "confusion_chart", "loss_chart", "probability_chart", "score_chart"]

# Okabe and Ito, "Color universal design", 2008: told apart by colour-blind eyes.
_BLUE, _ORANGE, _GREEN = "#0072B2", "#E69F00", "#009E73"

_HEIGHT = 320  # of the curves, in pixels

_LOSSES = {"training_loss": "training", "validation_loss": "validation"}
_SCORES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "cohen_kappa": "Cohen's kappa",
}


def loss_chart(history: pd.DataFrame, epochs: int, best_epoch: int | None = None) -> alt.LayerChart:
    """Training and validation loss by epoch.

    Args:
        history: As `vitcore.runs.Run.history`.
        epochs: Length of the axis, so that a chart that grows keeps its scale.
        best_epoch: Marked by a line, if given.
    """
    return _curves(history, _LOSSES, "loss (cross-entropy)", epochs, best_epoch, falling=True)


def score_chart(history: pd.DataFrame, epochs: int, best_epoch: int | None = None) -> alt.LayerChart:
    """Accuracy, balanced accuracy and Cohen's kappa on the validation images by epoch.

    Args:
        history: As `vitcore.runs.Run.history`.
        epochs: Length of the axis.
        best_epoch: Marked by a line, if given.
    """
    return _curves(history, _SCORES, "validation score", epochs, best_epoch, falling=False)


def confusion_chart(
    confusion: npt.NDArray[np.int64], classes: Sequence[str], *, by_row: bool = False, dark: bool = False
) -> alt.LayerChart:
    """Heatmap of a confusion matrix, true classes as rows; `cell` selects a true and predicted class.

    Args:
        confusion: (C, C), true classes as rows.
        classes: C names.
        by_row: Colour by the share of the true class instead of by the count.
        dark: For a dark page: more is lighter.
    """
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    count = len(classes)
    # Written into the chart as they are: as a table Altair takes no more than 5,000 rows, or 70 classes.
    rows = alt.InlineData(
        values=[
            {
                "true": true,
                "predicted": predicted,
                "count": int(confusion[i, j]),
                "share": float(shares[i, j]),
            }
            for i, true in enumerate(classes)
            for j, predicted in enumerate(classes)
        ]
    )
    value, top = ("share", 1.0) if by_row else ("count", float(max(confusion.max(), 1)))
    # The whole is at most 620 pixels wide as long as the squares stay visible.
    step = int(np.clip(620 / count, 9, 64))
    order = list(classes)
    slant = 0 if max(map(len, classes)) * 8 < step else -45
    base = alt.Chart(rows).encode(
        x=alt.X(
            "predicted:N", sort=order, axis=alt.Axis(labelAngle=slant, labelLimit=120, labelOverlap=step < 12)
        ),
        y=alt.Y("true:N", sort=order, axis=alt.Axis(labelLimit=120, labelOverlap=step < 12)),
        tooltip=[
            alt.Tooltip("true:N"),
            alt.Tooltip("predicted:N"),
            alt.Tooltip("count:Q", title="images"),
            alt.Tooltip("share:Q", title="of the true class", format=".1%"),
        ],
    )
    cell = alt.selection_point(name="cell", fields=["true", "predicted"])
    weak, strong = ("#1B2A33", "#7CC7F0") if dark else ("#EEF4F8", "#0B4F8A")
    squares = (
        base.mark_rect(cornerRadius=2)
        .encode(
            color=alt.Color(
                f"{value}:Q", scale=alt.Scale(range=[weak, strong], domain=[0, top]), legend=None
            ),
            opacity=alt.condition(cell, alt.value(1.0), alt.value(0.45)),
        )
        .add_params(cell)
    )
    layers: list[alt.Chart] = [squares]
    if step >= 24:  # the numbers fit
        layers.append(
            base.transform_filter("datum.count > 0")
            .mark_text(fontSize=11 if step < 40 else 13)
            .encode(
                text=alt.Text(f"{value}:Q", format=".0%" if by_row else "d"),
                color=alt.condition(f"datum.{value} > {0.5 * top}", alt.value(weak), alt.value(strong)),
            )
        )
    return alt.LayerChart(layer=layers).properties(width=step * count, height=step * count)


def class_count_chart(counts: Mapping[str, int]) -> alt.LayerChart:
    """Bars of the number of images per class, in the order given."""
    rows = pd.DataFrame({"class": list(counts), "images": list(counts.values())})
    base = alt.Chart(rows).encode(
        x=alt.X("images:Q", title="images", axis=alt.Axis(tickMinStep=1)),
        y=alt.Y("class:N", sort=list(counts), title=None, axis=alt.Axis(labelLimit=110)),
        tooltip=["class:N", "images:Q"],
    )
    bars = base.mark_bar(color=_BLUE, cornerRadiusEnd=3)
    # Beside the bar, so that it reads on a light and on a dark page.
    labels = base.mark_text(align="left", dx=4, color="gray").encode(text="images:Q")
    return alt.LayerChart(layer=[bars, labels]).properties(height=alt.Step(20))


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
        tooltip=["class:N", alt.Tooltip("probability:Q", format=".2%")],
    )
    bars = base.mark_bar(cornerRadiusEnd=3).encode(
        color=alt.Color(
            "winner:N", scale=alt.Scale(domain=[True, False], range=[_BLUE, "#9DB2BF"]), legend=None
        )
    )
    labels = base.mark_text(align="left", dx=4, color="gray").encode(
        text=alt.Text("probability:Q", format=".1%")
    )
    return alt.LayerChart(layer=[bars, labels]).properties(height=alt.Step(22))


def _curves(
    history: pd.DataFrame,
    columns: Mapping[str, str],
    title: str,
    epochs: int,
    best_epoch: int | None,
    *,
    falling: bool,
) -> alt.LayerChart:
    names = list(columns.values())
    wide = history[["epoch", *columns]].rename(columns=dict(columns))
    if falling:
        scale = alt.Scale(zero=True)
    else:  # from a round number below the lowest score up to a perfect one
        lowest = float(wide[names].min().min()) if len(wide) else 0.0
        scale = alt.Scale(domain=[math.floor(min(lowest, 0.94) * 20) / 20, 1.0])
    rows = wide.melt("epoch", var_name="curve", value_name="value").dropna()
    x = alt.X(
        "epoch:Q",
        title="epoch",
        scale=alt.Scale(domain=[1, max(epochs, 2)], nice=False),
        axis=alt.Axis(tickMinStep=1, format="d"),
    )
    colour = alt.Color(
        "curve:N",
        scale=alt.Scale(domain=names, range=[_BLUE, _ORANGE, _GREEN][: len(names)]),
        legend=alt.Legend(orient="top", title=None, symbolType="stroke", symbolStrokeWidth=3),
    )
    lines = (
        alt.Chart(rows)
        .mark_line(strokeWidth=2.5, point=alt.OverlayMarkDef(size=28, strokeWidth=0))
        .encode(
            x=x,
            y=alt.Y("value:Q", title=title, scale=scale, axis=alt.Axis(format="~g")),
            color=colour,
            # A second sign beside the colour.
            strokeDash=alt.StrokeDash(
                "curve:N",
                scale=alt.Scale(domain=names, range=[[1, 0], [6, 3], [2, 2]][: len(names)]),
                legend=None,
            ),
            tooltip=[
                alt.Tooltip("epoch:Q"),
                alt.Tooltip("curve:N"),
                alt.Tooltip("value:Q", format=".3f"),
            ],
        )
    )
    layers: list[alt.Chart] = [lines]
    if best_epoch:
        best = pd.DataFrame({"epoch": [best_epoch], "label": [f"best: epoch {best_epoch}"]})
        layers.append(alt.Chart(best).mark_rule(strokeDash=[4, 4], color="gray").encode(x=x))
        flip = best_epoch > 0.7 * epochs
        layers.append(
            alt.Chart(best)
            .mark_text(
                align="right" if flip else "left",
                baseline="middle",
                color="gray",
                dx=-5 if flip else 5,
                dy=8 if falling else -8,
            )
            # Where the curves are not: above falling ones, below rising ones.
            .encode(x=x, y=alt.value(0 if falling else "height"), text="label:N")
        )
    return alt.LayerChart(layer=layers).properties(height=_HEIGHT)
