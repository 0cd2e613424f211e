"""Finish: guesses that are sure enough become labels by the classifier, which can be taken back."""

from functools import partial

import pandas as pd
import streamlit as st

from app.components.photo_grid import MOST_PHOTOS, draw_photo_grid
from app.label.session import grid_photos, take_step
from app.shared.edits import undo_last
from app.shared.layout import draw_next_page, draw_pagination
from vitcore.dataset import unlabel
from vitcore.language import ntr, number, tr
from vitcore.pipeline import LabelSession, accept_guesses, give_labels

__all__ = ["draw_finish"]

USUAL = 90  # percent


def draw_finish(session: LabelSession) -> None:
    """Draw what the guesses are sure of, and what was accepted already."""
    data = session.dataset
    if not session.guesses:
        st.info(tr("There are no guesses yet: two classes need a label first, under Groups or Teach."))
        return
    if len(data.unlabelled):
        _sure(session)
    if len(data.machine_labelled):
        _accepted(session)
    draw_next_page("train", tr("Train a classifier on these photos"))


def _sure(session: LabelSession) -> None:
    """Draw the guesses that are sure enough, and the button that accepts them."""
    least = st.slider(tr("How sure at least"), 50, 99, USUAL, format="%d %%", key="label_sure") / 100
    rows = session.sure(least)
    st.caption(tr("Labels by the classifier sort your photos; they take no part in training and figures."))
    if rows.empty:
        st.info(tr("No guess is so sure. Lower the limit, or teach more."))
        return
    counts = rows["guess"].value_counts(sort=False)
    table = pd.DataFrame({tr("class"): counts.index, tr("photos"): counts.to_numpy()})
    label = ntr("Accept {count} guess", "Accept {count} guesses", len(rows)).format(count=number(len(rows)))
    if st.button(label, type="primary", icon=":material/done_all:", key="accept_guesses"):
        take_step(partial(accept_guesses, session, rows))
    st.dataframe(table, hide_index=True, width="stretch")


def _accepted(session: LabelSession) -> None:
    """Draw the labels by the classifier, page by page, to be confirmed, corrected or taken back."""
    data = session.dataset
    st.subheader(tr("Labelled by the classifier"), anchor=False)
    rows = data.machine_labelled.sort_values(["label", "label_confidence"], ignore_index=True)
    if st.button(tr("Take all of these back"), icon=":material/undo:", key="take_back"):
        take_step(partial(unlabel, data, rows["image_id"].tolist()))
    shown = rows.iloc[list(draw_pagination(len(rows), "accepted_page", MOST_PHOTOS))]
    photos = shown.assign(guess=shown["label"], confidence=shown["label_confidence"])
    found = draw_photo_grid(
        data,
        grid_photos(photos[["image_id", "name", "file", "guess", "confidence"]]),
        page=f"{data.id}-{data.version}-{shown.index[0]}",
        key="label_accepted",
        confirm=tr("These are right: make them mine"),
    )
    if found is None:
        return
    if found.undo:
        undo_last(data)
        return
    take_step(partial(give_labels, data, found.labels, leave_out=found.left_out, picked={}))
