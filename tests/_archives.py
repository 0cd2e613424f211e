"""Archives for tests; those that only an import can meet are made in tests/dataset."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

__all__ = ["zip_of", "zip_of_folder"]


def zip_of(files: Mapping[str, bytes]) -> bytes:
    """The bytes of a zip file of these files."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def zip_of_folder(folder: Path) -> bytes:
    """The bytes of a zip file of all pictures in a folder and below."""
    files = sorted(folder.rglob("*.png"))
    return zip_of({file.relative_to(folder).as_posix(): file.read_bytes() for file in files})
