"""Files that a browser sent, on the disk instead of in memory."""

import shutil
import threading
import weakref
from collections.abc import Callable
from pathlib import Path

from streamlit.runtime.uploaded_file_manager import UploadedFile

from app._compat import release_upload
from app.shared.state import workspace
from vitcore.records import guard, replacing
from vitcore.sources import NamedFile
from vitcore.workspace import Scratch

__all__ = ["Uploads"]


class Uploads:
    """Uploads of a session; their files go with it, or when whoever took them over deletes them."""

    def __init__(self) -> None:
        self._scratch: Scratch | None = None
        self._count = 0
        self._making = threading.Lock()

    def place(self) -> Path:
        """Return where a new file can be written.

        Raises:
            StorageError: The disk is full or not writable.
        """
        with self._making:
            if self._scratch is None:
                self._scratch = workspace().scratch()
                self._finalizer = weakref.finalize(self, self._scratch.close)
            self._count += 1
            return self._scratch.folder / f"{self._count:06}"

    def keep(self, upload: UploadedFile, name: str) -> NamedFile:
        """Write an upload to the disk and let go of its bytes in memory.

        Raises:
            StorageError: The disk is full or not writable; the upload stays in memory.
        """
        path = self.place()
        upload.seek(0)
        with guard(path), replacing(path, flush=False) as temporary, temporary.open("wb") as file:
            shutil.copyfileobj(upload, file, 2**20)
        release_upload(upload)
        return NamedFile(name, path)

    def hand_over(self) -> Callable[[], None] | None:
        """Give up the files to somebody who deletes them by calling what is returned."""
        if self._scratch is None:
            return None
        self._finalizer.detach()
        close, self._scratch = self._scratch.close, None
        return close

    def clear(self) -> None:
        """Delete the files."""
        delete = self.hand_over()
        if delete is not None:
            delete()
