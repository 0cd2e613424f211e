"""Pieces of a page that look the same everywhere."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn, TypeVar

import streamlit as st

from app.shared.address import go_to, section_key
from app.shared.messages import draw_error
from app.shared.starting import start_sample
from app.shared.state import chosen_dataset, chosen_run
from app.shared.text import escape_markdown
from vitcore.dataset import Dataset
from vitcore.errors import VitcoreError
from vitcore.language import percent, tr
from vitcore.runs import Run

__all__ = [
    "draw_empty_state",
    "draw_metrics",
    "draw_next_page",
    "draw_opening",
    "draw_pagination",
    "draw_section",
    "draw_select",
    "draw_switch",
    "require_dataset",
    "require_run",
    "verdict",
]

PER_PAGE = 24

Chosen = TypeVar("Chosen", Dataset | None, Run | None)


def draw_opening(title: str, sentence: str) -> None:
    """Draw the top of a page: its name, and one sentence on what it is for."""
    st.title(title, anchor=False)
    st.markdown(sentence)


def draw_metrics(values: Iterable[tuple[str, str, str | None]]) -> None:
    """Draw figures side by side, as many as fit: label, value and a help text or None each."""
    with st.container(horizontal=True):
        for label, value, meaning in values:
            st.metric(label, value, help=meaning, border=True, width="stretch")


def draw_next_page(page: str, label: str) -> None:
    """Draw the button at the end of a page, to the next step of the work."""
    st.space("small")
    if st.button(label, icon=":material/arrow_forward:", icon_position="right", key=f"next_{page}"):
        go_to(page)


def require_dataset() -> Dataset:
    """Return the chosen dataset; without one, say so, offer the way there, and end the page."""
    found = _loaded(chosen_dataset)
    if found is None:
        sentence = tr("There are no photos yet. Bring some in, or try the sample set.")
        draw_empty_state(sentence, "dataset", tr("Go to Dataset"), sample=True)
    if found.index.empty:
        draw_empty_state(tr("None of these photos has a label yet."), "label", tr("Label these photos"))
    return found


def require_run() -> Run:
    """Return the chosen run; without one, say so, offer the way there, and end the page."""
    require_dataset()
    found = _loaded(chosen_run)
    if found is None:
        draw_empty_state(
            tr("No classifier has been trained on this dataset yet."), "train", tr("Go to Train")
        )
    return found


def draw_pagination(count: int, key: str, per_page: int = PER_PAGE) -> range:
    """Draw page buttons for `count` items; return the positions to show on the chosen page."""
    pages = max(1, -(-count // per_page))
    # A filter may have made the list shorter than the page that was chosen before.
    if st.session_state.get(key, 1) > pages:
        st.session_state[key] = pages
    number = st.pagination(pages, key=key) if pages > 1 else 1
    return range((number - 1) * per_page, min(number * per_page, count))


def verdict(true: str, predicted: str, confidence: float) -> str:
    """Return the answer for an image, right or wrong in words and sign, not in colour alone; Markdown."""
    if true == predicted:
        return f":material/check_circle: **{escape_markdown(true, 28)}** {percent(confidence)}"
    truth = tr("truly: **{name}**").format(name=escape_markdown(true, 28))
    return f":material/cancel: **{escape_markdown(predicted, 28)}** {percent(confidence)}  \n{truth}"


def draw_switch(title: str, options: Mapping[str, str], key: str) -> str:
    """Draw a choice between a few options side by side, kept from page to page; return the chosen one.

    Args:
        title: What is chosen, for those who do not see it.
        options: What each is called; Markdown.
        key: Of the widget.
    """
    return st.segmented_control(
        title,
        list(options),
        default=None if key in st.session_state else next(iter(options)),
        required=True,
        format_func=options.__getitem__,
        key=key,
        label_visibility="collapsed",
        persist_state="session",
    )


def draw_section(page: str, options: Mapping[str, str]) -> str:
    """Draw the choice between the sections of a page, which its address names; return the chosen one."""
    key = section_key(page)
    st.session_state[f"{page}_first_section"] = next(iter(options))
    if st.session_state.get(key) not in options:  # that of an old link
        st.session_state.pop(key, None)
    return draw_switch(tr("Section"), options, key)


def draw_select(title: str, options: Mapping[str, str], key: str, **more: Any) -> str:
    """Draw a choice between many options; kept from page to page.

    The choice stays the same when options come, go or are renamed, by another session for instance.

    Args:
        title: What is chosen.
        options: What each is called, in the language of now: the browser knows the choice by this.
        key: Of the widget.
        more: As for `st.selectbox`.
    """
    if key in st.session_state:  # the browser knows it by what it was called when it was drawn last
        st.session_state[key] = st.session_state[key]
    return st.selectbox(
        title, list(options), format_func=options.__getitem__, key=key, persist_state="session", **more
    )


def draw_empty_state(sentence: str, page: str, label: str, *, sample: bool = False) -> NoReturn:
    """Say what is missing, offer the way there, and end the page.

    Args:
        sentence: What is missing.
        page: Where it is to be had.
        label: Of the button that leads there.
        sample: Whether to offer the sample set as well.
    """
    with st.container(border=True, horizontal_alignment="center", gap="medium"):
        st.markdown(f"### :material/inbox:\n\n{sentence}", text_alignment="center")
        with st.container(horizontal=True, horizontal_alignment="center"):
            if st.button(label, type="primary", icon=":material/arrow_forward:", key=f"empty_{page}"):
                go_to(page)
            other = tr("Try it with handwritten digits")
            if sample and st.button(other, icon=":material/draw:", key="empty_sample"):
                start_sample()
                go_to("train")
    st.stop()


def _loaded(load: Callable[[], Chosen]) -> Chosen:
    try:
        return load()
    except VitcoreError as error:
        draw_error(error)
        st.stop()
