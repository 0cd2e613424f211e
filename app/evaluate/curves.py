"""The curves behind the figures: each class against the others, confidence, and the training."""

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from app.evaluate.figures import true_classes
from app.shared.layout import draw_switch
from app.shared.results import cached_run, results_version
from app.shared.training_curves import draw_curves
from vitcore.charts import confidence_chart, precision_recall_chart, reliability_chart, roc_chart
from vitcore.dataset import Dataset
from vitcore.evaluation import precision_recall_curves, reliability, roc_curves, uncorrected_probabilities
from vitcore.language import current, number, tr
from vitcore.runs import Run

__all__ = ["draw_all_curves"]

_MANY = 30  # classes, from which on drawing all of them takes long
_FEW = 8  # as many have colours that are told apart


def draw_all_curves(run: Run, data: Dataset) -> None:  # noqa: ARG001 - as all sections
    """Draw three pairs of charts."""
    _class_curves(run)
    _confidence(run)
    st.subheader(tr("How the training went"), anchor=False)
    draw_curves(run)


def _class_curves(run: Run) -> None:
    st.subheader(tr("Each class against all others"), anchor=False)
    drawn = _drawn(run)
    meaning = tr(
        "The closer a curve is to the upper edge, the better the class is recognised; the number is the area "
        "under the curve, and 1 is perfect. Precision: how many of the photos given this class belong to it; "
        "recall: how many photos of the class were recognised."
    )
    if len(drawn) <= _FEW:
        hint = tr("Click a class to make it stand out.")
    else:
        hint = tr("Point at a curve to see whose it is.")
    st.caption(f"{meaning} {hint}")
    with st.spinner(tr("Drawing the curves …")):
        roc, precision_recall = _class_charts((results_version(run), current()), run, drawn)
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown(tr("**Photos found against false alarms** (ROC)"))
        st.vega_lite_chart(spec=roc, alt=tr("ROC curve of each class"))
    with right:
        st.markdown(tr("**Precision over recall**"))
        st.vega_lite_chart(spec=precision_recall, alt=tr("Precision over recall of each class"))


def _drawn(run: Run) -> tuple[int, ...]:
    """Return the numbers of the classes to draw: of many the weakest, unless all are asked for."""
    count = len(run.classes)
    if count > _MANY:
        options = {
            "few": tr("The {count} weakest classes").format(count=number(_FEW)),
            "all": tr("All {count}").format(count=number(count)),
        }
        which = draw_switch(tr("Which classes"), options, "which_curves")
        if which == "few":
            recall = cached_run(run).evaluation.per_class()["recall"].to_numpy()
            return tuple(np.argsort(recall, kind="stable")[:_FEW].tolist())
    return tuple(range(count))


def _confidence(run: Run) -> None:
    st.subheader(tr("Can its confidence be trusted?"), anchor=False)
    known = run.facts.calibration  # older runs have none
    temperature = None if known is None else known.temperature
    calibration, histogram = _confidence_charts((results_version(run), current()), run, temperature)
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown(tr("**How often it is right when so confident** (reliability)"))
        st.vega_lite_chart(spec=calibration, alt=tr("Accuracy by confidence"))
        meaning = tr("On the dashed line, 80 % confident means 80 % right. The bars are 95 % intervals.")
        paler = tr("Paler: before its confidence was corrected.") if temperature is not None else ""
        st.caption(f"{meaning} {paler}".rstrip())
    with right:
        st.markdown(tr("**How confident it is, right or wrong**"))
        st.vega_lite_chart(spec=histogram, alt=tr("Number of images by confidence, right and wrong"))
        st.caption(tr("Good: the wrong answers, at the foot of the bars, lie on the left."))


@st.cache_data(show_spinner=False, max_entries=8)
def _class_charts(
    key: object,  # noqa: ARG001 - stands for the run and the language
    _run: Run,
    drawn: tuple[int, ...],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return Vega-Lite's ROC and precision over recall of some classes; those of 100 take seconds."""
    true, probabilities = true_classes(_run), cached_run(_run).probabilities.astype(np.float64)
    names = [_run.classes[n] for n in drawn]
    places = np.full(len(_run.classes), len(drawn))  # all other classes are one, which is not drawn
    places[list(drawn)] = range(len(drawn))
    true = places[true]
    probabilities = np.column_stack([probabilities[:, list(drawn)], np.zeros(len(true))])
    charts = []
    for curves_of, chart in ((roc_curves, roc_chart), (precision_recall_curves, precision_recall_chart)):
        curves = curves_of(true, probabilities, [*names, ""])
        charts.append(chart(curves[curves["class"].isin(names)], _run.classes).to_dict(validate=False))
    return charts[0], charts[1]


@st.cache_data(show_spinner=False, max_entries=8)
def _confidence_charts(
    key: object,  # noqa: ARG001 - stands for the run and the language
    _run: Run,
    temperature: float | None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return Vega-Lite's reliability diagram and histogram of confidence."""
    true, probabilities = true_classes(_run), cached_run(_run).probabilities.astype(np.float64)
    before = None
    if temperature is not None:
        before = reliability(true, uncorrected_probabilities(probabilities, temperature))
    rows = cached_run(_run).predictions
    answers = pd.DataFrame({"confidence": rows["confidence"], "right": rows["true"] == rows["predicted"]})
    return (
        reliability_chart(reliability(true, probabilities), before).to_dict(validate=False),
        confidence_chart(answers).to_dict(validate=False),
    )
