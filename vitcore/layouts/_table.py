"""Labels from a table: a file among the images that says which image is what."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import PurePosixPath

from vitcore.errors import ArchiveError
from vitcore.layouts._folders import Labelled, Layout, split_name
from vitcore.layouts._several import (
    EVERY_COLUMN,
    KEEP,
    SEVERAL_LABELS,
    indicated_labels,
    indicator_columns,
    labels_in_cells,
)
from vitcore.messages import Message, message, quoted, shortened
from vitcore.sources import IMAGE_SUFFIXES, Entry, Table
from vitcore.text import class_name, composed, shown

__all__ = ["Finder", "TableLayout", "folder_splits", "table_layout"]

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
        combined: The reading by the first label column in which each text with several labels is a class of
            its own; None where no text has.
        unpadded: Whether it names files by numbers that have lost their leading zeros.
    """

    table: Table
    file_column: str
    label_columns: tuple[str, ...]
    certain: bool
    layout: Layout | None
    missing: tuple[str, ...]
    combined: Layout | None = None
    unpadded: bool = False

    @property
    def several(self) -> int:
        """Number of images with several labels, of which none is taken."""
        items = self.layout.items if self.layout is not None else ()
        return sum(item.reason == SEVERAL_LABELS for item in items)


def table_layout(
    table: Table,
    entries: Sequence[Entry],
    *,
    file_column: str = "",
    label_column: str = "",
    several: str = "",
) -> TableLayout | None:
    """Read labels off a table; None if no column names the images.

    A cell may name a file by its path from the folder of the table, by its whole path, by the end of it, or
    without its ending. A column called split (or set, subset) that holds nothing but train, val and test is
    a ready-made split; so are folders of these names.

    Args:
        table: The table.
        entries: The images of the source.
        file_column: The column that names the files; the one that fits best if empty.
        label_column: The column of the classes, `EVERY_COLUMN` for one 0/1 column per class; the likeliest
            if empty.
        several: `KEEP` if a text with several labels is a class of its own.

    Raises:
        ArchiveError: There is no column of that name.
    """
    for column in (file_column, label_column):
        if column and column not in {*table.columns, EVERY_COLUMN}:
            raise ArchiveError(
                "{table} has no column '{column}'; it has {columns}.",
                table=table.name,
                column=column,
                columns=shortened(quoted(table.columns), 20),
            )
    wanted = [file_column] if file_column else table.columns
    finder = Finder(entries, table.name)
    matches, unpadded = {column: list(map(finder.find, table.column(column))) for column in wanted}, False
    best = _file_column(matches, table)
    if not _is_named(matches[best]):
        columns = [column for column in wanted if len(set(table.column(column))) == len(table.rows)]
        matches |= {column: list(map(finder.find_unpadded, table.column(column))) for column in columns}
        best, unpadded = _file_column(matches, table), True
    found = {number for number in matches[best] if number >= 0}
    if not found or (not file_column and 2 * len(found) < min(len(table.rows), len(entries))):
        return None
    candidates, certain = _label_columns(table, best)
    if label_column:
        candidates, certain = [label_column, *(name for name in candidates if name != label_column)], True
    layout = combined = None
    if candidates:
        listing = _Listing(table, entries, matches[best], best, candidates[0])
        layout = listing.layout(split_cells=several != KEEP)
        if any(item.reason == SEVERAL_LABELS for item in layout.items) and candidates[0] != EVERY_COLUMN:
            combined = listing.layout(split_cells=False)
    missing = [
        cell for cell, number in zip(table.column(best), matches[best], strict=True) if number < 0 and cell
    ]
    return TableLayout(
        table, best, tuple(candidates), certain, layout, tuple(dict.fromkeys(missing)), combined, unpadded
    )


def _is_named(numbers: Sequence[int]) -> bool:
    return any(number >= 0 for number in numbers)


def _file_column(matches: Mapping[str, Sequence[int]], table: Table) -> str:
    """The column that names most images; of those that name many, one that gives the endings of files.

    Rows that are numbered may seem to name files that are numbered: the number of a row is not a name.
    """
    named = {column: len(set(numbers) - {-1}) for column, numbers in matches.items()}
    most = max(named.values())

    def preference(column: str) -> tuple[bool, int, bool]:
        whole = 2 * sum(map(_has_ending, table.column(column))) > len(table.rows)
        untitled = column == f"column {table.columns.index(column) + 1}"
        return whole and 2 * named[column] >= most, named[column], not untitled

    return max(matches, key=preference)


def _has_ending(cell: str) -> bool:
    return cell.lower().endswith(tuple(IMAGE_SUFFIXES))


class Finder:
    """Finds images by what a table calls them.

    Args:
        entries: The images.
        table: Its path. Of images of one name, the one in the folder of the part that the table is called by
            is meant: ``train.csv`` speaks of ``train/1.jpg``, and not of ``test/1.jpg``.
    """

    def __init__(self, entries: Sequence[Entry], table: str = "") -> None:
        path = PurePosixPath(table)
        self._folder = "/".join(path.parts[:-1])
        part = next(filter(None, map(split_name, re.split("[^A-Za-z]+", path.stem))), "")
        own = [entry for entry in entries if part and part in map(split_name, entry.parts[:-1])]
        self._own = Finder(own) if 0 < len(own) < len(entries) else None
        self._unpadded: dict[str, int] = {}
        self._numbers: dict[str, int] = {}
        self._spelt: dict[str, int] = {}
        for entry in entries:
            parts = entry.parts
            if number := _unpadded(parts[-1]):
                self._unpadded[number] = -1 if number in self._unpadded else entry.number
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
            if self._found[cell] < 0 and self._own is not None:
                self._found[cell] = self._own.find(cell)
        return self._found[cell]

    def find_unpadded(self, cell: str) -> int:
        """The number of the image that is numbered so, as a spreadsheet writes it: 7 for ``0007.jpg``."""
        found = self._unpadded.get(_unpadded(cell), -1)
        return self._own.find_unpadded(cell) if found < 0 and self._own is not None else found

    def _find(self, cell: str) -> int:
        parts = [part for part in cell.replace("\\", "/").split("/") if part not in {"", ".", ".."}]
        beside = "/".join([self._folder, *parts]) if self._folder and parts else ""
        if self._numbers.get(beside, -1) >= 0:
            return self._numbers[beside]
        # From the whole path on: a table may come from a machine where more folders lay above.
        for start in range(len(parts)):
            tail = "/".join(parts[start:])
            spelt = composed(tail)
            for names, name in ((self._numbers, tail), (self._spelt, spelt), (self._numbers, spelt)):
                if name in names:
                    return names[name]
        return -1


