"""The state of one browser session, its dataset and its run, and what all sessions share."""

from typing import Literal

import streamlit as st

from vitcore.dataset import Dataset, list_datasets, load_dataset
from vitcore.jobs import JobQueue
from vitcore.runs import Run, list_runs, load_run
from vitcore.workspace import Workspace

__all__ = [
    "apply_selection",
    "chosen_dataset",
    "chosen_run",
    "dataset_names",
    "distinct_names",
    "is_labelling",
    "job_queue",
    "runs_of",
    "select",
    "unfinished_runs",
    "workspace",
]

Kind = Literal["dataset", "run"]


@st.cache_resource(show_spinner=False)
def workspace() -> Workspace:
    """Return the workspace, cleared of what killed processes left behind."""
    found = Workspace.default()
    found.sweep()
    return found


@st.cache_resource(show_spinner=False)
def job_queue() -> JobQueue:
    """Return the jobs of this server, shared by all sessions."""
    return JobQueue()


def dataset_names() -> dict[str, str]:
    """Return the names of the datasets by id, newest first."""
    table = list_datasets(workspace())
    return distinct_names(dict(zip(table["id"], table["name"], strict=True)))


def is_labelling() -> bool:
    """Return whether there are photos to label, or were when this session labelled some."""
    table = list_datasets(workspace())
    if ((table["unlabelled"] > 0) | (table["images"] == 0)).any():
        st.session_state["labelling"] = True
    return bool(st.session_state.get("labelling"))


def runs_of(dataset_id: str) -> list[Run]:
    """Return the runs on a dataset that have results, newest first."""
    found = list_runs(workspace())
    return [item for item in found if item.config.dataset.id == dataset_id and item.has_model]


def unfinished_runs(dataset_id: str) -> list[Run]:
    """Return the trainings on a dataset that can be resumed, newest first."""
    return [run for run in list_runs(workspace()) if run.config.dataset.id == dataset_id and run.can_resume]


def select(kind: Kind, item_id: str) -> None:
    """Choose a dataset or a run; takes effect at the next rerun."""
    st.session_state[f"pending_{kind}"] = item_id


def apply_selection(kind: Kind, options: list[str]) -> None:
    """Apply what was chosen by `select`, or fall back to the newest; before the selector is drawn."""
    chosen = st.session_state.pop(f"pending_{kind}", None)
    if chosen in options:
        st.session_state[kind] = chosen
    if options and st.session_state.get(kind) not in options:
        st.session_state[kind] = options[0]
    if not options:
        st.session_state.pop(kind, None)


def chosen_dataset() -> Dataset | None:
    """Return the chosen dataset."""
    chosen = st.session_state.get("dataset")
    if chosen is None:
        return None
    row = list_datasets(workspace()).set_index("id").loc[chosen]
    return _load_dataset(chosen, int(row["version"]), str(row["name"]))


def chosen_run() -> Run | None:
    """Return the chosen run."""
    chosen = st.session_state.get("run")
    return load_run(chosen, workspace=workspace()) if chosen else None


@st.cache_resource(show_spinner=False, max_entries=8)
def _load_dataset(dataset_id: str, version: int, name: str) -> Dataset:  # noqa: ARG001 - part of the key
    return load_dataset(dataset_id, version=version, workspace=workspace())


def distinct_names(names: dict[str, str]) -> dict[str, str]:
    """Return the names, numbered where one occurs twice: a selector tells its options by their text."""
    seen: dict[str, int] = {}
    distinct = {}
    for key, name in names.items():
        seen[name] = seen.get(name, 0) + 1
        distinct[key] = name if seen[name] == 1 else f"{name} ({seen[name]})"
    return distinct
