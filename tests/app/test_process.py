"""What the server's process does in the background."""

import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[2]

# An import that fails, at once or when the process has begun to end.
_PROCESS = """
import atexit, sys, threading
import app.shared.process

def fails(name):
    while sys.argv[1] == "late" and threading.main_thread().is_alive():
        pass
    raise RuntimeError(f"{name} cannot be imported")

app.shared.process.import_module = fails
thread = threading.Thread(target=app.shared.process._import, daemon=True)
thread.start()
if sys.argv[1] == "early":
    thread.join()
atexit.register(thread.join)
"""


def _said(when: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", _PROCESS, when],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return result.stderr


def test_an_import_that_the_end_of_the_process_interrupts_is_no_error():
    assert _said("late") == ""


def test_an_import_that_fails_otherwise_is_told():
    assert "RuntimeError: torch cannot be imported" in _said("early")
