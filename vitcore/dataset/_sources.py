"""Reading zip files, tar files and folders without trusting them.

A source lists its entries, then hands out the bytes of those that are wanted, in the order in which
they lie in the file. Names are text and nothing else: no entry is ever written under its own name.
"""

import io
import lzma
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Protocol

from vitcore.errors import ArchiveError

__all__ = ["MAX_ENTRIES", "Entry", "Reader", "Source", "is_junk", "open_source"]

MAX_ENTRIES = 500_000
"""Most entries that a source may have."""

_JUNK_NAMES = frozenset({".ds_store", "thumbs.db", "desktop.ini", ".gitkeep", ".gitignore"})
_JUNK_FOLDERS = frozenset({"__macosx", ".git", ".ipynb_checkpoints", "@eadir", "$recycle.bin"})

# What the readers of the standard library raise on damaged archives.
_DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    LookupError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)


@dataclass(frozen=True)
class Entry:
    """One file of a source.

    Attributes:
        number: Position in the source, from 0.
        name: Its path in the source, ``/`` between the parts; text for display, never a path here.
        size_bytes: What the source says its size is.
        problem: Why it cannot be read, or an empty string.
    """

    number: int
    name: str
    size_bytes: int
    problem: str = ""

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of the name, empty and dot parts left out."""
        return tuple(part for part in self.name.split("/") if part not in {"", ".", ".."})


class Reader(Protocol):
    """An open entry."""

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes, at most `size`, none at the end.

        Raises:
            ArchiveError: The entry is damaged.
        """
        ...


class Source(Protocol):
    """A zip file, tar file or folder. Whatever is damaged in it raises `ArchiveError`."""

    def entries(self) -> list[Entry]:
        """Every file, in order. Folders are not listed."""
        ...

    def read(self, wanted: set[int]) -> Iterator[tuple[Entry, Reader]]:
        """The wanted entries, opened, in order; use each before the next.

        One that turns out to be unreadable comes with its `Entry.problem` and nothing to read.
        """
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


def is_junk(entry: Entry) -> bool:
    """Whether an entry was left by an operating system or a tool and is nobody's photo."""
    parts = [part.lower() for part in entry.parts]
    if not parts:
        return True
    return (
        parts[-1] in _JUNK_NAMES
        or parts[-1].startswith("._")
        or any(part in _JUNK_FOLDERS for part in parts[:-1])
    )


@contextmanager
def open_source(path: Path) -> Iterator[Source]:
    """Open a zip file, a tar file (also compressed) or a folder.

    Raises:
        ArchiveError: It is none of these, damaged, or has too many entries.
    """
    source = _open(path)
    try:
        yield source
    finally:
        source.close()


def _open(path: Path) -> Source:
    if path.is_dir():
        return _Folder(path)
    with _reading(path.name):
        if zipfile.is_zipfile(path):
            return _Zip(path)
        if tarfile.is_tarfile(path):
            return _Tar(path)
    raise ArchiveError(
        f"{path.name} is not a zip or tar file; give a .zip, .tar, .tar.gz, .tar.bz2 or .tar.xz file, "
        "or a folder."
    )


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """Say of whatever goes wrong in the block that `name` is damaged."""
    try:
        yield
    except _DAMAGED as error:
        raise ArchiveError(f"{name} is damaged ({error}); make the archive again.") from error


