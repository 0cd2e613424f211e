"""Edits of a dataset: made at once, told on top of the page, and undone."""

from collections.abc import Callable

import streamlit as st

from app.shared.messages import notify, notify_error, reported
from app.shared.text import escape_markdown
from vitcore.dataset import Dataset, undo
from vitcore.language import tr, translated

__all__ = ["apply_edit", "draw_undo_button", "undo_last"]


def apply_edit(edit: Callable[..., Dataset], *arguments: object) -> None:
    """Make an edit, which is on the disk at once, let the page say what it did, and draw the page anew."""
    with reported(notify_error):
        text = edit(*arguments).changes[-1].text
        notify("complete", escape_markdown(translated(text), 300))
    st.rerun()


def draw_undo_button(data: Dataset, key: str = "undo") -> None:
    """Draw a button that takes back the last edit, and says which."""
    if data.undoable is not None:
        change = translated(data.undoable).removesuffix(".")
        label = tr("Undo: {change}").format(change=escape_markdown(change, 80))
        if st.button(label, icon=":material/undo:", key=key):
            apply_edit(undo, data)


def undo_last(data: Dataset) -> None:
    """Take back the last edit, if there is one, and draw the page anew."""
    if data.can_undo:
        apply_edit(undo, data)
