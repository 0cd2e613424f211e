"""Looking through the photos of a dataset, and mending them: other classes, photos taken out, undo."""

from collections.abc import Callable

import pandas as pd
import streamlit as st

from app.parts import paged, thumbnail
from app.text import plain
from vitcore.dataset import Dataset, delete_class, exclude, relabel, rename_class, restore, undo
from vitcore.errors import VitcoreError

__all__ = ["apply_edit", "browse", "edit_classes"]

ALL = "All classes"
TAKEN_OUT = "Taken out"


def apply_edit(edit: Callable[..., Dataset], *arguments: object) -> None:
    """Make an edit, which is on the disk at once, say what it did, and draw the page anew."""
    try:
        text = edit(*arguments).changes[-1].text
        st.session_state["notice"] = ("complete", plain(text, 300))
    except VitcoreError as error:
        st.session_state["notice"] = ("failed", plain(str(error), 400))
    st.rerun()


def undo_button(data: Dataset) -> None:
    """A button that takes back the last edit, and says which."""
    if data.can_undo and st.button(f"Undo: {plain(data.undoable, 80)}", icon=":material/undo:", key="undo"):
        apply_edit(undo, data)


def edit_classes(data: Dataset) -> None:
    """Rename, merge or take out whole classes."""
    with st.popover("Rename, merge or take out a class", icon=":material/edit:"):
        label = st.selectbox("Class", data.classes, key=f"edited_class_{data.id}", format_func=_option)
        name = st.text_input(
            "New name",
            key=f"new_name_{data.id}_{data.version}",
            help="The name of another class puts both together.",
        ).strip()
        merges = name in data.classes and name != label
        if merges:
            st.caption(
                f"There is a class **{plain(name, 40)}** already; its {data.class_counts[name]} photos and "
                f"these {data.class_counts[label]} become one class."
            )
        with st.container(horizontal=True):
            if st.button("Merge" if merges else "Rename", disabled=not name, key="rename_class"):
                apply_edit(rename_class, data, label, name)
            if st.button("Take out the class", icon=":material/remove_circle:", key="take_out_class"):
                apply_edit(delete_class, data, label)
        st.caption("Nothing is erased; every change can be undone.")


@st.fragment
def browse(data: Dataset) -> None:
    """The photos, page by page, to be looked at and to be chosen for an edit."""
    options = [ALL, *data.classes, *([TAKEN_OUT] if len(data.excluded) else [])]
    left, right = st.columns([2, 3], vertical_alignment="bottom")
    label = left.selectbox(
        "Class",
        range(len(options)),
        format_func=lambda number: _option(options[number], data, number),
        key=f"class_{data.id}_{len(options)}",
    )
    shown = options[label]
    if label == 0:
        # One class after the other would show only the first on this page.
        rows = data.index.sample(frac=1, random_state=0)
    elif shown == TAKEN_OUT and label == len(options) - 1 and len(data.excluded):
        rows = data.excluded
    else:
        rows = data.index[data.index["label"] == shown]
    with right:
        undo_button(data)
    page = rows.iloc[list(paged(len(rows), f"page_{data.id}"))]
    picked = _picked(data)
    _actions(data, picked, page, taken_out=rows is data.excluded)
    _pictures(data, page, picked)
    st.caption("The centre of each photo, which is what the classifier looks at. Tick photos to change them.")


def _option(name: str, data: Dataset | None = None, number: int = 1) -> str:
    """A class in a selector, which shows plain text; the two entries that are none with their counts."""
    if data is not None and number == 0:
        return f"{ALL} ({len(data.index):,})"
    if data is not None and number > len(data.classes):
        return f"{TAKEN_OUT} ({len(data.excluded):,})"
    return f"{name} ({data.class_counts[name]:,})" if data is not None else name


def _picked(data: Dataset) -> set[int]:
    """The photos that are ticked; those that are gone are forgotten."""
    picked: set[int] = st.session_state.setdefault(f"picked_{data.id}", set())
    picked.intersection_update(data.rows["image_id"].tolist())
    return picked


def _pictures(data: Dataset, page: pd.DataFrame, picked: set[int]) -> None:
    generation = st.session_state.setdefault("picks", 0)

    def toggle(image_id: int) -> None:
        picked.symmetric_difference_update({image_id})

    with st.container(horizontal=True, gap="small", key="gallery"):
        for row in page.itertuples():
            with st.container(width=150, gap="xsmall"):
                path = thumbnail(data, row.file)
                if path is None:
                    st.caption(":material/broken_image: The picture is gone.")
                else:
                    st.image(str(path), width="stretch")
                st.checkbox(
                    plain(row.label, 24),
                    value=row.image_id in picked,
                    key=f"pick_{data.id}_{generation}_{row.image_id}",
                    on_change=toggle,
                    args=(row.image_id,),
                )


def _actions(data: Dataset, picked: set[int], page: pd.DataFrame, *, taken_out: bool) -> None:
    """What can be done with the ticked photos."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.button(
            "Tick all on this page",
            icon=":material/select_all:",
            key="pick_page",
            on_click=_set_picked,
            args=(picked, picked | set(page["image_id"])),
        )
        if not picked:
            return
        st.button(
            f"Untick all ({len(picked)})",
            icon=":material/deselect:",
            key="pick_none",
            on_click=_set_picked,
            args=(picked, set()),
        )
        chosen = sorted(picked)
        if taken_out:
            if st.button("Bring back", icon=":material/undo:", type="primary", key="restore"):
                _edit_picked(picked, restore, data, chosen)
            return
        label = st.selectbox(
            "Move to class",
            data.classes,
            index=None,
            accept_new_options=True,
            placeholder="Choose a class, or type a new one",
            label_visibility="collapsed",
            key=f"move_to_{data.version}",
            width=260,
        )
        if st.button("Move", icon=":material/label:", type="primary", disabled=not label, key="relabel"):
            _edit_picked(picked, relabel, data, chosen, label)
        if st.button("Take out", icon=":material/remove_circle:", key="exclude"):
            _edit_picked(picked, exclude, data, chosen)


def _edit_picked(picked: set[int], edit: Callable[..., Dataset], *arguments: object) -> None:
    _set_picked(picked, set())
    apply_edit(edit, *arguments)


def _set_picked(picked: set[int], chosen: set[int]) -> None:
    picked.clear()
    picked.update(chosen)
    # A new generation of keys: a tick box keeps its own value otherwise.
    st.session_state["picks"] += 1
