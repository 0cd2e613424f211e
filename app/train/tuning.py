"""Finding good settings: how to ask for it, how it goes, and what it found."""

import math
from dataclasses import fields
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from app.shared.cached_charts import draw_chart
from app.shared.job_kinds import TUNING
from app.shared.jobs import draw_jobs, is_active, start
from app.shared.messages import draw_error, reported
from app.shared.starting import device_of
from app.shared.state import workspace
from app.shared.text import escape_markdown
from app.train.settings import describe_settings, load_settings
from vitcore.charts import learning_rate_chart, trials_chart
from vitcore.compute import Compute
from vitcore.dataset import Dataset
from vitcore.errors import NotFoundError, VitcoreError
from vitcore.jobs import Job
from vitcore.language import duration, number, percent, tr
from vitcore.pipeline import Tuning, find_settings, load_tuning
from vitcore.report import significant
from vitcore.training import Hyperparameters

__all__ = ["draw_tuning"]

TRIALS = (10, 20, 30, 50, 100, 200, 500)
MINUTES = (1, 2, 5, 10, 30, 60, 0)


def draw_tuning(data: Dataset, values: dict[str, Any], requested: dict[str, Any]) -> None:
    """Draw the search for settings, below those from which it begins."""
    running = is_active(TUNING)
    found = _found(data)
    if running:  # and it stays open to show what was found
        st.session_state["tuning_open"] = True
    title = tr("Find good settings")
    with st.expander(title, icon=":material/search:", key="tuning_open", on_change="rerun"):
        st.markdown(
            tr(
                "Tries many settings and keeps those that do best. They are compared by cross-validation "
                "inside the training photos, so the validation photos stay unseen and judge fairly. The "
                "search begins with the settings above."
            )
        )
        with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
            trials = st.select_slider(
                tr("Settings to try"), TRIALS, 30, key="trials", persist_state="session"
            )
            titles = {value: number(value) if value else tr("any number") for value in MINUTES}
            minutes = st.select_slider(
                tr("Minutes at most"),
                MINUTES,
                10,
                format_func=titles.__getitem__,
                key="minutes",
                persist_state="session",
            )
            if st.button(title, icon=":material/search:", disabled=running, key="tune"):
                _start(data, values, requested, trials, 60 * minutes or None)
        if running:
            draw_jobs(TUNING, below=partial(_draw_trials_so_far, data))
        elif found is not None:
            _result(data, found)


def _found(data: Dataset) -> Tuning | None:
    try:
        return load_tuning(data, workspace=workspace())
    except NotFoundError:
        return None
    except VitcoreError as error:
        draw_error(error)
        return None


def _start(
    data: Dataset, values: dict[str, Any], requested: dict[str, Any], trials: int, seconds: float | None
) -> None:
    with reported(draw_error):
        hyperparameters, compute = Hyperparameters(**values), Compute(**requested)
        start(
            TUNING,
            data.name,
            lambda job: find_settings(
                data,
                hyperparameters,
                compute=compute,
                trials=trials,
                seconds=seconds,
                workspace=workspace(),
                task=job.task,
            ),
            device=device_of(compute),
            result_id=data.id,
            uses=(data.folder,),
        )
        st.rerun()


def _draw_trials_so_far(data: Dataset, job: Job) -> None:  # noqa: ARG001 - as `draw_jobs` asks for
    """Draw what a search has tried so far."""
    found = _found(data)
    if found is not None and found.state == "running":
        _draw_trials(data, found)


def _draw_trials(data: Dataset, found: Tuning) -> None:
    table = pd.DataFrame(
        {
            "number": [trial.number for trial in found.trials],
            "value": [trial.value for trial in found.trials],
            "best": [trial.best for trial in found.trials],
            "pruned": [trial.pruned for trial in found.trials],
            "baseline": [trial.baseline for trial in found.trials],
            "text": [_text(trial.hyperparameters, found.base) for trial in found.trials],
        }
    )
    draw_chart(
        ("trials", data.id, found.base, found.seconds, len(found.trials)),
        lambda: trials_chart(table, found.asked),
        tr("Accuracy of the settings that were tried"),
    )


def _result(data: Dataset, found: Tuning) -> None:
    """Draw the best settings, how much better they are, and what to do with them."""
    best = found.best
    if found.number:
        sentences = [
            tr("Best of {count} settings: **{accuracy}** accuracy in cross-validation.").format(
                count=number(len(found.trials)), accuracy=percent(1 - found.value)
            ),
            tr("The settings that it began with: {accuracy}.").format(accuracy=percent(1 - found.baseline)),
        ]
        if not math.isnan(found.logistic):
            sentences.append(
                tr("Logistic regression: {accuracy}.").format(accuracy=percent(1 - found.logistic))
            )
        sentences.append(tr("It took {time}.").format(time=duration(found.seconds)))
        st.markdown(" ".join(sentences))
        luck = (found.value * (1 - found.value) / found.images) ** 0.5
        if found.baseline - found.value < luck:
            st.caption(
                tr(
                    "With {count} photos, differences below {share} may be luck: the settings that it began "
                    "with are about as good."
                ).format(count=number(found.images), share=percent(luck))
            )
    if found.state == "interrupted":
        st.caption(
            tr(
                "This search was interrupted. The best of the {count} settings that it had tried: {accuracy} "
                "accuracy in cross-validation."
            ).format(count=number(len(found.trials)), accuracy=percent(1 - best.value))
        )
    if found.version != data.version:
        st.caption(tr("The photos have been changed since; a new search may find something else."))
    st.markdown(f"**{escape_markdown(_text(best.hyperparameters, found.base), 400)}**")
    chosen = best.hyperparameters, vars(found.requested)
    with st.container(horizontal=True):
        st.button(
            tr("Use these settings"),
            icon=":material/tune:",
            key="use_found",
            on_click=load_settings,
            args=chosen,
        )
        if found.rates is not None:
            st.button(
                tr("Only the learning rate {rate}").format(rate=significant(found.rates.suggestion)),
                key="use_rate",
                on_click=_use_rate,
                args=(found.rates.suggestion,),
                help=tr("Where the loss falls fastest while the rate rises, with the settings begun with."),
            )
    left, right = st.columns([3, 2] if found.rates is not None else [1, 0.01])
    with left:
        _draw_trials(data, found)
    rates = found.rates
    if rates is not None:
        with right:
            draw_chart(
                ("rates", data.id, found.base, found.seconds, rates.suggestion),
                lambda: learning_rate_chart(rates.curve, rates.suggestion),
                tr("Loss while the learning rate rises"),
            )


def _use_rate(rate: float) -> None:
    st.session_state["learning_rate"] = rate


def _text(found: Hyperparameters, base: Hyperparameters) -> str:
    """Return how settings differ from those that were begun with."""
    names = [f.name for f in fields(base) if getattr(found, f.name) != getattr(base, f.name)]
    return describe_settings(found, names) or tr("the settings that it began with")
