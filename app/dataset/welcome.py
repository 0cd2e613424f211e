"""The first page: what this is, what it gives, and the way there in three steps."""

import streamlit as st

from vitcore.language import mark, tr

__all__ = ["draw_welcome"]

_STEPS = (
    (
        ":material/photo_library:",
        mark("1 · Your photos"),
        mark("A folder for each class, with a dozen photos or more. Every photo is checked."),
    ),
    (
        ":material/model_training:",
        mark("2 · Training"),
        mark("About a minute for 200 photos on an ordinary computer. There is nothing to set."),
    ),
    (
        ":material/verified:",
        mark("3 · Trust"),
        mark("What it gets right and what not, measured on photos that it has not seen."),
    ),
)


def draw_welcome() -> None:
    """Draw what the app is for, to somebody who has no photos in it yet."""
    st.title(tr("ViT Studio"), anchor=False)
    st.markdown(tr("Teach your computer to tell your photos apart, and see how far you can trust it."))
    for column, (icon, title, sentence) in zip(st.columns(3), _STEPS, strict=True):
        with column.container(border=True, height="stretch"):
            st.markdown(f"{icon} **{tr(title)}**")
            st.caption(tr(sentence))
