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
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect

__all__ = ["ROOT", "RunningApp", "Session", "open_session", "running_app"]

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


class Session:
    """Somebody who has the app open: what is shown, and pressing buttons."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._buttons: dict[str, str] = {}
        self.texts: list[str] = []
        self._run(ClientState())

    def press(self, label: str) -> None:
        """Press the button of that label, and wait until the page is drawn."""
        state = ClientState()
        state.widget_states.widgets.add(id=self._buttons[label], trigger_value=True)
        self._run(state)

    def _run(self, state: ClientState) -> None:
        """Let the script run, again where it asks for that, and read what it draws."""
        self._socket.send(BackMsg(rerun_script=state).SerializeToString())
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            message = ForwardMsg.FromString(self._socket.recv(timeout=_PATIENCE_S))
            if message.HasField("new_session"):
                self._buttons, self.texts = {}, []
            element = message.delta.new_element
            if element.HasField("button"):
                self._buttons[element.button.label] = element.button.id
            if element.HasField("markdown"):
                self.texts.append(element.markdown.body)
            finished = message.HasField("script_finished")
            if finished and message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                return
        pytest.fail("The page was not drawn.")


@contextmanager
def open_session(app: RunningApp) -> Iterator[Session]:
    """Open the app as a browser does."""
    address = app.address.replace("http", "ws", 1)
    with connect(f"{address}/_stcore/stream", subprotocols=["streamlit"], max_size=None) as socket:
        yield Session(socket)


@contextmanager
def running_app(
    log: Path, script: Path = ROOT / "streamlit_app.py", installed: Path | None = None
) -> Iterator[RunningApp]:
    """Run the app on a free port, in the workspace of the test, as ``streamlit run`` does.

    Args:
        log: Where its output goes.
        script: What is run.
        installed: The program to run instead, in the folder of the log.
    """
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.port", str(port)]
    command += ["--server.headless", "true"]
    if installed is not None:
        command = [str(installed), "--port", str(port), "--no-browser"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=log.parent if installed else ROOT, stdout=output, stderr=subprocess.STDOUT
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
