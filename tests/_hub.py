"""A model hub on this machine: it answers as huggingface.co does, or fails as networks do."""

import hashlib
import http.server
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LOGIN = b"<html><body>Welcome to the guest network. Sign in.</body></html>"

Misbehaviour = Callable[["Handler"], None]


class Hub(http.server.ThreadingHTTPServer):
    """A hub with one file of weights in every repository.

    Like the real one it answers a question about the file with a redirect to another host, where the bytes
    are (here ``localhost`` instead of ``127.0.0.1``); the headers of that answer describe the file.

    Attributes:
        content: The file.
        asked: What happens on a question about the file, instead of an answer.
        fetched: What happens on each download in turn, instead of one; the last one stays.
        sent: Replaces the content where it is sent, not where it is described.
        requests: Method, path and headers of all requests so far.
        over: Set when the test ends, for those who wait.
    """

    daemon_threads = True

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = content
        self.asked: Misbehaviour | None = None
        self.fetched: list[Misbehaviour | None] = [None]
        self.sent: list[bytes] = []
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def downloads(self) -> list[dict[str, str]]:
        """The headers of each request for bytes."""
        return [headers for method, path, headers in self.requests if (method, path) == ("GET", "/bytes")]

    def handle_error(self, *_: Any) -> None:
        """Say nothing: that clients go away is part of the tests."""


class Handler(http.server.BaseHTTPRequestHandler):
    server: Hub

    def _note(self) -> str:
        path = urlsplit(self.path).path  # a proxy is asked for the whole address
        self.server.requests.append((self.command, path, dict(self.headers)))
        return path

    def do_HEAD(self) -> None:
        self._note()
        if self.server.asked is not None:
            self.server.asked(self)
            return
        self.describe()

    def describe(self) -> None:
        self.send_response(302)
        self.send_header("Location", f"http://localhost:{self.server.server_port}/bytes")
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("X-Linked-Etag", f'"{self.server.digest}"')
        self.send_header("X-Linked-Size", str(len(self.server.content)))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        path = self._note()
        if path != "/bytes":
            self.describe() if "/resolve/" in path else self.page(200)
            return
        queue = self.server.fetched
        misbehave = queue.pop(0) if len(queue) > 1 else queue[0]
        if misbehave is None:
            self.send()
        else:
            misbehave(self)

    def do_CONNECT(self) -> None:
        self._note()
        self.refuse(403)

    def send(self, most: int | None = None, *, ranges: bool = True) -> None:
        """Send the file, or as much of it as a client gets before the line goes dead."""
        sent = self.server.sent
        content = (sent.pop(0) if len(sent) > 1 else sent[0]) if sent else self.server.content
        start = (
            int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
            if ranges and "Range" in self.headers
            else 0
        )
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start:] if most is None else content[start : start + most])
        self.wfile.flush()

    def refuse(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def page(self, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(LOGIN)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(LOGIN)

    def hang_up(self) -> None:
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


# --- what can go wrong -----------------------------------------------------------------------


def refusal(status: int, **headers: str) -> Misbehaviour:
    """A status, with headers."""
    return lambda handler: handler.refuse(status, **headers)


def login_page(handler: Handler) -> None:
    """The page of a guest network in place of everything."""
    handler.page()


def login_elsewhere(handler: Handler) -> None:
    """A guest network that sends everybody to its page."""
    handler.page(302, Location="http://login.example/?next=/")


def silence(handler: Handler) -> None:
    """Nothing at all."""
    handler.server.over.wait()


def hang_up(handler: Handler) -> None:
    """The end of the connection in place of an answer."""
    handler.hang_up()


def part(most: int) -> Misbehaviour:
    """The connection breaks after so many bytes."""

    def cut(handler: Handler) -> None:
        handler.send(most)
        handler.hang_up()

    return cut


def part_then_silence(most: int) -> Misbehaviour:
    """Nothing comes any more after so many bytes."""

    def stall(handler: Handler) -> None:
        handler.send(most)
        handler.server.over.wait()

    return stall


def whole_again(handler: Handler) -> None:
    """The whole file, also for those who have a part already."""
    handler.send(ranges=False)


def use_in_place_of_the_hub(endpoint: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Direct huggingface_hub to another address, and to a cache of its own, without proxies and tokens."""
    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    for name, value in {
        "ENDPOINT": endpoint,
        "HUGGINGFACE_CO_URL_TEMPLATE": template,
        "HF_HUB_CACHE": str(cache),
        "HF_HUB_OFFLINE": False,
        "HF_TOKEN_PATH": str(cache / "no-token"),
    }.items():
        monkeypatch.setattr(f"huggingface_hub.constants.{name}", value)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.delenv("HF_TOKEN", raising=False)


@contextmanager
def serving(content: bytes) -> Iterator[Hub]:
    """A hub that answers until the end of the block."""
    with Hub(content) as hub:
        thread = threading.Thread(target=hub.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            hub.over.set()
            hub.shutdown()
            thread.join()
