"""From the bytes of a table to text, in whatever encoding it comes and within limits."""

import csv
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import PurePosixPath

from vitcore.messages import Message, cause, message
from vitcore.sources._archives import Entry
from vitcore.sources._sheets import json_rows, sheet_rows
from vitcore.text import as_meant, composed

__all__ = ["MAX_TABLE_BYTES", "TABLE_SUFFIXES", "Room", "Table", "base_names", "parse_table"]

_JSON = frozenset({".jsonl", ".ndjson"})
_SHEETS = frozenset({".xlsx"})

TABLE_SUFFIXES = frozenset({".csv", ".tsv"}) | _JSON | _SHEETS
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

_TOO_LARGE = message(
    "it takes too much memory (all tables of a source may have {most} MB); keep only the columns with the "
    "files and the classes",
    most=MAX_TABLE_BYTES // 2**20,
)
# By default a cell of 128 kB ends the reading of the whole table.
csv.field_size_limit(MAX_TABLE_BYTES)


@dataclass(frozen=True)
class Table:
    """A table as text.

    Attributes:
        name: Its path in the source.
        columns: Names of the columns, all different.
        rows: The cells, as many per row as there are columns.
        beside: Whether it was put together from small files, one beside each image.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    beside: bool = False

    def column(self, name: str) -> list[str]:
        """The cells of a column."""
        position = self.columns.index(name)
        return [row[position] for row in self.rows]


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
    """A CSV file, a spreadsheet or lines of JSON objects as a table; or why it is none.

    Comma, semicolon, tab and bar are tried as delimiters of a CSV file. The first row is taken for the
    header unless it names one of `files`.

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
    try:
        raw = _raw_rows(PurePosixPath(name).suffix.lower(), content, room)
        if isinstance(raw, Message):
            return raw
        rows = room.rows(raw)
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
    except ValueError as error:
        return cause(error)


def _raw_rows(suffix: str, content: bytes, room: Room) -> Iterable[Sequence[str]] | Message:
    """The rows of a table, by the ending of its name; or why there are none.

    Raises:
        OverflowError: They would take too much memory.
    """
    if suffix in _SHEETS:
        return sheet_rows(content, _MAX_KEPT_BYTES)
    text = _decoded(content)
    if text is None:
        return message("it is no text in UTF-8, UTF-16, UTF-32 or Windows-1252")
    return json_rows(text) if suffix in _JSON else _cells(text, room.cells_left)


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
