"""Ways to rename, merge or remove the classes of a dataset."""

import streamlit as st

from app.shared.edits import apply_edit
from app.shared.text import escape_markdown
from vitcore.dataset import Dataset, delete_class, rename_class
from vitcore.language import number, tr

__all__ = ["draw_class_editor"]


def draw_class_editor(data: Dataset) -> None:
    """Draw the ways to rename, merge or remove whole classes."""
    with st.popover(tr("Rename, merge or remove a class"), icon=":material/edit:"):
        label = st.selectbox(tr("Class"), data.classes, key=f"edited_class_{data.id}")
        name = st.text_input(
            tr("New name"),
            key=f"new_name_{data.id}_{data.version}",
            help=tr("The name of another class puts both together."),
        ).strip()
        merges = name in data.classes and name != label
        if merges:
            st.caption(
                tr(
                    "There is a class **{name}** already; its {count} photos and these {others} become one "
                    "class."
                ).format(
                    name=escape_markdown(name, 40),
                    count=number(data.class_counts[name]),
                    others=number(data.class_counts[label]),
                )
            )
        with st.container(horizontal=True):
            title = tr("Merge") if merges else tr("Rename")
            if st.button(title, disabled=not name, key="rename_class"):
                apply_edit(rename_class, data, label, name)
            if st.button(tr("Remove the class"), icon=":material/remove_circle:", key="take_out_class"):
                apply_edit(delete_class, data, label)
        st.caption(tr("Nothing is erased; every change can be undone."))
