"""The stress test: how it does on photos that are turned, darker, blurred, smaller."""

from collections.abc import Hashable

import pandas as pd
import streamlit as st

from app.shared.blocks import draw_blocks
from app.shared.job_kinds import STRESS_TEST
from app.shared.jobs import draw_jobs, start
from app.shared.messages import draw_error
from app.shared.pictures import draw_lost_picture
from app.shared.results import cached_run, results_version
from app.shared.state import workspace
from vitcore.dataset import PERTURBATIONS, Dataset, perturb
from vitcore.errors import VitcoreError
from vitcore.inference import load_trust
from vitcore.language import ntr, number, tr
from vitcore.pipeline import UNCHANGED, StressTest, load_stress, stress_images, stress_test
from vitcore.report import perturbation_title, stress_blocks
from vitcore.runs import Run

__all__ = ["draw_stress"]


def draw_stress(run: Run, data: Dataset) -> None:
    """Draw the figures of the stress test, or the button that starts it."""
    st.markdown(tr("What if photos are darker, turned, blurred or smaller?"))
    try:
        found = load_stress(run)
        figures = None if found is None else _figures((results_version(run), found.seconds), run, found)
    except VitcoreError as error:
        draw_error(error)
        found = figures = None
    if figures is not None and found is not None:
        draw_blocks(stress_blocks(figures))
        _draw_example(data, found)
    elif not draw_jobs(STRESS_TEST):
        _draw_start(run, data)


@st.cache_data(show_spinner=False, max_entries=8)
def _figures(key: Hashable, _run: Run, _found: StressTest) -> pd.DataFrame:  # noqa: ARG001 - stands for both
    return _found.figures(load_trust(_run.folder))


def _draw_start(run: Run, data: Dataset) -> None:
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        if st.button(tr("Start the stress test"), icon=":material/exercise:", key="stress"):
            start(
                STRESS_TEST,
                run.name,
                lambda job: stress_test(run.id, workspace=workspace(), task=job.task),
                device=run.config.device.name,
                result_id=run.id,
                uses=(run.folder, data.folder),
            )
            st.rerun()
        count = len(stress_images(cached_run(run)))
        st.caption(
            ntr(
                "Changes {count} photo that it did not learn from in {ways} ways, and looks at each.",
                "Changes {count} photos that it did not learn from in {ways} ways, and looks at each.",
                count,
            ).format(count=number(count), ways=number(len(PERTURBATIONS)))
        )


def _draw_example(data: Dataset, found: StressTest) -> None:
    """Draw one of the photos, as it is and changed, each with its answer."""
    file = found.answers["file"].iloc[0]
    rows = found.answers[found.answers["file"] == file]
    st.markdown(tr("**One of the photos, as it is and changed**"))
    try:
        image = data.small_image(file)
    except (VitcoreError, OSError):
        draw_lost_picture()
        return
    with st.container(horizontal=True, gap="small"):
        for row in rows.itertuples():
            changed = image if row.change == UNCHANGED else perturb(image, file, row.change)
            with st.container(width=130, gap="xsmall"):
                title = perturbation_title(row.change)
                st.image(changed, width="stretch", caption=title, alt=title)
