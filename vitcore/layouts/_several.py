"""Tables with several classes per photo in sight: one 0/1 column per class, and cells with several labels."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from vitcore.layouts._folders import split_name
from vitcore.messages import message
from vitcore.sources import Table

__all__ = [
    "EVERY_COLUMN",
    "KEEP",
    "LEAVE_OUT",
    "SEVERAL_LABELS",
    "indicated_labels",
    "indicator_columns",
    "labels_in_cells",
]

EVERY_COLUMN = "*"
"""The label column that stands for all 0/1 columns of a table, each of which is a class."""

LEAVE_OUT, KEEP = "leave-out", "keep"
"""The ways to take cells with several labels: without their photos, or each text as a class of its own."""

SEVERAL_LABELS = message("it has several labels, and only one class per photo is supported")

_ONES = frozenset({"1", "1.0", "true"})
_ZEROS = frozenset({"0", "0.0", "false"})
_SEPARATORS = ("|", ";", ",", " ")
_SURE = 0.9  # of the rows have a 1: then the columns are surely classes; those with several are asked about
_LIKELY = 0.5  # of these have only one


def indicator_columns(table: Table, others: Iterable[str]) -> tuple[tuple[str, ...], bool]:
    """Return the columns of 0 and 1 that look like one per class, and whether that is certain.

    Args:
        table: The table.
        others: Columns that are known to be something else.
    """
    skipped = set(others)
    columns = tuple(name for name in table.columns if name not in skipped and _is_indicator(table, name))
    if len(columns) < 2:
        return (), False
    counts = Counter(min(len(labels), 2) for labels in indicated_labels(table, columns))
    rows = len(table.rows)
    if counts[1] + counts[2] == 0 or counts[1] < _LIKELY * (counts[1] + counts[2]):
        return (), False
    return columns, counts[1] + counts[2] >= _SURE * rows


def _is_indicator(table: Table, column: str) -> bool:
    cells = {cell.lower() for cell in table.column(column) if cell}
    return bool(cells) and cells <= _ONES | _ZEROS and not split_name(column)


def indicated_labels(table: Table, columns: Sequence[str]) -> list[tuple[str, ...]]:
    """Return for each row the names of the columns that have a 1."""
    places = [(table.columns.index(name), name) for name in columns]
    return [tuple(name for place, name in places if row[place].lower() in _ONES) for row in table.rows]


def labels_in_cells(cells: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    """Return the labels in those cells that look as if they had several.

    A cell has several if what stands between its bars, semicolons, commas or spaces are labels that other
    cells have by themselves. ``golden retriever`` is one label where no photo is labelled ``golden``.
    """
    texts = {cell for cell in cells if cell}
    for separator in _SEPARATORS:
        parts = {text: _parts(text, separator) for text in texts if separator in text}
        combined = {text: labels for text, labels in parts.items() if len(labels) > 1}
        alone = texts - combined.keys()
        shared = Counter(label for labels in combined.values() for label in labels)
        bars = separator == "|" and any(count > 1 for count in shared.values())
        if bars or any(alone.issuperset(labels) for labels in combined.values()):
            return {
                text: labels
                for text, labels in combined.items()
                if any(label in alone or (bars and shared[label] > 1) for label in labels)
            }
    return {}


def _parts(text: str, separator: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part for part in map(str.strip, text.split(separator)) if part))
