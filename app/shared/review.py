"""A closer look at a run: the button that begins it, for all sections that show what it finds."""

import streamlit as st

from app.shared.job_kinds import REVIEW
from app.shared.jobs import draw_jobs, start
from app.shared.state import workspace
from vitcore.dataset import Dataset
from vitcore.language import number, tr
from vitcore.pipeline import review_run
from vitcore.runs import Run

__all__ = ["draw_review_start"]


def draw_review_start(run: Run, data: Dataset, why: str) -> None:
    """Draw the button that begins a closer look, or how far it is.

    Args:
        run: What to look at.
        data: Its dataset.
        why: What it will show, a sentence.
    """
    if draw_jobs(REVIEW):
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        if st.button(tr("Find out"), icon=":material/troubleshoot:", key="look_closer"):
            start(
                REVIEW,
                run.name,
                lambda job: review_run(run.id, workspace=workspace(), task=job.task),
                device=run.config.device.name,
                result_id=run.id,
                uses=(run.folder, data.folder),
            )
            st.rerun()
        how = tr(
            "Some hundred small trainings on parts of the {count} photos. They use what is stored, so this "
            "takes seconds to a few minutes."
        ).format(count=number(len(data.index)))
        st.caption(f"{why} {how}")
