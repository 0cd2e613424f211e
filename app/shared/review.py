"""A closer look at a run: labels that may be wrong, and what more photos would bring."""

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from app.dataset.editing import apply_edit
from app.shared.cached_charts import draw_chart
from app.shared.job_kinds import REVIEW
from app.shared.jobs import draw_jobs, start
from app.shared.layout import paged, thumbnail
from app.shared.messages import draw_error, notify_error
from app.shared.starting import start_training
from app.shared.state import runs_of, workspace
from app.shared.text import escape_markdown
from vitcore.charts import forecast_chart
from vitcore.dataset import Dataset, confirm, confirmed, exclude, relabel, unconfirm, undo
from vitcore.errors import VitcoreError
from vitcore.evaluation import class_forecast, forecast
from vitcore.language import ntr, number, percent, said, tr
from vitcore.pipeline import Review, load_review, review_run
from vitcore.runs import Run, load_run

__all__ = ["draw_forecast", "draw_labels", "draw_look_closer", "review_of"]

_SHOWN = 48  # of the kept ones
_MORE = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)
_FURTHEST = 5  # times the photos there are, as far as a forecast reaches


def review_of(run: Run) -> Review | None:
    """What a closer look found, read once; None if nobody took one."""
    path = run.folder / "review.json"
    if not path.is_file():
        return None
    try:
        return _loaded(run.id, path.stat().st_mtime_ns)
    except VitcoreError as error:
        draw_error(error)
        return None


def draw_look_closer(run: Run, data: Dataset, why: str) -> None:
    """The button that begins a closer look, or how far it is.

    Args:
        run: What to look at.
        data: Its dataset.
        why: What it will show, a sentence.
    """
    if draw_jobs(REVIEW):
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        if st.button(tr("Look closer"), icon=":material/troubleshoot:", key="look_closer"):
            start(
                REVIEW,
                run.name,
                lambda job: review_run(run.id, workspace=workspace(), task=job.task),
                device=run.config.device.name,
                result_id=run.id,
            )
            st.rerun()
        how = tr(
            "Trains some hundred output layers on parts of the {count} photos, from what is stored; no photo "
            "is looked at again."
        ).format(count=number(len(data.index)))
        st.caption(f"{why} {how}")


def draw_labels(run: Run, data: Dataset) -> None:
    """Photos whose label the classifier doubts most, to be kept, moved or taken out."""
    st.markdown(
        tr(
            "Every photo is judged by classifiers that did not learn from it. Where these doubt a label "
            "most, the label may be wrong, or the photo odd. You decide."
        )
    )
    review = review_of(run)
    if review is None:
        draw_look_closer(run, data, tr("Finds the labels that may be wrong."))
        return
    _retrain(run, data)
    kept = confirmed(data)
    present = dict(zip(data.index["image_id"].tolist(), data.index["label"], strict=True))
    labels = review.labels
    same = labels["image_id"].map(present) == labels["given"]  # the others were moved or taken out since
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
        if data.can_undo:
            label = tr("Undo: {change}").format(change=escape_markdown(said(data.undoable), 60))
            if st.button(label, icon=":material/undo:", key="undo_label"):
                apply_edit(undo, data)
    shown = waiting if everything else waiting[waiting["suspect"]]
    files = dict(zip(data.rows["image_id"].tolist(), data.rows["file"], strict=True))
    names = dict(zip(data.rows["image_id"].tolist(), data.rows["label"], strict=True))
    for position in paged(len(shown), "labels_page"):
        _suspect(data, shown.iloc[position], files, names)
    _kept(data, kept, files)


