"""Runs beside each other: their figures, the settings in which they differ, their curves."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from app.runs.actions import delete_runs
from app.shared.cached_charts import draw_chart
from app.shared.difference import draw_difference
from app.shared.engine import engine_of, engine_title
from app.shared.layout import draw_switch
from app.shared.messages import draw_error, reported
from app.shared.results import results_version
from app.shared.state import distinct_names
from vitcore.charts import comparison_chart
from vitcore.evaluation import METRICS
from vitcore.language import mark, number, tr
from vitcore.records import plain_values
from vitcore.report import metric_figure, metric_name, setting_title, setting_value
from vitcore.runs import Run

__all__ = ["differing", "draw_side_by_side", "figure", "in_words"]

_CURVES = {
    "validation_loss": mark("validation loss"),
    "training_loss": mark("training loss"),
    **{name: METRICS[name].name for name in ("accuracy", "balanced_accuracy", "cohen_kappa")},
}
_MOST = 8  # compared at once, for as many have colours of their own


def differing(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Of each run, the settings that are not the same in all of them."""
    settings = [_settings_of(run) for run in runs]
    names = [name for name in settings[0] if len({repr(each[name]) for each in settings}) > 1]
    return [{name: each[name] for name in names} for each in settings]


def in_words(settings: Mapping[str, Any]) -> dict[str, str]:
    """Settings as people call them and their values.

    Args:
        settings: Some of those that `differing` gives, by name.
    """
    return {
        setting_title(name, in_sentence=True): setting_value(name, value) for name, value in settings.items()
    }


_SOURCES = {
    "test": mark("{figure} (test)"),
    "cross-validation": mark("{figure} (cross-validated)"),
    "validation": mark("{figure} (validation)"),
}


def figure(run: Run, name: str) -> str:
    """A figure of a run and its source, with its spread over the folds or seeds of further trainings."""
    if not run.has_model:
        return ""
    text = str(metric_figure(name, run.facts.headline_evaluation(run.evaluation).metrics[name]))
    parts = [tr(_SOURCES[run.facts.headline_source]).format(figure=text)]
    for fact, text in (
        ("cross_validation", tr("{count} folds: {mean} ± {deviation}")),
        ("repeats", tr("{count} seeds: {mean} ± {deviation}")),
    ):
        found = getattr(run.facts, fact)
        if getattr(found, "evaluation", None) is not None:  # the figure itself comes from these
            continue
        values = pd.Series(() if found is None else getattr(found, name), dtype="float64").dropna()
        if len(values) > 1:
            mean, deviation = metric_figure(name, values.mean()), metric_figure(name, values.std())
            parts.append(text.format(count=number(len(values)), mean=mean, deviation=deviation))
    return " · ".join(parts)


def draw_side_by_side(runs: Sequence[Run]) -> None:
    """Draw which of several runs is better, their curves, and the settings in which they differ."""
    st.subheader(tr("{count} runs side by side").format(count=number(len(runs))), anchor=False)
    if len(runs) > _MOST:
        st.caption(tr("The first {count} of them are drawn.").format(count=number(_MOST)))
        runs = runs[:_MOST]
    names = distinct_names({run.id: run.name for run in runs})
    _draw_differences(runs, names)
    curves = {name: tr(title) for name, title in _CURVES.items()}
    column = draw_switch(tr("Curve"), curves, "compared_curve")
    histories = {names[run.id]: run.history for run in runs if len(run.history)}
    if histories:
        draw_chart(
            ("compared", column, *((results_version(run), names[run.id], len(run.history)) for run in runs)),
            lambda: comparison_chart(histories, column, curves[column]),
            tr("{curve} of the chosen runs").format(curve=curves[column]),
        )
    rows = {
        names[run.id]: {
            **{
                metric_name(name): figure(run, name)
                for name in ("accuracy", "balanced_accuracy", "cohen_kappa")
            },
            **in_words(settings),
        }
        for run, settings in zip(runs, differing(runs), strict=True)
    }
    st.dataframe(
        pd.DataFrame(rows), width="stretch", column_config={"_index": st.column_config.Column(width="medium")}
    )
    delete = tr("Delete these {count} runs").format(count=number(len(runs)))
    key = f"delete_several_{'_'.join(sorted(run.id for run in runs))}"
    if st.button(delete, icon=":material/delete:", key=key):
        delete_runs([run for run in runs if run.state != "running"])


def _draw_differences(runs: Sequence[Run], names: Mapping[str, str]) -> None:
    """Draw the difference between the latest run and each of the others, on the photos that judged both."""
    judged = sorted((run for run in runs if run.has_model), key=lambda run: run.id, reverse=True)
    for other in judged[1:]:
        with st.container(border=True), reported(draw_error):
            draw_difference(judged[0], other, names)


def _settings_of(run: Run) -> dict[str, Any]:
    """All that decides what a training does, by name."""
    about = run.config
    return {
        "dataset": tr("{name}, version {version}").format(
            name=about.dataset.name, version=number(about.dataset.version)
        ),
        "backbone": tr(about.backbone.title),
        "engine": engine_title(engine_of(run)),
        "precision": about.device.precision,
        **plain_values(run.hyperparameters),
    }
