"""Background work: started in one way, and shown in one way in the sidebar, on the pages and at its end."""

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path

import streamlit as st

from app.shared.job_kinds import JOB_KINDS, JobKind
from app.shared.messages import notify
from app.shared.state import job_queue, select, workspace
from app.shared.text import escape_markdown
from vitcore.jobs import Job, JobSnapshot, Work
from vitcore.language import duration, mark, number, tr, translated

__all__ = ["draw_jobs", "is_active", "is_arriving", "start", "watch_jobs"]

_PHASES = {
    "list": mark("Reading the list of files"),
    "import": mark("Reading the images"),
    "prepare": mark("Preparing"),
    "download": mark("Downloading the pre-trained Vision Transformer"),
    "engines": mark("Finding out what computes fastest here"),
    "embed": mark("Looking at each image once with the Vision Transformer"),
    "fit": mark("Training the output layer"),
    "review": mark("Training on parts of the photos, to see what can be seen only then"),
    "search": mark("Comparing recipes on the training photos"),
    "evaluate": mark("Judging on the validation images"),
    "check": mark("Looking at sharpness and light"),
    "predict": mark("Looking at each photo"),
    "export": mark("Writing the model"),
    "compare": mark("Comparing what was written with the original"),
    "publish": mark("Uploading to the model hub"),
    "maps": mark("Taking parts out of the photos, to see what the answers hang on"),
}
_COUNTED = {  # by the unit
    "images": mark("{done} of {total} images"),
    "epochs": mark("{done} of {total} epochs"),
    "seconds": mark("{done} of about {total} seconds"),
    "pairs": mark("{done} of {total} pairs"),
    "steps": mark("{done} of {total} steps"),
    "MB": mark("{done} of {total} MB"),
}


def start(
    kind: JobKind,
    title: str,
    work: Work,
    *,
    device: str = "cpu",
    short: bool = False,
    result_id: str = "",
    works_on: str = "",
    uses: Iterable[Path] = (),
    cleanup: Callable[[], None] | None = None,
) -> None:
    """Start background work; this session will look at its result, and no other.

    Args:
        kind: What kind of work it is.
        title: What it works on, for people.
        work: Called with its job, in another thread.
        device: Name of the device on which it computes.
        short: Whether it takes some seconds only, and goes ahead of longer work.
        result_id: Id of what it works on, if that is there already; else the work announces it.
        works_on: Id of the dataset that it works on; empty if it makes that first.
        uses: Folders of datasets and runs that cannot be deleted until it has ended.
        cleanup: Called when it has ended in any way.
    """

    def run(job: Job) -> None:
        if result_id:
            job.announce(result_id)
        work(job)

    with ExitStack() as ends:
        if cleanup is not None:
            ends.callback(cleanup)
        for folder in uses:
            ends.enter_context(workspace().using(folder))
        lane = kind.lane or device
        job = job_queue().submit(
            kind.name, title, run, device=lane, short=short, cleanup=ends.pop_all().close
        )
    if works_on:
        job.works_on(works_on)
    for key in ("own_jobs", "seen_jobs"):
        st.session_state.setdefault(key, set()).add(job.id)
    if kind.selects == "run" and not works_on and not result_id:  # to be looked at once it is there
        st.session_state.setdefault("arriving", set()).add(job.id)


def is_active(kind: JobKind, works_on: str | None = None) -> bool:
    """Return whether work of a kind waits or runs.

    Args:
        kind: What kind of work.
        works_on: Only what works on this dataset, by its id; empty for what is still making one.
    """
    return bool(_active(kind, works_on))


def is_arriving() -> bool:
    """Return whether a job of this session still makes the dataset that it is going to work on."""
    arriving = st.session_state.get("arriving", set())
    return any(job.id in arriving and not job.snapshot.works_on for job in job_queue().active())


def draw_jobs(
    kind: JobKind, below: Callable[[Job], None] | None = None, *, works_on: str | None = None
) -> bool:
    """Draw how far the work of a kind is, anew every second; return whether there is any.

    Args:
        kind: What kind of work.
        below: Draws what it has found so far.
        works_on: As for `is_active`.
    """
    active = is_active(kind, works_on)
    if active:
        st.fragment(_panel, run_every=1.0)(kind, below, works_on)
    return active


def _active(kind: JobKind, works_on: str | None) -> list[Job]:
    return [
        job
        for job in job_queue().active()
        if job.kind == kind.name and works_on in {None, job.snapshot.works_on}
    ]


def watch_jobs() -> None:
    """Draw the active jobs of all kinds, for the sidebar, and rerun the page when one has ended."""
    active = job_queue().active()
    seen: set[int] = st.session_state.setdefault("seen_jobs", set())
    seen.update(job.id for job in active)
    st.fragment(_draw_chips, run_every=1.0 if active else None)()


