"""The figures of a run: in words, beside simpler ways, and class by class."""

import math
from collections.abc import Callable, Hashable

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from app.parts import figures, gallery, paged, thumbnail
from app.review import draw_look_closer, review_of
from app.state import stamp, workspace
from app.text import decimals, percent, span_sentence
from vitcore.dataset import Dataset
from vitcore.evaluation import Evaluation
from vitcore.runs import Run, load_run

__all__ = ["TITLES", "draw_figures", "draw_images", "images", "kept", "number", "of_100", "truth"]

TITLES = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "cohen_kappa": "Cohen's kappa",
    "macro_f1": "Macro F1",
    "log_loss": "Log loss",
    "expected_calibration_error": "Calibration error",
    "top_3_accuracy": "Top-3 accuracy",
}
HEADLINES = {
    "accuracy": "Share of images whose class was recognised.",
    "balanced_accuracy": "The same, each class counting equally.",
    "cohen_kappa": "Agreement beyond guessing; 1 is perfect, 0 is guessing.",
}
_SHARES = {"accuracy", "balanced_accuracy", "expected_calibration_error", "top_3_accuracy"}


# --- what all sections share -------------------------------------------------------------------


def kept(run: Run) -> Run:
    """The same run, whose results are read once for all sessions."""
    return _kept(stamp(run), run.id)


@st.cache_resource(show_spinner=False, max_entries=4)
def _kept(key: Hashable, run_id: str) -> Run:  # noqa: ARG001 - changes with the results
    return load_run(run_id, workspace=workspace())


def truth(run: Run) -> npt.NDArray[np.int64]:
    """The class numbers of the validation images: (M,)."""
    numbers = {name: number for number, name in enumerate(run.classes)}
    return kept(run).predictions["true"].map(numbers).to_numpy(dtype=np.int64)


def draw_images(data: Dataset, rows: pd.DataFrame, caption: Callable[[tuple], str], key: str) -> None:
    """The pictures of validation images with their captions, a page at a time."""
    shown = rows.iloc[list(paged(len(rows), key))]
    gallery((thumbnail(data, row.file), caption(row)) for row in shown.itertuples())


# --- numbers as people read them ---------------------------------------------------------------


def number(name: str, value: float) -> str:
    """A metric as text: percentages for shares."""
    return percent(value) if name in _SHARES else decimals(value)


def images(count: int) -> str:
    """A number of images in words."""
    return f"{count:,} image{'s' * (count != 1)}"


def of_100(share: float) -> str:
    """A share as people say it; what is not quite all or none is not called so."""
    whole = round(100 * share)
    if whole == 100 and share < 1:
        return "over 99 of 100"
    return f"{whole or 'fewer than 1'} of 100" if share > 0 else "none of 100"


def _in_words(name: str, value: float, run: Run, count: int) -> str:
    """What a metric means, in one sentence."""
    if math.isnan(value):
        return "Not defined for these images."
    if name == "accuracy":
        return f"It recognises {of_100(value)} photos."
    if name == "balanced_accuracy":
        return f"Were all classes equally frequent, it would recognise {of_100(value)}."
    if name == "cohen_kappa":
        if value < 0:
            return "It does worse than guessing would."
        return f"Of the mistakes that guessing would make, it avoids {of_100(value)}."
    if name == "macro_f1":
        return "Finding all photos of a class, and only those: the mean over the classes; 1 is perfect."
    if name == "log_loss":
        guessing = decimals(math.log(len(run.classes)))
        return f"Punishes confident mistakes; 0 is perfect, {guessing} is guessing."
    if name == "expected_calibration_error":
        off = f"Its stated confidence is off by {100 * value:.1f} points on average."
        return f"{off} {_noise(run, count)}".strip()
    if name == "top_3_accuracy":
        return f"In {of_100(value)} photos the right class is among its three best guesses."
    return ""


def _noise(run: Run, count: int) -> str:
    """How much of the calibration error is chance, and what it was before; older runs do not know."""
    known = run.facts.get("calibration")
    if not known or known.get("noise_floor") is None:
        return ""
    honest, before = 100 * known["noise_floor"], 100 * known["error_before"]
    return (
        f"With {images(count)} that of a perfectly honest one would seem to be {honest:.1f}; before it was "
        f"corrected, it was {before:.1f}."
    )


# --- the section -------------------------------------------------------------------------------


