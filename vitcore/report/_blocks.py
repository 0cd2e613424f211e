"""The blocks of a report, a model card and a page of figures.

Blocks are data: pure functions make them of a run, in the language of now, and a renderer turns them into
HTML, Markdown or elements of a page. Their texts are never markup; each renderer escapes them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from vitcore.language import decimals, duration, number, percent, tr

if TYPE_CHECKING:  # takes half a second to import
    import altair as alt

__all__ = [
    "Block",
    "Cell",
    "Chart",
    "Code",
    "Figure",
    "Flow",
    "Gallery",
    "Heading",
    "Headline",
    "Interval",
    "Items",
    "Paragraph",
    "Section",
    "Table",
    "Tile",
]

Unit = Literal["share", "score", "count", "seconds"]

_WRITTEN = {"share": percent, "score": decimals, "count": number, "seconds": duration}


@dataclass(frozen=True)
class Interval:
    """From one number to another, such as a 95 % interval; written as nothing where it is not defined."""

    low: float
    high: float
    unit: Unit

    def __str__(self) -> str:
        """Return it as people write it, in the language of now."""
        if math.isnan(self.low):
            return ""
        low, high = (_WRITTEN[self.unit](bound) for bound in (self.low, self.high))
        return tr("{low} to {high}").format(low=low, high=high)


@dataclass(frozen=True)
class Figure:
    """A number that people read, and its 95 % interval where it has one.

    Attributes:
        value: The number, of a share between 0 and 1.
        unit: What it counts, which decides how it is written.
        low: Lower end of the interval; NaN if there is none.
        high: Upper end.
    """

    value: float
    unit: Unit
    low: float = math.nan
    high: float = math.nan

    def __str__(self) -> str:
        """Return it as people write it, in the language of now."""
        return _WRITTEN[self.unit](self.value)

    @property
    def interval(self) -> Interval:
        """The interval, written alike."""
        return Interval(self.low, self.high, self.unit)


Cell = str | Figure | Interval


@dataclass(frozen=True)
class Paragraph:
    """One or more sentences.

    Attributes:
        text: As it is.
        style: ``lead`` for the one sentence that counts, ``note`` for something to mind, ``warning`` for
            what makes a figure wrong, ``small``.
    """

    text: str
    style: Literal["", "lead", "note", "warning", "small"] = ""


@dataclass(frozen=True)
class Heading:
    """The title of a part of a section."""

    text: str


@dataclass(frozen=True)
class Items:
    """A list of sentences."""

    texts: Sequence[str]


@dataclass(frozen=True)
class Headline:
    """Figures in large type: label, value, and a few words on it."""

    figures: Sequence[tuple[str, Cell, str]]


@dataclass(frozen=True)
class Flow:
    """Steps from left to right: what it is, and a few words on it."""

    steps: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Table:
    """Rows of cells.

    Attributes:
        header: The titles of the columns.
        rows: One cell for each column.
        caption: What the table shows.
        beside: In how many parts the rows stand side by side, where there is room.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    caption: str = ""
    beside: int = 1

    def is_number(self, column: int) -> bool:
        """Return True if a column holds nothing but numbers and intervals, which stand to the right."""
        return bool(self.rows) and not any(isinstance(row[column], str) for row in self.rows)

    @property
    def parts(self) -> list[Sequence[Sequence[Cell]]]:
        """The rows, in as many parts as stand side by side."""
        length = -(-len(self.rows) // self.beside) or 1
        return [self.rows[start : start + length] for start in range(0, len(self.rows), length)]


@dataclass(frozen=True, eq=False)
class Chart:
    """A chart.

    Attributes:
        chart: One of `vitcore.charts`.
        title: What it shows.
        caption: How to read it.
        height: Of what the axes enclose, in pixels; the chart's own if not given.
        fitted: Whether it is made as wide as the page, or stays as wide as it is.
    """

    chart: "alt.LayerChart"
    title: str
    caption: str = ""
    height: int | None = None
    fitted: bool = True


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

    tiles: Sequence[Tile]
    paired: bool = False


@dataclass(frozen=True)
class Code:
    """Something to be typed, or read by a program; the language is that of a highlighter."""

    text: str
    language: str = ""


Block = Paragraph | Heading | Items | Headline | Flow | Table | Chart | Gallery | Code


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
