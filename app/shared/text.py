"""Text for the screen: names from outside made harmless, and sentences that several pages say."""

import re
from collections.abc import Sequence

import pandas as pd

from vitcore.language import listed, number, percent, tr
from vitcore.text import spreadsheet

__all__ = ["confidence_text", "doubt_sentence", "escape_markdown", "signed", "spreadsheet_of"]

_PUNCTUATION = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~:$&^=\"'/])")
# Markdown would still turn these into links, icons and emoji after the escapes are gone; a word joiner,
# which nobody sees, keeps them apart.
_LIVELY = re.compile(r"(:)(?=//|[A-Za-z_+-])|(www)(?=\.)|(?<=\S)(@)", re.IGNORECASE)
_JOINER = "\N{WORD JOINER}"
_SPACE = re.compile("[^\\S\N{NO-BREAK SPACE}]+")  # a number and its unit stay on one line

_MOST_NAMES = 5  # of classes between which it is a close call


def escape_markdown(text: str, limit: int = 60) -> str:
    """Return a name from outside for Markdown, which shows it as it is, whatever it contains.

    Args:
        text: For example the name of a class, file or dataset.
        limit: Longer names lose their middle.
    """
    if len(text) > limit:
        half = (limit - 1) // 2
        text = f"{text[:half]}…{text[-half:]}"
    text = _LIVELY.sub(lambda match: match[0] + _JOINER, _SPACE.sub(" ", text).strip())
    return _PUNCTUATION.sub(r"\\\1", text)


def signed(value: float, places: int) -> str:
    """Return a number with its sign, as ``+1.2``; a dash if it is not defined."""
    sign = "\N{MINUS SIGN}" if value < 0 else "+" if value >= 0 else ""
    return f"{sign}{number(abs(value), places)}"


def confidence_text(confidence: float) -> str:
    """Return how confident an answer is."""
    return tr("{share} confident").format(share=percent(confidence))


def doubt_sentence(reason: str, possible: Sequence[str]) -> str:
    """Return why an answer is not sure, for Markdown; empty if it is.

    Args:
        reason: ``ambiguous``, ``novel`` or nothing, as `vitcore.evaluation.Verdicts.reason` has it.
        possible: The classes that it may be, the most probable first.
    """
    if reason == "":
        return ""
    if reason == "novel":
        return tr("Not sure: it is unlike all photos that were learned from.")
    names = [f"**{escape_markdown(name, 40)}**" for name in possible[:_MOST_NAMES]]
    if more := len(possible) - len(names):
        names.append(tr("{count} more").format(count=number(more)))
    return tr("Not sure: a close call between {classes}.").format(classes=listed(names))


def spreadsheet_of(table: pd.DataFrame) -> bytes:
    """Return a table as a CSV file for spreadsheets, names made harmless."""
    return spreadsheet([list(map(str, table.columns)), *table.itertuples(index=False, name=None)])
