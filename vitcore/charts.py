"""Altair charts as pure functions of tables; the app and the report draw the same ones."""

import math
from collections.abc import Mapping, Sequence

import altair as alt
import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = [
    "class_count_chart",
    "confusion_chart",
    "loss_chart",
    "probability_chart",
    "score_chart",
    "size_chart",
]

# Okabe and Ito, "Color universal design", 2008: told apart by colour-blind eyes.
_BLUE, _ORANGE, _GREEN = "#0072B2", "#E69F00", "#009E73"

_PALETTE = (_BLUE, _ORANGE, _GREEN, "#CC79A7", "#56B4E9", "#D55E00", "#B8A500", "#7A68C8")

_HEIGHT = 320  # of the curves, in pixels
_SMOOTHING = 0.35  # weight of the newest epoch in a running average
_MOST_SIZES = 1500  # circles in a chart of sizes

_LOSSES = {"training_loss": "training", "validation_loss": "validation"}
_SCORES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "cohen_kappa": "Cohen's kappa",
}


def loss_chart(
    history: pd.DataFrame,
    epochs: int,
    best_epoch: int | None = None,
    *,
    smooth: bool = False,
    folds: pd.DataFrame | None = None,
) -> alt.LayerChart:
    """Training and validation loss by epoch.

    Args:
        history: As `vitcore.runs.Run.history`.
        epochs: Length of the axis, so that a chart that grows keeps its scale.
        best_epoch: Marked by a line, if given.
        smooth: Draw running averages, and what they average in the background.
        folds: Histories of the folds of a cross-validation, drawn as a band of mean ± deviation.
    """
    title = "loss (cross-entropy)"
    return _curves(history, _LOSSES, title, epochs, best_epoch, falling=True, smooth=smooth, folds=folds)


def score_chart(
    history: pd.DataFrame,
    epochs: int,
    best_epoch: int | None = None,
    *,
    smooth: bool = False,
    folds: pd.DataFrame | None = None,
) -> alt.LayerChart:
    """Accuracy, balanced accuracy and Cohen's kappa on the validation images by epoch.

    Args:
        history: As `vitcore.runs.Run.history`.
        epochs: Length of the axis.
        best_epoch: Marked by a line, if given.
        smooth: As for `loss_chart`.
        folds: As for `loss_chart`.
    """
    title = "validation score"
    return _curves(history, _SCORES, title, epochs, best_epoch, falling=False, smooth=smooth, folds=folds)


