"""The one place for private interfaces of Streamlit, and of Python itself."""

import concurrent.futures.thread  # noqa: F401 - for its pools to end after what `end_at_once` lets end
import os
import sys
import threading

from streamlit import config
from streamlit.runtime.pages_manager import PagesManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile
from streamlit.web.server.starlette.starlette_websocket import is_host_allowed

__all__ = [
    "came_by_history",
    "end_at_once",
    "end_now",
    "forget_pages_folder",
    "in_page",
    "is_host_allowed",
    "release_upload",
]


def release_upload(upload: UploadedFile) -> None:
    """Let go of an upload's bytes in memory, which Streamlit keeps for as long as the session lives."""
    context = get_script_run_ctx()
    if context is not None:
        context.uploaded_file_mgr.remove_file(context.session_id, upload.file_id)
    upload.close()


def forget_pages_folder() -> None:
    """Let the menu of pages be that of `st.navigation` alone.

    Until that has been called once in a process, Streamlit takes any folder called ``pages`` for its older
    kind of multipage app: it shows the names of the files there as a menu, and a link to a page that is
    opened as the very first thing shows that page without its frame.
    """
    PagesManager.uses_pages_directory = False


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


def end_now() -> None:
    """End the process of a server whose work is done."""
    if config._server_mode is not None:  # noqa: SLF001 - as above
        _end()


def _end() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1 if hasattr(sys, "last_value") else 0)  # the first: it ended by an exception
