"""Labels that may be wrong, and what the person who decides makes of them."""

from typing import Any

import pandas as pd
import streamlit as st

from app.shared.address import go_to
from app.shared.edits import apply_edit, draw_undo_button
from app.shared.layout import draw_pagination
from app.shared.messages import notify_error, reported
from app.shared.pictures import draw_thumbnail
from app.shared.results import cached_review
from app.shared.review import draw_review_start
from app.shared.starting import start_training
from app.shared.state import runs_of
from app.shared.text import escape_markdown
from vitcore.dataset import Dataset, confirm, confirmed, exclude, relabel, unconfirm
from vitcore.language import ntr, number, percent, tr
from vitcore.runs import Run

__all__ = ["draw_suspect_labels"]

_MOST_KEPT = 48  # that are drawn


def draw_suspect_labels(run: Run, data: Dataset) -> None:
    """Draw the photos whose label the classifier doubts most, to be kept, moved or removed."""
    st.markdown(
        tr(
            "Every photo is judged by classifiers that did not learn from it. Where these doubt a label "
            "most, the label may be wrong, or the photo odd. You decide."
        )
    )
    review = cached_review(run)
    if review is None:
        draw_review_start(run, data, tr("Finds the labels that may be wrong."))
        return
    _draw_retraining(run, data)
    kept = confirmed(data)
    present = dict(zip(data.index["image_id"].tolist(), data.index["label"], strict=True))
    labels = review.labels
    same = labels["image_id"].map(present) == labels["given"]  # the others were moved or removed since
    waiting = labels[same & ~labels["image_id"].isin(kept)]
    suspects = int(waiting["suspect"].sum())
    with st.container(horizontal=True, vertical_alignment="center"):
        if suspects:
            left = ntr(
                "**{count} suspect** is left.",
                "**{count} suspects** are left, the most doubtful first.",
                suspects,
            ).format(count=number(suspects))
        else:
            left = tr("**No suspect is left.** What follows is less and less doubtful.")
        st.markdown(left)
        everything = st.toggle(
            tr("Show all photos, not the suspects alone"), key="all_labels", value=not suspects
        )
        draw_undo_button(data, "undo_label")
    shown = waiting if everything else waiting[waiting["suspect"]]
    files = dict(zip(data.rows["image_id"].tolist(), data.rows["file"], strict=True))
    names = dict(zip(data.rows["image_id"].tolist(), data.rows["label"], strict=True))
    for position in draw_pagination(len(shown), "labels_page"):
        _draw_suspect(data, shown.iloc[position], files, names)
    _draw_kept(data, kept, files)


def _draw_suspect(data: Dataset, row: pd.Series, files: dict[int, str], names: dict[int, str]) -> None:
    """Draw a photo with the evidence against its label, its neighbours, and what can be done."""
    image_id = int(row["image_id"])
    with st.container(border=True):
        left, middle, right = st.columns([2, 4, 4], gap="medium")
        with left:
            draw_thumbnail(data, files[image_id])
            st.caption(escape_markdown(row["name"], 40))
        with middle:
            given = tr("Labelled **{name}**").format(name=escape_markdown(row["given"], 40))
            suggested = tr("looks like **{name}**").format(name=escape_markdown(row["suggested"], 40))
            st.markdown(f"{given}  \n{suggested}")
            st.caption(_evidence(row["self_confidence"], row["knn_agreement"]))
            with st.container(horizontal=True, gap="small"):
                if st.button(tr("Keep"), icon=":material/check:", key=f"keep_{image_id}"):
                    _apply(confirm, data, [image_id])
                if row["suggested"] != row["given"]:
                    label = tr("Move to {name}").format(name=escape_markdown(row["suggested"], 24))
                    if st.button(label, icon=":material/label:", key=f"move_{image_id}"):
                        apply_edit(relabel, data, [image_id], row["suggested"])
                if st.button(tr("Remove"), icon=":material/remove_circle:", key=f"drop_{image_id}"):
                    apply_edit(exclude, data, [image_id])
        with right:
            st.caption(tr("Most like it"))
            with st.container(horizontal=True, gap="small"):
                for other in row["neighbours"]:
                    if other in files:
                        with st.container(width=86, gap="xsmall"):
                            draw_thumbnail(data, files[other])
                            st.caption(escape_markdown(names[other], 20))


def _evidence(self_confidence: float, agreement: float) -> str:
    """Return how much speaks for a label."""
    share = percent(self_confidence)
    if pd.isna(agreement):
        return tr("Its label is thought {share} probable.").format(share=share)
    return tr("Its label is thought {share} probable, {count} of its 10 neighbours have it.").format(
        share=share, count=number(10 * agreement)
    )


def _draw_kept(data: Dataset, kept: set[int], files: dict[int, str]) -> None:
    """Draw those that were found right, each with a button that takes this back."""
    if not kept:
        return
    title = tr("Kept as they are ({count})").format(count=number(len(kept)))
    with st.expander(title, icon=":material/check:"), st.container(horizontal=True, gap="small"):
        for image_id in sorted(kept)[:_MOST_KEPT]:
            with st.container(width=110, gap="xsmall"):
                draw_thumbnail(data, files[image_id])
                if st.button(tr("Doubt again"), key=f"doubt_{image_id}", type="tertiary"):
                    _apply(unconfirm, data, [image_id])


def _apply(write: Any, data: Dataset, image_ids: list[int]) -> None:
    with reported(notify_error):
        write(data, image_ids)
    st.rerun()


def _draw_retraining(run: Run, data: Dataset) -> None:
    """Offer to train again after changes; once that is done, draw the figures before and after."""
    version = run.config.dataset.version
    if data.version != version:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            if st.button(
                tr("Train again and compare"), type="primary", icon=":material/autorenew:", key="retrain"
            ):
                with reported(notify_error):
                    start_training(data, run.hyperparameters, run.config.requested)
                    st.session_state["compared_with"] = run.id
                go_to("train")
            st.caption(
                tr(
                    "The photos have been changed since this classifier was trained; seconds tell what it "
                    "did."
                )
            )
    before = next((r for r in runs_of(data.id) if r.id == st.session_state.get("compared_with")), None)
    if before is not None and before.id != run.id:
        first, second = before.evaluation.metrics["accuracy"], run.evaluation.metrics["accuracy"]
        st.info(
            tr(
                "Before your changes: **{first}** ({first_low} to {first_high}); after them: **{second}** "
                "({second_low} to {second_high}). The validation photos are judged by their new labels; "
                "Evaluate compares the two photo by photo."
            ).format(
                first=percent(first.value),
                first_low=percent(first.low),
                first_high=percent(first.high),
                second=percent(second.value),
                second_low=percent(second.low),
                second_high=percent(second.high),
            ),
            icon=":material/compare_arrows:",
        )
