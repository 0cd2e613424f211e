"""The answers for new photos as a table, and as files to take along."""

import base64
import io
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pandas as pd
import streamlit as st

from app.shared.layout import draw_pagination
from app.shared.tables import draw_choice_table
from app.shared.text import download_name
from vitcore.dataset import load_image
from vitcore.errors import VitcoreError
from vitcore.language import tr
from vitcore.pipeline import PhotoBatch

__all__ = ["draw_downloads", "draw_table"]

ROWS = 500  # of the table at once, for each carries its picture
THUMBNAIL = 64  # pixels


def draw_table(batch: PhotoBatch, rows: pd.DataFrame) -> int | None:
    """Draw answers as a table with pictures, sorted by a click on a head; return the chosen photo, if any."""
    rows = rows.iloc[list(draw_pagination(len(rows), f"answers_rows_{batch.id}", ROWS))]
    numbers = [int(value) for value in rows.index]
    corrected = {number: what.label for number, what in batch.corrections.items()}
    times_s = {"time": [batch.times_s[number] for number in numbers]} if batch.times_s else {}
    sure = {"sure": rows["sure"].to_numpy(dtype=bool)} if batch.times_s else {}
    chosen = draw_choice_table(
        pd.DataFrame(
            {
                **times_s,
                "photo": _thumbnails(batch.id, numbers, batch),
                "file": rows["name"].to_numpy(),
                "answer": [batch.answer(number) for number in numbers],
                **sure,
                "nearest": rows["label"].to_numpy(),
                # Where a photo is unlike anything learned, probabilities mean nothing.
                "confidence": rows["confidence"].where(rows["reason"] != "novel").to_numpy(dtype=float),
                "corrected": [corrected.get(number, "") for number in numbers],
            }
        ),
        numbers,
        f"answers_table_{batch.id}",
        several=False,
        row_height=THUMBNAIL,
        column_config={
            "time": st.column_config.NumberColumn(tr("time"), format="%.1f s"),
            "sure": st.column_config.CheckboxColumn(tr("sure")),
            "photo": st.column_config.ImageColumn(tr("photo"), width="small"),
            "file": tr("file"),
            "answer": tr("answer"),
            "confidence": st.column_config.ProgressColumn(
                tr("confidence"), format="percent", min_value=0, max_value=1
            ),
            "nearest": tr("nearest class"),
            "corrected": tr("corrected to"),
        },
    )
    if not chosen:
        st.caption(tr("Choose a row to see the photo with its reasons."))
    return chosen[0] if chosen else None


@st.cache_data(show_spinner=False, max_entries=32)
def _thumbnails(batch_id: str, numbers: list[int], _batch: PhotoBatch) -> list[str]:  # noqa: ARG001 - the key
    return list(_drawn(_batch, numbers))


def _drawn(batch: PhotoBatch, numbers: list[int]) -> Iterator[str]:
    """Yield small pictures as they stand in a table."""
    for number in numbers:
        try:
            small = load_image(batch.photo(number), at_least=THUMBNAIL // 2)
        except (VitcoreError, OSError):
            yield ""
            continue
        small.thumbnail((2 * THUMBNAIL, THUMBNAIL))
        file = io.BytesIO()
        small.save(file, "JPEG", quality=80)
        yield f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"


def draw_downloads(batch: PhotoBatch, dataset: str) -> None:
    """Draw buttons for the answers as files, and for the photos sorted by class.

    Args:
        batch: The photos with their answers.
        dataset: The name of what was learned from.
    """
    name = Path(batch.title).stem or "photos"

    def named(suffix: str) -> str:
        return download_name(dataset, batch.created, f"{name}{suffix}")

    with st.container(horizontal=True):
        st.download_button(
            tr("Answers as CSV"),
            batch.to_csv,
            named(".csv"),
            "text/csv",
            on_click="ignore",
            icon=":material/table:",
        )
        st.download_button(
            tr("Answers as JSON"),
            partial(_json, batch),
            named(".json"),
            "application/json",
            on_click="ignore",
            icon=":material/data_object:",
        )
        with st.popover(tr("Photos sorted into folders"), icon=":material/folder_copy:"):
            apart = st.toggle(
                tr("Those that are not sure into a folder of their own"), value=True, key="unsure_apart"
            )
            st.download_button(
                tr("Download the zip"),
                partial(_zip, batch, apart),
                named("-sorted.zip"),
                "application/zip",
                on_click="ignore",
                type="primary",
            )
            st.caption(tr("One folder for each class; a photo that was corrected goes where it belongs."))


def _json(batch: PhotoBatch) -> str:
    return json.dumps(batch.to_dict(), ensure_ascii=False, indent=2)


def _zip(batch: PhotoBatch, unsure_apart: bool) -> bytes:
    file = io.BytesIO()
    batch.write_sorted(file, unsure_apart=unsure_apart)
    return file.getvalue()
