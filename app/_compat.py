"""The one place for Streamlit's private interfaces."""

import streamlit as st
from streamlit.runtime.pages_manager import PagesManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

__all__ = ["in_page", "release_upload", "require_frame"]


def release_upload(upload: UploadedFile) -> None:
    """Let go of an upload's bytes in memory, which Streamlit keeps for as long as the session lives."""
    context = get_script_run_ctx()
    if context is not None:
        context.uploaded_file_mgr.remove_file(context.session_id, upload.file_id)
    upload.close()


def require_frame() -> None:
    """Start over if a page runs without ``streamlit_app.py`` around it.

    Until `st.navigation` has been called once in a process, Streamlit takes any folder called
    ``pages`` for its older kind of multipage app: a link to a page, opened as the very first thing
    after the server has started, would show that page alone.
    """
    if PagesManager.uses_pages_directory:
        PagesManager.uses_pages_directory = False
        st.rerun()


def in_page() -> bool:
    """Return whether this thread draws a page for somebody."""
    return get_script_run_ctx(suppress_warning=True) is not None
