"""Text for the screen: names from outside made harmless, and sentences that several pages say."""

import re
from collections.abc import Mapping, Sequence

import pandas as pd

from vitcore.language import number, percent, tr
from vitcore.report import answer_sentence, nearest_classes
from vitcore.text import spreadsheet

__all__ = [
    "answer_details",
    "answer_headline",
    "confidence_text",
    "download_name",
    "escape_markdown",
    "signed",
    "spreadsheet_of",
]

_PUNCTUATION = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~:$&^=\"'/])")
# Markdown would still turn these into links, icons and emoji after the escapes are gone; a word joiner,
# which nobody sees, keeps them apart.
_LIVELY = re.compile(r"(:)(?=//|[A-Za-z_+-])|(www)(?=\.)|(?<=\S)(@)", re.IGNORECASE)
_NO_FILE_NAME = re.compile(r"[^\w.]+")
_JOINER = "\N{WORD JOINER}"
_SPACE = re.compile("[^\\S\N{NO-BREAK SPACE}]+")  # a number and its unit stay on one line


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


def answer_headline(label: str, reason: str, possible: Sequence[str] = ()) -> str:
    """Return the answer for a photo as Markdown: a class, or that it is not sure and why.

    Args:
        label: The most probable class.
        reason: ``ambiguous``, ``novel`` or nothing, as `vitcore.evaluation.Verdicts.reason` has it.
        possible: The classes that it may be, the most probable first.
    """
    return answer_sentence(
        escape_markdown(label, 40), reason, [escape_markdown(name, 40) for name in possible]
    )


def answer_details(label: str, reason: str, confidence: float, chances: Mapping[str, float]) -> str:
    """Return what stands below an answer in grey, as Markdown: how confident it is, or the nearest classes.

    Args:
        label: The most probable class.
        reason: As for `answer_headline`.
        confidence: The probability of the label.
        chances: Of the classes that it may be, or at least of the label, the most probable first.
    """
    if not reason:
        return confidence_text(confidence)
    shown = {escape_markdown(name, 40): share for name, share in (chances or {label: confidence}).items()}
    return nearest_classes(reason, shown)


def download_name(dataset: str, day: str, what: str) -> str:
    """Return the name of a file that is handed out, which says of what it is and when that was.

    Args:
        dataset: The name of the dataset.
        day: ISO 8601, of which the day is taken.
        what: What is in the file, with the suffix.
    """
    stem = _NO_FILE_NAME.sub("-", dataset).strip("-.")[:60] or "photos"
    return f"{stem}-{day[:10]}-{what}"


def spreadsheet_of(table: pd.DataFrame) -> bytes:
    """Return a table as a CSV file for spreadsheets, names made harmless."""
    return spreadsheet([list(map(str, table.columns)), *table.itertuples(index=False, name=None)])
