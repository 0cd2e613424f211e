"""Accuracy by what photos have in common, the weakest first, and the mistakes behind a row."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from app.evaluate.figures import draw_images
from app.shared.blocks import draw_blocks
from app.shared.layout import draw_select
from app.shared.results import cached_run, results_version
from app.shared.text import escape_markdown
from vitcore.audit import photo_conditions
from vitcore.dataset import Dataset, SharedColumn
from vitcore.evaluation import Slice, accuracy_slices, weakest_slice
from vitcore.language import mark, number, percent, tr, translated
from vitcore.report import Cell, Figure, Table
from vitcore.runs import Run

__all__ = ["draw_conditions"]

NAMES = {  # of those columns that come from the files
    "camera": mark("camera"),
    "place": mark("place"),
    "month": mark("month"),
    "format": mark("file format"),
    "size": mark("size (longer side)"),
    "shape": mark("shape"),
    "brightness": mark("brightness"),
}
LONGEST = 40  # characters of a name


@dataclass(frozen=True, eq=False)
class Conditions:
    """The photos that judge a run, by what they have in common.

    Attributes:
        rows: Of the predictions, N.
        right: Whether the class of a photo was recognised: (N,).
        columns: What they have in common.
        weakest: The photos that are recognised worse than the others by more than chance.
    """

    rows: pd.DataFrame
    right: npt.NDArray[np.bool_]
    columns: Mapping[str, SharedColumn]
    weakest: Slice | None


def draw_conditions(run: Run, data: Dataset) -> None:
    """Draw which photos it recognises worse than the others, and a table by a column."""
    with st.spinner(tr("Comparing the photos …")):
        found = _conditions((*results_version(run), data.id, data.version), run, data)
    columns, right, worst = found.columns, found.right, found.weakest
    if not columns:
        st.info(
            tr(
                "Nothing is recorded that sets these photos apart: no table, no camera, and all are of one "
                "format, one size and about as bright."
            )
        )
        return
    if worst is None:
        st.markdown(tr("No kind of photo is recognised worse than the others by more than chance."))
    else:
        st.markdown(
            tr(
                "**Weakest by {column}: {value}.** {accuracy} of its {images} photos are recognised ({low} "
                "to {high}); of all others {others}."
            ).format(
                column=escape_markdown(_title(worst.column)),
                value=escape_markdown(translated(columns[worst.column].title(worst.value)), LONGEST),
                accuracy=percent(worst.accuracy),
                images=number(worst.images),
                low=percent(worst.low),
                high=percent(worst.high),
                others=percent(worst.others),
            )
        )
    titles = {name: _title(name) for name in columns}
    first = 0 if worst is None else list(columns).index(worst.column)
    column = draw_select(tr("Compare by"), titles, f"compared_by_{run.id}", index=first)
    shared = columns[column]
    slices = accuracy_slices(shared.values, right)
    values = {value: translated(shared.title(value))[:LONGEST] for value in slices["value"]}
    header = [titles[column], tr("photos"), tr("accuracy"), tr("95 % interval")]
    draw_blocks([Table(header, [_row(values, row) for row in slices.to_dict("records")])])
    value = draw_select(tr("Mistakes among"), values, f"mistakes_among_{run.id}_{column}")
    wrong = found.rows[(shared.values == value).to_numpy() & ~right]
    if wrong.empty:
        st.caption(tr("It made no mistake there."))
        return
    draw_images(data, wrong, _caption, "mistakes_of_slice")


@st.cache_resource(show_spinner=False, max_entries=4)
def _conditions(key: Hashable, _run: Run, _data: Dataset) -> Conditions:  # noqa: ARG001 - stands for the others
    rows = cached_run(_run).headline_predictions
    rows = rows[rows["image_id"].isin(_data.rows["image_id"])].reset_index(drop=True)
    index = _data.rows.set_index("image_id").loc[rows["image_id"]].reset_index()
    columns = photo_conditions(_data, index)
    right = (rows["true"] == rows["predicted"]).to_numpy()
    weakest = weakest_slice({name: column.values for name, column in columns.items()}, right)
    return Conditions(rows, right, columns, weakest)


def _title(column: str) -> str:
    """Return the name of a column as plain text."""
    return tr(NAMES[column]) if column in NAMES else column[:LONGEST]


def _row(values: Mapping[str, str], row: dict[Any, Any]) -> tuple[Cell, ...]:
    accuracy = Figure(row["accuracy"], "share", row["low"], row["high"])
    return values[row["value"]], Figure(row["images"], "count"), accuracy, accuracy.interval


def _caption(row: Any) -> str:
    return tr("{predicted}, labelled {label}").format(
        predicted=escape_markdown(row.predicted, LONGEST), label=escape_markdown(row.true, LONGEST)
    )
