"""The labelling session of a dataset: its vectors, made in the background, and what a page asks of it."""

from collections.abc import Callable

import pandas as pd
import streamlit as st

from app.components.photo_grid import GridPhoto
from app.shared.job_kinds import EMBEDDING
from app.shared.jobs import draw_jobs, start
from app.shared.messages import notify, notify_error, reported
from app.shared.state import workspace
from app.shared.text import escape_markdown
from vitcore.dataset import Dataset
from vitcore.jobs import Job
from vitcore.language import number, percent, tr, translated
from vitcore.pipeline import LabelSession, LabelSpace, embed_for_labelling

__all__ = ["PAGE", "grid_photos", "labelling_session", "progress_in_words", "take_step"]

PAGE = 24  # photos


@st.cache_resource(show_spinner=False)
def _spaces() -> dict[str, LabelSpace]:
    """Return the vectors of the datasets that are being labelled, shared by all sessions."""
    return {}


@st.cache_resource(show_spinner=False, max_entries=4)
def _session(_data: Dataset, _space: LabelSpace, key: tuple[str, int, int]) -> LabelSession:  # noqa: ARG001
    return LabelSession(dataset=_data, space=_space)


def _start_embedding(data: Dataset) -> None:
    """Look at all photos of a dataset in the background, so that they can be compared."""

    def work(job: Job) -> None:
        _spaces()[data.id] = embed_for_labelling(data, workspace=workspace(), task=job.task)

    start(EMBEDDING, data.name, work, result_id=data.id, uses=(data.folder,))


def labelling_session(data: Dataset) -> LabelSession | None:
    """Return the session of a dataset; while its photos are still looked at, draw how far that is."""
    space = _spaces().get(data.id)
    if space is not None and space.covers(data):
        return _session(data, space, (data.id, data.version, len(space.image_ids)))
    tried = f"{data.id}-{data.next_image_id}"
    if draw_jobs(EMBEDDING):
        st.info(
            tr("Each photo is looked at once, to show alike ones together. You may leave this page."),
            icon=":material/hourglass_top:",
        )
    elif st.session_state.get("looked_at") != tried or st.button(tr("Look at the photos"), type="primary"):
        st.session_state["looked_at"] = tried
        _start_embedding(data)
        st.rerun()
    return None


def grid_photos(rows: pd.DataFrame) -> list[GridPhoto]:
    """Return photos as `LabelSession.page` gives them, for the grid."""
    return [
        GridPhoto(
            image_id=int(row.image_id),
            name=str(row.name),
            file=str(row.file),
            guess=str(row.guess),
            note=percent(float(row.confidence)) if row.guess else "",
        )
        for row in rows.itertuples(index=False)
    ]


def take_step(step: Callable[[], Dataset]) -> None:
    """Take a step of labelling, which is on the disk at once, and draw the page anew; say why if it fails."""
    with reported(notify_error):
        made = step()
        notify("complete", escape_markdown(translated(made.changes[-1].text), 300))
    st.rerun()


def progress_in_words(data: Dataset) -> str:
    """Return how many photos have a label, and by whom."""
    return tr("{people} labelled by people · {machine} by the classifier · {left} to go").format(
        people=number(len(data.index)),
        machine=number(len(data.machine_labelled)),
        left=number(len(data.unlabelled)),
    )
