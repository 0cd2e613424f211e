"""The figures of a run, made once for the page, the report and the model card: pure functions to blocks."""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from vitcore.evaluation import METRICS, Evaluation, wilson_interval
from vitcore.language import images, mark, number, percent, tr
from vitcore.report._blocks import Block, Figure, Heading, Paragraph, Table
from vitcore.report._headline import headline_notes, may_be_guessing, thorough_images, validation_images
from vitcore.report._metrics import (
    metric_figure,
    metric_name,
    metric_sentence,
    metric_title,
)
from vitcore.report._names import distinct, shortened
from vitcore.runs import Calibration, RunFacts

__all__ = [
    "answers_sentence",
    "baseline_table",
    "calibration_sentence",
    "class_blocks",
    "figure_blocks",
]

_BASELINES = {  # as a review calls them
    "this classifier": mark("this classifier"),
    "logistic regression": mark("logistic regression"),
    "20 nearest neighbours": mark("20 nearest neighbours"),
    "always the most frequent class": mark("always the most frequent class"),
}


def figure_blocks(
    evaluation: Evaluation, facts: RunFacts, *, stopped: bool = False, rule: str = ""
) -> list[Block]:
    """All metrics, what they mean, and what one has to know to read them.

    Args:
        evaluation: On the validation images.
        facts: Of the run.
        stopped: Whether its training was stopped early.
        rule: By which its images were kept together, empty for none.
    """
    basis = tr("These come from {images}.").format(images=thorough_images(evaluation, facts))
    return [
        *headline_notes(evaluation, facts, stopped=stopped, rule=rule),
        Heading(tr("All figures")),
        *([] if facts.test is None else [Paragraph(basis)]),
        _metric_table(facts.thorough_evaluation(evaluation), facts.calibration),
    ]


def _metric_table(evaluation: Evaluation, calibration: Calibration | None) -> Table:
    rows = []
    for name in METRICS:
        if name in evaluation.metrics:
            figure = metric_figure(name, evaluation.metrics[name])
            sentence = metric_sentence(name, figure.value, len(evaluation.classes))
            if name == "expected_calibration_error":
                sentence = calibration_sentence(evaluation, calibration)
            if name == "cohen_kappa" and may_be_guessing(evaluation):
                sentence = tr("It may be no better than guessing.")
            rows.append((metric_title(name), figure, figure.interval, sentence))
    return Table([tr("figure"), tr("value"), tr("95 % interval"), tr("in words")], rows)


def calibration_sentence(evaluation: Evaluation, calibration: Calibration | None) -> str:
    """Say how far its confidence is off, how much of that is chance, and what it was before."""
    name = "expected_calibration_error"
    error = evaluation.metrics[name].value
    sentence = metric_sentence(name, error, len(evaluation.classes))
    if calibration is None or math.isnan(error):
        return sentence
    if calibration.noise_floor is None or calibration.error_before is None:  # of an earlier version
        return sentence
    noise = tr(
        "On {images}, even perfectly honest confidence would look {honest} points off by chance. Before the "
        "correction it was off by {before}."
    ).format(
        images=images(evaluation.images),
        honest=number(100 * calibration.noise_floor, 1),
        before=number(100 * calibration.error_before, 1),
    )
    return f"{sentence} {noise}"


def answers_sentence(count: int, answered: int, right: int) -> str:
    """Say how many validation images are answered, how many of them rightly, and what to expect.

    Args:
        count: Of the validation images.
        answered: How many of them get an answer.
        right: How many of these answers are right.
    """
    sentence = tr("It answers {answered} of {photos}; {right} of the answers are right.").format(
        photos=validation_images(count), answered=number(answered), right=number(right)
    )
    if answered == 1:
        sentence = (
            tr("It answers 1 of {photos}, rightly.") if right else tr("It answers 1 of {photos}, wrongly.")
        )
        sentence = sentence.format(photos=validation_images(count))
    if not answered:
        return sentence
    low, high = wilson_interval(right, answered)
    expected = tr("Of its answers to new photos, expect {low} to {high} to be right.")
    return f"{sentence} {expected.format(low=percent(low), high=percent(high))}"


def class_blocks(evaluation: Evaluation, trained: Mapping[str, int] | None = None) -> list[Block]:
    """A row for each class, the one with the lowest recall first.

    Args:
        evaluation: Of the run, as `RunFacts.thorough_evaluation` gives it.
        trained: Number of training images of each class, if that is to be shown.
    """
    names = dict(zip(evaluation.classes, distinct(map(shortened, evaluation.classes)), strict=True))
    mistakes = evaluation.mistakes
    confused = np.where(mistakes.any(axis=1), np.array(evaluation.classes)[mistakes.argmax(axis=1)], "")
    table = evaluation.per_class().assign(confused=confused).sort_values("recall", kind="stable")
    rows = []
    for row in table.to_dict("records"):
        recall = Figure(row["recall"], "share", row["recall_low"], row["recall_high"])
        learned = () if trained is None else (Figure(trained.get(row["class"], 0), "count"),)
        rows.append(
            (
                names[row["class"]],
                *learned,
                Figure(row["support"], "count"),
                recall,
                recall.interval,
                Figure(row["precision"], "share"),
                Figure(row["f1"], "score"),
                names.get(row["confused"], ""),
            )
        )
    header = [
        tr("class"),
        *([] if trained is None else [tr("training photos")]),
        tr("photos"),
        tr("recall"),
        tr("95 % interval of recall"),
        tr("precision"),
        tr("F1"),
        tr("most often taken for"),
    ]
    explained = tr(
        "The weakest classes first. Recall: how many photos of the class were recognised. Precision: how "
        "many of the photos given this class belong to it. F1: both in one figure."
    )
    counted = float(np.trace(evaluation.confusion)) / max(evaluation.images, 1)
    if evaluation.images and percent(counted) != percent(evaluation.accuracy):
        rights = tr("Recall and precision count the answers as they were, {share} of them right in all.")
        explained += " " + rights.format(share=percent(counted))
    return [Paragraph(explained, "small"), Table(header, rows)]


def baseline_table(baselines: pd.DataFrame) -> Table:
    """Return what simpler ways reach.

    Args:
        baselines: As `vitcore.pipeline.Review.baselines`.
    """
    metrics = ("accuracy", "balanced_accuracy", "cohen_kappa")
    return Table(
        [tr("method"), *map(metric_name, metrics)],
        [
            (
                tr(_BASELINES.get(row["name"], row["name"])),
                *(metric_figure(name, row[name]) for name in metrics),
            )
            for row in baselines.to_dict("records")
        ],
        tr("What simpler methods reach on the same validation photos; the difference is what training adds."),
    )
