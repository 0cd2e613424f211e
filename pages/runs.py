"""Runs: every training so far; open, compare, name, repeat or delete them."""

from typing import Any

import pandas as pd
import streamlit as st

from app.runs.actions import draw_actions, draw_undo
from app.runs.comparison import differing, draw_side_by_side, figure, in_words
from app.runs.opened_models import draw_opened_models
from app.shared.layout import draw_empty_state, draw_opening
from app.shared.messages import draw_damaged
from app.shared.state import workspace
from app.shared.tables import draw_choice_table
from vitcore.language import duration, file_size, local_time, number, tr
from vitcore.runs import Run, delete_run, list_damaged_runs, list_runs
from vitcore.workspace import folder_bytes

STATES = {
    "complete": tr("complete"),
    "stopped": tr("stopped early"),
    "running": tr("running"),
    "interrupted": tr("interrupted"),
    "failed": tr("failed"),
}


@st.cache_data(ttl=60, show_spinner=False)
def disk_use() -> int:
    """Return the size of the whole workspace, counted once a minute at most."""
    return folder_bytes(workspace().root)


def table_row(run: Run, settings: dict[str, Any]) -> dict[str, object]:
    """Return what the table shows of a run."""
    seconds = run.facts.seconds
    own = in_words({name: settings[name] for name in settings if name not in {"dataset", "backbone"}})
    data = run.config.dataset
    return {
        tr("name"): run.name,
        tr("state"): STATES[run.state],
        tr("accuracy"): figure(run, "accuracy"),
        tr("kappa"): figure(run, "cohen_kappa"),
        tr("dataset"): tr("{name}, version {version}").format(name=data.name, version=number(data.version)),
        tr("settings that differ"): ", ".join(f"{name} {value}" for name, value in own.items()),
        tr("started"): local_time(run.config.created),
        tr("epochs"): tr("{done} of {total}").format(
            done=number(len(run.history)), total=number(run.hyperparameters.epochs)
        ),
        tr("time"): duration(seconds.total) if seconds is not None else "",
        tr("backbone"): tr(run.config.backbone.title),
        tr("note"): run.note,
        tr("size"): file_size(folder_bytes(run.folder)),
    }


draw_opening(
    tr("Runs"),
    tr("Every training so far. Choose one to open, repeat or delete it; choose several to compare them."),
)
runs = list_runs(workspace())
draw_undo()
draw_damaged(
    list_damaged_runs(workspace()),
    tr("Delete the damaged run {name}"),
    lambda run_id: delete_run(run_id, workspace=workspace()),
)
if not runs:
    draw_opened_models()
    draw_empty_state(tr("Nothing has been trained yet."), "train", tr("Go to Train"))
rows = [table_row(run, own) for run, own in zip(runs, differing(runs), strict=True)]
ids = draw_choice_table(pd.DataFrame(rows), [run.id for run in runs], "runs_chosen", several=True)
chosen = [run for run in runs if run.id in ids]
if len(chosen) > 1:
    draw_side_by_side(chosen)
elif chosen:
    draw_actions(chosen[0])
else:
    st.info(tr("Tick a run to open, rename, repeat or delete it; tick several to compare them."))
draw_opened_models()
st.caption(
    tr("All datasets, kept embeddings and runs together take {size} on this disk.").format(
        size=file_size(disk_use())
    )
)
