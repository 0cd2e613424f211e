"""Records on disk: typed, replaced in one step, and one guard for what goes wrong with a disk.

A record is a frozen dataclass of the standard library. `load_record` validates it against its
annotations: a missing value, a value of another type and a number that is not finite are refused. A value
that has a default may be missing, as it is in files of earlier versions; what a record has no field for,
as in files of later versions, is left out. A record whose form has changed brings the values of before
over in a static method ``upgraded``.
"""

import errno
import json
import math
import os
import re
import secrets
import shutil
import sqlite3
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeVar

from safetensors import SafetensorError

from vitcore.errors import StorageError, VitcoreError
from vitcore.messages import Message, cause, mark, message, packed, unpacked

__all__ = [
    "TEMPORARY",
    "Bound",
    "Figure",
    "StoredMessage",
    "Timestamp",
    "array",
    "check_writable",
    "disk_guard",
    "guard",
    "is_disk_fault",
    "load_record",
    "plain_values",
    "read_json",
    "record_of",
    "replacing",
    "save_record",
    "table",
    "timestamp",
    "write_json",
    "write_text",
]

TEMPORARY = ".tmp-"
"""The beginning of the names of unfinished files and folders."""

Record = TypeVar("Record")

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_OS_ERROR = re.compile(r"\(os error (\d+)\)")  # of safetensors
_CUT_SHORT = re.compile(r"\d+ requested and \d+ written")  # of NumPy
_NEXT_TO_NOTHING = 2**16  # bytes


