"""The time that a search may take."""

import time
from threading import Event

__all__ = ["Deadline"]


class Deadline(Event):
    """An event that is set once the time is over, or once another event is.

    What looks at it before every batch, such as an embedding or a training, so ends in time.

    Args:
        seconds: How long, from now on.
        stop: The other event: somebody asks to stop.
    """

    def __init__(self, seconds: float, stop: Event | None = None) -> None:
        super().__init__()
        self.seconds = seconds
        self._stop = stop or Event()
        self._started = time.perf_counter()

    @property
    def elapsed_s(self) -> float:
        """Seconds since it was made."""
        return time.perf_counter() - self._started

    @property
    def remaining_s(self) -> float:
        """Seconds left, 0 or more."""
        return max(self.seconds - self.elapsed_s, 0.0)

    @property
    def stopped(self) -> bool:
        """True if somebody asked to stop."""
        return self._stop.is_set()

    def is_set(self) -> bool:
        """Return True once the time is over or somebody asked to stop."""
        return super().is_set() or self.stopped or not self.remaining_s
