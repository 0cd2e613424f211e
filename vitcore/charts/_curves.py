"""Learning curves of a training, epoch by epoch."""

import math
from collections.abc import Mapping, Sequence

import altair as alt
import pandas as pd

from vitcore.charts._style import BLUE, GREEN, HEIGHT, ORANGE, PALETTE, spoken, unchecked
from vitcore.evaluation import METRICS
from vitcore.language import mark, tr

__all__ = ["comparison_chart", "loss_chart", "score_chart"]

_DOTTED = 150  # epochs, beyond which dots would be one band, and slow to draw
_ONE_LINE = 40  # letters in a legend beyond which half a page cuts names off
_SMOOTHING = 0.35  # weight of the newest epoch in a running average

_LOSSES = {"training_loss": mark("training"), "validation_loss": mark("validation")}
_SCORES = {name: METRICS[name].name for name in ("accuracy", "balanced_accuracy", "cohen_kappa")}


@unchecked
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
    title = tr("loss (cross-entropy)")
    return _curves(history, _LOSSES, title, epochs, best_epoch, falling=True, smooth=smooth, folds=folds)


@unchecked
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
    title = tr("validation score")
    return _curves(history, _SCORES, title, epochs, best_epoch, falling=False, smooth=smooth, folds=folds)


@unchecked
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
            x=alt.X("epoch:Q", title=tr("epoch"), axis=alt.Axis(tickMinStep=1, format="d")),
            y=alt.Y("value:Q", title=title, scale=alt.Scale(zero=False), axis=alt.Axis(format="~g")),
            color=alt.Color(
                "run:N",
                scale=alt.Scale(domain=names, range=[PALETTE[n % len(PALETTE)] for n in range(len(names))]),
                legend=alt.Legend(orient="top", title=None, columns=1, labelLimit=420, symbolType="stroke"),
            ),
            strokeDash=alt.StrokeDash(
                "run:N",
                scale=alt.Scale(domain=names, range=[dashes[n % len(dashes)] for n in range(len(names))]),
                legend=None,
            ),
            tooltip=[
                alt.Tooltip("run:N", title=tr("run")),
                alt.Tooltip("epoch:Q", title=tr("epoch")),
                alt.Tooltip("value:Q", title=title, format=".3f"),
            ],
        )
    )
    return spoken(alt.LayerChart(layer=[lines]).properties(height=HEIGHT))


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
    columns = {column: tr(name) for column, name in columns.items()}
    names = list(columns.values())
    wide = history[["epoch", *columns]].rename(columns=columns)
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
        title=tr("epoch"),
        scale=alt.Scale(domain=[1, max(epochs, 2)], nice=False),
        axis=alt.Axis(tickMinStep=1, format="d"),
    )
    colour = alt.Color(
        "curve:N",
        scale=alt.Scale(domain=names, range=[BLUE, ORANGE, GREEN][: len(names)]),
        legend=alt.Legend(
            orient="top",
            title=None,
            columns=len(names) if sum(map(len, names)) <= _ONE_LINE else 2,
            symbolType="stroke",
            symbolStrokeWidth=3,
        ),
    )
    lines = (
        alt.Chart(rows)
        .mark_line(
            strokeWidth=2.5,
            point=alt.OverlayMarkDef(size=28, strokeWidth=0) if len(wide) <= _DOTTED else False,
        )
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
                alt.Tooltip("epoch:Q", title=tr("epoch")),
                alt.Tooltip("curve:N", title=tr("curve")),
                alt.Tooltip("value:Q", title=tr("value"), format=".3f"),
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
        best = pd.DataFrame(
            {"epoch": [best_epoch], "label": [tr("best: epoch {epoch}").format(epoch=best_epoch)]}
        )
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
    return spoken(alt.LayerChart(layer=layers).properties(height=HEIGHT))


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
                alt.Tooltip("epoch:Q", title=tr("epoch")),
                alt.Tooltip("curve:N", title=tr("over the folds")),
                alt.Tooltip("mean:Q", title=tr("mean"), format=".3f"),
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
                alt.Tooltip("epoch:Q", title=tr("epoch")),
                *(
                    alt.Tooltip(f"curve{number}:Q", title=name, format=".3f")
                    for number, name in enumerate(names)
                ),
            ],
        )
        .add_params(nearest)
    )
    return [rule]
