"""A classifier on the model hub: published on request, for oneself alone unless one says otherwise."""

import streamlit as st

from app.shared.job_kinds import EXPORT
from app.shared.jobs import start
from app.shared.messages import draw_error, reported
from app.shared.state import workspace
from vitcore.jobs import Job
from vitcore.language import current, tr
from vitcore.pipeline import load_published, publish_run
from vitcore.runs import Run, load_run

__all__ = ["draw_publishing"]


def draw_publishing(run: Run, *, busy: bool) -> None:
    """Draw the card of the model hub."""
    with st.container(border=True):
        st.subheader(tr(":material/cloud_upload: Model hub"), anchor=False)
        st.markdown(
            tr(
                "The model folder, its card and the web page on huggingface.co, from where others can fetch "
                "them. No photo is uploaded. Sign in first: `hf auth login`."
            )
        )
        name = st.text_input(
            tr("Name on the hub"), placeholder="your-name/birds", max_chars=200, key=f"publish_as_{run.id}"
        )
        public = st.checkbox(tr("Let everybody see it"), key=f"publish_public_{run.id}")
        if st.button(
            tr("Publish to the model hub"),
            icon=":material/cloud_upload:",
            disabled=busy or not name.strip(),
            key="publish",
        ):
            _start(run, name.strip(), public=public)
            st.rerun()
        with reported(draw_error):
            published = load_published(run)
            if published is not None:
                who = tr("only you can see it") if published.private else tr("everybody can see it")
                addresses = " · ".join(filter(None, [published.model, published.page]))
                st.caption(tr("Published: {addresses} ({who})").format(addresses=addresses, who=who))


def _start(run: Run, name: str, *, public: bool) -> None:
    """Publish in the background."""
    language = current()

    def work(job: Job) -> None:
        found = load_run(run.id, workspace=workspace())  # which may have been deleted while this waited
        publish_run(found, name, public=public, language=language, workspace=workspace(), task=job.task)

    device = run.config.device.name
    start(EXPORT, run.name, work, device=device, result_id=run.id, uses=(run.folder,))
