"""Sets for the detection of objects: boxes in YOLO, COCO or Pascal VOC files beside the photos."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from vitcore.errors import ArchiveError
from vitcore.layouts._folders import Labelled
from vitcore.layouts._reading import Candidate, Reading
from vitcore.layouts._table import Finder, folder_splits
from vitcore.messages import Message, counted, message
from vitcore.sources import Entry, Parts

__all__ = ["CROP", "LABEL", "Boxes", "box_problem", "box_readings", "read_boxes"]

CROP, LABEL = "crop", "label"
"""The ways to read boxes: each is a photo, or their class is that of the whole photo."""

_MAX_BYTES = 64 * 2**20  # of all files with boxes together
_MAX_BOXES = 500_000
_NO_BOX = message("it has no box")
_SEVERAL = message("it has boxes of several classes, and only one class per photo is supported")

_OBJECT = re.compile(r"<object>(.*?)</object>", re.DOTALL)
_NAME = re.compile(r"<name>\s*([^<]*?)\s*</name>")
_FILE_NAME = re.compile(r"<filename>\s*([^<]*?)\s*</filename>")
_NUMBERS = {
    name: re.compile(rf"<{name}>\s*([\d.]+)\s*</{name}>")
    for name in ("width", "height", "xmin", "ymin", "xmax", "ymax")
}

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Boxes:
    """The boxes around objects in the photos of a source.

    Attributes:
        kind: The format of the files.
        of_image: Class and box of each object, by the number of the photo.
        files: The numbers of the files that were read.
    """

    kind: str
    of_image: Mapping[int, Sequence[tuple[str, Box]]]
    files: frozenset[int]

    @property
    def count(self) -> int:
        """Number of boxes."""
        return sum(map(len, self.of_image.values()))

    @property
    def classes(self) -> set[str]:
        """The classes of the boxes."""
        return {label for boxes in self.of_image.values() for label, _ in boxes}


def read_boxes(parts: Parts, others: Sequence[Entry], images: Sequence[Entry]) -> Boxes | None:
    """Read the boxes in a source; None if there are none.

    Args:
        parts: The source.
        others: Its files that are no images.
        images: Its images.
    """
    stems = {PurePosixPath(entry.name).stem for entry in images}
    kinds = {".json": "COCO", ".xml": "Pascal VOC", ".txt": "YOLO"}
    by_kind: dict[str, list[Entry]] = defaultdict(list)
    for entry in others:
        path = PurePosixPath(entry.name)
        if path.suffix.lower() in {".yaml", ".yml", ".names"} or path.name == "classes.txt":
            by_kind["names"].append(entry)
        elif path.suffix == ".json" or (path.suffix.lower() in kinds and path.stem in stems):
            by_kind[kinds[path.suffix.lower()]].append(entry)
    finder = Finder(images)
    for kind, read in (("COCO", _coco), ("Pascal VOC", _voc), ("YOLO", _yolo)):
        files = [*by_kind[kind], *(by_kind["names"] if kind == "YOLO" else [])]
        if not by_kind[kind]:
            continue
        of_image: dict[int, list[tuple[str, Box]]] = defaultdict(list)
        for name, label, box in _limited(read(_texts(parts, files))):
            number = finder.find(name)
            if number >= 0:
                of_image[number].append((label, box))
        if of_image:
            return Boxes(kind, dict(of_image), frozenset(entry.number for entry in files))
    return None


def box_readings(boxes: Boxes, images: Sequence[Entry], way: str) -> list[Candidate]:
    """The readings of boxes: one class per photo where that is plain, and each box as a photo.

    Args:
        boxes: The boxes.
        images: The images of the source.
        way: The way to take, `CROP` or `LABEL`; both are given if empty.
    """
    splits = folder_splits(images)
    whole, cut = [], []
    for entry in images:
        found = boxes.of_image.get(entry.number, ())
        labels = {label for label, _ in found}
        split = splits.get(entry.number, "")
        if len(labels) == 1:
            whole.append(Labelled(entry, min(labels), split))
        else:
            whole.append(Labelled(entry, "", reason=_SEVERAL if labels else _NO_BOX))
        cut += [Labelled(entry, label, split, box=box) for label, box in found]
        if not found:
            cut.append(Labelled(entry, "", reason=_NO_BOX))
    readings = [
        Candidate(
            title=message("Whole photos, each of the class of its boxes ({kind})", kind=boxes.kind),
            reading=Reading(boxes=LABEL),
            items=tuple(whole),
        ),
        Candidate(
            title=message("Each box as a photo, those of one photo kept together ({kind})", kind=boxes.kind),
            reading=Reading(boxes=CROP),
            items=tuple(cut),
        ),
    ]
    return [reading for reading in readings if reading.classes and way in {"", reading.reading.boxes}]


def box_problem(boxes: Boxes) -> Message:
    """Say that there are boxes, which are not learned, and what can be done with them."""
    found = counted("{count} box", "{count} boxes", boxes.count)
    return message(
        "These are {photos} photos with {boxes} around objects of {classes} classes ({kind}). Where objects "
        "lie is not learned here: take the class of the boxes for the whole photo with --boxes label, or cut "
        "each box out as a photo with --boxes crop.",
        photos=len(boxes.of_image),
        boxes=found,
        classes=len(boxes.classes),
        kind=boxes.kind,
    )


def _texts(parts: Parts, entries: Iterable[Entry]) -> Iterator[tuple[str, str]]:
    """Yield names and texts of files, as far as they are not too large together."""
    left = _MAX_BYTES
    for entry, file in parts.read({entry.number for entry in entries if not entry.problem}):
        with suppress(ArchiveError):
            content = file.read(left + 1)
            left -= len(content)
            if left < 0:
                return
            yield entry.name, content.decode("utf-8-sig", "replace")


def _limited(found: Iterable[tuple[str, str, Box]]) -> Iterator[tuple[str, str, Box]]:
    """Yield those that have a class and lie in their photo, and not too many."""
    for count, (name, label, (left, top, right, bottom)) in enumerate(found):
        if count == _MAX_BOXES:
            return
        box = (max(0.0, left), max(0.0, top), min(1.0, right), min(1.0, bottom))
        if label and box[0] < box[2] and box[1] < box[3]:
            yield name, label, box


def _coco(texts: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str, Box]]:
    for name, text in texts:
        with suppress(ValueError, TypeError, KeyError, AttributeError, RecursionError):
            content = json.loads(text)
            labels = {item["id"]: str(item["name"]) for item in content["categories"]}
            images: dict[Any, tuple[str, float, float]] = {
                item["id"]: (str(item["file_name"]), float(item["width"]), float(item["height"]))
                for item in content["images"]
            }
            folder = PurePosixPath(name).parent
            for item in content["annotations"]:
                file, width, height = images[item["image_id"]]
                x, y, w, h = map(float, item["bbox"])
                if width > 0 and height > 0:
                    box = (x / width, y / height, (x + w) / width, (y + h) / height)
                    yield str(folder / file), labels[item["category_id"]], box


def _voc(texts: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str, Box]]:
    for name, text in texts:
        width, height = _number("width", text), _number("height", text)
        named = _FILE_NAME.search(text)
        stem = PurePosixPath(name).with_suffix("")
        file = str(stem.with_name(named[1])) if named and "/" not in named[1] and named[1] else str(stem)
        for found in _OBJECT.finditer(text):
            label = _NAME.search(found[1])
            left, top, right, bottom = (_number(side, found[1]) for side in ("xmin", "ymin", "xmax", "ymax"))
            if label and width > 0 and height > 0:
                yield file, label[1], (left / width, top / height, right / width, bottom / height)


def _number(name: str, text: str) -> float:
    found = _NUMBERS[name].search(text)
    with suppress(ValueError):
        return float(found[1]) if found else 0.0
    return 0.0


def _yolo(texts: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str, Box]]:
    names: dict[int, str] = {}
    lines: list[tuple[str, list[float]]] = []
    for name, text in texts:
        path = PurePosixPath(name)
        if path.name == "classes.txt" or path.suffix == ".names":
            names = dict(enumerate(line.strip() for line in text.splitlines()))
        elif path.suffix != ".txt":
            names = _names_in_yaml(text) or names
        else:
            for line in text.splitlines():
                with suppress(ValueError):
                    lines.append((str(path.with_suffix("")), list(map(float, line.split()))))
    for file, values in lines:
        if len(values) == 5:
            number, x, y, w, h = values
            box = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
        elif len(values) >= 7 and len(values) % 2:  # the corners of an outline
            number, across, down = values[0], values[1::2], values[2::2]
            box = (min(across), min(down), max(across), max(down))
        else:
            continue
        if number.is_integer() and number >= 0:
            yield file, names.get(int(number), f"class {int(number)}"), box


def _names_in_yaml(text: str) -> dict[int, str]:
    """The names of classes in the description of a YOLO set, a list or numbered."""
    found = re.search(r"^names:[ \t]*(.*(?:\n(?:[ \t]+.*|-.*)$)*)", text, re.MULTILINE)
    if found is None:
        return {}
    body = found[1].strip()
    if body.startswith("["):
        parts = body.strip("[]").split(",")
        return {number: part.strip().strip("'\"") for number, part in enumerate(parts)}
    names: dict[int, str] = {}
    for line in body.splitlines():
        item = re.match(r"\s*(?:-|(\d+)\s*:)\s*(.*?)\s*$", line)
        if item:
            names[int(item[1]) if item[1] else len(names)] = item[2].strip("'\"")
    return names