def _unpadded(name: str) -> str:
    """The number that a file is called by, without leading zeros; empty if it is called otherwise."""
    stem = name.rpartition(".")[0] if _has_ending(name) else name.removesuffix(".0")
    return (stem.lstrip("0") or "0") if stem.isascii() and stem.isdecimal() else ""


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
    indicators, sure = ((), False) if named else indicator_columns(table, [file_column])
    if indicators:
        rest = [name for name in ordered if name not in indicators]
        return [EVERY_COLUMN, *rest, *indicators], sure and not rest
    return ordered, certain


def _is_split(column: str, cells: Mapping[str, int]) -> bool:
    return column.strip().lower() in _SPLIT_NAMES and bool(cells) and all(map(split_name, cells))


@dataclass(frozen=True)
class _Listing:
    """Which images a table lists, and the columns that say so.

    Attributes:
        table: The table.
        entries: The images of the source.
        numbers: Which image each row is about; -1 for none.
        file_column: The column that names the files.
        label_column: The column of the classes, or `EVERY_COLUMN`.
    """

    table: Table
    entries: Sequence[Entry]
    numbers: Sequence[int]
    file_column: str
    label_column: str

    def layout(self, *, split_cells: bool) -> Layout:
        """Return the reading by this table; with `split_cells`, texts may have several labels."""
        table, column = self.table, self.label_column
        indicators: tuple[str, ...] = ()
        if column == EVERY_COLUMN:
            indicators = self._indicators()
            labels = indicated_labels(table, indicators)
            title = message("One column of {table} per class", table=table.name)
        else:
            cells = table.column(column)
            found = labels_in_cells(cells) if split_cells else {}
            labels = [found.get(cell, (cell,) if cell else ()) for cell in cells]
            title = message("The classes in column '{column}' of {table}", column=column, table=table.name)
            if table.beside:
                title = message("The class file beside each photo ({files})", files=table.name)
        return Layout(title, "", tuple(self._items(labels, {self.file_column, column, *indicators})))

    def _indicators(self) -> tuple[str, ...]:
        """Return the 0/1 columns.

        Raises:
            ArchiveError: There are none.
        """
        columns, _ = indicator_columns(self.table, [self.file_column])
        if not columns:
            raise ArchiveError(
                "{table} does not have one column of 0 and 1 per class; name the column with the classes.",
                table=self.table.name,
            )
        return columns

    def _items(self, row_labels: Sequence[tuple[str, ...]], used: set[str]) -> Iterator[Labelled]:
        """Yield every image with what its rows say; `used` are the columns that are not kept beside it."""
        table = self.table
        split_column = next(
            (name for name in table.columns if _is_split(name, Counter(table.column(name)))), None
        )
        splits = table.column(split_column) if split_column else [""] * len(table.rows)
        labels: dict[int, set[tuple[str, ...]]] = {}
        parts: dict[int, str] = {}
        for number, given, part in zip(self.numbers, row_labels, splits, strict=True):
            if number >= 0:
                labels.setdefault(number, set()).add(given)
                parts[number] = split_name(part)
        folder_parts = folder_splits(self.entries)
        others = [name for name in table.columns if name not in used | {split_column}]
        kept = [(table.columns.index(name), shown(name)) for name in others[:_MAX_COLUMNS]]
        row_of = {number: row for number, row in zip(self.numbers, table.rows, strict=True) if number >= 0}
        for entry in self.entries:
            given_labels = labels.get(entry.number, set())
            reason = self._why_not(given_labels)
            if reason is not None:
                yield Labelled(entry, "", reason=reason)
                continue
            split = parts[entry.number] or folder_parts.get(entry.number, "")
            row = row_of[entry.number]
            columns = {name: shown(row[place][:_MAX_KEPT_CELL]) for place, name in kept}
            yield Labelled(entry, min(given_labels)[0], split, columns=columns)

    def _why_not(self, given: AbstractSet[tuple[str, ...]]) -> Message | None:
        """Return why an image has no label, by what its rows say; None if it has one."""
        if not given:
            return message("not listed in {table}", table=self.table.name)
        if any(len(labels) > 1 for labels in given):
            return SEVERAL_LABELS
        if len({class_name(label) for labels in given for label in labels or ("",)}) > 1:
            return message("listed in {table} with several labels", table=self.table.name)
        if given == {()}:
            return message("listed in {table} without a label", table=self.table.name)
        return None


def folder_splits(entries: Sequence[Entry]) -> dict[int, str]:
    """The parts of a ready-made split that the folders of unsorted images stand for."""
    found = {entry.number: next(filter(None, map(split_name, entry.parts[:-1])), "") for entry in entries}
    return found if len(set(found.values()) - {""}) > 1 and all(found.values()) else {}
