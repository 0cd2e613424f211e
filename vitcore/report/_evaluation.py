"""The sections on how a run was judged, and on what that means."""

import math

import numpy as np

from vitcore.charts import (
    comparison_chart,
    confidence_chart,
    confusion_chart,
    confusion_order,
    coverage_chart,
    reliability_chart,
)
from vitcore.evaluation import coverage_curve, reliability, uncorrected_probabilities
from vitcore.inference import Trust
from vitcore.language import decimals, images, mark, number, percent, tr
from vitcore.report._blocks import Block, Chart, Figure, Heading, Items, Paragraph, Table
from vitcore.report._contents import ReportContents
from vitcore.report._figures import (
    answers_sentence,
    baseline_table,
    calibration_sentence,
    class_blocks,
    figure_blocks,
)
from vitcore.report._metrics import metric_title
from vitcore.report._names import distinct, shortened
from vitcore.report._stress import stress_blocks

__all__ = ["evaluation", "results"]

_LISTED = 8  # confusions
_WEAKEST = 3  # classes
_NUMBERED = 20  # classes, up to which the heatmap has numbers
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


def evaluation(contents: ReportContents) -> list[Block]:
    """All figures."""
    run = contents.run
    return [
        *figure_blocks(
            contents.evaluation,
            run.facts,
            stopped=run.state == "stopped",
            rule="" if run.config.split is None else run.config.split.rule,
        ),
        *_by_epoch(contents),
        Heading(tr("Class by class")),
        *class_blocks(contents.figures),
        *_confusions(contents),
        *_confidence(contents),
        *_doubt(contents),
        *_stress(contents),
    ]


def _by_epoch(contents: ReportContents) -> list[Block]:
    if len(contents.history) < 2:
        return []
    curves = {tr("validation images"): contents.history}
    chart = comparison_chart(curves, "cohen_kappa", metric_title("cohen_kappa"))
    return [Chart(chart, tr("Cohen's kappa by epoch"), height=200)]


def _confusions(contents: ReportContents) -> list[Block]:
    classes = [shortened(name, 40) for name in contents.figures.classes]
    confusion = contents.figures.confusion
    few = len(classes) <= _NUMBERED
    order = list(range(len(classes))) if few else confusion_order(confusion)
    chart = confusion_chart(confusion, distinct(classes), order=order)
    caption = tr("Rows are the true classes, columns what they were taken for; the diagonal is right.")
    if not few:
        more = tr("The darker, the more images; classes that are taken for each other stand side by side.")
        caption = f"{caption} {more}"
    drawn = Chart(chart, tr("Confusion matrix"), caption, fitted=False)
    return [Heading(tr("Which classes are confused")), drawn]


def _confidence(contents: ReportContents) -> list[Block]:
    """Show how often it is right when so confident."""
    calibration = contents.run.facts.calibration
    before = None
    if calibration is not None:
        uncorrected = uncorrected_probabilities(contents.probabilities, calibration.temperature)
        before = reliability(contents.truth, uncorrected)
    bins = reliability(contents.truth, contents.probabilities)
    meaning = tr("On the dashed line, 80 % confident means 80 % right. The bars are 95 % intervals.")
    paler = "" if before is None else tr("Paler: before its confidence was corrected.")
    return [
        Heading(tr("Can its confidence be trusted?")),
        Paragraph(calibration_sentence(contents.figures, calibration)),
        Chart(
            reliability_chart(bins, before),
            tr("How often it is right when so confident (reliability)"),
            f"{meaning} {paler}".rstrip(),
            height=260,
        ),
        Chart(
            confidence_chart(contents.rows[["confidence", "right"]]),
            tr("How confident it is, right or wrong"),
            tr("Good: the wrong answers, at the foot of the bars, lie on the left."),
            height=170,
        ),
    ]


