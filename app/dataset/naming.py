"""Choices before an import: the encoding of names, which of them are one class, and pages of stacks."""

from collections.abc import Callable
from dataclasses import replace

import streamlit as st

from app.shared.text import escape_markdown
from vitcore.language import listed, tr, translated
from vitcore.layouts import MERGE, Candidate, Reading, Survey, is_video
from vitcore.messages import quoted
from vitcore.sources import ENCODINGS

__all__ = ["draw_naming"]


def draw_naming(survey: Survey, reading: Reading, choose: Callable[[Reading], None], key: str) -> None:
    """Draw what there is to choose about the names and pages in a pile; nothing where all is plain.

    Args:
        survey: What was found.
        reading: How it was read.
        choose: Is called with another reading before the page is drawn again.
        key: Of this pile.
    """
    found = survey.encoding
    if found is not None and found.encoding != "utf-8":
        picked = st.selectbox(
            tr("Encoding of the names in the archive"),
            [found.encoding, *found.others],
            format_func=lambda encoding: translated(ENCODINGS[encoding]),
            help=tr("The archive does not say it. Choose another if names look wrong."),
            key=f"encoding_{key}_{found.encoding}",
        )
        if picked != found.encoding:
            choose(replace(reading, encoding=picked))
            st.rerun()
    alike = survey.candidates[0].alike if survey.candidates else ()
    if alike or reading.alike:
        merged = st.checkbox(
            tr("Take classes whose names differ only in capitals or spaces as one"),
            value=bool(reading.alike),
            help=_examples(survey.candidates[0]),
            key=f"alike_{key}",
        )
        if merged != bool(reading.alike):
            choose(replace(reading, alike=MERGE if merged else ""))
            st.rerun()

    if survey.candidates and any(_may_have_pages(item.entry.name) for item in survey.candidates[0].items):
        every = st.checkbox(
            tr("Take each page or frame of TIFF and GIF files as a photo"),
            value=bool(reading.pages),
            help=tr("Otherwise the first. The pages of a file are kept together."),
            key=f"pages_{key}",
        )
        if every != bool(reading.pages):
            choose(replace(reading, pages="every" if every else ""))
            st.rerun()
    if reading.frames or any(is_video(entry.name) for entry, _ in survey.skipped):
        seconds = st.number_input(
            tr("Seconds between the pictures taken of a video"),
            min_value=0.0,
            max_value=3600.0,
            value=float(reading.frames or 0),
            step=0.5,
            help=tr(
                "0 takes none. The pictures of a video are kept together. This needs PyAV: pip install -r "
                "requirements-video.txt"
            ),
            key=f"frames_{key}",
        )
        if seconds != float(reading.frames or 0):
            choose(replace(reading, frames=str(seconds) if seconds else ""))
            st.rerun()


def _may_have_pages(name: str) -> bool:
    return name.lower().endswith((".tif", ".tiff", ".gif"))


def _examples(candidate: Candidate) -> str | None:
    groups = [listed(quoted(names)) for names in candidate.alike[:3]]
    return escape_markdown("; ".join(groups), 300) or None
