"""Photos of a dataset that take no part in training and figures, for they have no label by a person."""

import streamlit as st

from app.shared.address import go_to
from app.shared.text import escape_markdown
from vitcore.dataset import Dataset, about_unlabelled
from vitcore.language import tr, translated

__all__ = ["draw_unlabelled"]


def draw_unlabelled(data: Dataset) -> None:
    """Say how many photos wait for a label, and lead to where they get one; nothing where there are none."""
    for sentence in about_unlabelled(len(data.unlabelled), len(data.machine_labelled)):
        st.info(escape_markdown(translated(sentence), 300), icon=":material/label:")
    if len(data.unlabelled):
        kind = "primary" if data.index.empty else "secondary"
        if st.button(tr("Label these photos"), icon=":material/label:", type=kind, key="label_these"):
            go_to("label")
