"""Two classifiers on the images that judged both."""

import numpy as np
import pandas as pd
import streamlit as st

from app.evaluate.figures import draw_images
from app.shared.difference import draw_difference
from app.shared.layout import draw_select, draw_switch
from app.shared.messages import draw_error, reported
from app.shared.state import distinct_names, runs_of
from app.shared.text import escape_markdown, signed
from vitcore.dataset import Dataset
from vitcore.evaluation import METRICS
from vitcore.language import local_time, number, percent, tr
from vitcore.pipeline import RunComparison
from vitcore.report import metric_figure, metric_title
from vitcore.runs import Run

__all__ = ["draw_comparison"]


def draw_comparison(run: Run, data: Dataset) -> None:
    """Draw the choice of another run, the figures of both, luck or not, and who is right where."""
    others = {found.id: found for found in runs_of(run.config.dataset.id) if found.id != run.id}
    if not others:
        st.info(
            tr("There is only one classifier of these photos so far. Train another to compare them."),
            icon=":material/compare:",
        )
        return
    labels = distinct_names({run_id: _label(found) for run_id, found in others.items()})
    if st.session_state.get("compared") not in others:
        st.session_state.pop("compared", None)
    chosen = draw_select(tr("Compare with"), labels, "compared")
    with reported(draw_error):
        both = draw_difference(run, others[chosen])
        if both is not None:
            _details(run, data, both)


def _details(run: Run, data: Dataset, both: RunComparison) -> None:
    """Draw the figures of both, and the images that they disagree on."""
    st.table(_table(both), border="horizontal", hide_index=True)
    _galleries(run, data, both)


def _label(run: Run) -> str:
    second = run.id[13:15]  # tells two runs of one minute apart, as in the sidebar
    return f"{percent(run.headline.accuracy)} · {local_time(run.config.created)}:{second} · {run.name}"


def _points(difference: float) -> str:
    """Return a difference of shares, with its sign."""
    return tr("{count} points").format(count=signed(100 * difference, 1))


def _table(both: RunComparison) -> pd.DataFrame:
    """Return one row per metric; the accuracy with the interval of its difference."""
    rows = []
    for name, kind in METRICS.items():
        if name not in both.first.metrics:
            continue
        one, other = (metric_figure(name, found.metrics[name]) for found in (both.first, both.second))
        apart = one.value - other.value
        shown = _points(apart) if kind.is_share else signed(apart, 3)
        if name == "accuracy":
            low, high = both.comparison.low, both.comparison.high
            interval = tr("95 % interval {low} to {high}").format(
                low=signed(100 * low, 1), high=_points(high)
            )
            shown += f" ({interval})"
        if np.isnan(apart) or str(one) == str(other):
            better = tr("equal")
        elif (apart > 0) != kind.lower_is_better:
            better = tr("this one")
        else:
            better = tr("the other")
        rows.append((metric_title(name), str(one), str(other), shown, better))
    columns = [tr("figure"), tr("this one"), tr("the other"), tr("difference"), tr("better")]
    return pd.DataFrame(rows, columns=columns)


def _galleries(run: Run, data: Dataset, both: RunComparison) -> None:
    """Draw the images that they disagree on."""
    titles = {
        "first": tr("Only this one is right"),
        "second": tr("Only the other is right"),
        "neither": tr("Both are wrong"),
    }
    counts = {who: int((both.rows["only"] == who).sum()) for who in titles}
    st.subheader(tr("Where they differ"), anchor=False)
    options = {name: f"{titles[name]} ({number(counts[name])})" for name in titles}
    who = draw_switch(tr("Who is right"), options, "who")
    rows = both.rows[both.rows["only"] == who]
    if rows.empty:
        st.caption(tr("There is no such photo."))
        return

    def caption(row: tuple) -> str:
        this = tr("this: {name}").format(name=escape_markdown(row.first, 20))
        other = tr("other: {name}").format(name=escape_markdown(row.second, 20))
        return f"**{escape_markdown(row.true, 24)}**  \n{this}  \n{other}  \n{escape_markdown(row.name, 30)}"

    draw_images(data, rows, caption, key=f"compared_{run.id}_{who}")
