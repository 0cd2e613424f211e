"""The one place for private interfaces of Streamlit, and of Python itself."""

import concurrent.futures.thread  # noqa: F401 - for its pools to end after what `end_at_once` lets end
import os
import sys
import threading

import streamlit as st
from streamlit import config
from streamlit.runtime.pages_manager import PagesManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

__all__ = ["came_by_history", "end_at_once", "in_page", "release_upload", "require_frame"]


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


def came_by_history() -> bool:
    """Return whether the page is drawn because somebody went back or forward in the browser."""
    context = get_script_run_ctx()
    return context is not None and context.is_history_navigation


def in_page() -> bool:
    """Return whether this thread draws a page for somebody."""
    return get_script_run_ctx(suppress_warning=True) is not None


def end_at_once() -> None:
    """Let the process end as soon as the server has ended, whatever its threads are at.

    Python would first wait for all thread pools, whose users then fail, and then pull the ground away from
    under the threads that are left: one in the middle of a forward pass takes the process down by an abort.
    What they write is safe against an end at any moment.
    """
    if config._server_mode is not None:  # noqa: SLF001 - no server runs in tests, whose process is not ours
        threading._register_atexit(_end)  # noqa: SLF001 - the only hook before the thread pools end


def _end() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1 if hasattr(sys, "last_value") else 0)  # the first: it ended by an exception
