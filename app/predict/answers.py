"""The answers for new photos: one by one with their reasons, or as a table."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st
from PIL import Image

from app.predict.answer_table import draw_table
from app.shared.cached_charts import draw_chart
from app.shared.explanation import (
    SIDE,
    cached_explanation,
    cached_picture,
    draw_legend,
    draw_map_check,
    draw_nearest,
)
from app.shared.layout import draw_pagination, draw_select, draw_switch
from app.shared.messages import draw_unavailable, error_text
from app.shared.pictures import draw_lost_picture
from app.shared.state import workspace
from app.shared.text import answer_details, answer_headline, escape_markdown
from vitcore.charts import probability_chart
from vitcore.dataset import Dataset, load_dataset
from vitcore.errors import VitcoreError
from vitcore.inference import heatmap
from vitcore.language import listed, mark, ntr, number, tr, translated
from vitcore.pipeline import PhotoBatch
from vitcore.runs import Run

__all__ = ["draw_answers"]

PER_PAGE = 6  # photos with their maps, each of which takes a forward pass
FEW = 6  # photos, above which they can be filtered and put in order
MOST_CLASSES = 5  # named in the summary
VIEWS = {"photos": mark(":material/photo: One by one"), "table": mark(":material/table_rows: Table")}
SHOW = {"all": mark("All"), "sure": mark("Sure"), "unsure": mark("Not sure")}
ORDERS = {
    "given": mark("As they came"),
    "doubt": mark("Least confident first"),
    "class": mark("By class"),
    "name": mark("By name"),
}


def draw_answers(run: Run, batch: PhotoBatch) -> None:
    """Draw the answers for the photos of a batch."""
    answers = batch.answers
    _summary(batch, answers)
    _refusals(batch, answers)
    answered = answers[answers["label"] != ""]
    if answered.empty:
        return
    view = draw_switch(tr("View"), {key: tr(title) for key, title in VIEWS.items()}, "answers_view")
    chosen = _chosen(answered) if len(answered) > FEW else answered
    if view == "table":
        place = draw_table(batch, chosen)
        if place is not None:
            _card(run, batch, place)
    else:
        for row in draw_pagination(len(chosen), f"answers_page_{batch.id}", PER_PAGE):
            _card(run, batch, int(chosen.index[row]))
        draw_map_check(run)


# --- the whole ---------------------------------------------------------------------------------


def _summary(batch: PhotoBatch, answers: pd.DataFrame) -> None:
    """Draw how many are sure, not sure and unusable, and what the sure ones show."""
    good = answers[answers["label"] != ""]
    unusable = len(batch.refused) + len(answers) - len(good)
    sure = good[good["sure"]]
    totals = [
        tr("**{count}** sure").format(count=number(len(sure))),
        tr("**{count}** not sure").format(count=number(len(good) - len(sure))),
        tr("**{count}** unusable").format(count=number(unusable)),
    ]
    count = len(batch.refused) + len(batch.names)
    photos = ntr("{count} photo", "{count} photos", count).format(count=number(count))
    st.markdown(f"#### {photos}: {' · '.join(totals)}")
    counts = pd.Series([batch.label(place) for place in sure.index]).value_counts()
    if counts.empty:
        return
    names = [f"**{escape_markdown(str(name), 30)}** ({number(count)})" for name, count in counts.items()]
    if len(names) > MOST_CLASSES + 1:
        rest = tr("{count} more classes").format(count=number(len(names) - MOST_CLASSES))
        names = [*names[:MOST_CLASSES], rest]
    st.markdown(tr("The sure ones show {classes}.").format(classes=listed(names)))


def _refusals(batch: PhotoBatch, answers: pd.DataFrame) -> None:
    """Draw what could not be used, by name, and why."""
    bad = answers.loc[answers["label"] == "", "name"]
    count = len(batch.refused) + len(bad)
    if not count:
        return
    shown = list(batch.refused[:5])
    shown += [(str(name), batch.problem(number)) for number, name in bad[: 5 - len(shown)].items()]
    lines = [
        tr("**{name}** cannot be used: {reason}.").format(
            name=escape_markdown(name), reason=escape_markdown(translated(reason), 200)
        )
        for name, reason in shown
    ]
    if more := count - len(shown):
        lines.append(ntr("and {count} more file", "and {count} more files", more).format(count=number(more)))
    st.warning("  \n".join(lines), icon=":material/block:")


def _chosen(answered: pd.DataFrame) -> pd.DataFrame:
    """Draw the filters; the rows that pass, in the chosen order."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        show = draw_switch(tr("Show"), {key: tr(title) for key, title in SHOW.items()}, "answers_show")
        labels = sorted(answered["label"].unique())
        key = "answers_class"
        if st.session_state.get(key) not in labels:
            st.session_state[key] = None
        label = st.selectbox(
            tr("Answer"),
            labels,
            index=None,
            placeholder=tr("Any class"),
            key=key,
            persist_state="session",
            width=220,
        )
        orders = {order: tr(title) for order, title in ORDERS.items()}
        order = draw_select(tr("Order"), orders, "answers_order", width=220)
    keep = np.ones(len(answered), dtype=bool) if show == "all" else answered["sure"] == (show == "sure")
    rows = answered[keep]
    if label is not None:
        rows = rows[rows["label"] == label]
    if rows.empty:
        st.info(tr("No photo passes these filters; widen them."), icon=":material/filter_alt_off:")
    columns = {"doubt": ["confidence"], "class": ["label", "confidence"], "name": ["name"]}
    return rows.sort_values(columns[order], kind="stable") if order in columns else rows


