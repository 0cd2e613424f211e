"""Tables whose rows are chosen by what they stand for, never by their place."""

from collections.abc import Hashable, Sequence
from hashlib import sha256
from typing import Any, TypeVar

import pandas as pd
import streamlit as st

__all__ = ["draw_choice_table"]

Id = TypeVar("Id", bound=Hashable)


def draw_choice_table(
    table: pd.DataFrame, ids: Sequence[Id], key: str, *, several: bool, **options: Any
) -> list[Id]:
    """Draw a table; return the ids of the rows that are chosen, in the order of the table.

    What is chosen stays so when rows come, go or change places. The browser knows rows by their places
    alone: a table with other rows is another one, so that a click on the old one can hit no other row.

    Args:
        table: What to draw.
        ids: Of its rows.
        key: Under which the choice is kept; empty it to choose nothing.
        several: Whether several rows can be chosen.
        options: As for `st.dataframe`.
    """
    kept = st.session_state.get(key, [])
    places = [place for place, item in enumerate(ids) if item in kept]
    event = st.dataframe(
        table,
        hide_index=True,
        width="stretch",
        on_select="rerun",
        selection_mode="multi-row" if several else "single-row",
        selection_default={"selection": {"rows": places}},
        key=f"{key}_{sha256(repr(list(ids)).encode()).hexdigest()[:12]}",
        **options,
    )
    chosen = [ids[place] for place in sorted(event["selection"]["rows"])]
    st.session_state[key] = chosen
    return chosen
