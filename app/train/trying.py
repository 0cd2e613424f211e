"""A photo to try a classifier with, right below its result."""

import streamlit as st

from app.shared.messages import draw_error, reported
from app.shared.results import cached_classifier
from app.shared.text import answer_details, answer_headline, escape_markdown
from vitcore.inference import Prediction
from vitcore.language import tr
from vitcore.runs import Run

__all__ = ["draw_trial"]


@st.fragment
def draw_trial(run: Run) -> None:
    """Draw a place for a photo, and the answer to it."""
    with st.container(border=True):
        photo = st.file_uploader(tr("Try a photo"), type="image", key="trial")
        if photo is None:
            return
        with reported(draw_error):
            content, classifier = photo.getvalue(), cached_classifier(run)
            picture, (answer,) = classifier.load(content), classifier.predict([content])
            left, right = st.columns([1, 3], vertical_alignment="center")
            left.image(picture, width=160, caption=escape_markdown(photo.name, 30), alt=photo.name)
            with right:
                _draw_answer(answer)


def _draw_answer(answer: Prediction) -> None:
    """Draw an answer: that it is not sure comes first, and the nearest classes in grey below."""
    chances = {name: answer.probabilities[name] for name in answer.possible}
    st.markdown(f"#### {answer_headline(answer.label, answer.reason, answer.possible)}")
    st.caption(answer_details(answer.label, answer.reason, answer.confidence, chances))
