"""One validation image from close by: what was answered and why, what is like it, and mending its label."""

from collections.abc import Callable, Hashable

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st
from PIL import Image, ImageOps

from app.samples import RIGHT, WRONG, Samples, draw_picture, now, open_picture, samples_of, vectors_of
from app.state import classifier, dataset, stamp
from app.text import percent, plain
from vitcore.charts import probability_chart
from vitcore.dataset import Dataset, exclude, load_image, relabel, restore, undo
from vitcore.errors import VitcoreError
from vitcore.evaluation import NeighbourIndex
from vitcore.inference import Explanation, explain, heatmap
from vitcore.runs import Run

__all__ = ["draw_detail"]

SIDE = 480  # of the square that the large picture fills, in pixels
ALIKE = 6  # training images that are shown
TOP = 5  # classes that are shown unless all are wanted
MOST_NAMES = 5  # of classes between which it is a close call
TALL = 16  # classes, from which on their chart is scrolled


def draw_detail(run: Run, order: npt.NDArray[np.int64]) -> None:
    """Open the image that was asked for, if any.

    Args:
        run: Whose answers are shown.
        order: Ids of the images through which the arrows lead.
    """
    run_id, image_id = st.session_state.get("opened", (None, None))
    if run_id != run.id or image_id not in samples_of(run).rows["image_id"].array:
        st.session_state.pop("opened", None)
        return
    _dialog(run, order)


def _close() -> None:
    st.session_state.pop("opened", None)
    st.session_state.pop("edited", None)


@st.dialog("A closer look", width="large", icon=":material/zoom_in:", on_dismiss=_close)
def _dialog(run: Run, order: npt.NDArray[np.int64]) -> None:
    data, samples = dataset(), samples_of(run)
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
    """To the image before and the one after, by button or by key."""
    (found,) = np.nonzero(order == image_id)
    if not len(found):
        return
    place = int(found[0])
    with st.container(horizontal=True, vertical_alignment="center"):
        for label, key, step in (("Previous", "Left", -1), ("Next", "Right", 1)):
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
        st.caption(f"{place + 1:,} of {len(order):,}")


def _step(run: Run, image_id: int) -> None:
    st.session_state.pop("edited", None)
    open_picture(run, image_id)


def _picture(data: Dataset, run: Run, row: pd.Series) -> None:
    """The picture, or on it what spoke for a class and what against it."""
    path = data.path(row["file"])
    try:
        picture = _large(str(path))
    except (VitcoreError, OSError):
        st.caption(":material/broken_image: The picture is gone.")
        return
    place = st.container(gap="xsmall")
    name = plain(row["name"], 80)
    if not st.toggle("Show where it looks", key="where", persist_state="session"):
        place.image(picture)
        place.caption(name)
        return
    label = row["predicted"]
    if not row["right"]:
        label = st.segmented_control(
            "What speaks for",
            [row["predicted"], row["true"]],
            default=row["predicted"],
            required=True,
            format_func=lambda label: plain(label, 30),
            key=f"where_{run.id}_{row['image_id']}",
        )
    try:
        explained = _explained(stamp(run), run, str(path))
        drawn = heatmap(explained, picture, label, size=SIDE)
    except (VitcoreError, OSError) as error:
        place.image(picture)
        st.caption(f":material/info: {plain(str(error), 300)}")
        return
    place.image(drawn)
    place.caption(name)
    st.caption(_where(explained, label))


def _where(explained: Explanation, label: str) -> str:
    """What the colours mean, and how much of the answer they leave out."""
    number = explained.classes.index(label)
    patches, whole = float(explained.patches[number].sum()), float(explained.class_token[number])
    share = abs(whole) / max(abs(whole) + abs(patches), 1e-9)
    text = f"Orange parts speak for **{plain(label, 40)}**, blue ones against it."
    if whole:
        text += (
            f" Together they add {patches:+.1f} to its score; {whole:+.1f}, a share of {percent(share)}, is "
            "the class token's view of the whole picture, which belongs to no part."
        )
    return text if explained.exact else f"{text} This head has a hidden layer, so the parts are a fair guess."


@st.cache_data(show_spinner=False, max_entries=32)
def _large(path: str) -> Image.Image:
    return ImageOps.contain(load_image(path, at_least=SIDE), (SIDE, SIDE))


@st.cache_resource(show_spinner="Looking …", max_entries=64)
def _explained(key: Hashable, _run: Run, path: str) -> Explanation:  # noqa: ARG001 - stands for the run
    return explain(classifier(_run), path)


# --- the answer --------------------------------------------------------------------------------