def _draw_chips() -> None:
    ended = False
    for job in reversed(job_queue().jobs()):
        snapshot = job.snapshot
        if snapshot.works_on and job.id in st.session_state.get("arriving", set()):
            st.session_state["arriving"].discard(job.id)
            select("dataset", snapshot.works_on)
            ended = True
        if snapshot.active:
            _draw_chip(job, snapshot)
        elif job.id in st.session_state["seen_jobs"]:
            st.session_state["seen_jobs"].discard(job.id)
            _notice(job, snapshot)
            ended = True
    if ended:
        st.rerun()


def _draw_chip(job: Job, snapshot: JobSnapshot) -> None:
    work = tr(JOB_KINDS[job.kind].running).format(title=escape_markdown(job.title, 30))
    if snapshot.state == "waiting":
        st.caption(f":material/schedule: {_waiting(job, work)}")
        return
    fraction = snapshot.progress.whole if snapshot.progress else 0.0
    st.progress(fraction, text=f"**{work}** · {_position(snapshot)}")


def _notice(job: Job, snapshot: JobSnapshot) -> None:
    """Let the next rerun say how a job of this session ended, and select what it made."""
    if job.id not in st.session_state.get("own_jobs", set()):
        return
    kind = JOB_KINDS[job.kind]
    if snapshot.state in {"complete", "stopped"} and snapshot.result_id:
        if snapshot.works_on:
            select("dataset", snapshot.works_on)
        select(kind.selects, snapshot.result_id)
    if snapshot.message is not None and snapshot.state in {"failed", "stopped"}:
        notify(snapshot.state, f"{tr(kind.ended_early)} {escape_markdown(translated(snapshot.message), 600)}")
    elif snapshot.state == "complete":
        notify("complete", tr(kind.complete).format(time=duration(snapshot.elapsed_s)))


def _position(snapshot: JobSnapshot) -> str:
    """Return how far a job is, in a few words."""
    progress = snapshot.progress
    if progress is None:
        return tr("starting")
    if progress.overall is not None:
        if progress.overall_remaining_s is None:
            return tr(_PHASES[progress.phase]).lower()
        return tr("{time} left").format(time=duration(progress.overall_remaining_s))
    if not progress.total:
        return tr(_PHASES[progress.phase]).lower()
    counted = tr(_COUNTED[progress.unit]).format(done=number(progress.done), total=number(progress.total))
    if progress.remaining_s is None or progress.done >= progress.total:
        return counted
    return tr("{counted}, {time} left").format(counted=counted, time=duration(progress.remaining_s))


def _waiting(job: Job, work: str) -> str:
    """Return that work waits for other work, and how long as far as that can be foreseen."""
    wait_s = job_queue().wait_s(job)
    if wait_s is None:
        return tr("**{work}** waits in line").format(work=work)
    return tr("**{work}** starts in about {time}").format(work=work, time=duration(max(wait_s, 1.0)))


def _draw_waiting(job: Job) -> None:
    """Draw work further back in its lane, which can be called off."""
    with st.container(
        border=True, horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    ):
        text = _waiting(job, escape_markdown(job.title, 60))
        leaving = " · " + tr("called off") if job.stop.is_set() else ""
        st.markdown(f":material/schedule: {text}{leaving}")
        _stop_button(tr("Stop"), job)


def _stop_button(label: str, job: Job) -> None:
    icon = ":material/stop_circle:"
    st.button(label, icon=icon, key=f"stop_{job.id}", on_click=job_queue().stop, args=(job,))


def _panel(kind: JobKind, below: Callable[[Job], None] | None, works_on: str | None) -> None:
    """Draw the job of a kind that runs or is the next to run, and below it those that wait."""
    jobs = _active(kind, works_on)
    if not jobs:
        return
    running = next((job for job in jobs if job.snapshot.state == "running"), jobs[0])
    snapshot = running.snapshot
    progress = snapshot.progress
    with st.container(border=True):
        top = st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center")
        phase = tr(_PHASES[progress.phase]) if progress else tr("Starting")
        if snapshot.state == "waiting":
            phase = _waiting(running, escape_markdown(running.title, 60))
        top.markdown(f"##### {phase}")
        with top:
            _stop_button(tr(kind.stop), running)
        parts = [
            escape_markdown(running.title),
            tr("running for {time}").format(time=duration(snapshot.elapsed_s)),
        ]
        if progress and (progress.total or progress.overall_remaining_s is not None):
            parts.append(_position(snapshot))
            if progress.per_second and progress.phase == "embed":
                parts.append(tr("{speed} images/s").format(speed=number(progress.per_second, 1)))
        if progress and progress.message:
            parts.append(escape_markdown(translated(progress.message), 200))
        if running.stop.is_set():
            parts.append(tr("stopping after this batch"))
        st.progress(progress.whole if progress else 0.0, text=" · ".join(parts))
    for job in jobs:
        if job is not running:
            _draw_waiting(job)
    if below is not None:
        below(running)
