"""Runs beside each other: their figures, the settings in which they differ, their curves."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from app.parts import switch
from app.run_actions import delete_runs
from app.state import distinct
from app.text import decimals, percent
from vitcore.charts import comparison_chart
from vitcore.runs import Run

__all__ = ["differing", "draw_side_by_side", "figure"]

_CURVES = {
    "validation_loss": "validation loss",
    "training_loss": "training loss",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "cohen_kappa": "Cohen's kappa",
}
_MOST = 8  # compared at once, for as many have colours of their own


def differing(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Of each run, the settings that are not the same in all of them."""
    settings = [_settings_of(run) for run in runs]
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


def draw_side_by_side(runs: Sequence[Run]) -> None:
    """The curves of several runs over each other, and the settings in which they differ."""
    st.subheader(f"{len(runs)} runs side by side", anchor=False)
    if len(runs) > _MOST:
        st.caption(f"The first {_MOST} of them are drawn.")
        runs = runs[:_MOST]
    names = distinct({run.id: run.name for run in runs})
    column = switch("Curve", _CURVES, "compared_curve")
    histories = {names[run.id]: run.history for run in runs if len(run.history)}
    if histories:
        chart = comparison_chart(histories, column, _CURVES[column])
        st.altair_chart(chart, width="stretch", alt=f"{_CURVES[column]} of the chosen runs")
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
        delete_runs([run for run in runs if run.state != "running"])


def _settings_of(run: Run) -> dict[str, Any]:
    """All that decides what a training does, by name."""
    about = run.config
    return {
        "dataset": f"{about['dataset']['name']} (version {about['dataset']['version']})",
        "backbone": about["backbone"]["title"],
        "precision": about["device"]["precision"],
        **run.hyperparameters.to_dict(),
    }
