"""Survey of a source, from names and tables alone, before anything is imported."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from vitcore.errors import ArchiveError
from vitcore.layouts._boxes import Boxes, box_problem, box_readings, read_boxes
from vitcore.layouts._by_table import (
    CLASS_FILE,
    classes_beside,
    no_table,
    read_tables,
    table_layouts,
    table_problem,
    table_readings,
    unused_tables,
)
from vitcore.layouts._classes import by_the_rule, typed_name, without_photos
from vitcore.layouts._folders import (
    EVERY_FOLDER,
    WHOLE,
    Labelled,
    Layout,
    are_parts,
    folder_layouts,
    split_name,
)
from vitcore.layouts._in_names import named_reading, named_readings, names_problem
from vitcore.layouts._reading import Candidate, Reading, Survey
from vitcore.layouts._synsets import read_synsets
from vitcore.layouts._table import TableLayout
from vitcore.layouts._unlabelled import with_unlabelled
from vitcore.messages import Message, message, quoted, shortened
from vitcore.sources import (
    ENCODINGS,
    IMAGE_SUFFIXES,
    START_BYTES,
    TABLE_SUFFIXES,
    VIDEO_SUFFIXES,
    Entry,
    NameEncoding,
    Parts,
    Table,
    is_junk,
    kind_by_name,
    kind_by_start,
)
from vitcore.text import composed

__all__ = ["is_video", "survey_parts", "unfit"]

_LOOKED_INTO = 100
_NO_FRAMES = message("a video; with --frames SECONDS, pictures of it are taken at that interval")
_KEPT = ("encoding", "pages", "frames", "alike")  # of what is asked for, whatever the layout
_SHOWN = 5  # names in a sentence


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
    found = _Found(videos=bool(reading.frames), encoding=parts.encoding, empty_folders=parts.empty_folders())
    for title, entries in parts.parts():
        found.sort(title, entries)
    _look_inside(parts, found)
    images = [entry for _, entries in found.images for entry in entries]
    tables, refused = read_tables(parts, found.tables, images)
    beside = classes_beside(parts, found.class_files())
    tables += [beside] if beside is not None else []
    synsets = read_synsets(parts, [entry for entry, _ in found.skipped], images)
    boxes = read_boxes(parts, [entry for entry, _ in found.skipped], images)
    raw, layouts, problem = _candidates(found.images, images, tables, boxes, reading)
    raw = [synsets.renamed(candidate) for candidate in raw]
    candidates = [_with_class_names(candidate, reading) for candidate in raw]
    if not problem and not any(item.label for item in candidates[0].items):
        candidates = []
    candidates = [candidate for candidate in candidates if candidate.classes] or candidates
    if candidates and candidates[0].reading.names and not reading.names:
        candidates += with_unlabelled([], images, wanted=reading)
    unused = unused_tables(found.tables, refused, layouts, candidates[0] if candidates else None)
    if reading.unlabelled and images:
        problem = None if not candidates else problem
        candidates = with_unlabelled(candidates, images, wanted=reading)
    elif not candidates and images:
        problem = problem or _why_nothing(images, found.skipped, unused)
        candidates = with_unlabelled([], images, wanted=reading)
    if not candidates:
        problem = problem or _why_nothing(images, found.skipped, unused)
    used = set() if problem else {entry.number for entry in found.tables} - unused.keys()
    if candidates and candidates[0].table is not None and candidates[0].table is beside:
        used |= {entry.number for entry in found.class_files()}
    if candidates and boxes is not None and candidates[0].reading.boxes:
        used |= boxes.files
    if synsets.names:
        used |= {entry.number for entry, _ in found.skipped if entry.name == synsets.file}
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
        encoding=parts.encoding,
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
        "files in one column and their classes in another, or import them without labels (--unlabelled), to "
        "label them here.",
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
    videos: bool = False  # whether they are taken for images
    encoding: NameEncoding | None = None
    empty_folders: list[tuple[str, ...]] = field(default_factory=list)

    def sort(self, title: str, entries: Iterable[Entry]) -> None:
        images = []
        for entry in entries:
            suffix = PurePosixPath(entry.name).suffix.lower()
            if is_junk(entry):
                self.ignored += 1
            elif reason := entry.problem or self._unfit(entry.name):
                self.skipped.append((entry, reason))
                if suffix in TABLE_SUFFIXES and not entry.problem:
                    self.tables.append(entry)
            else:
                images.append(entry)
        self.images.append((title, images))

    def _unfit(self, name: str) -> Message | None:
        if not is_video(name):
            return unfit(name)
        return None if self.videos else _NO_FRAMES

    def class_files(self) -> list[Entry]:
        """The files that hold the class of the image of the same name."""
        return [
            entry
            for entry, _ in self.skipped
            if entry.name.lower().endswith(CLASS_FILE) and not entry.problem
        ]


def _look_inside(parts: Parts, found: _Found) -> None:
    """Say of files without an ending what they are, if their first bytes tell; only of the first few."""
    nameless = [entry.number for entry, _ in found.skipped if not PurePosixPath(entry.name).suffix]
    kinds = {}
    for entry, file in parts.read(set(nameless[:_LOOKED_INTO])):
        with suppress(ArchiveError):
            kinds[entry.number] = entry.problem or kind_by_start(file.read(START_BYTES))
    found.skipped = [(entry, kinds.get(entry.number) or reason) for entry, reason in found.skipped]


def is_video(name: str) -> bool:
    """Return whether a file is a video, by the ending of its name."""
    return name.lower().endswith(VIDEO_SUFFIXES)


def unfit(name: str) -> Message | None:
    """Return why a file is no candidate, by the ending of its name; None if it is one."""
    return None if PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES else kind_by_name(name)


def _notes(
    candidate: Candidate, found: _Found, refused: Mapping[int, Message], unused: Mapping[int, Message]
) -> list[Message]:
    """What to say of tables, and of class folders, that a person may have meant to be used."""
    notes = [
        message("{table} was left out: {reason}.", table=entry.name, reason=unused[entry.number])
        for entry in found.tables
        if entry.number in refused or (entry.number in unused and len(candidate.classes) < 2)
    ]
    if candidate.table is None and not candidate.reading.boxes:
        tables = {entry.number for entry in found.tables}
        others = ((entry, reason) for entry, reason in found.skipped if entry.number not in tables)
        notes += without_photos(candidate.items, others, found.empty_folders)
    if found.encoding is not None and found.encoding.encoding != "utf-8":
        notes.append(
            message(
                "The archive does not say how its names are encoded. They were read as {encoding}: {names}.",
                encoding=ENCODINGS[found.encoding.encoding],
                names=quoted(found.encoding.examples),
            )
        )
    return notes


def _candidates(
    parts: Sequence[tuple[str, list[Entry]]],
    images: Sequence[Entry],
    tables: Sequence[Table],
    boxes: Boxes | None,
    reading: Reading,
) -> tuple[list[Candidate], list[TableLayout], Message | None]:
    """The ways to read the images, what the tables say, and why the first way is not certain."""
    if reading.label:
        items = tuple(Labelled(entry, typed_name(reading.label)) for entry in images)
        title = message("All images are '{name}'", name=reading.label)
        return [Candidate(title=title, reading=reading, items=items)], [], None
    if reading.names or reading.boxes:
        return [_asked_for(images, boxes, reading)], [], None
    layouts = table_layouts(tables, images, reading)
    by_table = table_readings(layouts, reading.several)
    if reading.by_table:
        if by_table:
            return by_table, layouts, table_problem(layouts, reading.several)
        raise ArchiveError(no_table(tables, reading))
    by_folder = _by_folder(parts, reading.root)
    if reading.root or not by_table:
        plain = reading.root or reading.unlabelled or len(by_folder[0].classes) > 1
        offers, problem = ([], None) if plain else _offers(images, boxes)
        return [*offers, *by_folder], layouts, problem or _folder_problem(by_folder)
    if len(by_folder[0].classes) < 2 or are_parts(by_folder[0].classes):
        return [*by_table, *by_folder], layouts, table_problem(layouts, reading.several)
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


def _asked_for(images: Sequence[Entry], boxes: Boxes | None, reading: Reading) -> Candidate:
    """The reading of boxes, or of the names of files, that was asked for.

    Raises:
        ArchiveError: There are no boxes.
    """
    if reading.names:
        return named_reading(images, reading.names)
    found = [] if boxes is None else box_readings(boxes, images, reading.boxes)
    if not found:
        raise ArchiveError(
            "No boxes were found; --boxes needs YOLO, COCO or Pascal VOC files beside the photos."
        )
    return found[0]


def _offers(images: Sequence[Entry], boxes: Boxes | None) -> tuple[list[Candidate], Message | None]:
    """The readings to ask about where no folder and no table has classes, and the question."""
    if boxes is not None:
        return box_readings(boxes, images, ""), box_problem(boxes)
    by_name = named_readings(images)
    return by_name, names_problem(by_name[0]) if by_name else None


def _with_class_names(candidate: Candidate, reading: Reading) -> Candidate:
    """Give classes their names, and the reading what else was asked for."""
    items, notes = by_the_rule(candidate.items, reading.alike)
    own = replace(candidate.reading, **{name: getattr(reading, name) for name in _KEPT})
    return replace(candidate, reading=own, items=items, notes=(*candidate.notes, *notes))


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
