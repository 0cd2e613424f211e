"""The result of a training on one screen: what to expect of it, where it errs, and what to do next."""

import streamlit as st

from app.shared.blocks import draw_blocks
from app.shared.engine import computed_on, draw_engine
from app.shared.layout import draw_metrics, draw_next_page
from app.shared.pictures import draw_thumbnail
from app.shared.results import cached_review, cached_run
from app.shared.state import job_queue
from app.shared.text import escape_markdown
from app.shared.training_curves import draw_curves
from app.train.earlier import draw_difference_to_earlier
from app.train.settings import load_settings
from app.train.trying import draw_trial
from app.train.under_way import draw_estimates
from vitcore.dataset import Dataset
from vitcore.language import duration, images, ntr, number, tr, translated
from vitcore.progress import Estimate
from vitcore.report import headline, headline_notes
from vitcore.runs import Run

__all__ = ["draw_result"]

_WORST = 3  # confusions
_PICTURES = 3  # of each


def draw_result(run: Run, data: Dataset) -> None:
    """Draw the result of a run on a dataset."""
    facts, split = run.facts, run.config.split
    rule = "" if split is None else split.rule
    st.subheader(tr("The chosen classifier"), anchor=False)
    draw_blocks(headline_notes(run.evaluation, facts, stopped=run.state == "stopped", rule=rule))
    draw_trial(run)
    _draw_confusions(run, data)
    _draw_suspects(run, data)
    draw_difference_to_earlier(run)
    draw_next_page("evaluate", tr("See what it gets right and wrong"))
    with st.expander(tr("Details of this training"), icon=":material/monitoring:", key="details"):
        shown = headline(run.evaluation, facts, rule=rule).figures
        draw_metrics(
            [
                *((title, str(figure), meaning) for title, figure, meaning in shown),
                *([(tr("Time in all"), duration(facts.seconds.total), None)] if facts.seconds else []),
            ]
        )
        _draw_growth(run)
        draw_curves(run)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(
                tr("Reuse these settings"),
                icon=":material/tune:",
                key="take_settings",
                on_click=load_settings,
                args=(run.hyperparameters, vars(run.config.requested)),
            )
            note = escape_markdown(translated(run.config.backbone.note), 200)
            st.caption(f"{note} {computed_on(run)}")
    draw_engine(run)


def _draw_confusions(run: Run, data: Dataset) -> None:
    """Draw the most frequent confusions with some of their photos."""
    rows = cached_run(run).headline_predictions
    wrong = rows[rows["true"] != rows["predicted"]]
    if wrong.empty:
        st.markdown(tr("It got all of {images} right.").format(images=images(len(rows))))
        return
    st.markdown("**" + tr("Where it errs most") + "**")
    worst = (
        wrong.groupby(["true", "predicted"], sort=False).size().sort_values(ascending=False, kind="stable")
    )
    for column, ((true, predicted), count) in zip(
        st.columns(_WORST), worst.head(_WORST).items(), strict=False
    ):
        with column.container(border=True, height="stretch"):
            st.markdown(
                tr("**{true}** taken for **{predicted}**: {images}").format(
                    true=escape_markdown(true, 24),
                    predicted=escape_markdown(predicted, 24),
                    images=images(int(count)),
                )
            )
            own = wrong[(wrong["true"] == true) & (wrong["predicted"] == predicted)]
            own = own.sort_values("confidence", ascending=False, kind="stable")
            _draw_pictures(data, own["file"].head(_PICTURES).tolist())


def _draw_suspects(run: Run, data: Dataset) -> None:
    """Draw the labels that may be wrong, where a closer look has found some."""
    review = cached_review(run)
    if review is None:
        return
    suspects = review.labels[review.labels["suspect"]]
    if suspects.empty:
        return
    count = len(suspects)
    with st.container(border=True):
        st.markdown(
            ntr("{count} label may be wrong", "{count} labels may be wrong", count).format(
                count=number(count)
            )
        )
        files = dict(zip(data.index["image_id"], data.index["file"], strict=True))
        shown = [files[image_id] for image_id in suspects["image_id"].head(_PICTURES) if image_id in files]
        _draw_pictures(data, shown)


def _draw_pictures(data: Dataset, files: list[str]) -> None:
    with st.container(horizontal=True, gap="small"):
        for file in files:
            with st.container(width=86):
                draw_thumbnail(data, file)


def _draw_growth(run: Run) -> None:
    """Draw how the figure grew during the training, as long as the server remembers it."""
    job = next((job for job in job_queue().jobs() if job.snapshot.result_id == run.id), None)
    if job is None or not (estimates := job.snapshot.estimates):
        return
    figure = run.headline
    end = Estimate(
        images=figure.images,
        total=figure.images,
        accuracy=figure.accuracy,
        low=figure.low,
        high=figure.high,
    )
    draw_estimates(estimates, end)
