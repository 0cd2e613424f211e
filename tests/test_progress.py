"""How far a piece of work is."""

from dataclasses import FrozenInstanceError
from types import SimpleNamespace

import pytest

from vitcore.progress import Course, Estimate, Meter, Progress, Stage, Task


class Clock:
    """Seconds that pass only when a test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr("vitcore.progress.time", SimpleNamespace(perf_counter=lambda: self.now))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.mark.parametrize(
    ("done", "total", "fraction"), [(0, 10, 0.0), (5, 10, 0.5), (12, 10, 1.0), (3, 0, 0.0)]
)
def test_the_fraction_stays_between_0_and_1(done, total, fraction):
    assert Progress(phase="embed", done=done, total=total).fraction == fraction


def test_a_snapshot_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        Progress(phase="embed").done = 3


def test_a_meter_publishes_its_start_and_its_end(clock):
    seen = []
    meter = Meter(seen.append, "embed", 10)
    for _ in range(10):
        clock.now += 0.001
        meter.add(1)
    assert (seen[0].done, seen[0].total, seen[0].per_second, seen[0].remaining_s) == (0, 10, 0.0, None)
    assert (seen[-1].done, seen[-1].fraction, seen[-1].remaining_s) == (10, 1.0, 0.0)


def test_a_meter_publishes_at_most_ten_times_a_second(clock):
    seen = []
    meter = Meter(seen.append, "embed", 100_000)
    for _ in range(2000):
        clock.now += 0.001
        meter.add(1)
    assert 15 <= len(seen) <= 21


def test_speed_and_time_left_follow_from_what_was_done(clock):
    seen = []
    meter = Meter(seen.append, "fit", 20, unit="epochs")
    clock.now += 2.0
    meter.add(8)
    assert meter.elapsed_s == 2.0
    assert (seen[-1].phase, seen[-1].unit, seen[-1].per_second, seen[-1].remaining_s) == (
        "fit",
        "epochs",
        4.0,
        3.0,
    )


def test_what_was_there_before_does_not_count_for_the_speed(clock):
    seen = []
    meter = Meter(seen.append, "embed", 100, done=90)
    clock.now += 1.0
    meter.add(5)
    assert (seen[-1].done, seen[-1].per_second, seen[-1].remaining_s) == (95, 5.0, 1.0)


def test_a_meter_works_without_an_audience(clock):
    meter = Meter(None, "embed", 4)
    clock.now += 2.0
    meter.add(4)
    assert meter.per_second == 2.0


def test_a_task_that_nobody_watches_goes_on():
    task = Task()
    task.report(Progress(phase="embed"))
    task.meter("embed", 3).add(3)
    assert not task.stopped


def test_a_task_reports_and_can_be_stopped():
    seen = []
    task = Task(seen.append)
    task.report(Progress(phase="prepare"))
    task.meter("fit", 4, done=1, unit="epochs")
    assert [(p.phase, p.done, p.total, p.unit) for p in seen] == [
        ("prepare", 0, 0, "images"),
        ("fit", 1, 4, "epochs"),
    ]
    task.stop.set()
    assert task.stopped
    assert not Task(seen.append).stopped


# --- the whole work ----------------------------------------------------------------------------

STAGES = [Stage(phase="prepare", cost=1), Stage(phase="embed", cost=6), Stage(phase="embed", cost=2)]


def at(phase, done=0, total=0, rate=0.0):
    return Progress(phase=phase, done=done, total=total, per_second=rate)


def test_stages_make_one_progress_that_never_goes_back():
    course = Course([*STAGES, Stage(phase="fit", cost=1)])
    steps = [
        at("prepare"),
        at("embed", 0, 60),
        at("embed", 30, 60),
        at("embed", 60, 60),
        at("embed", 0, 20),
        at("embed", 10, 20),
        at("prepare", 1, 2),  # none is expected any more
        at("fit", 0, 4),
        at("fit", 4, 4),
        at("fit", 0, 4),
    ]
    assert [course.place(step).overall for step in steps] == [0, 0.1, 0.4, 0.7, 0.7, 0.8, 0.8, 0.9, 1, 1]


def test_the_time_left_of_all_is_in_proportion_to_what_was_timed():
    course = Course(STAGES)
    assert course.place(at("prepare")).overall_remaining_s is None
    assert course.place(at("embed", 0, 60)).overall_remaining_s is None
    # 60 at 2 a second make 30 s for a cost of 6: half of it and the last stage are left, 5 in all.
    assert course.place(at("embed", 30, 60, 2.0)).overall_remaining_s == pytest.approx(25)


def test_stages_that_are_skipped_are_done():
    assert Course(STAGES).place(at("embed", 5, 10)).overall == pytest.approx(4 / 9)


def test_a_part_of_the_work_takes_its_share_of_the_whole():
    seen = []
    task = Task(seen.append)
    task.within(0.0, 0.2).report(at("import", 1, 2))
    task.within(0.2, 1.0).along(Course(STAGES)).report(at("embed", 30, 60))
    assert [round(progress.whole, 3) for progress in seen] == [0.1, round(0.2 + 0.8 * 4 / 9, 3)]


def test_estimates_go_to_whoever_watches():
    seen = []
    estimate = Estimate(images=20, total=60, accuracy=0.5, low=0.3, high=0.7)
    Task(on_estimate=seen.append).within(0, 1).along(Course(STAGES)).estimate(estimate)
    Task().estimate(estimate)
    assert seen == [estimate]
