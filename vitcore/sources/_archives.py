"""Reading zip files, tar files and folders without trusting them.

A source lists its entries, then hands out the bytes of those that are wanted, in the order in which
they lie in the file. Names are text and nothing else: no entry is ever written under its own name.
"""

import bz2
import copy
import gzip
import io
import itertools
import lzma
import os
import stat
import struct
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Protocol

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from vitcore.errors import ArchiveError
from vitcore.messages import Message, message
from vitcore.sources._encodings import NameEncoding, guess_encoding
from vitcore.sources._kinds import START_BYTES, kind_by_start
from vitcore.text import shown

__all__ = [
    "MAX_ENTRIES",
    "Entry",
    "Reader",
    "Source",
    "Watch",
    "clean_name",
    "is_junk",
    "open_files",
    "open_source",
]

Watch = Callable[[int, int], None]
"""Is called again and again while a list of files is read, with the bytes that were read and those there are;
both 0 where that is not known. What it raises ends the reading."""

MAX_ENTRIES = 500_000
"""Most entries that a source may have, folders included."""

_MAX_NAME = 1024  # characters; few disks could hold a longer path
_NO_FILE = message("a link or device, not a file")
_MAX_TAR_HEADER_BYTES = 64 * 2**10
_UTF8_FLAG = 0x800  # of a file in a zip file: its name is UTF-8
_ZIP_HEADER_BYTES = 30  # at least, in front of each file

# What compressed files begin with.
_COMPRESSIONS: dict[bytes, Callable[[IO[bytes]], io.BufferedIOBase]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\0": lzma.LZMAFile,
    b"]\0\0": lzma.LZMAFile,
    b"\x28\xb5\x2f\xfd": zstd.ZstdFile,
}

_JUNK_NAMES = frozenset({".ds_store", "thumbs.db", "desktop.ini", ".gitkeep", ".gitignore"})
_JUNK_FOLDERS = frozenset({"__macosx", ".git", ".ipynb_checkpoints", "@eadir", "$recycle.bin"})

# What the readers of the standard library raise on damaged archives.
_DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    zstd.ZstdError,
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
        problem: Why it cannot be read, if it cannot.
    """

    number: int
    name: str
    size_bytes: int
    problem: Message | None = None

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
    """A zip file, tar file, folder or list of files. What is damaged in it raises `ArchiveError`.

    Attributes:
        folders: The folders that it lists, also those without a file; known when the entries are.
        encoding: How names were read that do not say their encoding; None where there are none.
    """

    folders: list[str]
    encoding: NameEncoding | None

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
    """Return whether an entry was left by an operating system or a tool and is nobody's photo."""
    parts = [part.lower() for part in entry.parts]
    if not parts:
        return True
    return (
        parts[-1] in _JUNK_NAMES
        or parts[-1].startswith("._")
        or any(part in _JUNK_FOLDERS for part in parts[:-1])
    )


def clean_name(name: str) -> str:
    """A name as text: one kind of separator, nothing that cannot be written or shown."""
    text = shown(name[: _MAX_NAME + 1]).replace("\\", "/")
    return text if len(text) <= _MAX_NAME else text[:_MAX_NAME] + "…"


@contextmanager
def open_source(path: Path, encoding: str = "", watch: Watch | None = None) -> Iterator[Source]:
    """Open a zip file, a tar file (also compressed) or a folder.

    Args:
        path: Where it is.
        encoding: That of names in a zip file that do not say theirs; guessed if empty.
        watch: Is called while the list of files is read.

    Raises:
        ArchiveError: It is none of these, damaged, or has too many entries.
        SettingsError: There is no such encoding.
    """
    source = _open(path, encoding, watch or _unwatched)
    try:
        yield source
    finally:
        source.close()


@contextmanager
def open_files(files: Sequence[tuple[str, Path]]) -> Iterator[Source]:
    """Open files that lie on the disk under other names than their own.

    Args:
        files: The name of each, with its folders, and where it lies.

    Raises:
        ArchiveError: There are too many.
    """
    yield _Files(files)


def _unwatched(done: int, total: int) -> None:
    """Watch nothing."""


