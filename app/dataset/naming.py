"""Choices about names before an import: how they are encoded, and which of them are one class."""

from collections.abc import Callable
from dataclasses import replace

import streamlit as st

from app.shared.text import escape_markdown
from vitcore.language import listed, tr, translated
from vitcore.layouts import MERGE, Candidate, Reading, Survey
from vitcore.messages import quoted
from vitcore.sources import ENCODINGS

__all__ = ["draw_naming"]


def draw_naming(survey: Survey, reading: Reading, choose: Callable[[Reading], None], key: str) -> None:
    """Draw what there is to choose about the names in a pile; nothing where all is plain.

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


def _examples(candidate: Candidate) -> str | None:
    groups = [listed(quoted(names)) for names in candidate.alike[:3]]
    return escape_markdown("; ".join(groups), 300) or None
