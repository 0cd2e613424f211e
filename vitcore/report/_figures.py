"""The figures of a run, made once for the page, the report and the model card: pure functions to blocks."""

import math
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from vitcore.evaluation import METRICS, Evaluation, wilson_interval
from vitcore.language import images, mark, ntr, number, percent, span_sentence, tr, translated
from vitcore.report._blocks import Block, Figure, Heading, Headline, Paragraph, Table
from vitcore.report._metrics import (
    METRIC_MEANINGS,
    metric_figure,
    metric_name,
    metric_sentence,
    metric_title,
)
from vitcore.report._names import shortened
from vitcore.runs import Calibration, CrossValidation, Leak, Repeats, RunFacts

__all__ = [
    "answers_sentence",
    "baseline_table",
    "calibration_sentence",
    "class_blocks",
    "expectation_sentence",
    "figure_blocks",
    "headline",
    "headline_images",
    "headline_notes",
    "leak_sentence",
    "source_sentence",
    "spread_sentence",
    "thorough_images",
    "validation_images",
]

_BASELINES = {  # as a review calls them
    "this classifier": mark("this classifier"),
    "logistic regression": mark("logistic regression"),
    "20 nearest neighbours": mark("20 nearest neighbours"),
    "always the most frequent class": mark("always the most frequent class"),
}


def validation_images(count: int) -> str:
    """So many of them, in words."""
    return ntr("{count} validation image", "{count} validation images", count).format(count=number(count))


def headline_images(evaluation: Evaluation, facts: RunFacts) -> str:
    """Return how many images the figures that stand for a run rest on, in words."""
    if facts.test is None:
        return thorough_images(evaluation, facts)
    count = facts.test.evaluation.images
    return ntr("{count} test image", "{count} test images", count).format(count=number(count))


def thorough_images(evaluation: Evaluation, facts: RunFacts) -> str:
    """Return how many images the detailed figures rest on, in words."""
    figures = facts.thorough_evaluation(evaluation)
    if figures is evaluation:
        return validation_images(evaluation.images)
    return ntr(
        "{count} image in cross-validation", "{count} images in cross-validation", figures.images
    ).format(count=number(figures.images))


def headline(evaluation: Evaluation, facts: RunFacts) -> Headline:
    """The three figures that stand in large type."""
    evaluation = facts.headline_evaluation(evaluation)
    return Headline(
        [
            (metric_title(name), metric_figure(name, evaluation.metrics[name]), tr(meaning))
            for name, meaning in METRIC_MEANINGS.items()
        ]
    )


def figure_blocks(evaluation: Evaluation, facts: RunFacts, *, stopped: bool = False) -> list[Block]:
    """All metrics, what they mean, and what one has to know to read them.

    Args:
        evaluation: On the validation images.
        facts: Of the run.
        stopped: Whether its training was stopped early.
    """
    return [
        *headline_notes(evaluation, facts, stopped=stopped),
        Heading(tr("All figures")),
        _metric_table(facts.thorough_evaluation(evaluation), facts.calibration),
    ]


def headline_notes(evaluation: Evaluation, facts: RunFacts, *, stopped: bool = False) -> list[Block]:
    """What the figures that stand for a run mean, where they come from, and what they leave out.

    Args:
        evaluation: On the validation images.
        facts: Of the run.
        stopped: Whether its training was stopped early.
    """
    return [
        Paragraph(expectation_sentence(evaluation, facts), "lead"),
        Paragraph(source_sentence(evaluation, facts), "small"),
        *_notes(facts, stopped=stopped),
    ]


def expectation_sentence(evaluation: Evaluation, facts: RunFacts) -> str:
    """Say how many of 100 new photos will be right, and of which: of new groups where a rule makes groups."""
    accuracy = facts.headline_evaluation(evaluation).metrics["accuracy"]
    grouped = facts.cross_validation is not None and facts.cross_validation.singly is not None
    leaked = facts.test is not None and facts.test.leak is not None
    return span_sentence(accuracy.low, accuracy.high, new_groups=grouped and not leaked)


