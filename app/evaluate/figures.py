"""The figures of a run: in words, beside simpler ways, and class by class."""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from app.shared.layout import draw_metrics, draw_pagination
from app.shared.pictures import draw_gallery
from app.shared.results import cached_review, cached_run
from app.shared.review import draw_review_start
from vitcore.dataset import Dataset
from vitcore.evaluation import Evaluation
from vitcore.language import decimals, images, mark, number, of_100, percent, span_sentence, tr
from vitcore.runs import Run

__all__ = [
    "SHARES",
    "TITLES",
    "draw_figures",
    "draw_images",
    "figure",
    "span",
    "true_classes",
]

TITLES = {
    "accuracy": mark("Accuracy"),
    "balanced_accuracy": mark("Balanced accuracy"),
    "cohen_kappa": mark("Cohen's kappa"),
    "macro_f1": mark("Macro F1"),
    "log_loss": mark("Log loss"),
    "expected_calibration_error": mark("Calibration error"),
    "top_3_accuracy": mark("Top-3 accuracy"),
}
HEADLINES = {
    "accuracy": mark("Share of images whose class was recognised."),
    "balanced_accuracy": mark("The same, each class counting equally."),
    "cohen_kappa": mark("Agreement beyond guessing; 1 is perfect, 0 is guessing."),
}
_WAYS = {  # as a review calls them
    "this classifier": mark("this classifier"),
    "logistic regression": mark("logistic regression"),
    "20 nearest neighbours": mark("20 nearest neighbours"),
    "always the most frequent class": mark("always the most frequent class"),
}
SHARES = {"accuracy", "balanced_accuracy", "expected_calibration_error", "top_3_accuracy"}


# --- what all sections share -------------------------------------------------------------------


def true_classes(run: Run) -> npt.NDArray[np.int64]:
    """The class numbers of the validation images: (M,)."""
    numbers = {name: number for number, name in enumerate(run.classes)}
    return cached_run(run).predictions["true"].map(numbers).to_numpy(dtype=np.int64)


def draw_images(data: Dataset, rows: pd.DataFrame, caption: Callable[[tuple], str], key: str) -> None:
    """The pictures of validation images with their captions, a page at a time."""
    shown = rows.iloc[list(draw_pagination(len(rows), key))]
    draw_gallery(data, ((row.file, caption(row)) for row in shown.itertuples()))


# --- numbers as people read them ---------------------------------------------------------------


def figure(name: str, value: float) -> str:
    """A metric as text: percentages for shares."""
    return percent(value) if name in SHARES else decimals(value)


def span(low: str, high: str) -> str:
    """From one figure to another."""
    return tr("{low} to {high}").format(low=low, high=high)


def _in_words(name: str, value: float, run: Run, count: int) -> str:
    """What a metric means, in one sentence."""
    if math.isnan(value):
        return tr("Not defined for these images.")
    if name == "accuracy":
        return tr("It recognises {share} photos.").format(share=of_100(value))
    if name == "balanced_accuracy":
        return tr("Were all classes equally frequent, it would recognise {share}.").format(
            share=of_100(value)
        )
    if name == "cohen_kappa":
        if value < 0:
            return tr("It does worse than guessing would.")
        return tr("Of the mistakes that guessing would make, it avoids {share}.").format(share=of_100(value))
    if name == "macro_f1":
        return tr("Finding all photos of a class, and only those: the mean over the classes; 1 is perfect.")
    if name == "log_loss":
        guessing = decimals(math.log(len(run.classes)))
        return tr("Punishes confident mistakes; 0 is perfect, {guessing} is guessing.").format(
            guessing=guessing
        )
    if name == "expected_calibration_error":
        off = tr("Its stated confidence is off by {points} points on average.").format(
            points=number(100 * value, 1)
        )
        return f"{off} {_noise(run, count)}".strip()
    if name == "top_3_accuracy":
        return tr("In {share} photos the right class is among its three best guesses.").format(
            share=of_100(value)
        )
    return ""


def _noise(run: Run, count: int) -> str:
    """How much of the calibration error is chance, and what it was before; older runs do not know."""
    known = run.facts.calibration
    if known is None or known.noise_floor is None:
        return ""
    return tr(
        "With {images} that of a perfectly honest one would seem to be {honest}; before it was corrected, it "
        "was {before}."
    ).format(
        images=images(count),
        honest=number(100 * known.noise_floor, 1),
        before=number(100 * known.error_before, 1),
    )


# --- the section -------------------------------------------------------------------------------


def draw_figures(run: Run, data: Dataset) -> None:
    """The headline, all metrics, simpler ways, and the classes."""
    evaluation = cached_run(run).evaluation
    draw_metrics(
        (tr(TITLES[name]), figure(name, evaluation.metrics[name].value), tr(meaning))
        for name, meaning in HEADLINES.items()
    )
    accuracy = evaluation.metrics["accuracy"]
    st.markdown(f"#### {span_sentence(accuracy.low, accuracy.high)}")
    st.caption(
        tr("Judged on {count} validation images; the more there are, the narrower this range.").format(
            count=number(evaluation.images)
        )
    )
    _remarks(run)
    st.subheader(tr("All figures"), anchor=False)
    st.table(metric_table(evaluation, run), border="horizontal", hide_index=True)
    _simpler_ways(run, data)
    _class_by_class(evaluation)


