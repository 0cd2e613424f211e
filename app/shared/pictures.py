"""Small pictures of the images of a dataset, one or many."""

from collections.abc import Iterable

import streamlit as st

from vitcore.dataset import Dataset
from vitcore.errors import StorageError, VitcoreError
from vitcore.language import tr

__all__ = ["draw_gallery", "draw_lost_picture", "draw_thumbnail"]


def draw_thumbnail(data: Dataset, file: str) -> None:
    """Draw the small picture of an image, or that it is lost."""
    alt = _names(str(data.folder), data.version, data).get(file, file)
    try:
        try:
            st.image(str(data.thumbnail(file)), width="stretch", alt=alt)
        except StorageError:  # the disk is full, or read-only
            st.image(data.small_image(file), width="stretch", alt=alt)
    except (VitcoreError, OSError):
        draw_lost_picture()


@st.cache_resource(show_spinner=False, max_entries=8)
def _names(folder: str, version: int, _data: Dataset) -> dict[str, str]:  # noqa: ARG001 - the key
    """Return the name in the source of every image by its file."""
    return dict(zip(_data.rows["file"].tolist(), _data.rows["name"].tolist(), strict=True))


def draw_lost_picture() -> None:
    """Say that a picture is no longer there."""
    st.caption(tr(":material/broken_image: The picture is gone."))


def draw_gallery(data: Dataset, items: Iterable[tuple[str, str]]) -> None:
    """Draw pictures with captions, as many side by side as fit.

    Args:
        data: The dataset of the images.
        items: The file of each image, and its caption in Markdown.
    """
    with st.container(horizontal=True, gap="small", key="gallery"):
        for file, caption in items:
            with st.container(width=150, gap="xsmall"):
                draw_thumbnail(data, file)
                st.caption(caption)
