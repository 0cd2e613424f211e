"""The sections of a report in their order: what was done, and what follows from it.

How the run was judged is in `_judged`, its photos in `_samples`, and the command in `_repeat`.
"""

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

from vitcore.charts import class_count_chart, loss_chart, score_chart
from vitcore.compute import ENGINE_TITLES
from vitcore.dataset import Dataset
from vitcore.language import (
    decimals,
    duration,
    images,
    listed,
    local_time,
    mark,
    ntr,
    number,
    percent,
    said,
    span_sentence,
    tr,
)
from vitcore.report._blocks import (
    Block,
    Column,
    Flow,
    Headline,
    Items,
    Paragraph,
    Section,
    Subtitle,
    Table,
)
from vitcore.report._charts import Drawer
from vitcore.report._judged import evaluation, results
from vitcore.report._known import Known
from vitcore.report._repeat import repeat
from vitcore.report._samples import visualisation
from vitcore.report._words import exactly, plain
from vitcore.runs import Run
from vitcore.training import Hyperparameters

__all__ = ["sections_of", "subtitle_of"]

_MOST_BARS = 50  # classes in one chart
_DENSE = 24  # classes, from which on the bars are narrower
_MOST_REASONS = 8
_LONG_LIST = 12  # rows, from which on they stand side by side

_SETTINGS = {
    "epochs": mark("Epochs"),
    "learning_rate": mark("Learning rate"),
    "batch_size": mark("Batch size"),
    "optimizer": mark("Optimizer"),
    "schedule": mark("Schedule"),
    "warmup_epochs": mark("Warm-up epochs"),
    "weight_decay": mark("Weight decay"),
    "label_smoothing": mark("Label smoothing"),
    "balance": mark("Rare classes"),
    "head": mark("Output layer"),
    "hidden_units": mark("Hidden units"),
    "dropout": mark("Dropout"),
    "noise": mark("Noise"),
    "mixup": mark("Mixup"),
    "monitor": mark("What the best epoch is best at"),
    "patience": mark("Patience"),
    "views": mark("Views per image"),
    "augmentations": mark("What the views vary"),
    "input_size": mark("Input size"),
    "validation_fraction": mark("Share kept for validation"),
    "folds": mark("Cross-validation"),
    "repeats": mark("Other seeds"),
    "seed": mark("Seed"),
}
_CHOICES = {
    "adamw": mark("AdamW"),
    "sgd": mark("SGD"),
    "adam": mark("Adam"),
    "lbfgs": mark("L-BFGS"),
    "cosine": mark("cosine"),
    "constant": mark("constant"),
    "none": mark("as they come"),
    "weights": mark("weighted"),
    "sampler": mark("shown more often"),
    "linear": mark("linear"),
    "hidden": mark("one hidden layer"),
    "loss": mark("validation loss"),
    "accuracy": mark("accuracy"),
    "balanced_accuracy": mark("balanced accuracy"),
    "cohen_kappa": mark("Cohen's kappa"),
    "blur": mark("blur"),
    "colour": mark("colour"),
    "crop": mark("crop"),
    "flip": mark("flip"),
    "rotation": mark("rotation"),
}
_NOT_WITH_LBFGS = {
    "learning_rate",
    "batch_size",
    "schedule",
    "warmup_epochs",
    "dropout",
    "noise",
    "mixup",
}
_PHASES = {
    "embed": mark("Looking at the images with the transformer"),
    "fit": mark("Training the output layer"),
    "evaluate": mark("Judging on the validation images"),
    "total": mark("In all"),
}


def subtitle_of(known: Known) -> str:
    """What the report is about, below its title."""
    return tr("Trained on {date}").format(date=local_time(known.run.config.created))


def sections_of(known: Known, drawer: Drawer) -> list[Section]:
    """All sections, in the language of now."""
    return [
        Section("introduction", tr("Introduction"), _introduction(known)),
        Section("data", tr("Data preparation"), _data(known, drawer)),
        Section("model", tr("Model definition"), _model(known)),
        Section("training", tr("Training"), _training(known, drawer)),
        Section("evaluation", tr("Evaluation"), evaluation(known, drawer)),
        Section("visualisation", tr("Visualisation"), visualisation(known)),
        Section("results", tr("Results"), results(known)),
        Section("limits", tr("Limits"), _limits(known)),
        Section("conclusion", tr("Conclusion"), _conclusion(known)),
        Section("repeat", tr("Settings to repeat it"), repeat(known)),
    ]


