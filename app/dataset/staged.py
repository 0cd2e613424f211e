"""Photos that were brought in and not imported yet."""

from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from app.shared.trays import Tray
from vitcore.dataset import inspect_source, preview_source
from vitcore.errors import VitcoreError
from vitcore.layouts import Candidate, Reading, Survey
from vitcore.sources import NamedFile

__all__ = ["Staged"]

PREVIEWS = 8  # classes of which a photo is shown before the import


class Staged:
    """Photos that were brought in and not imported yet; they go with the session that brought them."""

    def __init__(self) -> None:
        self.tray = Tray()
        self.sources: list[Path | NamedFile] = []
        self.reading = Reading()
        self._seen: tuple[object, Survey | VitcoreError] | None = None
        self._pictures: dict[Reading, Mapping[str, Image.Image]] = {}

    def survey(self) -> Survey | VitcoreError:
        """Return what is in it, or why that cannot be told; looked at again only after a change."""
        key = (tuple(self.sources), self.reading)
        if self._seen is None or self._seen[0] != key:
            try:
                found: Survey | VitcoreError = inspect_source(self.sources, reading=self.reading)
            except VitcoreError as error:
                found = error
            self._seen = (key, found)
            self._pictures.clear()
        return self._seen[1]

    def read_as(self, reading: Reading) -> None:
        """Read it in another way from now on."""
        self.reading = reading

    def pictures(self, candidate: Candidate) -> Mapping[str, Image.Image]:
        """Return an image of each of the first classes of a reading."""
        if candidate.reading not in self._pictures:
            self._pictures[candidate.reading] = preview_source(self.sources, candidate, most=PREVIEWS)
        return self._pictures[candidate.reading]
