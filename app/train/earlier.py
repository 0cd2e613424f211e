"""What earlier trainings of the same photos mean for this one: the division, and the fair difference."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from app.shared.difference import draw_difference
from app.shared.messages import draw_error, reported
from app.shared.state import runs_of
from vitcore.dataset import Dataset, kept_divisions
from vitcore.language import tr
from vitcore.runs import Run

__all__ = ["draw_difference_to_earlier", "draw_new_division"]


def draw_new_division(data: Dataset, values: Mapping[str, Any]) -> None:
    """Say so if a training with these settings divides the photos anew.

    Args:
        data: The dataset.
        values: The chosen hyperparameters.
    """
    kept = frozenset() if data.divided else kept_divisions(data)
    if kept and (values["seed"], values["validation_fraction"]) not in kept:
        st.info(
            tr(
                "No training has used this seed with this share for validation yet. It will divide the "
                "photos anew: few of them will judge both this training and earlier ones, so its validation "
                "figures cannot be compared with theirs photo by photo."
            ),
            icon=":material/shuffle:",
        )


def draw_difference_to_earlier(run: Run) -> None:
    """Draw whether a run is better than the last complete one before it, on the photos that judged both."""
    earlier = (found for found in runs_of(run.config.dataset.id) if found.state == "complete")
    before = next((found for found in earlier if found.id < run.id), None)
    if before is not None:
        with st.container(border=True), reported(draw_error):
            draw_difference(run, before)