# --- introduction ------------------------------------------------------------------------------


def _introduction(known: Known) -> list[Block]:
    run, figures = known.run, known.evaluation
    accuracy = figures.metrics["accuracy"]
    about = run.config.dataset
    blocks: list[Block] = [
        Paragraph(
            tr(
                "This report is about a classifier that tells photos of {classes} classes apart. It says "
                "from which photos of the dataset “{dataset}” it learned and how, how it was judged on "
                "photos that it did not learn from, and what can be expected of it."
            ).format(classes=number(len(run.classes)), dataset=plain(about.name))
        ),
        Paragraph(
            tr("Of {images} it recognised {accuracy}. {expected}").format(
                images=_validation_images(figures.images),
                accuracy=percent(accuracy.value),
                expected=span_sentence(accuracy.low, accuracy.high),
            ),
            "lead",
        ),
        Headline(
            [
                (tr("Accuracy"), percent(accuracy.value), tr("share of images recognised")),
                (
                    tr("Balanced accuracy"),
                    percent(figures.balanced_accuracy),
                    tr("each class counting equally"),
                ),
                (
                    tr("Cohen's kappa"),
                    decimals(figures.cohen_kappa),
                    tr("agreement beyond guessing; 1 is perfect"),
                ),
            ]
        ),
    ]
    if run.state == "stopped":
        blocks.append(
            Paragraph(tr("This training was stopped early; its best epoch until then is judged."), "note")
        )
    if message := run.facts.message:
        blocks.append(Paragraph(said(message), "note"))
    if run.note:
        blocks.append(Subtitle(tr("Note on this run")))
        blocks += [Paragraph(line) for line in run.note.splitlines() if line.strip()]
    return blocks


def _validation_images(count: int) -> str:
    """So many of them, in words."""
    return ntr("{count} validation image", "{count} validation images", count).format(count=number(count))


# --- data --------------------------------------------------------------------------------------


def _data(known: Known, drawer: Drawer) -> list[Block]:
    blocks: list[Block] = []
    if known.dataset is None:
        sentence = tr(
            "The dataset is not there any more, so that this report shows none of its photos and does not "
            "say what was left out of it: {reason}"
        )
        blocks.append(Paragraph(sentence.format(reason=said(known.missing)), "note"))
    else:
        blocks += _classes(known, known.dataset, drawer)
        blocks += _left_out(known.dataset)
    blocks.append(Subtitle(tr("Division")))
    blocks.append(Paragraph(_division(known)))
    blocks.append(Subtitle(tr("Preparation of each photo")))
    blocks.append(Paragraph(_preparation(known)))
    return blocks


def _classes(known: Known, dataset: Dataset, drawer: Drawer) -> list[Block]:
    """The classes with their numbers of images."""
    counts = dataset.class_counts
    total, fewest, most = sum(counts.values()), min(counts.values()), max(counts.values())
    if fewest == most:
        text = tr("The dataset has {images} in {classes} classes, {each} in each.").format(
            images=images(total), classes=number(len(counts)), each=number(most)
        )
    else:
        text = tr(
            "The dataset has {images} in {classes} classes, from {fewest} in “{smallest}” to {most} in "
            "“{largest}”."
        ).format(
            images=images(total),
            classes=number(len(counts)),
            fewest=number(fewest),
            smallest=plain(min(counts, key=counts.__getitem__)),
            most=number(most),
            largest=plain(max(counts, key=counts.__getitem__)),
        )
    drawn, caption = counts, ""
    if len(counts) > _MOST_BARS:
        drawn = dict(sorted(counts.items(), key=lambda item: item[1])[:_MOST_BARS])
        caption = tr("The {count} classes with the fewest images.").format(count=number(_MOST_BARS))
    chart = class_count_chart({plain(name, 40): count for name, count in drawn.items()})
    if len(drawn) > _DENSE:
        chart = chart.properties(height=17 * len(drawn))
    blocks: list[Block] = [
        Paragraph(text),
        drawer.draw(chart, tr("Images per class"), caption),
        _class_counts(known, dataset),
    ]
    if dataset.warnings:
        blocks.append(Paragraph(tr("What there is to know about these photos:")))
        blocks.append(Items([said(warning) for warning in dataset.warnings]))
    return blocks


