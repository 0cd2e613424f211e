"""The validation images of a run: what is known of each, the filters among them, their pictures."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from app.shared.layout import draw_select, draw_switch
from app.shared.pictures import draw_thumbnail
from app.shared.results import results_version
from app.shared.text import escape_markdown
from vitcore.dataset import Dataset
from vitcore.errors import VitcoreError
from vitcore.evaluation import Verdicts
from vitcore.inference import load_trust
from vitcore.language import mark, number, percent, tr
from vitcore.report import doubt_reason, nearest_classes, not_sure
from vitcore.runs import Run

__all__ = [
    "RIGHT",
    "WRONG",
    "Samples",
    "draw_filters",
    "draw_pictures",
    "open_picture",
    "present_labels",
    "samples_of",
]

RIGHT = ":blue[:material/check_circle:]"
WRONG = ":orange[:material/cancel:]"
SHOW = {"all": mark("All"), "right": mark("Right"), "wrong": mark("Mistakes")}
DOUBT = {"all": mark("Sure or not"), "sure": mark("Sure"), "unsure": mark("Not sure")}
ORDERS = {
    "mistakes": mark("Confident mistakes first"),
    "unsure": mark("Least confident first"),
    "sure": mark("Most confident first"),
    "name": mark("By name"),
    "shuffled": mark("Shuffled"),
}
DEFAULTS = {
    "show": "all",
    "doubt": "all",
    "true_class": None,
    "predicted_class": None,
    "confidence": (0, 100),
    "order": "mistakes",
}


@dataclass(frozen=True, eq=False)
class Samples:
    """The validation images of a run.

    Attributes:
        rows: As `Run.predictions`, with ``position`` in it, ``right``, and ``sure`` where that is known.
        verdicts: Which answers the run's rule of doubt would give; None for a run without one.
    """

    rows: pd.DataFrame
    verdicts: Verdicts | None


def samples_of(run: Run) -> Samples:
    """Load the validation images of a run, once for all sessions."""
    return _samples(results_version(run), run)


@st.cache_resource(show_spinner=False, max_entries=4)
def _samples(key: Hashable, _run: Run) -> Samples:  # noqa: ARG001 - the key stands for the run
    rows = _run.predictions.assign(position=np.arange(len(_run.predictions)))
    rows["right"] = rows["true"] == rows["predicted"]
    try:
        trust = load_trust(_run.folder)
        verdicts = trust.verdicts(_run.probabilities, rows["novelty"].to_numpy())
    except (VitcoreError, KeyError):  # a run of an earlier version, which knew no doubt
        return Samples(rows, None)
    return Samples(rows.assign(sure=verdicts.sure, reason=verdicts.reason), verdicts)


def present_labels(data: Dataset, image_ids: Iterable[int]) -> dict[int, str | None]:
    """Return the present labels of images, by id; None for one that was removed."""
    rows = data.rows[data.rows["image_id"].isin(list(image_ids))]
    columns = (rows[name].tolist() for name in ("image_id", "label", "excluded"))
    return {image_id: None if out else label for image_id, label, out in zip(*columns, strict=True)}


# --- filters -----------------------------------------------------------------------------------


def draw_filters(samples: Samples, classes: tuple[str, ...]) -> pd.DataFrame:
    """Draw the filters; the rows that pass, in the chosen order."""
    for key, value in DEFAULTS.items():
        st.session_state.setdefault(key, value)
    rows = samples.rows
    right = rows["right"]
    keep = rows["confidence"] >= 0
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        counts = {"all": len(rows), "right": int(right.sum()), "wrong": int((~right).sum())}
        show = draw_switch(tr("Show"), _counted(SHOW, counts), "show")
        if show != "all":
            keep &= right if show == "right" else ~right
        if samples.verdicts is not None:
            sure = rows["sure"]
            counts = {"sure": int(sure.sum()), "unsure": int((~sure).sum())}
            doubt = draw_switch(tr("Doubt"), _counted(DOUBT, counts), "doubt")
            if doubt != "all":
                keep &= sure if doubt == "sure" else ~sure
    columns = st.columns(4)
    for column, title, key, field in (
        (columns[0], tr("True class"), "true_class", "true"),
        (columns[1], tr("Predicted class"), "predicted_class", "predicted"),
    ):
        if st.session_state[key] not in classes:  # that of another run
            st.session_state[key] = None
        label = column.selectbox(
            title, classes, index=None, placeholder=tr("Any class"), key=key, persist_state="session"
        )
        if label is not None:
            keep &= rows[field] == label
    low, high = columns[2].slider(tr("Confidence in %"), 0, 100, key="confidence", persist_state="session")
    keep &= rows["confidence"].between(low / 100, high / 100)
    orders = {name: tr(title) for name, title in ORDERS.items()}
    with columns[3]:
        order = draw_select(tr("Order"), orders, "order")
    rows = _ordered(rows[keep], order)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            tr("{count} of {all} validation images").format(
                count=number(len(rows)), all=number(len(samples.rows))
            )
        )
        if order == "shuffled":
            st.button(
                tr("Shuffle again"),
                icon=":material/shuffle:",
                type="tertiary",
                key="shuffle",
                on_click=_shuffle,
            )
        if any(st.session_state[key] != value for key, value in DEFAULTS.items()):
            st.button(
                tr("Reset the filters"),
                icon=":material/filter_alt_off:",
                type="tertiary",
                key="reset_filters",
                on_click=st.session_state.update,
                args=(DEFAULTS,),
            )
    return rows


def _counted(options: dict[str, str], counts: dict[str, int]) -> dict[str, str]:
    """Return the options in the language of now, with how many images each has."""
    return {
        name: f"{tr(title)} ({number(counts[name])})" if name in counts else tr(title)
        for name, title in options.items()
    }


def _ordered(rows: pd.DataFrame, order: str) -> pd.DataFrame:
    if order == "shuffled":
        return rows.sample(frac=1, random_state=st.session_state.get("shuffled", 0))
    if order == "name":
        return rows.sort_values("name", kind="stable")
    values = rows["confidence"]
    if order == "mistakes":
        # After them the doubtful ones, and the surest right answers at the very end.
        values = values.where(~rows["right"], -values)
    values = values if order == "unsure" else -values
    return rows.loc[values.sort_values(kind="stable").index]


def _shuffle() -> None:
    st.session_state["shuffled"] = st.session_state.get("shuffled", 0) + 1


# --- pictures ----------------------------------------------------------------------------------


def draw_pictures(data: Dataset, run: Run, rows: pd.DataFrame, key: str = "gallery") -> None:
    """Draw pictures with the answers below, each with a button that opens it."""
    labels = present_labels(data, rows["image_id"])
    with st.container(horizontal=True, gap="small", key=key):
        for row in rows.itertuples():
            with st.container(width=150, gap="xsmall"):
                draw_thumbnail(data, row.file)
                if getattr(row, "reason", "") != "novel":  # probabilities mean nothing there
                    st.progress(min(max(row.confidence, 0.0), 1.0))
                st.caption(_caption(row, labels.get(row.image_id)))
                st.button(
                    tr("Enlarge"),
                    icon=":material/zoom_in:",
                    type="tertiary",
                    key=f"open_{key}_{row.image_id}",
                    on_click=open_picture,
                    args=(run, row.image_id),
                )


def open_picture(run: Run, image_id: int) -> None:
    """Let the detail view show an image from the next rerun on."""
    st.session_state["opened"] = (run.id, int(image_id))


def _caption(row: Any, label: str | None) -> str:
    """Return the verdict in words and sign, not in colour alone."""
    truth = (
        tr("as labelled") if row.right else tr("truly: **{name}**").format(name=escape_markdown(row.true, 20))
    )
    name, reason = escape_markdown(row.predicted, 20), getattr(row, "reason", "")
    sign = RIGHT if row.right else WRONG
    if reason:
        nearest = nearest_classes(reason, {name: row.confidence})
        lines = [f":material/help: **{not_sure()}**: {doubt_reason(reason)}", f"{sign} {nearest}", truth]
    else:
        lines = [f"{sign} **{name}** {percent(row.confidence)}", truth]
    if label is None:
        lines.append(":material/edit: " + tr("now removed"))
    elif label != row.true:
        state = tr("now labelled **{name}**").format(name=escape_markdown(label, 20))
        lines.append(f":material/edit: {state}")
    lines.append(escape_markdown(row.name, 28))
    return "  \n".join(lines)
