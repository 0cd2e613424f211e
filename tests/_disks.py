"""Disks that are full or read-only: real ones where such may be mounted, else folders that seem to be."""

import errno
import os
import pathlib
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

__all__ = ["FakeDisk", "SmallDisk", "mounted_disk"]


class SmallDisk:
    """A disk in memory, of a few MB."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._filler = root / "filler"

    def fill(self) -> None:
        """Leave no byte free."""
        descriptor = os.open(self._filler, os.O_WRONLY | os.O_CREAT)
        with suppress(OSError):
            while True:
                os.write(descriptor, bytes(2**12))
        os.close(descriptor)

    def free(self) -> None:
        self._filler.unlink(missing_ok=True)

    def forbid(self) -> None:
        subprocess.run(["mount", "-o", "remount,ro", self.root], check=True)

    def allow(self) -> None:
        subprocess.run(["mount", "-o", "remount,rw", self.root], check=True)


class FakeDisk:
    """A folder in which the calls that write fail as they do on a full disk; SQLite has calls of its own."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self._full = False
        plain_open, plain_mkdir, plain_fsync = Path.open, Path.mkdir, os.fsync

        def opened(path: Path, mode: str = "r", *arguments, **options):
            self._refuse(path, writes=not set(mode).isdisjoint("wax+"))
            return plain_open(path, mode, *arguments, **options)

        def made(path: Path, *arguments, **options):
            self._refuse(path, writes=not path.is_dir())
            return plain_mkdir(path, *arguments, **options)

        def flushed(descriptor: int) -> None:
            self._refuse(root, writes=True)
            plain_fsync(descriptor)

        monkeypatch.setattr(pathlib.Path, "open", opened)
        monkeypatch.setattr(pathlib.Path, "mkdir", made)
        monkeypatch.setattr(os, "fsync", flushed)

    def _refuse(self, path: Path, *, writes: bool) -> None:
        if self._full and writes and path.is_relative_to(self.root):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    def fill(self) -> None:
        self._full = True

    def free(self) -> None:
        self._full = False


@contextmanager
def mounted_disk(root: Path) -> Iterator[SmallDisk | None]:
    """Mount a disk of a few MB; gives None where that is not permitted."""
    root.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(root)]
    try:
        subprocess.run(command, capture_output=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        yield None
        return
    try:
        yield SmallDisk(root)
    finally:
        subprocess.run(["umount", "-l", root], check=True)
