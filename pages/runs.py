"""Runs: every training so far; open, repeat or delete one."""

import pandas as pd
import streamlit as st

from app.jobs import start_training
from app.parts import empty, opening
from app.state import select, workspace
from app.text import decimals, duration, local_time, percent, plain
from vitcore.dataset import load_dataset
from vitcore.errors import VitcoreError
from vitcore.runs import Run, delete_run, list_runs

STATES = {
    "complete": "complete",
    "stopped": "stopped early",
    "running": "running",
    "interrupted": "interrupted",
    "failed": "failed",
}


def table_row(run: Run) -> dict[str, object]:
    """What the table shows of a run."""
    metrics = run.evaluation.metrics if run.has_model else {}
    seconds = run.facts.get("seconds", {}).get("total")
    return {
        "state": STATES[run.state],
        "accuracy": percent(metrics["accuracy"].value) if metrics else "",
        "kappa": decimals(metrics["cohen_kappa"].value) if metrics else "",
        "dataset": run.config["dataset"]["name"],
        "started": local_time(run.config["created"]),
        "epochs": f"{len(run.history)} of {run.hyperparameters.epochs}",
        "time": duration(seconds) if seconds is not None else "",
        "backbone": run.config["backbone"]["title"],
    }


def actions(run: Run) -> None:
    """What can be done with the chosen run."""
    st.subheader(plain(run.name, 120), anchor=False)
    message = run.facts.get("message", "")
    if run.state == "interrupted":
        message = (
            "The process that trained it ended before it was done. Repeat it: images already seen are kept."
        )
    if message:
        st.info(plain(message, 400), icon=":material/info:")
    with st.container(horizontal=True):
        if run.has_model and st.button("Open", type="primary", icon=":material/monitoring:"):
            select("dataset", run.config["dataset"]["id"])
            select("run", run.id)
            st.switch_page("pages/evaluate.py")
        if run.state != "running" and st.button("Repeat", icon=":material/replay:"):
            repeat(run)
        if run.state != "running":
            with st.popover("Delete", icon=":material/delete:"):
                st.markdown("Deletes this training with its classifier and figures.")
                if st.button("Delete for good", type="primary", key=f"delete_{run.id}"):
                    delete_run(run.id, workspace=workspace())
                    st.rerun()
    with st.expander("All settings"):
        st.json(dict(run.config))


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


opening("Runs", "Every training so far. Choose one to open, repeat or delete it.")
runs = list_runs(workspace())
if not runs:
    empty("Nothing has been trained yet.", "train", "Go to Train")
event = st.dataframe(
    pd.DataFrame([table_row(run) for run in runs]),
    hide_index=True,
    width="stretch",
    on_select="rerun",
    selection_mode="single-row-required",
    key="runs_table",
)
chosen = event["selection"]["rows"]
# The list may have become shorter since the row was chosen.
actions(runs[min(chosen[0], len(runs) - 1)] if chosen else runs[0])
