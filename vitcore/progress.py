"""The progress of a piece of work, its publication, and its end on request."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from threading import Event

from vitcore.messages import NOTHING, Message

__all__ = ["Course", "Estimate", "Meter", "OnProgress", "Progress", "Stage", "Task"]


@dataclass(frozen=True, kw_only=True)
class Progress:
    """One immutable snapshot of a piece of work.

    Attributes:
        phase: ``list``, ``import``, ``prepare``, ``download``, ``engines``, ``embed``, ``fit``, ``review``,
            ``search``, ``evaluate``, ``check``, ``predict``, ``maps``, ``export``, ``compare`` or
            ``publish``.
        done: Units finished, 0 … `total`.
        total: Units in all; 0 when unknown.
        unit: What is counted: ``images``, ``epochs``, ``seconds``, ``pairs`` or ``MB``.
        per_second: Units finished per second, 0 when not known yet.
        remaining_s: Estimated seconds left in this phase, None when not known yet.
        message: One sentence for the user, if there is something to say.
        overall: Part of the whole work that is done, 0 … 1; None if this phase is all there is.
        overall_remaining_s: Estimated seconds left of the whole work, None when not known yet.
    """

    phase: str
    done: int = 0
    total: int = 0
    unit: str = "images"
    per_second: float = 0.0
    remaining_s: float | None = None
    message: Message = NOTHING
    overall: float | None = None
    overall_remaining_s: float | None = None

    @property
    def whole(self) -> float:
        """Part of the whole work that is done, 0 … 1."""
        return self.fraction if self.overall is None else self.overall

    @property
    def fraction(self) -> float:
        """Part of the phase that is done, 0 … 1."""
        return min(self.done / self.total, 1.0) if self.total else 0.0


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A figure before its time: what a quick classifier makes of the first images.

    Attributes:
        images: How many it was measured on.
        total: How many there are in all.
        accuracy: Part of the answers that are right, 0 … 1.
        low: Lower end of its 95 % interval.
        high: Upper end.
    """

    images: int
    total: int
    accuracy: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stretch of a longer piece of work.

    Attributes:
        phase: As `Progress.phase` has it.
        cost: Expected seconds on any machine, in proportion to those of the other stages.
    """

    phase: str
    cost: float


class Course:
    """The stages of a piece of work, as one progress that never goes back, with the time left of all.

    The time left is known once a stage that takes long has been timed: the others are expected to take as
    much longer or shorter than their cost as that one.

    Args:
        stages: In the order in which they come, one or more; a phase that is not among them takes no time.
    """

    def __init__(self, stages: Sequence[Stage]) -> None:
        self._stages = tuple(stages)
        self._all = sum(stage.cost for stage in stages) or 1.0
        self._at = 0
        self._before = Progress(phase="")
        self._overall = 0.0
        self._pace: float | None = None  # seconds per unit of cost

    def place(self, progress: Progress) -> Progress:
        """Return a snapshot of a stage as one of the whole work."""
        self._advance(progress)
        self._before = progress
        stage = self._stages[self._at]
        within = progress.fraction if progress.phase == stage.phase else 0.0
        done = sum(earlier.cost for earlier in self._stages[: self._at]) + stage.cost * within
        self._overall = max(self._overall, min(done / self._all, 1.0))
        if progress.phase == stage.phase and progress.per_second and progress.total and stage.cost:
            pace = progress.total / progress.per_second / stage.cost
            if self._pace is None or stage.cost >= 0.2 * self._all:
                self._pace = pace
        remaining_s = None if self._pace is None else self._pace * (1 - self._overall) * self._all
        return replace(progress, overall=self._overall, overall_remaining_s=remaining_s)

    def _advance(self, progress: Progress) -> None:
        """Go on to the stage of a snapshot, which may be a second one of the same phase."""
        again = progress.phase == self._before.phase and progress.done < self._before.done
        for number in range(self._at + again, len(self._stages)):
            if self._stages[number].phase == progress.phase:
                self._at = number
                return


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
        on_estimate: Called with each figure before its time.
        on_step: Called between two steps, and returns when the next one may begin.
    """

    on_progress: OnProgress | None = None
    stop: Event = field(default_factory=Event)
    on_start: Callable[[str], None] | None = None
    on_estimate: Callable[[Estimate], None] | None = None
    on_step: Callable[[], None] | None = None

    def give_way(self) -> None:
        """Let shorter work go ahead; called between two steps."""
        if self.on_step is not None:
            self.on_step()

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

    def estimate(self, estimate: Estimate) -> None:
        """Publish a figure before its time."""
        if self.on_estimate is not None:
            self.on_estimate(estimate)

    def along(self, course: Course) -> "Task":
        """Return this task with each snapshot placed on a course."""
        return replace(self, on_progress=lambda progress: self.report(course.place(progress)))

    def within(self, begin: float, end: float) -> "Task":
        """Return this task for a part of its work, which takes `overall` from one value to another."""

        def report(progress: Progress) -> None:
            self.report(replace(progress, overall=begin + (end - begin) * progress.whole))

        return replace(self, on_progress=report)

    def meter(self, phase: str, total: int, done: int = 0, unit: str = "images") -> Meter:
        """Start to count the units of a phase; the arguments are those of `Meter`."""
        return Meter(self.on_progress, phase, total, done, unit)
