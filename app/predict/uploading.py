"""Bringing new photos to a classifier: dropped, pasted or taken; and those that were brought before."""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from app.predict.live import draw_live
from app.shared.job_kinds import PREDICTION
from app.shared.jobs import start
from app.shared.layout import draw_select, draw_switch
from app.shared.messages import draw_damaged, draw_error, notify_error
from app.shared.results import cached_classifier
from app.shared.state import distinct_names
from app.shared.text import escape_markdown
from app.shared.uploads import Uploads
from vitcore.errors import StorageError, VitcoreError
from vitcore.jobs import Job
from vitcore.language import local_time, mark, ntr, number, tr
from vitcore.layouts import is_video
from vitcore.pipeline import (
    PhotoBatch,
    answer_batch,
    delete_batch,
    list_batches,
    list_damaged_batches,
    new_batch,
)
from vitcore.runs import Run
from vitcore.sources import IMAGE_SUFFIXES, VIDEO_SUFFIXES, NamedFile

__all__ = ["choose_batch", "draw_unanswered", "draw_uploaders"]

FEW = 48  # photos, up to which answering goes ahead of longer work
ARCHIVES = ["zip", "tar", "gz", "tgz", "bz2", "xz", "zst"]
PHOTOS = [suffix[1:] for suffix in sorted(IMAGE_SUFFIXES)]
VIDEOS = [suffix[1:] for suffix in VIDEO_SUFFIXES]
USUAL_INTERVAL_S, LEAST_INTERVAL_S, LARGEST_INTERVAL_S = 1.0, 0.1, 3600.0
DROPPED = "predict_dropped"  # what came with a video, until it is known how often a picture is taken
WAYS = {
    "files": mark(":material/upload: Photos or a zip"),
    "folder": mark(":material/folder_open: A folder"),
    "camera": mark(":material/photo_camera: Camera"),
    "live": mark(":material/videocam: Live camera"),
    "paste": mark(":material/content_paste: Paste"),
}


@dataclass(frozen=True)
class _Dropped:
    """Files that came and wait to be answered; they go with the session."""

    title: str
    sources: Sequence[NamedFile]
    kept: Uploads


def draw_uploaders(run: Run) -> None:
    """Draw the ways in; photos that come are answered in the background."""
    if DROPPED in st.session_state:
        _ask_interval(run, st.session_state[DROPPED])
        return
    way = draw_switch(tr("From where"), {key: tr(title) for key, title in WAYS.items()}, "predict_way")
    {"files": _files, "folder": _folder, "camera": _camera, "live": draw_live, "paste": _paste}[way](run)


def choose_batch(run: Run) -> PhotoBatch | None:
    """Draw the choice among the photos that came, the newest at first; return the chosen ones, if any."""
    draw_damaged(
        list_damaged_batches(run),
        tr("Forget the damaged photos {name}"),
        lambda batch_id: delete_batch(run, batch_id),
        key="forget",
    )
    batches = {batch.id: batch for batch in list_batches(run)}
    key = f"batch_{run.id}"
    newest = st.session_state.get("seen_batch")
    if batches and next(iter(batches)) != newest:  # what has just come is looked at first
        st.session_state["seen_batch"] = st.session_state[key] = next(iter(batches))
        if batches[st.session_state[key]].times_s:  # answers over time are read as a table
            st.session_state["answers_view"] = "table"
    if not batches:
        return None
    if len(batches) > 1:
        titles = distinct_names({batch.id: _title(batch) for batch in batches.values()})
        draw_select(tr("Photos"), titles, key)
    return batches.get(st.session_state.get(key, ""), next(iter(batches.values())))


def draw_unanswered(run: Run, batch: PhotoBatch) -> None:
    """Offer to answer the rest, where the answering ended early."""
    left = len(batch.names) - len(batch.answers)
    if not left:
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(
            ntr(
                ":material/pause_circle: {count} photo is not answered yet.",
                ":material/pause_circle: {count} photos are not answered yet.",
                left,
            ).format(count=number(left))
        )
        if st.button(tr("Resume"), icon=":material/play_arrow:", key=f"go_on_{batch.id}"):
            _submit(run, batch.title, batch)
            st.rerun()


def _title(batch: PhotoBatch) -> str:
    count = ntr("{count} photo", "{count} photos", len(batch.names)).format(count=number(len(batch.names)))
    return f"{local_time(batch.created)} · {batch.title} · {count}"


# --- the ways in -------------------------------------------------------------------------------


def _files(run: Run) -> None:
    uploads = st.file_uploader(
        tr("Drop photos here, a zip file of photos, or a video"),
        type=[*PHOTOS, *ARCHIVES, *VIDEOS],
        accept_multiple_files=True,
        key=f"photos_{_generation()}",
    )
    _take(run, [(upload, PurePosixPath(upload.name).name) for upload in uploads])


