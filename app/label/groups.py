"""Groups: photos that look alike get one name, dozens at a time."""

from functools import partial

import numpy as np
import streamlit as st

from app.components.photo_grid import GridPhoto, draw_photo_grid
from app.label.session import take_step
from app.shared.edits import undo_last
from vitcore.language import number, tr
from vitcore.pipeline import LabelSession, give_labels

__all__ = ["draw_label_groups"]

FEWEST, MOST, USUAL = 2, 60, 12
SHOWN = 3  # photos of a group: more of the same teach little, see the benchmark of labelling


def draw_label_groups(session: LabelSession) -> None:
    """Draw one group of photos that look alike, to be named."""
    data = session.dataset
    waiting = len(data.unlabelled)
    if waiting < FEWEST:
        st.info(tr("There are no groups left; see what is still to do under the other headings."))
        return
    st.markdown(
        tr(
            "These photos look alike. Click those that do not belong, then give the others a name. "
            "Groups with the same name become one class."
        )
    )
    most = min(MOST, waiting)
    left, middle, right = st.columns([3, 1, 1], vertical_alignment="bottom")
    usual = int(np.clip(round(waiting**0.5), FEWEST, min(USUAL, most)))
    count = usual
    if most > FEWEST:
        count = left.slider(
            tr("Number of groups"),
            FEWEST,
            most,
            min(st.session_state.get("group_count", usual), most),
            help=tr("More groups are smaller and purer."),
        )
        st.session_state["group_count"] = count
    groups = session.groups(count)
    place = st.session_state.get("group_place", 0) % len(groups)
    group = groups[place]
    middle.markdown(tr("Group {place} of {count}").format(place=number(place + 1), count=number(len(groups))))
    if right.button(tr("Another group"), icon=":material/skip_next:"):
        st.session_state["group_place"] = place + 1
        st.rerun()
    shown = session.shown(group.positions[:SHOWN])
    photos = [
        GridPhoto(int(row.image_id), str(row.name), str(row.file)) for row in shown.itertuples(index=False)
    ]
    found = draw_photo_grid(
        data,
        photos,
        page=f"{data.id}-{data.version}-{count}-{place}",
        key="label_groups",
        confirm=tr("Name this group"),
        naming=True,
    )
    if found is None:
        return
    if found.undo:
        undo_last(data)
        return
    picked = dict.fromkeys(found.labels, "group")
    take_step(partial(give_labels, data, found.labels, leave_out=found.left_out, picked=picked))
