"""When to say "not sure": one slider, what it costs and gains, and the photos left unanswered."""

from collections.abc import Hashable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from app.parts import switch
from app.scores import draw_images, kept, of_100, truth
from app.state import stamp
from app.text import percent, plain
from vitcore.charts import coverage_chart
from vitcore.dataset import Dataset
from vitcore.errors import VitcoreError
from vitcore.evaluation import DoubtRule, coverage_curve, wilson_interval
from vitcore.inference import load_trust, set_level
from vitcore.runs import Run

__all__ = ["draw_trust"]

_LAST = 100  # steps of the slider
_ENDS = {0: "answers everything", _LAST: "answers only when sure"}


def draw_trust(run: Run, data: Dataset) -> None:
    """The slider with its curve, in words, and examples."""
    rows = kept(run).predictions
    try:
        rule, level = _rule(run.folder, (run.folder / "model" / "config.json").stat().st_mtime_ns)
    except (VitcoreError, OSError):
        rule = None
    if rule is None or "novelty" not in rows:
        st.info(
            "This classifier comes from an earlier version of ViT Studio, which did not learn when to say "
            "“not sure”; train again to have that.",
            icon=":material/history:",
        )
        if st.button("Go to Train", icon=":material/arrow_forward:", key="trust_train"):
            st.switch_page("pages/train.py")
        return
    st.markdown("Better no answer than a wrong one? Choose how sure it has to be before it answers.")
    step = st.select_slider(
        "How sure it has to be",
        range(_LAST + 1),
        round(_LAST * level),
        format_func=lambda value: _ENDS.get(value, str(value)),
        key=f"level_{run.id}",
        label_visibility="collapsed",
        persist_state="session",
    )
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        for end in _ENDS.values():
            st.caption(end, width="content")
    reasons = _reasons(run, rule, step / _LAST)
    left, right = st.columns([3, 2], gap="large", vertical_alignment="center")
    with left:
        st.altair_chart(
            coverage_chart(_curve(stamp(run), run, rule), step / _LAST),
            alt="Accuracy of the answers by the share of photos that are answered",
        )
    with right:
        _say(rows, reasons)
        _keep(run, step, round(_LAST * level))
    _unanswered(run, data, reasons)


@st.cache_data(show_spinner=False, max_entries=8)
def _rule(folder: Path, written: int) -> tuple[DoubtRule, float]:  # noqa: ARG001 - the time is part of the key
    trust = load_trust(folder)
    return trust.rule, trust.level


@st.cache_data(show_spinner=False, max_entries=8)
def _curve(key: Hashable, _run: Run, _rule: DoubtRule) -> pd.DataFrame:  # noqa: ARG001 - stands for both
    result = kept(_run)
    probabilities = result.probabilities.astype(np.float64)
    return coverage_curve(_rule, truth(_run), probabilities, result.predictions["novelty"].to_numpy())


def _reasons(run: Run, rule: DoubtRule, level: float) -> npt.NDArray[np.str_]:
    """Why an image is not answered, ``close`` or ``unlike``; nothing if it is: (M,)."""
    result = kept(run)
    confidences = result.probabilities.max(axis=1).astype(np.float64)
    return rule.reasons(confidences, result.predictions["novelty"].to_numpy(), level)


def _say(rows: pd.DataFrame, reasons: npt.NDArray[np.str_]) -> None:
    """What a level means for 100 photos, and what it was on the validation images."""
    sure = reasons == ""
    right = int((sure & (rows["true"] == rows["predicted"])).sum())
    sentence = f"#### It answers {of_100(sure.mean())} photos"
    if sure.any():
        sentence += f"; of those answers, {of_100(right / sure.sum())} are right"
    st.markdown(f"{sentence}.")
    whys = [
        f"{of_100((reasons == reason).mean())} as {what}"
        for reason, what in (
            ("close", "close calls between classes"),
            ("unlike", "unlike anything it has seen"),
        )
        if (reasons == reason).any()
    ]
    st.markdown(
        f"The rest it calls **not sure**: {', '.join(whys)}." if whys else "It never says “not sure”."
    )
    low, high = wilson_interval(right, int(sure.sum()))
    expected = f"; of new answers, expect {percent(low)} to {percent(high)} to be right" if sure.any() else ""
    st.caption(
        f"Of {len(rows):,} validation images, {int(sure.sum()):,} are answered and {right:,} of these "
        f"answers are right{expected}."
    )


def _keep(run: Run, step: int, now: int) -> None:
    """The button that stores the level with the run."""
    same = step == now
    if st.button("Keep this", type="primary", icon=":material/check:", key="keep_level", disabled=same):
        try:
            set_level(run.folder, step / _LAST)
        except VitcoreError as error:
            st.error(plain(str(error), 300), icon=":material/error:")
        else:
            st.session_state["notice"] = ("complete", "Kept: from now on it says “not sure” by this.")
            st.rerun()
    st.caption(
        "This is how it answers new photos." if same else f"For new photos it goes by {_said(now)} so far."
    )


def _said(step: int) -> str:
    return f"“{_ENDS[step]}”" if step in _ENDS else f"{step} of {_LAST}"


def _unanswered(run: Run, data: Dataset, reasons: npt.NDArray[np.str_]) -> None:
    """Examples of photos that it would not answer."""
    st.subheader("What it would not answer", anchor=False)
    counts = {reason: int((reasons == reason).sum()) for reason in ("close", "unlike")}
    titles = {"close": "Close calls", "unlike": "Unlike anything seen"}
    offered = [reason for reason, count in counts.items() if count]
    if not offered:
        st.caption("It answers every photo.")
        return
    options = {name: f"{titles[name]} ({counts[name]:,})" for name in offered}
    reason = switch("Why", options, f"why_{'_'.join(offered)}")
    result = kept(run)
    positions = np.flatnonzero(reasons == reason)
    column, rising = ("confidence", True) if reason == "close" else ("novelty", False)
    rows = result.predictions.iloc[positions].assign(position=positions)
    rows = rows.sort_values(column, ascending=rising, kind="stable")

    def caption(row: tuple) -> str:
        """The two likeliest classes, and the truth."""
        chances = result.probabilities[row.position]
        best = np.argsort(-chances, kind="stable")[:2]
        guesses = " or ".join(f"**{plain(run.classes[n], 20)}** {percent(float(chances[n]))}" for n in best)
        icon = "check_circle" if row.true == row.predicted else "cancel"
        return f"{guesses}?  \n:material/{icon}: truly {plain(row.true, 20)}"

    draw_images(data, rows, caption, key=f"unanswered_{reason}")
