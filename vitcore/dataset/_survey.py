"""Survey of a source, from names and tables alone, before anything is imported."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path, PurePosixPath

from vitcore.dataset._classes import by_the_rule, typed_name, without_photos
from vitcore.dataset._decode import IMAGE_SUFFIXES
from vitcore.dataset._kinds import ARCHIVES, START_BYTES, kind_by_name, kind_by_start
from vitcore.dataset._layout import (
    EVERY_FOLDER,
    WHOLE,
    Labelled,
    Layout,
    folder_layouts,
    split_name,
)
from vitcore.dataset._sources import Entry, Reader, Source, clean_name, is_junk, open_files, open_source
from vitcore.dataset._table import (
    TABLE_SUFFIXES,
    Room,
    Table,
    TableLayout,
    base_names,
    parse_table,
    table_layout,
)
from vitcore.errors import ArchiveError
from vitcore.messages import NOTHING, Message, message, quoted, shortened
from vitcore.text import composed, unquoted

__all__ = [
    "Candidate",
    "NamedFile",
    "Parts",
    "Reading",
    "Survey",
    "open_parts",
    "survey_parts",
    "typed_path",
    "unfit",
]

_MAX_TABLES = 50
_LOOKED_INTO = 100
_SHOWN = 5  # names in a sentence
_MAX_COLUMNS = 12  # of a table, in a message


@dataclass(frozen=True)
class NamedFile:
    """A file that lies on the disk under another name than its own, after an upload say.

    Attributes:
        name: Its own name, with folders if it has any; text, never used as a path.
        path: Where it lies.
    """

    name: str
    path: Path


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The way to read the classes off a source; what is empty is inferred.

    Attributes:
        root: A folder below which alone to look; ``*`` for the classes of all top folders together;
            ``.`` for the whole path as name of the class.
        labels: Name of the table (a CSV file in the source) that says which file is what.
        file_column: Its column with the names of the files.
        label_column: Its column with the classes.
        label: The class of all images, whatever folder they are in.
    """

    root: str = ""
    labels: str = ""
    file_column: str = ""
    label_column: str = ""
    label: str = ""

    @property
    def by_table(self) -> bool:
        """True if it names a table."""
        return bool(self.labels or self.file_column or self.label_column)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One way to read a source.

    Attributes:
        title: What it takes for what, for people; plain text.
        reading: What to give to `import_dataset` to have it read this way.
        items: Every image with its class, in order.
        missing: What a table names and the source does not have.
        table: The table it reads, if it reads one.
        notes: What to know about how the classes were read.
    """

    title: Message
    reading: Reading
    items: tuple[Labelled, ...]
    missing: tuple[str, ...] = ()
    table: Table | None = None
    notes: tuple[Message, ...] = ()

    @cached_property
    def classes(self) -> Mapping[str, int]:
        """Number of images by class, sorted by name."""
        return Layout(NOTHING, "", self.items).classes

    @cached_property
    def splits(self) -> Mapping[str, int]:
        """Number of images of each part of a ready-made split; empty if there is none."""
        return Layout(NOTHING, "", self.items).splits

    def examples(self, count: int = 3) -> dict[str, list[str]]:
        """The names of the first images of each class."""
        found: dict[str, list[str]] = {label: [] for label in self.classes}
        for item in self.items:
            if item.label and len(found[item.label]) < count:
                found[item.label].append(item.entry.name)
        return found


@dataclass(frozen=True, kw_only=True)
class Survey:
    """The survey of a source.

    Attributes:
        title: What a dataset of it would be called.
        images: Number of files that look like images.
        candidates: The ways to read it, the likeliest first.
        tables: The tables in it that name its images.
        skipped: The other files, and why each is none: name and reason.
        ignored: Number of files left by operating systems, not worth a reason.
        problem: Why the first candidate is not certain, and how to pick one; None if it is.
    """

    title: str
    images: int
    candidates: tuple[Candidate, ...]
    tables: tuple[TableLayout, ...]
    skipped: tuple[tuple[Entry, Message], ...]
    ignored: int
    problem: Message | None

    def certain(self) -> Candidate:
        """The only possible reading, or the one that was asked for.

        Raises:
            ArchiveError: There are several, or none; the message names them and how to pick one.
        """
        if self.problem is not None:
            raise ArchiveError(self.problem)
        return self.candidates[0]


class Parts:
    """Several sources as one: entries numbered through, names of all but the first kind prefixed."""

    def __init__(self, parts: Sequence[tuple[str, Source]]) -> None:
        self._parts = parts
        self._starts: list[int] = []
        self._entries: list[list[Entry]] = []
        start = 0
        for title, source in parts:
            entries = [self._numbered(entry, start, title) for entry in source.entries()]
            self._starts.append(start)
            self._entries.append(entries)
            start += len(entries)

    def _numbered(self, entry: Entry, start: int, title: str) -> Entry:
        name = f"{title}/{entry.name}" if title and len(self._parts) > 1 else entry.name
        return replace(entry, number=start + entry.number, name=name)

    def parts(self) -> Iterator[tuple[str, list[Entry]]]:
        """The title and the entries of each part."""
        for (title, _), entries in zip(self._parts, self._entries, strict=True):
            yield title, entries

    def read(self, wanted: set[int]) -> Iterator[tuple[Entry, Reader]]:
        """The wanted entries, opened, in order; use each before the next."""
        for (title, source), start, entries in zip(self._parts, self._starts, self._entries, strict=True):
            mine = {number - start for number in wanted if start <= number < start + len(entries)}
            if mine:
                for entry, file in source.read(mine):
                    yield self._numbered(entry, start, title), file


@contextmanager
def open_parts(sources: Sequence[str | Path | NamedFile]) -> Iterator[Parts]:
    """Open archives, folders and single files as one source.

    Raises:
        ArchiveError: One of them cannot be read.
    """
    with ExitStack() as stack:
        parts: list[tuple[str, Source]] = []
        loose: list[tuple[str, Path]] = []
        for item in sources:
            named = item if isinstance(item, NamedFile) else _named(item)
            is_archive = named.name.lower().endswith(tuple(ARCHIVES)) and "/" not in named.name
            alone = len(sources) == 1 and not isinstance(item, NamedFile)
            if named.path.is_dir() or alone or is_archive:
                title = PurePosixPath(clean_name(named.name)).name
                title = title if named.path.is_dir() else title.partition(".")[0]
                parts.append((title, stack.enter_context(open_source(named.path))))
            else:
                loose.append((named.name, named.path))
        if loose:
            parts.append(("", stack.enter_context(open_files(loose))))
        yield Parts(parts)


def _named(source: str | Path) -> NamedFile:
    path = typed_path(source)
    if not path.exists():
        raise ArchiveError("There is no file or folder {path}; check the path.", path=path)
    return NamedFile(path.name, path)


def typed_path(source: str | Path) -> Path:
    """Return the path of a source as somebody typed or pasted it."""
    return Path(unquoted(source) if isinstance(source, str) else source).expanduser().absolute()


def survey_parts(parts: Parts, reading: Reading, title: str) -> Survey:
    """Find out how to read a source; only names are looked at, and the tables among the files.

    Raises:
        ArchiveError: A table is damaged, or what `reading` names is not there.
    """
    reading = replace(
        reading,
        labels=composed(reading.labels),
        file_column=composed(reading.file_column),
        label_column=composed(reading.label_column),
    )
    found = _Found()
    for title, entries in parts.parts():
        found.sort(title, entries)
    _look_inside(parts, found)
    images = [entry for _, entries in found.images for entry in entries]
    tables, refused = _read_tables(parts, found.tables, images)
    raw, layouts, problem = _candidates(found.images, images, tables, reading)
    candidates = list(map(_with_class_names, raw))
    if not problem and not any(item.label for item in candidates[0].items):
        candidates = []
    unused = _unused_tables(found.tables, refused, layouts, candidates[0] if candidates else None)
    if not candidates:
        problem = problem or _why_nothing(images, found.skipped, unused)
    used = set() if problem else {entry.number for entry in found.tables} - unused.keys()
    return Survey(
        title=title,
        images=len(images),
        candidates=tuple(
            replace(candidate, notes=(*candidate.notes, *_notes(candidate, found, refused, unused)))
            for candidate in candidates
        ),
        tables=tuple(layouts),
        skipped=tuple(
            (entry, unused.get(entry.number, reason))
            for entry, reason in found.skipped
            if entry.number not in used
        ),
        ignored=found.ignored,
        problem=problem,
    )


def _why_nothing(
    images: Sequence[Entry], skipped: Sequence[tuple[Entry, Message]], unused: Mapping[int, Message]
) -> Message:
    """Why no class can be read off a source."""
    if not images and skipped:
        [(usual, _)] = Counter(reason for _, reason in skipped).most_common(1)
        name = next(entry.name for entry, reason in skipped if reason == usual)
        return message(
            "None of the {count} files can be used as a photo (for example '{name}': {reason}).",
            count=len(skipped),
            name=name,
            reason=usual,
        )
    for entry, _ in skipped:
        if entry.number in unused:
            return message(
                "Nothing says what the photos show: {table} is {reason}, and there are no class folders.",
                table=entry.name,
                reason=unused[entry.number],
            )
    return message(
        "No images in class folders were found ({images} images, {others} other files); put the images "
        "of each class into a folder with the name of the class, or add a CSV file with the names of the "
        "files in one column and their classes in another.",
        images=len(images),
        others=len(skipped),
    )


@dataclass
class _Found:
    """The entries of a source, sorted by what they are."""

    images: list[tuple[str, list[Entry]]] = field(default_factory=list)
    tables: list[Entry] = field(default_factory=list)
    skipped: list[tuple[Entry, Message]] = field(default_factory=list)
    ignored: int = 0

    def sort(self, title: str, entries: Iterable[Entry]) -> None:
        images = []
        for entry in entries:
            suffix = PurePosixPath(entry.name).suffix.lower()
            if is_junk(entry):
                self.ignored += 1
            elif reason := entry.problem or unfit(entry.name):
                self.skipped.append((entry, reason))
                if suffix in TABLE_SUFFIXES and not entry.problem:
                    self.tables.append(entry)
            else:
                images.append(entry)
        self.images.append((title, images))


def _look_inside(parts: Parts, found: _Found) -> None:
    """Say of files without an ending what they are, if their first bytes tell; only of the first few."""
    nameless = [entry.number for entry, _ in found.skipped if not PurePosixPath(entry.name).suffix]
    kinds = {}
    for entry, file in parts.read(set(nameless[:_LOOKED_INTO])):
        with suppress(ArchiveError):
            kinds[entry.number] = entry.problem or kind_by_start(file.read(START_BYTES))
    found.skipped = [(entry, kinds.get(entry.number) or reason) for entry, reason in found.skipped]


def unfit(name: str) -> Message | None:
    """Return why a file is no candidate, by the ending of its name; None if it is one."""
    return None if PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES else kind_by_name(name)


def _read_tables(
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


def _unused_tables(
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


def _notes(
    candidate: Candidate, found: _Found, refused: Mapping[int, Message], unused: Mapping[int, Message]
) -> list[Message]:
    """What to say of tables, and of class folders, that a person may have meant to be used."""
    notes = [
        message("{table} was left out: {reason}.", table=entry.name, reason=unused[entry.number])
        for entry in found.tables
        if entry.number in refused or (entry.number in unused and len(candidate.classes) < 2)
    ]
    if candidate.table is None:
        tables = {entry.number for entry in found.tables}
        others = ((entry, reason) for entry, reason in found.skipped if entry.number not in tables)
        notes += without_photos(candidate.items, others)
    return notes


def _candidates(
    parts: Sequence[tuple[str, list[Entry]]],
    images: Sequence[Entry],
    tables: Sequence[Table],
    reading: Reading,
) -> tuple[list[Candidate], list[TableLayout], Message | None]:
    """The ways to read the images, what the tables say, and why the first way is not certain."""
    if reading.label:
        items = tuple(Labelled(entry, typed_name(reading.label)) for entry in images)
        title = message("All images are '{name}'", name=reading.label)
        return [Candidate(title=title, reading=reading, items=items)], [], None
    layouts = _table_layouts(tables, images, reading)
    by_table = _by_table(layouts)
    if reading.by_table:
        if by_table:
            return by_table, layouts, _table_problem(layouts)
        raise ArchiveError(_no_table(tables, reading))
    by_folder = _by_folder(parts, reading.root)
    if reading.root or not by_table:
        return by_folder, layouts, _folder_problem(by_folder)
    if len(by_folder[0].classes) < 2:
        return [*by_table, *by_folder], layouts, _table_problem(layouts)
    if len(by_folder) == 1 and layouts[0].certain and _differ(by_folder[0], by_table[0]):
        problem = message(
            "The folders and the table '{table}' say different things of the images; pick the folders with "
            "--root '{root}', or the table with --labels '{table}'.",
            table=by_table[0].reading.labels,
            root=WHOLE,
        )
        folders = replace(by_folder[0], reading=Reading(root=WHOLE))
        return [by_table[0], folders, *by_table[1:]], layouts, problem
    return [*by_folder, *by_table], layouts, _folder_problem(by_folder)


def _with_class_names(candidate: Candidate) -> Candidate:
    items, notes = by_the_rule(candidate.items)
    return replace(candidate, items=items, notes=(*candidate.notes, *notes))


def _no_table(tables: Sequence[Table], reading: Reading) -> Message:
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


def _by_folder(parts: Sequence[tuple[str, list[Entry]]], root: str) -> list[Candidate]:
    """The readings of the folders, each part by itself."""
    filled = [(title, entries) for title, entries in parts if entries]
    if len(filled) < 2:
        entries = filled[0][1] if filled else []
        return [_from_layout(layout) for layout in folder_layouts(entries, root)]
    by_part = [_part_layouts(title, entries, root) for title, entries in filled]
    if root and not any(by_part):
        folder_layouts([entry for _, entries in filled for entry in entries], root)  # says what there is
    # Where one part can be read in several ways, so can the whole: by each of its roots.
    doubtful = next((layouts for layouts in by_part if len(layouts) > 1), None)
    if doubtful is None:
        return [_joined(filled, [layouts[0] if layouts else None for layouts in by_part], root)]
    roots = [layout.root for layout in doubtful]
    return [
        _joined(filled, [_first(_part_layouts(title, entries, root)) for title, entries in filled], root)
        for root in roots
    ]


def _part_layouts(title: str, entries: Sequence[Entry], root: str) -> list[Layout]:
    """The layouts of one part of several; none if it does not have the folder `root`."""
    # Below the title, which `Parts` put in front.
    inner = [
        replace(entry, name=entry.name.removeprefix(f"{title}/") if title else entry.name)
        for entry in entries
    ]
    try:
        return folder_layouts(inner, root)
    except ArchiveError:
        return []


def _first(layouts: Sequence[Layout]) -> Layout | None:
    return layouts[0] if layouts else None


def _joined(
    parts: Sequence[tuple[str, list[Entry]]], layouts: Sequence[Layout | None], root: str
) -> Candidate:
    """The readings of several parts as one. A part without folders is a class of its own name."""
    splits = {split_name(title) for title, _ in parts}
    ready_made = len(splits) == len(parts) and "" not in splits
    items: list[Labelled] = []
    for (title, entries), layout in zip(parts, layouts, strict=True):
        if layout is None:
            reason = message("not inside the folder '{root}'", root=root)
            items.extend(Labelled(entry, "", reason=reason) for entry in entries)
            continue
        flat = bool(title) and not layout.classes and not ready_made
        for entry, item in zip(entries, layout.items, strict=True):
            split = split_name(title) if ready_made and item.label else item.split
            items.append(Labelled(entry, title) if flat else replace(item, entry=entry, split=split))
    titles = [layout.title for layout in layouts if layout is not None]
    combined = titles[0] if len(set(titles)) == 1 else message("One folder or archive per class")
    if ready_made:
        combined = message("A ready-made split, with one archive per part")
    return Candidate(title=combined, reading=Reading(root=root), items=tuple(items))


def _from_layout(layout: Layout) -> Candidate:
    return Candidate(title=layout.title, reading=Reading(root=layout.root), items=layout.items)


def _folder_problem(candidates: Sequence[Candidate]) -> Message | None:
    if len(candidates) < 2:
        return None
    roots = [
        candidate.reading.root
        for candidate in candidates
        if candidate.reading.root not in {WHOLE, EVERY_FOLDER}
    ]
    shared = sorted(
        label for label in candidates[0].classes if any(label in other.classes for other in candidates[1:-2])
    ) or list(candidates[0].classes)
    return message(
        "Several folders hold classes of the same name ({shared}): {roots}; pick one with --root, such as "
        "--root '{first}', or take the classes of all together with --root '{every}', or each inner folder "
        "as "
        "a class of its own with --root '{whole}'.",
        shared=shortened(quoted(shared), _SHOWN),
        roots=shortened(quoted(roots), _SHOWN),
        first=roots[0],
        every=EVERY_FOLDER,
        whole=WHOLE,
    )


def _table_layouts(tables: Sequence[Table], images: Sequence[Entry], reading: Reading) -> list[TableLayout]:
    """Return the tables that name the images, the ones with classes first."""
    chosen = list(tables)
    if reading.labels:
        chosen = [table for table in tables if composed(table.name) == reading.labels] or [
            table for table in tables if composed(PurePosixPath(table.name).name) == reading.labels
        ]
    if not images:
        return []
    layouts = []
    for table in chosen:
        if not reading.labels and not {reading.file_column, reading.label_column} <= {"", *table.columns}:
            continue  # another table may have these columns
        layout = table_layout(
            table, images, file_column=reading.file_column, label_column=reading.label_column
        )
        if layout is not None:
            layouts.append(layout)
    return sorted(layouts, key=lambda layout: (layout.layout is None, not layout.certain))


def _by_table(layouts: Sequence[TableLayout]) -> list[Candidate]:
    """The readings of the tables: each by itself, or, if they are the parts of a split, together."""
    usable = [layout for layout in layouts if layout.layout is not None]
    parts = [split_name(PurePosixPath(layout.table.name).stem) for layout in usable]
    columns = {(layout.file_column, layout.label_columns[0]) for layout in usable}
    if len(usable) > 1 and all(parts) and len(set(parts)) == len(parts) and len(columns) == 1:
        return [_together(usable, parts)]
    return [
        Candidate(
            title=layout.layout.title,
            reading=Reading(
                labels=layout.table.name,
                file_column=layout.file_column,
                label_column=layout.label_columns[0],
            ),
            items=layout.layout.items,
            missing=layout.missing,
            table=layout.table,
        )
        for layout in usable
        if layout.layout is not None
    ]


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
            if listed:
                reason = message("listed in several tables")
            items.append(replace(same[0], label="", split="", reason=reason))
    missing = tuple(name for layout in layouts for name in layout.missing)
    first = layouts[0]
    return Candidate(
        title=message(
            "A ready-made split; the classes in column '{column}' of {tables}",
            column=first.label_columns[0],
            tables=[layout.table.name for layout in layouts],
        ),
        reading=Reading(file_column=first.file_column, label_column=first.label_columns[0]),
        items=tuple(items),
        missing=missing,
        table=first.table,
    )


def _table_problem(layouts: Sequence[TableLayout]) -> Message | None:
    usable = [layout for layout in layouts if layout.layout is not None]
    if len(usable) > 1 and len(_by_table(layouts)) > 1:
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
    return None


def _differ(folders: Candidate, table: Candidate) -> bool:
    """Return whether folders and table disagree on more than a few of the images that both label."""
    both = [
        (one.label, other.label)
        for one, other in zip(folders.items, table.items, strict=True)
        if one.label and other.label
    ]
    # By the grouping, not by the wording: folders may be called by codes.
    pairs = set(both)
    agree = len(pairs) == len({one for one, _ in pairs}) == len({other for _, other in pairs})
    return bool(both) and not agree
