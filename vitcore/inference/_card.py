"""The model card: what a classifier that is handed on was made of, and what it is worth.

After Mitchell et al., "Model Cards for Model Reporting", 2019. All figures come from the run; what is not
known is left out. It is written in the language of now (`vitcore.language`).
"""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from vitcore.evaluation import Evaluation, Metric
from vitcore.inference._export import Agreement
from vitcore.language import decimals, local_time, mark, number, percent, span_sentence, tr
from vitcore.records import plain_values
from vitcore.runs import RunConfig, RunFacts, SplitRecord

__all__ = ["CardFacts", "model_card"]

_FEW = 20  # validation photos of a class, below which its figures say little
_NAMED = 12  # classes named in a sentence, at most

_METRICS = {
    "accuracy": mark("Accuracy"),
    "balanced_accuracy": mark("Balanced accuracy"),
    "cohen_kappa": mark("Cohen's kappa"),
    "macro_f1": mark("Macro F1"),
    "top_3_accuracy": mark("Truth among the three most probable"),
    "log_loss": mark("Log loss"),
    "expected_calibration_error": mark("Calibration error"),
}
_SHARES = {"accuracy", "balanced_accuracy", "top_3_accuracy", "expected_calibration_error"}
_KINDS = {
    "model": mark("Model folder"),
    "onnx": mark("ONNX file"),
    "onnx int8": mark("ONNX file, int8"),
    "bf16": mark("Model folder, computing in bf16"),
}
_PUNCTUATION = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~:$&^=\"'/@])")

_USE_MODEL = """```
python -m vitcore predict FOLDER photo.jpg
```

```python
import vitcore

classifier = vitcore.load_classifier("FOLDER")
print(classifier.predict(["photo.jpg"])[0])
```"""
_USE_SCRIPT = """```
pip install onnxruntime numpy pillow
python predict.py photo.jpg
```"""
_USE_INT8 = """```
python predict.py photo.jpg --model model-int8.onnx
```"""
_USE_ONNX = """```python
import json
import numpy as np
import onnxruntime
from PIL import Image

session = onnxruntime.InferenceSession("model.onnx")
classes = json.loads(session.get_modelmeta().custom_metadata_map["classes"])
image = np.array(Image.open("photo.jpg").convert("RGB"))
(probabilities,) = session.run(["probabilities"], {"image": image})
print(classes[probabilities.argmax()], probabilities.max())
```"""


@dataclass(frozen=True, eq=False, kw_only=True)
class CardFacts:
    """What a card is made of.

    Attributes:
        name: Of the run, for people.
        config: As `vitcore.runs.Run.config`.
        facts: As `vitcore.runs.Run.facts`.
        evaluation: On the validation photos.
        trained: Number of training photos of each class; None if that is not known any more.
        ready_made: Whether the split came with the dataset; None if that is not known any more.
        level: Of doubt, the one that was chosen.
        answered: Share of the validation photos that get an answer at that level.
        answered_right: Share of these that are right; NaN if there are none.
        temperature: What logits are divided by.
    """

    name: str
    config: RunConfig
    facts: RunFacts
    evaluation: Evaluation
    trained: Mapping[str, int] | None
    ready_made: bool | None
    level: float
    answered: float
    answered_right: float
    temperature: float


def model_card(about: CardFacts, form: Literal["model", "onnx"], agreements: Sequence[Agreement] = ()) -> str:
    """The card in Markdown; names of classes and datasets are shown as they are, whatever they contain.

    Args:
        about: What is known.
        form: What it goes along with: the model folder or the ONNX file.
        agreements: How far what is handed on agrees with the run.
    """
    sections = [
        f"# {_safe(about.name, 120)}",
        _opening(about),
        *_section(tr("Data"), _data(about)),
        *_section(tr("Figures"), _figures(about)),
        *_section(tr("How sure it is"), _doubt(about, form)),
        *_section(tr("Limits"), ["\n".join(f"- {line}" for line in _limits(about))]),
        *_section(tr("How to use it"), _use(about, form, agreements)),
        *_section(tr("Agreement with the original"), _agreement(agreements)),
        *_section(tr("Backbone"), _backbone(about)),
        *_section(tr("Settings"), _settings(about)),
    ]
    return "\n\n".join(sections) + "\n"


def _section(title: str, paragraphs: Sequence[str]) -> list[str]:
    """A heading and what is below it; nothing where nothing is known."""
    return [f"## {title}", *paragraphs] if paragraphs else []


def _opening(about: CardFacts) -> str:
    return tr(
        "Tells {count} classes of photos apart: a frozen Vision Transformer, {backbone}, with an output "
        "layer that was trained with ViT Studio on {date}."
    ).format(
        count=number(len(about.evaluation.classes)),
        backbone=_safe(about.config.backbone.title),
        date=local_time(about.config.created),
    )


