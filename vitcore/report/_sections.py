"""The report of a run: its sections in their order, and what follows from them."""

import numpy as np

from vitcore.language import decimals, local_time, number, percent, tr, translated
from vitcore.report._blocks import Block, Heading, Items, Paragraph, Section
from vitcore.report._contents import ReportContents
from vitcore.report._evaluation import evaluation, results
from vitcore.report._headline import expectation_sentence, headline, headline_images
from vitcore.report._names import shortened
from vitcore.report._preparation import preparation
from vitcore.report._provenance import limits
from vitcore.report._repeat import repeat
from vitcore.report._samples import visualisation
from vitcore.report._training import model, training

__all__ = ["sections_of", "subtitle_of", "title_of"]


def title_of(contents: ReportContents) -> str:
    """Return the title of the report."""
    return tr("Report on {name}").format(name=shortened(contents.run.name, 100))


def subtitle_of(contents: ReportContents) -> str:
    """Return what stands below the title."""
    return tr("Trained on {date}").format(date=local_time(contents.run.config.created))


def sections_of(contents: ReportContents) -> list[Section]:
    """Make all sections, in the language of now."""
    return [
        Section("introduction", tr("Introduction"), _introduction(contents)),
        Section("data", tr("Data preparation"), preparation(contents)),
        Section("model", tr("Model definition"), model(contents)),
        Section("training", tr("Training"), training(contents)),
        Section("evaluation", tr("Evaluation"), evaluation(contents)),
        Section("visualisation", tr("Visualisation"), visualisation(contents)),
        Section("results", tr("Results"), results(contents)),
        Section("limits", tr("Limits"), [_limits(contents)]),
        Section("conclusion", tr("Conclusion"), _conclusion(contents)),
        Section("repeat", tr("Settings to repeat it"), repeat(contents)),
    ]


def _introduction(contents: ReportContents) -> list[Block]:
    run = contents.run
    figures = run.facts.headline_evaluation(contents.evaluation)
    accuracy = figures.metrics["accuracy"]
    about = run.config.dataset
    rule = "" if run.config.split is None else run.config.split.rule
    blocks: list[Block] = [
        Paragraph(
            tr(
                "This report is about a classifier that tells photos of {classes} classes apart. It says "
                "from which photos of the dataset “{dataset}” it learned and how, how it was judged on "
                "photos that it did not learn from, and what can be expected of it."
            ).format(classes=number(len(run.classes)), dataset=shortened(about.name))
        ),
        Paragraph(
            tr("Of {images} it recognised {accuracy}. {expected}").format(
                images=headline_images(contents.evaluation, run.facts),
                accuracy=percent(accuracy.value),
                expected=expectation_sentence(contents.evaluation, run.facts, rule),
            ),
            "lead",
        ),
        headline(
            contents.evaluation,
            run.facts,
            rule=rule,
        ),
    ]
    if run.facts.message:
        blocks.append(Paragraph(translated(run.facts.message), "note"))
    if run.note:
        blocks.append(Heading(tr("Note on this run")))
        blocks += [Paragraph(line) for line in run.note.splitlines() if line.strip()]
    return blocks


def _limits(contents: ReportContents) -> Items:
    run = contents.run
    return Items(limits(contents.evaluation, run.config, run.facts, suspects=contents.suspects))


def _conclusion(contents: ReportContents) -> list[Block]:
    figures = contents.run.facts.headline_evaluation(contents.evaluation)
    accuracy = figures.metrics["accuracy"]
    texts = [
        tr(
            "A frozen Vision Transformer with an output layer trained on {train} photos tells the {classes} "
            "classes of “{dataset}” apart with an accuracy of {accuracy} ({low} to {high}) and a Cohen's "
            "kappa of {kappa}."
        ).format(
            train=number(contents.run.config.images.train if contents.run.config.images else 0),
            classes=number(len(contents.run.classes)),
            dataset=shortened(contents.run.config.dataset.name),
            accuracy=percent(accuracy.value),
            low=percent(accuracy.low),
            high=percent(accuracy.high),
            kappa=decimals(figures.cohen_kappa),
        )
    ]
    mistakes = figures.mistakes
    if mistakes.any():
        true, predicted = divmod(int(np.argmax(mistakes)), len(figures.classes))
        texts.append(
            tr(
                "Most often it takes “{true}” for “{predicted}”: more photos of these two classes, and a "
                "look at their labels, are the first thing to try if it has to become better."
            ).format(true=shortened(figures.classes[true]), predicted=shortened(figures.classes[predicted]))
        )
    else:
        texts.append(tr("It made no mistake on the images it was tested on; harder photos would show more."))
    return [Paragraph(" ".join(texts))]
