"""How far background work is: in the sidebar, on the pages, and at its end."""

from functools import partial

import pandas as pd
import streamlit as st

from app.shared.cached_charts import draw_chart
from app.shared.state import job_queue, select, workspace
from app.shared.text import escape_markdown
from vitcore.charts import loss_chart, score_chart
from vitcore.jobs import Job, JobKind, JobSnapshot
from vitcore.language import duration, listed, mark, ntr, number, said, tr
from vitcore.runs import Run, load_run
from vitcore.training import Hyperparameters

__all__ = [
    "draw_curves",
    "job_panel",
    "training_panel",
    "watch_jobs",
]

_PHASES = {
    "import": mark("Reading the images"),
    "prepare": mark("Preparing"),
    "engines": mark("Finding out what computes fastest here"),
    "embed": mark("Looking at each image once with the Vision Transformer"),
    "fit": mark("Training the output layer"),
    "review": mark("Training on parts of the photos, to see what can be seen only then"),
    "search": mark("Trying settings by cross-validation"),
    "evaluate": mark("Judging on the validation images"),
    "check": mark("Looking at sharpness and light"),
    "predict": mark("Looking at each photo"),
    "export": mark("Writing the model"),
    "compare": mark("Comparing what was written with the original"),
    "maps": mark("Taking parts out of the photos, to see what the answers hang on"),
}
_COUNTED = {  # by the unit
    "images": mark("{done} of {total} images"),
    "epochs": mark("{done} of {total} epochs"),
    "trials": mark("{done} of {total} trials"),
    "pairs": mark("{done} of {total} pairs"),
    "steps": mark("{done} of {total} steps"),
}
_DOING = {
    "run": mark("Training {title}"),
    "dataset": mark("Importing {title}"),
    "check": mark("Checking {title}"),
    "tuning": mark("Finding settings for {title}"),
    "sizes": mark("Measuring input sizes for {title}"),
    "review": mark("Looking closer at {title}"),
    "elsewhere": mark("Judging on {title}"),
    "predict": mark("Answering for {title}"),
    "export": mark("Exporting {title}"),
    "maps": mark("Checking the maps of {title}"),
}
_DONE = {
    "run": mark("The training is done, after {time}."),
    "dataset": mark("The import is done, after {time}."),
    "check": mark("The check is done, after {time}."),
    "tuning": mark("The search for settings is done, after {time}."),
    "sizes": mark("The input sizes are measured, after {time}."),
    "review": mark("The closer look is done, after {time}."),
    "elsewhere": mark("The judging is done, after {time}."),
    "predict": mark("The look at the photos is done, after {time}."),
    "export": mark("The export is done, after {time}."),
    "maps": mark("The check of the maps is done, after {time}."),
}
_ENDED_EARLY = {
    "run": mark("The training ended early."),
    "dataset": mark("The import ended early."),
    "check": mark("The check ended early."),
    "tuning": mark("The search for settings ended early."),
    "sizes": mark("The measuring of input sizes ended early."),
    "review": mark("The closer look ended early."),
    "elsewhere": mark("The judging ended early."),
    "predict": mark("The look at the photos ended early."),
    "export": mark("The export ended early."),
    "maps": mark("The check of the maps ended early."),
}


def watch_jobs() -> None:
    """Show the active jobs in the sidebar, and rerun the page when one has ended."""
    active = job_queue().active()
    seen: set[int] = st.session_state.setdefault("seen_jobs", set())
    seen.update(job.id for job in active)
    st.fragment(_job_chips, run_every=1.0 if active else None)()


def training_panel() -> None:
    """The training that runs or waits, with live charts; updates itself every second."""
    st.fragment(_live_training, run_every=1.0)()


def draw_curves(run: Run) -> None:
    """The loss and score curves of a run, side by side."""
    history = run.history
    epochs = run.hyperparameters.epochs
    best = best_epoch(history, run.hyperparameters) if len(history) else None
    smooth = st.toggle(tr("Smooth the curves"), key="smooth", persist_state="session")
    left, right = st.columns(2)
    key = run.id, run.state, len(history), best, smooth, len(run.repeats)
    for column, chart, shows in (
        (left, loss_chart, tr("Loss by epoch")),
        (right, score_chart, tr("Scores by epoch")),
    ):
        with column:
            draw_chart(
                (shows, *key),
                partial(chart, history, epochs, best, smooth=smooth, folds=run.repeats),
                shows,
            )
    if len(run.repeats):
        counts = run.repeats.groupby("kind")["number"].nunique().to_dict()
        parts = []
        if folds := counts.get("fold", 0):
            parts.append(ntr("{count} fold", "{count} folds", folds).format(count=number(folds)))
        if seeds := counts.get("seed", 0):
            parts.append(ntr("{count} other seed", "{count} other seeds", seeds).format(count=number(seeds)))
        st.caption(tr("The bands are mean ± standard deviation of {what}.").format(what=listed(parts)))


