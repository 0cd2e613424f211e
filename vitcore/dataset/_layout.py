"""From the names in a source to labels and splits."""

from collections.abc import Sequence
from dataclasses import dataclass

from vitcore.dataset._sources import Entry

__all__ = ["Labelled", "label_entries"]

_SPLITS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True)
class Labelled:
    """An entry with what its folders say.

    Attributes:
        entry: The file.
        label: Class name, or an empty string when the file lies in no class folder.
        split: ``train``, ``validation`` or ``test`` in a ready-made split, else an empty string.
    """

    entry: Entry
    label: str
    split: str


def label_entries(entries: Sequence[Entry]) -> list[Labelled]:
    """Read labels off folders: one folder per class, below any number of wrapping folders.

    Folders called train, val (or validation) and test directly above the class folders are a
    ready-made split. Classes inside classes keep their whole path as name, ``fruit/apple``.

    Args:
        entries: The images of one source.
    """
    folders = {entry.number: entry.parts[:-1] for entry in entries}
    depth = _wrapping_depth({path for path in folders.values() if path})
    inner = {number: path[depth:] for number, path in folders.items()}
    tops = {path[0].lower() for path in inner.values() if path}
    ready_made = len(tops) > 1 and tops <= _SPLITS.keys()
    labelled = []
    for entry in entries:
        path = inner[entry.number]
        split = _SPLITS[path[0].lower()] if ready_made and path else ""
        labelled.append(Labelled(entry, "/".join(path[1:] if split else path), split))
    return labelled


def _wrapping_depth(paths: set[tuple[str, ...]]) -> int:
    """How many leading folders all images share, the last folder of a path never being one."""
    depth = 0
    while paths and all(len(path) > depth + 1 for path in paths):
        if len({path[depth] for path in paths}) > 1:
            break
        depth += 1
    return depth
