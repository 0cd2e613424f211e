"""Messages on what went wrong or is done: on the spot, or on top of the page at its next rerun."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import streamlit as st

from app.shared.text import escape_markdown
from vitcore.errors import VitcoreError
from vitcore.language import translated
from vitcore.messages import cause

__all__ = [
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