def _answer(data: Dataset, run: Run, samples: Samples, row: pd.Series) -> None:
    """What it was taken for, what it is, how sure that is, and what else it might have been."""
    verdict = f"{RIGHT} Right" if row["right"] else f"{WRONG} Mistake"
    facts = [
        f"{percent(row['confidence'])} confident",
        f"{verdict}: in the training it was labelled **{plain(row['true'])}**.",
    ]
    label = now(data, [row["image_id"]]).get(row["image_id"])
    if label is None:
        facts.append(":material/edit: By now it is **taken out** of the dataset.")
    elif label != row["true"]:
        facts.append(f":material/edit: It is now labelled **{plain(label)}**; the run keeps what it learned.")
    if samples.verdicts is not None:
        facts.append(_doubt(run, samples, row))
    st.markdown(f"### {plain(row['predicted'])}\n\n" + "  \n".join(facts))
    probabilities = run.probabilities[row["position"]]
    ranked = np.argsort(-probabilities, kind="stable")
    everything = len(ranked) > TOP and st.toggle(
        f"All {len(ranked)} classes", key="all_classes", persist_state="session"
    )
    shown = len(ranked) if everything else TOP
    with st.container(height=380 if shown > TALL else "content", border=False):
        st.altair_chart(
            probability_chart({run.classes[n]: float(probabilities[n]) for n in ranked}, shown),
            width="stretch",
            alt="Probabilities of the classes, the most probable first",
        )


def _doubt(run: Run, samples: Samples, row: pd.Series) -> str:
    place = row["position"]
    reason = samples.verdicts.reason[place]
    if reason == "":
        return ":material/verified: Sure enough to answer."
    if reason == "unlike":
        return ":material/help: Not sure: it is unlike all photos that were learned from."
    ranked = np.argsort(-run.probabilities[place], kind="stable")
    names = [f"**{plain(run.classes[n], 40)}**" for n in ranked if samples.verdicts.sets[place, n]]
    if len(names) > MOST_NAMES:
        names = [*names[: MOST_NAMES - 1], f"{len(names) - MOST_NAMES + 1} more"]
    return f":material/help: Not sure: a close call between {', '.join(names[:-1])} and {names[-1]}."


# --- mending -----------------------------------------------------------------------------------


def _mend(data: Dataset, row: pd.Series) -> None:
    """Another label, or out of the dataset; on the disk at once, and undone with one click."""
    image_id = int(row["image_id"])
    label = now(data, [image_id]).get(image_id)
    state, text = st.session_state.get("edited", ("", ""))
    with st.container(border=True, gap="small"):
        st.markdown(
            "**Taken out of the dataset**"
            if label is None
            else f"**Labelled {plain(label)}: is that wrong?**"
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            if label is None:
                _button("Bring back", "undo", "detail_restore", restore, data, [image_id])
            else:
                suggested = row["predicted"] if row["predicted"] in data.classes else None
                target = st.selectbox(
                    "Move to class",
                    data.classes,
                    index=data.classes.index(suggested) if suggested not in {None, label} else None,
                    accept_new_options=True,
                    placeholder="Choose a class, or type a new one",
                    label_visibility="collapsed",
                    key=f"detail_class_{image_id}_{data.version}",
                    width=240,
                )
                blocked = target in {None, label}
                _button("Move", "label", "detail_move", relabel, data, [image_id], target, disabled=blocked)
                _button("Take out", "remove_circle", "detail_exclude", exclude, data, [image_id])
            if data.can_undo:
                _button(f"Undo: {plain(data.undoable, 60)}", "undo", "detail_undo", undo, data)
        if state == "failed":
            st.error(text, icon=":material/error:")
        else:
            st.caption(text or "Kept in the dataset at once; the next training learns from it.")


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
    """As `app.editing.apply_edit`, but the view stays open and says itself what was done."""
    try:
        text = edit(*arguments).changes[-1].text
        st.session_state["edited"] = ("complete", plain(text, 300))
    except VitcoreError as error:
        st.session_state["edited"] = ("failed", plain(str(error), 400))


# --- what is like it ---------------------------------------------------------------------------


def _alike(data: Dataset, run: Run, image_id: int) -> None:
    """The training images that are nearest to it."""
    st.markdown("**Most alike among the photos that it learned from**")
    try:
        found = vectors_of(run)
    except VitcoreError as error:
        st.caption(f":material/info: {plain(str(error), 300)}")
        return
    distances, positions = _nearest(stamp(run), run, image_id)
    with st.container(horizontal=True, gap="small", key="alike"):
        for distance, row in zip(distances, found.rows.iloc[positions].itertuples(), strict=True):
            with st.container(width=120, gap="xsmall"):
                draw_picture(data, row.file)
                st.caption(f"**{plain(row.label, 18)}**  \nlikeness {1 - distance:.2f}")
    st.caption("Likeness as the Vision Transformer sees it; 1 is the same picture.")


@st.cache_data(show_spinner=False, max_entries=512)
def _nearest(key: Hashable, _run: Run, image_id: int) -> tuple[npt.NDArray, npt.NDArray]:
    """Distances of the nearest training images, and their positions among the vectors."""
    found = vectors_of(_run)
    own = int(np.flatnonzero(found.rows["image_id"] == image_id)[0])
    index, train = _index(key, _run)
    distances, positions = index.nearest(found.vectors[own], ALIKE)
    return distances, train[positions]


@st.cache_resource(show_spinner=False, max_entries=2)
def _index(key: Hashable, _run: Run) -> tuple[NeighbourIndex, npt.NDArray[np.int64]]:  # noqa: ARG001
    """The training images, and their positions among the vectors."""
    found = vectors_of(_run)
    train = np.flatnonzero(~found.judged)
    return NeighbourIndex(found.vectors[train]), train
