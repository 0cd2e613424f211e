"""Text from outside: one rule for the names of classes, and what may be shown, printed or put into a table.

Names come from archives, tables, folders and people, and may hold anything that Unicode has: commands to a
terminal, letters that turn the direction of what follows, characters that no XML file may have. So a name
goes through `class_name` where it comes in, and any other text through `shown` where it goes out.
"""

import csv
import io
import json
import re
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = [
    "MAX_CLASS_NAME",
    "as_meant",
    "class_name",
    "composed",
    "harmless",
    "json_text",
    "likeness",
    "shown",
    "spreadsheet",
    "spreadsheet_rows",
    "unquoted",
    "use_utf8",
]

MAX_CLASS_NAME = 200
"""Most characters that the name of a class may have."""

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

# Controls that are no white space, half characters, turns of the writing direction, annotations, and what
# Unicode calls no characters.
_UNFIT = re.compile(
    "[\0-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069\ufff9-\ufffb\ufdd0-\ufdef"
    + "".join(chr(plane << 16 | end) for plane in range(17) for end in (0xFFFE, 0xFFFF))
    + "]"
)
_WHITE = re.compile(r"\s")
# What takes no room and joins nothing; tags do only behind a black flag, as in that of Wales.
_UNSEEN = re.compile(
    "[\xad\u061c\u180e\u200b\u200e\u200f\u2060-\u2064\u206a-\u206f\ufeff\U000e0001]"
    "|(?<![\U0001f3f4\U000e0020-\U000e007f])[\U000e0020-\U000e007f]+"
)
_JOINERS = re.compile("[\u200c\u200d]+")
_FIRST_JOINED = "\u0590"  # no script before it, and none of Europe, needs a joiner
_VIRAMA = 9  # its canonical combining class
_ACCENTS = re.compile("[\u0300-\u036f\u200c\u200d]")
_FORMULA = re.compile("'*[=+@\t\r\n-]")  # what a cell begins with that a spreadsheet would compute
_QUOTES = {'"': '"', "'": "'", "\N{LEFT DOUBLE QUOTATION MARK}": "\N{RIGHT DOUBLE QUOTATION MARK}"}


def class_name(text: str) -> str:
    """Return the name of a class in the one spelling that it has everywhere.

    Composed characters (NFC), single spaces and none around; no invisible characters, except for joiners
    where a script or an emoji needs them; a replacement character for controls and the like, which no name
    has by right. The result may be empty, or longer than `MAX_CLASS_NAME`: then it is no name.
    """
    text = unicodedata.normalize("NFC", _UNSEEN.sub("", shown(text)))
    text = unicodedata.normalize("NFC", _JOINERS.sub(_needed, text))
    return " ".join(text.split())


def _needed(joiners: re.Match[str]) -> str:
    """Return the joiner that the characters around it need; nothing if they need none."""
    text, (start, end) = joiners.string, joiners.span()
    before, after = text[start - 1 : start], text[end : end + 1]
    between = min(before, after) >= _FIRST_JOINED
    behind_virama = bool(before) and unicodedata.combining(before) == _VIRAMA
    return joiners[0][0] if between or behind_virama else ""


def composed(name: str) -> str:
    """Return a name with composed accents and plain spaces: two programs may write them differently."""
    return name if name.isascii() else " ".join(unicodedata.normalize("NFC", name).split())


def likeness(name: str) -> str:
    """Return what names have in common that differ only in capitals, spaces, accents or width."""
    return "".join(_ACCENTS.sub("", unicodedata.normalize("NFKD", name).casefold()).split())


def shown(text: str) -> str:
    """Return a text on one line that commands no terminal, turns no text around it, and any file can hold."""
    return _UNFIT.sub(_REPLACEMENT, _WHITE.sub(" ", text))


def spreadsheet(rows: Iterable[Sequence[object]]) -> bytes:
    """Return a CSV file that people open in a spreadsheet: UTF-8 with a mark, and no cell is a formula.

    Args:
        rows: The cells; numbers are written as they are, what is no number as nothing.
    """
    return spreadsheet_rows(rows).encode("utf-8-sig", "replace")


def spreadsheet_rows(rows: Iterable[Sequence[object]]) -> str:
    """Return rows to be added to what `spreadsheet` began."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, str):
        return harmless(value)
    return "" if value != value else value  # what is no number is not itself


def harmless(cell: str) -> str:
    """Return a text with an apostrophe in front of what a spreadsheet would take for a formula."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def as_meant(cell: str) -> str:
    """Return what `harmless` was given."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def json_text(value: Any) -> str:
    """Return a value as JSON on one line, where what `shown` replaces is escaped."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return _UNFIT.sub(lambda sign: json.dumps(sign[0])[1:-1], text)


def use_utf8() -> None:
    """Let stdout and stderr speak UTF-8, whatever the system or ``PYTHONIOENCODING`` say."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # not what a notebook, or nobody, listens to
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def unquoted(path: str) -> str:
    """Return a path without the quotes around it, with which some file managers copy it."""
    inner = path.strip()
    return inner[1:-1] if len(inner) > 2 and _QUOTES.get(inner[0]) == inner[-1] else path
