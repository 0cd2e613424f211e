"""What the variants of a photo look like."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from vitcore.dataset import USUAL_AUGMENTATIONS, Dataset, load_image, make_view
from vitcore.errors import VitcoreError

__all__ = ["draw_variants"]

_VIEWS = 6


def draw_variants(
    data: Dataset, augmentations: Sequence[str] = USUAL_AUGMENTATIONS, views: int = _VIEWS
) -> None:
    """A photo, its first variants, and a button for another photo.

    Args:
        data: Where the photo comes from.
        augmentations: What varies.
        views: How many to show, the photo itself included.
    """
    number = st.session_state.setdefault("views_of", 0)
    random = np.random.default_rng(number)
    row = data.index.iloc[int(random.integers(len(data.index)))]
    try:
        image = load_image(data.path(row["file"]), at_least=320)
    except (VitcoreError, OSError):
        st.caption(":material/broken_image: The picture is gone.")
    else:
        image.thumbnail((320, 320))
        with st.container(horizontal=True, gap="small"):
            for view in range(views):
                with st.container(width=120, gap="xsmall"):
                    st.image(make_view(image, row["sha256"], view, augmentations), width="stretch")
                    st.caption("the photo itself" if view == 0 else f"view {view + 1}")
    st.button("Another photo", icon=":material/shuffle:", key="another_photo", on_click=_another_photo)


def _another_photo() -> None:
    st.session_state["views_of"] += 1
