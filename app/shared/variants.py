"""The variants of a photo."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from app.shared.pictures import draw_lost_picture
from vitcore.dataset import USUAL_AUGMENTATIONS, Dataset, load_image, make_view
from vitcore.errors import VitcoreError
from vitcore.language import number, tr

__all__ = ["draw_variants"]

_VIEWS = 6


def draw_variants(
    data: Dataset, augmentations: Sequence[str] = USUAL_AUGMENTATIONS, views: int = _VIEWS
) -> None:
    """Draw a photo, its first variants, and a button for another photo.

    Args:
        data: Where the photo comes from.
        augmentations: What varies.
        views: How many to show, the photo itself included.
    """
    random = np.random.default_rng(st.session_state.setdefault("views_of", 0))
    row = data.index.iloc[int(random.integers(len(data.index)))]
    try:
        image = load_image(data.path(row["file"]), at_least=320)
    except (VitcoreError, OSError):
        draw_lost_picture()
    else:
        image.thumbnail((320, 320))
        with st.container(horizontal=True, gap="small"):
            for view in range(views):
                with st.container(width=120, gap="xsmall"):
                    st.image(
                        make_view(image, row["sha256"], view, augmentations), width="stretch", alt=row["name"]
                    )
                    st.caption(
                        tr("view {number}").format(number=number(view + 1))
                        if view
                        else tr("the photo itself")
                    )
    st.button(tr("Another photo"), icon=":material/shuffle:", key="another_photo", on_click=_another_photo)


def _another_photo() -> None:
    st.session_state["views_of"] += 1
