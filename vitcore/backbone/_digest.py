"""The digest of a file of weights."""

import hashlib
from functools import lru_cache
from pathlib import Path

__all__ = ["file_sha256"]


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal; it is read again only when its size or time changes."""
    stat = path.stat()
    return _of_version(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=16)
def _of_version(path: Path, _size_bytes: int, _modified_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