def _open(path: Path, encoding: str, watch: Watch) -> Source:
    if path.is_dir():
        return _Files(_files_below(path, watch), _folders_below(path))
    name = clean_name(path.name)
    with _reading(name):
        # A tar file may end with a zip file, and would be taken for it; not so the other way round.
        if _is_tar(path):
            return _Tar(path, name, watch)
        if zipfile.is_zipfile(path):
            return _Zip(path, encoding)
        with path.open("rb") as file:
            kind = kind_by_start(file.read(START_BYTES))
    if kind is not None:
        raise ArchiveError("{name} is {kind}.", name=name, kind=kind)
    raise ArchiveError(
        "{name} is not a zip or tar file; give a .zip, .tar, .tar.gz, .tar.bz2, .tar.xz or .tar.zst file, or "
        "a folder.",
        name=name,
    )


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """Say of whatever goes wrong in the block that `name` is damaged."""
    try:
        yield
    except _DAMAGED as error:
        raise ArchiveError(
            "{name} is damaged ({error}); make the archive again.", name=name, error=error
        ) from error


class _Reader:
    """A `Reader` of a file."""

    def __init__(self, file: Reader, name: str) -> None:
        self._file = file
        self._name = name

    def read(self, size: int = -1, /) -> bytes:
        with _reading(self._name):
            return self._file.read(size)


def _entry(number: int, name: str, size_bytes: int, problem: Message | None = None) -> Entry:
    """An entry of that name, which is not trusted."""
    if problem is None and len(name) > _MAX_NAME:
        problem = message("a name of over {most} characters", most=_MAX_NAME)
    return Entry(number, clean_name(name), size_bytes, problem)


def _check_count(count: int) -> None:
    if count > MAX_ENTRIES:
        raise ArchiveError("The archive has over {most} entries; split it into several.", most=MAX_ENTRIES)


def _unreadable(entry: Entry, error: Exception) -> tuple[Entry, Reader]:
    problem = entry.problem or message("damaged in the archive ({error})", error=error)
    return replace(entry, problem=problem), io.BytesIO()


def _files_below(folder: Path, watch: Watch) -> Iterator[tuple[str, Path]]:
    """Every file below a folder, and its path from there; links are not followed."""
    for parent, folders, files in os.walk(folder, followlinks=False):
        watch(0, 0)
        folders.sort()
        links = [name for name in folders if Path(parent, name).is_symlink()]
        for name in sorted([*files, *links]):
            path = Path(parent, name)
            yield path.relative_to(folder).as_posix(), path


def _folders_below(folder: Path) -> Iterator[str]:
    """Every folder below a folder, as a path from there."""
    for parent, folders, _ in os.walk(folder, followlinks=False):
        yield from (Path(parent, name).relative_to(folder).as_posix() for name in folders)


class _Files:
    """Files on the disk, each with a name that may be another than that of its path."""

    encoding: NameEncoding | None = None

    def __init__(self, files: Iterable[tuple[str, Path]], folders: Iterable[str] = ()) -> None:
        self.folders = [clean_name(name) for name in folders]
        self._files: list[tuple[Entry, Path]] = []
        for name, path in files:
            self._files.append((self._entry(len(self._files), name, path), path))
            _check_count(len(self._files))

    @staticmethod
    def _entry(number: int, name: str, path: Path) -> Entry:
        try:
            status = path.lstat()
        except OSError as error:
            return _entry(number, name, 0, message("cannot be read ({error})", error=error))
        problem = None if stat.S_ISREG(status.st_mode) else _NO_FILE
        return _entry(number, name, status.st_size, problem)

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


class _Unpacked:
    """A file of a zip file, unpacked bit by bit, and checked at its end.

    Of bzip2 and LZMA `zipfile` unpacks all that it has read at once, and a hundred bytes of bzip2 can be
    a hundred megabytes.
    """

    def __init__(self, packed: IO[bytes], info: zipfile.ZipInfo) -> None:
        self._file = bz2.BZ2File(packed) if info.compress_type == zipfile.ZIP_BZIP2 else _lzma_file(packed)
        self._info = info
        self._left = info.file_size
        self._crc = 0

    def read(self, size: int = -1, /) -> bytes:
        data = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(data)
        self._crc = zlib.crc32(data, self._crc)
        if (not data or self._left == 0) and size != 0 and self._crc != self._info.CRC:
            raise zipfile.BadZipFile(message("wrong checksum"))
        return data


