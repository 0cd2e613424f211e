"""One validation image from close by: what was answered and why, what is like it, and mending its label."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from app.samples.gallery import RIGHT, WRONG, Samples, open_picture, present_labels, samples_of
from app.shared.address import write_address
from app.shared.cached_charts import draw_chart
from app.shared.explanation import SIDE, cached_explanation, cached_picture, draw_legend, draw_nearest
from app.shared.messages import draw_unavailable, error_text
from app.shared.pictures import draw_lost_picture
from app.shared.results import cached_vectors, results_version
from app.shared.state import chosen_dataset
from app.shared.text import answer_details, answer_headline, escape_markdown
from vitcore.charts import probability_chart
from vitcore.dataset import Dataset, exclude, relabel, restore, undo
from vitcore.errors import VitcoreError
from vitcore.inference import heatmap
from vitcore.language import number, tr, translated
from vitcore.runs import Run

__all__ = ["draw_opened_photo"]

TOP = 5  # classes that are shown unless all are wanted
TALL = 16  # classes, from which on their chart is scrolled


def draw_opened_photo(run: Run, order: npt.NDArray[np.int64]) -> None:
    """Open the image that was asked for, if any.

    Args:
        run: Whose answers are shown.
        order: Ids of the images through which the arrows lead.
    """
    run_id, image_id = st.session_state.get("opened", (None, None))
    if run_id != run.id or image_id not in samples_of(run).rows["image_id"].array:
        st.session_state.pop("opened", None)
        return
    title = tr("Photo")
    st.dialog(title, width="large", icon=":material/zoom_in:", on_dismiss=_close)(_dialog)(run, order)


def _close() -> None:
    st.session_state.pop("opened", None)
    st.session_state.pop("edited", None)


def _dialog(run: Run, order: npt.NDArray[np.int64]) -> None:
    write_address()
    data, samples = chosen_dataset(), samples_of(run)
    image_id = st.session_state["opened"][1]
    row = samples.rows[samples.rows["image_id"] == image_id].iloc[0]
    _arrows(run, order, image_id)
    left, right = st.columns([2, 3], gap="medium")
    with left:
        _picture(data, run, row)
    with right:
        _answer(data, run, samples, row)
        _mend(data, row)
    _alike(data, run, image_id)


def _arrows(run: Run, order: npt.NDArray[np.int64], image_id: int) -> None:
    """Draw the ways to the image before and the one after, by button or by key."""
    (found,) = np.nonzero(order == image_id)
    if not len(found):
        return
    place = int(found[0])
    with st.container(horizontal=True, vertical_alignment="center"):
        for label, key, step in ((tr("Previous"), "left", -1), (tr("Next"), "right", 1)):
            other = place + step
            inside = 0 <= other < len(order)
            st.button(
                label,
                key=f"step_{key}",
                shortcut=key,
                disabled=not inside,
                on_click=_step,
                args=(run, int(order[other]) if inside else image_id),
            )
        st.caption(tr("{place} of {count}").format(place=number(place + 1), count=number(len(order))))


def _step(run: Run, image_id: int) -> None:
    st.session_state.pop("edited", None)
    open_picture(run, image_id)


def _picture(data: Dataset, run: Run, row: pd.Series) -> None:
    """Draw the picture, or on it what spoke for a class and what against it."""
    path = data.path(row["file"])
    try:
        picture = cached_picture(str(path))
    except (VitcoreError, OSError):
        draw_lost_picture()
        return
    place = st.container(gap="xsmall")
    name = escape_markdown(row["name"], 80)
    if not st.toggle(tr("Show where it looks"), key="where", persist_state="session"):
        place.image(picture, alt=row["name"])
        place.caption(name)
        return
    label = row["predicted"]
    if not row["right"]:
        label = st.segmented_control(
            tr("What speaks for"),
            [row["predicted"], row["true"]],
            default=row["predicted"],
            required=True,
            format_func=lambda label: escape_markdown(label, 30),
            key=f"where_{run.id}_{row['image_id']}",
        )
    try:
        with st.spinner(tr("Looking …")):
            explanation = cached_explanation(run, str(path), judged=True)
        drawn = heatmap(explanation, picture, label, size=SIDE)
    except (VitcoreError, OSError) as error:
        place.image(picture, alt=row["name"])
        draw_unavailable(error)
        return
    place.image(drawn, alt=tr("What in the photo speaks for {name}").format(name=label))
    place.caption(name)
    draw_legend(explanation, label)


# --- the answer --------------------------------------------------------------------------------


def _answer(data: Dataset, run: Run, samples: Samples, row: pd.Series) -> None:
    """Draw the answer, the label, how sure the answer is, and what else it might have been."""
    if row["right"]:
        verdict = tr("Right: in the training it was labelled **{name}**.")
    else:
        verdict = tr("Mistake: in the training it was labelled **{name}**.")
    reason, possible = _doubt(run, samples, row)
    shares = dict(zip(run.classes, run.probabilities[row["position"]].tolist(), strict=True))
    facts = [
        f"{RIGHT if row['right'] else WRONG} {verdict.format(name=escape_markdown(row['true']))}",
    ]
    label = present_labels(data, [row["image_id"]]).get(row["image_id"])
    if label is None:
        facts.append(":material/edit: " + tr("By now it is **removed** from the dataset."))
    elif label != row["true"]:
        moved = tr("It is now labelled **{name}**; the run keeps what it learned.")
        facts.append(f":material/edit: {moved.format(name=escape_markdown(label))}")
    st.markdown(f"### {answer_headline(row['predicted'], reason, possible)}")
    st.caption(
        answer_details(row["predicted"], reason, row["confidence"], {name: shares[name] for name in possible})
    )
    st.markdown("  \n".join(facts))
    if reason == "novel":  # probabilities mean nothing
        return
    probabilities = run.probabilities[row["position"]]
    ranked = np.argsort(-probabilities, kind="stable")
    everything = len(ranked) > TOP and st.toggle(
        tr("All {count} classes").format(count=number(len(ranked))),
        key="all_classes",
        persist_state="session",
    )
    shown = len(ranked) if everything else TOP
    with st.container(height=380 if shown > TALL else "content", border=False):
        draw_chart(
            ("probabilities", results_version(run), row["image_id"], shown),
            lambda: probability_chart({run.classes[n]: float(probabilities[n]) for n in ranked}, shown),
            tr("Probabilities of the classes, the most probable first"),
        )


def _doubt(run: Run, samples: Samples, row: pd.Series) -> tuple[str, tuple[str, ...]]:
    """Return why it is not sure, if it is not, and the classes that it may be."""
    if samples.verdicts is None:
        return "", ()
    place = row["position"]
    possible = samples.verdicts.possible(place, run.probabilities[place], run.classes)
    return str(samples.verdicts.reason[place]), possible


# --- mending -----------------------------------------------------------------------------------


def _mend(data: Dataset, row: pd.Series) -> None:
    """Draw the ways to another label or out of the dataset; on the disk at once, undone with one click."""
    image_id = int(row["image_id"])
    label = present_labels(data, [image_id]).get(image_id)
    state, text = st.session_state.get("edited", ("", ""))
    with st.container(border=True, gap="small"):
        if label is None:
            st.markdown(tr("**Removed from the dataset**"))
        else:
            st.markdown(tr("**Labelled {name}: is that wrong?**").format(name=escape_markdown(label)))
        with st.container(horizontal=True, vertical_alignment="bottom"):
            if label is None:
                _button(tr("Bring back"), "undo", "detail_restore", restore, data, [image_id])
            else:
                suggested = row["predicted"] if row["predicted"] in data.classes else None
                target = st.selectbox(
                    tr("Move to class"),
                    data.classes,
                    index=data.classes.index(suggested) if suggested not in {None, label} else None,
                    accept_new_options=True,
                    placeholder=tr("Choose a class, or type a new one"),
                    label_visibility="collapsed",
                    key=f"detail_class_{image_id}_{data.version}",
                    width=240,
                )
                blocked = target in {None, label}
                arguments = data, [image_id], target
                _button(tr("Move"), "label", "detail_move", relabel, *arguments, disabled=blocked)
                _button(tr("Remove"), "remove_circle", "detail_exclude", exclude, data, [image_id])
            if data.undoable is not None:
                change = escape_markdown(translated(data.undoable).removesuffix("."), 60)
                _button(tr("Undo: {change}").format(change=change), "undo", "detail_undo", undo, data)
        if state == "failed":
            st.error(text, icon=":material/error:")
        elif state == "complete":
            st.caption(escape_markdown(translated(text), 300))
        else:
            st.caption(tr("Kept in the dataset at once; the next training learns from it."))


def _button(
    label: str,
    icon: str,
    key: str,
    edit: Callable[..., Dataset],
    *arguments: object,
    disabled: bool = False,
) -> None:
    st.button(
        label,
        icon=f":material/{icon}:",
        key=key,
        disabled=disabled,
        on_click=_edit,
        args=(edit, *arguments),
    )


def _edit(edit: Callable[..., Dataset], *arguments: object) -> None:
    """Make an edit as `app.shared.edits.apply_edit` does; but the view stays open and says what was done."""
    try:
        st.session_state["edited"] = ("complete", edit(*arguments).changes[-1].text)
    except VitcoreError as error:
        st.session_state["edited"] = ("failed", error_text(error))


# --- what is like it ---------------------------------------------------------------------------


def _alike(data: Dataset, run: Run, image_id: int) -> None:
    """Draw the training images that are nearest to it."""
    st.markdown(tr("**Most alike among the photos that it learned from**"))
    try:
        found = cached_vectors(run)
    except VitcoreError as error:
        draw_unavailable(error)
        return
    own = int(np.flatnonzero(found.rows["image_id"] == image_id)[0])
    draw_nearest(data, run, found.vectors[own], "alike")
