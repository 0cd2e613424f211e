"""The language of the pages: the one that was chosen, or else the browser's."""

from pathlib import Path

import streamlit as st

from app._compat import in_page
from vitcore.language import LANGUAGES, current, install, tr

__all__ = ["choose_language", "prepare_language"]


def prepare_language() -> None:
    """Let `vitcore.language` speak the language of whoever looks at a page."""
    install(Path(__file__).parents[1] / "locale", _language)


def choose_language() -> None:
    """Draw the selector, which shows each language by its own name; the choice holds for the session."""
    if "language" not in st.session_state:
        st.session_state["language"] = current()
    st.segmented_control(
        tr("Language"),
        list(LANGUAGES),
        required=True,
        format_func=LANGUAGES.__getitem__,
        key="language",
        label_visibility="collapsed",
        on_change=_choose_again,
        persist_state="session",
    )


def _choose_again() -> None:
    """Choose anew what is chosen in all widgets: the browser knows it by its name in the old language."""
    for key, value in dict(st.session_state.items()).items():
        many = isinstance(value, list) and value != [] and all(isinstance(part, str) for part in value)
        # Whatever else has a value, as buttons and uploads, may not be set; and has no names.
        if many or (isinstance(value, str | int | float) and not isinstance(value, bool)):
            st.session_state[key] = value


def _language() -> str:
    if not in_page():  # work in the background writes down what it has to say in English
        return "en"
    chosen = st.session_state.get("language") or (st.context.locale or "").split("-")[0]
    return chosen if chosen in LANGUAGES else "en"
