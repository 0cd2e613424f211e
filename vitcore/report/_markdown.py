"""Blocks as Markdown, such as a model card."""

import re
from collections.abc import Iterable, Sequence
from typing import assert_never

from vitcore.report._blocks import (
    Block,
    Cell,
    Chart,
    Code,
    Flow,
    Gallery,
    Heading,
    Headline,
    Items,
    Paragraph,
    Section,
    Table,
)

__all__ = ["markdown_of"]

_LIVE = re.compile(
    r"""
    [\\`*_\[\]<>|~$\#]                      # emphasis, links, tags, cells, formulas, references
    | &(?=\#?\w+;)                          # entities
    | :(?=//|\w+:) | (?<=www)\. | @(?=\w)   # addresses, icons and people
    | ^[-+=](?=\s|[-+=]|$) | (?<=^\d)[.)](?=\s|$)   # lists and lines at the beginning
    """,
    re.VERBOSE | re.IGNORECASE,
)


def markdown_of(title: str, opening: Block, sections: Iterable[Section]) -> str:
    """Write sections below a title and what opens them; all texts are shown as they are."""
    parts = [f"# {_escaped(title)}", _written(opening)]
    for section in sections:
        parts.append(f"## {_escaped(section.title)}")
        parts += [_written(block) for block in section.blocks]
    return "\n\n".join(parts) + "\n"


def _written(block: Block) -> str:
    match block:
        case Paragraph(text, style):
            return f"**{_escaped(text)}**" if style == "lead" else _escaped(text)
        case Heading(text):
            return f"### {_escaped(text)}"
        case Items(texts):
            return _list(map(_escaped, texts))
        case Headline(figures):
            return _list(
                f"{_escaped(label)}: {_cell(value)}. {_escaped(words)}" for label, value, words in figures
            )
        case Flow(steps):
            return _list(f"{_escaped(name)}: {_escaped(words)}" for name, words in steps)
        case Table():
            return _table(block)
        case Chart():  # Markdown has none
            return _escaped(" ".join(filter(None, (f"{block.title}.", block.caption))))
        case Gallery(tiles):
            return _list(f"{_escaped(tile.answer)}: {_escaped(tile.truth)}" for tile in tiles)
        case Code(text, language):
            fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", text))])
            return f"{fence}{language}\n{text}\n{fence}"
        case _:
            assert_never(block)


def _table(block: Table) -> str:
    rules = ["---:" if block.is_number(column) else "---" for column in range(len(block.header))]
    lines = [_row(block.header), f"| {' | '.join(rules)} |", *map(_row, block.rows)]
    return "\n".join([*([f"{_escaped(block.caption)}\n"] if block.caption else []), *lines])


def _row(cells: Sequence[Cell]) -> str:
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(cell: Cell) -> str:
    return _escaped(str(cell))


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _escaped(text: str) -> str:
    """A text on one line, shown as it is."""
    return _LIVE.sub(r"\\\g<0>", re.sub(r"[ \t\r\n\f\v]+", " ", text).strip())
