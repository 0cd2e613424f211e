"""A dataset as a whole: its name, and its end, also where it is damaged."""

from collections.abc import Mapping

import streamlit as st

from app.shared.messages import draw_damaged, notify_error, reported
from app.shared.state import runs_of, workspace
from app.shared.text import escape_markdown
from vitcore.dataset import Dataset, rename_dataset
from vitcore.errors import StorageError
from vitcore.language import ntr, number, tr
from vitcore.pipeline import delete_dataset

__all__ = ["draw_damaged_datasets", "draw_management"]


def draw_management(data: Dataset) -> None:
    """Draw the ways to rename and delete the dataset, with what hangs on it."""
    runs = runs_of(data.id)
    with st.container(horizontal=True):
        with st.popover(tr("Rename this dataset"), icon=":material/edit:", type="tertiary"):
            key = f"dataset_name_{data.id}"
            name = st.text_input(tr("Name"), data.name, max_chars=200, key=key).strip()
            if st.button(tr("Rename"), disabled=name in {"", data.name}, key="rename_dataset"):
                with reported(notify_error):
                    rename_dataset(data, name)
                st.rerun()
        with st.popover(tr("Delete this dataset"), icon=":material/delete:", type="tertiary"):
            sentences = [
                ntr(
                    "Deletes **{name}** with its only image.",
                    "Deletes **{name}** with its {count} images.",
                    len(data.index),
                ).format(name=escape_markdown(data.name), count=number(len(data.index)))
            ]
            if runs:
                sentences.append(
                    ntr(
                        "The classifier that was trained on it goes as well.",
                        "The {count} classifiers that were trained on it go as well.",
                        len(runs),
                    ).format(count=number(len(runs)))
                )
            st.markdown(" ".join(sentences))
            if st.button(tr("Delete for good"), type="primary", key=f"delete_{data.id}"):
                with reported(notify_error):
                    delete_dataset(data.id, workspace=workspace())
                st.rerun()


def draw_damaged_datasets(damaged: Mapping[str, StorageError]) -> None:
    """Name datasets that are damaged, and offer to delete each."""
    draw_damaged(
        damaged,
        tr("Delete the damaged dataset {name}"),
        lambda dataset_id: delete_dataset(dataset_id, workspace=workspace()),
    )
