"""The sidebar of every page: which dataset, which run, which device, what is running."""

from collections.abc import Sequence

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from app.shared.address import draw_navigation, follow_address, write_address
from app.shared.jobs import watch_jobs
from app.shared.language import choose_language
from app.shared.layout import draw_select
from app.shared.messages import draw_notice
from app.shared.process import device_title
from app.shared.state import apply_selection, dataset_names, distinct_names, runs_of
from vitcore.language import local_time, percent, tr
from vitcore.runs import Run

__all__ = ["draw_sidebar"]


def draw_sidebar(pages: Sequence[StreamlitPage], shown: StreamlitPage) -> None:
    """Draw the links to the pages, the selectors and the running jobs; their choices are in `app.state`.

    Args:
        pages: All pages.
        shown: The one that is about to be drawn.
    """
    follow_address(shown.url_path or "dataset")
    names = dataset_names()
    apply_selection("dataset", list(names))
    with st.sidebar:
        links = st.container(gap="xsmall")
        if names:
            draw_select(tr("Dataset"), names, "dataset")
        found = {run.id: run for run in runs_of(st.session_state["dataset"])} if names else {}
        apply_selection("run", list(found))
        labels = distinct_names({run_id: _run_label(run) for run_id, run in found.items()})
        if found:
            draw_select(tr("Trained classifier"), labels, "run")
        write_address()
        with links:
            draw_navigation(pages)
        watch_jobs()
        if title := device_title():
            st.caption(tr(":material/memory: Computing on {device}").format(device=tr(title)))
        choose_language()
    draw_notice()


def _run_label(run: Run) -> str:
    # The seconds in the id tell two runs of one minute apart.
    second = run.id[13:15]
    return f"{percent(run.headline.accuracy)} · {local_time(run.config.created)}:{second}"
