"""Who the server of the app answers to."""

import http.client
from collections.abc import Iterator

import pytest

from tests._server import running_app

pytestmark = pytest.mark.thorough

HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Protocol": "streamlit",
}
SWITCHING_PROTOCOLS, FORBIDDEN = 101, 403


@pytest.fixture(scope="module")
def port(tmp_path_factory) -> Iterator[int]:
    with running_app(tmp_path_factory.mktemp("server") / "log") as app:
        yield int(app.address.rpartition(":")[2])


def status_of_handshake(port: int, headers: dict[str, str]) -> int:
    connection = http.client.HTTPConnection("localhost", port, timeout=20)
    connection.putrequest("GET", "/_stcore/stream", skip_host=True)
    for name, value in {**HANDSHAKE, **headers}.items():
        connection.putheader(name, value)
    connection.endheaders()
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_the_app_answers_to_the_names_of_this_computer(port, host):
    assert status_of_handshake(port, {"Host": f"{host}:{port}"}) == SWITCHING_PROTOCOLS


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", ""])
def test_a_session_under_another_name_is_refused(port, host):
    """DNS rebinding: the page, the name and the origin are those of another web site, and agree."""
    site = f"{host}:{port}" if host else ""
    assert status_of_handshake(port, {"Host": site, "Origin": f"http://{site}"}) == FORBIDDEN


def test_a_session_from_the_page_of_another_site_is_refused(port):
    headers = {"Host": f"localhost:{port}", "Origin": "http://evil.example"}
    assert status_of_handshake(port, headers) == FORBIDDEN
