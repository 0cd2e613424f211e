"""Accuracy by what photos have in common, the weakest first, and the mistakes behind a row."""

from typing import Any

import streamlit as st

from app.evaluate.figures import draw_images
from app.shared.blocks import draw_blocks
from app.shared.layout import draw_select
from app.shared.results import cached_run
from app.shared.text import escape_markdown
from vitcore.dataset import Dataset, shared_columns
from vitcore.evaluation import accuracy_slices, weakest_slice
from vitcore.language import mark, number, percent, tr
from vitcore.report import Cell, Figure, Table
from vitcore.runs import Run

__all__ = ["draw_conditions"]

NAMES = {  # of those columns that come from the files
    "camera": mark("camera"),
    "place": mark("place"),
    "month": mark("month"),
    "format": mark("file format"),
    "megapixels": mark("megapixels"),
}
LONGEST = 40  # characters of a name


def draw_conditions(run: Run, data: Dataset) -> None:
    """Draw which photos it recognises worse than the others, and a table by a column."""
    rows = cached_run(run).predictions
    rows = rows[rows["image_id"].isin(data.rows["image_id"])].reset_index(drop=True)
    columns = shared_columns(data.rows.set_index("image_id").loc[rows["image_id"]].reset_index())
    if not columns:
        st.info(
            tr(
                "Nothing is recorded that sets these photos apart: no table, no camera, one format and one "
                "size."
            )
        )
        return
    right = (rows["true"] == rows["predicted"]).to_numpy()
    worst = weakest_slice(columns, right)
    if worst is None:
        st.markdown(tr("No kind of photo is recognised worse than the others by more than chance."))
    else:
        st.markdown(
            tr(
                "**Weakest: {column} {value}.** {accuracy} of its {images} photos are recognised ({low} to "
                "{high}); of all others {others}."
            ).format(
                column=escape_markdown(_title(worst.column)),
                value=escape_markdown(worst.value, LONGEST),
                accuracy=percent(worst.accuracy),
                images=number(worst.images),
                low=percent(worst.low),
                high=percent(worst.high),
                others=percent(worst.others),
            )
        )
    titles = {name: _title(name) for name in columns}
    column = draw_select(tr("Compare by"), titles, f"compared_by_{run.id}")
    slices = accuracy_slices(columns[column], right)
    header = [titles[column], tr("photos"), tr("accuracy"), tr("95 % interval")]
    draw_blocks([Table(header, [_row(row) for row in slices.to_dict("records")])])
    options = {value: value[:LONGEST] for value in slices["value"]}
    value = draw_select(tr("Mistakes among"), options, f"mistakes_among_{run.id}_{column}")
    wrong = rows[(columns[column] == value).to_numpy() & ~right]
    if wrong.empty:
        st.caption(tr("It made no mistake there."))
        return
    draw_images(data, wrong, _caption, "mistakes_of_slice")


def _title(column: str) -> str:
    """Return the name of a column as plain text."""
    return tr(NAMES[column]) if column in NAMES else column[:LONGEST]


def _row(row: dict[Any, Any]) -> tuple[Cell, ...]:
    accuracy = Figure(row["accuracy"], "share", row["low"], row["high"])
    return row["value"][:LONGEST], Figure(row["images"], "count"), accuracy, accuracy.interval


def _caption(row: Any) -> str:
    return tr("{predicted}, labelled {label}").format(
        predicted=escape_markdown(row.predicted, LONGEST), label=escape_markdown(row.true, LONGEST)
    )
