"""The route to which browsers send photos, asked as a browser and as others would."""

from urllib.parse import quote

import pytest
import streamlit as st
from starlette.requests import Request

from app.receiving import answer
from app.shared.trays import Tray, checked_name, find_tray, sweep_trays
from tests._asking import answered
from tests._disks import FakeDisk
from vitcore.errors import InputError

OURS = {"host": "localhost:8501", "origin": "http://localhost:8501"}


@pytest.fixture(autouse=True)
def _our_own(workspace):  # noqa: ARG001 - files lie there
    st.cache_resource.clear()
    yield
    st.cache_resource.clear()


def ask(tray, method="PUT", name="cats/1.png", chunks=(b"content",), token="", **headers):
    """The status of a request."""
    given = OURS | {"x-tray": token or tray.token, "x-name": quote(name)} | headers
    scope = {
        "type": "http",
        "method": method,
        "path": "/photos",
        "headers": [(key.encode(), value.encode()) for key, value in given.items()],
    }
    waiting = iter(chunks)

    async def receive():
        body = next(waiting, b"")
        return {"type": "http.request", "body": body, "more_body": body != b""}

    return answered(answer(Request(scope, receive))).status_code


def files(workspace):
    return [path for path in workspace.datasets.rglob("*") if path.is_file()]


def test_files_arrive_one_by_one_and_are_complete_when_the_browser_says_so():
    tray = Tray()
    assert ask(tray, name="gatos montés/2.png", chunks=[b"a" * 2**20, b"b"]) == 204
    assert ask(tray, name="cats/1.png") == 204
    assert not tray.complete
    assert ask(tray, "POST") == 204
    assert tray.complete
    assert [file.name for file in tray.files] == ["cats/1.png", "gatos montés/2.png"]
    assert [file.path.read_bytes() for file in tray.files] == [b"content", b"a" * 2**20 + b"b"]
    assert [file.path.name for file in tray.files] == ["000002", "000001"]


def test_what_is_called_off_is_deleted(workspace):
    tray = Tray()
    ask(tray)
    assert files(workspace)
    assert ask(tray, "DELETE") == 204
    assert (tray.files, files(workspace)) == ((), [])


@pytest.mark.parametrize(
    "headers",
    [{"origin": "http://evil.example"}, {"host": "evil.example:8501", "origin": "http://evil.example:8501"}],
)
def test_another_web_site_is_refused(monkeypatch, headers):
    monkeypatch.setattr("streamlit.config.get_option", lambda _: ["localhost"])
    tray = Tray()
    assert ask(tray, **headers) == 403
    assert tray.files == ()


def test_nobody_sends_files_without_the_token(workspace):
    assert ask(Tray(), token="guessed") == 404
    assert files(workspace) == []


@pytest.mark.parametrize("name", ["../up.png", "/etc/passwd", "a/../../b", "..\\up.png", "", "x" * 1001])
def test_names_that_lead_elsewhere_are_refused(name):
    tray = Tray()
    assert ask(tray, name=name) == 400
    assert tray.files == ()
    with pytest.raises(InputError):
        checked_name(name)


def test_a_file_that_is_too_large_is_refused_as_soon_as_it_is(workspace, monkeypatch):
    monkeypatch.setattr(st, "get_option", lambda _: 1)
    tray, sent = Tray(), []

    def chunks():
        for number in range(100):
            sent.append(number)
            yield b"x" * 2**19

    assert ask(tray, chunks=chunks()) == 413
    assert len(sent) == 3
    assert ask(tray, **{"content-length": str(2**21)}) == 413
    assert (tray.files, files(workspace)) == ((), [])


def test_too_many_files_are_refused(monkeypatch):
    monkeypatch.setattr("app.receiving.MOST_FILES", 2)
    tray = Tray()
    assert [ask(tray, name=f"{number}.png") for number in range(3)] == [204, 204, 413]


def test_a_full_disk_is_said_and_leaves_no_part(workspace, monkeypatch):
    tray, disk = Tray(), FakeDisk(workspace.root, monkeypatch)
    disk.fill()
    assert ask(tray) == 507
    assert files(workspace) == []
    disk.free()
    assert ask(tray) == 204


def test_files_of_a_closed_page_are_deleted_and_those_of_an_open_one_stay(workspace):
    closed, opened = Tray(), Tray()
    ask(closed)
    ask(opened)
    closed._used_s -= 1000
    sweep_trays()
    assert (len(closed.files), len(opened.files)) == (0, 1)
    assert files(workspace) == [opened.files[0].path]
    token = closed.token
    del closed
    assert find_tray(token) is None