def source_sentence(evaluation: Evaluation, facts: RunFacts) -> str:
    """Say which images the figures that stand for a run come from."""
    source = facts.headline_source
    if source == "validation":
        return tr(
            "Judged on the {images} that chose the best epoch, which may make it a little too good; the more "
            "there are, the narrower this range."
        ).format(images=validation_images(evaluation.images))
    if source == "cross-validation":
        return _crossed_sentence(evaluation, facts)
    text = tr(
        "Tested on {images} that were set aside and used for nothing else. The figures below come from "
        "{others}; there the accuracy is {accuracy}."
    ).format(
        images=headline_images(evaluation, facts),
        others=thorough_images(evaluation, facts),
        accuracy=percent(facts.thorough_evaluation(evaluation).accuracy),
    )
    if facts.test is None or facts.test.times == 1:
        return text
    looks = tr(
        "{times} classifiers have been tested on these images by now: choose among them by the other figure, "
        "or the best of them will look better than it is."
    )
    return f"{text} {looks.format(times=number(facts.test.times))}"


def _crossed_sentence(evaluation: Evaluation, facts: RunFacts) -> str:
    """Say what a cross-validation is, and how it differs from the validation part."""
    figures = facts.thorough_evaluation(evaluation)
    counted = float(np.trace(figures.confusion)) / figures.images
    parts = [
        tr(
            "Cross-validated: each of {images} was answered by a classifier that had learned from others "
            "only."
        ).format(images=images(figures.images))
    ]
    if percent(counted) != percent(figures.accuracy):
        text = tr(
            "Of those answers {share} were right; a little more is expected of the classifier you keep, "
            "which had more photos to learn from."
        )
        parts.append(text.format(share=percent(counted)))
    text = tr("On the {validation} that chose the best epoch, the accuracy is {accuracy}.")
    parts.append(
        text.format(validation=validation_images(evaluation.images), accuracy=percent(evaluation.accuracy))
    )
    return " ".join(parts)


def _notes(facts: RunFacts, *, stopped: bool) -> Iterator[Paragraph]:
    """Return what one has to know to read the figures."""
    if stopped:
        yield Paragraph(tr("This training was stopped early; its best epoch until then is judged."), "note")
    for warning in facts.warnings:
        yield Paragraph(translated(warning), "warning")
    if facts.test is not None and facts.test.leak is not None:
        yield Paragraph(_test_leak_sentence(facts.test.leak), "warning")
    if facts.leak is not None:
        yield Paragraph(leak_sentence(facts.leak), "warning")
    if facts.cross_validation is not None and facts.cross_validation.singly is not None:
        yield Paragraph(_singly_sentence(facts.cross_validation.singly))
    for further in (facts.cross_validation, facts.repeats):
        if further is not None and (sentence := spread_sentence(further)):
            yield Paragraph(sentence)


def _singly_sentence(evaluation: Evaluation) -> str:
    """Say what photos of known groups get, beside the figure for new groups."""
    accuracy = evaluation.metrics["accuracy"]
    return tr(
        "If your new photos show the groups that it has learned from, the figure to go by is {accuracy} "
        "({low} to {high})."
    ).format(accuracy=percent(accuracy.value), low=percent(accuracy.low), high=percent(accuracy.high))


def leak_sentence(leak: Leak) -> str:
    """Say what a ready-made split gives away."""
    text = tr(
        "{count} of the validation images, or photos that look just like them, are among the training images "
        "of this ready-made split."
    ).format(count=number(leak.images))
    return f"{text} {_effect(leak)}"


def _test_leak_sentence(leak: Leak) -> str:
    """Say that test images, or what looks like them, were learned from or chosen by."""
    text = tr(
        "{count} of the test images, or photos that look just like them or belong to their group, are among "
        "the others."
    ).format(count=number(leak.images))
    return f"{text} {_effect(leak)}"


