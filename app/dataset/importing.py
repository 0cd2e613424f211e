"""Bringing photos in, from files, a folder, this disk or the camera; and a look before the import."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd
import streamlit as st

from app.components.dropping import draw_drop_area
from app.dataset.editing import split_in_words
from app.dataset.naming import draw_naming
from app.dataset.reading import draw_choice
from app.dataset.recording import draw_recording
from app.dataset.staged import Staged
from app.routes import photo_address
from app.shared.address import go_to
from app.shared.chosen import chosen_settings, requested_settings
from app.shared.layout import draw_metrics, draw_switch
from app.shared.messages import draw_error, reported
from app.shared.server_paths import paths_are_open, server_path
from app.shared.starting import device_of, start_import, start_import_and_training, start_sample
from app.shared.text import escape_markdown
from app.shared.trays import MOST_FILES, Tray
from vitcore.compute import Compute
from vitcore.dataset import SAMPLE_COUNT, Dataset
from vitcore.errors import Stopped, VitcoreError
from vitcore.language import mark, ntr, number, tr, translated
from vitcore.layouts import Candidate, Reading, Survey
from vitcore.sources import NamedFile
from vitcore.training import Hyperparameters

__all__ = ["draw_import", "is_staged"]

WAYS = {
    "files": mark(":material/upload: From this browser"),
    "path": mark(":material/computer: On this computer"),
    "camera": mark(":material/photo_camera: Take photos with the camera"),
}
NEW, ADD = "new", "add"


def is_staged() -> bool:
    """Return whether there is something to look at before it is imported."""
    return bool("staged" in st.session_state and st.session_state["staged"].sources)


def draw_import(data: Dataset | None, *, expanded: bool) -> None:
    """Draw the ways in; once something has come, what it is, the button that imports it, and nothing else."""
    staged: Staged | None = st.session_state.get("staged")
    if staged is not None and staged.sources:
        _keep(staged.tray)
        _confirm(staged, data)
        st.stop()
    if data is None and not expanded:  # the first ones are being read
        return
    with (
        st.container(border=True)
        if data is None
        else st.expander(tr("Bring in more photos"), icon=":material/upload:")
    ):
        ways = {key: tr(title) for key, title in WAYS.items() if key != "path" or paths_are_open()}
        way = draw_switch(tr("From where"), ways, "way")
        if way == "files":
            _files(first=data is None)
        else:
            {"path": _path, "camera": _camera}[way]()
        if data is not None:
            _sample()
    if data is None:
        _sample()


def _sample() -> None:
    """Offer the sample set."""
    with st.container(horizontal=True, vertical_alignment="center"):
        label = tr("Try it with handwritten digits")
        if st.button(label, icon=":material/draw:", key="use_sample"):
            start_sample()
            go_to("train")
        text = tr("No photos at hand? {count} handwritten digits are here, and trained on within a minute.")
        st.caption(text.format(count=number(SAMPLE_COUNT)))


# --- the ways in -------------------------------------------------------------------------------


def _files(*, first: bool) -> None:
    """Draw the place to drop things; what has arrived is looked at."""
    tray = _staged().tray
    draw_drop_area(photo_address(), tray.token, _drop_texts(first=first), key="drop")
    if tray.complete:
        _stage(tray.files)


def _drop_texts(*, first: bool) -> dict[str, str]:
    """Return what stands on the place to drop things."""
    most = number(int(st.get_option("server.maxUploadSize")) / 1024)
    return {
        "first": "yes" if first else "",
        "title": tr("Drop folders, photos or a zip file here"),
        "hint": tr("One folder per class. The name of the folder becomes the name of the class."),
        "folders": tr("Choose a folder"),
        "files": tr("Choose files"),
        "cancel": tr("Cancel"),
        "sending": tr("Files that have arrived"),
        "reading": tr("Reading the folders …"),
        "position": tr("{done} of {total} files"),
        "nothing": tr("There is no file in it."),
        "folders_refused": tr(
            "This browser does not hand over folders that are dropped. Choose the folder by the button, or "
            "drop a zip file of it."
        ),
        "lost": tr("The connection to the app was lost. Reload the page and try again."),
        "status_400": tr("{name} has a name that cannot be used. Rename it and try again."),
        "status_404": tr("This page is out of date. Reload it and try again."),
        "status_413": tr(
            "{name} is too large, or these are too many files: up to {size} GB a file and {count} files."
        ).format(name="{name}", size=most, count=number(MOST_FILES)),
        "status_507": tr("There is not enough space on the disk for {name}. Free some and try again."),
    }


def _path() -> None:
    with st.form("server_path", border=False):
        left, right = st.columns([4, 1], vertical_alignment="bottom")
        path = left.text_input(tr("Folder or archive on this computer"), placeholder="/home/me/photos")
        if right.form_submit_button(tr("Look"), width="stretch") and path.strip():
            with reported(draw_error):
                _stage([server_path(path.strip())])


def _camera() -> None:
    """Draw the camera; the photos that were taken are looked at together."""
    tray = _staged().tray
    _keep(tray)
    draw_recording(tray)
    if tray.complete:
        _stage(tray.files)


def _generation() -> int:
    """Return a part of the keys of the look before an import: what was chosen in another one is forgotten."""
    return st.session_state.setdefault("generation", 0)


def _staged() -> Staged:
    return st.session_state.setdefault("staged", Staged())


def _stage(sources: Iterable[Path | NamedFile]) -> None:
    _staged().sources.extend(sources)
    st.session_state["generation"] = _generation() + 1
    st.rerun()


def _unstage() -> Callable[[], None] | None:
    """Forget what was staged; what is returned deletes its files."""
    return st.session_state.pop("staged").tray.hand_over()


# --- the look before the import ----------------------------------------------------------------


def _confirm(staged: Staged, data: Dataset | None) -> None:
    """Draw what was found, and the button that imports it."""
    with st.container():
        with st.spinner(tr("Looking at the files …")):
            survey = staged.survey()
        staged.draw_looks()
        if survey is None:
            _cancel(tr("Cancel"))
            return
        if isinstance(survey, Stopped):
            _leave()
        if isinstance(survey, VitcoreError):
            draw_error(survey)
            _cancel(tr("Choose something else"))
            return
        draw_naming(survey, staged.reading, staged.read_as, str(_generation()))
        candidate = draw_choice(staged, survey, str(_generation()))
        if candidate is not None:
            _destination(staged, survey, candidate, data)
            _found(staged, survey, candidate)
        else:
            _cancel(tr("Cancel"))


@st.fragment(run_every=60.0)
def _keep(tray: Tray) -> None:
    """Keep the files for as long as the page is open: those of closed pages are soon deleted."""
    tray.touch()


def _found(staged: Staged, survey: Survey, candidate: Candidate) -> None:
    """Draw counts and examples."""
    taken = sum(item.reason is None for item in candidate.items)
    if len(survey.candidates) == 1:
        st.markdown(f"{escape_markdown(translated(candidate.title), 200)}.")
    draw_metrics(
        [
            (tr("Photos to import"), number(taken), tr("Each one is opened and checked by the import.")),
            (tr("Classes"), number(len(candidate.classes)), None),
            (
                tr("Photos left out"),
                number(max(0, survey.images - taken)),
                tr("Photos without a class; listed below."),
            ),
            (
                tr("Other files"),
                number(len(survey.skipped)),
                tr("Files that are no photos; listed below."),
            ),
        ]
    )
    with st.container(horizontal=True, gap="small"):
        for label, image in staged.pictures(candidate).items():
            with st.container(width=120, gap="xsmall"):
                st.image(image, width="stretch", alt=label)
                st.caption(escape_markdown(label, 20))
    examples = candidate.examples()
    st.dataframe(
        pd.DataFrame(
            {
                tr("class"): list(candidate.classes),
                tr("photos"): list(candidate.classes.values()),
                tr("such as"): [", ".join(examples[label]) for label in candidate.classes],
            }
        ),
        hide_index=True,
        width="stretch",
        height="content" if len(candidate.classes) < 8 else 300,
    )
    for note in candidate.notes:
        st.warning(escape_markdown(translated(note), 600), icon=":material/info:")
    if candidate.splits:
        st.info(
            tr("A ready-made split, which is kept: {parts}.").format(parts=split_in_words(candidate.splits)),
            icon=":material/call_split:",
        )
    left_out = [(item.entry.name, translated(item.reason)) for item in candidate.items if item.reason]
    left_out += [(entry.name, translated(reason)) for entry, reason in survey.skipped]
    if left_out:
        count = len(left_out)
        title = ntr("Not imported: {count} file", "Not imported: {count} files", count)
        with st.expander(title.format(count=number(count))):
            table = pd.DataFrame(left_out, columns=[tr("file"), tr("reason")])
            st.dataframe(table, hide_index=True, width="stretch")


def _destination(staged: Staged, survey: Survey, candidate: Candidate, data: Dataset | None) -> None:
    """Draw the choice where the photos go, and the buttons."""
    where = NEW
    if data is not None:
        titles = {
            NEW: tr("A new dataset"),
            ADD: tr("Add to {name}").format(name=escape_markdown(data.name, 40)),
        }
        where = st.radio(
            tr("Where to"),
            [NEW, ADD],
            format_func=titles.__getitem__,
            horizontal=True,
            key="destination",
        )
    title = survey.title
    if where == NEW:
        title = st.text_input(tr("Name of the dataset"), title, max_chars=200).strip() or title
    with st.container(horizontal=True):
        training = st.button(
            tr("Import and train"), type="primary", icon=":material/play_arrow:", key="train"
        )
        if training or st.button(tr("Import"), icon=":material/download:", key="import"):
            _start(staged, title, candidate.reading, data if where == ADD else None, training=training)
        _cancel(tr("Cancel"))


def _start(staged: Staged, title: str, reading: Reading, into: Dataset | None, *, training: bool) -> None:
    """Import what is staged, and train on it if that is asked for."""
    if not training:
        start_import(staged.sources, title, reading=reading, into=into, cleanup=_unstage())
        st.rerun()
    with reported(draw_error):
        hyperparameters, compute = Hyperparameters(**chosen_settings()), Compute(**requested_settings())
        device_of(compute)  # what cannot be is said before the photos are handed over
        start_import_and_training(
            staged.sources, title, hyperparameters, compute, reading=reading, into=into, cleanup=_unstage()
        )
        go_to("train")


def _cancel(label: str) -> None:
    if st.button(label, icon=":material/close:", key="cancel_import"):
        _leave()


def _leave() -> None:
    """Forget and delete what was staged."""
    delete = _unstage()
    if delete is not None:
        delete()
    st.rerun()
