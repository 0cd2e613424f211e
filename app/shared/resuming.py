"""Trainings that ended before they were done: said on the first page that is opened, and resumed."""

import streamlit as st

from app.shared.address import go_to
from app.shared.messages import notify_error, reported
from app.shared.starting import start_resume
from app.shared.state import select, workspace
from app.shared.text import escape_markdown
from vitcore.errors import VitcoreError
from vitcore.language import number, tr
from vitcore.runs import Run, list_runs, load_run

__all__ = ["draw_interrupted", "is_announced", "resume"]

_MOST = 3


def draw_interrupted() -> None:
    """Draw the trainings that were interrupted when a session begins, until it resumes or dismisses them."""
    if "interrupted" not in st.session_state:
        found = [run.id for run in list_runs(workspace()) if run.state == "interrupted"]
        st.session_state["interrupted"] = found
    for run_id in st.session_state["interrupted"][:_MOST]:
        try:
            run = load_run(run_id, workspace=workspace())
        except VitcoreError:  # deleted meanwhile
            continue
        if run.state == "interrupted":
            _draw(run)


def is_announced(run: Run) -> bool:
    """Return whether a training is among those drawn by `draw_interrupted`."""
    return run.id in st.session_state.get("interrupted", [])[:_MOST]


def _draw(run: Run) -> None:
    with st.container(
        border=True, horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    ):
        done, wanted = len(run.history), run.hyperparameters.epochs
        text = tr(
            ":material/pause_circle: The training of **{name}** was interrupted after {done} of {total} "
            "epochs. What was done so far is kept."
        ).format(name=escape_markdown(run.name, 60), done=number(done), total=number(wanted))
        st.markdown(text)
        with st.container(horizontal=True, width="content"):
            if st.button(tr("Resume"), icon=":material/play_arrow:", key=f"interrupted_{run.id}"):
                _forget(run)
                resume(run)
            st.button(tr("Not now"), key=f"not_now_{run.id}", on_click=_forget, args=(run,))


def _forget(run: Run) -> None:
    st.session_state["interrupted"].remove(run.id)


def resume(run: Run) -> None:
    """Resume a training that ended early, and watch it."""
    with reported(notify_error):
        start_resume(run)
    select("dataset", run.config.dataset.id)
    go_to("train")
