"""Messages on what went wrong or is done: on the spot, or on top of the page at its next rerun."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

import streamlit as st

from app.shared.text import escape_markdown
from vitcore.errors import StorageError, VitcoreError
from vitcore.language import translated
from vitcore.messages import cause

__all__ = [
    "draw_damaged",
    "draw_error",
    "draw_notice",
    "draw_unavailable",
    "error_text",
    "notify",
    "notify_error",
    "reported",
]

_LONGEST = 400  # characters of a message

_NOTICES = {
    "complete": (st.success, "check_circle"),
    "stopped": (st.warning, "stop_circle"),
    "failed": (st.error, "error"),
}


def error_text(error: Exception) -> str:
    """Return what an error says, for Markdown."""
    return escape_markdown(translated(cause(error)), _LONGEST)


def draw_error(error: Exception) -> None:
    """Draw what went wrong."""
    st.error(error_text(error), icon=":material/error:")


def draw_damaged(
    damaged: Mapping[str, StorageError], label: str, delete: Callable[[str], None], *, key: str = "delete"
) -> None:
    """Name what is damaged, and offer to delete each.

    Args:
        damaged: What is wrong with each, by id.
        label: Of the button, with the field ``name`` for the id.
        delete: Deletes one by its id.
        key: The beginning of the keys of the buttons.
    """
    for item_id, error in damaged.items():
        draw_error(error)
        if st.button(label.format(name=item_id), icon=":material/delete:", key=f"{key}_{item_id}"):
            with reported(notify_error):
                delete(item_id)
            st.rerun()


def draw_unavailable(error: Exception) -> None:
    """Draw in a quiet way why something cannot be shown."""
    st.caption(f":material/info: {error_text(error)}")


def notify(state: Literal["complete", "stopped", "failed"], text: str) -> None:
    """Let the next rerun say something, as Markdown, on top of the page."""
    st.session_state["notice"] = (state, text)


def notify_error(error: Exception) -> None:
    """Let the next rerun say what went wrong."""
    notify("failed", error_text(error))


@contextmanager
def reported(report: Callable[[Exception], None]) -> Iterator[None]:
    """Report what goes wrong within, by one of the functions here, and go on behind it."""
    try:
        yield
    except VitcoreError as error:
        report(error)


def draw_notice() -> None:
    """Draw what `notify` was told since the last rerun, once."""
    if notice := st.session_state.pop("notice", None):
        state, text = notice
        show, icon = _NOTICES[state]
        show(text, icon=f":material/{icon}:")
