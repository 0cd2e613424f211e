"""Two classifiers on the validation images that they share."""

from collections.abc import Hashable

import numpy as np
import pandas as pd
import streamlit as st

from app.parts import switch
from app.scores import TITLES, draw_images, images, kept, number
from app.state import distinct, runs_of, stamp
from app.text import local_time, percent, plain
from vitcore.dataset import Dataset
from vitcore.evaluation import Comparison
from vitcore.pipeline import RunComparison, compare_runs
from vitcore.runs import Run

__all__ = ["draw_comparison"]

_LUCK = 0.05  # McNemar's p-value, from which on a difference may well be luck
_LOWER_IS_BETTER = {"log_loss", "expected_calibration_error"}


def draw_comparison(run: Run, data: Dataset) -> None:
    """Choose another run; figures, luck or not, and who is right where."""
    others = {found.id: found for found in runs_of(run.config["dataset"]["id"]) if found.id != run.id}
    if not others:
        st.info(
            "There is no other classifier of these photos yet; train one more.", icon=":material/compare:"
        )
        return
    labels = distinct({run_id: _label(found) for run_id, found in others.items()})
    if st.session_state.get("compared") not in others:
        st.session_state.pop("compared", None)
    chosen = st.selectbox(
        "Compare with", list(others), format_func=labels.__getitem__, key="compared", persist_state="session"
    )
    both = _both(stamp(run), stamp(others[chosen]), run, others[chosen])
    if both is None:
        st.info(
            "The two share no validation images, so they cannot be compared fairly: their photos were "
            "divided in different ways. Train with the same seed and share for validation.",
            icon=":material/join_inner:",
        )
        return
    st.markdown(_in_words(both.comparison))
    left_out = (
        f" {images(both.relabelled)} whose class was changed in between are left out."
        if both.relabelled
        else ""
    )
    st.caption(f"On the {images(len(both.rows))} that neither of them has learned from.{left_out}")
    st.table(_table(both), border="horizontal", hide_index=True)
    _galleries(run, data, both)


def _label(run: Run) -> str:
    second = run.id[13:15]  # tells two runs of one minute apart, as in the sidebar
    return f"{percent(run.evaluation.accuracy)} · {local_time(run.config['created'])}:{second} · {run.name}"


@st.cache_data(show_spinner=False, max_entries=16)
def _both(key: Hashable, other_key: Hashable, _run: Run, _other: Run) -> RunComparison | None:  # noqa: ARG001
    return compare_runs(kept(_run), kept(_other))


def _in_words(found: Comparison) -> str:
    """Who is better, and whether that may be luck."""
    alone = (
        f"This one alone is right on {images(found.only_first)}, the other on {images(found.only_second)}; "
        f"both are right on {found.both_right:,} and wrong on {found.both_wrong:,}."
    )
    if found.only_first == found.only_second:
        return f"#### They are right equally often.\n\n{alone}"
    better = "This one" if found.difference > 0 else "The other one"
    chance = round(100 * found.p_value)
    often = f"about {chance} of 100" if chance else "fewer than 1 of 100"
    verdict = "may well be luck" if found.p_value >= _LUCK else "is hardly luck"
    return (
        f"#### {better} is right {_points(abs(found.difference))[1:]} more often; "
        f"the difference {verdict}.\n\n{alone} Were both equally good, a difference as large as this "
        f"would come up in {often} such comparisons (McNemar's test)."
    )


def _points(difference: float) -> str:
    """A difference of shares, with its sign."""
    return f"{100 * difference:+.1f} points".replace("-", "\N{MINUS SIGN}")


def _table(both: RunComparison) -> pd.DataFrame:
    """One row per metric; the accuracy with the interval of its difference."""
    rows = []
    for name, metric in both.first.metrics.items():
        other = both.second.metrics[name].value
        apart = metric.value - other
        shown = _points(apart) if "%" in number(name, 0.0) else f"{apart:+.3f}".replace("-", "\N{MINUS SIGN}")
        if name == "accuracy":
            low, high = both.comparison.low, both.comparison.high
            shown += f" (95 % interval {_points(low).removesuffix(' points')} to {_points(high)})"
        if np.isnan(apart) or number(name, metric.value) == number(name, other):
            better = "equal"
        else:
            better = "this one" if (apart > 0) != (name in _LOWER_IS_BETTER) else "the other"
        rows.append((TITLES.get(name, name), number(name, metric.value), number(name, other), shown, better))
    return pd.DataFrame(rows, columns=["figure", "this one", "the other", "difference", "better"])


def _galleries(run: Run, data: Dataset, both: RunComparison) -> None:
    """The images that they disagree on."""
    titles = {
        "first": "Only this one is right",
        "second": "Only the other is right",
        "neither": "Both are wrong",
    }
    counts = {who: int((both.rows["only"] == who).sum()) for who in titles}
    st.subheader("Where they differ", anchor=False)
    who = switch("Who is right", {name: f"{titles[name]} ({counts[name]:,})" for name in titles}, "who")
    rows = both.rows[both.rows["only"] == who]
    if rows.empty:
        st.caption("There is no such image.")
        return

    def caption(row: tuple) -> str:
        answers = f"this: {plain(row.first, 20)}  \nother: {plain(row.second, 20)}"
        return f"**{plain(row.true, 24)}**  \n{answers}  \n{plain(row.name, 30)}"

    draw_images(data, rows, caption, key=f"compared_{run.id}_{who}")
