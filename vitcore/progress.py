"""The progress of a piece of work, its publication, and its end on request."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event

from vitcore.messages import NOTHING, Message

__all__ = ["Meter", "OnProgress", "Progress", "Task"]


@dataclass(frozen=True, kw_only=True)
class Progress:
    """One immutable snapshot of a piece of work.

    Attributes:
        phase: ``import``, ``prepare``, ``download``, ``engines``, ``embed``, ``fit``, ``review``, ``search``,
            ``evaluate``, ``check``, ``predict``, ``maps``, ``export`` or ``compare``.
        done: Units finished, 0 … `total`.
        total: Units in all; 0 when unknown.
        unit: What is counted: ``images``, ``epochs``, ``seconds``, ``pairs`` or ``MB``.
        per_second: Units finished per second, 0 when not known yet.
        remaining_s: Estimated seconds left in this phase, None when not known yet.
        message: One sentence for the user, if there is something to say.
    """

    phase: str
    done: int = 0
    total: int = 0
    unit: str = "images"
    per_second: float = 0.0
    remaining_s: float | None = None
    message: Message = NOTHING

    @property
    def fraction(self) -> float:
        """Part of the phase that is done, 0 … 1."""
        return min(self.done / self.total, 1.0) if self.total else 0.0


OnProgress = Callable[[Progress], None]


class Meter:
    """Counts finished units and publishes `Progress` at most ten times a second.

    Args:
        publish: Where snapshots go; None for nowhere.
        phase: See `Progress`.
        total: Units in all.
        done: Units that were finished before and cost nothing now; they do not count for the speed.
        unit: What is counted.
    """

    def __init__(
        self, publish: OnProgress | None, phase: str, total: int, done: int = 0, unit: str = "images"
    ) -> None:
        self._publish = publish
        self._phase = phase
        self._total = total
        self._unit = unit
        self._before = done
        self._done = done
        self._started = time.perf_counter()
        self._published = float("-inf")
        self._send()

    def add(self, count: int) -> None:
        """Count `count` more finished units."""
        self._done += count
        if time.perf_counter() - self._published >= 0.1 or self._done >= self._total:
            self._send()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the meter was made."""
        return time.perf_counter() - self._started

    @property
    def per_second(self) -> float:
        """Units finished per second since the meter was made."""
        return (self._done - self._before) / max(self.elapsed_s, 1e-9)

    def _send(self) -> None:
        self._published = time.perf_counter()
        if self._publish is None:
            return
        rate = self.per_second
        self._publish(
            Progress(
                phase=self._phase,
                done=self._done,
                total=self._total,
                unit=self._unit,
                per_second=rate,
                remaining_s=(self._total - self._done) / rate if rate and self._total else None,
            )
        )


@dataclass(frozen=True)
class Task:
    """A piece of work as it is watched and stopped from outside; by default it is neither.

    Attributes:
        on_progress: Called with each snapshot; None if nobody watches.
        stop: Set it to end the work early.
        on_start: Called with the id of what is made, as soon as it exists.
    """

    on_progress: OnProgress | None = None
    stop: Event = field(default_factory=Event)
    on_start: Callable[[str], None] | None = None

    @property
    def stopped(self) -> bool:
        """True once the work is to end early."""
        return self.stop.is_set()

    def report(self, progress: Progress) -> None:
        """Publish a snapshot."""
        if self.on_progress is not None:
            self.on_progress(progress)

    def announce(self, result_id: str) -> None:
        """Publish the id of what is made."""
        if self.on_start is not None:
            self.on_start(result_id)

    def meter(self, phase: str, total: int, done: int = 0, unit: str = "images") -> Meter:
        """Start to count the units of a phase; the arguments are those of `Meter`."""
        return Meter(self.on_progress, phase, total, done, unit)