def best_epoch(history: pd.DataFrame, hyperparameters: Hyperparameters) -> int:
    """The best epoch so far by what the training looks at; of equals, that of the lower loss."""
    monitor = hyperparameters.monitor
    by_loss = history.sort_values("validation_loss", kind="stable")
    if monitor != "loss":
        by_loss = by_loss.sort_values(monitor, ascending=False, kind="stable")
    return int(by_loss["epoch"].iloc[0])


def _job_chips() -> None:
    ended = False
    for job in reversed(job_queue().jobs()):
        snapshot = job.snapshot
        if snapshot.active:
            _chip(job, snapshot)
        elif job.id in st.session_state["seen_jobs"]:
            st.session_state["seen_jobs"].discard(job.id)
            _notice(job, snapshot)
            ended = True
    if ended:
        st.rerun()


def _chip(job: Job, snapshot: JobSnapshot) -> None:
    work = tr(_DOING[job.kind]).format(title=escape_markdown(job.title, 30))
    if snapshot.state == "waiting":
        st.caption(f":material/schedule: {tr('**{work}** waits in line').format(work=work)}")
        return
    fraction = snapshot.progress.fraction if snapshot.progress else 0.0
    st.progress(fraction, text=f"**{work}** · {_position(snapshot)}")


def _notice(job: Job, snapshot: JobSnapshot) -> None:
    """Say how a job of this session ended, at the next rerun, and select what it made."""
    if job.id not in st.session_state.get("own_jobs", set()):
        return
    if snapshot.state in {"complete", "stopped"} and snapshot.result_id:
        select(
            "dataset" if job.kind in {"dataset", "check", "tuning", "sizes"} else "run", snapshot.result_id
        )
    if snapshot.state == "failed" or (snapshot.state == "stopped" and snapshot.message):
        st.session_state["notice"] = (
            snapshot.state,
            f"{tr(_ENDED_EARLY[job.kind])} {escape_markdown(said(snapshot.message), 400)}",
        )
    elif snapshot.state == "complete":
        st.session_state["notice"] = (
            "complete",
            tr(_DONE[job.kind]).format(time=duration(snapshot.elapsed_s)),
        )


def _position(snapshot: JobSnapshot) -> str:
    """How far a job is, in a few words."""
    progress = snapshot.progress
    if progress is None:
        return tr("starting")
    if not progress.total:
        return tr(_PHASES[progress.phase]).lower()
    counted = tr(_COUNTED[progress.unit]).format(done=number(progress.done), total=number(progress.total))
    if progress.remaining_s is None or progress.done >= progress.total:
        return counted
    return tr("{counted}, {time} left").format(counted=counted, time=duration(progress.remaining_s))


def _waiting(job: Job) -> None:
    """Work further back in the line, which can be called off."""
    with st.container(
        border=True, horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    ):
        text = tr("**{work}** waits in line").format(work=escape_markdown(job.title, 60))
        leaving = f" · {tr('called off')}" if job.stop.is_set() else ""
        st.markdown(f":material/schedule: {text}{leaving}")
        _stop_button(tr("Stop"), job)


def _stop_button(label: str, job: Job) -> None:
    icon = ":material/stop_circle:"
    st.button(label, icon=icon, key=f"stop_{job.id}", on_click=job_queue().stop, args=(job,))


def job_panel(kind: JobKind) -> Job | None:
    """How far the work of a kind is, with a button to stop each; the one that runs, or is the next to."""
    jobs = [job for job in job_queue().active() if job.kind == kind]
    if not jobs:
        return None
    running = next((job for job in jobs if job.snapshot.state == "running"), jobs[0])
    snapshot = running.snapshot
    progress = snapshot.progress
    with st.container(border=True):
        top = st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center")
        phase = tr(_PHASES[progress.phase]) if progress else tr("Starting")
        if snapshot.state == "waiting":
            phase = tr("Waiting for other work to end")
        top.markdown(f"##### {phase}")
        with top:
            _stop_button(tr("Stop training") if kind == "run" else tr("Stop"), running)
        parts = [
            escape_markdown(running.title),
            tr("running for {time}").format(time=duration(snapshot.elapsed_s)),
        ]
        if progress and progress.total:
            parts.append(_position(snapshot))
            if progress.per_second and progress.phase == "embed":
                parts.append(tr("{speed} images/s").format(speed=number(progress.per_second, 1)))
        if progress and progress.message:
            parts.append(escape_markdown(said(progress.message), 200))
        if running.stop.is_set():
            parts.append(tr("stopping after this batch"))
        st.progress(progress.fraction if progress else 0.0, text=" · ".join(parts))
    for job in jobs:
        if job is not running:
            _waiting(job)
    return running


def _live_training() -> None:
    running = job_panel("run")
    if running is None:
        return
    result_id = running.snapshot.result_id
    run = load_run(result_id, workspace=workspace()) if result_id else None
    if run is not None and len(run.history):
        draw_curves(run)
    else:
        st.caption(
            tr("The curves appear with the first epoch. You may close this page; the training goes on.")
        )