def _effect(leak: Leak) -> str:
    if leak.accuracy_without is None:
        return tr("With them the accuracy is {accuracy}; no other is left.").format(
            accuracy=percent(leak.accuracy)
        )
    return tr("With them the accuracy is {accuracy}; without them the accuracy is {without}.").format(
        accuracy=percent(leak.accuracy), without=percent(leak.accuracy_without)
    )


def spread_sentence(further: CrossValidation | Repeats) -> str:
    """Say what further trainings reached; nothing if none has an accuracy, or if the headline is theirs."""
    accuracies = pd.Series(further.accuracy, dtype="float64").dropna()
    if accuracies.empty or getattr(further, "evaluation", None) is not None:
        return ""
    if isinstance(further, CrossValidation):
        text = tr(
            "In the {count} parts of the cross-validation the accuracy was {mean} ± {deviation} "
            "({low} to {high})."
        )
    else:
        text = tr(
            "Trained anew {count} times on the same photos from other seeds: accuracy {mean} ± {deviation} "
            "({low} to {high})."
        )
    return text.format(
        count=number(len(accuracies)),
        mean=percent(accuracies.mean()),
        deviation=percent(accuracies.std()),
        low=percent(accuracies.min()),
        high=percent(accuracies.max()),
    )


def _metric_table(evaluation: Evaluation, calibration: Calibration | None) -> Table:
    rows = []
    for name in METRICS:
        if name in evaluation.metrics:
            figure = metric_figure(name, evaluation.metrics[name])
            sentence = metric_sentence(name, figure.value, len(evaluation.classes))
            if name == "expected_calibration_error":
                sentence = calibration_sentence(evaluation, calibration)
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
        "With {images} that of a perfectly honest one would seem to be {honest}; before it was corrected, it "
        "was {before}."
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
    sentence = tr(
        "Of {count} validation images, {answered} are answered and {right} of these answers are right."
    ).format(count=number(count), answered=number(answered), right=number(right))
    if not answered:
        return sentence
    low, high = wilson_interval(right, answered)
    expected = tr("Of new answers, expect {low} to {high} to be right.")
    return f"{sentence} {expected.format(low=percent(low), high=percent(high))}"


def class_blocks(evaluation: Evaluation, trained: Mapping[str, int] | None = None) -> list[Block]:
    """A row for each class, the one with the lowest recall first.

    Args:
        evaluation: Of the run, as `RunFacts.thorough_evaluation` gives it.
        trained: Number of training images of each class, if that is to be shown.
    """
    mistakes = evaluation.mistakes
    confused = np.where(mistakes.any(axis=1), np.array(evaluation.classes)[mistakes.argmax(axis=1)], "")
    table = evaluation.per_class().assign(confused=confused).sort_values("recall", kind="stable")
    rows = []
    for row in table.to_dict("records"):
        recall = Figure(row["recall"], "share", row["recall_low"], row["recall_high"])
        learned = () if trained is None else (Figure(trained.get(row["class"], 0), "count"),)
        rows.append(
            (
                shortened(row["class"]),
                *learned,
                Figure(row["support"], "count"),
                recall,
                recall.interval,
                Figure(row["precision"], "share"),
                Figure(row["f1"], "score"),
                shortened(row["confused"]),
            )
        )
    header = [
        tr("class"),
        *([] if trained is None else [tr("training images")]),
        tr("images"),
        tr("recall"),
        tr("95 % interval of recall"),
        tr("precision"),
        tr("F1"),
        tr("most often taken for"),
    ]
    explained = tr(
        "The weakest classes first. Recall: how many of its images were found. Precision: how many of those "
        "called so are. F1: both in one figure. Images: how many were judged (support)."
    )
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
        tr("What simpler ways reach on the same validation images, so that you see what the training adds."),
    )
