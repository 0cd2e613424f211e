"""The one place for Streamlit's private interfaces."""

from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

__all__ = ["release_upload"]


def release_upload(upload: UploadedFile) -> None:
    """Let go of an upload's bytes in memory, which Streamlit keeps for as long as the session lives."""
    context = get_script_run_ctx()
    if context is not None:
        context.uploaded_file_mgr.remove_file(context.session_id, upload.file_id)
    upload.close()
