"""The accuracy that more photos would bring."""

import numpy as np
import pandas as pd
import streamlit as st

from app.shared.cached_charts import draw_chart
from app.shared.results import cached_review
from app.shared.review import draw_review_start
from app.shared.text import escape_markdown
from vitcore.charts import forecast_chart
from vitcore.dataset import Dataset
from vitcore.evaluation import class_forecast, forecast
from vitcore.language import ntr, number, percent, tr, translated
from vitcore.pipeline import Review
from vitcore.runs import Run

__all__ = ["draw_forecast"]

_MORE = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)
_FURTHEST = 5  # times the photos there are, as far as a forecast reaches


def draw_forecast(run: Run, data: Dataset) -> None:
    """Draw the curve up to now and beyond, and the gain of a number of photos that is chosen."""
    st.markdown(tr("How much more photos like these would help, judging by the progress so far."))
    review = cached_review(run)
    if review is None:
        draw_review_start(run, data, tr("How much would more photos help?"))
        return
    images = int(review.points["images"].max())
    options = [more for more in _MORE if images + more <= _FURTHEST * images] or [images]
    # Made now: when the language changes, the choice is found by what it was called before.
    titles = {count: number(count) for count in options}
    more = st.select_slider(
        tr("More photos"),
        options,
        None if "more" in st.session_state else options[len(options) // 2],
        format_func=titles.__getitem__,
        key="more",
    )
    least = int(review.points["images"].min())
    furthest = images + more
    sizes = sorted({images, furthest, *np.linspace(least, furthest, 40).round().astype(int).tolist()})
    found = forecast(review.points, sizes)
    if found.too_few_to_say:
        st.info(
            tr("Too few to say.") + f" {escape_markdown(translated(found.reason), 300)}",
            icon=":material/help:",
        )
        table = pd.DataFrame(columns=["images", "accuracy", "low", "high"], dtype="float64")
    else:
        by_size = found.table.set_index("images")
        now, then = by_size.loc[images], by_size.loc[furthest]
        st.markdown(
            tr("#### About {count} more photos, of all classes, would bring it from {now} to {then}").format(
                count=number(more), now=percent(now["accuracy"]), then=percent(then["accuracy"])
            )
        )
        st.caption(
            tr("Between {low} and {high} in 19 of 20 cases, if they are like those at hand.").format(
                low=percent(then["low"]), high=percent(then["high"])
            )
        )
        table = found.table
    draw_chart(
        ("forecast", run.id, review.seconds, more),
        lambda: forecast_chart(review.points, table),
        tr("Accuracy by the number of photos"),
    )
    _class_forecasts(review, run.classes, more)


def _class_forecasts(review: Review, classes: tuple[str, ...], more: int) -> None:
    """Draw the gain of photos of one class alone, for the weakest classes."""
    if review.class_points.empty:
        return
    most = int(review.class_points.groupby("class")["images"].max().min())
    of_class = max(min(more, (_FURTHEST - 1) * most), 1)
    st.markdown(
        ntr(
            "**About {count} more photo of one class** (the weakest classes)",
            "**About {count} more photos of one class** (the weakest classes)",
            of_class,
        ).format(count=number(of_class))
    )
    lines = []
    for row in class_forecast(review.class_points, of_class).itertuples():
        if row.reason:
            text = tr("too few to say.") + f" {escape_markdown(translated(row.reason), 200)}"
        else:
            text = tr("from {now} recognised to **{then}** ({low} to {high})").format(
                now=percent(row.now), then=percent(row.then), low=percent(row.low), high=percent(row.high)
            )
        lines.append(f"- {escape_markdown(classes[int(row[1])], 40)}: {text}")
    st.markdown("\n".join(lines))
