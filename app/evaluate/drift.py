"""Drift: whether new photos differ from those that the classifier was tested on."""

import streamlit as st

from app.shared.messages import draw_error, notify_error, reported
from vitcore.evaluation import ALARM_RATE
from vitcore.inference import forget_usage, is_usage_kept, keep_usage
from vitcore.language import number, percent, tr
from vitcore.pipeline import LEAST_IN_USE, usage_drift
from vitcore.runs import Run

__all__ = ["draw_drift"]


def draw_drift(run: Run) -> None:
    """Draw the consent to keep figures, and what they show."""
    with st.expander(tr("In use: do new photos differ from these?"), icon=":material/trending_up:"):
        key = f"keep_usage_{run.id}"
        st.session_state.setdefault(key, is_usage_kept(run.folder))
        st.toggle(
            tr("Keep figures of its answers"),
            key=key,
            help=tr(
                "Of every photo it is asked about: the day, the class, the confidence, and how unlike the "
                "photos it learned from it is. Never the photo or its name. Turned off, all of them are "
                "deleted."
            ),
            on_change=_consent,
            args=(run, key),
        )
        if is_usage_kept(run.folder):
            with reported(draw_error):
                _draw_figures(run)


def _consent(run: Run, key: str) -> None:
    with reported(notify_error):
        if st.session_state[key]:
            keep_usage(run.folder)
        else:
            forget_usage(run.folder)


def _draw_figures(run: Run) -> None:
    found = usage_drift(run)
    if found.test is None:
        text = tr("{count} answers so far; the comparison begins at {least}.")
        st.caption(text.format(count=number(found.images), least=number(LEAST_IN_USE)))
        return
    about = tr(
        "Compared: the latest {count} answers. Without any change, at most {rate} of such looks raise an "
        "alarm."
    ).format(count=number(found.test.images), rate=percent(ALARM_RATE))
    if found.test.has_drifted:
        texts = [tr("New photos differ from those it was tested on: its figures may not hold for them.")]
        if found.test.is_less_sure:
            texts.append(tr("It is less sure of them."))
        if found.test.is_less_alike:
            texts.append(tr("They are less like the photos it learned from."))
        st.warning(" ".join([*texts, about]), icon=":material/trending_down:")
    else:
        st.success(tr("New photos look like those it was tested on.") + f" {about}", icon=":material/check:")
    days = found.days.rename(columns={"photos": tr("photos"), "confidence": tr("confidence")})
    days[tr("confidence")] = days[tr("confidence")].map(percent)
    shares = found.shares.rename(columns=lambda name: tr("share of {name}").format(name=name)).map(percent)
    st.dataframe(days.join(shares), width="stretch")
