"""Classes in the names of files, such as ``hat.0.jpg`` or ``2024-05-01_oak_3.jpg``."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath

from vitcore.layouts._folders import Labelled
from vitcore.layouts._reading import Candidate, Reading
from vitcore.messages import Message, message, shortened
from vitcore.sources import Entry

__all__ = ["FIRST_WORD", "WORDS", "named_reading", "named_readings", "names_problem"]

WORDS, FIRST_WORD = "words", "first"
"""The ways to read a class off a file name: all words without numbers, or the first of them."""

_COVERED = 0.8  # of the images, at least, have a class in their names
_LARGEST = 0.95  # of the images, at most, are of one class
_SHOWN = 5  # classes in a sentence
_TOKEN = re.compile(r"[^\s._-]+|[\s._-]+")
_NUMBERED = re.compile(r"\(?\d+\)?|[0-9a-f]*\d[0-9a-f]{4,}|\d+x\d+|copy|kopie|copia", re.IGNORECASE)
_TRAILING = re.compile(r"(?<=[^\W\d])\(?\d+\)?$")  # the number behind a word, as in ``oak3``
_OF_CAMERAS = frozenset(
    {"img", "image", "images", "imagen", "dsc", "dscn", "dscf", "dcim", "pxl", "mvimg", "gopr", "photo"}
    | {"photos", "foto", "fotos", "pic", "picture", "bild", "scan", "screenshot", "whatsapp", "signal", "wp"}
    | {"frame", "file", "page", "train", "test", "val", "valid"}
)
_NO_NAME = message("its name has no word that could be a class")


def named_readings(images: Sequence[Entry]) -> list[Candidate]:
    """The readings of the names of files, as far as they look like classes; the finer one first."""
    found: list[Candidate] = []
    for way in _WAYS:
        candidate = named_reading(images, way)
        if _is_likely(candidate, len(images)) and all(candidate.classes != other.classes for other in found):
            found.append(candidate)
    return found


def named_reading(images: Sequence[Entry], way: str) -> Candidate:
    """The reading of the names of files, in one of the two ways."""
    read = _WAYS[way]
    items = []
    for entry in images:
        label = read(PurePosixPath(entry.name).stem)
        items.append(Labelled(entry, label, reason=None if label else _NO_NAME))
    return Candidate(title=_title(items, way), reading=Reading(names=way), items=tuple(items))


def _title(items: Sequence[Labelled], way: str) -> Message:
    """Say which words of the file names are taken, with an example in which that can be seen."""
    labelled = [(item.label, PurePosixPath(item.entry.name)) for item in items if item.label]
    if not labelled:
        return message("The class in the file name")
    if way == WORDS:
        label, path = labelled[0]
        return message(
            "The class in the file name, such as '{label}' in '{name}'", label=label, name=path.name
        )
    label, path = next((found for found in labelled if found[0] != _words(found[1].stem)), labelled[0])
    return message(
        "The first word of the file name, such as '{label}' in '{name}'", label=label, name=path.name
    )


def names_problem(candidate: Candidate) -> Message:
    """Say that nothing but the names of the files says what the images show, and how to read these."""
    counts = [f"'{name}' ({count})" for name, count in candidate.classes.items()]
    return message(
        "Only the file names say what the photos show, {classes}; take the classes from them with --names "
        "{way}, or import the photos without labels with --unlabelled.",
        classes=shortened(counts, _SHOWN),
        way=candidate.reading.names,
    )


def _words(stem: str) -> str:
    """The part from the first to the last word that is no number, date or code."""
    tokens = _TOKEN.findall(stem)
    words = [place for place, token in enumerate(tokens) if _is_word(token)]
    if not words:
        return ""
    kept = tokens[words[0] : words[-1] + 1]
    kept[-1] = _TRAILING.sub("", kept[-1])
    return "".join(kept)


def _first_word(stem: str) -> str:
    return _TRAILING.sub("", next(filter(_is_word, _TOKEN.findall(stem)), ""))


def _is_word(token: str) -> bool:
    return not _NUMBERED.fullmatch(token) and any(sign.isalpha() for sign in token)


_WAYS: Mapping[str, Callable[[str], str]] = {WORDS: _words, FIRST_WORD: _first_word}


def _is_likely(candidate: Candidate, images: int) -> bool:
    counts = Counter(candidate.classes)
    total = counts.total()
    return (
        len(counts) >= 2
        and 2 * len(counts) <= total
        and total >= _COVERED * images
        and max(counts.values()) <= _LARGEST * total
        and not {name.lower() for name in counts} <= _OF_CAMERAS
    )