def _class_counts(known: Known, dataset: Dataset) -> Table:
    """One row per class: how many images were learned from, and how many it was judged on."""
    judged = dataset.index["image_id"].isin(known.rows["image_id"])
    # Images that were added to a ready-made split later have no part, and are learned from.
    learned = ~judged & dataset.index["split"].isin(["", "train"])
    parts = [
        dataset.index.loc[part, "label"].value_counts()
        for part in (learned, judged, pd.Series(data=True, index=dataset.index.index))
    ]
    return Table(
        [
            Column(tr("class")),
            *(Column(title, is_number=True) for title in (tr("training"), tr("validation"), tr("in all"))),
        ],
        [(plain(name), *(number(int(part.get(name, 0))) for part in parts)) for name in dataset.classes],
        tr("Images of each class, by what they were used for"),
        beside=2 if len(dataset.classes) > _LONG_LIST else 1,
    )


def _left_out(dataset: Dataset) -> list[Block]:
    """Files that were not taken, and why, in numbers; images that were taken out."""
    blocks: list[Block] = [Subtitle(tr("What was left out"))]
    if dataset.skipped:
        reasons = Counter(said(item.reason) for item in dataset.skipped).most_common()
        rows = [(reason, number(count)) for reason, count in reasons[:_MOST_REASONS]]
        if more := sum(count for _, count in reasons[_MOST_REASONS:]):
            rows.append((tr("other reasons"), number(more)))
        blocks.append(
            Table(
                [Column(tr("reason")), Column(tr("files"), is_number=True)],
                rows,
                ntr(
                    "{count} file was not taken", "{count} files were not taken", len(dataset.skipped)
                ).format(count=number(len(dataset.skipped))),
            )
        )
    else:
        blocks.append(Paragraph(tr("No file had to be left out.")))
    if count := len(dataset.excluded):
        blocks.append(
            Paragraph(
                ntr(
                    "{count} image was taken out by hand.", "{count} images were taken out by hand.", count
                ).format(count=number(count))
            )
        )
    return blocks


def _division(known: Known) -> str:
    """How the images were divided."""
    config = known.run.config
    counts, split = config.images, config.split
    if counts is None or split is None:  # only a run that was never judged has none
        return ""
    parts = {"train": number(counts.train), "validation": number(counts.validation)}
    ready_made = known.dataset is not None and bool(known.dataset.split_counts)
    if ready_made:
        text = tr(
            "The dataset came with a division of its own, which was kept: {train} images to learn from, and "
            "{validation} to be judged on."
        ).format(**parts)
    else:
        text = tr(
            "{train} images were learned from. The other {validation} were kept for validation: {fraction} "
            "of each class, drawn at random with the seed {seed}. Nothing was learned from them."
        ).format(**parts, fraction=percent(split.validation_fraction), seed=split.seed)
    if not split.groups:
        return f"{text} {tr('No two of them are near-duplicates of each other.')}"
    if ready_made:
        alike = tr("{images} of the images are near-duplicates of each other, in {groups} groups.")
    else:
        alike = tr(
            "{images} of the images are near-duplicates of each other, in {groups} groups; each group was "
            "kept together on one side, so that nothing was judged that had been learned by heart."
        )
    return f"{text} {alike.format(images=number(split.images), groups=number(split.groups))}"