def _data(about: CardFacts) -> list[str]:
    images, split = about.config.images, about.config.split
    if images is None or split is None:  # only a run that was never judged has none
        return [_classes(about)]
    first = tr(
        "The photos are those of the dataset **{name}**, version {version}: {train} to learn from and "
        "{validation} kept for validation."
    ).format(
        name=_safe(about.config.dataset.name),
        version=about.config.dataset.version,
        train=number(images.train),
        validation=number(images.validation),
    )
    return [" ".join([first, *_split(about, split)]), _classes(about)]


def _split(about: CardFacts, split: SplitRecord) -> Iterator[str]:
    """How the photos were divided, in sentences."""
    if about.ready_made:
        yield tr("The split into the two came with the dataset.")
    elif about.ready_made is not None:
        yield tr("Which are which was drawn by chance, class by class, with seed {seed}.").format(
            seed=split.seed
        )
        if split.groups:
            yield tr("Near-duplicates ({images} photos in {groups} groups) are on one side together.").format(
                images=number(split.images), groups=number(split.groups)
            )
    if (leak := about.facts.leak) is not None:
        yield tr(
            "{count} validation photos, or near-duplicates of them, are among those learned from."
        ).format(count=number(leak.images))
        if leak.accuracy_without is not None:
            yield tr("Without them the accuracy is {share}.").format(share=percent(leak.accuracy_without))


def _classes(about: CardFacts) -> str:
    header = [tr("class"), tr("validation photos"), tr("recognised"), tr("95 % interval")]
    if about.trained is not None:
        header.insert(1, tr("training photos"))
    rows = []
    for row in about.evaluation.per_class().to_dict("records"):
        label = str(row["class"])
        cells = [
            _safe(label),
            number(row["support"]),
            percent(row["recall"]),
            _span(percent, row["recall_low"], row["recall_high"]),
        ]
        if about.trained is not None:
            cells.insert(1, number(about.trained.get(label, 0)))
        rows.append(cells)
    return _table(header, rows)


def _figures(about: CardFacts) -> list[str]:
    evaluation = about.evaluation
    accuracy = evaluation.metrics["accuracy"]
    judged = tr("Measured on the {count} validation photos, which it did not learn from.").format(
        count=number(evaluation.images)
    )
    rows = [
        [tr(_METRICS[name]), _figure(name)(metric.value), _interval(name, metric)]
        for name, metric in evaluation.metrics.items()
        if name in _METRICS
    ]
    return [
        f"{judged} {span_sentence(accuracy.low, accuracy.high)}",
        _table([tr("figure"), tr("value"), tr("95 % interval")], rows),
        *_again(about.facts),
    ]


def _again(facts: RunFacts) -> Iterator[str]:
    """What further trainings reached, if there were any."""
    for name, sentence in (
        ("cross_validation", mark("In a cross-validation on {count} folds, the accuracies are {values}.")),
        ("repeats", mark("In {count} further trainings from other seeds, the accuracies are {values}.")),
    ):
        if (found := getattr(facts, name)) is not None:
            values = [value for value in found.accuracy if value is not None]
            yield tr(sentence).format(count=number(len(values)), values="; ".join(map(percent, values)))


def _doubt(about: CardFacts, form: str) -> list[str]:
    calibration = about.facts.calibration
    texts = [
        tr(
            "The probabilities are scaled (temperature {temperature}) so that they can be taken at their "
            "word."
        ).format(temperature=decimals(about.temperature))
    ]
    if calibration is not None and calibration.noise_floor is not None:
        texts.append(
            tr("The calibration error is {error}; {noise} would come from chance alone.").format(
                error=percent(about.evaluation.metrics["expected_calibration_error"].value),
                noise=percent(calibration.noise_floor),
            )
        )
    texts.append(
        tr("At the chosen level of doubt ({level}), {share} of the validation photos get an answer.").format(
            level=number(about.level, 2), share=percent(about.answered)
        )
    )
    if not math.isnan(about.answered_right):
        texts.append(tr("Of these answers, {share} are right.").format(share=percent(about.answered_right)))
    if form == "onnx":
        texts.append(tr("The ONNX file gives probabilities only and does not say that it is not sure."))
    else:
        texts.append(tr("For the others it says that it is not sure, and why."))
    return [" ".join(texts)]


