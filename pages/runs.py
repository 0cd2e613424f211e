"""Runs: every training so far; open, compare, name, repeat or delete them."""

from typing import Any

import pandas as pd
import streamlit as st

from app.parts import empty, opening
from app.run_actions import draw_actions, draw_undo
from app.run_figures import differing, draw_side_by_side, figure
from app.state import workspace
from app.text import duration, file_size, local_time
from vitcore.runs import Run, list_runs
from vitcore.workspace import folder_bytes

STATES = {
    "complete": "complete",
    "stopped": "stopped early",
    "running": "running",
    "interrupted": "interrupted",
    "failed": "failed",
}


@st.cache_data(ttl=60, show_spinner=False)
def disk_use() -> int:
    """Size of the whole workspace, counted once a minute at most."""
    return folder_bytes(workspace().root)


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


opening(
    "Runs", "Every training so far. Choose one to open, repeat or delete it; choose several to compare them."
)
runs = list_runs(workspace())
draw_undo()
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
    draw_side_by_side(chosen)
else:
    draw_actions(chosen[0] if chosen else runs[0])
st.caption(f"All datasets, kept embeddings and runs together take {file_size(disk_use())} on this disk.")
