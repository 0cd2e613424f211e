"""The photos that are set aside for the final exam of a classifier."""

import streamlit as st

from app.shared.edits import apply_edit
from vitcore.dataset import Dataset, set_aside
from vitcore.language import number, percent, tr

__all__ = ["draw_test_part"]

ENOUGH = 200  # photos, from which on a share of them can be spared
SHARES = (0.1, 0.15, 0.2, 0.25, 0.3)


def draw_test_part(data: Dataset) -> None:
    """Draw how many photos are set aside, or the offer to do so."""
    sealed = data.split_counts.get("test", 0)
    if data.split_counts and not sealed:
        return
    title = tr("Final exam: {count} photos set aside").format(count=number(sealed))
    if not sealed:
        title = tr("Final exam: no photos set aside")
    with st.expander(title, icon=":material/lock:"):
        st.markdown(
            tr(
                "Photos set aside here are only used to test the finished classifier. You need them for a "
                "figure that none of your choices has influenced. Otherwise cross-validation will do: it "
                "also measures accuracy on photos that were not learned from, and on more of them."
            )
        )
        if sealed:
            return
        if len(data.index) < ENOUGH:
            st.caption(
                tr(
                    "Worth it from about {count} photos on; with fewer, every photo is needed for learning."
                ).format(count=number(ENOUGH))
            )
        share = st.select_slider(
            tr("Share of the photos"),
            SHARES,
            0.2,
            format_func=percent,
            key="test_share",
        )
        if st.button(tr("Set photos aside for the final exam"), key="set_aside"):
            apply_edit(set_aside, data, share)
