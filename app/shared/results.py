"""The results of a run, read once for all sessions: figures, embeddings, classifier, review."""

from collections.abc import Hashable

import streamlit as st

from app.shared.messages import draw_error
from app.shared.state import workspace
from vitcore.errors import VitcoreError
from vitcore.inference import Classifier, load_classifier
from vitcore.language import tr
from vitcore.pipeline import Review, RunVectors, load_review, run_vectors
from vitcore.runs import Run, load_run

__all__ = ["cached_classifier", "cached_review", "cached_run", "cached_vectors", "results_version"]


def results_version(run: Run) -> Hashable:
    """Return what changes with the results of a run and with the level of doubt that was chosen for it."""
    files = run.folder / "evaluation.json", run.folder / "model" / "config.json"
    return (run.id, *(file.stat().st_mtime_ns for file in files if file.is_file()))


def cached_run(run: Run) -> Run:
    """Return the same run, whose results are read once for all sessions."""
    return _kept(results_version(run), run.id)


@st.cache_resource(show_spinner=False, max_entries=4)
def _kept(key: Hashable, run_id: str) -> Run:  # noqa: ARG001 - changes with the results
    return load_run(run_id, workspace=workspace())


def cached_classifier(run: Run, *, judged: bool = False) -> Classifier:
    """Load the classifier of a run, once for all sessions, and again when another level is chosen.

    Args:
        run: The run.
        judged: Whether to load it as it was judged on the validation images, which it did not learn from.

    Raises:
        VitcoreError: It cannot be had.
    """
    with st.spinner(tr("Loading the classifier …")):
        return _load_classifier(results_version(run), run, judged)


@st.cache_resource(show_spinner=False, max_entries=2)
def _load_classifier(key: Hashable, _run: Run, judged: bool) -> Classifier:  # noqa: ARG001 - as above
    head = _run.validation_head if judged else None
    return load_classifier(_run.folder, head=head, workspace=workspace())


def cached_vectors(run: Run) -> RunVectors:
    """Load the stored embeddings of a run, once for all sessions.

    Raises:
        VitcoreError: They cannot be had.
    """
    with st.spinner(tr("Reading the embeddings …")):
        return _vectors(results_version(run), run)


@st.cache_resource(show_spinner=False, max_entries=2)
def _vectors(key: Hashable, _run: Run) -> RunVectors:  # noqa: ARG001 - the key stands for the run
    return run_vectors(_run, workspace=workspace())


def cached_review(run: Run) -> Review | None:
    """Load what a closer look found, once for all sessions; None if nobody took one."""
    path = run.folder / "review.json"
    if not path.is_file():
        return None
    try:
        return _loaded(run.id, path.stat().st_mtime_ns)
    except VitcoreError as error:
        draw_error(error)
        return None


@st.cache_resource(show_spinner=False, max_entries=4)
def _loaded(run_id: str, version: int) -> Review | None:  # noqa: ARG001 - part of the key
    return load_review(load_run(run_id, workspace=workspace()))
