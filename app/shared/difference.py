"""Two runs on the photos that judged both: which is better, and whether that may be chance."""

from collections.abc import Hashable, Mapping

import streamlit as st

from app.shared.results import cached_run, results_version
from app.shared.text import escape_markdown
from vitcore.language import local_time, tr, translated
from vitcore.pipeline import RunComparison, compare_runs, unshared_reason
from vitcore.report import difference_details, difference_sentence
from vitcore.runs import Run

__all__ = ["draw_difference"]


def draw_difference(run: Run, other: Run, names: Mapping[str, str] | None = None) -> RunComparison | None:
    """Draw the fair difference between two runs in a sentence, or why there is none; return the comparison.

    Args:
        run: "This one".
        other: With which it is compared.
        names: What both are called where several are shown, by id; if given, it is said which this one is.

    Raises:
        StorageError: The results of one of them are damaged.
    """
    both = _both(results_version(run), results_version(other), run, other)
    about = [tr("Compared with {name}, trained {time}.").format(**_called(other, names))]
    if names is not None:
        this = tr("This one is {name}, trained {time}.").format(**_called(run, names))
        st.caption(f"{this} {about.pop()}")
    if both is None:
        st.info(escape_markdown(translated(unshared_reason(run, other)), 400), icon=":material/join_inner:")
    else:
        st.markdown(f"**{difference_sentence(both.comparison)}**")
        caveats = (escape_markdown(translated(caveat), 400) for caveat in both.caveats)
        about += [difference_details(both.comparison), *caveats]
    if about:
        st.caption(" ".join(about))
    return both


def _called(run: Run, names: Mapping[str, str] | None) -> dict[str, str]:
    """Return the name and the time of a run; the second tells two of one minute apart, as in the sidebar."""
    name = run.name if names is None else names[run.id]
    return {
        "name": escape_markdown(name, 60),
        "time": f"{local_time(run.config.created)}:{run.id[13:15]}",
    }


@st.cache_data(show_spinner=False, max_entries=32)
def _both(key: Hashable, other_key: Hashable, _run: Run, _other: Run) -> RunComparison | None:  # noqa: ARG001
    return compare_runs(cached_run(_run), cached_run(_other))
