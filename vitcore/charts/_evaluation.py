"""Trade-offs: curves over all thresholds, and over all amounts of training images."""

from collections.abc import Sequence
from typing import Literal

import altair as alt
import pandas as pd

from vitcore.charts._style import (
    BLUE,
    HEIGHT,
    ORANGE,
    PALETTE,
    class_colours,
    inline,
    share,
    share_scale,
    spoken,
    unchecked,
)
from vitcore.language import decimals, tr

__all__ = ["coverage_chart", "forecast_chart", "precision_recall_chart", "roc_chart"]

_FINE, _COARSE = 1000, 200  # positions along an axis at which a curve is drawn: of few classes, of many


@unchecked
def roc_chart(curves: pd.DataFrame, classes: Sequence[str] | None = None) -> alt.LayerChart:
    """Receiver operating characteristic of each class against the others.

    Args:
        curves: ``class``, ``false_positive_rate`` and ``true_positive_rate`` of the points of its curve
            (0 … 1), and ``area`` under it.
        classes: All classes of the dataset, so that each keeps its colour; by default those of the
            curves in alphabetical order.
    """
    chance = pd.DataFrame({"share": [0.0, 1.0]})
    diagonal = (
        alt.Chart(chance)
        .mark_line(color="gray", strokeDash=[4, 4], strokeWidth=1)
        .encode(x="share:Q", y="share:Q")
    )
    rows = curves.rename(columns={"false_positive_rate": "x", "true_positive_rate": "y"})
    rows = rows.sort_values(["class", "x", "y"], kind="stable")
    titles = tr("false positive rate"), tr("true positive rate")
    return _class_curves(rows, titles, classes, interpolate="linear", below=[diagonal])


@unchecked
def precision_recall_chart(curves: pd.DataFrame, classes: Sequence[str] | None = None) -> alt.LayerChart:
    """Precision over recall of each class against the others.

    Args:
        curves: ``class``, ``recall`` and ``precision`` of the points of its curve (0 … 1), and ``area``
            under it.
        classes: As for `roc_chart`.
    """
    rows = curves.rename(columns={"recall": "x", "precision": "y"})
    rows = rows.sort_values(["class", "x", "y"], ascending=[True, True, False], kind="stable")
    # Of the precisions at one recall the best can be had; it holds back to the recall before.
    rows = rows.drop_duplicates(["class", "x"])
    return _class_curves(rows, (tr("recall"), tr("precision")), classes, interpolate="step-before", below=[])


@unchecked
def coverage_chart(
    curve: pd.DataFrame, chosen: float | None = None, target: float | None = None
) -> alt.LayerChart:
    """Draw accuracy against coverage if the unsure answers are held back.

    Args:
        curve: One row per level of confidence that is asked for: ``level``, 0 … 1; ``coverage``, share
            of the images that are answered; ``accuracy`` of these answers, NaN if there are none.
        chosen: A level; the nearest one is marked.
        target: An accuracy to be reached, drawn as a line.
    """
    rows = curve.dropna()
    shown = pd.concat([rows["accuracy"], pd.Series([] if target is None else [target], dtype="float64")])
    x = alt.X(
        "coverage:Q",
        title=tr("answered"),
        scale=alt.Scale(domain=[0, 1]),
        axis=alt.Axis(format=".0%", tickCount=6),
    )
    y = alt.Y(
        "accuracy:Q",
        title=tr("accuracy of the answers"),
        scale=share_scale(shown),
        axis=alt.Axis(format=".0%"),
    )
    base = alt.Chart(rows).encode(
        x=x,
        y=y,
        order="level:Q",
        tooltip=[
            alt.Tooltip("level:Q", title=tr("confidence at least"), format=".1%"),
            alt.Tooltip("coverage:Q", title=tr("answered"), format=".1%"),
            alt.Tooltip("accuracy:Q", title=tr("accuracy"), format=".1%"),
        ],
    )
    layers: list[alt.Chart] = [base.mark_line(color=BLUE, strokeWidth=2.5)]
    if target is not None:
        label = tr("target {share}").format(share=share(target, 0))
        aim = alt.Chart(pd.DataFrame({"accuracy": [target], "label": [label]})).encode(y=y)
        layers += [
            aim.mark_rule(color="gray", strokeDash=[4, 4]),
            aim.mark_text(color="gray", align="left", baseline="bottom", dx=4, dy=-3).encode(
                x=alt.value(0), text="label:N"
            ),
        ]
    if chosen is not None and len(rows):
        point = rows.loc[[(rows["level"] - chosen).abs().idxmin()]]
        coverage, accuracy = point[["coverage", "accuracy"]].iloc[0]
        # The curve falls, so there is room below it on the left and above it on the right.
        left = coverage > 0.5
        label = tr("{answered} answered, {right} of them right").format(
            answered=share(coverage), right=share(accuracy)
        )
        mark = alt.Chart(point.assign(label=label)).encode(x=x, y=y)
        layers += [
            mark.mark_point(color=ORANGE, fill=ORANGE, size=130, opacity=1),
            mark.mark_text(
                color="gray",
                fontWeight="bold",
                align="right" if left else "left",
                baseline="top" if left else "bottom",
                dx=-8 if left else 8,
                dy=10 if left else -6,
            ).encode(text="label:N"),
        ]
    return spoken(alt.LayerChart(layer=layers).properties(height=HEIGHT))


