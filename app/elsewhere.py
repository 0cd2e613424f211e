"""How a classifier does on another labelled set."""

import pandas as pd
import streamlit as st

from app.jobs import job_panel, start_elsewhere
from app.parts import gallery, thumbnail, verdict
from app.state import datasets, job_queue, workspace
from app.text import decimals, percent, plain, span_sentence
from vitcore.charts import confusion_chart
from vitcore.dataset import Dataset, load_dataset
from vitcore.errors import VitcoreError
from vitcore.pipeline import Elsewhere, load_elsewhere, match_classes
from vitcore.runs import Run

__all__ = ["draw_elsewhere"]

LEFT_OUT = "(leave out)"
_SHOWN = 12
_NOTABLE = 0.05  # more unlike photos than among the validation photos


def draw_elsewhere(run: Run, data: Dataset) -> None:
    """Choose another dataset, see which class is which, and the figures there."""
    st.markdown(
        "Photos from elsewhere, another place, camera or year, tell more than the validation photos do: "
        "whether it works there as well."
    )
    others = {key: name for key, name in datasets().items() if key != data.id}
    if any(job.kind == "elsewhere" for job in job_queue().active()):
        st.fragment(_live, run_every=1.0)()
    elif not others:
        st.info("There is no other dataset yet; bring one in on the Dataset page.", icon=":material/info:")
    else:
        _ask(run, others)
    try:
        known = load_elsewhere(run)
    except VitcoreError as error:
        st.error(plain(str(error), 300), icon=":material/error:")
        return
    for found in reversed(known):
        with st.expander(
            f"{plain(found.name, 60)}: {percent(found.evaluation.accuracy)} of "
            f"{found.evaluation.images:,} photos right",
            icon=":material/travel_explore:",
            expanded=found is known[-1],
        ):
            _result(run, found)


def _live() -> None:
    job_panel("elsewhere")


def _ask(run: Run, others: dict[str, str]) -> None:
    """Which dataset, and what its classes mean."""
    chosen = st.selectbox("Dataset", list(others), format_func=others.__getitem__, key="elsewhere_dataset")
    try:
        other = load_dataset(chosen, workspace=workspace())
    except VitcoreError as error:
        st.error(plain(str(error), 300), icon=":material/error:")
        return
    matched = match_classes(other.classes, run.classes)
    table = pd.DataFrame(
        {
            "class there": list(matched),
            "photos": [other.class_counts[label] for label in matched],
            "means": [meant or LEFT_OUT for meant in matched.values()],
        }
    )
    st.caption("Which class is which; correct it where the names do not say it.")
    edited = st.data_editor(
        table,
        hide_index=True,
        disabled=["class there", "photos"],
        column_config={
            "means": st.column_config.SelectboxColumn(options=[LEFT_OUT, *run.classes], required=True)
        },
        height=min(38 + 35 * len(table), 400),
        key=f"mapping_{run.id}_{other.id}_{other.version}",
    )
    mapping = {
        label: None if meant == LEFT_OUT else meant
        for label, meant in zip(edited["class there"], edited["means"], strict=True)
    }
    with st.container(horizontal=True, vertical_alignment="center"):
        usable = any(mapping.values())
        if st.button("Judge on it", icon=":material/travel_explore:", disabled=not usable, key="elsewhere"):
            start_elsewhere(run, other, mapping)
            st.rerun()
        if not usable:
            st.caption("The classifier knows none of these classes; say which class means which.")


def _result(run: Run, found: Elsewhere) -> None:
    metrics, here = found.evaluation.metrics, run.evaluation.metrics
    accuracy = metrics["accuracy"]
    st.markdown(f"#### {span_sentence(accuracy.low, accuracy.high)}")
    rows = [
        (
            name.replace("_", " ").capitalize(),
            show(metrics[name].value),
            f"{show(metrics[name].low)} to {show(metrics[name].high)}",
            show(here[name].value),
        )
        for name, show in (("accuracy", percent), ("balanced_accuracy", percent), ("cohen_kappa", decimals))
    ]
    columns = ["metric", "there", "95 % interval", "on the validation photos"]
    st.dataframe(pd.DataFrame(rows, columns=columns), hide_index=True, width="stretch")
    there, before = found.drift["there"], found.drift["here"]
    drift = (
        f"{percent(there['unlike'])} of these photos are unlike anything it learned from, "
        f"{percent(before['unlike'])} of the validation photos. Mean confidence: "
        f"{percent(there['confidence'])} there, {percent(before['confidence'])} here."
    )
    if there["unlike"] > before["unlike"] + _NOTABLE:
        st.warning(f"These photos differ from those it knows. {drift}", icon=":material/difference:")
    else:
        st.caption(drift)
    if found.left_out:
        names = ", ".join(plain(label, 30) for label, meant in found.mapping.items() if meant is None)
        st.caption(f"{found.left_out:,} photos were left out: {names}.")
    st.altair_chart(
        confusion_chart(
            found.evaluation.confusion,
            found.evaluation.classes,
            dark=st.context.theme.type == "dark",
        ),
        width="content",
        alt="Confusion matrix on the other dataset",
        key=f"confusion_{found.dataset_id}",
    )
    _mistakes(found)
    st.download_button(
        "Predictions there (CSV)",
        found.predictions.to_csv(index=False),
        "predictions.csv",
        "text/csv",
        on_click="ignore",
        key=f"csv_{found.dataset_id}",
    )


def _mistakes(found: Elsewhere) -> None:
    """The most confident mistakes, as long as their pictures are there."""
    wrong = found.predictions[found.predictions["true"] != found.predictions["predicted"]]
    if wrong.empty:
        return
    try:
        other = load_dataset(found.dataset_id, workspace=workspace())
    except VitcoreError:
        st.caption("The dataset is gone, and its pictures with it.")
        return
    shown = wrong.sort_values("confidence", ascending=False).head(_SHOWN)
    st.markdown(f"**The most confident of its {len(wrong):,} mistakes**")
    gallery(
        (
            thumbnail(other, row.file),
            verdict(row.true, row.predicted, row.confidence),
        )
        for row in shown.itertuples()
    )
