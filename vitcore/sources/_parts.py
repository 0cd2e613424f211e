"""Archives, folders and single files as one source."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from vitcore.errors import ArchiveError
from vitcore.sources._archives import Entry, Reader, Source, Watch, clean_name, open_files, open_source
from vitcore.sources._encodings import NameEncoding
from vitcore.sources._kinds import ARCHIVES, IMAGE_SUFFIXES, PARQUET_SUFFIX
from vitcore.text import unquoted

__all__ = ["NamedFile", "Parts", "open_parts", "typed_path"]


@dataclass(frozen=True)
class NamedFile:
    """A file that lies on the disk under another name than its own, after an upload say.

    Attributes:
        name: Its own name, with folders if it has any; text, never used as a path.
        path: Where it lies.
    """

    name: str
    path: Path


class Parts:
    """Several sources as one: entries numbered through, names of all but the first kind prefixed."""

    def __init__(self, parts: Sequence[tuple[str, Source]]) -> None:
        self._parts = parts
        self._starts: list[int] = []
        self._entries: list[list[Entry]] = []
        start = 0
        for title, source in parts:
            entries = [self._numbered(entry, start, title) for entry in source.entries()]
            self._starts.append(start)
            self._entries.append(entries)
            start += len(entries)

    def _numbered(self, entry: Entry, start: int, title: str) -> Entry:
        name = f"{title}/{entry.name}" if title and len(self._parts) > 1 else entry.name
        return replace(entry, number=start + entry.number, name=name)

    @property
    def encoding(self) -> NameEncoding | None:
        """How names were read that do not say their encoding; of the first archive with such."""
        return next((source.encoding for _, source in self._parts if source.encoding is not None), None)

    def empty_folders(self) -> list[tuple[str, ...]]:
        """The folders without a file in them or below."""
        filled = {
            entry.parts[:end]
            for entries in self._entries
            for entry in entries
            for end in range(len(entry.parts))
        }
        found = []
        for title, source in self._parts:
            front = (title,) if title and len(self._parts) > 1 else ()
            for folder in source.folders:
                path = (*front, *(part for part in folder.split("/") if part not in {"", ".", ".."}))
                if path and path not in filled:
                    found.append(path)
        return found

    def parts(self) -> Iterator[tuple[str, list[Entry]]]:
        """The title and the entries of each part."""
        for (title, _), entries in zip(self._parts, self._entries, strict=True):
            yield title, entries

    def read(self, wanted: set[int]) -> Iterator[tuple[Entry, Reader]]:
        """The wanted entries, opened, in order; use each before the next."""
        for (title, source), start, entries in zip(self._parts, self._starts, self._entries, strict=True):
            mine = {number - start for number in wanted if start <= number < start + len(entries)}
            if mine:
                for entry, file in source.read(mine):
                    yield self._numbered(entry, start, title), file


@contextmanager
def open_parts(
    sources: Sequence[str | Path | NamedFile], encoding: str = "", watch: Watch | None = None
) -> Iterator[Parts]:
    """Open archives, folders and single files as one source.

    Args:
        sources: Where they are.
        encoding: That of names in zip files that do not say theirs; guessed if empty.
        watch: Is called while a list of files is read.

    Raises:
        ArchiveError: One of them cannot be read.
        SettingsError: There is no such encoding.
    """
    with ExitStack() as stack:
        parts: list[tuple[str, Source]] = []
        loose: list[tuple[str, Path]] = []
        for item in sources:
            named = item if isinstance(item, NamedFile) else _named(item)
            is_archive = named.name.lower().endswith(tuple(ARCHIVES)) and "/" not in named.name
            alone = len(sources) == 1 and not isinstance(item, NamedFile)
            tables = _parquet_files(named)
            if tables:
                from vitcore.sources._parquet import ParquetSource

                parts.append((PurePosixPath(clean_name(named.name)).stem, ParquetSource(tables)))
            elif named.path.is_dir() or alone or is_archive:
                title = PurePosixPath(clean_name(named.name)).name
                title = title if named.path.is_dir() else title.partition(".")[0]
                parts.append((title, stack.enter_context(open_source(named.path, encoding, watch))))
            else:
                loose.append((named.name, named.path))
        if loose:
            parts.append(("", stack.enter_context(open_files(loose))))
        yield Parts(parts)


def _parquet_files(source: NamedFile) -> list[tuple[str, Path]]:
    """The Parquet files that are given by themselves, or lie in a folder without images."""
    if source.path.is_file():
        return [(source.name, source.path)] if source.name.lower().endswith(PARQUET_SUFFIX) else []
    files = sorted(source.path.rglob(f"*{PARQUET_SUFFIX}"))
    if any(path.suffix.lower() in IMAGE_SUFFIXES for path in source.path.rglob("*") if files):
        return []
    return [(path.name, path) for path in files]


def _named(source: str | Path) -> NamedFile:
    path = typed_path(source)
    if not path.exists():
        raise ArchiveError("There is no file or folder {path}; check the path.", path=path)
    return NamedFile(path.name, path)


def typed_path(source: str | Path) -> Path:
    """Return the path of a source as somebody typed or pasted it."""
    return Path(unquoted(source) if isinstance(source, str) else source).expanduser().absolute()