def _preparation(known: Known) -> str:
    """What happens to a photo before the transformer sees it, and in which variants it was learned from."""
    h, preprocessing = known.run.hyperparameters, known.run.config.backbone.preprocessing
    text = tr(
        "Each photo was turned upright; its centred square, as large as fits, was resized to {size} × {size} "
        "pixels (bicubic), and its colours were scaled as the transformer is used to: mean {mean}, standard "
        "deviation {deviation} (red, green and blue, from 0 to 1)."
    ).format(
        size=preprocessing.input_size,
        mean=" · ".join(map(decimals, preprocessing.mean)),
        deviation=" · ".join(map(decimals, preprocessing.std)),
    )
    if h.views == 1:
        return f"{text} {tr('Photos were learned from as they are, without variants.')}"
    varied = tr(
        "Of each training photo {views} versions were learned from: the photo itself, and others that vary "
        "it at random ({what}). Validation photos were judged as they are."
    ).format(views=number(h.views), what=listed([tr(_CHOICES[name]) for name in h.augmentations]))
    return f"{text} {varied}"


# --- model -------------------------------------------------------------------------------------


def _model(known: Known) -> list[Block]:
    run = known.run
    backbone, h = run.config.backbone, run.hyperparameters
    dimension, classes = backbone.embedding_dimension, len(run.classes)
    trained = _trained_parameters(h, dimension, classes)
    frozen = 1e6 * backbone.parameters_millions
    size = backbone.preprocessing.input_size
    blocks_read = listed([number(block) for block in backbone.blocks])
    head = tr("one hidden layer of {units} units").format(units=number(h.hidden_units))
    if h.head == "linear":
        head = tr("linear")
    millions = number(backbone.parameters_millions, 1)
    rows = [
        (tr("Vision Transformer"), backbone.title),
        (tr("Architecture"), backbone.architecture),
        (tr("Licence of its weights"), backbone.licence),
        (tr("Parameters"), tr("{count} million, all frozen").format(count=millions)),
        (tr("Blocks that are read"), blocks_read),
        (tr("Numbers per photo (embedding)"), number(dimension)),
        (tr("Output layer"), head),
        (tr("Parameters trained"), number(trained)),
    ]
    if frozen:
        rows.append(
            (
                tr("Share of all parameters"),
                f"{number(100 * trained / (frozen + trained), 2)}\N{NO-BREAK SPACE}%",
            )
        )
    texts = [
        tr(
            "The classifier is a Vision Transformer that was trained on other photos before, {title}, with "
            "an output layer of its own. The transformer is frozen: none of its {count} million parameters "
            "changes. Of each photo it makes {dimension} numbers, the embedding."
        ).format(title=plain(backbone.title), count=millions, dimension=number(dimension)),
        ntr(
            "They are read from the tokens of its block {blocks}.",
            "They are read from the tokens of its blocks {blocks}.",
            len(backbone.blocks),
        ).format(blocks=blocks_read),
        tr(
            "Only the output layer learns, {trained} parameters; it turns the embedding into one probability "
            "per class."
        ).format(trained=number(trained)),
    ]
    return [
        Paragraph(" ".join(texts)),
        Flow(
            [
                (tr("Photo"), tr("{size} × {size} pixels").format(size=size)),
                (tr("Vision Transformer"), tr("{count} million parameters, frozen").format(count=millions)),
                (tr("Embedding"), tr("{count} numbers").format(count=number(dimension))),
                (tr("Output layer"), tr("{count} parameters, trained").format(count=number(trained))),
                (tr("Answer"), tr("{count} probabilities").format(count=number(classes))),
            ]
        ),
        Table([Column(tr("part")), Column(tr("value"))], rows, tr("The model")),
    ]


def _trained_parameters(h: Hyperparameters, dimension: int, classes: int) -> int:
    """Weights and biases of the output layer."""
    if h.head == "linear":
        return (dimension + 1) * classes
    return (dimension + 1) * h.hidden_units + (h.hidden_units + 1) * classes


# --- training ----------------------------------------------------------------------------------


