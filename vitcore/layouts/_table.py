"""Labels from a table: a CSV file among the images that says which file is what."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from vitcore.errors import ArchiveError
from vitcore.layouts._folders import Labelled, Layout, split_name
from vitcore.messages import message, quoted, shortened
from vitcore.sources import Entry, Table
from vitcore.text import class_name, composed, shown

__all__ = ["TableLayout", "table_layout"]

_MAX_FILE_CELL = 4096  # characters; no path is longer
_MAX_COLUMNS, _MAX_KEPT_CELL = 50, 200  # that are kept with an image, and the characters of each
_LABEL_NAMES = (
    "label",
    "labels",
    "class",
    "classes",
    "class_name",
    "classname",
    "category",
    "target",
    "species",
)
_SPLIT_NAMES = ("split", "subset", "set", "partition", "part")


@dataclass(frozen=True)
class TableLayout:
    """The labels and parts that a table gives to images.

    Attributes:
        table: The table.
        file_column: The column that names the files.
        label_columns: The columns that may hold the classes, the likeliest first.
        certain: Whether the first of these is certain enough not to ask.
        layout: The reading by the first of these; None if there is no such column.
        missing: What the table names and the source does not have.
    """

    table: Table
    file_column: str
    label_columns: tuple[str, ...]
    certain: bool
    layout: Layout | None
    missing: tuple[str, ...]


def table_layout(
    table: Table, entries: Sequence[Entry], *, file_column: str = "", label_column: str = ""
) -> TableLayout | None:
    """Read labels off a table; None if no column names the images.

    A cell may name a file by its whole path, by the end of it, or without its ending. A column
    called split (or set, subset) that holds nothing but train, val and test is a ready-made split;
    so are folders of these names.

    Args:
        table: The table.
        entries: The images of the source.
        file_column: The column that names the files; the one that fits best if empty.
        label_column: The column of the classes; the likeliest if empty.

    Raises:
        ArchiveError: There is no column of that name.
    """
    for column in (file_column, label_column):
        if column and column not in table.columns:
            raise ArchiveError(
                "{table} has no column '{column}'; it has {columns}.",
                table=table.name,
                column=column,
                columns=shortened(quoted(table.columns), 20),
            )
    finder = _Finder(entries)
    matches = {
        column: [finder.find(cell) for cell in table.column(column)]
        for column in ([file_column] if file_column else table.columns)
    }
    best = max(matches, key=lambda column: len({number for number in matches[column] if number >= 0}))
    found = {number for number in matches[best] if number >= 0}
    if not found or (not file_column and 2 * len(found) < min(len(table.rows), len(entries))):
        return None
    candidates, certain = _label_columns(table, best)
    if label_column:
        candidates, certain = [label_column, *(name for name in candidates if name != label_column)], True
    layout = None
    if candidates:
        layout = _labelled(table, entries, matches[best], best, candidates[0])
    missing = [
        cell for cell, number in zip(table.column(best), matches[best], strict=True) if number < 0 and cell
    ]
    return TableLayout(table, best, tuple(candidates), certain, layout, tuple(dict.fromkeys(missing)))


class _Finder:
    """Finds images by what a table calls them."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._numbers: dict[str, int] = {}
        self._spelt: dict[str, int] = {}
        for entry in entries:
            parts = entry.parts
            for start in range(len(parts)):
                tail = "/".join(parts[start:])
                for name in {tail, str(PurePosixPath(tail).with_suffix(""))}:
                    # A name that several files share says nothing.
                    self._numbers[name] = -1 if name in self._numbers else entry.number
                    if not name.isascii() and (spelt := composed(name)) != name:
                        self._spelt[spelt] = -1 if spelt in self._spelt else entry.number
        self._found: dict[str, int] = {}

    def find(self, cell: str) -> int:
        """The number of the image, -1 if there is none, or more than one."""
        if len(cell) > _MAX_FILE_CELL:
            return -1
        if cell not in self._found:
            self._found[cell] = self._find(cell)
        return self._found[cell]

    def _find(self, cell: str) -> int:
        parts = [part for part in cell.replace("\\", "/").split("/") if part not in {"", ".", ".."}]
        # From the whole path on: a table may come from a machine where more folders lay above.
        for start in range(len(parts)):
            tail = "/".join(parts[start:])
            spelt = composed(tail)
            for names, name in ((self._numbers, tail), (self._spelt, spelt), (self._numbers, spelt)):
                if name in names:
                    return names[name]
        return -1


def _label_columns(table: Table, file_column: str) -> tuple[list[str], bool]:
    """The columns that may hold the classes, the likeliest first, and whether that is certain."""
    counts: dict[str, Counter[str]] = {
        column: Counter(cell for cell in table.column(column) if cell)
        for column in table.columns
        if column != file_column
    }
    # A class has several images; numbers that hardly ever repeat measure something.
    fitting = [
        column
        for column, cells in counts.items()
        if len(cells) >= 2 and 2 * len(cells) <= max(cells.total(), 4) and not _is_split(column, cells)
    ]
    named = [column for column in counts if column.strip().lower() in _LABEL_NAMES and counts[column]]
    ordered = [*named, *(column for column in fitting if column not in named)]
    certain = len(named) == 1 or (not named and len(fitting) == 1)
    return ordered, certain


def _is_split(column: str, cells: Mapping[str, int]) -> bool:
    return column.strip().lower() in _SPLIT_NAMES and bool(cells) and all(map(split_name, cells))


def _labelled(
    table: Table, entries: Sequence[Entry], numbers: Sequence[int], file_column: str, label_column: str
) -> Layout:
    split_column = next(
        (name for name in table.columns if _is_split(name, Counter(table.column(name)))), None
    )
    splits = table.column(split_column) if split_column else [""] * len(table.rows)
    labels: dict[int, set[str]] = {}
    parts: dict[int, str] = {}
    for number, label, part in zip(numbers, table.column(label_column), splits, strict=True):
        if number >= 0:
            labels.setdefault(number, set()).add(label)
            parts[number] = split_name(part)
    folder_parts = _folder_splits(entries)
    others = [name for name in table.columns if name not in {file_column, label_column, split_column}]
    kept = [(table.columns.index(name), shown(name)) for name in others[:_MAX_COLUMNS]]
    row_of = {number: row for number, row in zip(numbers, table.rows, strict=True) if number >= 0}
    items = []
    unlisted = message("not listed in {table}", table=table.name)
    several = message("listed in {table} with several labels", table=table.name)
    unlabelled = message("listed in {table} without a label", table=table.name)
    for entry in entries:
        given = labels.get(entry.number)
        if given is None:
            items.append(Labelled(entry, "", reason=unlisted))
        elif len(set(map(class_name, given))) > 1:
            items.append(Labelled(entry, "", reason=several))
        elif given == {""}:
            items.append(Labelled(entry, "", reason=unlabelled))
        else:
            split = parts[entry.number] or folder_parts.get(entry.number, "")
            row = row_of[entry.number]
            columns = {name: shown(row[place][:_MAX_KEPT_CELL]) for place, name in kept}
            items.append(Labelled(entry, min(given), split, columns=columns))
    title = message("The classes in column '{column}' of {table}", column=label_column, table=table.name)
    return Layout(title, "", tuple(items))


def _folder_splits(entries: Sequence[Entry]) -> dict[int, str]:
    """The parts of a ready-made split that the folders of unsorted images stand for."""
    found = {entry.number: next(filter(None, map(split_name, entry.parts[:-1])), "") for entry in entries}
    return found if len(set(found.values()) - {""}) > 1 and all(found.values()) else {}
