"""Runs: every training so far; open, compare, name, repeat or delete them."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from app.jobs import start_resume, start_training
from app.parts import empty, opening
from app.state import distinct, select, workspace
from app.text import decimals, duration, file_size, local_time, percent, plain
from vitcore.charts import comparison_chart
from vitcore.dataset import load_dataset
from vitcore.errors import VitcoreError
from vitcore.runs import Run, delete_run, describe_run, list_runs, restore_run
from vitcore.workspace import folder_bytes

STATES = {
    "complete": "complete",
    "stopped": "stopped early",
    "running": "running",
    "interrupted": "interrupted",
    "failed": "failed",
}
CURVES = {
    "validation_loss": "validation loss",
    "training_loss": "training loss",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "cohen_kappa": "Cohen's kappa",
}
MOST_COMPARED = 8


@st.cache_data(ttl=60, show_spinner=False)
def disk_use() -> int:
    """Size of the whole workspace, counted once a minute at most."""
    return folder_bytes(workspace().root)


def settings_of(run: Run) -> dict[str, Any]:
    """All that decides what a training does, by name."""
    about = run.config
    return {
        "dataset": f"{about['dataset']['name']} (version {about['dataset']['version']})",
        "backbone": about["backbone"]["title"],
        "precision": about["device"]["precision"],
        **run.hyperparameters.to_dict(),
    }


def differing(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Of each run, the settings that are not the same in all of them."""
    settings = [settings_of(run) for run in runs]
    names = [name for name in settings[0] if len({repr(each[name]) for each in settings}) > 1]
    return [{name: each[name] for name in names} for each in settings]


def figure(run: Run, name: str) -> str:
    """A figure of a run, with its spread over the folds or seeds of further trainings."""
    if not run.has_model:
        return ""
    show = percent if name == "accuracy" else decimals
    parts = [show(run.evaluation.metrics[name].value)]
    for fact, noun in (("cross_validation", "folds"), ("repeats", "seeds")):
        values = pd.Series(run.facts.get(fact, {}).get(name, []), dtype="float64").dropna()
        if len(values) > 1:
            parts.append(f"{len(values)} {noun}: {show(values.mean())} ± {show(values.std())}")
    return " · ".join(parts)


def table_row(run: Run, settings: dict[str, Any]) -> dict[str, object]:
    """What the table shows of a run."""
    seconds = run.facts.get("seconds", {}).get("total")
    own = {name: value for name, value in settings.items() if name not in {"dataset", "backbone"}}
    return {
        "name": run.name,
        "state": STATES[run.state],
        "accuracy": figure(run, "accuracy"),
        "kappa": figure(run, "cohen_kappa"),
        "dataset": f"{run.config['dataset']['name']}, version {run.config['dataset']['version']}",
        "settings that differ": ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in own.items()),
        "started": local_time(run.config["created"]),
        "epochs": f"{len(run.history)} of {run.hyperparameters.epochs}",
        "time": duration(seconds) if seconds is not None else "",
        "backbone": run.config["backbone"]["title"],
        "note": run.note,
        "size": file_size(folder_bytes(run.folder)),
    }


def actions(run: Run) -> None:
    """What can be done with the chosen run."""
    st.subheader(plain(run.name, 120), anchor=False)
    message = run.facts.get("message", "")
    if run.state == "interrupted":
        message = "The process that trained it ended before it was done. Go on: what was done so far is kept."
    if message:
        st.info(plain(message, 400), icon=":material/info:")
    with st.container(horizontal=True):
        if run.has_model and st.button("Open", type="primary", icon=":material/monitoring:"):
            select("dataset", run.config["dataset"]["id"])
            select("run", run.id)
            st.switch_page("pages/evaluate.py")
        if run.can_resume and st.button("Go on", icon=":material/play_arrow:", key=f"resume_{run.id}"):
            go_on(run)
        if run.state != "running" and st.button("Repeat", icon=":material/replay:"):
            repeat(run)
        with st.popover("Name and note", icon=":material/edit_note:"):
            describe(run)
        if run.state != "running" and st.button("Delete", icon=":material/delete:", key=f"delete_{run.id}"):
            delete([run])
    with st.expander("All settings"):
        st.json(dict(run.config))


