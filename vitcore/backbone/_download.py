"""A download that can be watched, stopped at once and resumed."""

import queue
import re
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from vitcore.errors import Stopped
from vitcore.progress import Meter, Task

__all__ = ["Foreign", "Silence", "Truncated", "download", "watched"]

PAUSE_S = 1.0
TRIES = 3
"""Connections in a row that may break before a byte arrives."""

_MB = 1_000_000
_RANGE = re.compile(r"bytes (\d+)-")
_Item = TypeVar("_Item")


class Foreign(Exception):
    """Something answered that is no model hub, such as the sign-in page of a network."""


class Silence(Exception):
    """Nothing has come for too long."""


class Truncated(Exception):
    """A download ended too early; what has arrived is kept.

    Args:
        done_bytes: What has arrived.
        total_bytes: The size of the file.
        silent: True if nothing came any more, False if connections broke.
    """

    def __init__(self, done_bytes: int, total_bytes: int, *, silent: bool) -> None:
        super().__init__(done_bytes, total_bytes)
        self.done_mb = done_bytes // _MB
        self.total_mb = -(-total_bytes // _MB)
        self.silent = silent


@dataclass(frozen=True)
class _End:
    """The end of what a source gives, and why if that is an error."""

    error: Exception | None = None


def watched(
    source: Callable[[], Iterator[_Item]], task: Task, silence_s: float
) -> Generator[_Item, None, None]:
    """Yield what a source gives, which runs in a thread of its own, where it may block.

    Looking up a name, connecting and reading have no end that a stop could bring about; the thread is
    abandoned then, and ends by its own time limits.

    Args:
        source: Called in the thread.
        task: What stops it.
        silence_s: How long to wait for each item.

    Raises:
        Silence: There was none for so long.
        Stopped: The task was stopped.
        Exception: What the source raises.
    """
    arrived: queue.Queue[_Item | _End] = queue.Queue(maxsize=16)
    abandoned = threading.Event()

    def read() -> None:
        try:
            for item in source():
                arrived.put(item)
                if abandoned.is_set():
                    return
            arrived.put(_End())
        except Exception as error:  # noqa: BLE001 - it is raised where the items are taken
            arrived.put(_End(error))

    threading.Thread(target=read, name="hub-download", daemon=True).start()
    try:
        while not isinstance(item := _next(arrived, task, silence_s), _End):
            yield item
    finally:
        abandoned.set()
        with suppress(queue.Empty):  # a thread that waits for room can go on, and end
            while True:
                arrived.get_nowait()
    if item.error is not None:
        raise item.error


def _next(arrived: "queue.Queue[_Item]", task: Task, silence_s: float) -> _Item:
    patient_until = time.monotonic() + silence_s
    while True:
        if task.stopped:
            raise Stopped("The download was stopped; the next one resumes there.")
        try:
            return arrived.get(timeout=0.05)
        except queue.Empty:
            if time.monotonic() > patient_until:
                raise Silence from None


def download(url: str, part: Path, size_bytes: int, task: Task) -> None:
    """Download a file of the hub, going on where `part` ends, also after the connection broke.

    Args:
        url: Its address on the hub.
        part: The file that grows; complete when this returns.
        size_bytes: Size of the whole.
        task: Where megabytes are reported, and what stops it.

    Raises:
        Truncated: Connections break, or are silent.
        Foreign: Something else than the file comes.
        httpx2.HTTPError: The hub, or a proxy, refuses it.
        OSError: The disk is full.
        Stopped: The task was stopped.
    """
    import httpx2
    from huggingface_hub import constants

    if not part.exists() or part.stat().st_size > size_bytes:
        part.write_bytes(b"")
    meter = _Megabytes(task, part.stat().st_size, size_bytes)
    failures = 0
    while (before := part.stat().st_size) < size_bytes:
        try:
            source = partial(_read, url, before, size_bytes)
            pieces = watched(source, task, constants.HF_HUB_DOWNLOAD_TIMEOUT)
            # Closed when writing fails as well, so that its thread ends.
            with part.open("r+b") as file, closing(pieces):
                position = None
                for offset, piece in pieces:
                    if position is None:
                        file.seek(offset)
                        file.truncate()
                    position = offset + file.write(piece)
                    meter.reach(position)
        except (Silence, httpx2.TimeoutException) as error:
            raise Truncated(part.stat().st_size, size_bytes, silent=True) from error
        except httpx2.ProxyError:
            raise
        except httpx2.TransportError as error:
            failures = 1 if part.stat().st_size > before else failures + 1
            if failures >= TRIES:
                raise Truncated(part.stat().st_size, size_bytes, silent=False) from error
            task.stop.wait(PAUSE_S)


def _read(url: str, start: int, size_bytes: int) -> Iterator[tuple[int, bytes]]:
    """Yield the bytes of a file from `start` on, each piece with its place; from 0 if the server does so."""
    import httpx2
    import huggingface_hub
    from huggingface_hub import constants
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # loaded lazily

    headers = build_hf_headers() | {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    stream = huggingface_hub.get_session().stream(
        "GET", url, headers=headers, timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT
    )
    with stream as response:
        response.raise_for_status()
        found = _RANGE.match(response.headers.get("Content-Range", ""))
        offset = int(found[1]) if response.status_code == 206 and found else 0
        length = response.headers.get("Content-Length")
        fits = length is None or int(length) == size_bytes - offset
        if offset not in {0, start} or not fits or "html" in response.headers.get("Content-Type", ""):
            raise Foreign
        for chunk in response.iter_bytes():
            yield offset, chunk
            offset += len(chunk)
    if offset != size_bytes:
        raise httpx2.RemoteProtocolError("the file ended too early")


class _Megabytes:
    """Reports a download in megabytes."""

    def __init__(self, task: Task, done_bytes: int, total_bytes: int) -> None:
        self._done = done_bytes // _MB
        self._total_bytes = total_bytes
        self._total = -(-total_bytes // _MB)
        self._meter: Meter = task.meter("download", self._total, self._done, unit="MB")

    def reach(self, done_bytes: int) -> None:
        """Report that so much has arrived."""
        done = self._total if done_bytes >= self._total_bytes else done_bytes // _MB
        self._meter.add(done - self._done)
        self._done = done
