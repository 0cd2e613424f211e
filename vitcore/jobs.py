"""Background work: a line of jobs per device, watched through immutable snapshots.

A job is a function that runs in a daemon thread and publishes `Progress`. Whoever holds the
`JobQueue` can list the jobs, read how far they are and ask them to stop; nobody has to, and a job
goes on when the browser that started it is gone.
"""

import itertools
import queue
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from vitcore.errors import Stopped, VitcoreError
from vitcore.messages import Message, message
from vitcore.progress import Estimate, Progress, Task
from vitcore.records import disk_guard

__all__ = ["Job", "JobQueue", "JobSnapshot", "JobState", "Work"]

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
        stop: Set when the job should end early.
    """

    id: int
    kind: str
    title: str
    stop: threading.Event = field(default_factory=threading.Event)
    _snapshot: JobSnapshot = field(default_factory=JobSnapshot)
    _began: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

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
        return Task(self.report, self.stop, self.announce, self.estimate)

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
            estimates = (*self._snapshot.estimates, estimate)
            self._snapshot = replace(self._snapshot, estimates=estimates)

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


class JobQueue:
    """The jobs of this process: those of one device run one after another.

    Safe to use from several threads.
    """

    def __init__(self) -> None:
        self._jobs: list[Job] = []
        self._lines: dict[str, queue.SimpleQueue[_Waiting]] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def submit(
        self,
        kind: str,
        title: str,
        work: Work,
        *,
        device: str = "cpu",
        cleanup: Callable[[], None] | None = None,
    ) -> Job:
        """Put work in the line of a device; it starts when those before it have ended.

        Args:
            kind: What kind of work it is.
            title: For people.
            work: Called with the job, in a daemon thread.
            device: Name of the line.
            cleanup: Called when the job has ended in any way, also when it never started.
        """
        with self._lock:
            job = Job(next(self._numbers), kind, title)
            self._jobs.append(job)
            line = self._lines.get(device)
            if line is None:
                line = self._lines[device] = queue.SimpleQueue()
                name = f"vitcore-jobs-{device}"
                threading.Thread(target=_work_off, args=(line,), name=name, daemon=True).start()
        line.put((job, work, cleanup))
        return job

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


def _work_off(line: "queue.SimpleQueue[_Waiting]") -> None:
    """Run the jobs of one line, for ever."""
    while True:
        job, work, cleanup = line.get()
        try:
            state, reason = _run(job, work)
        finally:
            if cleanup is not None:
                cleanup()
        job._end(state, reason)  # noqa: SLF001


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
