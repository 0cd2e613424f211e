"""What stands for a run: its accuracy in large type, what that means, and where it comes from."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from vitcore.dataset import GroupRule
from vitcore.evaluation import Evaluation
from vitcore.language import images, mark, ntr, number, percent, span_sentence, tr, translated
from vitcore.report._blocks import Block, Headline, Paragraph
from vitcore.report._metrics import METRIC_MEANINGS, metric_figure, metric_title
from vitcore.report._names import shortened
from vitcore.runs import CrossValidation, Leak, Repeats, RunFacts

__all__ = [
    "expectation_sentence",
    "headline",
    "headline_images",
    "headline_notes",
    "leak_sentence",
    "may_be_guessing",
    "source_sentence",
    "spread_sentence",
    "thorough_images",
    "validation_images",
]

_TITLES = {
    "test": mark("Accuracy (final exam)"),
    "cross-validation": mark("Accuracy (cross-validated)"),
    "validation": mark("Accuracy (validation)"),
}
_GROUP = mark("group")
_GROUPS = {"folder": mark("folder"), "name": mark("series"), "time": mark("series")}


def validation_images(count: int) -> str:
    """So many of them, in words."""
    return ntr("{count} validation photo", "{count} validation photos", count).format(count=number(count))


def headline_images(evaluation: Evaluation, facts: RunFacts) -> str:
    """Return how many images the figures that stand for a run rest on, in words."""
    if facts.test is None:
        return thorough_images(evaluation, facts)
    count = facts.test.evaluation.images
    return ntr("{count} test photo", "{count} test photos", count).format(count=number(count))


def thorough_images(evaluation: Evaluation, facts: RunFacts) -> str:
    """Return how many images the detailed figures rest on, in words."""
    figures = facts.thorough_evaluation(evaluation)
    if figures is evaluation:
        return validation_images(evaluation.images)
    return ntr(
        "{count} photo in cross-validation", "{count} photos in cross-validation", figures.images
    ).format(count=number(figures.images))


def headline(evaluation: Evaluation, facts: RunFacts, *, rule: str = "") -> Headline:
    """The figures that stand in large type: the accuracy by where it comes from, and two more.

    Args:
        evaluation: On the validation images.
        facts: Of the run.
        rule: By which its images were kept together, empty for none.
    """
    figures, singly = facts.headline_evaluation(evaluation), _singly(facts)
    titles = {name: metric_title(name) for name in METRIC_MEANINGS}
    titles["accuracy"] = tr(_TITLES[facts.headline_source])
    if singly is not None and facts.test is None:
        titles["accuracy"] = tr("Accuracy: new {group}").format(group=_group(rule))
    rows = [
        (titles[name], metric_figure(name, figures.metrics[name]), tr(meaning))
        for name, meaning in METRIC_MEANINGS.items()
    ]
    if singly is not None:
        known = tr("Accuracy: known {group}").format(group=_group(rule))
        figure = metric_figure("accuracy", singly.metrics["accuracy"])
        rows.insert(1, (known, figure, tr(METRIC_MEANINGS["accuracy"])))
    return Headline(rows)


def headline_notes(
    evaluation: Evaluation, facts: RunFacts, *, stopped: bool = False, rule: str = ""
) -> list[Block]:
    """What the figures that stand for a run mean, where they come from, and what they leave out.

    Args:
        evaluation: On the validation images.
        facts: Of the run.
        stopped: Whether its training was stopped early.
        rule: By which its images were kept together, empty for none.
    """
    figures, singly = facts.headline_evaluation(evaluation), _singly(facts)
    notes: list[Block] = [Paragraph(expectation_sentence(evaluation, facts, rule), "lead")]
    if all(may_be_guessing(found) for found in (figures, facts.thorough_evaluation(evaluation))):
        guessing = tr("By these photos, the classifier may be no better than guessing.")
        notes.append(Paragraph(guessing, "warning"))
    if singly is not None:
        notes.append(Paragraph(_singly_sentence(figures, singly, _group(rule))))
    notes.append(Paragraph(source_sentence(evaluation, facts), "small"))
    return [*notes, *_notes(facts, stopped=stopped)]


def expectation_sentence(evaluation: Evaluation, facts: RunFacts, rule: str = "") -> str:
    """Say how many of 100 new photos will be right, and of which: of a new group where there are groups."""
    accuracy = facts.headline_evaluation(evaluation).metrics["accuracy"]
    group = "" if _singly(facts) is None else _group(rule)
    return span_sentence(accuracy.low, accuracy.high, new_group=group)


def may_be_guessing(figures: Evaluation) -> bool:
    """Return whether guessing lies within the interval of Cohen's kappa, or above it."""
    kappa = figures.metrics.get("cohen_kappa")
    return kappa is not None and kappa.low <= 0  # false where it is not defined


