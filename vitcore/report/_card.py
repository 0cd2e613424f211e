"""The model card: what a classifier that is handed on was made of, and what it is worth.

After Mitchell et al., "Model Cards for Model Reporting", 2019. All figures come from the run; what is not
there is left out. It is written in the language of now (`vitcore.language`).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vitcore.evaluation import Evaluation
from vitcore.language import decimals, listed, local_time, mark, number, tr
from vitcore.records import plain_values
from vitcore.report._blocks import Block, Code, Figure, Items, Paragraph, Section, Table
from vitcore.report._figures import answers_sentence, class_blocks, figure_blocks
from vitcore.report._headline import expectation_sentence, source_sentence
from vitcore.report._markdown import markdown_of
from vitcore.report._names import shortened
from vitcore.report._provenance import backbone_rows, division_sentences, limits
from vitcore.runs import RunConfig, RunFacts

if TYPE_CHECKING:  # computes
    from vitcore.inference import Agreement

__all__ = ["CardContents", "about_sentences", "changed_sentence", "model_card"]

_KINDS = {
    "model": mark("Model folder"),
    "onnx": mark("ONNX file"),
    "onnx fp16": mark("ONNX file, fp16"),
    "onnx int8": mark("ONNX file, int8"),
    "bf16": mark("Model folder, computing in bf16"),
}

_USE_MODEL = (
    Code("python -m vitcore predict FOLDER photo.jpg"),
    Code(
        """import vitcore

classifier = vitcore.load_classifier("FOLDER")
print(classifier.predict(["photo.jpg"])[0])""",
        "python",
    ),
)
_USE_SCRIPT = Code("pip install onnxruntime numpy pillow\npython predict.py photo.jpg")
_USE_INT8 = Code("python predict.py photo.jpg --model model-int8.onnx")
_USE_WEB = Code("python -m http.server --bind 127.0.0.1 8080\n# then open http://localhost:8080")
_USE_ONNX = Code(
    """import json
import numpy as np
import onnxruntime
from PIL import Image, ImageOps

session = onnxruntime.InferenceSession("model.onnx")
facts = session.get_modelmeta().custom_metadata_map
classes = json.loads(facts["classes"])
image = np.array(ImageOps.exif_transpose(Image.open("photo.jpg")).convert("RGB"))
inputs = {item.name: image for item in session.get_inputs()}
probabilities, novelty = session.run(["probabilities", "novelty"], inputs)
unlike = novelty > float(facts["largest_novelty"])
close = probabilities.max() <= float(facts["least_confidence"])
print(classes[probabilities.argmax()], probabilities.max(), "not sure" if unlike or close else "")""",
    "python",
)
_USE_JAVASCRIPT = Code(
    """import * as ort from "onnxruntime-web"; // or "onnxruntime-node"

// model: the bytes of model.onnx; rgb: Uint8Array, height × width × 3, the photo upright
export async function predict(model, rgb, width, height) {
  const session = await ort.InferenceSession.create(model);
  const image = new ort.Tensor("uint8", rgb, [height, width, 3]);
  const inputs = Object.fromEntries(session.inputNames.map((name) => [name, image]));
  const { probabilities, novelty } = await session.run(inputs);
  return { probabilities: [...probabilities.data], novelty: novelty.data[0] }; // in the order of the classes
}""",
    "js",
)
_USE_CSHARP = Code(
    """using System.Text.Json;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using SixLabors.ImageSharp;
using SixLabors.ImageSharp.PixelFormats;
using SixLabors.ImageSharp.Processing;

