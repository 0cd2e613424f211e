"""How a run was judged: figures, classes, confusions, confidence, doubt; and what that means."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from vitcore.charts import (
    comparison_chart,
    confidence_chart,
    confusion_chart,
    confusion_order,
    coverage_chart,
    reliability_chart,
)
from vitcore.evaluation import coverage_curve, reliability, scaled_probabilities, wilson_interval
from vitcore.inference import Trust
from vitcore.language import decimals, images, mark, number, of_100, percent, span_sentence, tr
from vitcore.report._blocks import Block, Column, Items, Paragraph, Subtitle, Table
from vitcore.report._charts import Drawer
from vitcore.report._known import Known
from vitcore.report._words import METRICS, figure, plain, spread

__all__ = ["evaluation", "results"]

_LISTED = 8  # confusions
_WEAKEST = 3  # classes
_NUMBERED = 20  # classes, up to which the heatmap has numbers
_WAYS = {  # as a review calls them
    "this classifier": mark("this classifier"),
    "logistic regression": mark("logistic regression"),
    "20 nearest neighbours": mark("20 nearest neighbours"),
    "always the most frequent class": mark("always the most frequent class"),
}
# Landis and Koch, "The measurement of observer agreement for categorical data", 1977.
_AGREEMENT = (
    (0.0, mark("poor")),
    (0.2, mark("slight")),
    (0.4, mark("fair")),
    (0.6, mark("moderate")),
    (0.8, mark("substantial")),
    (math.inf, mark("almost perfect")),
)


# --- evaluation --------------------------------------------------------------------------------


def evaluation(known: Known, drawer: Drawer) -> list[Block]:
    """All figures on the validation images."""
    text = tr("All figures come from {images}, which were not learned from.")
    return [
        Paragraph(text.format(images=images(known.evaluation.images))),
        _metrics(known),
        *_by_epoch(known, drawer),
        Subtitle(tr("Class by class")),
        Paragraph(
            tr(
                "Recall: how many of its images were found. Precision: how many of those called so are. F1: "
                "both in one figure. Images: of the validation part (support)."
            ),
            "small",
        ),
        _class_by_class(known),
        *_confusions(known, drawer),
        *_confidence(known, drawer),
        *_doubt(known, drawer),
    ]


def _metrics(known: Known) -> Table:
    rows = []
    for name, title in METRICS.items():
        if name in known.evaluation.metrics:
            metric = known.evaluation.metrics[name]
            interval = spread(name, metric.low, metric.high)
            words = _in_words(known, name, metric.value)
            rows.append((_capital(tr(title)), figure(name, metric.value), interval, words))
    columns = [
        Column(tr("figure")),
        Column(tr("value"), is_number=True),
        Column(tr("95 % interval"), is_number=True),
        Column(tr("in words")),
    ]
    return Table(columns, rows, tr("All figures"))


def _capital(text: str) -> str:
    """With a capital at its beginning."""
    return f"{text[0].upper()}{text[1:]}"


def _in_words(known: Known, name: str, value: float) -> str:
    """What a metric means, in one sentence."""
    if math.isnan(value):
        return tr("Not defined for these images.")
    if name == "accuracy":
        return tr("It recognises {share} photos.").format(share=of_100(value))
    if name == "balanced_accuracy":
        text = tr("Were all classes equally frequent, it would recognise {share}.")
        return text.format(share=of_100(value))
    if name == "cohen_kappa":
        if value < 0:
            return tr("It does worse than guessing would.")
        return tr("Of the mistakes that guessing would make, it avoids {share}.").format(share=of_100(value))
    if name == "macro_f1":
        return tr("Finding all photos of a class, and only those: the mean over the classes; 1 is perfect.")
    if name == "top_3_accuracy":
        text = tr("In {share} photos the right class is among its three best guesses.")
        return text.format(share=of_100(value))
    if name == "log_loss":
        text = tr("Punishes confident mistakes; 0 is perfect, {guessing} is guessing.")
        return text.format(guessing=decimals(math.log(len(known.run.classes))))
    points = number(100 * value, 1)
    return tr("Its stated confidence is off by {points} points on average.").format(points=points)


def _by_epoch(known: Known, drawer: Drawer) -> list[Block]:
    if len(known.history) < 2:
        return []
    curves = {tr("validation images"): known.history}
    chart = comparison_chart(curves, "cohen_kappa", tr("Cohen's kappa"))
    return [drawer.draw(chart, tr("Cohen's kappa by epoch"), height=200)]


def _class_by_class(known: Known) -> Table:
    table = known.evaluation.per_class()
    columns = [
        Column(tr("class")),
        Column(tr("precision"), is_number=True),
        Column(tr("recall"), is_number=True),
        Column(tr("95 % interval of recall"), is_number=True),
        Column(tr("F1"), is_number=True),
        Column(tr("images"), is_number=True),
    ]
    rows = [
        (
            plain(row["class"]),
            percent(row["precision"]),
            percent(row["recall"]),
            spread("accuracy", row["recall_low"], row["recall_high"]),
            decimals(row["f1"]),
            number(row["support"]),
        )
        for row in table.to_dict("records")
    ]
    return Table(columns, rows)


def _confusions(known: Known, drawer: Drawer) -> list[Block]:
    classes = [plain(name, 40) for name in known.evaluation.classes]
    confusion = known.evaluation.confusion
    few = len(classes) <= _NUMBERED
    order = list(range(len(classes))) if few else confusion_order(confusion)
    chart = confusion_chart(confusion, _distinct(classes), order=order)
    caption = tr("Rows are the true classes, columns what they were taken for; the diagonal is right.")
    if not few:
        more = tr("The darker, the more images; classes that are taken for each other stand side by side.")
        caption = f"{caption} {more}"
    drawn = drawer.draw(chart, tr("Confusion matrix"), caption, width=None)
    return [Subtitle(tr("Which classes are confused")), drawn]


def _distinct(names: Sequence[str]) -> list[str]:
    """Names that were cut and are the same now, told apart by a number."""
    seen: dict[str, int] = {}
    told = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        told.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return told


def _confidence(known: Known, drawer: Drawer) -> list[Block]:
    """Whether it is right as often as it says."""
    facts = known.run.facts.calibration
    before = None
    if facts is not None:
        # Scaled back: their logarithms are the logits, but for a number per row that does not count.
        logits = np.log(np.maximum(known.probabilities, np.finfo(np.float32).tiny))
        before = reliability(known.truth, scaled_probabilities(logits, 1 / facts.temperature))
    bins = reliability(known.truth, known.probabilities)
    meaning = tr("On the dashed line, 80 % confident means 80 % right. The bars are 95 % intervals.")
    paler = "" if before is None else tr("Paler: before its confidence was corrected.")
    drawn = [
        drawer.draw(
            reliability_chart(bins, before),
            tr("How often it is right when so confident (reliability)"),
            f"{meaning} {paler}".rstrip(),
            height=260,
        ),
        drawer.draw(
            confidence_chart(known.rows[["confidence", "right"]]),
            tr("How confident it is, right or wrong"),
            tr("Good: the wrong answers, at the foot of the bars, lie on the left."),
            height=170,
        ),
    ]
    blocks: list[Block] = [Subtitle(tr("Can its confidence be trusted?"))]
    error = known.evaluation.metrics["expected_calibration_error"].value
    if (
        facts is not None
        and facts.noise_floor is not None
        and facts.error_before is not None
        and not math.isnan(error)
    ):
        text = tr(
            "Its confidence is off by {error} points on average. With so few images, that of a perfectly "
            "honest one would seem to be {honest}; before it was corrected, it was {before}."
        )
        if known.evaluation.images >= 1000:
            text = tr(
                "Its confidence is off by {error} points on average. By chance alone, that of a perfectly "
                "honest one would seem to be {honest}; before it was corrected, it was {before}."
            )
        told = text.format(
            error=number(100 * error, 1),
            honest=number(100 * facts.noise_floor, 1),
            before=number(100 * facts.error_before, 1),
        )
        blocks.append(Paragraph(told))
    return [*blocks, *drawn]


def _doubt(known: Known, drawer: Drawer) -> list[Block]:
    """What it costs and gains to say "not sure"."""
    if known.trust is None:
        return []
    rows, sure = known.rows, known.rows["sure"].to_numpy(dtype=bool)
    right = int((sure & rows["right"].to_numpy()).sum())
    text = tr("Of {count} validation images, {answered} are answered and {right} of these answers are right.")
    texts = [text.format(count=number(len(rows)), answered=number(sure.sum()), right=number(right))]
    if sure.any():
        low, high = wilson_interval(right, int(sure.sum()))
        texts.append(
            tr("The sure answers are {share} right; of new ones, expect {low} to {high} to be.").format(
                share=percent(right / sure.sum()), low=percent(low), high=percent(high)
            )
        )
    texts += _reasons(known, known.trust)
    curve = coverage_curve(
        known.trust.rule, known.truth, known.probabilities, rows["novelty"].to_numpy(dtype=np.float64)
    )
    chart = coverage_chart(curve, known.trust.level)
    shown = tr("Accuracy of the answers by the share of photos that are answered")
    caption = tr("The dot is how it answers now; to the left of it, it would answer less and be right more.")
    return [
        Subtitle(tr("When it says “not sure”")),
        Paragraph(" ".join(texts)),
        drawer.draw(chart, shown, caption, height=220),
    ]


def _reasons(known: Known, trust: Trust) -> list[str]:
    """Why the others are not answered."""
    found = trust.verdicts(known.probabilities, known.rows["novelty"].to_numpy(dtype=np.float64)).reason
    close, unlike = int((found == "close").sum()), int((found == "unlike").sum())
    if not close + unlike:
        return []
    text = tr(
        "Not answered: {close} as close calls between classes, {unlike} as unlike anything learned from."
    )
    return [text.format(close=number(close), unlike=number(unlike))]


# --- results -----------------------------------------------------------------------------------


def results(known: Known) -> list[Block]:
    """What the figures mean for a person."""
    figures = known.evaluation
    accuracy, kappa = figures.metrics["accuracy"], figures.cohen_kappa
    texts = [span_sentence(accuracy.low, accuracy.high)]
    if not math.isnan(kappa):
        agreement = next(word for most, word in _AGREEMENT if kappa <= most)
        texts.append(
            tr(
                "A Cohen's kappa of {kappa} is called “{agreement}” agreement by Landis and Koch (1977)."
            ).format(kappa=decimals(kappa), agreement=tr(agreement))
        )
    return [
        Paragraph(" ".join(texts)),
        *_simpler_ways(known),
        *_largest(known),
        *_weakest(known),
        *_further(known),
        *_leak(known),
    ]


def _simpler_ways(known: Known) -> list[Block]:
    """The same beside what needs no training, and beside what needs less, if a closer look was taken."""
    accuracy = known.evaluation.accuracy
    if known.review is None:
        support = known.evaluation.confusion.sum(axis=1)
        name = plain(known.evaluation.classes[int(support.argmax())])
        text = tr(
            "Always answering “{name}”, the most frequent class of the validation images, would be right for "
            "{share} of them; the classifier is for {accuracy}."
        )
        share = percent(float(support.max() / support.sum()))
        return [Paragraph(text.format(name=name, share=share, accuracy=percent(accuracy)))]
    columns = [
        Column(tr("way")),
        *(
            Column(title, is_number=True)
            for title in (tr("accuracy"), tr("balanced accuracy"), tr("Cohen's kappa"))
        ),
    ]
    rows = [
        (
            tr(_WAYS.get(row["name"], row["name"])),
            percent(row["accuracy"]),
            percent(row["balanced_accuracy"]),
            decimals(row["cohen_kappa"]),
        )
        for row in known.review.baselines.to_dict("records")
    ]
    return [Table(columns, rows, tr("What simpler ways reach on the same validation images"))]


def _largest(known: Known) -> list[Block]:
    """The most frequent mistakes."""
    mistakes, classes = known.mistakes, known.evaluation.classes
    if not mistakes.any():
        return [Paragraph(tr("There is not a single mistake."))]
    support = known.evaluation.confusion.sum(axis=1)
    rows = []
    for place in np.argsort(-mistakes, axis=None, kind="stable")[:_LISTED]:
        true, predicted = divmod(int(place), len(classes))
        if count := int(mistakes[true, predicted]):
            share = percent(count / support[true])
            rows.append((plain(classes[true]), plain(classes[predicted]), number(count), share))
    columns = [
        Column(tr("truly")),
        Column(tr("taken for")),
        Column(tr("images"), is_number=True),
        Column(tr("of the true class"), is_number=True),
    ]
    caption = tr("The most frequent of {count} mistakes").format(count=number(mistakes.sum()))
    return [Table(columns, rows, caption)]


def _weakest(known: Known) -> list[Block]:
    """The classes of which it finds least."""
    table = known.evaluation.per_class().dropna(subset="recall").sort_values("recall", kind="stable")
    weak = table[table["recall"] < 1].head(_WEAKEST)
    if weak.empty:
        return []
    texts = [
        tr("“{name}”: {share} of its {images} recognised ({low} to {high})").format(
            name=plain(row["class"]),
            share=percent(row["recall"]),
            images=images(row["support"]),
            low=percent(row["recall_low"]),
            high=percent(row["recall_high"]),
        )
        for row in weak.to_dict("records")
    ]
    return [Paragraph(tr("The weakest classes are:")), Items(texts)]


def _further(known: Known) -> list[Block]:
    """What further trainings reached, if there were any."""
    blocks: list[Block] = []
    told = {
        "cross_validation": tr(
            "Trained anew on {count} other divisions of the same photos: accuracy {mean} ± {deviation} "
            "({low} to {high})."
        ),
        "repeats": tr(
            "Trained anew {count} times on the same photos from other seeds: accuracy {mean} ± {deviation} "
            "({low} to {high})."
        ),
    }
    for name, text in told.items():
        found = getattr(known.run.facts, name)
        accuracies = pd.Series(() if found is None else found.accuracy, dtype="float64").dropna()
        if len(accuracies):
            blocks.append(
                Paragraph(
                    text.format(
                        count=number(len(accuracies)),
                        mean=percent(accuracies.mean()),
                        deviation=percent(accuracies.std()),
                        low=percent(accuracies.min()),
                        high=percent(accuracies.max()),
                    )
                )
            )
    return blocks


def _leak(known: Known) -> list[Block]:
    """What a ready-made split gives away."""
    leak = known.run.facts.leak
    if not leak:
        return []
    text = tr(
        "{count} of the validation images, or photos that look just like them, are among the training images "
        "of this ready-made split."
    ).format(count=number(leak.images))
    if leak.accuracy_without is None:
        effect = tr("With them the accuracy is {accuracy}; no other is left.")
        effect = effect.format(accuracy=percent(leak.accuracy))
    else:
        effect = tr("With them the accuracy is {accuracy}; without them the accuracy is {without}.").format(
            accuracy=percent(leak.accuracy), without=percent(leak.accuracy_without)
        )
    return [Paragraph(f"{text} {effect}", "note")]
