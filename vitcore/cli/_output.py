"""The output of the commands, and their end on request."""

import argparse
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TextIO

from vitcore.progress import Progress
from vitcore.text import json_text, shown

__all__ = ["Printer", "answer", "say", "stopping"]


def answer(options: argparse.Namespace, value: dict[str, Any], text: str) -> None:
    """Print the answer of a command: as JSON if that is asked for, else the text."""
    if options.json:
        print(json_text(value))
    else:
        say(text, sys.stdout)


def say(text: object, stream: TextIO | None = None) -> None:
    """Print lines for people, on stderr if nothing else is said; names in them command no terminal."""
    print("\n".join(map(shown, str(text).split("\n"))), file=stream or sys.stderr)


@contextmanager
def stopping(stop: threading.Event) -> Iterator[None]:
    """Ctrl-C or SIGTERM asks the work to stop and keep what it has; a second one ends it at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def on_interrupt(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            signal.default_int_handler(number, frame)
        stop.set()
        print("\nStopping; press Ctrl-C again to end at once.", file=sys.stderr)

    before = {number: signal.signal(number, on_interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Printer:
    """Progress on stderr: one line that changes on a terminal, a line every few seconds elsewhere."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._phase = ""
        self._last = 0.0

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        finished = bool(progress.total) and progress.done >= progress.total
        new_phase = progress.phase != self._phase
        if progress.message:
            say(progress.message)
        elif progress.total and (finished or new_phase or now - self._last >= (0.1 if self._live else 5)):
            self._last = now
            text = f"{progress.phase}: {progress.done}/{progress.total} {progress.unit}"
            if progress.per_second:
                text += f", {progress.per_second:.1f} {progress.unit}/s"
            if progress.remaining_s is not None and not finished:
                text += f", {progress.remaining_s:.0f} s left"
            if self._live:
                print(f"\r{text}\033[K", end="\n" if finished else "", file=sys.stderr, flush=True)
            else:
                print(text, file=sys.stderr)
        self._phase = progress.phase
