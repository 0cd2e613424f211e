"""The time that a search may take."""

from threading import Event

from vitcore.search import Deadline


def test_it_is_set_when_the_time_is_over():
    deadline = Deadline(600)
    assert not deadline.is_set()
    assert 0 < deadline.remaining_s <= 600
    deadline.seconds = deadline.elapsed_s
    assert deadline.is_set()
    assert deadline.remaining_s == 0
    assert not deadline.stopped


def test_it_is_set_when_somebody_asks_to_stop():
    stop = Event()
    deadline = Deadline(600, stop)
    stop.set()
    assert deadline.is_set()
    assert deadline.stopped
    assert deadline.remaining_s > 0


def test_it_is_an_event_itself():
    deadline = Deadline(600)
    deadline.set()
    assert deadline.is_set()
