"""The app as it runs for people: a server in a process of its own, and sessions without a browser."""

import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

__all__ = ["ROOT", "RunningApp", "running_app"]

ROOT = Path(__file__).parents[1]
_PATIENCE_S = 60.0


@dataclass
class RunningApp:
    """A server that answers."""

    address: str
    log: Path
    process: "subprocess.Popen[bytes]"

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send it a signal; its exit status."""
        self.process.send_signal(number)
        return self.process.wait(timeout=20)


@contextmanager
def running_app(log: Path, script: Path = ROOT / "streamlit_app.py") -> Iterator[RunningApp]:
    """Run the app on a free port, in the workspace of the test, as ``streamlit run`` does."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--server.headless", "true"], cwd=ROOT, stdout=output, stderr=subprocess.STDOUT
        )
    app = RunningApp(f"http://localhost:{port}", log, process)
    try:
        _wait_until_healthy(app)
        yield app
    finally:
        if process.poll() is None:
            app.end()
    assert "Traceback" not in log.read_text()


def _wait_until_healthy(app: RunningApp) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        if app.process.poll() is not None:
            pytest.fail(f"The server ended: {app.log.read_text()}")
        try:
            with urllib.request.urlopen(f"{app.address}/_stcore/health", timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"The server did not answer: {app.log.read_text()}")
