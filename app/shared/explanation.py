"""The reasons of an answer: where the classifier looked, and which training images are alike."""

from collections.abc import Hashable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st
from PIL import Image, ImageOps

from app.shared.job_kinds import MAP_CHECK
from app.shared.jobs import draw_jobs, start
from app.shared.messages import draw_unavailable
from app.shared.pictures import draw_thumbnail
from app.shared.results import cached_classifier, cached_vectors, results_version
from app.shared.state import job_queue, workspace
from app.shared.text import escape_markdown, signed
from vitcore.dataset import Dataset, load_image
from vitcore.errors import VitcoreError
from vitcore.evaluation import NeighbourIndex
from vitcore.inference import Deletion, Explanation, explain
from vitcore.language import number, percent, tr
from vitcore.pipeline import check_maps, load_map_check
from vitcore.runs import Run

__all__ = [
    "SIDE",
    "cached_explanation",
    "cached_picture",
    "draw_legend",
    "draw_map_check",
    "draw_nearest",
    "nearest_training_images",
]

SIDE = 480  # of the square that a large picture fills, in pixels
ALIKE = 6  # training images that are shown


@st.cache_data(show_spinner=False, max_entries=64)
def cached_picture(path: str) -> Image.Image:
    """Return an image file as a picture of moderate size.

    Raises:
        VitcoreError: It cannot be decoded.
        OSError: It is not there.
    """
    return ImageOps.contain(load_image(Path(path), at_least=SIDE), (SIDE, SIDE))


def cached_explanation(run: Run, path: str, *, judged: bool = False) -> Explanation:
    """Return what in an image speaks for and against each class; computed once for all sessions.

    Args:
        run: Whose classifier is asked.
        path: Of the image.
        judged: As for `cached_classifier`.

    Raises:
        VitcoreError: The image or the backbone cannot be had.
    """
    return _explained(results_version(run), run, path, judged)


@st.cache_resource(show_spinner=False, max_entries=64)
def _explained(key: Hashable, _run: Run, path: str, judged: bool) -> Explanation:  # noqa: ARG001 - as above
    classifier = cached_classifier(_run, judged=judged)
    with job_queue().ahead(classifier.embedder.device.name):
        return explain(classifier, path)


def draw_legend(explanation: Explanation, label: str) -> None:
    """Draw what the colours of a heatmap mean, and on request how much of the answer they leave out."""
    place = explanation.classes.index(label)
    patches, whole = float(explanation.patches[place].sum()), float(explanation.unplaced[place])
    share = abs(whole) / max(abs(whole) + abs(patches), 1e-9)
    details = [tr("The parts together add {patches} to its score.").format(patches=signed(patches, 1))]
    if whole:
        details.append(
            tr(
                "Another {whole}, a share of {share}, comes from the picture as a whole and belongs to no "
                "part."
            ).format(whole=signed(whole, 1), share=percent(share))
        )
    if not explanation.exact:
        details.append(tr("This head has a hidden layer, so the parts are a fair guess."))
    st.caption(
        tr("Orange parts speak for **{label}**, blue ones against it.").format(
            label=escape_markdown(label, 40)
        ),
        help=" ".join(details),
    )


def nearest_training_images(run: Run, vector: npt.NDArray[np.floating]) -> tuple[npt.NDArray, pd.DataFrame]:
    """Return the training images nearest to an embedding (D,): distances, and their rows.

    Raises:
        VitcoreError: The embeddings of the run cannot be had.
    """
    index, rows = _index(results_version(run), run)
    distances, positions = index.nearest(vector, ALIKE)
    return distances, rows.iloc[positions]


@st.cache_resource(show_spinner=False, max_entries=2)
def _index(key: Hashable, _run: Run) -> tuple[NeighbourIndex, pd.DataFrame]:  # noqa: ARG001 - as above
    found = cached_vectors(_run)
    train = np.flatnonzero(~found.judged)
    return NeighbourIndex(found.vectors[train]), found.rows.iloc[train]


def draw_nearest(data: Dataset, run: Run, vector: npt.NDArray[np.floating], key: str) -> None:
    """Draw the training images that are nearest to an embedding (D,), with their labels."""
    try:
        distances, rows = nearest_training_images(run, vector)
    except VitcoreError as error:
        draw_unavailable(error)
        return
    with st.container(horizontal=True, gap="small", key=key):
        for distance, row in zip(distances, rows.itertuples(), strict=True):
            with st.container(width=120, gap="xsmall"):
                draw_thumbnail(data, row.file)
                likeness = tr("likeness {value}").format(value=number(1 - distance, 2))
                st.caption(f"**{escape_markdown(row.label, 18)}**  \n{likeness}")
    st.caption(tr("Likeness as the Vision Transformer sees it; 1 is the same picture."))


def draw_map_check(run: Run) -> None:
    """Draw how far the maps of this classifier can be believed, or a button that measures it."""
    try:
        found = load_map_check(run)
    except VitcoreError as error:
        draw_unavailable(error)
        found = None
    if found is not None:
        _map_verdict(found)
        return
    if draw_jobs(MAP_CHECK):
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            tr(
                ":material/info: The colours show what the answer was computed from. Whether it really hangs "
                "on these parts was not measured for this classifier yet."
            )
        )
        if st.button(tr("Measure it"), icon=":material/rule:", type="tertiary", key="check_maps"):
            _start_map_check(run)
            st.rerun()


def _map_verdict(found: Deletion) -> None:
    values = {
        "points": number(100 * found.area, 1),
        "low": number(100 * found.low, 1),
        "high": number(100 * found.high, 1),
        "images": number(found.images),
    }
    if found.reliable:
        text = tr(
            ":material/verified: Measured on {images} validation photos: without the orange parts the "
            "probability falls {points} points lower than without as many parts at random (95 % interval "
            "{low} to {high}), so these maps show what the answers hang on."
        )
        st.caption(text.format(**values))
        return
    text = tr(
        "These maps are not reliable for this classifier: on {images} validation photos, taking out the "
        "orange parts changed the answers no more than taking out as many at random ({points} points, 95 % "
        "interval {low} to {high})."
    )
    st.warning(text.format(**values), icon=":material/warning:")


def _start_map_check(run: Run) -> None:
    start(
        MAP_CHECK,
        run.name,
        lambda job: check_maps(run.id, workspace=workspace(), task=job.task),
        device=run.config.device.name,
        result_id=run.id,
        uses=(run.folder, workspace().datasets / run.config.dataset.id),
    )