def _lzma_file(packed: IO[bytes]) -> lzma.LZMAFile:
    """LZMA as in a zip file: a version, the length of the properties, and these, then the bare stream."""
    _, _, properties, dictionary_bytes = struct.unpack("<HHBI", packed.read(9))
    rest, lc = divmod(properties, 9)
    pb, lp = divmod(rest, 5)
    settings = {"id": lzma.FILTER_LZMA1, "dict_size": dictionary_bytes, "lc": lc, "lp": lp, "pb": pb}
    return lzma.LZMAFile(packed, format=lzma.FORMAT_RAW, filters=[settings])


def _raw_name(info: zipfile.ZipInfo) -> bytes:
    """The bytes of a name that does not say its encoding; none of one that does."""
    return b"" if info.flag_bits & _UTF8_FLAG else info.orig_filename.encode("cp437", "replace")


class _Zip:
    def __init__(self, path: Path, encoding: str) -> None:
        self._zip = zipfile.ZipFile(path)
        infos = self._zip.infolist()
        _check_count(len(infos))
        self.encoding = guess_encoding((_raw_name(info) for info in infos), encoding)
        names = [self._name(info) for info in infos]
        self.folders = [clean_name(name) for name in names if name.endswith("/")]
        files = [(info, name) for info, name in zip(infos, names, strict=True) if not name.endswith("/")]
        self._infos = [info for info, _ in files]
        overlapping = self._overlapping(path)
        self._entries = [
            _entry(number, name, info.file_size, self._problem(info, number in overlapping))
            for number, (info, name) in enumerate(files)
        ]

    def _name(self, info: zipfile.ZipInfo) -> str:
        raw = _raw_name(info)
        if self.encoding is None or raw.isascii():
            return info.filename
        return raw.decode(self.encoding.encoding, "replace").partition("\0")[0]

    def _overlapping(self, path: Path) -> set[int]:
        """The entries that reach into the next one: a few bytes, counted many times, make a bomb."""
        order = sorted(range(len(self._infos)), key=lambda number: self._infos[number].header_offset)
        if not any(itertools.starmap(self._reaches, itertools.pairwise(order))):
            return set()
        # One that starts where no file does is itself the one that is wrong.
        with path.open("rb") as file:
            order = [number for number in order if self._is_header(file, number)]
        return {number for number, following in itertools.pairwise(order) if self._reaches(number, following)}

    def _reaches(self, number: int, following: int) -> bool:
        info = self._infos[number]
        end = info.header_offset + _ZIP_HEADER_BYTES + info.compress_size
        return end > self._infos[following].header_offset

    def _is_header(self, file: IO[bytes], number: int) -> bool:
        file.seek(max(self._infos[number].header_offset, 0))
        return file.read(4) == b"PK\3\4"

    @staticmethod
    def _problem(info: zipfile.ZipInfo, overlaps: bool) -> Message | None:
        if info.flag_bits & 0x1:
            return message("protected by a password; unpack the archive with it, then import the folder")
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in {0, stat.S_IFREG}:
            return _NO_FILE
        if overlaps:
            return message("damaged in the archive (it overlaps the next file)")
        known = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}
        return None if info.compress_type in known else message("compressed in an unknown way")

    def entries(self) -> list[Entry]:
        return self._entries

    def read(self, wanted: set[int]) -> Iterator[tuple[Entry, Reader]]:
        for entry, info in zip(self._entries, self._infos, strict=True):
            if entry.number not in wanted:
                continue
            with ExitStack() as stack:
                try:
                    file = self._opened(info, stack)
                except _DAMAGED as error:
                    yield _unreadable(entry, error)
                    continue
                yield entry, _Reader(file, entry.name)

    def _opened(self, info: zipfile.ZipInfo, stack: ExitStack) -> Reader:
        if info.compress_type not in {zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}:
            return stack.enter_context(self._zip.open(info))
        packed = copy.copy(info)
        packed.compress_type, packed.file_size = zipfile.ZIP_STORED, info.compress_size
        del packed.CRC  # that of the unpacked bytes; without it `zipfile` checks nothing
        return _Unpacked(stack.enter_context(self._zip.open(packed)), info)

    def close(self) -> None:
        self._zip.close()


