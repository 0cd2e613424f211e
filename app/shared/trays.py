"""Trays: places on the disk where the files that a browser sends lie until a page takes them."""

import secrets
import threading
import time
import unicodedata
import weakref
from pathlib import Path, PurePosixPath

from app.shared.uploads import Uploads
from vitcore.errors import InputError
from vitcore.sources import NamedFile
from vitcore.text import shown

__all__ = ["MOST_FILES", "Tray", "checked_name", "find_tray", "sweep_trays"]

MOST_FILES = 200_000
"""In one tray."""

_LONGEST_NAME = 1000  # characters, folders included
_KEPT_S = 600.0  # without a sign of life from its page

_trays: "weakref.WeakValueDictionary[str, Tray]" = weakref.WeakValueDictionary()
_lock = threading.Lock()


class Tray(Uploads):
    """The files of one session; they go with it, when whoever took them deletes them, or when it is gone.

    Attributes:
        token: Whoever knows it may put files here.
        complete: True once all files of a drop have arrived.
    """

    def __init__(self) -> None:
        super().__init__()
        self.token = secrets.token_urlsafe(32)
        self.complete = False
        self._files: list[NamedFile] = []
        self._used_s = time.monotonic()
        with _lock:
            _trays[self.token] = self

    @property
    def files(self) -> tuple[NamedFile, ...]:
        """What has arrived, in the order of names: requests overtake each other."""
        return tuple(sorted(self._files, key=lambda file: file.name))

    @property
    def idle_s(self) -> float:
        """Seconds since its page last showed a sign of life."""
        return time.monotonic() - self._used_s

    def touch(self) -> None:
        """Keep it for some minutes more."""
        self._used_s = time.monotonic()

    def add(self, name: str, path: Path) -> None:
        """Take in a file that lies at a path that `place` gave, unless all were deleted meanwhile."""
        self.touch()
        if path.exists():
            self._files.append(NamedFile(name, path))

    def clear(self) -> None:
        """Delete all files in it."""
        self._files, self.complete = [], False
        super().clear()


def find_tray(token: str) -> Tray | None:
    """Return the tray of a token, if there is one."""
    with _lock:
        return _trays.get(token)


def sweep_trays(kept_s: float = _KEPT_S) -> None:
    """Delete the files of pages that were closed: those that nobody has asked for in a while."""
    with _lock:
        idle = [tray for tray in _trays.values() if tray.idle_s > kept_s]
    for tray in idle:
        tray.clear()


def checked_name(text: str) -> str:
    """Return the name of a file with its folders, as a browser gives it; text, never used as a path.

    Raises:
        InputError: It is empty, too long, or leads out of its folder.
    """
    name = shown(unicodedata.normalize("NFC", text))
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if not parts or parts[0] == "/" or ".." in parts or len(name) > _LONGEST_NAME:
        raise InputError("'{name}' is no name of a file in a folder; rename the file.", name=name[:200])
    return name
