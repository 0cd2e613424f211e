"""Commands that are asked to end, while they start and twice in a row."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from vitcore.cli import main

ROOT = Path(__file__).parents[1]
INTERRUPTED = 130

# Sends a signal to its own process when a module is about to be imported.
IMPATIENT = """
import runpy, signal, sys

class Impatient:
    def find_spec(self, name, path=None, target=None):
        if name == module:
            sys.meta_path.remove(self)
            signal.raise_signal(int(number))

module, number, *sys.argv[1:] = sys.argv[1:]
sys.meta_path.insert(0, Impatient())
runpy.run_module("vitcore", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize(
    ("module", "number"),
    [
        ("vitcore.cli", signal.SIGTERM),
        ("numpy._core", signal.SIGINT),
        pytest.param("pandas", signal.SIGTERM, marks=pytest.mark.thorough),
        pytest.param("vitcore.cli._runs", signal.SIGINT, marks=pytest.mark.thorough),
    ],
)
def test_a_command_that_is_still_starting_ends_without_a_word(module, number):
    ended = subprocess.run(
        [sys.executable, "-c", IMPATIENT, module, str(int(number)), "runs", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (INTERRUPTED, "", "")


@pytest.mark.thorough
def test_a_command_that_is_done_ends_as_such():
    late = "import atexit, signal; atexit.register(signal.raise_signal, signal.SIGINT)"
    ended = subprocess.run(
        [sys.executable, "-c", f"{late}\n{IMPATIENT}", "none", "2", "runs", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads(ended.stdout)["runs"] == []


def test_a_command_that_is_done_leaves_what_is_loaded_as_it_is():
    circle = """
import runpy, sys

class Circle:
    def __del__(self):
        print("taken apart")

circle = Circle()
circle.itself = circle
runpy.run_module("vitcore", run_name="__main__")
"""
    command = [sys.executable, "-c", circle, "runs", "--json"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0
    assert json.loads(ended.stdout)["runs"] == []  # and not a word after it


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("times", [1, 2])
def test_a_command_at_work_is_stopped_and_the_second_time_ended_at_once(
    number, times, monkeypatch, capsys, picture_folder
):
    done = []

    def work(_options, task) -> None:
        for _ in range(times):
            signal.raise_signal(number)
        assert task.stopped
        done.append("what there is was kept")

    monkeypatch.setattr("vitcore.cli._data._import", work)
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    assert main(["import", str(picture_folder())]) == INTERRUPTED
    assert len(done) == (times == 1)
    assert "Stopping" in capsys.readouterr().err
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before
