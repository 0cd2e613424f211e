"""The figures of a classifier on another labelled set."""

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from app.evaluate.drift import draw_drift
from app.shared.job_kinds import EXTERNAL_VALIDATION
from app.shared.jobs import draw_jobs, start
from app.shared.layout import verdict
from app.shared.messages import draw_damaged, draw_error
from app.shared.pictures import draw_gallery
from app.shared.state import dataset_names, workspace
from app.shared.text import download_name, escape_markdown, spreadsheet_of
from vitcore.charts import confusion_chart
from vitcore.dataset import Dataset, load_dataset
from vitcore.errors import VitcoreError
from vitcore.language import listed, ntr, number, percent, span_sentence, tr
from vitcore.pipeline import (
    ExternalEvaluation,
    delete_external,
    evaluate_external,
    list_damaged_external,
    load_external,
    match_classes,
)
from vitcore.report import metric_figure, metric_title
from vitcore.runs import Run

__all__ = ["draw_external_validation"]

LEFT_OUT = -1  # instead of the number of a class
_SHOWN = 12
_NOTABLE = 0.05  # more unlike photos than among the validation photos


def draw_external_validation(run: Run, data: Dataset) -> None:
    """Draw the choice of another dataset, and the figures on those that were chosen before."""
    st.markdown(tr("Does it work elsewhere? Test it on labelled photos from another place, camera or year."))
    draw_drift(run)
    others = {key: name for key, name in dataset_names().items() if key != data.id}
    if not draw_jobs(EXTERNAL_VALIDATION):
        if others:
            _choose_dataset(run, others)
        else:
            st.info(
                tr("There is no other dataset yet; bring one in on the Dataset page."), icon=":material/info:"
            )
    draw_damaged(
        list_damaged_external(run),
        tr("Delete the damaged figures on {name}"),
        lambda dataset_id: delete_external(run, dataset_id),
        key="delete_external",
    )
    known = load_external(run)
    for found in reversed(known):
        with st.expander(
            tr("{name}: {share} of {count} photos right").format(
                name=escape_markdown(found.name, 60),
                share=percent(found.evaluation.accuracy),
                count=number(found.evaluation.images),
            ),
            icon=":material/travel_explore:",
            expanded=found is known[-1],
        ):
            _result(run, found)


def _choose_dataset(run: Run, others: dict[str, str]) -> None:
    """Draw the choice of a dataset, of what its classes mean, and the button that begins."""
    chosen = st.selectbox(
        tr("Dataset"), list(others), format_func=others.__getitem__, key="elsewhere_dataset"
    )
    try:
        other = load_dataset(chosen, workspace=workspace())
    except VitcoreError as error:
        draw_error(error)
        return
    matched = match_classes(other.classes, run.classes)
    table = pd.DataFrame(
        {
            "label": list(matched),
            "photos": [other.class_counts[label] for label in matched],
            "means": [run.classes.index(meant) if meant else LEFT_OUT for meant in matched.values()],
        }
    )
    st.caption(tr("Match the classes; correct any match that is wrong."))
    edited = st.data_editor(
        table,
        hide_index=True,
        disabled=["label", "photos"],
        column_config={
            "label": st.column_config.TextColumn(tr("class there")),
            "photos": st.column_config.NumberColumn(tr("photos")),
            "means": st.column_config.SelectboxColumn(
                tr("means"),
                options=[LEFT_OUT, *range(len(run.classes))],
                format_func=lambda place: tr("(leave out)") if place == LEFT_OUT else run.classes[place],
                required=True,
            ),
        },
        height=min(38 + 35 * len(table), 400),
        key=f"mapping_{run.id}_{other.id}_{other.version}",
    )
    mapping = {
        label: None if meant == LEFT_OUT else run.classes[meant]
        for label, meant in zip(edited["label"], edited["means"], strict=True)
    }
    with st.container(horizontal=True, vertical_alignment="center"):
        usable = any(mapping.values())
        if st.button(
            tr("Test on these photos"), icon=":material/travel_explore:", disabled=not usable, key="elsewhere"
        ):
            _start(run, other, mapping)
            st.rerun()
        if not usable:
            st.caption(tr("None of these classes is known to the classifier; match at least one."))


def _start(run: Run, other: Dataset, mapping: Mapping[str, str | None]) -> None:
    start(
        EXTERNAL_VALIDATION,
        other.name,
        lambda job: evaluate_external(run.id, other, mapping, workspace=workspace(), task=job.task),
        device=run.config.device.name,
        result_id=run.id,
        uses=(run.folder, other.folder),
    )


def _result(run: Run, found: ExternalEvaluation) -> None:
    metrics, here = found.evaluation.metrics, run.evaluation.metrics
    accuracy = metrics["accuracy"]
    st.markdown(f"#### {span_sentence(accuracy.low, accuracy.high)}")
    rows = [
        (
            metric_title(name),
            str(figure := metric_figure(name, metrics[name])),
            str(figure.interval),
            str(metric_figure(name, here[name])),
        )
        for name in ("accuracy", "balanced_accuracy", "cohen_kappa")
    ]
    columns = [tr("figure"), tr("there"), tr("95 % interval"), tr("on the validation photos")]
    st.dataframe(pd.DataFrame(rows, columns=columns), hide_index=True, width="stretch")
    there, before = found.drift.there, found.drift.here
    drift = tr(
        "{there} of these photos are unlike anything it learned from, {here} of the validation photos. Mean "
        "confidence: {confidence_there} there, {confidence_here} here."
    ).format(
        there=percent(there.unlike),
        here=percent(before.unlike),
        confidence_there=percent(there.confidence),
        confidence_here=percent(before.confidence),
    )
    if there.unlike > before.unlike + _NOTABLE:
        st.warning(tr("These photos differ from those it knows.") + f" {drift}", icon=":material/difference:")
    else:
        st.caption(drift)
    if found.left_out:
        names = listed(
            [escape_markdown(label, 30) for label, meant in found.mapping.items() if meant is None]
        )
        st.caption(
            ntr(
                "{count} photo was left out: {names}.",
                "{count} photos were left out: {names}.",
                found.left_out,
            ).format(count=number(found.left_out), names=names)
        )
    st.altair_chart(
        confusion_chart(
            found.evaluation.confusion,
            found.evaluation.classes,
            dark=st.context.theme.type == "dark",
        ),
        width="content",
        alt=tr("Confusion matrix on the other dataset"),
        key=f"confusion_{found.dataset_id}",
    )
    _mistakes(found)
    st.download_button(
        tr("Predictions there (CSV)"),
        spreadsheet_of(found.predictions),
        download_name(found.name, run.config.created, "predictions.csv"),
        "text/csv",
        on_click="ignore",
        key=f"csv_{found.dataset_id}",
    )


def _mistakes(found: ExternalEvaluation) -> None:
    """Draw the most confident mistakes, as long as their pictures are there."""
    wrong = found.predictions[found.predictions["true"] != found.predictions["predicted"]]
    if wrong.empty:
        return
    try:
        other = load_dataset(found.dataset_id, workspace=workspace())
    except VitcoreError:
        st.caption(tr("The dataset is gone, and its pictures with it."))
        return
    shown = wrong.sort_values("confidence", ascending=False).head(_SHOWN)
    st.markdown(
        ntr(
            "**Its only mistake**",
            "**The most confident of its {count} mistakes**",
            len(wrong),
        ).format(count=number(len(wrong)))
    )
    draw_gallery(
        other, ((row.file, verdict(row.true, row.predicted, row.confidence)) for row in shown.itertuples())
    )
