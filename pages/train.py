"""Train: settings, a start button, and live curves."""

import streamlit as st

from app.shared.blocks import draw_blocks
from app.shared.engine import computed_on, draw_engine
from app.shared.job_kinds import TRAINING
from app.shared.jobs import draw_jobs
from app.shared.layout import draw_metrics, draw_next_page, draw_opening, require_dataset
from app.shared.messages import draw_error, reported
from app.shared.resuming import is_announced, resume
from app.shared.starting import start_training
from app.shared.state import chosen_run, unfinished_runs, workspace
from app.shared.text import escape_markdown
from app.shared.training_curves import draw_curves
from app.train.earlier import draw_difference_to_earlier, draw_new_division
from app.train.searching import draw_search
from app.train.settings import draw_settings, load_settings
from vitcore.compute import Compute
from vitcore.jobs import Job
from vitcore.language import duration, number, tr, translated
from vitcore.report import headline, headline_notes
from vitcore.runs import Run, load_run
from vitcore.training import Hyperparameters


def curves_so_far(job: Job) -> None:
    """Draw the curves of a training that goes on."""
    run_id = job.snapshot.result_id
    found = load_run(run_id, workspace=workspace()) if run_id else None
    if found is not None and len(found.history):
        draw_curves(found)
    else:
        st.caption(
            tr("The curves appear with the first epoch. You may close this page; the training goes on.")
        )


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


def result(last: Run) -> None:
    """Draw the chosen classifier: whether it is better than the one before, its figures, its making."""
    facts, split = last.facts, last.config.split
    rule = "" if split is None else split.rule
    shown = headline(last.evaluation, facts, rule=rule).figures
    st.subheader(tr("The chosen classifier"), anchor=False)
    draw_difference_to_earlier(last)
    draw_metrics(
        [
            *((title, str(figure), meaning) for title, figure, meaning in shown),
            *([(tr("Time in all"), duration(facts.seconds.total), None)] if facts.seconds else []),
        ]
    )
    draw_blocks(headline_notes(last.evaluation, facts, stopped=last.state == "stopped", rule=rule))
    draw_curves(last)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            tr("Reuse these settings"),
            icon=":material/tune:",
            key="take_settings",
            on_click=load_settings,
            args=(last.hyperparameters, vars(last.config.requested)),
        )
        note = escape_markdown(translated(last.config.backbone.note), 200)
        st.caption(f"{note} {computed_on(last)}")
    draw_engine(last)
    draw_next_page("evaluate", tr("See what it gets right and wrong"))


draw_opening(
    tr("Train"),
    tr("A pre-trained Vision Transformer looks at each photo once; then only its output layer is trained."),
)
data = require_dataset()
if pending := st.session_state.pop("settings_to_load", None):
    load_settings(*pending)
values, requested = draw_settings(data)
draw_new_division(data, values)
if st.button(tr("Start training"), type="primary", icon=":material/play_arrow:", width="stretch"):
    with reported(draw_error):
        start_training(data, Hyperparameters(**values), Compute(**requested))
        st.rerun()
draw_search(data, values, requested)
if not draw_jobs(TRAINING, below=curves_so_far):
    unfinished([run for run in unfinished_runs(data.id) if not is_announced(run)])
    last = chosen_run()
    if last is not None:
        result(last)
