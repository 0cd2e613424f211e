"""Predict: new photos in, answers out; and the classifier to take home."""

import streamlit as st

from app.predict.answer_table import draw_downloads
from app.predict.answers import draw_answers
from app.predict.exporting import draw_takeaway
from app.predict.uploading import asked, bring_photos, go_on
from app.shared.job_kinds import PREDICTION
from app.shared.jobs import draw_jobs
from app.shared.layout import needed_run, next_page, opening, switch
from vitcore.batches import Batch
from vitcore.language import tr
from vitcore.runs import Run


def draw_photos(run: Run) -> None:
    """The ways in, and what became of the photos that came."""
    bring_photos(run)
    answering = draw_jobs(PREDICTION)
    batch = asked(run)
    if batch is None:
        return
    if not answering:
        go_on(run, batch)
    draw_answers(run, batch)
    with st.container(horizontal=True):
        if len(batch.answers):
            draw_downloads(batch)
        st.button(
            tr("Forget these photos"),
            icon=":material/delete:",
            type="tertiary",
            key=f"forget_{batch.id}",
            on_click=Batch.delete,
            args=(batch,),
            disabled=answering,
        )


opening(tr("Predict"), tr("Drop new photos here and see what the classifier takes them for, and why."))
chosen = needed_run()
section = switch(
    tr("Section"),
    {
        "photos": tr(":material/add_a_photo: New photos"),
        "takeaway": tr(":material/home: Take the model home"),
    },
    "predict_section",
)
if section == "takeaway":
    draw_takeaway(chosen)
else:
    draw_photos(chosen)
next_page("runs", tr("All trainings so far"))