def draw_figures(run: Run, data: Dataset) -> None:
    """The headline, all metrics, simpler ways, and the classes."""
    evaluation = kept(run).evaluation
    figures(
        (TITLES[name], number(name, evaluation.metrics[name].value), HEADLINES[name]) for name in HEADLINES
    )
    accuracy = evaluation.metrics["accuracy"]
    st.markdown(f"#### {span_sentence(accuracy.low, accuracy.high)}")
    st.caption(
        f"Judged on {evaluation.images:,} validation images; the more there are, the narrower this range."
    )
    _remarks(run)
    st.subheader("All figures", anchor=False)
    st.table(metric_table(evaluation, run), border="horizontal", hide_index=True)
    _simpler_ways(run, data)
    _class_by_class(evaluation)


def _remarks(run: Run) -> None:
    """What one has to know to read the figures."""
    if run.state == "stopped":
        sentence = "This training was stopped early; its best epoch until then is judged."
        st.info(sentence, icon=":material/stop_circle:")
    if leak := run.facts.get("leak"):
        without = leak["accuracy_without"]
        rest = (
            "no other is left" if without is None else f"without them the accuracy is **{percent(without)}**"
        )
        st.warning(
            f"{leak['images']:,} of the validation images, or photos that look just like them, are among the "
            "training images of this ready-made split. With them the accuracy is "
            f"**{percent(leak['accuracy'])}**; {rest}.",
            icon=":material/water_drop:",
        )
    if crossed := run.facts.get("cross_validation"):
        accuracies = pd.Series(crossed["accuracy"], dtype="float64")
        st.info(
            f"Trained anew on {crossed['folds']} other divisions of the same photos: accuracy "
            f"**{percent(accuracies.mean())} ± {percent(accuracies.std())}** "
            f"({percent(accuracies.min())} to {percent(accuracies.max())}).",
            icon=":material/donut_small:",
        )


def metric_table(evaluation: Evaluation, run: Run) -> pd.DataFrame:
    """One row per metric, with its interval and what it means."""
    rows = []
    for name, metric in evaluation.metrics.items():
        known = not math.isnan(metric.low)
        spread = f"{number(name, metric.low)} to {number(name, metric.high)}" if known else ""
        title = TITLES.get(name, name.replace("_", " ").capitalize())
        rows.append(
            (title, number(name, metric.value), spread, _in_words(name, metric.value, run, evaluation.images))
        )
    return pd.DataFrame(rows, columns=["figure", "value", "95 % interval", "in words"])


def _simpler_ways(run: Run, data: Dataset) -> None:
    st.subheader("Beside simpler ways", anchor=False)
    review = review_of(run)
    if review is None:
        draw_look_closer(run, data, "Finds out what simpler ways reach on the same images.")
        return
    st.caption(
        "What simpler ways reach on the same validation images, so that you see what the training adds."
    )
    st.dataframe(
        review.baselines,
        hide_index=True,
        column_config={
            "name": st.column_config.TextColumn(""),
            "accuracy": _share("accuracy"),
            "balanced_accuracy": _share("balanced accuracy"),
            "cohen_kappa": st.column_config.NumberColumn("Cohen's kappa", format="%.3f"),
        },
    )


def _class_by_class(evaluation: Evaluation) -> None:
    st.subheader("Class by class", anchor=False)
    st.caption(
        "The weakest classes first. Recall: how many of its images were found. Precision: how many of those "
        "called so are."
    )
    st.dataframe(
        class_table(evaluation),
        hide_index=True,
        column_config={
            "recall": _share("recall"),
            "precision": _share("precision"),
            "f1": st.column_config.NumberColumn("F1", format="%.3f"),
            "support": st.column_config.NumberColumn("images"),
        },
    )


def class_table(evaluation: Evaluation) -> pd.DataFrame:
    """One row per class, the one with the lowest recall first."""
    mistakes = evaluation.confusion.copy()
    np.fill_diagonal(mistakes, 0)
    confused = [evaluation.classes[number] for number in mistakes.argmax(axis=1)]
    per_class = evaluation.per_class()
    per_class["95 % interval of recall"] = [
        "" if math.isnan(low) else f"{percent(low)} to {percent(high)}"
        for low, high in zip(per_class["recall_low"], per_class["recall_high"], strict=True)
    ]
    per_class["most often taken for"] = np.where(mistakes.any(axis=1), confused, "")
    columns = ["class", "recall", "95 % interval of recall", "precision", "f1", "support"]
    return per_class.sort_values("recall", kind="stable")[[*columns, "most often taken for"]]


def _share(title: str) -> object:
    return st.column_config.ProgressColumn(title, min_value=0, max_value=1, format="percent")
