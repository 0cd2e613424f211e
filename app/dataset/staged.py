"""Photos that were brought in and not imported yet, looked at in the background."""

import time
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Generic, TypeVar

import streamlit as st
from PIL import Image

from app.shared.job_kinds import LISTING
from app.shared.jobs import draw_jobs
from app.shared.state import job_queue
from app.shared.trays import Tray
from vitcore.dataset import inspect_source, preview_source
from vitcore.errors import ArchiveError, Stopped, VitcoreError
from vitcore.jobs import Job
from vitcore.layouts import Candidate, Reading, Survey
from vitcore.progress import Task
from vitcore.sources import NamedFile

__all__ = ["Staged"]

PREVIEWS = 8  # classes of which a photo is shown before the import
PATIENCE_S = 3.0  # after which a look is shown as work in the background

Found = TypeVar("Found")


class _Look(Generic[Found]):
    """Work on a list of files, which may take long; it is stopped when nobody wants it any more."""

    def __init__(self, title: str, work: Callable[[Task], Found]) -> None:
        found: list[Found | VitcoreError] = []

        def run(job: Job) -> None:
            try:
                found.append(work(job.task))
            except Stopped:
                raise
            except VitcoreError as error:
                found.append(error)

        self._found = found
        self.job = job_queue().submit(LISTING.name, title, run, device=LISTING.lane)
        weakref.finalize(self, self.job.stop.set)
        deadline = time.monotonic() + PATIENCE_S
        while self.job.snapshot.active and time.monotonic() < deadline:
            time.sleep(0.002)

    def result(self) -> Found | VitcoreError | None:
        """Return what was found, or why nothing was; None as long as it is being looked for."""
        snapshot = self.job.snapshot
        if snapshot.active or self._found:
            return self._found[0] if self._found else None
        kind = Stopped if snapshot.state == "stopped" else ArchiveError
        return kind(snapshot.message or "")


class Staged:
    """Photos that were brought in and not imported yet; they go with the session that brought them."""

    def __init__(self) -> None:
        self.tray = Tray()
        self.sources: list[Path | NamedFile] = []
        self.reading = Reading()
        self._surveys: dict[object, _Look[Survey]] = {}
        self._pictures: dict[object, _Look[Mapping[str, Image.Image]]] = {}

    def survey(self, reading: Reading | None = None) -> Survey | VitcoreError | None:
        """Return what is in it, or why that cannot be told; None while it is being looked at.

        Args:
            reading: How to read it; as it was chosen if not given.
        """
        sources, wanted = tuple(self.sources), reading or self.reading
        key = (sources, wanted)
        if key not in self._surveys:
            self._surveys[key] = _Look(
                self._title, lambda task: inspect_source(sources, reading=wanted, task=task)
            )
        return self._surveys[key].result()

    def read_as(self, reading: Reading) -> None:
        """Read it in another way from now on."""
        self.reading = reading

    def pictures(self, candidate: Candidate) -> Mapping[str, Image.Image]:
        """Return an image of each of the first classes of a reading; none while they are being read."""
        sources = tuple(self.sources)
        key = (sources, candidate.reading)
        if key not in self._pictures:
            self._pictures[key] = _Look(
                self._title, lambda task: preview_source(sources, candidate, most=PREVIEWS, task=task)
            )
            self._announce()
        found = self._pictures[key].result()
        return found if isinstance(found, Mapping) else {}

    def draw_looks(self) -> None:
        """Draw how far the looks are that take long; the page is drawn anew when one has ended."""
        self._announce()
        draw_jobs(LISTING)

    def _announce(self) -> None:
        """Let the sidebar, which was drawn before the page, watch a look that takes long."""
        for look in (*self._surveys.values(), *self._pictures.values()):
            if look.job.snapshot.active and look.job.id not in st.session_state.get("own_jobs", set()):
                st.session_state.setdefault("own_jobs", set()).add(look.job.id)
                st.rerun()

    @property
    def _title(self) -> str:
        first = self.sources[0]
        return Path(first.name).name if isinstance(first, NamedFile) else first.name
