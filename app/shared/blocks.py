"""Blocks of `vitcore.report` as elements of a page."""

from collections.abc import Iterable
from functools import singledispatch
from typing import Any

import pandas as pd
import streamlit as st

from app.shared.layout import draw_metrics
from app.shared.text import escape_markdown
from vitcore.report import (
    Block,
    Cell,
    Chart,
    Code,
    Figure,
    Flow,
    Gallery,
    Heading,
    Headline,
    Items,
    Paragraph,
    Table,
)

__all__ = ["draw_blocks"]


def draw_blocks(blocks: Iterable[Block]) -> None:
    """Draw blocks below each other; all texts are shown as they are, whatever they contain."""
    for block in blocks:
        _draw(block)


@singledispatch
def _draw(block: Block) -> None:
    raise NotImplementedError(type(block).__name__)


@_draw.register
def _paragraph(block: Paragraph) -> None:
    text = _escaped(block.text)
    match block.style:
        case "lead":
            st.markdown(f"#### {text}")
        case "note":
            st.info(text, icon=":material/info:")
        case "warning":
            st.warning(text, icon=":material/warning:")
        case "small":
            st.caption(text)
        case "":
            st.markdown(text)


@_draw.register
def _heading(block: Heading) -> None:
    st.subheader(_escaped(block.text), anchor=False)


@_draw.register
def _items(block: Items) -> None:
    st.markdown("\n".join(f"- {_escaped(text)}" for text in block.texts))


@_draw.register
def _headline(block: Headline) -> None:
    draw_metrics((label, str(value), meaning) for label, value, meaning in block.figures)


@_draw.register
def _flow(block: Flow) -> None:
    st.markdown("\n".join(f"1. **{_escaped(name)}**: {_escaped(words)}" for name, words in block.steps))


@_draw.register
def _chart(block: Chart) -> None:
    st.markdown(f"**{_escaped(block.title)}**")
    st.altair_chart(block.chart, width="stretch" if block.fitted else "content", alt=block.title)
    if block.caption:
        st.caption(_escaped(block.caption))


@_draw.register
def _gallery(block: Gallery) -> None:
    with st.container(horizontal=True, gap="small"):
        for tile in block.tiles:
            with st.container(width=150, gap="xsmall"):
                for picture, alt in tile.pictures:
                    st.image(picture, width="stretch", alt=alt)
                st.caption(f"**{_escaped(tile.answer)}**  \n{_escaped(tile.truth)}")


@_draw.register
def _code(block: Code) -> None:
    st.code(block.text, block.language or None)


@_draw.register
def _table(block: Table) -> None:
    """With numbers that can be sorted and compared where a column has one kind of them, else as text."""
    if block.caption:
        st.caption(_escaped(block.caption))
    columns = list(zip(*block.rows, strict=True))
    units = [_unit(cells) for cells in columns]
    if not any(units):
        texts = [[_escaped(str(cell)) for cell in row] for row in block.rows]
        st.table(pd.DataFrame(texts, columns=list(block.header)), border="horizontal", hide_index=True)
        return
    st.dataframe(
        pd.DataFrame(
            {
                title: [_number(cell) if unit and isinstance(cell, Figure) else str(cell) for cell in cells]
                for title, unit, cells in zip(block.header, units, columns, strict=True)
            }
        ),
        hide_index=True,
        column_config={
            title: _column(title, unit) for title, unit in zip(block.header, units, strict=True) if unit
        },
    )


def _unit(cells: Iterable[Cell]) -> str:
    """Of the numbers of a column that are shown as such: shares or counts."""
    units = {cell.unit if isinstance(cell, Figure) else "" for cell in cells}
    return units.pop() if units in ({"share"}, {"count"}) else ""


def _number(figure: Figure) -> float:
    """Return a figure for a column of numbers; a share to a tenth of a percent, as everywhere."""
    return round(figure.value, 3) if figure.unit == "share" else figure.value


def _column(title: str, unit: str) -> Any:
    if unit == "share":
        return st.column_config.ProgressColumn(title, min_value=0, max_value=1, format="percent")
    return st.column_config.NumberColumn(title)


def _escaped(text: str) -> str:
    return escape_markdown(text, len(text))
