"""Predict: new photos in, classes out."""

from collections.abc import Hashable

import pandas as pd
import streamlit as st
from PIL import Image

from app.parts import needed_run, next_page, opening, paged
from app.state import classifier, stamp
from app.text import percent, plain
from vitcore.charts import probability_chart
from vitcore.dataset import IMAGE_SUFFIXES, load_image
from vitcore.errors import VitcoreError
from vitcore.inference import Prediction, Refusal
from vitcore.runs import Run

MOST = 200


@st.cache_data(show_spinner=False, max_entries=2 * MOST)
def predict(key: Hashable, _run: Run, image: bytes) -> Prediction | Refusal:  # noqa: ARG001 - stands for the run
    """The prediction for one image file, remembered for as long as the page is open."""
    return next(classifier(_run).predict_each([image]))[1]


def doubt(result: Prediction) -> str:
    """Why an answer is not sure, in words."""
    if result.reason == "unlike":
        return "Not sure: this is unlike all the photos that it learned from."
    names = [f"**{plain(name, 30)}**" for name in result.possible[:4]]
    more = " or another" if len(result.possible) > len(names) else ""
    return f"Not sure: a close call between {', '.join(names[:-1])} and {names[-1]}{more}."


@st.cache_data(show_spinner=False, max_entries=2 * MOST)
def preview(image: bytes) -> Image.Image:
    """A small picture of an image file that can be decoded."""
    small = load_image(image, at_least=200)
    small.thumbnail((400, 400))
    return small


def show(name: str, image: bytes, result: Prediction | Refusal) -> None:
    """One photo beside its answer."""
    with st.container(border=True):
        if isinstance(result, Refusal):
            st.markdown(f":material/block: **{plain(name)}** cannot be used: {plain(result.reason, 200)}.")
            return
        left, right = st.columns([1, 3], vertical_alignment="center", gap="medium")
        left.image(preview(image), width="stretch")
        left.caption(plain(name))
        right.markdown(f"### {plain(result.label)}\n\n{percent(result.confidence)} confident")
        if not result.sure:
            right.caption(f":material/help: {doubt(result)}")
        right.altair_chart(
            probability_chart(result.probabilities), width="stretch", alt="Most probable classes"
        )


opening("Predict", "Drop new photos here and see what the classifier takes them for.")
run = needed_run()
uploads = st.file_uploader(
    "Photos",
    type=sorted(suffix[1:] for suffix in IMAGE_SUFFIXES),
    accept_multiple_files=True,
    key="photos",
    label_visibility="collapsed",
)
if len(uploads) > MOST:
    st.warning(
        f"{len(uploads)} photos were dropped and the first {MOST} are looked at; for more, use "
        "`python -m vitcore predict` on a folder.",
        icon=":material/warning:",
    )
    uploads = uploads[:MOST]
answers: list[tuple[str, bytes, Prediction | Refusal]] = []
progress = st.empty()
key = stamp(run)
try:
    for number, upload in enumerate(uploads):
        progress.progress(number / len(uploads), text=f"{number} of {len(uploads)} photos")
        image = upload.getvalue()
        answers.append((upload.name, image, predict(key, run, image)))
except VitcoreError as error:
    st.error(plain(str(error), 400), icon=":material/error:")
progress.empty()
for position in paged(len(answers), "predict_page"):
    show(*answers[position])
rows = [
    (name, answer.label, answer.confidence, "yes" if answer.sure else "no", answer.reason)
    for name, _, answer in answers
    if isinstance(answer, Prediction)
]
if rows:
    table = pd.DataFrame(rows, columns=["file", "label", "confidence", "sure", "reason"])
    st.download_button(
        "Download as CSV", table.to_csv(index=False), "predictions.csv", "text/csv", on_click="ignore"
    )
next_page("runs", "All trainings so far")
