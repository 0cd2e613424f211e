"""Reading zip files, tar files and folders without trusting them.

A source lists its entries, then hands out the bytes of those that are wanted, in the order in which
they lie in the file. Names are text and nothing else: no entry is ever written under its own name.
"""

import io
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Protocol

from vitcore.errors import ArchiveError

__all__ = ["DAMAGED", "MAX_ENTRIES", "Entry", "Source", "is_junk", "open_source"]

MAX_ENTRIES = 500_000
"""Most entries that a source may have."""

_JUNK_NAMES = frozenset({".ds_store", "thumbs.db", "desktop.ini", ".gitkeep", ".gitignore"})
_JUNK_FOLDERS = frozenset({"__macosx", ".git", ".ipynb_checkpoints", "@eadir", "$recycle.bin"})

DAMAGED = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError)
"""What the readers of the standard library raise on damaged archives."""


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


class Source(Protocol):
    """A zip file, tar file or folder."""

    def entries(self) -> list[Entry]:
        """Every file, in order. Folders are not listed."""
        ...

    def read(self, wanted: set[int]) -> Iterator[tuple[Entry, IO[bytes]]]:
        """The wanted entries with their open files, in order; use each before the next.

        An entry that turns out to be unreadable comes with its `Entry.problem` and an empty file.
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
    except DAMAGED as error:
        raise ArchiveError(f"{path.name} is damaged ({error}); make the archive again.") from error
    finally:
        source.close()


def _open(path: Path) -> Source:
    if path.is_dir():
        return _Folder(path)
    try:
        if zipfile.is_zipfile(path):
            return _Zip(path)
        if tarfile.is_tarfile(path):
            return _Tar(path)
    except (*DAMAGED, OSError, ValueError) as error:
        raise ArchiveError(f"{path.name} cannot be read ({error}); make the archive again.") from error
    raise ArchiveError(
        f"{path.name} is not a zip or tar file; give a .zip, .tar, .tar.gz, .tar.bz2 or .tar.xz file, "
        "or a folder."
    )


def _clean(name: str) -> str:
    """A name as text: one kind of separator, nothing that cannot be written or shown."""
    text = name.encode("utf-8", "replace").decode("utf-8")
    text = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    return text.replace("\\", "/")


def _check_count(count: int) -> None:
    if count > MAX_ENTRIES:
        raise ArchiveError(f"The archive has over {MAX_ENTRIES:,} entries; split it into several.")


class _Folder:
    def __init__(self, path: Path) -> None:
        self._root = path
        self._paths: list[Path] = []

    def entries(self) -> list[Entry]:
        found: list[Entry] = []
        self._paths = []
        for parent, folders, files in os.walk(self._root, followlinks=False):
            folders.sort()
            for file in sorted(files):
                path = Path(parent, file)
                status = path.lstat()
                problem = "" if stat.S_ISREG(status.st_mode) else "a link or device, not a file"
                name = _clean(path.relative_to(self._root).as_posix())
                found.append(Entry(len(found), name, status.st_size, problem))
                self._paths.append(path)
            _check_count(len(found))
        return found

    def read(self, wanted: set[int]) -> Iterator[tuple[Entry, IO[bytes]]]:
        for entry in self.entries():
            if entry.number in wanted:
                with self._paths[entry.number].open("rb") as file:
                    yield entry, file

    def close(self) -> None:
        """Nothing is open between reads."""


class _Zip:
    def __init__(self, path: Path) -> None:
        self._zip = zipfile.ZipFile(path)
        _check_count(len(self._zip.infolist()))
        self._infos = [info for info in self._zip.infolist() if not info.is_dir()]

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

    def read(self, wanted: set[int]) -> Iterator[tuple[Entry, IO[bytes]]]:
        for entry in self.entries():
            if entry.number not in wanted:
                continue
            try:
                file = self._zip.open(self._infos[entry.number])
            except (*DAMAGED, RuntimeError, NotImplementedError, ValueError) as error:
                yield (
                    replace(entry, problem=entry.problem or f"damaged in the archive ({error})"),
                    io.BytesIO(),
                )
                continue
            with file:
                yield entry, file

    def close(self) -> None:
        self._zip.close()


class _Tar:
    """A tar file is read from its start each time: there is no table of contents."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def _members(self, tar: tarfile.TarFile) -> Iterator[tuple[Entry, tarfile.TarInfo]]:
        number = 0
        for member in tar:
            if not member.isdir():
                problem = "" if member.isreg() else "a link or device, not a file"
                yield Entry(number, _clean(member.name), member.size, problem), member
                number += 1
                _check_count(number)

    def entries(self) -> list[Entry]:
        with tarfile.open(self._path, "r:*") as tar:
            return [entry for entry, _ in self._members(tar)]

    def read(self, wanted: set[int]) -> Iterator[tuple[Entry, IO[bytes]]]:
        with tarfile.open(self._path, "r:*") as tar:
            for entry, member in self._members(tar):
                file = tar.extractfile(member) if entry.number in wanted and not entry.problem else None
                if file is not None:
                    with file:
                        yield entry, file

    def close(self) -> None:
        """Nothing is open between reads."""
