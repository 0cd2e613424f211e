"""The actions on runs: open, resume, repeat, name, delete, and bring back."""

from collections.abc import Sequence

import streamlit as st

from app.shared.address import go_to
from app.shared.engine import computed_on, draw_engine
from app.shared.messages import draw_error, notify_error, reported
from app.shared.resuming import resume
from app.shared.starting import start_training
from app.shared.state import select, workspace
from app.shared.text import escape_markdown
from vitcore.dataset import load_dataset
from vitcore.errors import VitcoreError
from vitcore.language import tr, translated
from vitcore.records import plain_values
from vitcore.runs import Run, delete_run, describe_run, restore_run

__all__ = ["delete_runs", "draw_actions", "draw_undo"]


def draw_actions(run: Run) -> None:
    """Draw what can be done with the chosen run."""
    st.subheader(escape_markdown(run.name, 120), anchor=False)
    if run.lost_name is not None:
        draw_error(run.lost_name)
    message = translated(run.facts.message)
    if run.state == "interrupted":
        message = tr(
            "The process that trained it ended before it was done. Resume it: what was done so far is kept."
        )
    if message:
        st.info(escape_markdown(message, 400), icon=":material/info:")
    with st.container(horizontal=True):
        if run.has_model and st.button(
            tr("Open"), type="primary", icon=":material/monitoring:", key=f"open_{run.id}"
        ):
            select("dataset", run.config.dataset.id)
            select("run", run.id)
            go_to("evaluate")
        if run.can_resume and st.button(tr("Resume"), icon=":material/play_arrow:", key=f"resume_{run.id}"):
            resume(run)
        if run.state != "running" and st.button(
            tr("Repeat"), icon=":material/replay:", key=f"repeat_{run.id}"
        ):
            _repeat(run)
        with st.popover(tr("Name and note"), icon=":material/edit_note:", key=f"about_{run.id}"):
            _describe(run)
        can_delete = run.state != "running"
        if can_delete and st.button(tr("Delete"), icon=":material/delete:", key=f"delete_{run.id}"):
            delete_runs([run])
    note = escape_markdown(translated(run.config.backbone.note), 200)
    st.caption(f"{note} {computed_on(run)}")
    draw_engine(run)
    with st.expander(tr("All settings")):
        st.json(plain_values(run.config))


def delete_runs(runs: Sequence[Run]) -> None:
    """Delete runs; the page offers to bring them back."""
    with reported(notify_error):
        for run in runs:
            delete_run(run.id, workspace=workspace())
            st.session_state.setdefault("deleted_runs", []).append((run.id, run.name))
    st.rerun()


def draw_undo() -> None:
    """Draw a button that brings back what this session deleted last."""
    deleted: list[tuple[str, str]] = st.session_state.setdefault("deleted_runs", [])
    if not deleted:
        return
    run_id, name = deleted[-1]
    label = tr("Undo: deleted {name}").format(name=escape_markdown(name, 60))
    if st.button(label, icon=":material/undo:", key=f"undo_delete_{run_id}"):
        deleted.remove((run_id, name))
        with reported(notify_error):
            restore_run(run_id, workspace=workspace())
        st.rerun()


def _describe(run: Run) -> None:
    """Draw fields for a name and a note."""
    name = st.text_input(tr("Name"), run.name, max_chars=200, key=f"name_{run.id}")
    note = st.text_area(tr("Note"), run.note, max_chars=2000, key=f"note_{run.id}")
    if st.button(tr("Save"), icon=":material/check:", key=f"describe_{run.id}"):
        with reported(notify_error):
            describe_run(run.id, name=name, note=note, workspace=workspace())
        st.rerun()


def _repeat(run: Run) -> None:
    """Train again with the same settings on the same version of the dataset."""
    about = run.config.dataset
    try:
        data = load_dataset(about.id, version=about.version, workspace=workspace())
        start_training(data, run.hyperparameters, run.config.requested)
    except VitcoreError as error:
        draw_error(error)
        return
    select("dataset", data.id)
    go_to("train")
