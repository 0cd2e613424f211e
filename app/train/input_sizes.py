"""Smaller input sizes: how to have them measured, what they gain and cost, and taking one."""

from typing import Any

import pandas as pd
import streamlit as st

from app.shared.job_kinds import SIZE_COMPARISON
from app.shared.jobs import draw_jobs, is_active, start
from app.shared.messages import draw_error, reported
from app.shared.starting import device_of
from app.shared.state import workspace
from app.shared.text import escape_markdown, signed
from vitcore.compute import Compute
from vitcore.dataset import Dataset
from vitcore.errors import NotFoundError, VitcoreError
from vitcore.language import duration, number, percent, tr, translated
from vitcore.pipeline import SizeComparison, SizeResult, compare_sizes, load_sizes
from vitcore.training import Hyperparameters

__all__ = ["draw_input_sizes"]

USUAL_IMAGES = 160
IMAGES = (40, 80, 160, 320, 640, 1280)


def draw_input_sizes(data: Dataset, values: dict[str, Any], requested: dict[str, Any]) -> None:
    """Draw the comparison of input sizes, below the choice of one.

    Args:
        data: The dataset.
        values: The settings that are chosen.
        requested: The attributes of a `Compute`, as they are chosen.
    """
    st.session_state.setdefault("size_images", USUAL_IMAGES)
    running = is_active(SIZE_COMPARISON)
    with st.container(border=True, key="input_sizes"):
        st.markdown("**" + tr("Would a smaller input size do?") + "**")
        st.caption(
            tr(
                "Looking at each photo is what takes the time, and fewer pixels take less. How much faster "
                "that is here, and how much accuracy it costs on your photos, can be measured on some of the "
                "training photos."
            )
        )
        with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
            images = st.select_slider(
                tr("Photos to compare with"),
                IMAGES,
                format_func=number,
                key="size_images",
                persist_state="session",
                width=260,
                help=tr("More photos tell small differences apart, and take longer."),
            )
            label = tr("Measure smaller input sizes")
            if st.button(label, icon=":material/speed:", disabled=running, key="measure_sizes"):
                _start(data, values, requested, images)
        if running:
            draw_jobs(SIZE_COMPARISON)
        elif (found := _found(data, values, requested["backbone"])) is not None:
            _result(data, values, found)


def _start(data: Dataset, values: dict[str, Any], requested: dict[str, Any], images: int) -> None:
    with reported(draw_error):
        hyperparameters, compute = Hyperparameters(**values), Compute(**requested)
        start(
            SIZE_COMPARISON,
            data.name,
            lambda job: compare_sizes(
                data, hyperparameters, compute=compute, images=images, workspace=workspace(), task=job.task
            ),
            device=device_of(compute),
            result_id=data.id,
            uses=(data.folder,),
        )
        st.rerun()


def _found(data: Dataset, values: dict[str, Any], backbone: str) -> SizeComparison | None:
    try:
        return load_sizes(data, _settings(values), backbone=backbone)
    except NotFoundError:
        return None
    except VitcoreError as error:
        draw_error(error)
        return None


def _settings(values: dict[str, Any]) -> Hyperparameters | None:
    """Return the settings that are chosen; None while they contradict each other."""
    try:
        return Hyperparameters(**values)
    except VitcoreError:  # which the start of a training tells
        return None


def _result(data: Dataset, values: dict[str, Any], found: SizeComparison) -> None:
    """Draw the sizes beside each other, what that means, and a button to take each."""
    chosen = values["input_size"] or found.usual
    st.table(
        pd.DataFrame([_row(result, found) for result in found.sizes]), border="horizontal", hide_index=True
    )
    st.markdown(
        "\n".join(
            f"- **{_pixels(result)}**: {escape_markdown(translated(found.verdict(result)), 300)}"
            for result in found.sizes[1:]
        )
    )
    with st.container(horizontal=True):
        for result in found.sizes:
            in_use = result.size == chosen
            st.button(
                (tr("{size} in use") if in_use else tr("Use {size}")).format(size=_pixels(result)),
                icon=":material/check:" if in_use else None,
                key=f"use_size_{result.size}",
                disabled=in_use,
                on_click=_use,
                args=(0 if result.size == found.usual else result.size,),
            )
    notes = [
        tr(
            "Cross-validation on {count} training photos, {backbone}. A training with all photos is more "
            "accurate than these figures; they are for comparing the sizes."
        ).format(count=number(found.images), backbone=escape_markdown(tr(found.backbone)))
    ]
    if found.version != data.version:
        notes.append(tr("The photos have been changed since."))
    settings = _settings(values)
    if settings is None or not found.suits(settings):
        notes.append(tr("Measured with other settings than those above."))
    st.caption(" ".join(notes))


def _row(result: SizeResult, found: SizeComparison) -> dict[str, str]:
    """Return a row of the table."""
    difference = tr("{difference} points ({low} to {high})").format(
        difference=signed(100 * result.difference, 1),
        low=signed(100 * result.low, 1),
        high=signed(100 * result.high, 1),
    )
    full = result == found.sizes[0]
    return {
        tr("Input size"): _pixels(result),
        tr("Speed"): tr("{ratio} times").format(ratio=number(result.speed, 1)),
        tr("All photos once"): duration(result.seconds),
        tr("Accuracy"): percent(result.accuracy),
        tr("Difference (95 % interval)"): "" if full else difference,
    }


def _pixels(result: SizeResult) -> str:
    return tr("{size} pixels").format(size=number(result.size))


def _use(size: int) -> None:
    st.session_state["input_size"] = size