def draw_forecast(run: Run, data: Dataset) -> None:
    """How many more photos would bring what."""
    st.markdown(tr("What more photos like these would bring, by how it got better up to now."))
    review = review_of(run)
    if review is None:
        draw_look_closer(run, data, tr("Finds out what more photos would bring."))
        return
    images = int(review.points["images"].max())
    options = [more for more in _MORE if images + more <= _FURTHEST * images] or [images]
    # Made now: when the language changes, the choice is found by what it was called before.
    titles = {count: number(count) for count in options}
    more = st.select_slider(
        tr("More photos"),
        options,
        None if "more" in st.session_state else options[len(options) // 2],
        format_func=titles.__getitem__,
        key="more",
    )
    least = int(review.points["images"].min())
    furthest = images + more
    sizes = sorted({images, furthest, *np.linspace(least, furthest, 40).round().astype(int).tolist()})
    found = forecast(review.points, sizes)
    if found.too_few_to_say:
        st.info(f"{tr('Too few to say.')} {escape_markdown(said(found.reason), 300)}", icon=":material/help:")
        table = pd.DataFrame(columns=["images", "accuracy", "low", "high"], dtype="float64")
    else:
        by_size = found.table.set_index("images")
        now, then = by_size.loc[images], by_size.loc[furthest]
        st.markdown(
            tr("#### About {count} more photos, of all classes, would bring it from {now} to {then}").format(
                count=number(more), now=percent(now["accuracy"]), then=percent(then["accuracy"])
            )
        )
        st.caption(
            tr("Between {low} and {high} in 19 of 20 cases, if they are like those at hand.").format(
                low=percent(then["low"]), high=percent(then["high"])
            )
        )
        table = found.table
    draw_chart(
        ("forecast", run.id, review.seconds, more),
        lambda: forecast_chart(review.points, table),
        tr("Accuracy by the number of photos"),
    )
    _class_forecasts(review, run.classes, more)


def _class_forecasts(review: Review, classes: tuple[str, ...], more: int) -> None:
    """What more photos of one class alone would bring, for the weakest."""
    if review.class_points.empty:
        return
    most = int(review.class_points.groupby("class")["images"].max().min())
    of_class = max(min(more, (_FURTHEST - 1) * most), 1)
    st.markdown(
        ntr(
            "**About {count} more photo of one class** (the weakest classes)",
            "**About {count} more photos of one class** (the weakest classes)",
            of_class,
        ).format(count=number(of_class))
    )
    lines = []
    for row in class_forecast(review.class_points, of_class).itertuples():
        if row.reason:
            text = f"{tr('too few to say.')} {escape_markdown(said(row.reason), 200)}"
        else:
            text = tr("from {now} recognised to **{then}** ({low} to {high})").format(
                now=percent(row.now), then=percent(row.then), low=percent(row.low), high=percent(row.high)
            )
        lines.append(f"- {escape_markdown(classes[int(row[1])], 40)}: {text}")
    st.markdown("\n".join(lines))


@st.cache_resource(show_spinner=False, max_entries=4)
def _loaded(run_id: str, version: int) -> Review | None:  # noqa: ARG001 - part of the key
    return load_review(load_run(run_id, workspace=workspace()))


def _suspect(data: Dataset, row: pd.Series, files: dict[int, str], names: dict[int, str]) -> None:
    """One photo, what is said of it, those like it, and what to do."""
    image_id = int(row["image_id"])
    with st.container(border=True):
        left, middle, right = st.columns([2, 4, 4], gap="medium")
        with left:
            _picture(data, files[image_id], escape_markdown(row["name"], 40))
        with middle:
            given = tr("Labelled **{name}**").format(name=escape_markdown(row["given"], 40))
            suggested = tr("looks like **{name}**").format(name=escape_markdown(row["suggested"], 40))
            st.markdown(f"{given}  \n{suggested}")
            st.caption(_believed(row["self_confidence"], row["knn_agreement"]))
            with st.container(horizontal=True, gap="small"):
                if st.button(tr("Keep"), icon=":material/check:", key=f"keep_{image_id}"):
                    _note(confirm, data, [image_id])
                if row["suggested"] != row["given"]:
                    label = tr("Move to {name}").format(name=escape_markdown(row["suggested"], 24))
                    if st.button(label, icon=":material/label:", key=f"move_{image_id}"):
                        apply_edit(relabel, data, [image_id], row["suggested"])
                if st.button(tr("Take out"), icon=":material/remove_circle:", key=f"drop_{image_id}"):
                    apply_edit(exclude, data, [image_id])
        with right:
            st.caption(tr("Most like it"))
            with st.container(horizontal=True, gap="small"):
                for other in row["neighbours"]:
                    if other in files:
                        with st.container(width=86, gap="xsmall"):
                            _picture(data, files[other], escape_markdown(names[other], 20))


def _believed(self_confidence: float, agreement: float) -> str:
    """How much speaks for a label."""
    share = percent(self_confidence)
    if pd.isna(agreement):
        return tr("Its label is thought {share} probable.").format(share=share)
    return tr("Its label is thought {share} probable, {count} of its 10 neighbours have it.").format(
        share=share, count=number(10 * agreement)
    )


def _picture(data: Dataset, file: str, caption: str) -> None:
    path = thumbnail(data, file)
    if path is None:
        st.caption(tr(":material/broken_image: The picture is gone."))
    else:
        st.image(str(path), width="stretch")
    st.caption(caption)


def _kept(data: Dataset, kept: set[int], files: dict[int, str]) -> None:
    """Those that were looked at and found right, to take that back."""
    if not kept:
        return
    title = tr("Kept as they are ({count})").format(count=number(len(kept)))
    with st.expander(title, icon=":material/check:"), st.container(horizontal=True, gap="small"):
        for image_id in sorted(kept)[:_SHOWN]:
            with st.container(width=110, gap="xsmall"):
                _picture(data, files[image_id], "")
                if st.button(tr("Doubt again"), key=f"doubt_{image_id}", type="tertiary"):
                    _note(unconfirm, data, [image_id])


def _note(write: Any, data: Dataset, image_ids: list[int]) -> None:
    try:
        write(data, image_ids)
    except VitcoreError as error:
        notify_error(error)
    st.rerun()


def _retrain(run: Run, data: Dataset) -> None:
    """After changes: train again with the same settings; then what that did to the figures."""
    version = run.config.dataset.version
    if data.version != version:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            if st.button(
                tr("Train again and compare"), type="primary", icon=":material/autorenew:", key="retrain"
            ):
                try:
                    start_training(data, run.hyperparameters, run.config.requested)
                    st.session_state["compared_with"] = run.id
                except VitcoreError as error:
                    notify_error(error)
                st.switch_page("pages/train.py")
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
