"""A live camera: what it sees is answered about as fast as the classifier can."""

import streamlit as st

from app.components.camera import draw_camera
from app.routes import frame_address
from app.shared.messages import draw_error, reported
from app.shared.results import cached_classifier, results_version
from app.shared.watchers import Watcher
from vitcore.language import current, tr
from vitcore.runs import Run

__all__ = ["draw_live"]


def draw_live(run: Run) -> None:
    """Draw a camera with the answer of a run's classifier beside it."""
    st.caption(tr("Hold something in front of the camera. Nothing that it sees is kept."))
    with reported(draw_error):
        watcher = _watcher(run)
        watcher.language = current()
        draw_camera("answer", frame_address(), watcher.token, key="live")


def _watcher(run: Run) -> Watcher:
    """Return what answers for this session; another one when the run or its level of doubt changed.

    Raises:
        VitcoreError: The classifier cannot be loaded.
    """
    key = results_version(run)
    kept: tuple[object, Watcher] | None = st.session_state.get("watcher")
    if kept is None or kept[0] != key:
        kept = st.session_state["watcher"] = (key, Watcher(cached_classifier(run)))
    return kept[1]
