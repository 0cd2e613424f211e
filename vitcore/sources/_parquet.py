"""Parquet files with the bytes of images in a column, as the Hugging Face hub keeps them."""

import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from vitcore.errors import ArchiveError
from vitcore.messages import Message, message
from vitcore.sources._archives import MAX_ENTRIES, Entry, Reader, clean_name
from vitcore.sources._encodings import NameEncoding
from vitcore.text import class_name

__all__ = ["ParquetSource"]

_LABELS = ("label", "labels", "class", "category", "target", "fine_label", "coarse_label", "species")
_BATCH = 32  # rows
_MAX_GROUP_BYTES = 4 * 2**30  # of images that are read at once


class ParquetSource:
    """The rows of Parquet files as image files, each in the folder of its part and class.

    Args:
        files: What each file is called, and where it lies.

    Raises:
        ArchiveError: A file is damaged, too large, or has no images.
    """

    encoding: NameEncoding | None = None

    def __init__(self, files: Sequence[tuple[str, Path]]) -> None:
        self.folders: list[str] = []
        self._files = [(path, *_columns(name, path)) for name, path in files]
        self._entries: list[Entry] = []
        for (name, _), (path, image, label, names) in zip(files, self._files, strict=True):
            for place in _places(name, path, (image, label), names):
                self._entries.append(Entry(len(self._entries), place, 0))
            if len(self._entries) > MAX_ENTRIES:
                raise ArchiveError(
                    "The archive has over {most} entries; split it into several.", most=MAX_ENTRIES
                )

    def entries(self) -> list[Entry]:
        """Every row, in order."""
        return self._entries

    def read(self, wanted: set[int]) -> Iterator[tuple[Entry, Reader]]:
        """The wanted rows, opened, in order."""
        number = 0
        for path, image, _, _ in self._files:
            with _reading(path.name), pq.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=_BATCH, columns=[image]):
                    rows = range(number, number + batch.num_rows)
                    number += batch.num_rows
                    if wanted.isdisjoint(rows):
                        continue
                    for row, value in zip(rows, batch.column(0).to_pylist(), strict=True):
                        if row in wanted:
                            content = value.get("bytes") if isinstance(value, dict) else value
                            yield self._entries[row], io.BytesIO(content or b"")

    def close(self) -> None:
        """Nothing is open between reads."""


def _places(name: str, path: Path, columns: tuple[str, str], names: Sequence[str]) -> Iterator[str]:
    """Yield a name for each row: the folders of its part and class, its number, and what it was called."""
    image, label = columns
    part = PurePosixPath(name).stem.partition("-")[0]
    with _reading(name), pq.ParquetFile(path) as file:
        rows = file.metadata.num_rows
        labels = file.read(columns=[label]).column(0).to_pylist() if label else [""] * rows
        stored: list[Any] = [None] * rows
        if any(field.name == "path" for field in _fields(file.schema_arrow.field(image).type)):
            stored = file.read(columns=[f"{image}.path"]).column(0).to_pylist()
    for row, (value, found) in enumerate(zip(labels, stored, strict=True)):
        given = found.get("path") if isinstance(found, dict) else None
        base = PurePosixPath(clean_name(str(given))).name if given else f"{row:06}.png"
        place = (part, _class_of(value, names), f"{row:06} {base}")
        yield "/".join(filter(None, place))


def _fields(kind: pa.DataType) -> list[pa.Field]:
    return list(kind) if pa.types.is_struct(kind) else []


def _class_of(value: object, names: Sequence[str]) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(names):
        value = names[value]
    return "" if value is None else class_name(str(value)).replace("/", "-")


def _columns(name: str, path: Path) -> tuple[str, str, list[str]]:
    """The column of the images, that of the classes if there is one, and the names of numbered classes.

    Raises:
        ArchiveError: There are no images, or the file is damaged or too large.
    """
    with _reading(name), pq.ParquetFile(path) as file:
        schema, facts = file.schema_arrow, file.metadata
        sizes = [facts.row_group(group).total_byte_size for group in range(facts.num_row_groups)]
    if sizes and max(sizes) > _MAX_GROUP_BYTES:
        raise ArchiveError(
            "{name} has too much in one group of rows; write it again in smaller ones.", name=name
        )
    images = [field.name for field in schema if _holds_images(field.type)]
    if not images:
        raise ArchiveError("{name} is a Parquet file without a column of images (bytes).", name=name)
    features = _features(schema)
    labels = [field for field in schema.names if "names" in features.get(field, {})]
    labels += [field for field in schema.names if field.lower() in _LABELS]
    label = labels[0] if labels else ""
    return images[0], label, [str(item) for item in features.get(label, {}).get("names", [])]


def _holds_images(kind: pa.DataType) -> bool:
    if any(field.name == "bytes" for field in _fields(kind)):
        return True
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _features(schema: pa.Schema) -> dict[str, dict[str, Any]]:
    """What the Hugging Face hub writes of each column."""
    try:
        written = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return {name: about for name, about in written.items() if isinstance(about, dict)}
    except (KeyError, ValueError, TypeError, AttributeError):
        return {}


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """Say of whatever goes wrong in the block that `name` is damaged."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        reason: Message = message("{name} is damaged ({error}); make the file again.", name=name, error=error)
        raise ArchiveError(reason) from error