def comparison_chart(histories: Mapping[str, pd.DataFrame], column: str, title: str) -> alt.LayerChart:
    """One curve per run over each other.

    Args:
        histories: By the name of the run, as `vitcore.runs.Run.history`; eight at most have colours of
            their own.
        column: Of the histories.
        title: Of the axis.
    """
    names = list(histories)
    rows = pd.concat(
        [
            history[["epoch", column]].rename(columns={column: "value"}).assign(run=name)
            for name, history in histories.items()
        ],
        ignore_index=True,
    ).dropna()
    dashes = [[1, 0], [6, 3], [2, 2], [8, 2, 2, 2]]
    lines = (
        alt.Chart(rows)
        .mark_line(strokeWidth=2.5, point=alt.OverlayMarkDef(size=24, strokeWidth=0))
        .encode(
            x=alt.X("epoch:Q", title="epoch", axis=alt.Axis(tickMinStep=1, format="d")),
            y=alt.Y("value:Q", title=title, scale=alt.Scale(zero=False), axis=alt.Axis(format="~g")),
            color=alt.Color(
                "run:N",
                scale=alt.Scale(domain=names, range=[_PALETTE[n % len(_PALETTE)] for n in range(len(names))]),
                legend=alt.Legend(orient="top", title=None, columns=1, labelLimit=420, symbolType="stroke"),
            ),
            strokeDash=alt.StrokeDash(
                "run:N",
                scale=alt.Scale(domain=names, range=[dashes[n % len(dashes)] for n in range(len(names))]),
                legend=None,
            ),
            tooltip=[
                alt.Tooltip("run:N"),
                alt.Tooltip("epoch:Q"),
                alt.Tooltip("value:Q", title=title, format=".3f"),
            ],
        )
    )
    return alt.LayerChart(layer=[lines]).properties(height=_HEIGHT)


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
        .mark_circle(color=_BLUE, opacity=0.6, stroke="white", strokeWidth=0.5)
        .encode(
            x=alt.X("width:Q", title="width in pixels", scale=scale),
            y=alt.Y("height:Q", title="height in pixels", scale=scale),
            size=alt.Size("images:Q", scale=alt.Scale(range=[30, 700]), legend=None),
            tooltip=[
                "width:Q",
                "height:Q",
                "images:Q",
                "classes:Q",
                alt.Tooltip("example:N", title="such as"),
            ],
        )
    )
    return alt.LayerChart(layer=[square, circles]).properties(height=_HEIGHT)


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
    smooth: bool,
    folds: pd.DataFrame | None,
) -> alt.LayerChart:
    names = list(columns.values())
    wide = history[["epoch", *columns]].rename(columns=dict(columns))
    raw = wide
    if smooth:  # exponentially, so that a chart that grows does not change where it is drawn already
        wide = wide.assign(**{name: wide[name].ewm(alpha=_SMOOTHING).mean() for name in names})
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
    if smooth:
        pale = raw.melt("epoch", var_name="curve", value_name="value").dropna()
        layers.append(
            alt.Chart(pale).mark_line(strokeWidth=1, opacity=0.3).encode(x=x, y="value:Q", color=colour)
        )
    if folds is not None and len(folds):
        layers.append(_band(folds, columns, x, colour))
    if len(rows):
        layers += _readout(raw, names, x)
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


def _band(folds: pd.DataFrame, columns: Mapping[str, str], x: alt.X, colour: alt.Color) -> alt.Chart:
    """Mean ± standard deviation over the folds, for those curves that they have."""
    present = {column: name for column, name in columns.items() if column in folds}
    rows = folds.rename(columns=present).melt(
        "epoch", list(present.values()), var_name="curve", value_name="value"
    )
    spread = rows.dropna().groupby(["epoch", "curve"], as_index=False)["value"].agg(["mean", "std", "count"])
    spread = spread[spread["count"] > 1]
    spread["low"], spread["high"] = spread["mean"] - spread["std"], spread["mean"] + spread["std"]
    band: alt.Chart = (
        alt.Chart(spread)
        .mark_area(opacity=0.18)
        .encode(
            x=x,
            y="low:Q",
            y2="high:Q",
            color=colour,
            tooltip=[
                alt.Tooltip("epoch:Q"),
                alt.Tooltip("curve:N", title="over the folds"),
                alt.Tooltip("mean:Q", format=".3f"),
                alt.Tooltip("std:Q", title="±", format=".3f"),
            ],
        )
    )
    return band


def _readout(wide: pd.DataFrame, names: Sequence[str], x: alt.X) -> list[alt.Chart]:
    """A line under the pointer that tells all values of the nearest epoch."""
    nearest = alt.selection_point(
        name="hover", nearest=True, on="pointerover", clear="pointerout", fields=["epoch"], empty=False
    )
    table = wide.rename(columns={name: f"curve{number}" for number, name in enumerate(names)})
    rule: alt.Chart = (
        alt.Chart(table)
        .mark_rule(color="gray")
        .encode(
            x=x,
            opacity=alt.condition(nearest, alt.value(0.5), alt.value(0)),
            tooltip=[
                alt.Tooltip("epoch:Q"),
                *(
                    alt.Tooltip(f"curve{number}:Q", title=name, format=".3f")
                    for number, name in enumerate(names)
                ),
            ],
        )
        .add_params(nearest)
    )
    return [rule]
