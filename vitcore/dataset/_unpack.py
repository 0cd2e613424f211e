"""Copying what is in a source to the disk, under generated names."""

import hashlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from vitcore.dataset._pieces import frames_of
from vitcore.errors import ArchiveError, ImageError, Stopped, StorageError
from vitcore.layouts import is_video, unfit
from vitcore.messages import Message, message
from vitcore.progress import Task
from vitcore.sources import Entry, NamedFile, Parts, Reader, is_junk, open_parts

__all__ = ["MAX_FILE_BYTES", "MAX_TOTAL_BYTES", "Copier", "Unpacked", "unpack_photos"]

MAX_FILE_BYTES = 200 * 2**20
"""Largest single image file that is taken."""

MAX_TOTAL_BYTES = 100 * 2**30
"""Most bytes that are taken from one source."""

_FREE_RESERVE_BYTES = 2**30
_CHUNK_BYTES = 2**20


@dataclass(frozen=True)
class Copied:
    """A file that was copied: the SHA-256 of its content, and its size."""

    sha256: str
    size_bytes: int


class Copier:
    """Copies the files of one source, counting their real bytes: what an archive says is not trusted."""

    def __init__(self) -> None:
        self._total_bytes = 0

    def copy(self, entry: Entry, file: Reader, place: Path) -> Copied | Message:
        """Copy one file, or say why it cannot be taken; then there is nothing at `place`.

        Raises:
            ArchiveError: The source is larger than allowed.
            StorageError: The disk is nearly full.
        """
        if entry.problem:
            return entry.problem
        digest = hashlib.sha256()
        size_bytes = 0
        reason: Message | None = None
        with place.open("wb") as copy:
            try:
                while chunk := file.read(_CHUNK_BYTES):
                    size_bytes += len(chunk)
                    if size_bytes > MAX_FILE_BYTES:
                        reason = message("larger than {most} MB", most=MAX_FILE_BYTES // 2**20)
                        break
                    digest.update(chunk)
                    copy.write(chunk)
            except ArchiveError as error:
                reason = message("damaged in the archive ({error})", error=error.__cause__)
        self._total_bytes += size_bytes
        if self._total_bytes > MAX_TOTAL_BYTES:
            raise ArchiveError(
                "Over {most} GB of files; import them in several parts.", most=MAX_TOTAL_BYTES // 2**30
            )
        if shutil.disk_usage(place.parent).free < _FREE_RESERVE_BYTES:
            raise StorageError("Less than 1 GB of disk space is left; free some, then try again.")
        if reason:
            place.unlink()
            return reason
        return Copied(digest.hexdigest(), size_bytes)


@dataclass(frozen=True)
class Unpacked:
    """The outcome of one file of a source.

    Attributes:
        name: Its name there; text, never used as a path.
        reason: Why it was not taken, if it was not.
        time_s: When it is seen, in seconds from the start, if it is a picture of a video.
    """

    name: str
    reason: Message | None = None
    time_s: float | None = None


def unpack_photos(
    sources: Sequence[NamedFile],
    place: Callable[[int], Path],
    *,
    interval_s: float = 0.0,
    task: Task | None = None,
) -> list[Unpacked]:
    """Copy files, and those in archives among them, to the disk; whether they are images is not looked at.

    In an archive, files whose names do not end as those of images are left out without a word; a file
    that was given by itself is taken whatever it is called.

    Args:
        sources: Files and archives.
        place: Where the file of a number goes; those that were taken are numbered from 0.
        interval_s: Seconds between the pictures that are taken of a video; 0 for none.
        task: Where progress is reported, and what stops it.

    Returns:
        All files in order, those that were refused among them; a damaged archive counts as one file.

    Raises:
        ArchiveError: There is no image at all, or more than allowed.
        Stopped: The task was stopped.
    """
    task = task or Task()
    found: list[Unpacked] = []
    taken = 0
    copier = Copier()
    with ExitStack() as stack:
        opened: list[tuple[Parts, dict[int, Entry]]] = []
        for source in sources:
            try:
                parts = stack.enter_context(open_parts([source]))
            except ArchiveError as error:  # a damaged archive is no reason to lose the photos beside it
                found.append(Unpacked(source.name, error.message))
            else:
                opened.append((parts, _wanted(parts, videos=interval_s > 0)))
        meter = task.meter("import", sum(len(wanted) for _, wanted in opened))
        for parts, wanted in opened:
            for entry, file in parts.read(set(wanted)):
                if task.stopped:
                    raise Stopped("It was stopped while the photos were copied; drop them again.")
                copied = copier.copy(entry, file, place(taken))
                if isinstance(copied, Copied) and interval_s and is_video(entry.name):
                    items = list(_frames(place, taken, entry.name, interval_s, task))
                else:
                    items = [Unpacked(entry.name, copied if isinstance(copied, Message) else None)]
                found += items
                taken += sum(item.reason is None for item in items)
                meter.add(1)
    if not found:
        raise ArchiveError("There is no image in it; give photos, or an archive of photos.")
    return found


def _frames(
    place: Callable[[int], Path], number: int, name: str, interval_s: float, task: Task
) -> Iterator[Unpacked]:
    """Replace the video that was copied to the place of a number by pictures of it."""
    video = place(number).with_suffix(".video")
    place(number).replace(video)
    try:
        for count, frame in enumerate(frames_of(video, name, interval_s)):
            if task.stopped:
                raise Stopped("It was stopped while the photos were copied; drop them again.")
            place(number + count).write_bytes(frame.content)
            yield Unpacked(frame.name, time_s=frame.time_s)
    except ImageError as error:
        yield Unpacked(name, error.message)
    finally:
        video.unlink()


def _wanted(parts: Parts, *, videos: bool) -> dict[int, Entry]:
    """Return the entries that may be photos, by number."""
    return {
        entry.number: entry
        for title, entries in parts.parts()
        for entry in entries
        if not is_junk(entry) and not (title and unfit(entry.name) and not (videos and is_video(entry.name)))
    }