# --- one by one --------------------------------------------------------------------------------


def _card(run: Run, batch: PhotoBatch, place: int) -> None:
    """Draw one photo: the answer, how sure it is, why, what is like it, and a way to correct it."""
    path = str(batch.photo(place))
    shares = batch.probabilities(place)
    with st.container(border=True):
        left, middle, right = st.columns([2, 2, 3], gap="medium")
        try:
            picture = cached_picture(path)
        except (VitcoreError, OSError):
            with left:
                draw_lost_picture()
            return
        left.image(picture, width="stretch", alt=batch.names[place])
        left.caption(escape_markdown(batch.names[place], 80))
        with right:
            _answer(batch, place, shares)
        with middle:
            _map(run, batch, place, picture, list(shares))
        with right:
            _mend(run, batch, place)
        _like(run, batch, place)


def _answer(batch: PhotoBatch, place: int, shares: dict[str, float]) -> None:
    row = batch.answers.loc[place]
    label, reason = str(row["label"]), str(row["reason"])
    possible = batch.possible(place) if reason == "ambiguous" else ()
    st.markdown(f"### {answer_headline(label, reason, possible)}")
    st.caption(answer_details(label, reason, row["confidence"], {name: shares[name] for name in possible}))
    if reason == "novel":  # probabilities mean nothing
        return
    draw_chart(
        (batch.id, place, batch.answers.shape[0]),
        partial(probability_chart, shares),
        tr("Probabilities of the classes, the most probable first"),
        key=f"bars_{batch.id}_{place}",
    )


def _map(run: Run, batch: PhotoBatch, place: int, picture: Image.Image, classes: list[str]) -> None:
    """Draw what in the photo speaks for a class, and what against it."""
    above = st.container(gap="xsmall")
    label = st.selectbox(
        tr("What speaks for"),
        classes,
        format_func=lambda label: label if len(label) <= 40 else f"{label[:39]}…",
        key=f"map_{batch.id}_{place}",
    )
    try:
        with above, st.spinner(tr("Looking …")):
            explanation = cached_explanation(run, str(batch.photo(place)))
        drawn = heatmap(explanation, picture, label, size=SIDE)
    except (VitcoreError, OSError) as error:
        with above:
            draw_unavailable(error)
        return
    above.image(drawn, width="stretch", alt=tr("What in the photo speaks for {name}").format(name=label))
    with above:
        draw_legend(explanation, label)


def _like(run: Run, batch: PhotoBatch, place: int) -> None:
    """Draw the nearest training images, once they are asked for."""
    title = tr("Most alike among the photos that it learned from")
    if not st.toggle(title, key=f"alike_{batch.id}_{place}"):
        return
    try:
        data = _dataset(run)
        vector = cached_explanation(run, str(batch.photo(place))).embedding
    except (VitcoreError, OSError) as error:
        draw_unavailable(error)
        return
    draw_nearest(data, run, vector, f"alike_row_{batch.id}_{place}")


def _dataset(run: Run) -> Dataset:
    """Load the latest version of what the run learned from.

    Raises:
        VitcoreError: It was deleted.
    """
    return load_dataset(run.config.dataset.id, workspace=workspace())


# --- mending -----------------------------------------------------------------------------------


def _mend(run: Run, batch: PhotoBatch, place: int) -> None:
    """Say what the photo really shows; it is added to the dataset as that, for the next training."""
    corrected = batch.corrections.get(place)
    failed = st.session_state.get("mend_failed", {}).pop((batch.id, place), "")
    if failed:
        st.error(failed, icon=":material/error:")
    try:
        data = _dataset(run)
    except VitcoreError:  # without its dataset there is nothing to add to
        return
    if corrected is not None:
        st.markdown(
            tr(
                ":material/library_add_check: Added to **{dataset}** as **{label}** for the next training."
            ).format(dataset=escape_markdown(data.name, 40), label=escape_markdown(corrected.label, 40))
        )
        if corrected.version == data.version:
            st.button(
                tr("Undo"),
                icon=":material/undo:",
                key=f"unmend_{batch.id}_{place}",
                on_click=_edit,
                args=(PhotoBatch.take_back, batch, place, data),
            )
        return
    with st.popover(tr("Wrong? Say what it is"), icon=":material/edit:", key=f"mend_{batch.id}_{place}"):
        label = st.selectbox(
            tr("What it really shows"),
            data.classes,
            index=None,
            accept_new_options=True,
            placeholder=tr("Choose a class, or type a new one"),
            key=f"mend_class_{batch.id}_{place}",
        )
        st.button(
            tr("Add to the dataset"),
            type="primary",
            disabled=label is None,
            key=f"mend_add_{batch.id}_{place}",
            on_click=_edit,
            args=(PhotoBatch.correct, batch, place, label, data),
        )
        st.caption(
            tr("The photo becomes part of **{dataset}** as that; the next training learns from it.").format(
                dataset=escape_markdown(data.name, 40)
            )
        )


def _edit(edit: Callable[..., Dataset], batch: PhotoBatch, place: int, *arguments: object) -> None:
    """Correct an answer or take that back; its card says why if it cannot be done."""
    try:
        edit(batch, place, *arguments)
    except VitcoreError as error:
        st.session_state.setdefault("mend_failed", {})[batch.id, place] = error_text(error)
