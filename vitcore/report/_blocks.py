"""What a report is made of; the template knows how to draw each kind."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from markupsafe import Markup

__all__ = [
    "Block",
    "Code",
    "Column",
    "Figure",
    "Flow",
    "Gallery",
    "Headline",
    "Items",
    "Paragraph",
    "Section",
    "Subtitle",
    "Table",
    "Tile",
]


@dataclass(frozen=True)
class Paragraph:
    """One or more sentences.

    Attributes:
        text: As it is, never markup.
        style: ``lead`` for the one sentence that counts, ``note`` for something to mind, ``small``.
    """

    kind: ClassVar = "paragraph"
    text: str
    style: Literal["", "lead", "note", "small"] = ""


@dataclass(frozen=True)
class Subtitle:
    """The title of a part of a section."""

    kind: ClassVar = "subtitle"
    text: str


@dataclass(frozen=True)
class Items:
    """A list of sentences."""

    kind: ClassVar = "items"
    texts: Sequence[str]


@dataclass(frozen=True)
class Headline:
    """Figures in large type: label, value, and a few words below."""

    kind: ClassVar = "headline"
    figures: Sequence[tuple[str, str, str]]


@dataclass(frozen=True)
class Flow:
    """Steps from left to right: what it is, and a few words on it."""

    kind: ClassVar = "flow"
    steps: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Column:
    """A column of a table; numbers stand to the right."""

    title: str
    is_number: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of texts.

    Attributes:
        columns: One per text of a row.
        rows: The texts.
        caption: What the table shows.
        beside: In how many parts the rows stand side by side, where there is room.
    """

    kind: ClassVar = "table"
    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    beside: int = 1

    @property
    def parts(self) -> list[Sequence[Sequence[str]]]:
        """The rows, in as many parts."""
        length = -(-len(self.rows) // self.beside) or 1
        return [self.rows[start : start + length] for start in range(0, len(self.rows), length)]


@dataclass(frozen=True)
class Figure:
    """A chart.

    Attributes:
        svg: The drawing.
        title: What it shows.
        caption: How to read it.
    """

    kind: ClassVar = "figure"
    svg: Markup
    title: str
    caption: str = ""


@dataclass(frozen=True)
class Tile:
    """A picture with an answer below it.

    Attributes:
        pictures: As data URIs, with what each shows for those who do not see it.
        answer: What it was taken for, and how surely.
        truth: What it is.
        right: Whether the two agree.
    """

    pictures: Sequence[tuple[str, str]]
    answer: str
    truth: str
    right: bool


@dataclass(frozen=True)
class Gallery:
    """Pictures, four in a row; in pairs, two."""

    kind: ClassVar = "gallery"
    tiles: Sequence[Tile]
    paired: bool = False


@dataclass(frozen=True)
class Code:
    """Something to be typed."""

    kind: ClassVar = "code"
    text: str


Block = Paragraph | Subtitle | Items | Headline | Flow | Table | Figure | Gallery | Code


@dataclass(frozen=True)
class Section:
    """A section with its title.

    Attributes:
        anchor: Its place in the file.
        title: For people.
        blocks: In their order.
    """

    anchor: str
    title: str
    blocks: Sequence[Block]