def _limits(about: CardFacts) -> Iterator[str]:
    yield tr(
        "It was judged on photos of this one dataset only; other places, cameras or years may be harder."
    )
    yield tr(
        "It knows these classes and no others: whatever a photo shows, the most probable of them is named."
    )
    yield tr("It looks at the centred square of a photo and sees nothing beside it.")
    if about.facts.epochs_run is not None:
        yield tr(
            "The best of its {count} epochs was chosen by the validation photos, which flatters it a little."
        ).format(count=number(about.facts.epochs_run))
    per_class = about.evaluation.per_class()
    few = per_class.loc[per_class["support"] < _FEW, "class"].tolist()
    if few:
        named = ", ".join(_safe(label) for label in few[:_NAMED]) + ", …" * (len(few) > _NAMED)
        yield tr(
            "Classes with fewer than {few} validation photos, whose figures say little: {names}."
        ).format(few=number(_FEW), names=named)


def _use(about: CardFacts, form: str, agreements: Sequence[Agreement]) -> list[str]:
    backbone = about.config.backbone
    if form == "onnx":
        return [
            tr(
                "The script and the file need neither ViT Studio nor PyTorch. The file takes a photo as it "
                "is, uint8 (height, width, 3), upright, and prepares it by itself."
            ),
            _USE_SCRIPT,
            *([_USE_INT8] if any(_is_small(found) for found in agreements) else []),
            _USE_ONNX,
        ]
    needed = tr("It needs ViT Studio and the weights of the backbone, which are fetched at first use.")
    if backbone.source == "file":
        needed = tr("It needs ViT Studio; the weights of the backbone are in the folder.")
    elif backbone.source == "embedded":
        needed = tr("It needs ViT Studio with its embedded weights.")
    return [needed, _USE_MODEL]


def _is_small(found: Agreement) -> bool:
    """Whether it is about a smaller file that goes along."""
    return found.kind == "onnx int8" and found.offered


def _agreement(agreements: Sequence[Agreement]) -> list[str]:
    if not agreements:
        return []
    header = [
        tr("what"),
        tr("photos"),
        tr("same label"),
        tr("largest difference of a probability"),
        tr("mean difference"),
        tr("seconds per photo"),
    ]
    rows = [
        [
            tr(_KINDS[found.kind]) + ("" if found.offered else f" ({tr('left out')})"),
            number(found.images),
            percent(found.same_labels),
            number(found.largest_difference, 6),
            number(found.mean_difference, 6),
            number(found.seconds_per_image, 3),
        ]
        for found in agreements
    ]
    return [tr("Compared on validation photos with what the run answered."), _table(header, rows)]


def _backbone(about: CardFacts) -> list[str]:
    backbone = about.config.backbone
    size = backbone.preprocessing.input_size
    licence = tr("not known: ask whoever made the weights")
    if backbone.licence != "unknown":
        licence = _safe(backbone.licence)
    pairs = (
        (tr("Name"), _safe(backbone.title)),
        (tr("Architecture"), _safe(backbone.architecture)),
        (tr("Licence of its weights"), licence),
        (tr("SHA-256 of its weights"), _safe(backbone.weights_sha256, 64)),
        (tr("Blocks that are read"), ", ".join(map(str, backbone.blocks))),
        (tr("What it sees"), tr("{size} × {size} pixels").format(size=size)),
    )
    return ["\n".join(f"- {name}: {value}" for name, value in pairs)]


def _settings(about: CardFacts) -> list[str]:
    """All that is needed to repeat the training, as JSON."""
    config = about.config
    requested = config.requested
    if config.backbone.source == "file":  # whose path is nobody's business
        requested = replace(requested, backbone=Path(requested.backbone).name)
    values = {
        "hyperparameters": plain_values(config.hyperparameters),
        "requested": plain_values(requested),
        "device": plain_values(config.device),
        "versions": config.versions,
        "best_epoch": about.facts.best_epoch,
    }
    text = json.dumps(values, indent=2, ensure_ascii=False).replace("`", "\\u0060")  # never ends the block
    return [
        tr("Saved as a file, this can be given to `python -m vitcore train DATASET --settings FILE`."),
        f"```json\n{text}\n```",
    ]


def _figure(name: str) -> Callable[[float], str]:
    return percent if name in _SHARES else decimals


def _interval(name: str, metric: Metric) -> str:
    return _span(_figure(name), metric.low, metric.high)


def _span(show: Callable[[float], str], low: float, high: float) -> str:
    """From … to; nothing where there is no interval."""
    return "" if math.isnan(low) else tr("{low} to {high}").format(low=show(low), high=show(high))


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _safe(text: str, limit: int = 80) -> str:
    """A name from outside in Markdown: shown as it is, on one line, whatever it contains."""
    line = " ".join(text.split())
    line = line if len(line) <= limit else f"{line[: limit - 1]}…"
    return _PUNCTUATION.sub(r"\\\1", line)