@unchecked
def forecast_chart(points: pd.DataFrame, forecast: pd.DataFrame) -> alt.LayerChart:
    """Accuracy by the number of training images, as measured and as to be expected with more.

    Args:
        points: One row per training: ``images``; ``accuracy`` or ``error``, 0 … 1; ``repeat``, its number
            among those with as many images.
        forecast: By ``images``: ``accuracy`` to be expected, and the ends ``low`` and ``high`` of its
            interval.
    """
    measured = points if "accuracy" in points else points.assign(accuracy=1 - points["error"])
    parts = [tr("fitted"), tr("forecast")]
    end = float(measured["images"].max()) if len(measured) else 0.0
    inside = forecast[forecast["images"] <= end]
    # It goes on where the fitted part ends, without a gap.
    beyond = forecast[forecast["images"] >= (inside["images"].max() if len(inside) else 0)]
    rows = pd.concat([inside.assign(part=parts[0]), beyond.assign(part=parts[1])])
    shown = pd.concat([measured["accuracy"], forecast["low"]])
    x = alt.X(
        "images:Q",
        title=tr("training images"),
        scale=alt.Scale(zero=True, nice=False),
        axis=alt.Axis(tickMinStep=1, tickCount=6, format=",d"),
    )
    scale = share_scale(shown)
    y = alt.Y("accuracy:Q", title=tr("accuracy"), scale=scale, axis=alt.Axis(format=".0%", tickCount=6))
    legend = alt.Legend(
        orient="top",
        title=None,
        symbolType="stroke",
        symbolSize=500,
        clipHeight=14,
        symbolStrokeColor=BLUE,
        symbolStrokeWidth=2.5,
    )
    band = (
        alt.Chart(forecast)
        .mark_area(color=BLUE, opacity=0.18, clip=True)
        .encode(x=x, y=alt.Y("low:Q", scale=scale), y2="high:Q")
    )
    line = (
        alt.Chart(rows)
        .mark_line(color=BLUE, strokeWidth=2.5)
        .encode(
            x=x,
            y=y,
            strokeDash=alt.StrokeDash(
                "part:N", scale=alt.Scale(domain=parts, range=[[1, 0], [6, 4]]), legend=legend
            ),
            tooltip=[
                alt.Tooltip("images:Q", title=tr("training images"), format=",d"),
                alt.Tooltip("accuracy:Q", title=tr("accuracy"), format=".1%"),
                alt.Tooltip("low:Q", title=tr("95 % interval from"), format=".1%"),
                alt.Tooltip("high:Q", title=tr("to"), format=".1%"),
            ],
        )
    )
    dots = (
        alt.Chart(measured.assign(kind=tr("measured")))
        .mark_circle(size=60, opacity=0.9)
        .encode(
            x=x,
            y=y,
            color=alt.Color(
                "kind:N",
                scale=alt.Scale(range=[ORANGE]),
                legend=alt.Legend(orient="top", title=None, clipHeight=14),
            ),
            tooltip=[
                alt.Tooltip("images:Q", title=tr("training images"), format=",d"),
                alt.Tooltip("accuracy:Q", title=tr("measured accuracy"), format=".1%"),
                alt.Tooltip("repeat:Q", title=tr("repeat")),
            ],
        )
    )
    return spoken(alt.LayerChart(layer=[band, line, dots]).properties(height=HEIGHT))


