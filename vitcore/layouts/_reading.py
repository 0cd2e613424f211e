"""What is found in a source: the ways to read it, and the one that is chosen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from vitcore.errors import ArchiveError
from vitcore.layouts._classes import alike_names
from vitcore.layouts._folders import Labelled, Layout
from vitcore.layouts._table import TableLayout
from vitcore.messages import NOTHING, Message
from vitcore.sources import Entry, NameEncoding, Table

__all__ = ["Candidate", "Reading", "Survey"]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The way to read the classes off a source; what is empty is inferred.

    Attributes:
        root: A folder below which alone to look; ``*`` for the classes of all top folders together;
            ``.`` for the whole path as name of the class.
        labels: Name of the table (a CSV file in the source) that says which file is what.
        file_column: Its column with the names of the files.
        label_column: Its column with the classes; ``*`` for one column of 0 and 1 per class.
        several: For photos with several labels, ``leave-out``, or ``keep`` for each text as a class.
        label: The class of all images, whatever folder they are in.
        unlabelled: Whether images without a class are kept, to be labelled later.
        names: For classes in the names of files, ``words`` for all words without numbers, ``first`` for the
            first of them.
        boxes: For boxes around objects, ``label`` if their class is that of the photo, ``crop`` if each box
            is a photo.
        encoding: That of names in zip files that do not say theirs, one of `vitcore.sources.ENCODINGS`.
        pages: ``every`` if each page or frame of a file is a photo, and not only the first.
        frames: Seconds between the pictures that are taken of a video, as text; none are taken if empty.
        alike: ``merge`` if classes whose names differ only in capitals or spaces are one.
    """

    root: str = ""
    labels: str = ""
    file_column: str = ""
    label_column: str = ""
    label: str = ""
    unlabelled: bool = field(default=False, repr=False)
    several: str = ""
    names: str = ""
    boxes: str = ""
    encoding: str = ""
    pages: str = ""
    frames: str = ""
    alike: str = ""

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

    @cached_property
    def alike(self) -> tuple[tuple[str, ...], ...]:
        """The classes whose names differ only in capitals or spaces, those of each group together."""
        return alike_names(self.classes)

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
        encoding: How names were read that do not say their encoding; None where there are none.
    """

    title: str
    images: int
    candidates: tuple[Candidate, ...]
    tables: tuple[TableLayout, ...]
    skipped: tuple[tuple[Entry, Message], ...]
    ignored: int
    problem: Message | None
    encoding: NameEncoding | None = None

    def certain(self) -> Candidate:
        """The only possible reading, or the one that was asked for.

        Raises:
            ArchiveError: There are several, or none; the message names them and how to pick one.
        """
        if self.problem is not None:
            raise ArchiveError(self.problem)
        return self.candidates[0]
