"""The readings of a source by the tables in it."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import PurePosixPath

from vitcore.errors import ArchiveError
from vitcore.layouts._folders import Layout, split_name
from vitcore.layouts._reading import Candidate, Reading
from vitcore.layouts._several import EVERY_COLUMN, KEEP, LEAVE_OUT, SEVERAL_LABELS
from vitcore.layouts._table import TableLayout, table_layout
from vitcore.messages import Message, counted, message, quoted, shortened
from vitcore.sources import Entry, Parts, Room, Table, base_names, parse_table
from vitcore.text import composed

__all__ = [
    "CLASS_FILE",
    "classes_beside",
    "no_table",
    "read_tables",
    "table_layouts",
    "table_problem",
    "table_readings",
    "unused_tables",
]

CLASS_FILE = ".cls"
"""The ending of a file that holds the class of the photo of the same name, as in a WebDataset."""

_MAX_CLASS_BYTES = 1000
_MAX_TABLES = 50
_SHOWN = 5  # names in a sentence
_MAX_COLUMNS = 12  # of a table, in a message


def read_tables(
    parts: Parts, entries: Sequence[Entry], images: Sequence[Entry]
) -> tuple[list[Table], dict[int, Message]]:
    """The tables, and by the number of its entry why something is none."""
    files = base_names(images)
    tables: list[Table] = []
    refused: dict[int, Message] = {}
    room = Room()
    for entry, file in parts.read({entry.number for entry in entries}):
        if len(tables) + len(refused) >= _MAX_TABLES:
            refused[entry.number] = message("only the first {most} tables are read", most=_MAX_TABLES)
            continue
        try:
            found = parse_table(entry.name, file.read(room.bytes_left + 1), files, room)
        except ArchiveError as error:
            found = error.message
        if isinstance(found, Table):
            tables.append(found)
        else:
            refused[entry.number] = found
    return tables, refused


def classes_beside(parts: Parts, entries: Iterable[Entry]) -> Table | None:
    """What the `CLASS_FILE` beside each photo says, as one table; None if there is no such file."""
    stems = {entry.number: entry.name.removesuffix(CLASS_FILE) for entry in entries}
    rows = []
    for entry, file in parts.read(set(stems)):
        with suppress(ArchiveError):
            text = file.read(_MAX_CLASS_BYTES).decode("utf-8", "replace").strip()
            rows.append((stems[entry.number], text))
    return Table(f"*{CLASS_FILE}", ("file", "class"), tuple(rows), beside=True) if rows else None


def unused_tables(
    tables: Sequence[Entry],
    refused: Mapping[int, Message],
    layouts: Sequence[TableLayout],
    chosen: Candidate | None,
) -> dict[int, Message]:
    """Why tables are not used, by the number of the entry."""
    naming = {layout.table.name for layout in layouts}
    used = {chosen.table.name} if chosen is not None and chosen.table is not None else set()
    if used and chosen is not None and not chosen.reading.labels:  # the parts of a split, together
        used = {layout.table.name for layout in layouts if layout.layout is not None}
    unused = {}
    for entry in tables:
        if entry.number in refused:
            unused[entry.number] = message(
                "a table that cannot be used: {reason}", reason=refused[entry.number]
            )
        elif entry.name not in naming:
            unused[entry.number] = message("a table that names none or hardly any of the photos")
        elif entry.name not in used:
            unused[entry.number] = message("a table that is not needed, for the classes come from elsewhere")
    return unused


def no_table(tables: Sequence[Table], reading: Reading) -> Message:
    """Say that no table is as it was asked for, and which ones there are."""
    columns = [name for name in (reading.file_column, reading.label_column) if name]
    wanted = [
        *([f"'{reading.labels}'"] if reading.labels else []),
        *(message("column '{name}'", name=name) for name in columns),
    ]
    there = [
        message(
            "'{table}' with {columns}",
            table=table.name,
            columns=shortened(quoted(table.columns), _MAX_COLUMNS),
        )
        for table in tables[:_SHOWN]
    ]
    return message(
        "No CSV file with {wanted} names the images and their classes; CSV files and columns there are: "
        "{tables}.",
        wanted=wanted,
        tables=there or message("none"),
    )


def table_layouts(tables: Sequence[Table], images: Sequence[Entry], reading: Reading) -> list[TableLayout]:
    """Return the tables that name the images, the ones with classes first."""
    chosen = list(tables)
    if reading.labels:
        chosen = [table for table in tables if composed(table.name) == reading.labels] or [
            table for table in tables if composed(PurePosixPath(table.name).name) == reading.labels
        ]
    if not images:
        return []
    asked = {reading.file_column, reading.label_column} - {""}
    layouts = []
    for table in chosen:
        if not reading.labels and not asked <= {EVERY_COLUMN, *table.columns}:
            continue  # another table may have these columns
        layout = table_layout(
            table,
            images,
            file_column=reading.file_column,
            label_column=reading.label_column,
            several=reading.several,
        )
        if layout is not None:
            layouts.append(layout)
    return sorted(layouts, key=lambda layout: (layout.layout is None, not layout.certain))


def table_readings(layouts: Sequence[TableLayout], several: str = "") -> list[Candidate]:
    """The readings of the tables: each by itself, or, if they are the parts of a split, together.

    Args:
        layouts: What the tables say.
        several: How photos with several labels are taken; each way is a reading if empty.
    """
    usable = [layout for layout in layouts if layout.layout is not None]
    parts = [_part_name(layout.table.name) for layout in usable]
    columns = {(layout.file_column, layout.label_columns[0]) for layout in usable}
    if len(usable) > 1 and all(parts) and len(set(parts)) == len(parts) and len(columns) == 1:
        return [_together(usable, parts)]
    found = []
    for layout in usable:
        assert layout.layout is not None
        found.append(_candidate(layout, layout.layout, LEAVE_OUT if layout.several else several))
        if layout.combined is not None and not several:
            found.append(_candidate(layout, layout.combined, KEEP))
    return found


def _candidate(layout: TableLayout, labels: Layout, several: str) -> Candidate:
    title, notes = labels.title, []
    if layout.unpadded:
        notes.append(
            message(
                "{table} names photos by numbers without leading zeros; they were matched by their value.",
                table=layout.table.name,
            )
        )
    if layout.several and several == LEAVE_OUT:
        title = message("{title}; photos with several labels are left out", title=title)
        notes.append(_about_several(layout.several))
    elif layout.several:
        title = message("{title}; each combination of labels is a class of its own", title=title)
    return Candidate(
        title=title,
        reading=Reading(
            labels=layout.table.name,
            file_column=layout.file_column,
            label_column=layout.label_columns[0],
            several=several,
        ),
        items=labels.items,
        missing=layout.missing,
        table=layout.table,
        notes=tuple(notes),
    )


def _about_several(count: int) -> Message:
    return counted(
        "{count} photo has several labels. It is left out: one class per photo is supported.",
        "{count} photos have several labels. They are left out: one class per photo is supported.",
        count,
    )


def _part_name(table: str) -> str:
    """The part of a ready-made split that a table is about, by its own name or that of a folder around it."""
    path = PurePosixPath(table)
    return split_name(path.stem) or next(filter(None, map(split_name, reversed(path.parts[:-1]))), "")


def _together(layouts: Sequence[TableLayout], parts: Sequence[str]) -> Candidate:
    """Tables called train, val and test as one ready-made split."""
    readings = [layout.layout for layout in layouts if layout.layout is not None]
    items = []
    for same in zip(*(reading.items for reading in readings), strict=True):
        listed = [(item, part) for item, part in zip(same, parts, strict=True) if item.label]
        if len(listed) == 1:
            items.append(replace(listed[0][0], split=listed[0][1]))
        else:
            reason = message("not listed in any of the tables")
            if any(item.reason == SEVERAL_LABELS for item in same):
                reason = SEVERAL_LABELS
            if listed:
                reason = message("listed in several tables")
            items.append(replace(same[0], label="", split="", reason=reason))
    missing = tuple(name for layout in layouts for name in layout.missing)
    first = layouts[0]
    tables = [layout.table.name for layout in layouts]
    several = sum(item.reason == SEVERAL_LABELS for item in items)
    title = message(
        "A ready-made split; the classes in column '{column}' of {tables}",
        column=first.label_columns[0],
        tables=tables,
    )
    if first.label_columns[0] == EVERY_COLUMN:
        title = message("A ready-made split; one column per class in {tables}", tables=tables)
    return Candidate(
        title=title,
        reading=Reading(
            file_column=first.file_column,
            label_column=first.label_columns[0],
            several=LEAVE_OUT if several else "",
        ),
        items=tuple(items),
        missing=missing,
        table=first.table,
        notes=(_about_several(several),) if several else (),
    )


def table_problem(layouts: Sequence[TableLayout], several: str = "") -> Message | None:
    """Say why it is not certain which table, or which column of it, has the classes; None if it is."""
    usable = [layout for layout in layouts if layout.layout is not None]
    if len(usable) > 1 and len(table_readings(layouts, several or LEAVE_OUT)) > 1:
        names = [layout.table.name for layout in usable]
        return message(
            "Several tables name the images: {tables}; pick one with --labels '{first}'.",
            tables=shortened(quoted(names), _SHOWN),
            first=names[0],
        )
    if not usable[0].certain:
        columns = list(usable[0].label_columns)
        return message(
            "Several columns of {table} may hold the classes: {columns}; pick one with --label-column "
            "'{first}'.",
            table=usable[0].table.name,
            columns=shortened(quoted(columns), _MAX_COLUMNS),
            first=columns[0],
        )
    count = sum(layout.several for layout in usable)
    if not count or several:
        return None
    sentence = counted(
        "{count} photo has several labels, but only one class per photo is supported; leave it out with "
        "--several {leave_out}.",
        "{count} photos have several labels, but only one class per photo is supported; leave them out with "
        "--several {leave_out}.",
        count,
        leave_out=LEAVE_OUT,
    )
    if usable[0].combined is None:
        return sentence
    return message(
        "{sentence} If each text is one class, say --several {keep}.", sentence=sentence, keep=KEEP
    )