def _singly(facts: RunFacts) -> Evaluation | None:
    """Return the figures for known groups, where those for new groups stand for the run."""
    crossed = facts.cross_validation
    leaked = facts.test is not None and facts.test.leak is not None
    return None if crossed is None or leaked else crossed.singly


def _group(rule: str) -> str:
    """Return the word for photos that a rule keeps together: the name of a column, or what it finds."""
    parsed = GroupRule.parse(rule)
    if parsed.kind == "column":
        return shortened(parsed.value, 30)
    return tr(_GROUPS.get(parsed.kind, _GROUP))


def source_sentence(evaluation: Evaluation, facts: RunFacts) -> str:
    """Say which images the figures that stand for a run come from."""
    source = facts.headline_source
    if source == "validation":
        return tr(
            "Measured on the {images} that also chose the best epoch, so it may be a little too good. More "
            "photos would narrow this range."
        ).format(images=validation_images(evaluation.images))
    if source == "cross-validation":
        return _crossed_sentence(evaluation, facts)
    return _tested_sentence(evaluation, facts)


def _tested_sentence(evaluation: Evaluation, facts: RunFacts) -> str:
    """Say what the final exam is, what the other figure is, and which of the two to use for what."""
    others = facts.thorough_evaluation(evaluation)
    tested = 0 if facts.test is None else facts.test.evaluation.images
    parts = [
        tr(
            "Tested on {images}, set aside for this final exam and used for nothing else. On {others} the "
            "accuracy is {accuracy}."
        ).format(
            images=headline_images(evaluation, facts),
            others=thorough_images(evaluation, facts),
            accuracy=percent(others.accuracy),
        )
    ]
    if others is not evaluation and others.images > tested:
        parts.append(tr("That second figure rests on more photos and is the more precise one."))
    if facts.test is not None and facts.test.times > 1:
        text = tr(
            "{times} classifiers have taken this exam by now. To choose between them, compare the second "
            "figure: the best result of several exams may be luck."
        )
        parts.append(text.format(times=number(facts.test.times)))
    return " ".join(parts)


def _crossed_sentence(evaluation: Evaluation, facts: RunFacts) -> str:
    """Say what a cross-validation is, and how it differs from the validation part."""
    figures = facts.thorough_evaluation(evaluation)
    counted = float(np.trace(figures.confusion)) / figures.images
    parts = [
        tr(
            "Cross-validated: every one of {images} was put to a classifier that had not learned from it."
        ).format(images=images(figures.images))
    ]
    if percent(counted) != percent(figures.accuracy):
        text = tr(
            "{share} of the answers were right. The classifier you keep has learned from more photos, so a "
            "little more is expected of it: {accuracy}."
        )
        parts.append(text.format(share=percent(counted), accuracy=percent(figures.accuracy)))
    text = tr("The {validation} that chose the best epoch gave {accuracy}; trust the cross-validated figure.")
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
    for further in (facts.cross_validation, facts.repeats):
        if further is not None and (sentence := spread_sentence(further)):
            yield Paragraph(sentence)


def _singly_sentence(figures: Evaluation, singly: Evaluation, group: str) -> str:
    """Say which of the figures for new and for known groups applies to which photos."""
    known = singly.metrics["accuracy"]
    return tr(
        "Which accuracy applies depends on the photos to come: {new} for a new {group}, none of whose photos "
        "it has seen; {known} ({low} to {high}) for more photos of a known {group}. If in doubt, trust the "
        "first."
    ).format(
        new=percent(figures.accuracy),
        known=percent(known.value),
        low=percent(known.low),
        high=percent(known.high),
        group=group,
    )


def leak_sentence(leak: Leak) -> str:
    """Say what a ready-made split gives away."""
    text = tr(
        "{count} of the validation photos, or near-copies of them, are also among the training photos of "
        "this ready-made split."
    ).format(count=number(leak.images))
    return f"{text} {_effect(leak)}"


def _test_leak_sentence(leak: Leak) -> str:
    """Say that test images, or what looks like them, were learned from or chosen by."""
    text = tr(
        "{count} of the test photos, or near-copies or photos of the same group, are also among the others."
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
