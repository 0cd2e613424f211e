"""Starting background work and showing how far it is."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from app.drawing import draw_chart
from app.state import job_queue, select, workspace
from app.text import duration, plain
from vitcore.audit import measure
from vitcore.backbone import choose_device
from vitcore.charts import loss_chart, score_chart
from vitcore.dataset import (
    SAMPLE,
    SAMPLE_NAME,
    Dataset,
    Reading,
    SourceLike,
    add_images,
    import_dataset,
)
from vitcore.jobs import Job, JobKind, JobSnapshot
from vitcore.pipeline import evaluate_elsewhere, find_settings, resume, review_run, train
from vitcore.runs import Run, load_run
from vitcore.training import Hyperparameters

__all__ = [
    "draw_curves",
    "job_panel",
    "start_check",
    "start_elsewhere",
    "start_import",
    "start_resume",
    "start_review",
    "start_sample",
    "start_training",
    "start_tuning",
    "training_panel",
    "watch_jobs",
]

_PHASES = {
    "import": "Reading the images",
    "prepare": "Preparing",
    "embed": "Looking at each image once with the Vision Transformer",
    "fit": "Training the output layer",
    "review": "Training on parts of the photos, to see what can be seen only then",
    "search": "Trying settings by cross-validation",
    "evaluate": "Judging on the validation images",
    "check": "Looking at sharpness and light",
}
_VERBS = {
    "run": "Training",
    "dataset": "Importing",
    "check": "Checking",
    "tuning": "Finding settings for",
    "review": "Looking closer at",
    "elsewhere": "Judging on",
}
_NOUNS = {
    "run": "training",
    "dataset": "import",
    "check": "check",
    "tuning": "search for settings",
    "review": "closer look",
    "elsewhere": "judging",
}


def start_import(
    source: SourceLike,
    title: str,
    *,
    reading: Reading | None = None,
    into: Dataset | None = None,
    cleanup: Callable[[], None] | None = None,
) -> None:
    """Import photos in the background.

    Args:
        source: As for `vitcore.import_dataset`.
        title: What to call the dataset.
        reading: How to read it.
        into: A dataset to add the photos to, instead of making a new one.
        cleanup: Called when the job has ended in any way.
    """

    def work(job: Job) -> None:
        if into is not None:
            made = add_images(into, source, reading=reading, on_progress=job.report, stop=job.stop)
        else:
            made = import_dataset(
                source,
                name=title,
                reading=reading,
                workspace=workspace(),
                on_progress=job.report,
                stop=job.stop,
            )
        job.announce(made.id)

    _own(job_queue().submit("dataset", title, work, device="import", cleanup=cleanup))


def start_sample() -> None:
    """Import the sample set in the background."""
    start_import(SAMPLE, SAMPLE_NAME)


def start_check(dataset: Dataset) -> None:
    """Look for blurred, dark and near-duplicate photos in the background."""

    def work(job: Job) -> None:
        measure(dataset, workspace=workspace(), on_progress=job.report, stop=job.stop)
        job.announce(dataset.id)

    _own(job_queue().submit("check", dataset.name, work, device=choose_device().name))


def start_training(dataset: Dataset, hyperparameters: Hyperparameters, requested: Mapping[str, Any]) -> None:
    """Train in the background.

    Args:
        dataset: What to learn from.
        hyperparameters: How.
        requested: ``backbone``, ``device`` and ``precision``, as `vitcore.train` takes them.

    Raises:
        DeviceError: The device or the precision is not here.
    """

    def work(job: Job) -> None:
        train(
            dataset,
            hyperparameters,
            **requested,
            workspace=workspace(),
            on_start=job.announce,
            on_progress=job.report,
            stop=job.stop,
        )

    line = choose_device(requested["device"], requested["precision"]).name
    _own(job_queue().submit("run", dataset.name, work, device=line))


def start_resume(run: Run) -> None:
    """Go on with a training in the background."""

    def work(job: Job) -> None:
        resume(
            run.id,
            workspace=workspace(),
            on_start=job.announce,
            on_progress=job.report,
            stop=job.stop,
        )

    title = run.config["dataset"]["name"]
    _own(job_queue().submit("run", title, work, device=run.config["device"]["name"]))


def start_tuning(
    dataset: Dataset,
    base: Hyperparameters,
    requested: Mapping[str, Any],
    *,
    trials: int,
    seconds: float | None,
) -> None:
    """Look for good settings in the background.

    Args:
        dataset: What to learn from.
        base: The settings to begin with.
        requested: ``backbone``, ``device`` and ``precision``, as `vitcore.train` takes them.
        trials: How many settings to try.
        seconds: How long; any time if None.

    Raises:
        DeviceError: The device or the precision is not here.
    """

    def work(job: Job) -> None:
        job.announce(dataset.id)
        find_settings(
            dataset,
            base,
            **requested,
            trials=trials,
            seconds=seconds,
            workspace=workspace(),
            on_progress=job.report,
            stop=job.stop,
        )

    line = choose_device(requested["device"], requested["precision"]).name
    _own(job_queue().submit("tuning", dataset.name, work, device=line))


def start_review(run: Run) -> None:
    """Look closer at a run in the background."""

    def work(job: Job) -> None:
        job.announce(run.id)
        review_run(run.id, workspace=workspace(), on_progress=job.report, stop=job.stop)

    _own(job_queue().submit("review", run.name, work, device=run.config["device"]["name"]))


def start_elsewhere(run: Run, other: Dataset, mapping: Mapping[str, str | None]) -> None:
    """Judge a run on another dataset in the background.

    Args:
        run: A run with results.
        other: The dataset.
        mapping: As for `vitcore.pipeline.evaluate_on`.
    """

    def work(job: Job) -> None:
        job.announce(run.id)
        evaluate_elsewhere(
            run.id, other, mapping, workspace=workspace(), on_progress=job.report, stop=job.stop
        )

    _own(job_queue().submit("elsewhere", other.name, work, device=run.config["device"]["name"]))


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
    smooth = st.toggle("Smooth the curves", key="smooth", persist_state="session")
    left, right = st.columns(2)
    key = run.id, run.state, len(history), best, smooth, len(run.repeats)
    for column, chart, shows in (
        (left, loss_chart, "Loss by epoch"),
        (right, score_chart, "Scores by epoch"),
    ):
        with column:
            draw_chart(
                (shows, *key),
                partial(chart, history, epochs, best, smooth=smooth, folds=run.repeats),
                shows,
            )
    if len(run.repeats):
        counts = run.repeats.groupby("kind")["number"].nunique()
        names = {"fold": "folds", "seed": "other seeds"}
        what = " and ".join(f"{count} {names[kind]}" for kind, count in counts.items())
        st.caption(f"The bands are mean ± standard deviation of {what}.")


def best_epoch(history: pd.DataFrame, hyperparameters: Hyperparameters) -> int:
    """The best epoch so far by what the training looks at; of equals, that of the lower loss."""
    monitor = hyperparameters.monitor
    by_loss = history.sort_values("validation_loss", kind="stable")
    if monitor != "loss":
        by_loss = by_loss.sort_values(monitor, ascending=False, kind="stable")
    return int(by_loss["epoch"].iloc[0])


def _own(job: Job) -> None:
    """Remember that this session started a job: its result is then selected here and nowhere else."""
    st.session_state.setdefault("own_jobs", set()).add(job.id)
    st.session_state.setdefault("seen_jobs", set()).add(job.id)


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
    verb = _VERBS[job.kind]
    if snapshot.state == "waiting":
        st.caption(f":material/schedule: **{verb} {plain(job.title, 30)}** waits in line")
        return
    fraction = snapshot.progress.fraction if snapshot.progress else 0.0
    st.progress(fraction, text=f"**{verb} {plain(job.title, 30)}** · {_position(snapshot)}")


def _notice(job: Job, snapshot: JobSnapshot) -> None:
    """Say how a job of this session ended, at the next rerun, and select what it made."""
    if job.id not in st.session_state.get("own_jobs", set()):
        return
    if snapshot.state in {"complete", "stopped"} and snapshot.result_id:
        select("dataset" if job.kind in {"dataset", "check", "tuning"} else "run", snapshot.result_id)
    what = _NOUNS[job.kind]
    if snapshot.state == "failed" or (snapshot.state == "stopped" and snapshot.message):
        st.session_state["notice"] = (
            snapshot.state,
            f"The {what} ended early. {plain(snapshot.message, 400)}",
        )
    elif snapshot.state == "complete":
        st.session_state["notice"] = (
            "complete",
            f"The {what} is done, after {duration(snapshot.elapsed_s)}.",
        )


def _position(snapshot: JobSnapshot) -> str:
    """How far a job is, in a few words."""
    progress = snapshot.progress
    if progress is None:
        return "starting"
    if not progress.total:
        return _PHASES[progress.phase].lower()
    text = f"{progress.done} of {progress.total} {progress.unit}"
    if progress.remaining_s is not None and progress.done < progress.total:
        text += f", {duration(progress.remaining_s)} left"
    return text


def _waiting(job: Job) -> None:
    """Work further back in the line, which can be called off."""
    with st.container(
        border=True, horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    ):
        leaving = " · called off" if job.stop.is_set() else ""
        st.markdown(f":material/schedule: **{plain(job.title, 60)}** waits in line{leaving}")
        _stop_button("Stop", job)


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
        phase = _PHASES[progress.phase] if progress else "Starting"
        if snapshot.state == "waiting":
            phase = "Waiting for other work to end"
        top.markdown(f"##### {phase}")
        with top:
            _stop_button("Stop training" if kind == "run" else "Stop", running)
        parts = [plain(running.title), f"running for {duration(snapshot.elapsed_s)}"]
        if progress and progress.total:
            parts.append(_position(snapshot))
            if progress.per_second and progress.phase == "embed":
                parts.append(f"{progress.per_second:.1f} images/s")
        if progress and progress.message:
            parts.append(plain(progress.message, 200))
        if running.stop.is_set():
            parts.append("stopping after this batch")
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
        st.caption("The curves appear with the first epoch. You may close this page; the training goes on.")
