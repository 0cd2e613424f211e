"""Background work: two lanes of jobs per device, watched through immutable snapshots.

A job is a function that runs in a daemon thread and publishes `Progress`. Whoever holds the
`JobQueue` can list the jobs, read how far they are and ask them to stop; nobody has to, and a job
goes on when the browser that started it is gone.

The long jobs of a device run one after another. Short work, such as a few photos to answer, does not wait for
them: it goes ahead between two steps of the long job at work (`vitcore.progress.Task.give_way`). What a long
job loses by that is bounded: `_BURST_S` seconds at once, and `_SHARE` of its time in the long run; beyond
that, short work waits until so much has been earned again.
"""

import itertools
import math
import queue
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Literal

from vitcore.errors import Stopped, VitcoreError
from vitcore.messages import Message, message
from vitcore.progress import Estimate, Progress, Task
from vitcore.records import disk_guard

__all__ = ["Job", "JobQueue", "JobSnapshot", "JobState", "Work"]

_SHARE = 0.04  # of the time of a long job that short work may take in the long run
_BURST_S = 3.0  # that it may take at once
_PATIENCE_S = 1.0  # after which short work starts beside a long job that is in the middle of a step

JobState = Literal["waiting", "running", "complete", "stopped", "failed"]


@dataclass(frozen=True, kw_only=True)
class JobSnapshot:
    """The state of a job at one moment.

    Attributes:
        state: ``waiting`` in line, ``running``, or how it ended.
        progress: The last published progress; None before the first.
        result_id: Id of what the job makes or works on, once it is known: a run's or a dataset's.
        works_on: Id of the dataset that it works on, once it is known; empty if there is none.
        estimates: Figures before their time, from the first images on.
        message: Why it failed or was stopped, if it did.
        elapsed_s: Seconds since it began to run; 0 while it waits.
    """

    state: JobState = "waiting"
    progress: Progress | None = None
    result_id: str | None = None
    works_on: str = ""
    estimates: tuple[Estimate, ...] = ()
    message: Message | None = None
    elapsed_s: float = 0.0

    @property
    def active(self) -> bool:
        """True while it waits or runs."""
        return self.state in {"waiting", "running"}


@dataclass(eq=False)
class Job:
    """A piece of work in a `JobQueue`, which its work function gets.

    Attributes:
        id: Counts the jobs of a queue, from 1.
        kind: What kind of work it is, a name that whoever submits it chooses.
        title: For people.
        device: Name of the device it computes on.
        short: Whether it goes ahead of the long jobs.
        stop: Set when the job should end early.
    """

    id: int
    kind: str
    title: str
    device: str = "cpu"
    short: bool = False
    stop: threading.Event = field(default_factory=threading.Event)
    _snapshot: JobSnapshot = field(default_factory=JobSnapshot)
    _began: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _give_way: Callable[[], None] = field(default=lambda: None)

    @property
    def snapshot(self) -> JobSnapshot:
        """Its state now."""
        with self._lock:
            if self._snapshot.state == "running":
                return replace(self._snapshot, elapsed_s=time.monotonic() - self._began)
            return self._snapshot

    @property
    def task(self) -> Task:
        """The object that the work reports to, and is stopped by."""
        return Task(self.report, self.stop, self.announce, self.estimate, self._give_way)

    def report(self, progress: Progress) -> None:
        """Publish progress."""
        with self._lock:
            self._snapshot = replace(self._snapshot, progress=progress)

    def announce(self, result_id: str) -> None:
        """Publish the id of what the job makes."""
        with self._lock:
            self._snapshot = replace(self._snapshot, result_id=result_id)

    def works_on(self, dataset_id: str) -> None:
        """Publish the id of the dataset that the job works on."""
        with self._lock:
            self._snapshot = replace(self._snapshot, works_on=dataset_id)

    def estimate(self, estimate: Estimate) -> None:
        """Publish a figure before its time."""
        with self._lock:
            before = self._snapshot.estimates
            if not before or estimate.images > before[-1].images:  # one from fewer images tells nothing new
                self._snapshot = replace(self._snapshot, estimates=(*before, estimate))

    def _begin(self) -> None:
        with self._lock:
            self._began = time.monotonic()
            self._snapshot = replace(self._snapshot, state="running")

    def _end(self, state: JobState, message: Message | None = None) -> None:
        with self._lock:
            elapsed_s = time.monotonic() - self._began if self._began else 0.0
            self._snapshot = replace(self._snapshot, state=state, message=message, elapsed_s=elapsed_s)