class _Reader:
    """A `Reader` of a file."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        self._file = file
        self._name = name

    def read(self, size: int = -1, /) -> bytes:
        with _reading(self._name):
            return self._file.read(size)


def _clean(name: str) -> str:
    """A name as text: one kind of separator, nothing that cannot be written or shown."""
    text = name.encode("utf-8", "replace").decode("utf-8")
    text = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    return text.replace("\\", "/")


def _check_count(count: int) -> None:
    if count > MAX_ENTRIES:
        raise ArchiveError(f"The archive has over {MAX_ENTRIES:,} entries; split it into several.")


def _unreadable(entry: Entry, error: BaseException) -> tuple[Entry, Reader]:
    return replace(entry, problem=entry.problem or f"damaged in the archive ({error})"), io.BytesIO()


class _Folder:
    def __init__(self, path: Path) -> None:
        self._root = path
        self._files: list[tuple[Entry, Path]] = []
        for parent, folders, files in os.walk(path, followlinks=False):
            folders.sort()
            links = [name for name in folders if Path(parent, name).is_symlink()]
            for name in sorted([*files, *links]):
                self._add(Path(parent, name))

    def _add(self, path: Path) -> None:
        status = path.lstat()
        problem = "" if stat.S_ISREG(status.st_mode) else "a link or device, not a file"
        name = _clean(path.relative_to(self._root).as_posix())
        self._files.append((Entry(len(self._files), name, status.st_size, problem), path))
        _check_count(len(self._files))

    def entries(self) -> list[Entry]:
        return [entry for entry, _ in self._files]

    def read(self, wanted: set[int]) -> Iterator[tuple[Entry, Reader]]:
        for entry, path in self._files:
            if entry.number not in wanted:
                continue
            try:
                file = path.open("rb")
            except OSError as error:
                yield _unreadable(entry, error)
                continue
            with file:
                yield entry, _Reader(file, entry.name)

    def close(self) -> None:
        """Nothing is open between reads."""


class _Zip:
    def __init__(self, path: Path) -> None:
        self._zip = zipfile.ZipFile(path)
        self._infos = [info for info in self._zip.infolist() if not info.is_dir()]
        _check_count(len(self._infos))

    def entries(self) -> list[Entry]:
        return [
            Entry(number, _clean(info.filename), info.file_size, self._problem(info))
            for number, info in enumerate(self._infos)
        ]

    @staticmethod
    def _problem(info: zipfile.ZipInfo) -> str:
        if info.flag_bits & 0x1:
            return "protected by a password"
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in {0, stat.S_IFREG}:
            return "a link or device, not a file"
        known = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}
        return "" if info.compress_type in known else "compressed in an unknown way"

    def read(self, wanted: set[int]) -> Iterator[tuple[Entry, Reader]]:
        for entry in self.entries():
            if entry.number not in wanted:
                continue
            try:
                file = self._zip.open(self._infos[entry.number])
            except _DAMAGED as error:
                yield _unreadable(entry, error)
                continue
            with file:
                yield entry, _Reader(file, entry.name)

    def close(self) -> None:
        self._zip.close()


class _Tar:
    """A tar file is read from its start each time: there is no table of contents."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def _members(self, tar: tarfile.TarFile) -> Iterator[tuple[Entry, tarfile.TarInfo]]:
        number = 0
        while True:
            with _reading(self._path.name):
                member = tar.next()
            if member is None:
                return
            if not member.isdir():
                problem = "" if member.isreg() else "a link or device, not a file"
                yield Entry(number, _clean(member.name), member.size, problem), member
                number += 1
                _check_count(number)

    @contextmanager
    def _opened(self) -> Iterator[tarfile.TarFile]:
        with _reading(self._path.name):
            tar = tarfile.open(self._path, "r:*")  # noqa: SIM115 - closed below
        with tar:
            yield tar

    def entries(self) -> list[Entry]:
        with self._opened() as tar:
            return [entry for entry, _ in self._members(tar)]

    def read(self, wanted: set[int]) -> Iterator[tuple[Entry, Reader]]:
        with self._opened() as tar:
            for entry, member in self._members(tar):
                if entry.number not in wanted:
                    continue
                try:
                    file = None if entry.problem else tar.extractfile(member)
                except _DAMAGED as error:
                    yield _unreadable(entry, error)
                    continue
                if file is not None:
                    with file:
                        yield entry, _Reader(file, entry.name)

    def close(self) -> None:
        """Nothing is open between reads."""
