"""A training that goes on: its first figures, and the curves of its epochs."""

from functools import partial

import pandas as pd
import streamlit as st

from app.shared.cached_charts import draw_chart
from app.shared.state import workspace
from app.shared.training_curves import draw_curves
from vitcore.charts import estimates_chart
from vitcore.errors import NotFoundError
from vitcore.jobs import Job
from vitcore.language import number, tr
from vitcore.progress import Estimate
from vitcore.runs import load_run

__all__ = ["draw_estimates", "draw_so_far"]


def draw_so_far(job: Job) -> None:
    """Draw what a training has found so far."""
    snapshot = job.snapshot
    if snapshot.estimates:
        last = snapshot.estimates[-1]
        left, right = st.columns([3, 2], gap="medium", vertical_alignment="center")
        with left:
            st.markdown(
                tr(
                    "So far, from {images} of {total} photos: about **{accuracy}** of new photos right "
                    "({low} to {high})."
                ).format(
                    images=number(last.images),
                    total=number(last.total),
                    accuracy=f"{number(round(100 * last.accuracy))}\N{NO-BREAK SPACE}%",
                    low=number(round(100 * last.low)),
                    high=number(round(100 * last.high)),
                )
            )
            st.caption(tr("A quick first figure; the final one is measured when all photos are in."))
        with right:
            draw_estimates(snapshot.estimates)
    try:
        found = load_run(snapshot.result_id, workspace=workspace()) if snapshot.result_id else None
    except NotFoundError:  # of another kind, or deleted meanwhile
        found = None
    if found is not None and len(found.history):
        draw_curves(found)
    st.caption(tr("You may close this page; the training goes on."))


def draw_estimates(estimates: tuple[Estimate, ...], end: Estimate | None = None) -> None:
    """Draw how the figure grows with the photos.

    Args:
        estimates: From few photos to many.
        end: The final figure.
    """
    points = pd.DataFrame([vars(estimate) for estimate in (*estimates, *([end] if end else []))])
    draw_chart(
        ("estimates", estimates, end),
        partial(estimates_chart, points, final=end is not None),
        tr("Accuracy by the number of photos"),
    )