class _TarFile(io.RawIOBase):
    """The file below a tar file, which keeps `tarfile` from believing any size that a header says."""

    def __init__(self, file: io.BufferedIOBase) -> None:
        super().__init__()
        self._file = file
        self._left: int | None = _MAX_TAR_HEADER_BYTES
        self.last = b""

    @contextmanager
    def header(self) -> Iterator[None]:
        """While this is open, no more is read than a header can need."""
        self._left = _MAX_TAR_HEADER_BYTES
        try:
            yield
        finally:
            self._left = None

    def read(self, size: int = -1, /) -> bytes:
        if self._left is not None:
            if not 0 <= size <= self._left:
                raise tarfile.ReadError(message("a header of impossible size"))
            self._left -= size
        self.last = self._file.read(size)
        return self.last

    def seek(self, position: int, whence: int = 0, /) -> int:
        return self._file.seek(position, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True


def _unpacked(packed: io.BufferedReader) -> io.BufferedIOBase:
    """The bytes of a tar file, unpacked if it is compressed."""
    start = packed.read(max(map(len, _COMPRESSIONS)))
    packed.seek(0)
    return next(
        (opened(packed) for magic, opened in _COMPRESSIONS.items() if start.startswith(magic)), packed
    )


def _is_tar(path: Path) -> bool:
    with path.open("rb") as packed, _unpacked(packed) as file:
        try:
            tarfile.open(fileobj=_TarFile(file), mode="r:").close()
        except tarfile.TarError:
            return False
    return True


class _Tar:
    """A tar file is read from its start each time: there is no table of contents."""

    encoding: NameEncoding | None = None

    def __init__(self, path: Path, name: str, watch: Watch) -> None:
        self._path = path
        self._name = name
        self._watch = watch
        self.folders: list[str] = []

    def _members(
        self, tar: tarfile.TarFile, file: _TarFile, packed: io.BufferedReader
    ) -> Iterator[tuple[Entry, tarfile.TarInfo]]:
        size_bytes = self._path.stat().st_size
        number = 0
        folders: list[str] = []
        for count in itertools.count(1):
            with _reading(self._name), file.header():
                member = self._next(tar, file)
                done_bytes = packed.tell()
            self._watch(done_bytes, size_bytes)
            if member is None:
                self.folders = folders
                return
            _check_count(count)
            if member.isdir():
                folders.append(clean_name(member.name))
            else:
                problem = None if member.isreg() else _NO_FILE
                yield _entry(number, member.name, member.size, problem), member
                number += 1

    @staticmethod
    def _next(tar: tarfile.TarFile, file: _TarFile) -> tarfile.TarInfo | None:
        member = tar.next()
        # The archive ends with zeros or where the file does. `tarfile` takes any nonsense for the end.
        if member is None and file.last.strip(b"\0"):
            raise tarfile.ReadError(message("something that is no header between two files"))
        if member is not None and member.size < 0:
            raise tarfile.ReadError(message("a file of negative size"))
        return member

    @contextmanager
    def _opened(self) -> Iterator[tuple[tarfile.TarFile, _TarFile, io.BufferedReader]]:
        with ExitStack() as stack:
            with _reading(self._name):
                packed = stack.enter_context(self._path.open("rb"))
                file = _TarFile(stack.enter_context(_unpacked(packed)))
                tar = stack.enter_context(tarfile.open(fileobj=file, mode="r:"))
            yield tar, file, packed

    def entries(self) -> list[Entry]:
        with self._opened() as opened:
            return [entry for entry, _ in self._members(*opened)]

    def read(self, wanted: set[int]) -> Iterator[tuple[Entry, Reader]]:
        last = max(wanted, default=-1)
        with self._opened() as (tar, opened, packed):
            for entry, member in self._members(tar, opened, packed):
                if entry.number > last:
                    return
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
