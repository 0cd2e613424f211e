import dataclasses
import threading
import time
from collections.abc import Callable

import pytest

from vitcore import jobs
from vitcore.errors import DatasetError, Stopped
from vitcore.jobs import Job, JobQueue, JobSnapshot
from vitcore.progress import Estimate, Progress

PATIENCE_S = 10.0


def wait(event: threading.Event) -> None:
    assert event.wait(PATIENCE_S), "the other thread did not come that far"


def drain(queue: JobQueue, device: str = "cpu") -> None:
    """Wait for all jobs of a line: one behind them begins when they have ended."""
    begun = threading.Event()
    queue.submit("run", "the last in line", lambda _job: begun.set(), device=device)
    wait(begun)


def finish(job: Job) -> None:
    """Wait for one job."""
    deadline = time.monotonic() + PATIENCE_S
    while job.snapshot.active:
        assert time.monotonic() < deadline, "the job does not end"
        time.sleep(0.001)


class Gate:
    """Work that says when it has begun and then waits to be let through."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.opened = threading.Event()

    def __call__(self, _job: Job) -> None:
        self.begun.set()
        wait(self.opened)


def fail_with(error: BaseException) -> Callable[[Job], None]:
    def work(_job: Job) -> None:
        raise error

    return work


@pytest.fixture
def queue() -> JobQueue:
    return JobQueue()


def test_a_new_queue_has_no_jobs(queue):
    assert queue.jobs() == []
    assert queue.active() == []


def test_work_that_returns_is_complete(queue):
    job = queue.submit("run", "photos", lambda _job: None)
    drain(queue)
    assert job.snapshot.state == "complete"
    assert job.snapshot.message is None
    assert not job.snapshot.active


def test_a_figure_from_fewer_images_than_the_last_one_is_passed_over(queue):
    def work(job: Job) -> None:
        for images in (64, 20, 128):
            job.task.estimate(Estimate(images=images, total=200, accuracy=0.5, low=0.4, high=0.6))

    job = queue.submit("run", "photos", work)
    drain(queue)
    assert [estimate.images for estimate in job.snapshot.estimates] == [64, 128]


def test_jobs_of_one_line_run_in_order_and_never_together(queue):
    order: list[int] = []
    together = threading.Lock()

    def work(job: Job) -> None:
        assert together.acquire(blocking=False)
        order.append(job.id)
        together.release()

    jobs = [queue.submit("run", f"number {n}", work) for n in range(20)]
    drain(queue)
    assert order == [job.id for job in jobs]
    assert {job.snapshot.state for job in jobs} == {"complete"}


def test_jobs_of_two_devices_run_at_the_same_time(queue):
    # Each waits for the other: one after the other, neither would ever end.
    both = threading.Barrier(2, timeout=PATIENCE_S)
    jobs = [queue.submit("run", name, lambda _job: both.wait() and None, device=name) for name in ("a", "b")]
    drain(queue, "a")
    drain(queue, "b")
    assert [job.snapshot.state for job in jobs] == ["complete", "complete"]


def test_a_job_waits_until_the_one_before_it_has_ended(queue):
    first, second = Gate(), Gate()
    jobs = [queue.submit("run", "first", first), queue.submit("dataset", "second", second)]
    wait(first.begun)
    assert [job.snapshot.state for job in jobs] == ["running", "waiting"]
    assert jobs[1].snapshot.elapsed_s == 0
    assert queue.active() == jobs
    first.opened.set()
    wait(second.begun)
    assert [job.snapshot.state for job in jobs] == ["complete", "running"]
    assert queue.active() == jobs[1:]
    second.opened.set()
    drain(queue)
    assert not any(job.snapshot.active for job in jobs)


def test_jobs_are_numbered_and_listed_newest_first(queue):
    jobs = [queue.submit("run", name, lambda _job: None, device=name) for name in ("a", "b", "c")]
    assert [job.id for job in jobs] == [1, 2, 3]
    assert queue.jobs() == jobs[::-1]
    assert [(job.kind, job.title) for job in jobs] == [("run", "a"), ("run", "b"), ("run", "c")]


def test_a_waiting_job_that_is_stopped_never_starts(queue):
    gate, started = Gate(), threading.Event()
    queue.submit("run", "first", gate)
    wait(gate.begun)
    job = queue.submit("run", "second", lambda _job: started.set())
    queue.stop(job)
    gate.opened.set()
    drain(queue)
    assert not started.is_set()
    assert job.snapshot.state == "stopped"
    assert job.snapshot.message
    assert job.snapshot.elapsed_s == 0


def test_a_running_job_sees_that_it_should_stop(queue):
    begun = threading.Event()

    def work(job: Job) -> None:
        begun.set()
        wait(job.stop)

    job = queue.submit("run", "photos", work)
    wait(begun)
    assert job.snapshot.state == "running"
    queue.stop(job)
    drain(queue)
    assert job.snapshot.state == "stopped"


def test_stopping_one_job_leaves_the_others_alone(queue):
    gate = Gate()
    first, second = queue.submit("run", "first", gate), queue.submit("run", "second", lambda _job: None)
    wait(gate.begun)
    queue.stop(first)
    gate.opened.set()
    drain(queue)
    assert [first.snapshot.state, second.snapshot.state] == ["stopped", "complete"]


def test_stopping_a_job_that_has_ended_changes_nothing(queue):
    job = queue.submit("run", "photos", lambda _job: None)
    drain(queue)
    queue.stop(job)
    assert job.snapshot.state == "complete"


@pytest.mark.parametrize(
    ("error", "state", "message"),
    [
        (Stopped("Stopped before the first epoch."), "stopped", "Stopped before the first epoch."),
        (DatasetError("Only one class; add another."), "failed", "Only one class; add another."),
    ],
)
def test_an_expected_error_ends_the_job_with_its_message(queue, capsys, error, state, message):
    job = queue.submit("run", "photos", fail_with(error))
    drain(queue)
    assert job.snapshot.state == state
    assert str(job.snapshot.message) == message
    assert capsys.readouterr().err == ""


def test_an_unexpected_error_fails_the_job_and_prints_its_traceback(queue, capsys):
    job = queue.submit("run", "photos", fail_with(ZeroDivisionError("by nothing")))
    drain(queue)
    assert job.snapshot.state == "failed"
    assert "ZeroDivisionError" in str(job.snapshot.message)
    assert "by nothing" in str(job.snapshot.message)
    assert "\n" not in str(job.snapshot.message)
    trace = capsys.readouterr().err
    assert trace.startswith("Traceback")
    assert "by nothing" in trace
    assert "test_jobs.py" in trace


@pytest.mark.parametrize("error", [Stopped("."), DatasetError("."), ValueError("."), MemoryError()], ids=repr)
def test_the_line_goes_on_after_a_job_that_did_not_succeed(queue, error):
    broken = queue.submit("run", "broken", fail_with(error))
    sound = queue.submit("run", "sound", lambda _job: None)
    drain(queue)
    assert broken.snapshot.state != "complete"
    assert sound.snapshot.state == "complete"


def test_progress_and_result_are_seen_while_the_job_runs(queue):
    published, opened = threading.Event(), threading.Event()
    progress = Progress(phase="fit", done=3, total=20, unit="epochs")

    def work(job: Job) -> None:
        job.report(progress)
        job.announce("20261123-104512-9f3a1c")
        published.set()
        wait(opened)

    job = queue.submit("run", "photos", work)
    wait(published)
    snapshot = job.snapshot
    assert snapshot.state == "running"
    assert snapshot.progress == progress
    assert snapshot.result_id == "20261123-104512-9f3a1c"
    opened.set()
    drain(queue)
    assert job.snapshot.progress == progress
    assert job.snapshot.result_id == "20261123-104512-9f3a1c"


def test_a_failed_job_keeps_its_last_progress_and_its_result(queue):
    progress = Progress(phase="embed", done=1, total=2)

    def work(job: Job) -> None:
        job.announce("a-run")
        job.report(progress)
        raise DatasetError("An image is gone.")

    job = queue.submit("run", "photos", work)
    drain(queue)
    assert (job.snapshot.state, job.snapshot.progress, job.snapshot.result_id) == (
        "failed",
        progress,
        "a-run",
    )


def test_a_snapshot_cannot_be_changed_and_does_not_change_by_itself(queue):
    gate = Gate()
    job = queue.submit("run", "photos", gate)
    wait(gate.begun)
    early = job.snapshot
    with pytest.raises(dataclasses.FrozenInstanceError):
        early.state = "complete"
    gate.opened.set()
    drain(queue)
    assert early.state == "running"
    assert early.active
    assert job.snapshot.state == "complete"


def test_the_time_of_a_job_stands_still_once_it_has_ended(queue):
    job = queue.submit("run", "photos", lambda _job: None)
    drain(queue)
    assert job.snapshot == job.snapshot
    assert job.snapshot.elapsed_s > 0


@pytest.mark.parametrize(
    ("state", "active"),
    [("waiting", True), ("running", True), ("complete", False), ("stopped", False), ("failed", False)],
)
def test_a_job_is_active_while_it_waits_or_runs(state, active):
    assert JobSnapshot(state=state).active is active


def test_work_runs_in_a_named_daemon_thread_of_its_line(queue):
    threads: list[threading.Thread] = []

    def work(_job: Job) -> None:
        threads.append(threading.current_thread())

    for device in ("cpu", "cuda", "cpu"):
        queue.submit("run", "photos", work, device=device)
        drain(queue, device)
    assert all(thread.daemon for thread in threads)
    assert [thread.name for thread in threads] == [
        "vitcore-jobs-cpu",
        "vitcore-jobs-cuda",
        "vitcore-jobs-cpu",
    ]
    assert threads[0] is threads[2]


def test_jobs_can_be_submitted_from_several_threads(queue):
    start = threading.Barrier(8, timeout=PATIENCE_S)

    def submit() -> None:
        start.wait()
        for _ in range(10):
            queue.submit("run", "photos", lambda _job: None)

    threads = [threading.Thread(target=submit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    drain(queue)
    assert sorted(job.id for job in queue.jobs()) == list(range(1, 82))
    assert len({id(job) for job in queue.jobs()}) == 81


# --- short work ----------------------------------------------------------------------------------


class LongJob:
    """A long job of many steps, until it is let go."""

    def __init__(self, queue: JobQueue) -> None:
        self.steps, self.ended = 0, threading.Event()
        self._begun, self._go = threading.Event(), threading.Event()
        self.job = queue.submit("run", "long", self._work)
        wait(self._begun)

    def _work(self, job: Job) -> None:
        self._begun.set()
        deadline = time.monotonic() + PATIENCE_S
        while not self._go.is_set():
            assert time.monotonic() < deadline
            self.steps += 1
            job.task.give_way()
        self.ended.set()

    def let_go(self) -> None:
        self._go.set()


def test_short_work_goes_ahead_between_two_steps_of_a_long_job(queue: JobQueue) -> None:
    long = LongJob(queue)
    seen = threading.Event()
    steps: list[int] = []

    def work(_job: Job) -> None:
        steps.append(long.steps)
        for _ in range(1000):
            time.sleep(0)
        steps.append(long.steps)
        seen.set()

    queue.submit("predict", "short", work, short=True)
    wait(seen)
    assert long.job.snapshot.state == "running"
    assert steps[0] == steps[1]  # the long one rested
    with queue.ahead("cpu"):  # the same for work in the caller's own thread
        assert not long.ended.is_set()
    long.let_go()
    finish(long.job)


def test_a_long_job_loses_no_more_than_its_bound(queue: JobQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_BURST_S", 0.0)
    monkeypatch.setattr(jobs, "_SHARE", 1e-9)
    long = LongJob(queue)
    order: list[bool] = []
    first = queue.submit("predict", "first", lambda _: order.append(long.ended.is_set()), short=True)
    finish(first)
    second = queue.submit("predict", "second", lambda _: order.append(long.ended.is_set()), short=True)
    steps = long.steps
    while long.steps < steps + 1000:  # it goes on while the second one waits
        time.sleep(0)
    assert second.snapshot.state == "waiting"
    assert (queue.wait_s(second) or 0) > 0
    long.let_go()
    finish(second)
    assert order == [False, True]


def test_short_work_does_not_wait_for_a_long_job_that_never_rests(
    queue: JobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "_PATIENCE_S", 0.0)
    hold = threading.Event()
    long = queue.submit("run", "long", lambda _: wait(hold))
    short = queue.submit("predict", "short", lambda _: None, short=True)
    finish(short)
    assert long.snapshot.active
    hold.set()
    finish(long)
