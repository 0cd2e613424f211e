"""Photos that belong together: the series that were noticed, and the choice of the rule."""

from collections.abc import Hashable

import streamlit as st

from app.shared.edits import apply_edit
from app.shared.layout import draw_select
from app.shared.text import escape_markdown
from vitcore.dataset import NO_GROUPS, Dataset, GroupRule, Series, extra_columns, group_images
from vitcore.language import listed, mark, number, tr

__all__ = ["draw_groups", "draw_series_question"]

KINDS = {
    NO_GROUPS: mark("Nothing: every photo stands for itself"),
    "column": mark("A column of the table"),
    "folder": mark("The folder inside that of the class"),
    "name": mark("A part of the file name"),
    "time": mark("The time they were taken"),
}
FIRST_PART = "^([^_]+)_"  # of a file name
MOST_SECONDS = 86400


def draw_series_question(data: Dataset) -> None:
    """Ask whether photos that look like series are kept together, where nobody has said so."""
    series = None if data.group_rule else _series((data.id, data.version), data)
    if series is None:
        return
    with st.container(border=True):
        st.markdown(
            ":orange[:material/group_work:] "
            + tr("**{images} photos look like {count} series**; {examples} seem to belong together.").format(
                images=number(series.images),
                count=number(series.count),
                examples=listed([escape_markdown(name, 40) for name in series.examples]),
            )
        )
        st.caption(
            tr(
                "If a series shows one animal, patient or place, keep it together. Otherwise the classifier "
                "is tested on what it has already seen, and its accuracy looks better than it is."
            )
        )
        with st.container(horizontal=True):
            if st.button(tr("Keep each series together"), type="primary", key="keep_series"):
                apply_edit(group_images, data, series.rule)
            if st.button(tr("These photos are independent"), key="no_series"):
                apply_edit(group_images, data, NO_GROUPS)


def draw_groups(data: Dataset) -> None:
    """Draw which photos belong together, and the choice of the rule."""
    title = tr("Photos that belong together: {rule}").format(rule=_in_words(data))
    with st.expander(title, icon=":material/group_work:"):
        st.markdown(
            tr(
                "Several photos of one animal, patient, place or burst are alike. A classifier that learns "
                "from some of them and is tested on the others looks better than it is, so they stay on one "
                "side."
            )
        )
        _chooser(data)


def _chooser(data: Dataset) -> None:
    """Draw the choice of a rule, which begins with the one in force and holds from the next training on."""
    columns = extra_columns(data.index)
    kinds = {
        kind: tr(title)
        for kind, title in KINDS.items()
        if (kind != "column" or columns) and (kind != "time" or "taken" in columns)
    }
    present = GroupRule.parse(data.group_rule)

    def begin_with(name: str, value: object) -> str:
        key = f"group_{name}_{data.id}_{data.version}"
        st.session_state.setdefault(key, value)
        return key

    def value_of(kind: str, otherwise: str) -> str:
        return present.value if present.kind == kind else otherwise

    key = begin_with("kind", present.kind if present.kind in kinds else NO_GROUPS)
    kind = draw_select(tr("What photos of one group share"), kinds, key)
    value: object = ""
    if kind == "column":
        first = value_of("column", columns[0])
        key = begin_with("column", first if first in columns else columns[0])
        value = st.selectbox(tr("Column"), columns, key=key)
    elif kind == "folder":
        key = begin_with("folder", int(value_of("folder", "1")))
        value = st.number_input(tr("Level below the class"), 1, 20, key=key)
    elif kind == "name":
        value = st.text_input(
            tr("Pattern"),
            key=begin_with("name", value_of("name", FIRST_PART)),
            help=tr(
                "A regular expression; what its first brackets find is the name of the group. `^([^_]+)_` "
                "finds all before the first underscore."
            ),
        )
    elif kind == "time":
        seconds = min(max(round(float(value_of("time", "10"))), 1), MOST_SECONDS)
        key = begin_with("time", seconds)
        value = st.number_input(tr("Seconds between two photos, at most"), 1, MOST_SECONDS, key=key)
    rule = kind if kind == NO_GROUPS else f"{kind}:{value}"
    if st.button(tr("Use this rule"), key="group_by", disabled=rule == (data.group_rule or NO_GROUPS)):
        apply_edit(group_images, data, rule)


def _in_words(data: Dataset) -> str:
    """Return how the photos are grouped, in a few words."""
    if data.group_rule in {"", NO_GROUPS}:
        return tr("no rule")
    return tr("{count} groups").format(count=number(data.group_count))


@st.cache_data(show_spinner=False, max_entries=8)
def _series(key: Hashable, _data: Dataset) -> Series | None:  # noqa: ARG001 - stands for the dataset
    return _data.series