Work = Callable[[Job], object]
"""Does the work in a thread of its own. Raises `Stopped` when stopped, `VitcoreError` when it fails."""


_Waiting = tuple[Job, Work, Callable[[], None] | None]


class _Device:
    """Who computes on a device: a long job, or short work between two of its steps."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._long = False  # whether a long job has begun and not ended
        self._resting = False  # whether it waits between two steps
        self._asking = 0  # short work that waits for its turn
        self._busy = False  # whether short work is being done
        self._since = self._rests_since = self._spent_s = 0.0  # of the long job; the last is what it has lost

    @contextmanager
    def long(self) -> Iterator[None]:
        """Hold the device for a long job, which is what is done within."""
        with self._changed:
            self._long, self._since, self._spent_s = True, time.monotonic(), 0.0
        try:
            yield
        finally:
            with self._changed:
                self._long = False
                self._changed.notify_all()

    def give_way(self) -> None:
        """Let short work go ahead that waits for it; the long job calls this between two steps."""
        with self._changed:
            if not self._has_to_rest():
                return
            self._rests_since, self._resting = time.monotonic(), True
            self._changed.notify_all()
            resting = True
            while resting:
                self._changed.wait_for(lambda: self._busy or not self._asking)  # somebody takes the turn,
                self._changed.wait_for(lambda: not self._busy)  # and has had it
                resting = self._has_to_rest()
            self._resting = False
            self._spent_s += time.monotonic() - self._rests_since

    @contextmanager
    def short(self) -> Iterator[None]:
        """Wait for the turn of short work, which is what is done within."""
        with self._changed:
            self._asking += 1
            asked = time.monotonic()
            while not self._may_start(asked):
                self._changed.wait(0.05 if self._long else None)
            self._asking -= 1
            self._busy = True
            self._changed.notify_all()
        began = time.monotonic()
        try:
            yield
        finally:
            with self._changed:
                self._busy = False
                if self._long and not self._resting:  # it was done beside a step, and slowed that down
                    self._spent_s += time.monotonic() - began
                self._changed.notify_all()

    @property
    def wait_s(self) -> float:
        """Seconds until short work may go ahead, beside the rest of a step; 0 if it may now."""
        return max(0.0, -self._earned_s()) / _SHARE if self._long else 0.0

    def _earned_s(self) -> float:
        """Return how long short work may keep the long job waiting now."""
        if not self._long:
            return math.inf
        now = time.monotonic()
        resting_s = now - self._rests_since if self._resting else 0.0
        return _BURST_S + _SHARE * (now - self._since) - self._spent_s - resting_s

    def _has_to_rest(self) -> bool:
        return self._busy or (self._asking > 0 and self._earned_s() > 0)

    def _may_start(self, asked: float) -> bool:
        if self._busy:
            return False
        if not self._long or self._resting:
            return True
        return self._earned_s() > 0 and time.monotonic() - asked > _PATIENCE_S


class _Lane:
    """Jobs that run one after another, in a thread of their own."""

    def __init__(self, name: str, turn: Callable[[], AbstractContextManager[None]]) -> None:
        self._line: queue.SimpleQueue[_Waiting] = queue.SimpleQueue()
        threading.Thread(target=self._work_off, args=(turn,), name=name, daemon=True).start()

    def put(self, waiting: _Waiting) -> None:
        """Put a job at the end."""
        self._line.put(waiting)

    def _work_off(self, turn: Callable[[], AbstractContextManager[None]]) -> None:
        while True:
            job, work, cleanup = self._line.get()
            try:
                with turn():
                    state, reason = _run(job, work)
            finally:
                if cleanup is not None:
                    cleanup()
            job._end(state, reason)  # noqa: SLF001


class JobQueue:
    """The jobs of this process: the long ones of one device run one after another, short ones go ahead.

    Safe to use from several threads.
    """

    def __init__(self) -> None:
        self._jobs: list[Job] = []
        self._devices: dict[str, _Device] = {}
        self._lanes: dict[tuple[str, bool], _Lane] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def submit(
        self,
        kind: str,
        title: str,
        work: Work,
        *,
        device: str = "cpu",
        short: bool = False,
        cleanup: Callable[[], None] | None = None,
    ) -> Job:
        """Put work in a lane of a device; it starts when those before it have ended.

        Args:
            kind: What kind of work it is.
            title: For people.
            work: Called with the job, in a daemon thread.
            device: Name of the device.
            short: Whether it takes some seconds only, and goes ahead of the long jobs.
            cleanup: Called when the job has ended in any way, also when it never started.
        """
        with self._lock:
            owner = self._device(device)
            job = Job(next(self._numbers), kind, title, device, short)
            if not short:
                job._give_way = owner.give_way  # noqa: SLF001
            self._jobs.append(job)
            lane = self._lanes.get((device, short))
            if lane is None:
                name = f"vitcore-jobs-{device}{'-short' if short else ''}"
                lane = self._lanes[device, short] = _Lane(name, owner.short if short else owner.long)
        lane.put((job, work, cleanup))
        return job

    @contextmanager
    def ahead(self, device: str) -> Iterator[None]:
        """Wait for the turn of short work on a device, which the caller does within, in its own thread."""
        with self._lock:
            owner = self._device(device)
        with owner.short():
            yield

    def wait_s(self, job: Job) -> float | None:
        """Return the seconds until a job that waits will start, as far as that can be foreseen."""
        with self._lock:
            owner = self._device(job.device)
        if job.short:
            return owner.wait_s
        before = [other for other in self.active() if other.device == job.device and other.id < job.id]
        left = [other.snapshot.progress for other in before if not other.short]
        if len(left) != 1 or left[0] is None:
            return None
        return left[0].remaining_s

    def _device(self, name: str) -> _Device:
        return self._devices.setdefault(name, _Device())

    def jobs(self) -> list[Job]:
        """All jobs, the newest first."""
        with self._lock:
            return self._jobs[::-1]

    def active(self) -> list[Job]:
        """Those that wait or run, in the order in which they were submitted."""
        return [job for job in reversed(self.jobs()) if job.snapshot.active]

    def stop(self, job: Job) -> None:
        """Ask a job to end early; one that waits will not start."""
        job.stop.set()


def _run(job: Job, work: Work) -> tuple[JobState, Message | None]:
    """Do the work of a job; how it ended, and why."""
    if job.stop.is_set():
        return "stopped", Message("It was stopped before it started.")
    job._begin()  # noqa: SLF001
    try:
        with disk_guard():
            work(job)
    except Stopped as stopped:
        return "stopped", stopped.message
    except VitcoreError as error:
        return "failed", error.message
    except Exception as error:  # noqa: BLE001 - the line must go on, and the defect must be seen
        # When the process is ending, the thread pools that the work relies on end first.
        if threading.main_thread().is_alive():
            traceback.print_exc()
        kind = type(error).__name__
        return "failed", message(
            "An unexpected error ({kind}: {error}); see the log.", kind=kind, error=error
        )
    return ("stopped" if job.stop.is_set() else "complete"), None
