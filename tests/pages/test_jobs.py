"""The table of the kinds of background work: each is started, shown and ended in the same way."""

import re
import time

import pytest
from streamlit.testing.v1 import AppTest

from app.shared.job_kinds import JOB_KINDS, JobKind
from app.shared.state import job_queue

PAGE = """
import streamlit as st
from app.shared.job_kinds import JOB_KINDS
from app.shared.jobs import draw_jobs, start, watch_jobs
from app.shared.messages import draw_notice
kind = JOB_KINDS["{name}"]
watch_jobs()
draw_notice()
if st.button("begin", key="begin"):
    start(kind, "held photos", {work}, device="cpu", result_id="an id")
draw_jobs(kind, below=lambda job: st.caption("below " + job.title))
"""
FAILS = "lambda job: (_ for _ in ()).throw(VitcoreError('It failed.'))"

kinds = pytest.mark.parametrize("kind", JOB_KINDS.values(), ids=lambda kind: kind.name)


def open_kind(kind: JobKind, work: str = "lambda job: None") -> AppTest:
    """A session whose page has nothing but the work of one kind on it."""
    imports = "from vitcore.errors import VitcoreError\n"
    at = AppTest.from_string(imports + PAGE.format(name=kind.name, work=work), default_timeout=30).run()
    assert not at.exception
    return at


def filled_in(text: str) -> re.Pattern[str]:
    """A text of the table with whatever stands in its field."""
    return re.compile(".*".join(map(re.escape, re.split(r"\{\w+\}", text))))


def fields(text: str) -> list[str]:
    return re.findall(r"\{(\w*)\}", text)


@kinds
def test_the_texts_of_a_kind_have_the_fields_that_are_filled_in(kind):
    assert fields(kind.running) == ["title"]
    assert fields(kind.complete) == ["time"]
    assert fields(kind.ended_early) == fields(kind.stop) == []


@kinds
def test_work_is_shown_with_what_it_does_and_can_be_stopped(kind, hold, ui):
    held = hold(kind=kind.name)
    at = open_kind(kind)
    shown = ui.texts(at)
    assert any(kind.running.format(title="held photos") in text and "3 of 20" in text for text in shown)
    assert "below held photos" in shown
    assert ui.find_button(at, f"stop_{held.job.id}").label == kind.stop
    ui.press(at, f"stop_{held.job.id}")
    assert held.job.stop.is_set()


def test_a_panel_shows_its_own_kind_only(hold, ui):
    hold(kind="review")
    assert ui.find_button(open_kind(JOB_KINDS["maps"]), "stop_") is None


@kinds
def test_the_session_that_started_work_looks_at_its_result_and_no_other(kind, finish, ui):
    mine, other = open_kind(kind), open_kind(kind)
    ui.press(mine, "begin")
    finish(mine)
    finish(other)
    (success,) = mine.success
    assert filled_in(kind.complete).fullmatch(success.value)
    assert mine.session_state[f"pending_{kind.selects}"] == "an id"
    assert not other.success
    assert f"pending_{kind.selects}" not in other.session_state


@pytest.mark.parametrize("name", ["run", "dataset"])
def test_work_that_fails_says_so_and_selects_nothing(name, finish, ui):
    kind = JOB_KINDS[name]
    at = open_kind(kind, FAILS)
    finish(ui.press(at, "begin"))
    (error,) = at.error
    assert error.value.startswith(kind.ended_early)
    assert "It failed" in error.value
    assert f"pending_{kind.selects}" not in at.session_state


def test_an_import_does_not_wait_for_a_training(hold, finish, ui):
    held = hold(device="cpu")
    ui.press(open_kind(JOB_KINDS["check"]), "begin")
    at = ui.press(open_kind(JOB_KINDS["dataset"]), "begin")
    imported, checked, _ = job_queue().jobs()
    deadline = time.monotonic() + 30
    while imported.snapshot.active and time.monotonic() < deadline:
        time.sleep(0.005)
    assert (imported.snapshot.state, checked.snapshot.state) == ("complete", "waiting")
    held.let_go()
    finish(at)
