"""Two classifiers on the validation images that they share."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from app.scores import TITLES, draw_images, images, kept, number, stamp
from app.state import distinct, runs_of
from app.text import local_time, percent, plain
from vitcore.dataset import Dataset
from vitcore.evaluation import Comparison, Evaluation, compare, evaluate
from vitcore.runs import Run

__all__ = ["draw_comparison"]

_LUCK = 0.05  # McNemar's p-value, from which on a difference may well be luck
_LOWER_IS_BETTER = {"log_loss", "expected_calibration_error"}


@dataclass(frozen=True, eq=False)
class Both:
    """Two runs on the images that neither has learned from.

    Attributes:
        rows: Columns name, file, true, this, other (what they predicted), only (``this``, ``other``,
            ``neither`` or nothing: who is right alone).
        relabelled: Number of shared images left out, for their class was another in the other run.
        comparison: This one is the first.
        this: Its figures on these images.
        other: Those of the other.
    """

    rows: pd.DataFrame
    relabelled: int
    comparison: Comparison
    this: Evaluation
    other: Evaluation


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
def _both(key: object, other_key: object, _run: Run, _other: Run) -> Both | None:  # noqa: ARG001 - stand for them
    runs = {"this": kept(_run), "other": kept(_other)}
    tables = [
        run.predictions.assign(position=np.arange(len(run.predictions))).drop_duplicates("sha256")
        for run in runs.values()
    ]
    shared = tables[0].merge(tables[1], on="sha256", suffixes=("_this", "_other"))
    same = shared["true_this"] == shared["true_other"]
    relabelled, shared = int((~same).sum()), shared[same]
    if shared.empty:
        return None
    classes = tuple(dict.fromkeys([*_run.classes, *_other.classes]))
    numbers = {name: number for number, name in enumerate(classes)}
    true = shared["true_this"].map(numbers).to_numpy(dtype=np.int64)
    found = {
        who: _widened(run.probabilities[shared[f"position_{who}"]], run.classes, numbers)
        for who, run in runs.items()
    }
    first, second = (probabilities.argmax(axis=1) for probabilities in found.values())
    right, also = first == true, second == true
    rows = pd.DataFrame(
        {
            "name": shared["name_this"],
            "file": shared["file_this"],
            "true": shared["true_this"],
            "this": shared["predicted_this"],
            "other": shared["predicted_other"],
            "only": np.select(
                [right & ~also, ~right & also, ~right & ~also], ["this", "other", "neither"], ""
            ),
        }
    )
    return Both(
        rows=rows,
        relabelled=relabelled,
        comparison=compare(true, first, second),
        this=evaluate(true, found["this"], classes),
        other=evaluate(true, found["other"], classes),
    )


def _widened(
    probabilities: npt.NDArray[np.float32], classes: tuple[str, ...], numbers: dict[str, int]
) -> npt.NDArray[np.float64]:
    """Probabilities over the classes of both runs: (N, C) -> (N, all)."""
    wide = np.zeros((len(probabilities), len(numbers)))
    wide[:, [numbers[name] for name in classes]] = probabilities
    return wide


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


def _table(both: Both) -> pd.DataFrame:
    """One row per metric; the accuracy with the interval of its difference."""
    rows = []
    for name, metric in both.this.metrics.items():
        other = both.other.metrics[name].value
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


def _galleries(run: Run, data: Dataset, both: Both) -> None:
    """The images that they disagree on."""
    titles = {
        "this": "Only this one is right",
        "other": "Only the other is right",
        "neither": "Both are wrong",
    }
    counts = {who: int((both.rows["only"] == who).sum()) for who in titles}
    st.subheader("Where they differ", anchor=False)
    who = st.segmented_control(
        "Who is right",
        list(titles),
        default="this",
        required=True,
        format_func=lambda name: f"{titles[name]} ({counts[name]:,})",
        key="who",
        label_visibility="collapsed",
        persist_state="session",
    )
    rows = both.rows[both.rows["only"] == who]
    if rows.empty:
        st.caption("There is no such image.")
        return

    def caption(row: tuple) -> str:
        answers = f"this: {plain(row.this, 20)}  \nother: {plain(row.other, 20)}"
        return f"**{plain(row.true, 24)}**  \n{answers}  \n{plain(row.name, 30)}"

    draw_images(data, rows, caption, key=f"compared_{run.id}_{who}")
