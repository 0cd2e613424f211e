"""Train: the result of the last training, or how far one is, and the settings of the next."""

import streamlit as st

from app.shared.job_kinds import TRAINING
from app.shared.jobs import draw_jobs, is_active, is_arriving
from app.shared.layout import draw_opening, require_dataset
from app.shared.messages import draw_error, reported
from app.shared.resuming import is_announced, resume
from app.shared.starting import start_training
from app.shared.state import chosen_run, unfinished_runs
from app.shared.text import escape_markdown
from app.train.earlier import draw_new_division
from app.train.result import draw_result
from app.train.searching import draw_search
from app.train.settings import draw_settings, load_settings
from app.train.under_way import draw_so_far
from vitcore.compute import Compute
from vitcore.language import number, tr
from vitcore.runs import Run
from vitcore.training import Hyperparameters


def unfinished(runs: list[Run]) -> None:
    """Draw the trainings that ended before their last epoch, each with a button that resumes it."""
    for found in runs[:3]:
        with st.container(
            border=True, horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
        ):
            done, wanted = len(found.history), found.hyperparameters.epochs
            st.markdown(
                tr(":material/pause_circle: **{name}** ended after {done} of {total} epochs.").format(
                    name=escape_markdown(found.name, 60), done=number(done), total=number(wanted)
                )
            )
            if st.button(tr("Resume"), icon=":material/play_arrow:", key=f"resume_{found.id}"):
                resume(found)


draw_opening(
    tr("Train"),
    tr("A pre-trained Vision Transformer looks at each photo once; then only its output layer is trained."),
)
if is_arriving():
    draw_jobs(TRAINING, below=draw_so_far, works_on="")
    st.stop()
data = require_dataset()
training = draw_jobs(TRAINING, below=draw_so_far, works_on=data.id)
last = None if training else chosen_run()
if not training:
    if is_active(TRAINING):
        st.caption(
            tr(":material/hourglass_top: A training on another dataset is under way; see the sidebar.")
        )
    unfinished([run for run in unfinished_runs(data.id) if not is_announced(run)])
if last is not None:
    draw_result(last, data)
    st.subheader(tr("Train again"), anchor=False)
if pending := st.session_state.pop("settings_to_load", None):
    load_settings(*pending)
values, requested = draw_settings(data)
draw_new_division(data, values)
kind = "secondary" if training or last is not None else "primary"
label = tr("Start training")
if st.button(label, type=kind, icon=":material/play_arrow:", width="stretch", key="start"):
    with reported(draw_error):
        start_training(data, Hyperparameters(**values), Compute(**requested))
        st.rerun()
draw_search(data, values, requested)
