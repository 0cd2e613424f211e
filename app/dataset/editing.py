"""Looking through the photos of a dataset, and mending them: other classes, photos removed, undo."""

from collections.abc import Callable, Mapping

import pandas as pd
import streamlit as st

from app.shared.edits import apply_edit, draw_undo_button
from app.shared.layout import draw_pagination
from app.shared.pictures import draw_thumbnail
from app.shared.text import escape_markdown
from vitcore.dataset import Dataset, exclude, relabel, restore
from vitcore.language import listed, mark, number, tr

__all__ = ["PARTS", "draw_browser", "split_in_words"]

PARTS = {  # of a ready-made split
    "train": mark("for training"),
    "validation": mark("for validation"),
    "test": mark("for testing"),
}
# Entries of the list of classes that are none.
ALL = "all"
TAKEN_OUT = "taken_out"


def split_in_words(counts: Mapping[str, int]) -> str:
    """Return how many images each part of a ready-made split has, in words."""
    return listed([f"{number(counts[part])} {tr(name)}" for part, name in PARTS.items() if part in counts])


@st.fragment
def draw_browser(data: Dataset) -> None:
    """Draw the photos, page by page, to be looked at and to be chosen for an edit."""
    options = [ALL, *data.classes, *([TAKEN_OUT] if len(data.excluded) else [])]
    titles = [_option(data, name, place) for place, name in enumerate(options)]
    left, right = st.columns([2, 3], vertical_alignment="bottom")
    kept = f"class_{data.id}"  # what is shown, whatever becomes of the counts beside the names
    before = st.session_state.get(kept, ALL)
    label = left.selectbox(
        tr("Class"),
        range(len(options)),
        index=options.index(before) if before in options else 0,
        format_func=titles.__getitem__,
        key=f"class_{data.id}_{data.version}",  # the browser would go on showing the counts of before
    )
    shown = st.session_state[kept] = options[label]
    if label == 0:
        # One class after the other would show only the first on this page.
        rows = data.index.sample(frac=1, random_state=0)
    elif shown == TAKEN_OUT and label == len(options) - 1 and len(data.excluded):
        rows = data.excluded
    else:
        rows = data.index[data.index["label"] == shown]
    with right:
        draw_undo_button(data)
    page = rows.iloc[list(draw_pagination(len(rows), f"page_{data.id}"))]
    picked = _picked(data)
    _actions(data, picked, page, taken_out=rows is data.excluded)
    _pictures(data, page, picked)
    st.caption(tr("Each photo is shown as far as the classifier sees it. Tick photos to change them."))


def _option(data: Dataset, name: str, place: int) -> str:
    """Return a class, or an entry that is none, with its count, for a selector, which shows plain text."""
    if place == 0:
        return tr("All classes") + f" ({number(len(data.index))})"
    if place > len(data.classes):
        return tr("Removed") + f" ({number(len(data.excluded))})"
    return f"{name} ({number(data.class_counts[name])})"


def _picked(data: Dataset) -> set[int]:
    """Return the photos that are ticked; those that are gone are forgotten."""
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
                draw_thumbnail(data, row.file)
                st.checkbox(
                    escape_markdown(row.label, 24),
                    value=row.image_id in picked,
                    key=f"pick_{data.id}_{generation}_{row.image_id}",
                    on_change=toggle,
                    args=(row.image_id,),
                )


def _actions(data: Dataset, picked: set[int], page: pd.DataFrame, *, taken_out: bool) -> None:
    """Draw what can be done with the ticked photos."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.button(
            tr("Tick all on this page"),
            icon=":material/select_all:",
            key="pick_page",
            on_click=_set_picked,
            args=(picked, picked | set(page["image_id"])),
        )
        if not picked:
            return
        st.button(
            tr("Untick all ({count})").format(count=number(len(picked))),
            icon=":material/deselect:",
            key="pick_none",
            on_click=_set_picked,
            args=(picked, set()),
        )
        chosen = sorted(picked)
        if taken_out:
            if st.button(tr("Bring back"), icon=":material/undo:", type="primary", key="restore"):
                _edit_picked(picked, restore, data, chosen)
            return
        label = st.selectbox(
            tr("Move to class"),
            data.classes,
            index=None,
            accept_new_options=True,
            placeholder=tr("Choose a class, or type a new one"),
            label_visibility="collapsed",
            key=f"move_to_{data.version}",
            width=260,
        )
        if st.button(tr("Move"), icon=":material/label:", type="primary", disabled=not label, key="relabel"):
            _edit_picked(picked, relabel, data, chosen, label)
        if st.button(tr("Remove"), icon=":material/remove_circle:", key="exclude"):
            _edit_picked(picked, exclude, data, chosen)


def _edit_picked(picked: set[int], edit: Callable[..., Dataset], *arguments: object) -> None:
    _set_picked(picked, set())
    apply_edit(edit, *arguments)


def _set_picked(picked: set[int], chosen: set[int]) -> None:
    picked.clear()
    picked.update(chosen)
    # A new generation of keys: a tick box keeps its own value otherwise.
    st.session_state["picks"] += 1
