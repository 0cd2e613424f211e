"""What a page says, and what of it is left in English."""

import json
import re
from collections.abc import Iterable, Iterator

from google.protobuf.message import Message

# Fields of the elements' messages, and of the messages in these, that people read.
SHOWN = {
    "alt", "body", "caption", "captions", "content", "delta", "help", "label", "options", "placeholder",
    "text",
}  # fmt: skip
NAMES = (
    "ViT Studio", "Vision Transformer", "DINOv2", "DINOv3", "AugReg", "CLIP", "SigLIP", "small", "base",
    "tiny", "apache-2.0", "dinov3-license", "mit", "AdamW", "Adam", "SGD", "L-BFGS", "Mixup", "mixup",
    "Dropout", "dropout", "kappa", "CPU", "GPU", "fp32", "bf16", "fp16", "cpu", "cuda", "mps", "English",
    "Español", "CSV", "JSON", "ONNX Runtime", "ONNX", "OpenVINO", "PyTorch", "int8", "PNG", "ROC", "min",
)  # fmt: skip
"""What is called so in every language."""

_FORM = re.compile(
    r":[a-z]+/\w+:|:\w+(?:-\w+)?(?=\[)|&\w+;|</?\w+[^>]*>|https?://\S+|\S*/\S+/\S*|[\w/]+\.(?:png|jpg)\b"
)
_WORD = re.compile(r"[^\W\d_]{3,}")
_ENGLISH = re.compile(
    r"\b(?:and|are|be|can|class|classes|for|from|has|have|image|images|is|it|its|not|of|photo|photos|run|runs"
    r"|that|the|this|to|was|were|what|which|with)\b",
    re.IGNORECASE,
)


def in_spanish(at):
    """The same page after a click on the other language."""
    at.button_group(key="language").set_value("es").run()
    assert not at.exception
    return at


def spoken(at) -> list[str]:
    """All texts of a page and its sidebar; those of tables and charts as well."""
    return [*_texts(at.main), *_texts(at.sidebar)]


def left_in_english(english: Iterable[str], other: Iterable[str], names: Iterable[str]) -> list[str]:
    """The texts of a page in another language that are English, or have English in them.

    Args:
        english: The texts of the page in English.
        other: Those of the same page in the other language.
        names: Of classes, files and datasets, besides `NAMES`, which are the same in both.
    """
    bare = re.compile("|".join(map(re.escape, sorted({*NAMES, *names}, key=len, reverse=True))))
    same = {*english}
    found = []
    for text in sorted({*other}):
        rest = bare.sub("", _FORM.sub("", text.replace("\\", "")))
        if _ENGLISH.search(rest) or (text in same and _WORD.search(rest)):
            found.append(text)
    return found


def _texts(node) -> Iterator[str]:
    proto = getattr(node, "proto", None)
    if node.type in {"arrow_data_frame", "dataframe"}:
        yield from _cells(node)
    elif node.type in {"vega_lite_chart", "arrow_vega_lite_chart"}:
        yield proto.alt
        yield from _titles(json.loads(proto.spec))
    elif node.type != "json" and isinstance(proto, Message):
        yield from _shown(proto)
    for child in getattr(node, "children", {}).values():
        yield from _texts(child)


def _cells(node) -> Iterator[str]:
    """The heads of a table and what stands in it; pictures and what is undefined are left out."""
    heads = json.loads(node.proto.columns or "{}")
    for column in node.value:
        head = heads.get(column) or {}
        if head.get("hidden"):
            continue
        yield head.get("label") or str(column)
        yield from (cell for cell in map(str, node.value[column].dropna()) if not cell.startswith("data:"))
    yield from (str(name) for name in node.value.index)


def _shown(message: Message) -> Iterator[str]:
    for field, value in message.ListFields():
        for part in value if field.is_repeated else [value]:
            if isinstance(part, Message):
                yield from _shown(part)
            elif isinstance(part, str) and field.name in SHOWN:
                yield part


def _titles(spec: object) -> Iterator[str]:
    """What stands at the axes of a chart and in its tooltips."""
    if isinstance(spec, dict):
        if isinstance(spec.get("title"), str):
            yield spec["title"]
        for value in spec.values():
            yield from _titles(value)
    elif isinstance(spec, list):
        for value in spec:
            yield from _titles(value)