using var photo = Image.Load<Rgb24>("photo.jpg");
photo.Mutate(x => x.AutoOrient());
var rgb = new byte[photo.Height * photo.Width * 3];
photo.CopyPixelDataTo(rgb);
using var session = new InferenceSession("model.onnx");
var classes = JsonSerializer.Deserialize<string[]>(session.ModelMetadata.CustomMetadataMap["classes"])!;
var tensor = new DenseTensor<byte>(rgb, new[] { photo.Height, photo.Width, 3 });
var names = session.InputMetadata.Keys;
var inputs = names.Select(name => NamedOnnxValue.CreateFromTensor(name, tensor)).ToArray();
using var found = session.Run(inputs, new[] { "probabilities" });
var probabilities = found.First().AsEnumerable<float>().ToArray();
var best = Array.IndexOf(probabilities, probabilities.Max());
Console.WriteLine($"{classes[best]} {probabilities[best]}");""",
    "csharp",
)


@dataclass(frozen=True, eq=False, kw_only=True)
class CardContents:
    """The contents of a card.

    Attributes:
        name: Of the run, for people.
        config: What the run was asked to do.
        facts: What is known of its course.
        evaluation: On the validation photos.
        stopped: Whether its training was stopped early.
        trained: Number of training photos of each class.
        ready_made: Whether the split came with the dataset.
        level: Of doubt, the one that was chosen.
        answered: How many of the validation photos get an answer at that level.
        answered_right: How many of these answers are right.
        temperature: What logits are divided by.
    """

    name: str
    config: RunConfig
    facts: RunFacts
    evaluation: Evaluation
    stopped: bool = False
    trained: Mapping[str, int]
    ready_made: bool
    level: float
    answered: int
    answered_right: int
    temperature: float


def model_card(
    card: CardContents, form: Literal["model", "onnx", "web"], agreements: "Sequence[Agreement]" = ()
) -> str:
    """Return the card in Markdown; names of classes and datasets are shown as they are.

    Args:
        card: What is known.
        form: What it goes along with: the model folder, the ONNX file or the web page.
        agreements: How far what is handed on agrees with the run.
    """
    parts: list[tuple[str, list[Block]]] = [
        (tr("Data"), _data(card)),
        (tr("Figures"), figure_blocks(card.evaluation, card.facts, stopped=card.stopped, rule=_rule(card))),
        (tr("How sure it is"), [_doubt(card)]),
        (tr("Limits"), [Items(limits(card.evaluation, card.config, card.facts))]),
        (tr("How to use it"), _use(card, form, agreements)),
        (tr("Agreement with the original"), _agreement(agreements)),
        (tr("Backbone"), [Table([tr("part"), tr("value")], backbone_rows(card.config.backbone))]),
        (tr("Settings"), _settings(card)),
    ]
    sections = [Section("", title, blocks) for title, blocks in parts if blocks]
    return markdown_of(shortened(card.name, 120), _opening(card), sections)


def about_sentences(card: CardContents) -> list[str]:
    """Return what somebody who uses the classifier should know: what it is, how good, and its limits."""
    learned = tr("It has learned from {count} photos: {classes}.").format(
        count=number(sum(card.trained.values())),
        classes=listed([f"{shortened(label)} ({number(count)})" for label, count in card.trained.items()]),
    )
    return [
        _opening(card).text,
        learned,
        expectation_sentence(card.evaluation, card.facts, _rule(card)),
        source_sentence(card.evaluation, card.facts),
        answers_sentence(card.evaluation.images, card.answered, card.answered_right),
        *limits(card.evaluation, card.config, card.facts),
    ]


def _rule(card: CardContents) -> str:
    return "" if card.config.split is None else card.config.split.rule


def _opening(card: CardContents) -> Paragraph:
    text = tr(
        "Tells {count} classes of photos apart: a frozen Vision Transformer, {backbone}, with an output "
        "layer that was trained with ViT Studio on {date}."
    )
    return Paragraph(
        text.format(
            count=number(len(card.evaluation.classes)),
            backbone=shortened(card.config.backbone.title),
            date=local_time(card.config.created),
        )
    )


def _data(card: CardContents) -> list[Block]:
    about = card.config.dataset
    text = tr("The photos are those of the dataset “{name}”, version {version}.").format(
        name=shortened(about.name), version=about.version
    )
    divided = division_sentences(card.config, card.facts, ready_made=card.ready_made)
    return [
        Paragraph(f"{text} {divided}"),
        *class_blocks(card.facts.thorough_evaluation(card.evaluation), card.trained),
    ]


def _doubt(card: CardContents) -> Paragraph:
    scaled = tr(
        "The probabilities are scaled (temperature {temperature}) so that they can be taken at their word."
    ).format(temperature=decimals(card.temperature))
    answers = answers_sentence(card.evaluation.images, card.answered, card.answered_right)
    level = tr("The level of doubt is {level}, from 0 to 1.").format(level=number(card.level, 2))
    last = tr("For the others it says that it is not sure, and why.")
    return Paragraph(f"{scaled} {level} {answers} {last}")


def _use(card: CardContents, form: str, agreements: "Sequence[Agreement]") -> list[Block]:
    if form == "onnx":
        text = tr(
            "The script and the file need neither ViT Studio nor PyTorch. The file takes a photo as it is, "
            "uint8 (height, width, 3), upright, and prepares it by itself."
        )
        small = any(found.kind == "onnx int8" and found.offered for found in agreements)
        about = tr(
            "The names of the classes, the bounds of doubt and what goes in and comes out are written in the "
            "file. In Python, JavaScript and C#:"
        )
        snippets: list[Block] = [Paragraph(about), _USE_ONNX, _USE_JAVASCRIPT, _USE_CSHARP]
        return [Paragraph(text), _USE_SCRIPT, *([_USE_INT8] if small else []), *snippets]
    if form == "web":
        text = tr(
            "Put the folder on any web server, or try it here; what is in it needs no other server. The page "
            "answers in the browser, and photos stay on the device of whoever opens it."
        )
        return [Paragraph(text), _USE_WEB]
    needed = tr("It needs ViT Studio and the weights of the backbone, which are fetched at first use.")
    if card.config.backbone.source == "file":
        needed = tr("It needs ViT Studio; the weights of the backbone are in the folder.")
    elif card.config.backbone.source == "embedded":
        needed = tr("It needs ViT Studio with its embedded weights.")
    return [Paragraph(needed), *_USE_MODEL]


def _agreement(agreements: "Sequence[Agreement]") -> list[Block]:
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
        (
            tr(_KINDS[found.kind]) + ("" if found.offered else " (" + tr("left out") + ")"),
            Figure(found.images, "count"),
            Figure(found.same_labels, "share"),
            number(found.largest_difference, 6),
            number(found.mean_difference, 6),
            number(found.seconds_per_image, 3),
        )
        for found in agreements
    ]
    text = tr("Compared on photos of the validation or the test part with what the run answers.")
    return [Paragraph(f"{text} {changed_sentence(agreements[0].changed)}".strip()), Table(header, rows)]


def changed_sentence(changed: int) -> str:
    """Say how many of the photos that were compared are changed copies; nothing if there are none."""
    if not changed:
        return ""
    text = tr("{count} of them are copies in grey, partly transparent, turned or darker.")
    return text.format(count=number(changed))


def _settings(card: CardContents) -> list[Block]:
    """All that is needed to repeat the training, as JSON."""
    config = card.config
    requested = config.requested
    if config.backbone.source == "file":  # whose path is nobody's business
        requested = replace(requested, backbone=Path(requested.backbone).name)
    values = {
        "hyperparameters": plain_values(config.hyperparameters),
        "requested": plain_values(requested),
        "device": plain_values(config.device),
        "versions": config.versions,
        "best_epoch": card.facts.best_epoch,
    }
    return [
        Paragraph(tr("Saved as a file, this can be given to a training:")),
        Code("python -m vitcore train DATASET --settings FILE"),
        Code(json.dumps(values, indent=2, ensure_ascii=False), "json"),
    ]