def describe(run: Run) -> None:
    """A name and a note of one's own."""
    name = st.text_input("Name", run.name, max_chars=200, key=f"name_{run.id}")
    note = st.text_area("Note", run.note, max_chars=2000, key=f"note_{run.id}")
    if st.button("Keep", icon=":material/check:", key=f"describe_{run.id}"):
        try:
            describe_run(run.id, name=name, note=note, workspace=workspace())
        except VitcoreError as error:
            st.session_state["notice"] = ("failed", plain(str(error), 300))
        st.rerun()


def delete(runs: Sequence[Run]) -> None:
    """Delete runs; the page offers to bring them back."""
    try:
        for run in runs:
            delete_run(run.id, workspace=workspace())
            st.session_state.setdefault("deleted_runs", []).append((run.id, run.name))
    except VitcoreError as error:
        st.session_state["notice"] = ("failed", plain(str(error), 300))
    st.rerun()


def undo_delete() -> None:
    """A button that brings back what this session deleted last."""
    deleted: list[tuple[str, str]] = st.session_state.setdefault("deleted_runs", [])
    if deleted and st.button(
        f"Undo: deleted {plain(deleted[-1][1], 60)}", icon=":material/undo:", key="undo_delete"
    ):
        try:
            restore_run(deleted.pop()[0], workspace=workspace())
        except VitcoreError as error:
            st.session_state["notice"] = ("failed", plain(str(error), 300))
        st.rerun()


def compare(runs: Sequence[Run]) -> None:
    """The curves of several runs over each other, and the settings in which they differ."""
    st.subheader(f"{len(runs)} runs side by side", anchor=False)
    if len(runs) > MOST_COMPARED:
        st.caption(f"The first {MOST_COMPARED} of them are drawn.")
        runs = runs[:MOST_COMPARED]
    names = distinct({run.id: run.name for run in runs})
    column = st.segmented_control(
        "Curve", list(CURVES), default="validation_loss", required=True, format_func=CURVES.__getitem__
    )
    histories = {names[run.id]: run.history for run in runs if len(run.history)}
    if histories:
        chart = comparison_chart(histories, column, CURVES[column])
        st.altair_chart(chart, width="stretch", alt=f"{CURVES[column]} of the chosen runs")
    rows = [
        {
            "run": names[run.id],
            "accuracy": figure(run, "accuracy"),
            "balanced accuracy": figure(run, "balanced_accuracy"),
            "kappa": figure(run, "cohen_kappa"),
            **{name.replace("_", " "): str(value) for name, value in settings.items()},
        }
        for run, settings in zip(runs, differing(runs), strict=True)
    ]
    st.dataframe(pd.DataFrame(rows).set_index("run").T, width="stretch")
    if st.button(f"Delete these {len(runs)} runs", icon=":material/delete:", key="delete_several"):
        delete([run for run in runs if run.state != "running"])


def go_on(run: Run) -> None:
    """Go on with a training that ended early, and watch it."""
    start_resume(run)
    select("dataset", run.config["dataset"]["id"])
    st.switch_page("pages/train.py")


def repeat(run: Run) -> None:
    """Train again with the same settings on the same version of the dataset."""
    about = run.config["dataset"]
    try:
        data = load_dataset(about["id"], version=about["version"], workspace=workspace())
        start_training(data, run.hyperparameters, run.config["requested"])
    except VitcoreError as error:
        st.error(plain(str(error), 400), icon=":material/error:")
        return
    select("dataset", data.id)
    st.switch_page("pages/train.py")


opening(
    "Runs", "Every training so far. Choose one to open, repeat or delete it; choose several to compare them."
)
runs = list_runs(workspace())
undo_delete()
if not runs:
    empty("Nothing has been trained yet.", "train", "Go to Train")
event = st.dataframe(
    pd.DataFrame([table_row(run, own) for run, own in zip(runs, differing(runs), strict=True)]),
    hide_index=True,
    width="stretch",
    on_select="rerun",
    selection_mode="multi-row",
    key="runs_table",
)
# The list may have become shorter since the rows were chosen.
chosen = [runs[row] for row in event["selection"]["rows"] if row < len(runs)]
if len(chosen) > 1:
    compare(chosen)
else:
    actions(chosen[0] if chosen else runs[0])
st.caption(f"All datasets, kept embeddings and runs together take {file_size(disk_use())} on this disk.")
