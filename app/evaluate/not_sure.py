"""The level of "not sure": one slider, what it costs and gains, and the photos left unanswered."""

from collections.abc import Hashable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from app.evaluate.figures import draw_images, true_classes
from app.shared.address import go_to
from app.shared.cached_charts import draw_chart
from app.shared.layout import draw_switch
from app.shared.messages import draw_error, notify, reported
from app.shared.results import cached_run, results_version
from app.shared.text import escape_markdown
from vitcore.charts import coverage_chart
from vitcore.dataset import Dataset
from vitcore.errors import VitcoreError
from vitcore.evaluation import DoubtRule, coverage_curve
from vitcore.inference import load_trust, set_level
from vitcore.language import listed, mark, number, of_100, tr
from vitcore.report import answers_sentence, doubt_reason, nearest_classes, not_sure
from vitcore.runs import Run

__all__ = ["draw_trust"]

_LAST = 100  # steps of the slider
_ENDS = {0: mark("answers everything"), _LAST: mark("answers only when sure")}


def draw_trust(run: Run, data: Dataset) -> None:
    """Draw the slider with its curve, in words, and examples."""
    rows = cached_run(run).predictions
    try:
        rule, level = _rule(run.folder, (run.folder / "model" / "config.json").stat().st_mtime_ns)
    except (VitcoreError, OSError):
        rule = None
    if rule is None or "novelty" not in rows:
        st.info(
            tr(
                "This classifier comes from an earlier version of ViT Studio, which did not learn when to "
                "say “not sure”; train again to have that."
            ),
            icon=":material/history:",
        )
        if st.button(tr("Go to Train"), icon=":material/arrow_forward:", key="trust_train"):
            go_to("train")
        return
    st.markdown(tr("Better no answer than a wrong one? Choose how sure it has to be before it answers."))
    key = f"level_{run.id}"
    # Made now: when the language changes, the choice is found by what it was called before.
    titles = {value: tr(_ENDS[value]) if value in _ENDS else number(value) for value in range(_LAST + 1)}
    step = st.select_slider(
        tr("How sure it has to be"),
        range(_LAST + 1),
        None if key in st.session_state else round(_LAST * level),
        format_func=titles.__getitem__,
        key=key,
        label_visibility="collapsed",
        persist_state="session",
    )
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        for end in _ENDS.values():
            st.caption(tr(end), width="content")
    reasons = _reasons(run, rule, step / _LAST)
    left, right = st.columns([3, 2], gap="large", vertical_alignment="center")
    with left:
        draw_chart(
            ("coverage", results_version(run), step),
            lambda: coverage_chart(_curve(results_version(run), run, rule), step / _LAST),
            tr("Accuracy of the answers by the share of photos that are answered"),
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
    result = cached_run(_run)
    probabilities = result.probabilities.astype(np.float64)
    return coverage_curve(_rule, true_classes(_run), probabilities, result.predictions["novelty"].to_numpy())


def _reasons(run: Run, rule: DoubtRule, level: float) -> npt.NDArray[np.str_]:
    """Return why each image is not answered, ``ambiguous`` or ``novel``, empty where it is: (M,)."""
    result = cached_run(run)
    confidences = result.probabilities.max(axis=1).astype(np.float64)
    return rule.reasons(confidences, result.predictions["novelty"].to_numpy(), level)


def _say(rows: pd.DataFrame, reasons: npt.NDArray[np.str_]) -> None:
    """Draw what a level means for 100 photos, and what it was on the validation images."""
    sure = reasons == ""
    right = int((sure & (rows["true"] == rows["predicted"])).sum())
    answered = of_100(sure.mean())
    if sure.any():
        sentence = tr("It answers {answered} photos; of those answers, {right} are right.").format(
            answered=answered, right=of_100(right / sure.sum())
        )
    else:
        sentence = tr("It answers {answered} photos.").format(answered=answered)
    st.markdown(f"#### {sentence}")
    whys = [
        text.format(share=of_100((reasons == reason).mean()))
        for reason, text in (
            ("ambiguous", tr("{share} as a close call")),
            ("novel", tr("{share} as unlike anything it learned from")),
        )
        if (reasons == reason).any()
    ]
    if whys:
        st.markdown(tr("The rest it calls **not sure**: {reasons}.").format(reasons=listed(whys)))
    else:
        st.markdown(tr("It never says “not sure”."))
    st.caption(answers_sentence(len(rows), int(sure.sum()), right))


def _keep(run: Run, step: int, now: int) -> None:
    """Draw the button that stores the level with the run."""
    same = step == now
    if st.button(tr("Keep this"), type="primary", icon=":material/check:", key="keep_level", disabled=same):
        with reported(draw_error):
            set_level(run.folder, step / _LAST)
            notify("complete", tr("Kept: from now on it says “not sure” by this."))
            st.rerun()
    if same:
        st.caption(tr("This is how it answers new photos."))
    elif now in _ENDS:
        st.caption(tr("For new photos it goes by “{level}” so far.").format(level=tr(_ENDS[now])))
    else:
        st.caption(tr("For new photos it goes by {level} of {last} so far.").format(level=now, last=_LAST))


def _unanswered(run: Run, data: Dataset, reasons: npt.NDArray[np.str_]) -> None:
    """Draw examples of photos that it would not answer."""
    st.subheader(tr("What it would not answer"), anchor=False)
    counts = {reason: int((reasons == reason).sum()) for reason in ("ambiguous", "novel")}
    offered = [reason for reason, count in counts.items() if count]
    if not offered:
        st.caption(tr("It answers every photo."))
        return
    options = {name: f"{doubt_reason(name)} ({number(counts[name])})" for name in offered}
    reason = draw_switch(tr("Why"), options, f"why_{'_'.join(offered)}")
    result = cached_run(run)
    positions = np.flatnonzero(reasons == reason)
    column, rising = ("confidence", True) if reason == "ambiguous" else ("novelty", False)
    rows = result.predictions.iloc[positions].assign(position=positions)
    rows = rows.sort_values(column, ascending=rising, kind="stable")

    def caption(row: tuple) -> str:
        """Return that it is not sure, the nearest classes, and the truth."""
        chances = result.probabilities[row.position]
        best = np.argsort(-chances, kind="stable")[:2]
        nearest = nearest_classes(
            reason, {escape_markdown(run.classes[n], 20): float(chances[n]) for n in best}
        )
        icon = "check_circle" if row.true == row.predicted else "cancel"
        truth = f":material/{icon}: " + tr("truly {name}").format(name=escape_markdown(row.true, 20))
        return f"**{not_sure()}**  \n{nearest}  \n{truth}"

    draw_images(data, rows, caption, key=f"unanswered_{reason}")
