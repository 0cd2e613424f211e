"""Labels from a table: a CSV file among the images that says which file is what."""

import csv
import re
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import PurePosixPath

from vitcore.dataset._layout import Labelled, Layout, split_name
from vitcore.dataset._sources import Entry
from vitcore.errors import ArchiveError
from vitcore.messages import Message, message, quoted, shortened
from vitcore.text import as_meant, class_name, composed, shown

__all__ = [
    "MAX_TABLE_BYTES",
    "TABLE_SUFFIXES",
    "Room",
    "Table",
    "TableLayout",
    "base_names",
    "parse_table",
    "table_layout",
]

TABLE_SUFFIXES = frozenset({".csv", ".tsv"})
"""File name endings, in lower case, that are taken for tables."""

MAX_TABLE_BYTES = 64 * 2**20
"""Most bytes that the tables of a source may have, all together."""

_MAX_KEPT_BYTES = 256 * 2**20
_ROW_BYTES, _CELL_BYTES, _NEW_CELL_BYTES = 120, 16, 100  # in memory, about

_MARKS = {  # that of UTF-32 begins with that of UTF-16
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe\0\0": "utf-32",
    b"\0\0\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
_DELIMITERS = (",", ";", "\t", "|")
_SAMPLE = 65536  # characters that are looked at
_SAMPLE_ROWS = 50
_MAX_FILE_CELL = 4096  # characters; no path is longer
_MAX_COLUMNS, _MAX_KEPT_CELL = 50, 200  # that are kept with an image, and the characters of each

_TOO_LARGE = message(
    "it takes too much memory (all tables of a source may have {most} MB); keep only the columns with the "
    "files and the classes",
    most=MAX_TABLE_BYTES // 2**20,
)
# By default a cell of 128 kB ends the reading of the whole table.
csv.field_size_limit(MAX_TABLE_BYTES)

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


class Room:
    """The memory that the tables of one source may take together: a small archive can hold huge ones."""

    def __init__(self) -> None:
        self.bytes_left = MAX_TABLE_BYTES
        self._bytes_to_keep = _MAX_KEPT_BYTES
        self._cells: dict[str, str] = {}

    @property
    def cells_left(self) -> int:
        """Most cells that fit in, however small they are."""
        return self._bytes_to_keep // _CELL_BYTES

    def rows(self, raw: Iterable[Sequence[str]]) -> list[list[str]]:
        """Keep rows, each cell without the space around it, and equal cells only once.

        Raises:
            OverflowError: There are more than fit in.
        """
        kept = []
        for cells in raw:
            row = [self._kept(as_meant(cell.strip())) for cell in cells]
            self._bytes_to_keep -= _ROW_BYTES + _CELL_BYTES * len(row)
            if any(row):
                kept.append(row)
            if self._bytes_to_keep < 0:
                raise OverflowError
        return kept

    def padded(self, rows: Sequence[list[str]], width: int) -> tuple[tuple[str, ...], ...]:
        """Give rows the same number of cells.

        Raises:
            OverflowError: They do not fit in any more.
        """
        self._bytes_to_keep -= _CELL_BYTES * sum(max(0, width - len(row)) for row in rows)
        if self._bytes_to_keep < 0:
            raise OverflowError
        return tuple(tuple((row + [""] * width)[:width]) for row in rows)

    def _kept(self, cell: str) -> str:
        known = self._cells.get(cell)
        if known is None:
            known = self._cells[cell] = cell
            self._bytes_to_keep -= sys.getsizeof(cell) + _NEW_CELL_BYTES
        return known


def parse_table(
    name: str, content: bytes, files: Collection[str] = (), room: Room | None = None
) -> Table | Message:
    """A CSV file as a table; or why it is none.

    Comma, semicolon, tab and bar are tried as delimiters. The first row is taken for the header
    unless it names one of `files`.

    Args:
        name: Its path in the source.
        content: Its bytes.
        files: Names of the images, as `base_names` gives them, to tell a header from a row.
        room: What it may take in memory; as much as the only table of a source if not given.
    """
    room = room or Room()
    room.bytes_left -= len(content)
    if room.bytes_left < 0:
        return _TOO_LARGE
    text = _decoded(content)
    if text is None:
        return message("it is no text in UTF-8, UTF-16, UTF-32 or Windows-1252")
    try:
        rows = room.rows(_cells(text, room.cells_left))
        width = len(rows[0]) if rows else 0
        first = (cell.replace("\\", "/").rpartition("/")[2] for cell in chain(*rows[:1]))
        headless = any(composed(cell) in files for cell in first)
        header = [f"column {number + 1}" for number in range(width)] if headless or not rows else rows.pop(0)
        columns: dict[str, None] = {}
        for number, cell in enumerate(header):
            title = composed(cell) or f"column {number + 1}"
            while title in columns:
                title = f"{title} ({number + 1})"
            columns[title] = None
        if not rows:
            return message("it has no rows")
        return Table(name, tuple(columns), room.padded(rows, width))
    except OverflowError:
        return _TOO_LARGE


def base_names(entries: Iterable[Entry]) -> frozenset[str]:
    """The names of files without their folders, in the spelling in which tables are compared with them."""
    return frozenset(composed(PurePosixPath(entry.name).name) for entry in entries)


def _cells(text: str, most: int) -> Iterator[list[str]]:
    """The cells of each row.

    Raises:
        OverflowError: There may be more of them than `most`, even in a single row.
    """
    start = 0
    marked = re.match(r'"?sep=(.)"?\n', text)  # as spreadsheets write it
    if marked:
        start = marked.end()
    quote = "'" if text.startswith("'", start) else '"'

    def rows(delimiter: str, end: int) -> Iterator[list[str]]:
        lines = _lines(text, start, end)
        return csv.reader(lines, delimiter=delimiter, quotechar=quote, skipinitialspace=True)

    def fits(delimiter: str) -> tuple[int, int]:
        widths = [len(row) for row in islice(rows(delimiter, start + _SAMPLE), _SAMPLE_ROWS) if row]
        width = widths[0] if widths else 0
        return (widths.count(width), width) if width > 1 else (0, 0)

    delimiter = marked[1] if marked else max(_DELIMITERS, key=fits)
    if text.count(delimiter) > most:
        raise OverflowError
    return rows(delimiter, len(text))


def _lines(text: str, start: int, end: int) -> Iterator[str]:
    while start < min(end, len(text)):
        following = text.find("\n", start) + 1 or len(text)
        yield text[start:following]
        start = following


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


def _decoded(content: bytes) -> str | None:
    """The text of a table with line feeds between the lines; None if it is none."""
    for encoding in _encodings(content):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        return None if "\0" in text else text.replace("\r\n", "\n").replace("\r", "\n")
    return None


def _encodings(content: bytes) -> Sequence[str]:
    """The encodings that a table may have, the surest first."""
    for mark, encoding in _MARKS.items():
        if content.startswith(mark):
            return (encoding,)
    sample = content[:_SAMPLE]
    if b"\0" not in sample:
        return ("utf-8", "cp1252", "latin-1")
    # Hardly anything but UTF-32 is sound as UTF-32. Of two bytes, the first is often zero where the high one
    # comes first: delimiters and ends of lines are below 256 in any language.
    two = ("utf-16-be", "utf-16-le")
    if sample[0::2].count(0) < sample[1::2].count(0):
        two = two[::-1]
    return ("utf-32-le", "utf-32-be", *two)


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