def _class_curves(
    rows: pd.DataFrame,
    titles: tuple[str, str],
    classes: Sequence[str] | None,
    *,
    interpolate: Literal["linear", "step-before"],
    below: list[alt.Chart],
) -> alt.LayerChart:
    """One curve per class.

    Args:
        rows: ``class``, ``x``, ``y``, ``area``, in the order of drawing.
        titles: Of the axes.
        classes: As for `roc_chart`.
        interpolate: As in Vega-Lite.
        below: Layers to begin with.
    """
    rows = rows.dropna()
    areas = rows.groupby("class")["area"].first().round(3)
    colours = class_colours(list(dict.fromkeys(rows["class"])) if classes is None else classes)
    names = [name for name in colours if name in areas.index]
    labels = [f"{name} ({decimals(areas[name])})" for name in names]
    few = len(names) <= len(PALETTE)
    steps = _FINE if few else _COARSE
    points = pd.DataFrame(
        {
            "class": rows["class"],
            "x": (rows["x"] * steps).round() / steps,
            "y": (rows["y"] * steps).round() / steps,
        }
    ).drop_duplicates()
    points = points.assign(
        point=range(len(points)),
        area=points["class"].map(areas),
        label=points["class"].map(dict(zip(names, labels, strict=True))),
    )
    share = alt.Scale(domain=[0, 1])
    lines = (
        alt.Chart(inline(points))
        .mark_line(interpolate=interpolate, strokeWidth=2.5)
        .encode(
            x=alt.X("x:Q", title=titles[0], scale=share, axis=alt.Axis(format=".0%", tickCount=6)),
            y=alt.Y("y:Q", title=titles[1], scale=share, axis=alt.Axis(format=".0%", tickCount=6)),
            order="point:Q",
            detail="class:N",
            tooltip=[
                alt.Tooltip("class:N", title=tr("class")),
                alt.Tooltip("area:Q", title=tr("area under the curve"), format=".3f"),
            ],
        )
    )
    spread = [colours[name] for name in names]
    if few:
        picked = alt.selection_point(name="highlight", fields=["label"], bind="legend")
        legend = alt.Legend(
            orient="top", columns=3, title=None, labelLimit=150, symbolType="stroke", symbolStrokeWidth=3
        )
        lines = lines.encode(
            color=alt.Color("label:N", scale=alt.Scale(domain=labels, range=spread), legend=legend),
            opacity=alt.condition(picked, alt.value(1), alt.value(0.15)),
        ).add_params(picked)
        return spoken(alt.LayerChart(layer=[*below, lines]).properties(height=HEIGHT))
    # Told apart by pointing at them; to begin with, the worst one stands out.
    hovered = alt.selection_point(
        name="highlight",
        fields=["class"],
        on="pointerover",
        clear=False,
        empty=False,
        value=[{"class": str(areas.idxmin())}],
    )
    thin = lines.mark_line(interpolate=interpolate, strokeWidth=1, color="gray", opacity=0.35)
    strong = lines.transform_filter(hovered).encode(
        color=alt.Color("class:N", scale=alt.Scale(domain=names, range=spread), legend=None)
    )
    name = (
        alt.Chart(inline(pd.DataFrame({"class": names, "label": labels})))
        .transform_filter(hovered)
        .mark_text(color="gray", fontSize=13, fontWeight="bold", align="right", baseline="bottom", dy=-6)
        .encode(x=alt.value("width"), y=alt.value(0), text="label:N")  # above the curves
    )
    # Wide, so that a thin line is easy to hit.
    target = lines.mark_line(interpolate=interpolate, strokeWidth=9, stroke="transparent").add_params(hovered)
    return spoken(alt.LayerChart(layer=[*below, thin, strong, name, target]).properties(height=HEIGHT))