def _doubt(contents: ReportContents) -> list[Block]:
    """Show the costs and gains of saying "not sure"."""
    if contents.trust is None:
        return []
    rows, sure = contents.rows, contents.rows["sure"].to_numpy(dtype=bool)
    right = int((sure & rows["right"].to_numpy()).sum())
    texts = [answers_sentence(len(rows), int(sure.sum()), right)]
    texts += _reasons(contents, contents.trust)
    curve = coverage_curve(
        contents.trust.rule,
        contents.truth,
        contents.probabilities,
        rows["novelty"].to_numpy(dtype=np.float64),
    )
    chart = coverage_chart(curve, contents.trust.level)
    shown = tr("Accuracy of the answers by the share of photos that are answered")
    caption = tr("The dot is how it answers now; to the left of it, it would answer less and be right more.")
    return [
        Heading(tr("When it says “not sure”")),
        Paragraph(" ".join(texts)),
        Chart(chart, shown, caption, height=220),
    ]


def _stress(contents: ReportContents) -> list[Block]:
    """Show how it does on changed photos, if that was tested."""
    if contents.stress is None:
        return []
    return [
        Heading(tr("What if photos are darker, turned, blurred or smaller?")),
        *stress_blocks(contents.stress),
    ]


def _reasons(contents: ReportContents, trust: Trust) -> list[str]:
    """Why the others are not answered."""
    reasons = trust.verdicts(
        contents.probabilities, contents.rows["novelty"].to_numpy(dtype=np.float64)
    ).reason
    close, unlike = int((reasons == "ambiguous").sum()), int((reasons == "novel").sum())
    if not close + unlike:
        return []
    text = tr(
        "Not sure: {close} as a close call between classes, {unlike} as unlike anything it learned from."
    )
    return [text.format(close=number(close), unlike=number(unlike))]


# --- results -----------------------------------------------------------------------------------


def results(contents: ReportContents) -> list[Block]:
    """Say what the figures mean for a person."""
    kappa = contents.figures.cohen_kappa
    blocks: list[Block] = []
    if not math.isnan(kappa):
        agreement = next(word for most, word in _AGREEMENT if kappa <= most)
        text = tr("A Cohen's kappa of {kappa} is called “{agreement}” agreement by Landis and Koch (1977).")
        blocks.append(Paragraph(text.format(kappa=decimals(kappa), agreement=tr(agreement))))
    return [*blocks, _simpler_ways(contents), *_largest(contents), *_weakest(contents)]


def _simpler_ways(contents: ReportContents) -> Block:
    """The same beside what needs no training, and beside what needs less, if there was a review."""
    if contents.baselines is not None:
        return baseline_table(contents.baselines)
    support = contents.figures.confusion.sum(axis=1)
    text = tr(
        "Always answering “{name}”, the most frequent class of these images, would be right for "
        "{share} of them; the classifier is for {accuracy}."
    )
    return Paragraph(
        text.format(
            name=shortened(contents.figures.classes[int(support.argmax())]),
            share=percent(float(support.max() / support.sum())),
            accuracy=percent(contents.figures.accuracy),
        )
    )


def _largest(contents: ReportContents) -> list[Block]:
    """The most frequent mistakes."""
    mistakes, classes = contents.figures.mistakes, contents.figures.classes
    if not mistakes.any():
        return [Paragraph(tr("There is not a single mistake."))]
    support = contents.figures.confusion.sum(axis=1)
    rows = []
    for place in np.argsort(-mistakes, axis=None, kind="stable")[:_LISTED]:
        true, predicted = divmod(int(place), len(classes))
        if count := int(mistakes[true, predicted]):
            share = Figure(count / support[true], "share")
            names = shortened(classes[true]), shortened(classes[predicted])
            rows.append((*names, Figure(count, "count"), share))
    header = [tr("truly"), tr("taken for"), tr("images"), tr("of the true class")]
    caption = tr("The most frequent of {count} mistakes").format(count=number(mistakes.sum()))
    return [Table(header, rows, caption)]


def _weakest(contents: ReportContents) -> list[Block]:
    """The classes of which it finds least."""
    table = contents.figures.per_class().dropna(subset="recall").sort_values("recall", kind="stable")
    weak = table[table["recall"] < 1].head(_WEAKEST)
    if weak.empty:
        return []
    texts = [
        tr("“{name}”: {share} of its {images} recognised ({low} to {high})").format(
            name=shortened(row["class"]),
            share=percent(row["recall"]),
            images=images(row["support"]),
            low=percent(row["recall_low"]),
            high=percent(row["recall_high"]),
        )
        for row in weak.to_dict("records")
    ]
    return [Paragraph(tr("The weakest classes are:")), Items(texts)]
