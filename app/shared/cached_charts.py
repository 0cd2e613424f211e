"""Charts that are made once: making one takes longer than all else on a page."""

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any

import streamlit as st

from vitcore.language import current

if TYPE_CHECKING:
    import altair as alt

__all__ = ["draw_chart"]


def draw_chart(drawn: Hashable, make: "Callable[[], alt.LayerChart]", shows: str, **options: Any) -> Any:
    """Draw a chart, which is only made if it was not made before.

    Args:
        drawn: Changes with what is drawn.
        make: Makes the chart.
        shows: What it shows, for those who do not see it.
        options: As for `st.vega_lite_chart`, whose answer is given back.
    """
    spec = _spec((drawn, current()), make)
    return st.vega_lite_chart(spec=spec, width="stretch", alt=shows, **options)


@st.cache_data(show_spinner=False, max_entries=64)
def _spec(drawn: Hashable, _make: "Callable[[], alt.LayerChart]") -> dict[str, Any]:  # noqa: ARG001 - the key
    return _make().to_dict(validate=False)
