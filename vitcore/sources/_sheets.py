"""Rows of text from spreadsheets and from lines of JSON."""

import io
import json
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from datetime import date, datetime

from vitcore.messages import Message, message

__all__ = ["json_rows", "sheet_rows"]

LIST_SEPARATOR = "|"
_DAMAGED = message("it is damaged, or no Excel workbook (.xlsx); save it as CSV")
_PASSWORD = message("it is protected by a password, or an old Excel file (.xls); save it as CSV")
_OLE = b"\xd0\xcf\x11\xe0"


def sheet_rows(content: bytes, most_bytes: int) -> Iterator[Sequence[str]] | Message:
    """Return the rows of the first sheet of an Excel workbook that has any; or why there are none.

    Args:
        content: The bytes of an ``.xlsx`` file.
        most_bytes: Most bytes that its parts may have when unpacked.

    Raises:
        OverflowError: They have more.
    """
    if content.startswith(_OLE):
        return _PASSWORD
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            unpacked = sum(info.file_size for info in archive.infolist())  # `zipfile` reads no more than that
    except (zipfile.BadZipFile, ValueError, OSError):
        return _DAMAGED
    if unpacked > most_bytes:
        raise OverflowError
    return _sheet_rows(content)


def _sheet_rows(content: bytes) -> Iterator[Sequence[str]] | Message:
    from openpyxl import load_workbook

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its remarks on styles
        try:
            book = load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
            for sheet in book.worksheets:
                sheet.reset_dimensions()  # what the file says of its size is often wrong
                rows = sheet.iter_rows(values_only=True)
                first = next((row for row in rows if any(cell is not None for cell in row)), None)
                if first is not None:
                    return _texts([first], rows)
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - the reader raises anything at all on hostile bytes
            return _DAMAGED
    return message("it has no rows")


def _texts(*parts: Iterator[Sequence[object]] | list[Sequence[object]]) -> Iterator[Sequence[str]]:
    """Yield rows of text.

    Raises:
        ValueError: A part of the file that is only now read is damaged.
    """
    try:
        for rows in parts:
            for row in rows:
                yield [_text(cell) for cell in row]
    except MemoryError:
        raise
    except Exception as error:
        raise ValueError(_DAMAGED) from error


def _text(value: object) -> str:
    """Return what a person sees in a cell, about."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)


def json_rows(text: str) -> Iterator[Sequence[str]] | Message:
    """Return the rows of a text with one JSON object per line, the names of all fields first; or why not."""
    rows: list[dict[str, str]] = []
    fields: dict[str, None] = {}
    for line in text.split("\n"):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except (ValueError, RecursionError):
            return message("line {number} is no JSON object", number=len(rows) + 1)
        if not isinstance(values, dict):
            return message("line {number} is no JSON object", number=len(rows) + 1)
        rows.append({name: _field(value) for name, value in values.items()})
        fields.update(dict.fromkeys(values))
    return iter([list(fields), *([row.get(name, "") for name in fields] for row in rows)])


def _field(value: object) -> str:
    """Return a JSON value as the text of a cell; bars stand between the items of a plain list."""
    if isinstance(value, list) and all(isinstance(item, str | int | float) for item in value):
        return LIST_SEPARATOR.join(map(_text, value))
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return _text(value)
