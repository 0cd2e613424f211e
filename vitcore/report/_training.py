"""The sections on the model and on its training."""

from vitcore.charts import loss_chart, score_chart
from vitcore.compute import ENGINE_TITLES
from vitcore.language import images, mark, ntr, number, percent, tr
from vitcore.records import plain_values
from vitcore.report._blocks import Block, Chart, Figure, Flow, Paragraph, Table
from vitcore.report._contents import ReportContents
from vitcore.report._names import shortened
from vitcore.report._provenance import backbone_rows, reading_words
from vitcore.report._settings import setting_title, setting_value
from vitcore.runs import Run
from vitcore.training import Hyperparameters, settings_without_effect

__all__ = ["model", "training"]

_PHASES = {
    "embed": mark("Looking at the images with the transformer"),
    "fit": mark("Training the output layer"),
    "evaluate": mark("Judging on the validation images"),
    "total": mark("In all"),
}


def model(contents: ReportContents) -> list[Block]:
    """The Vision Transformer and its output layer."""
    run = contents.run
    backbone, h = run.config.backbone, run.hyperparameters
    dimension, classes = backbone.embedding_dimension, len(run.classes)
    trained = _trained_parameters(h, dimension, classes)
    frozen = 1e6 * backbone.parameters_millions
    size = backbone.preprocessing.input_size
    head = setting_value("head", h.head)
    if h.head == "hidden":
        head = tr("one hidden layer of {units} units").format(units=number(h.hidden_units))
    millions = number(backbone.parameters_millions, 1)
    rows = [
        *backbone_rows(backbone),
        (tr("Parameters"), tr("{count} million, all frozen").format(count=millions)),
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
        ).format(title=shortened(backbone.title), count=millions, dimension=number(dimension)),
        tr("They are: {reading}.").format(reading=reading_words(backbone)),
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
        Table([tr("part"), tr("value")], rows, tr("The model")),
    ]


def _trained_parameters(h: Hyperparameters, dimension: int, classes: int) -> int:
    """Weights and biases of the output layer."""
    if h.head == "linear":
        return (dimension + 1) * classes
    return (dimension + 1) * h.hidden_units + (h.hidden_units + 1) * classes


def training(contents: ReportContents) -> list[Block]:
    """Describe the training of the output layer: course, device, time and settings."""
    run, h = contents.run, contents.run.hyperparameters
    best = run.facts.best_epoch
    blocks: list[Block] = [Paragraph(_course(contents, best))]
    history = contents.history
    if len(history):
        charts = ((loss_chart, tr("Loss by epoch")), (score_chart, tr("Scores by epoch")))
        blocks += [
            Chart(chart(history, len(history), best, folds=run.repeats), title, height=190)
            for chart, title in charts
        ]
        if len(run.repeats):
            text = tr("The bands are mean ± standard deviation of the further trainings.")
            blocks.append(Paragraph(text, "small"))
    device = run.config.device
    text = tr("It was computed on this device: {device}, with numbers in {precision}.").format(
        device=shortened(device.title), precision=device.precision
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
        rows = [(tr(_PHASES[phase]), Figure(took_s, "seconds")) for phase, took_s in vars(seconds).items()]
        blocks.append(Table([tr("step"), tr("time")], rows, tr("How long it took")))
    values = plain_values(h)
    idle = settings_without_effect(values) | ({"augmentations"} if h.views == 1 else set())
    settings = [
        (setting_title(name), setting_value(name, value))
        for name, value in values.items()
        if name not in idle
    ]
    header = [tr("setting"), tr("value")]
    blocks.append(Table(header, settings, tr("All settings (hyperparameters)"), beside=2))
    return blocks


def _engine(run: Run) -> str:
    """Name what computed the embeddings, and its agreement with what is exact, if that was measured."""
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


def _course(contents: ReportContents, best: int | None) -> str:
    """Describe the course of the training."""
    h, epochs = contents.run.hyperparameters, len(contents.history)
    parts = [
        tr(
            "The output layer was trained with {optimizer} to lower the cross-entropy between its answers "
            "and the labels."
        ).format(optimizer=setting_value("optimizer", h.optimizer))
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
    if h.patience and epochs < h.epochs and contents.run.state == "complete":
        parts.append(
            tr("It ended early, for {patience} epochs had brought nothing better.").format(
                patience=number(h.patience)
            )
        )
    if best is not None:
        parts.append(
            tr("Epoch {best} was the best by {monitor}, and is what was kept.").format(
                best=number(best), monitor=setting_value("monitor", h.monitor)
            )
        )
    return " ".join(parts)
