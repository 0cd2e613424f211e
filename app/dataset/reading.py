"""The choice of how a pile of photos is read, where there are several ways."""

from dataclasses import replace

import pandas as pd
import streamlit as st

from app.dataset.staged import Staged
from app.shared.text import escape_markdown
from vitcore.language import listed, ntr, number, tr, translated
from vitcore.layouts import EVERY_COLUMN, Candidate, Reading, Survey

__all__ = ["draw_choice"]

NAMED = 4  # classes of a reading


def draw_choice(staged: Staged, survey: Survey, key: str) -> Candidate | None:
    """Draw the choice of a reading, if there are several; return the chosen one."""
    candidates = list(survey.candidates)
    if staged.reading.unlabelled:
        return candidates[0]
    if not any(candidate.classes for candidate in candidates):
        return _one_class(staged, survey)
    chosen = 0
    if len(candidates) > 1 or survey.problem:
        if survey.problem:
            st.warning(_question(candidates[0].reading), icon=":material/alt_route:")
        titles = [escape_markdown(translated(candidate.title), 200) for candidate in candidates]
        picked = st.radio(
            tr("How to read it"),
            range(len(candidates)),
            index=None if survey.problem else 0,
            format_func=titles.__getitem__,
            captions=[_summary(candidate) for candidate in candidates],
            key=f"reading_{key}",
        )
        if picked is None:
            return None
        chosen = picked
    candidate = candidates[chosen]
    return _columns(staged, candidate) if candidate.table is not None else candidate


def _question(likeliest: Reading) -> str:
    """Return what a person has to decide, by the likeliest of the readings."""
    if likeliest.names:
        return tr("Only the file names say what the photos show. Should the classes be taken from them?")
    if likeliest.boxes:
        return tr(
            "There are boxes around objects in the photos. Where objects lie is not learned here. Should "
            "each photo take the class of its boxes, or should each box be cut out as a photo?"
        )
    if likeliest.several:
        return tr(
            "Some photos have several labels, but only one class per photo is supported. What should be done "
            "with them?"
        )
    return tr("This can be read in several ways. Which one is right?")


def _summary(candidate: Candidate) -> str:
    """Return the classes of a reading in a few words, and how many photos it leaves out."""
    counts = list(candidate.classes.items())
    names = [f"{escape_markdown(name, 30)} ({number(count)})" for name, count in counts[:NAMED]]
    if more := len(counts) - len(names):
        names.append(ntr("{count} more class", "{count} more classes", more).format(count=number(more)))
    left_out = sum(item.reason is not None for item in candidate.items)
    if not left_out:
        return listed(names)
    return ntr(
        "{classes}; {count} photo is left out", "{classes}; {count} photos are left out", left_out
    ).format(classes=listed(names), count=number(left_out))


def _one_class(staged: Staged, survey: Survey) -> Candidate | None:
    """Ask for the class of photos without folders or a table: they may all be of one."""
    if not survey.images:
        why = translated(survey.problem) if survey.problem else tr("There are no photos in it.")
        st.error(escape_markdown(why, 600), icon=":material/image_not_supported:")
        return None
    st.warning(
        ntr(
            "{count} photo, but nothing says what it shows: it lies in no class folder, and no CSV file "
            "names it.",
            "{count} photos, but nothing says what they show: they lie in no class folder, and no CSV file "
            "names them.",
            survey.images,
        ).format(count=number(survey.images)),
        icon=":material/help:",
    )
    if st.button(tr("Import them without labels"), type="primary", icon=":material/label:", key="unlabelled"):
        staged.read_as(replace(staged.reading, unlabelled=True))
        st.rerun()
    st.caption(tr("You can label them here, a group or a page at a time."))
    label = st.text_input(tr("If all of them are of one class, which?"), placeholder=tr("hat")).strip()
    if label:
        staged.read_as(replace(staged.reading, label=label))
        st.rerun()
    return None


def _columns(staged: Staged, candidate: Candidate) -> Candidate | None:
    """Draw the choice of the columns of a table; return the reading by those, None while it is looked at."""
    table = candidate.table
    assert table is not None
    left, right = st.columns(2)
    columns = list(table.columns)
    classes = [EVERY_COLUMN, *columns] if candidate.reading.label_column == EVERY_COLUMN else columns
    file_column = left.selectbox(
        tr("Column with the names of the photos"),
        columns,
        index=columns.index(candidate.reading.file_column),
        format_func=str,
        key=f"file_column_{table.name}",
    )
    label_column = right.selectbox(
        tr("Column with the classes"),
        classes,
        index=classes.index(candidate.reading.label_column),
        format_func=lambda name: tr("One column of 0 and 1 per class") if name == EVERY_COLUMN else name,
        key=f"label_column_{table.name}",
    )
    wanted = replace(candidate.reading, file_column=file_column, label_column=label_column)
    head = pd.DataFrame(table.rows[:5], columns=columns)
    st.dataframe(head, hide_index=True, width="stretch")
    if wanted == candidate.reading:
        return candidate
    found = staged.survey(wanted)
    if found is None:
        staged.draw_looks()
        return None
    if isinstance(found, Survey) and found.candidates:
        return found.candidates[0]
    st.error(tr("These columns do not fit the photos; choose others."), icon=":material/error:")
    return candidate