def _remarks(run: Run) -> None:
    """What one has to know to read the figures."""
    if run.state == "stopped":
        sentence = tr("This training was stopped early; its best epoch until then is judged.")
        st.info(sentence, icon=":material/stop_circle:")
    if leak := run.facts.leak:
        without = leak.accuracy_without
        told = tr(
            "{count} of the validation images, or photos that look just like them, are among the training "
            "images of this ready-made split."
        ).format(count=number(leak.images))
        accuracy = percent(leak.accuracy)
        if without is None:
            effect = tr("With them the accuracy is **{accuracy}**; no other is left.").format(
                accuracy=accuracy
            )
        else:
            effect = tr(
                "With them the accuracy is **{accuracy}**; without them the accuracy is **{without}**."
            ).format(accuracy=accuracy, without=percent(without))
        st.warning(f"{told} {effect}", icon=":material/water_drop:")
    if crossed := run.facts.cross_validation:
        accuracies = pd.Series(crossed.accuracy, dtype="float64")
        st.info(
            tr(
                "Trained anew on {count} other divisions of the same photos: accuracy "
                "**{mean} ± {deviation}** ({low} to {high})."
            ).format(
                count=number(crossed.folds),
                mean=percent(accuracies.mean()),
                deviation=percent(accuracies.std()),
                low=percent(accuracies.min()),
                high=percent(accuracies.max()),
            ),
            icon=":material/donut_small:",
        )


def metric_table(evaluation: Evaluation, run: Run) -> pd.DataFrame:
    """One row per metric, with its interval and what it means."""
    rows = []
    for name, metric in evaluation.metrics.items():
        known = not math.isnan(metric.low)
        spread = span(figure(name, metric.low), figure(name, metric.high)) if known else ""
        words = _in_words(name, metric.value, run, evaluation.images)
        title = tr(TITLES.get(name, name))
        rows.append((title, figure(name, metric.value), spread, words))
    columns = [tr("figure"), tr("value"), tr("95 % interval"), tr("in words")]
    return pd.DataFrame(rows, columns=columns)


def _simpler_ways(run: Run, data: Dataset) -> None:
    st.subheader(tr("Beside simpler ways"), anchor=False)
    review = cached_review(run)
    if review is None:
        draw_review_start(run, data, tr("Finds out what simpler ways reach on the same images."))
        return
    st.caption(
        tr("What simpler ways reach on the same validation images, so that you see what the training adds.")
    )
    st.dataframe(
        review.baselines.assign(
            name=[tr(_WAYS.get(name, name)) for name in review.baselines["name"]],
            cohen_kappa=review.baselines["cohen_kappa"].map(decimals),
        ),
        hide_index=True,
        column_config={
            "name": st.column_config.TextColumn(tr("method")),
            "accuracy": _share(tr("accuracy")),
            "balanced_accuracy": _share(tr("balanced accuracy")),
            "cohen_kappa": st.column_config.TextColumn(tr("Cohen's kappa")),
        },
    )


def _class_by_class(evaluation: Evaluation) -> None:
    st.subheader(tr("Class by class"), anchor=False)
    st.caption(
        tr(
            "The weakest classes first. Recall: how many of its images were found. Precision: how many of "
            "those called so are."
        )
    )
    st.dataframe(
        class_table(evaluation),
        hide_index=True,
        column_config={
            "class": st.column_config.TextColumn(tr("class")),
            "recall": _share(tr("recall")),
            "interval": st.column_config.TextColumn(tr("95 % interval of recall")),
            "precision": _share(tr("precision")),
            "f1": st.column_config.TextColumn("F1"),
            "support": st.column_config.NumberColumn(tr("images")),
            "confused": st.column_config.TextColumn(tr("most often taken for")),
        },
    )


def class_table(evaluation: Evaluation) -> pd.DataFrame:
    """One row per class, the one with the lowest recall first."""
    mistakes = evaluation.confusion.copy()
    np.fill_diagonal(mistakes, 0)
    confused = [evaluation.classes[number] for number in mistakes.argmax(axis=1)]
    per_class = evaluation.per_class()
    per_class["interval"] = [
        "" if math.isnan(low) else span(percent(low), percent(high))
        for low, high in zip(per_class["recall_low"], per_class["recall_high"], strict=True)
    ]
    per_class["f1"] = per_class["f1"].map(decimals)
    per_class["confused"] = np.where(mistakes.any(axis=1), confused, "")
    columns = ["class", "recall", "interval", "precision", "f1", "support", "confused"]
    return per_class.sort_values("recall", kind="stable")[columns]


def _share(title: str) -> object:
    return st.column_config.ProgressColumn(title, min_value=0, max_value=1, format="percent")
