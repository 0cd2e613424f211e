"""Teach: pages of the photos that teach most, each with a guess, to be confirmed or corrected."""

from functools import partial

import streamlit as st

from app.components.photo_grid import draw_photo_grid
from app.label.session import PAGE, grid_photos, take_step
from app.shared.edits import undo_last
from vitcore import charts
from vitcore.language import number, percent, tr
from vitcore.pipeline import LabelSession, give_labels

__all__ = ["draw_estimate", "draw_teaching"]

AUDIT = 20  # photos of a page that is picked at random
MORE = 30  # labels of a forecast
WORTH_SAYING = 0.005  # of a gain


def draw_teaching(session: LabelSession) -> None:
    """Draw a page of photos to be labelled next."""
    data = session.dataset
    if not len(session.open):
        st.info(tr("Every photo has a label by a person."))
        return
    audit = st.session_state.get("label_audit") == data.version
    if audit:
        st.markdown(tr("These photos were picked at random: they show how good the guesses are."))
    elif session.guesses:
        st.markdown(
            tr(
                "These photos teach most: the guesses for them are the most doubtful, and they differ from "
                "each other. One in six was picked at random, to see how good the guesses are."
            )
        )
    else:
        st.markdown(
            tr("These are the most typical photos. Name the classes of some; then there will be guesses.")
        )
    rows = session.random_page(AUDIT) if audit else session.page(PAGE)
    found = draw_photo_grid(
        data,
        grid_photos(rows),
        page=f"{data.id}-{data.version}-{'audit' if audit else 'teach'}",
        key="label_teach",
        confirm=tr("Confirm these {count}").format(count=number(len(rows))),
    )
    if (
        session.guesses
        and not audit
        and st.button(tr("Check {count} at random").format(count=number(AUDIT)), icon=":material/casino:")
    ):
        st.session_state["label_audit"] = data.version
        st.rerun()
    if found is None:
        return
    if found.undo:
        undo_last(data)
        return
    picked = dict(zip(rows["image_id"].tolist(), rows["picked"].tolist(), strict=True))
    take_step(partial(give_labels, data, found.labels, leave_out=found.left_out, picked=picked))


def draw_estimate(session: LabelSession) -> None:
    """Draw how good the guesses are by now, and what more labels would bring."""
    found = session.estimate
    if found is None:
        if session.guesses:
            st.caption(
                tr(
                    "How good the guesses are can be said once ten photos that were picked at random have a "
                    "label; some are on every page under Teach."
                )
            )
        return
    left, right = st.columns([2, 1])
    left.metric(
        tr("Guesses that are right, of all photos like these"),
        tr("{share} ({low} to {high})").format(
            share=percent(found.accuracy), low=percent(found.low), high=percent(found.high)
        ),
        help=tr(
            "From {random} photos that were picked at random, and {labels} labels in all, each guessed by "
            "what was learned from the others. Of the labelled photos alone {naive} would be right, but "
            "they are not like all others, for the hardest or the most typical are shown first."
        ).format(random=number(found.at_random), labels=number(found.labels), naive=percent(found.naive)),
    )
    gain = session.gain(MORE)
    if gain >= WORTH_SAYING and len(session.open):
        left.caption(
            tr("About {count} more labels would bring about {points} points.").format(
                count=number(MORE), points=number(100 * gain, 1)
            )
        )
    curve = session.curve()
    if len(curve) > 1:
        right.altair_chart(charts.label_curve_chart(curve), width="stretch")
