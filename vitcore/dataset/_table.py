"""Labels from a table: a CSV file among the images that says which file is what."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from vitcore.dataset._layout import Labelled, Layout, split_name
from vitcore.dataset._sources import Entry
from vitcore.errors import ArchiveError
from vitcore.messages import message, quoted, shortened
from vitcore.text import class_name

__all__ = ["MAX_TABLE_BYTES", "TABLE_SUFFIXES", "Table", "TableLayout", "parse_table", "table_layout"]

TABLE_SUFFIXES = frozenset({".csv", ".tsv"})
"""File name endings, in lower case, that are taken for tables."""

MAX_TABLE_BYTES = 64 * 2**20
"""Largest table that is read."""

_ENCODINGS = ("utf-8-sig", "utf-16", "cp1252", "latin-1")
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
class Table:
    """A table as text.

    Attributes:
        name: Its path in the source.
        columns: Names of the columns, all different.
        rows: The cells, as many per row as there are columns.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def column(self, name: str) -> list[str]:
        """The cells of a column."""
        position = self.columns.index(name)
        return [row[position] for row in self.rows]


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


def parse_table(name: str, content: bytes, files: Iterable[str] = ()) -> Table | None:
    """A CSV file as a table; None if it is none.

    Comma, semicolon, tab and bar are tried as delimiters. The first row is taken for the header
    unless it names one of `files`.

    Args:
        name: Its path in the source.
        content: Its bytes.
        files: Names of the images, to tell a header from a row.
    """
    text = _decoded(content)
    if text is None:
        return None
    try:
        dialect: type[csv.Dialect] | csv.Dialect = csv.Sniffer().sniff(text[:65536], delimiters=",;\t|")
    except csv.Error:
        dialect = csv.excel
    try:
        rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text), dialect) if any(row)]
    except csv.Error:
        return None
    if not rows:
        return None
    width = len(rows[0])
    known = {PurePosixPath(file).name for file in files}
    headless = any(PurePosixPath(cell.replace("\\", "/")).name in known for cell in rows[0] if cell)
    header = [f"column {number + 1}" for number in range(width)] if headless else rows.pop(0)
    columns: list[str] = []
    for number, cell in enumerate(header):
        title = cell or f"column {number + 1}"
        columns.append(title if title not in columns else f"{title} ({number + 1})")
    cells = tuple(tuple((row + [""] * width)[:width]) for row in rows)
    return Table(name, tuple(columns), cells)


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
        layout = _labelled(table, entries, matches[best], candidates[0])
    missing = [
        cell for cell, number in zip(table.column(best), matches[best], strict=True) if number < 0 and cell
    ]
    return TableLayout(table, best, tuple(candidates), certain, layout, tuple(dict.fromkeys(missing)))


def _decoded(content: bytes) -> str | None:
    for encoding in _ENCODINGS:
        if encoding == "utf-16" and not content.startswith((b"\xff\xfe", b"\xfe\xff")):
            continue
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        return None if "\0" in text else text
    return None


class _Finder:
    """Finds images by what a table calls them."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._numbers: dict[str, int] = {}
        for entry in entries:
            parts = entry.parts
            for start in range(len(parts)):
                tail = "/".join(parts[start:])
                for name in {tail, str(PurePosixPath(tail).with_suffix(""))}:
                    # A name that several files share says nothing.
                    self._numbers[name] = -1 if name in self._numbers else entry.number

    def find(self, cell: str) -> int:
        """The number of the image, -1 if there is none, or more than one."""
        parts = [part for part in cell.replace("\\", "/").split("/") if part not in {"", ".", ".."}]
        # From the whole path on: a table may come from a machine where more folders lay above.
        for start in range(len(parts)):
            number = self._numbers.get("/".join(parts[start:]))
            if number is not None:
                return number
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


def _labelled(table: Table, entries: Sequence[Entry], numbers: Sequence[int], label_column: str) -> Layout:
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
            items.append(Labelled(entry, min(given), split))
    title = message("The classes in column '{column}' of {table}", column=label_column, table=table.name)
    return Layout(title, "", tuple(items))


def _folder_splits(entries: Sequence[Entry]) -> dict[int, str]:
    """The parts of a ready-made split that the folders of unsorted images stand for."""
    found = {entry.number: next(filter(None, map(split_name, entry.parts[:-1])), "") for entry in entries}
    return found if len(set(found.values()) - {""}) > 1 and all(found.values()) else {}