def _training(known: Known, drawer: Drawer) -> list[Block]:
    run, h = known.run, known.run.hyperparameters
    best = run.facts.best_epoch
    blocks: list[Block] = [Paragraph(_course(known, best))]
    history = known.history
    if len(history):
        charts = ((loss_chart, tr("Loss by epoch")), (score_chart, tr("Scores by epoch")))
        blocks += [
            drawer.draw(chart(history, len(history), best, folds=run.repeats), title, height=190)
            for chart, title in charts
        ]
        if len(run.repeats):
            text = tr("The bands are mean ± standard deviation of the further trainings.")
            blocks.append(Paragraph(text, "small"))
    device = run.config.device
    text = tr("It was computed on this device: {device}, with numbers in {precision}.").format(
        device=plain(device.title), precision=device.precision
    )
    text = f"{text} {_engine(run)}"
    if speed := run.facts.images_per_second:
        looked = tr("The transformer looked at {speed} images per second.").format(speed=number(speed, 1))
        text = f"{text} {looked}"
    elif run.facts.images_per_second is not None:
        stored = tr("The embeddings of all images were there already, so that none had to be made.")
        text = f"{text} {stored}"
    blocks.append(Paragraph(text))
    if seconds := run.facts.seconds:
        rows = [(tr(_PHASES[phase]), duration(took_s)) for phase, took_s in vars(seconds).items()]
        columns = [Column(tr("step")), Column(tr("time"), is_number=True)]
        blocks.append(Table(columns, rows, tr("How long it took")))
    settings = [
        (tr(_SETTINGS[name]), _setting(name, value))
        for name, value in h.to_dict().items()
        if name not in _unused(h)
    ]
    columns = [Column(tr("setting")), Column(tr("value"))]
    blocks.append(Table(columns, settings, tr("All settings (hyperparameters)"), beside=2))
    return blocks


def _engine(run: Run) -> str:
    """What computed the embeddings, and how closely it agrees with what is exact, if that was measured."""
    device = run.config.device
    used = device.engine, device.precision
    text = tr("The embeddings were computed by {engine}.").format(engine=ENGINE_TITLES[used[0]])
    candidates = run.config.engine.candidates if run.config.engine else ()
    for other in candidates[1:]:
        if (other.engine, other.precision) == used:
            agreement = tr(
                "It was {ratio} times as fast there as PyTorch in fp32 and agrees with it: on {images}, the "
                "cosine similarity of both embeddings was {cosine} or more, and {share} got the same label."
            ).format(
                ratio=number(other.images_per_second / candidates[0].images_per_second, 1),
                images=images(other.images),
                cosine=number(other.cosine, 5),
                share=percent(other.same_label),
            )
            return f"{text} {agreement}"
    return text


def _course(known: Known, best: int | None) -> str:
    """How the output layer was trained."""
    h, epochs = known.run.hyperparameters, len(known.history)
    parts = [
        tr(
            "The output layer was trained with {optimizer} to lower the cross-entropy between its answers "
            "and the labels."
        ).format(optimizer=tr(_CHOICES[h.optimizer]))
    ]
    if h.label_smoothing:
        parts.append(
            tr("The labels were smoothed: {share} of each was spread over all classes.").format(
                share=percent(h.label_smoothing)
            )
        )
    parts.append(
        ntr(
            "The training went through the images {epochs} time (epoch).",
            "The training went through the images {epochs} times (epochs).",
            epochs,
        ).format(epochs=number(epochs))
    )
    if h.patience and epochs < h.epochs and known.run.state == "complete":
        parts.append(
            tr("It ended early, for {patience} epochs had brought nothing better.").format(
                patience=number(h.patience)
            )
        )
    if best is not None:
        parts.append(
            tr("Epoch {best} was the best by {monitor}, and is what was kept.").format(
                best=number(best), monitor=tr(_CHOICES[h.monitor])
            )
        )
    return " ".join(parts)


def _unused(h: Hyperparameters) -> set[str]:
    """Settings that had no effect beside the others."""
    unused = set()
    if h.optimizer == "lbfgs":
        unused |= _NOT_WITH_LBFGS
    if h.head == "linear":
        unused |= {"hidden_units"}
    if h.views == 1:
        unused |= {"augmentations"}
    return unused