# --- records -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Stored:
    """Marks a value that is something else on disk than in memory.

    Attributes:
        read: From what JSON has; a `ValueError` where that is damaged.
        write: The other way.
    """

    read: Callable[[Any], Any]
    write: Callable[[Any], Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        """Return the schema, for pydantic."""
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(
            self.read, serialization=core_schema.plain_serializer_function_ser_schema(self.write)
        )


def _number_or(missing: float) -> _Stored:
    """Mark a number that JSON has no word for where it is `missing`: it is null on disk."""

    def read(value: Any) -> float:
        if value is None:
            return missing
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError("Input should be a finite number or null")
        return float(value)

    return _Stored(read, lambda value: float(value) if math.isfinite(value) else None)


Figure = Annotated[float, _number_or(math.nan)]
"""A number that is NaN where it is not defined."""

Bound = Annotated[float, _number_or(math.inf)]
"""A number that is infinite where there is none."""

StoredMessage = Annotated[Message, _Stored(unpacked, packed)]
"""A sentence on disk."""


def array(kind: str) -> _Stored:
    """Mark an array that is a list, or a list of lists, on disk.

    Args:
        kind: Its type, such as ``float64``.
    """

    def read(value: Any) -> Any:
        import numpy as np

        found = np.array(value if isinstance(value, list) else None)
        if found.size and not (found.dtype.kind in "iu" or (found.dtype.kind == "f" and kind[0] == "f")):
            raise ValueError(f"Input should be a list of {kind}")
        return found.astype(kind)

    return _Stored(read, lambda value: value.tolist())


def table(kinds: Mapping[str, str]) -> _Stored:
    """Mark a data frame that is lists by column on disk; what is not defined is null in them.

    Args:
        kinds: Of the columns that it has at least: ``str``, ``int``, ``float``, ``bool`` or ``list``.
    """

    def read(value: Any) -> Any:
        import pandas as pd

        found = pd.DataFrame(value)
        for name, kind in kinds.items():
            allowed = _CELLS[kind]
            if name not in found or not all(type(cell) in allowed for cell in value[name]):
                raise ValueError(f"Column {name} should be a list of {kind}")
        numbers = {name: "float64" for name, kind in kinds.items() if kind == "float"}
        return found.astype(numbers)

    return _Stored(read, _write_table)


_CELLS: Mapping[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (float, int, type(None)),
    "bool": (bool,),
    "list": (list,),
}


def _write_table(table: Any) -> dict[str, list[Any]]:
    columns = {name: table[name].astype(object) for name in table}
    return {name: column.where(column.notna(), None).tolist() for name, column in columns.items()}


def _read_time(value: str) -> str:
    datetime.fromisoformat(value)
    return value


Timestamp = Annotated[str, _Stored(_read_time, str)]
"""A time as ISO 8601."""


def load_record(kind: Callable[..., Record], path: Path, remedy: str) -> Record:
    """Read a record from a JSON file.

    Args:
        kind: Its dataclass.
        path: The file.
        remedy: The next step where it is missing or damaged, such as ``train again``.

    Raises:
        StorageError: The file is missing, damaged or not readable.
    """
    with guard(path, remedy):
        return record_of(kind, json.loads(path.read_bytes()))


def save_record(path: Path, record: Any) -> None:
    """Replace a JSON file by a record, in one step.

    Raises:
        StorageError: The disk is full or not writable.
    """
    write_json(path, plain_values(record))


def record_of(kind: Callable[..., Record], values: Any) -> Record:
    """Validate values as JSON has them.

    Raises:
        ValueError: They are no such record; the message says where, in one line.
    """
    from pydantic import ValidationError

    upgraded = getattr(kind, "upgraded", None)
    try:
        if upgraded is not None:
            values = upgraded(values)
        # Only from JSON is a list a tuple, where nothing else passes for something else.
        [record] = _adapter(kind).validate_json(json.dumps([values]))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"][1:]))
        raise ValueError(f"{place}: {first['msg']}" if place else first["msg"]) from error
    except (VitcoreError, LookupError, TypeError, AttributeError) as error:  # of a record that checks itself
        raise ValueError(str(error)) from error
    found: Record = record
    return found


def plain_values(record: Any) -> Any:
    """Turn a record into values as JSON has them; keys are in the order of its fields."""
    kind: Callable[..., Any] = type(record)
    [values] = _adapter(kind).dump_python((record,), mode="json", warnings="error")
    return values


@cache
def _adapter(kind: Hashable) -> Any:
    """The validator of a record; in a tuple, for its strictness to apply to the records in it as well."""
    from pydantic import ConfigDict, TypeAdapter

    config = ConfigDict(strict=True, allow_inf_nan=False, extra="ignore", arbitrary_types_allowed=True)
    return TypeAdapter(tuple[kind], config=config)  # type: ignore[valid-type]


def timestamp() -> str:
    """The time of now as records have it: ISO 8601, UTC, whole seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


# --- files -------------------------------------------------------------------------------------


@contextmanager
def replacing(path: Path, *, flush: bool = True) -> Iterator[Path]:
    """Give a temporary sibling to write, which replaces a file in one step when the block ends.

    A reader, or a crash, sees the old file or the new one. If the block fails, the old one stays.

    Args:
        path: The file.
        flush: Whether to wait until it is on the disk; not worth it for what can be made again.
    """
    temporary = path.with_name(f"{TEMPORARY}{secrets.token_hex(4)}-{path.name}")
    try:
        yield temporary
        if flush:
            with temporary.open("r+b") as file:
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def check_writable(path: Path) -> None:
    """Make sure that a file can be written, before the work whose result it is to hold.

    Raises:
        StorageError: It is a folder, its own folder is missing or not writable, or the disk is full.
    """
    with guard(path):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        probe = path.with_name(f"{TEMPORARY}{secrets.token_hex(4)}-{path.name}")
        probe.write_bytes(b"\0")
        probe.unlink()


def write_text(path: Path, text: str) -> None:
    """Replace a text file in one step.

    Raises:
        StorageError: The disk is full or not writable.
    """
    with guard(path), replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        file.write(text)


def write_json(path: Path, value: Any) -> None:
    """Replace a JSON file in one step.

    Raises:
        StorageError: The disk is full or not writable.
        ValueError: A number is not finite.
    """
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path, remedy: str = mark("delete its folder")) -> Any:
    """The value in a JSON file.

    Raises:
        StorageError: The file is missing, damaged or not readable.
    """
    with guard(path, remedy):
        return json.loads(path.read_bytes())


@contextmanager
def guard(path: Path, remedy: str = "") -> Iterator[None]:
    """Turn what goes wrong with a file into a sentence with the next step.

    Args:
        path: The file or folder that is read or written.
        remedy: What helps where it is missing or damaged; given by those who read it.

    Raises:
        StorageError: The disk is full, the file may not be used, is missing or damaged.
    """
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise _storage_error(path, _plain(error, path), remedy) from error
    except (ValueError, LookupError, TypeError, EOFError, RecursionError, SafetensorError) as error:
        plain = _plain(error, path)
        if isinstance(plain, OSError):
            raise _storage_error(path, plain, remedy) from error
        if not remedy:  # nothing was read that could be damaged
            raise
        raise _damaged(path, error, remedy) from error


@contextmanager
def disk_guard() -> Iterator[None]:
    """Turn into a sentence what only a full or a read-only disk is to blame for, wherever it comes from.

    For those who begin a piece of work; where a file is written, `guard` says which one it is.

    Raises:
        StorageError: The disk is full or read-only.
    """
    try:
        yield
    except (OSError, sqlite3.Error, SafetensorError) as error:
        plain = _plain(error)
        if isinstance(plain, SafetensorError) or not is_disk_fault(error):
            raise
        file = getattr(error, "filename", None)
        raise _storage_error(Path(file) if file else message("The disk"), plain, "") from error


def is_disk_fault(error: BaseException) -> bool:
    """Return whether only a full or a read-only disk is to blame for an error."""
    plain = _plain(error)
    return (
        getattr(plain, "errno", None) in {*_FULL, errno.EROFS}
        or getattr(plain, "sqlite_errorname", "") == "SQLITE_FULL"
    )


_Error = TypeVar("_Error", bound=BaseException)


def _plain(error: _Error, path: Path | None = None) -> _Error | OSError:
    """The error of the operating system behind one of safetensors, NumPy or SQLite; else the error itself.

    Args:
        error: Any.
        path: Where it happened, if that is known.
    """
    number = 0
    if isinstance(error, SafetensorError) and (found := _OS_ERROR.search(str(error))):
        number = int(found[1])
    elif isinstance(error, OSError):
        number = errno.ENOSPC if _CUT_SHORT.match(str(error)) else 0
    elif getattr(error, "sqlite_errorname", "").startswith("SQLITE_IOERR"):
        number = errno.ENOSPC if path and _is_full(path) else 0
    return OSError(number, os.strerror(number)) if number else error


def _is_full(path: Path) -> bool:
    """Return whether next to nothing can be written where a file is, or is to be."""
    folder = next(folder for folder in (path, *path.parents) if folder.exists())
    return shutil.disk_usage(folder).free < _NEXT_TO_NOTHING


def _storage_error(place: Path | Message, error: OSError | sqlite3.Error, remedy: str) -> StorageError:
    """The sentence for an error of the operating system or of SQLite."""
    number, name = getattr(error, "errno", None), getattr(error, "sqlite_errorname", "")
    reason = cause(error)
    if number in _FULL or name == "SQLITE_FULL":
        return StorageError(
            "{path} cannot be written ({reason}); free some space.", path=place, reason=reason
        )
    if number in _FORBIDDEN or name.startswith("SQLITE_READONLY"):
        template = mark("{path} is not writable ({reason}); allow that, or use another folder.")
        if remedy and number != errno.EROFS:
            template = mark("{path} is not readable ({reason}); allow that, or use another folder.")
        return StorageError(template, path=place, reason=reason)
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return _damaged(place, error, remedy or mark("delete it"))
    if remedy and (number == errno.ENOENT or isinstance(error, FileNotFoundError)):
        return StorageError("{path} is missing; {remedy}.", path=place, remedy=message(remedy))
    template = mark("{path} cannot be written ({reason}); try again, or use another folder.")
    if remedy:
        template = mark("{path} cannot be read ({reason}); try again, or check the disk.")
    return StorageError(template, path=place, reason=reason)


def _damaged(place: Path | Message, error: Exception, remedy: str) -> StorageError:
    return StorageError(
        "{path} is damaged ({reason}); {remedy}.", path=place, reason=cause(error), remedy=message(remedy)
    )
