"""Predict: new photos in, answers out; and the classifier to take home."""

import streamlit as st

from app.predict.answer_table import draw_downloads
from app.predict.answers import draw_answers
from app.predict.exporting import draw_takeaway
from app.predict.uploading import choose_batch, draw_unanswered, draw_uploaders
from app.shared.job_kinds import PREDICTION
from app.shared.jobs import draw_jobs
from app.shared.layout import draw_next_page, draw_opening, draw_section, require_run
from app.shared.messages import draw_error, reported
from vitcore.language import tr
from vitcore.pipeline import delete_batch
from vitcore.runs import Run


def draw_photos(run: Run) -> None:
    """Draw the ways in, and the answers for the photos that came."""
    draw_uploaders(run)
    answering = draw_jobs(PREDICTION)
    batch = choose_batch(run)
    if batch is None:
        return
    readable = False
    with reported(draw_error):  # what is damaged can be forgotten
        if not answering:
            draw_unanswered(run, batch)
        draw_answers(run, batch)
        readable = True
    with st.container(horizontal=True):
        if readable and len(batch.answers):
            draw_downloads(batch, run.config.dataset.name)
        st.button(
            tr("Forget these photos"),
            icon=":material/delete:",
            type="tertiary",
            key=f"forget_{batch.id}",
            on_click=delete_batch,
            args=(run, batch.id),
            disabled=answering,
        )


draw_opening(tr("Predict"), tr("Drop new photos here and see what the classifier takes them for, and why."))
chosen = require_run()
section = draw_section(
    "predict",
    {
        "photos": tr(":material/add_a_photo: New photos"),
        "takeaway": tr(":material/home: Take the model home"),
    },
)
if section == "takeaway":
    draw_takeaway(chosen)
else:
    draw_photos(chosen)
draw_next_page("runs", tr("All trainings so far"))