def _folder(run: Run) -> None:
    uploads = st.file_uploader(
        tr("Drop a folder of photos here"),
        accept_multiple_files="directory",
        key=f"photos_folder_{_generation()}",
    )
    _take(run, [(upload, upload.name) for upload in uploads])


def _ask_interval(run: Run, dropped: _Dropped) -> None:
    """Draw the choice of how often a picture is taken of a video that came, and the button that answers."""
    with st.container(border=True):
        st.markdown(f":material/movie: **{escape_markdown(dropped.title, 80)}**")
        st.caption(tr("A video is answered picture by picture. Each answer comes with its time."))
        interval_s = st.number_input(
            tr("Seconds between the pictures taken of a video"),
            min_value=LEAST_INTERVAL_S,
            max_value=LARGEST_INTERVAL_S,
            value=USUAL_INTERVAL_S,
            step=0.5,
            key="predict_interval_s",
            persist_state="session",
            width=360,
        )
        with st.container(horizontal=True):
            answered = st.button(
                tr("Get the answers"), type="primary", icon=":material/play_arrow:", key="answer_video"
            )
            if answered:
                _submit(run, dropped.title, None, dropped.sources, dropped.kept, interval_s)
            if st.button(tr("Cancel"), icon=":material/close:", key="cancel_video") or answered:
                del st.session_state[DROPPED]
                st.rerun()


def _camera(run: Run) -> None:
    shot = st.camera_input(
        tr("Take a photo"), key=f"photo_{_generation()}", label_visibility="collapsed", width=480
    )
    if shot is not None:
        _take(run, [(shot, "camera.jpg")])


def _paste(run: Run) -> None:
    st.caption(tr("Click into the field, paste a picture (Ctrl+V), then press Enter."))
    with st.container():  # outside of one it would stick to the lower edge of the window
        pasted = st.chat_input(
            tr("Paste a picture here"),
            accept_file="multiple",
            file_type=PHOTOS,
            key=f"pasted_{_generation()}",
            width=480,
        )
    if pasted is not None and pasted.files:
        _take(run, [(upload, upload.name) for upload in pasted.files])


def _generation() -> int:
    """Return a part of the key of an uploader: a new one gives an empty uploader."""
    return st.session_state.setdefault("predict_generation", 0)


def _take(run: Run, uploads: Sequence[tuple[UploadedFile, str]]) -> None:
    """Write uploads to the disk, release them from memory, and have them answered."""
    if not uploads:
        return
    kept = Uploads()
    try:
        sources = [kept.keep(upload, name) for upload, name in uploads]
    except StorageError as error:
        draw_error(error)
        return
    st.session_state["predict_generation"] += 1
    title = sources[0].name
    if len(sources) > 1:
        title = tr("{name} and {count} more").format(name=title, count=number(len(sources) - 1))
    if any(map(_has_video, sources)):
        st.session_state[DROPPED] = _Dropped(title, sources, kept)
    else:
        _submit(run, title, None, sources, kept)
    st.rerun()


def _has_video(source: NamedFile) -> bool:
    """Return whether a file is a video, or a zip file with one in it; others are not listed for that."""
    if zipfile.is_zipfile(source.path):
        with zipfile.ZipFile(source.path) as archive:
            return any(map(is_video, archive.namelist()))
    return is_video(source.name)


def _are_few(sources: Sequence[NamedFile]) -> bool:
    """Return whether so few photos came that answering them goes ahead of longer work."""
    count = 0
    for source in sources:
        if PurePosixPath(source.name).suffix.lower() in IMAGE_SUFFIXES:
            count += 1
        elif zipfile.is_zipfile(source.path):
            with zipfile.ZipFile(source.path) as archive:
                count += len(archive.namelist())
        else:
            return False
    return count <= FEW


def _submit(
    run: Run,
    title: str,
    batch: PhotoBatch | None,
    sources: Sequence[NamedFile] = (),
    kept: Uploads | None = None,
    interval_s: float = USUAL_INTERVAL_S,
) -> None:
    try:
        able = cached_classifier(run)
    except VitcoreError as error:
        notify_error(error)
        return

    def work(job: Job) -> None:
        asked = batch or new_batch(run, list(sources), title, interval_s=interval_s, task=job.task)
        answer_batch(asked, able, task=job.task)

    start(
        PREDICTION,
        title,
        work,
        device=able.embedder.device.name,
        short=len(batch.names) <= FEW if batch is not None else _are_few(sources),
        result_id=run.id,
        uses=(run.folder,),
        cleanup=kept.hand_over() if kept is not None else None,
    )
