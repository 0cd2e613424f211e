"""What one browser session looks at: its dataset and its run, and the things all sessions share."""

from collections.abc import Hashable
from pathlib import Path
from typing import Literal

import streamlit as st

from vitcore.dataset import Dataset, list_datasets, load_dataset
from vitcore.inference import Classifier, load_classifier
from vitcore.jobs import JobQueue
from vitcore.language import tr
from vitcore.runs import Run, list_runs, load_run
from vitcore.workspace import Workspace

__all__ = [
    "apply_selection",
    "classifier",
    "dataset",
    "datasets",
    "distinct",
    "job_queue",
    "run",
    "runs_of",
    "select",
    "stamp",
    "unfinished_runs",
    "workspace",
]

Kind = Literal["dataset", "run"]


@st.cache_resource(show_spinner=False)
def workspace() -> Workspace:
    """The workspace, cleared of what killed processes left behind."""
    found = Workspace.default()
    found.sweep()
    return found


@st.cache_resource(show_spinner=False)
def job_queue() -> JobQueue:
    """The jobs of this server, shared by all sessions."""
    return JobQueue()


def datasets() -> dict[str, str]:
    """Names of the datasets by id, newest first."""
    table = list_datasets(workspace())
    return distinct(dict(zip(table["id"], table["name"], strict=True)))


def runs_of(dataset_id: str) -> list[Run]:
    """The runs on a dataset that have results, newest first."""
    found = list_runs(workspace())
    return [item for item in found if item.config.dataset.id == dataset_id and item.has_model]


def unfinished_runs(dataset_id: str) -> list[Run]:
    """The trainings on a dataset that ended before their time and can go on, newest first."""
    return [run for run in list_runs(workspace()) if run.config.dataset.id == dataset_id and run.can_resume]


def select(kind: Kind, item_id: str) -> None:
    """Choose a dataset or a run; takes effect at the next rerun."""
    st.session_state[f"pending_{kind}"] = item_id


def apply_selection(kind: Kind, options: list[str]) -> None:
    """Before the selector is drawn: apply what was chosen by `select`, fall back to the newest."""
    chosen = st.session_state.pop(f"pending_{kind}", None)
    if chosen in options:
        st.session_state[kind] = chosen
    if options and st.session_state.get(kind) not in options:
        st.session_state[kind] = options[0]
    if not options:
        st.session_state.pop(kind, None)


def dataset() -> Dataset | None:
    """The chosen dataset."""
    chosen = st.session_state.get("dataset")
    if chosen is None:
        return None
    row = list_datasets(workspace()).set_index("id").loc[chosen]
    return _load_dataset(chosen, int(row["version"]), str(row["name"]))


def run() -> Run | None:
    """The chosen run."""
    chosen = st.session_state.get("run")
    return load_run(chosen, workspace=workspace()) if chosen else None


def stamp(run: Run) -> Hashable:
    """Changes with the results of a run, and with the level of doubt that was chosen for it."""
    files = run.folder / "evaluation.json", run.folder / "model" / "config.json"
    return (run.id, *(file.stat().st_mtime_ns for file in files if file.is_file()))


def classifier(run: Run) -> Classifier:
    """The classifier of a run, loaded once for all sessions, and again when another level is chosen.

    Raises:
        VitcoreError: It cannot be had.
    """
    with st.spinner(tr("Loading the classifier …")):
        return _load_classifier(stamp(run), run.folder)


@st.cache_resource(show_spinner=False, max_entries=2)
def _load_classifier(key: Hashable, folder: Path) -> Classifier:  # noqa: ARG001 - changes with its files
    return load_classifier(folder, workspace=workspace())


@st.cache_resource(show_spinner=False, max_entries=8)
def _load_dataset(dataset_id: str, version: int, name: str) -> Dataset:  # noqa: ARG001 - part of the key
    return load_dataset(dataset_id, version=version, workspace=workspace())


def distinct(names: dict[str, str]) -> dict[str, str]:
    """The same names, numbered where one occurs twice: a selector tells its options by their text."""
    seen: dict[str, int] = {}
    distinct = {}
    for key, name in names.items():
        seen[name] = seen.get(name, 0) + 1
        distinct[key] = name if seen[name] == 1 else f"{name} ({seen[name]})"
    return distinct
