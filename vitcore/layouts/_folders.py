"""From the names in a source to labels and splits, and to the other ways in which they can be read."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from vitcore.errors import ArchiveError
from vitcore.messages import Message, message, quoted, shortened
from vitcore.sources import Entry
from vitcore.text import composed

__all__ = [
    "EVERY_FOLDER",
    "SPLITS",
    "WHOLE",
    "Labelled",
    "Layout",
    "are_parts",
    "folder_layouts",
    "split_name",
]

SPLITS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
"""Names of the parts of a ready-made split, in lower case."""

WHOLE = "."
"""The root that keeps the whole path below the wrapping folders as name of the class."""

EVERY_FOLDER = "*"
"""The root that takes the classes below every top folder together, by their own names."""

_CONTAINERS = frozenset({"images", "image", "imgs", "img", "photos", "pictures"})
_PART = re.compile(
    r"(part|batch|chunk|image|img|photo|picture|shard|volume|vol|disk|disc|folder|set)s?[\W_]*\d+$"
)

NO_FOLDER = message("not inside a class folder")

Path = tuple[str, ...]


@dataclass(frozen=True)
class Labelled:
    """An entry with what its folders, or a table, say.

    Attributes:
        entry: The file.
        label: Class name, or an empty string when it has none.
        split: ``train``, ``validation`` or ``test`` in a ready-made split, else an empty string.
        reason: Why it has no label, if it has none.
        columns: What else a table says of it, by the names of its columns.
        box: The part of the image that is meant: left, top, right and bottom, as shares of its width and
            height; all of it if None.
    """

    entry: Entry
    label: str
    split: str = ""
    reason: Message | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    box: tuple[float, float, float, float] | None = None


@dataclass(frozen=True)
class Layout:
    """One way to read classes off a source.

    Attributes:
        title: What it takes for what, for people.
        root: The root that picks this reading; empty if it needs none.
        items: Every image, in order.
    """

    title: Message
    root: str
    items: tuple[Labelled, ...]

    @cached_property
    def classes(self) -> dict[str, int]:
        """Number of images by class, sorted by name."""
        return dict(sorted(Counter(item.label for item in self.items if item.label).items()))

    @cached_property
    def splits(self) -> dict[str, int]:
        """Number of images of each part of a ready-made split; empty if there is none."""
        return dict(Counter(item.split for item in self.items if item.label and item.split))


def split_name(name: str) -> str:
    """The part of a ready-made split that a name stands for, or an empty string."""
    return SPLITS.get(name.strip().lower(), "")


def are_parts(classes: Iterable[str]) -> bool:
    """Return whether folders look like the numbered parts of a whole: ``images_part_1``, ``batch2``."""
    return all(_PART.search(name.lower()) for name in classes)


def folder_layouts(entries: Sequence[Entry], root: str = "") -> list[Layout]:
    """Read labels off folders: one folder per class, below any number of wrapping folders.

    Folders called train, val (or validation) and test directly above the class folders, or directly
    below them, are a ready-made split. Classes inside classes keep their whole path as name,
    ``fruit/apple``. Where the same class names lie below several top folders, as in ``2022/cats`` and
    ``2023/cats``, nothing says what is meant.

    Args:
        entries: The images of one source.
        root: A folder below which alone to look, `WHOLE`, `EVERY_FOLDER`, or empty to find out.

    Returns:
        One layout if there is no doubt, else one for each candidate.

    Raises:
        ArchiveError: There is no folder `root`.
    """
    paths = {entry.number: entry.parts[:-1] for entry in entries}
    if _are_in_containers(set(paths.values())):
        paths = {number: path[:-1] for number, path in paths.items()}
    base: Path = ()
    if root not in {"", WHOLE, EVERY_FOLDER}:
        base = _find(paths.values(), root)
    inside = {number: path for number, path in paths.items() if path[: len(base)] == base}
    base = _wrapping(base, set(inside.values()))
    below = {number: path[len(base) :] for number, path in inside.items() if path[: len(base)] == base}
    reader = _Reader(entries, below, root)

    tops: dict[str, set[Path]] = defaultdict(set)
    for path in below.values():
        if path:
            tops[path[0]].add(path[1:])
    if root not in {WHOLE, EVERY_FOLDER}:
        if _parts_above(tops):
            return [reader.split_above(message("A ready-made split, with one folder per class in each part"))]
        if _parts_below(tops):
            return [reader.split_below(message("One folder per class, with a ready-made split in each"))]
    candidates = [] if root == WHOLE else _sharing(tops)
    if candidates and root == EVERY_FOLDER:
        return [reader.every_folder(message("The classes of all folders together"))]
    if candidates:
        shown = "/".join(base)
        return [
            *(reader.only(name, f"{shown}/{name}".lstrip("/")) for name in candidates),
            reader.every_folder(message("The classes of all folders together")),
            reader.nested(message("Each inner folder a class of its own"), WHOLE),
        ]
    nested = any(len(path) > 1 for path in below.values())
    title = message("Classes inside folders") if nested else message("One folder per class")
    return [reader.nested(title, root)]


def _are_in_containers(paths: set[Path]) -> bool:
    """Return whether each class folder has a folder such as ``images`` in it, and the images in that."""
    inside = {path for path in paths if path}
    last = {path[-1] for path in inside}
    return len(inside) > 1 and len(last) == 1 and min(last).lower() in _CONTAINERS


@dataclass(frozen=True)
class _Reader:
    """Makes layouts of entries from their paths below the wrapping folders."""

    entries: Sequence[Entry]
    below: Mapping[int, Path]
    root: str

    def nested(self, title: Message, root: str) -> Layout:
        return self._layout(title, root, lambda path: ("/".join(path), ""))

    def split_above(self, title: Message) -> Layout:
        def read(path: Path) -> tuple[str, str]:
            split = split_name(path[0])
            return ("/".join(path[1:]), split) if split else ("", "")

        return self._layout(title, self.root, read)

    def split_below(self, title: Message) -> Layout:
        return self._layout(title, self.root, lambda path: (path[0], split_name(path[1])))

    def every_folder(self, title: Message) -> Layout:
        return self._layout(title, EVERY_FOLDER, lambda path: ("/".join(path[1:]), ""))

    def only(self, top: str, root: str) -> Layout:
        def read(path: Path) -> tuple[str, str]:
            return ("/".join(path[1:]), "") if path[0] == top else ("", "")

        return self._layout(message("Only the classes in '{root}'", root=root), root, read)

    def _layout(self, title: Message, root: str, read: Callable[[Path], tuple[str, str]]) -> Layout:
        items = []
        elsewhere = message("not inside the folder '{root}'", root=root)
        for entry in self.entries:
            path = self.below.get(entry.number)
            label, split = read(path) if path else ("", "")
            outside = path is None and root not in {"", WHOLE, EVERY_FOLDER}
            reason = None if label else elsewhere if outside else NO_FOLDER
            items.append(Labelled(entry, label, split if label else "", reason))
        return Layout(title, root, tuple(items))


def _find(paths: Iterable[Path], root: str) -> Path:
    """The path of a folder that was named by its whole path, or by its last parts."""
    wanted = tuple(
        composed(part) for part in root.replace("\\", "/").split("/") if part not in {"", ".", ".."}
    )
    found = {
        path[:end]
        for path in set(paths)
        for end in range(len(path) + 1)
        if tuple(map(composed, path[max(0, end - len(wanted)) : end])) == wanted
    }
    if wanted and found:
        return min(found, key=lambda path: (len(path), path))
    tops = sorted({path[0] for path in paths if path})
    raise ArchiveError(
        "There is no folder '{root}' with images in it; there is {folders}.",
        root=root,
        folders=shortened(quoted(tops), 5) or message("none"),
    )


def _wrapping(base: Path, paths: set[Path]) -> Path:
    """The folders that all class folders share, `base` being known to be shared.

    The last folder of a path is never one, unless it has several folders in it: then the images
    beside those belong to no class.
    """
    while True:
        deeper = {path for path in paths if len(path) > len(base) and path[: len(base)] == base}
        firsts = {path[len(base)] for path in deeper}
        if len(firsts) != 1:
            return base
        inner = (*base, *firsts)
        seconds = {path[len(inner)] for path in deeper if len(path) > len(inner)}
        if inner in deeper and len(seconds) < 2:
            return base
        base = inner


def _parts_above(tops: Mapping[str, set[Path]]) -> bool:
    """Return whether the top folders are the parts of a ready-made split, perhaps with others beside them."""
    parts = [name for name in tops if split_name(name)]
    with_classes = [name for name in parts if any(tops[name] - {()})]
    if len({split_name(name) for name in parts}) < 2:
        return False
    return len(parts) == len(tops) or len({split_name(name) for name in with_classes}) > 1


def _parts_below(tops: Mapping[str, set[Path]]) -> bool:
    """Return whether every top folder is a class that has the parts of a ready-made split in it."""
    seconds = [path[:1] for rest in tops.values() for path in rest]
    names = {path[0] for path in seconds if path}
    return (
        len(tops) > 1
        and all(len(path) == 1 for rest in tops.values() for path in rest)
        and all(map(split_name, names))
        and len({split_name(name) for name in names}) > 1
    )


def _sharing(tops: Mapping[str, set[Path]]) -> list[str]:
    """The top folders with class folders in them, if a class name occurs below more than one."""
    seconds = {name: {path[0] for path in rest if path} for name, rest in tops.items()}
    counts = Counter(name for names in seconds.values() for name in names)
    if not any(count > 1 for count in counts.values()):
        return []
    return sorted(name for name, names in seconds.items() if names)