def _setting(name: str, value: Any) -> str:
    """The value of a setting for people."""
    if isinstance(value, list):
        return listed([tr(_CHOICES[each]) for each in value]) or tr("nothing")
    if isinstance(value, str):
        return tr(_CHOICES[value])
    if name == "validation_fraction":
        return percent(value)
    if name == "seed":
        return str(value)
    if value == 0 and name == "input_size":
        return tr("that of the transformer")
    return exactly(value)


# --- limits and conclusion ---------------------------------------------------------------------


def _limits(known: Known) -> list[Block]:
    run, figures, h = known.run, known.evaluation, known.run.hyperparameters
    accuracy, per_class = figures.metrics["accuracy"], figures.per_class()
    texts = [
        tr(
            "The figures come from {images}. With so many, the accuracy on all photos like these lies "
            "between {low} and {high} (95 % interval); a classifier whose figures differ by less need not be "
            "better or worse."
        ).format(
            images=_validation_images(figures.images), low=percent(accuracy.low), high=percent(accuracy.high)
        )
    ]
    judged = per_class[per_class["support"] > 0]
    least = judged.sort_values("support", kind="stable").to_dict("records")[0]
    texts.append(
        tr(
            "Single classes are known less well: “{name}” was judged on {images}, so that its true recall "
            "lies anywhere between {low} and {high}."
        ).format(
            name=plain(least["class"]),
            images=_validation_images(int(least["support"])),
            low=percent(least["recall_low"]),
            high=percent(least["recall_high"]),
        )
    )
    if unseen := [plain(name) for name in per_class.loc[per_class["support"] == 0, "class"]]:
        texts.append(
            tr("Nothing is known of {names}: there was no validation image of them.").format(
                names=listed(unseen)
            )
        )
    texts.append(
        tr(
            "All of this holds for photos like those of the dataset: of the same {count} classes, and taken "
            "in the same way. Of a photo of anything else it can only say which of these classes it "
            "resembles most."
        ).format(count=number(len(run.classes)))
    )
    if h.epochs > 1:
        texts.append(
            tr(
                "The best epoch was chosen by the same validation images that judge it, which may make the "
                "figures a little too good."
            )
        )
    if run.facts.cross_validation is None:
        texts.append(
            tr(
                "It was judged on one division of the photos. How much the figures would vary with another "
                "one was not measured; a cross-validation would tell."
            )
        )
    texts.append(_labels(known))
    return [Items(texts)]


def _labels(known: Known) -> str:
    """What the labels are worth."""
    taken = tr("The labels of the dataset were taken to be right; a wrong one counts as a mistake.")
    if known.review is None:
        return taken
    doubtful = int(known.review.labels["suspect"].sum())
    looked = ntr(
        "A closer look found {count} label that deserves a second look.",
        "A closer look found {count} labels that deserve a second look.",
        doubtful,
    ).format(count=number(doubtful))
    return f"{taken} {looked}"


def _conclusion(known: Known) -> list[Block]:
    figures = known.evaluation
    accuracy = figures.metrics["accuracy"]
    texts = [
        tr(
            "A frozen Vision Transformer with an output layer trained on {train} photos tells the {classes} "
            "classes of “{dataset}” apart with an accuracy of {accuracy} ({low} to {high}) and a Cohen's "
            "kappa of {kappa}."
        ).format(
            train=number(known.run.config.images.train if known.run.config.images else 0),
            classes=number(len(known.run.classes)),
            dataset=plain(known.run.config.dataset.name),
            accuracy=percent(accuracy.value),
            low=percent(accuracy.low),
            high=percent(accuracy.high),
            kappa=decimals(figures.cohen_kappa),
        )
    ]
    mistakes = known.mistakes
    if mistakes.any():
        true, predicted = divmod(int(np.argmax(mistakes)), len(figures.classes))
        texts.append(
            tr(
                "Most often it takes “{true}” for “{predicted}”: more photos of these two classes, and a "
                "look at their labels, are the first thing to try if it has to become better."
            ).format(true=plain(figures.classes[true]), predicted=plain(figures.classes[predicted]))
        )
    else:
        texts.append(
            tr("It made no mistake on the validation images; harder photos would tell more about it.")
        )
    return [Paragraph(" ".join(texts))]
