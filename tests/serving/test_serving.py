"""A classifier that answers over HTTP."""

import io
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import httpx2
import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from benchmarks._serving import Request, mixed_requests, running_server, send
from tests._models import tiny_model
from vitcore.cli import main
from vitcore.features import embed_batch
from vitcore.inference import load_classifier, load_usage
from vitcore.serving import Limits, Worker, listen, run_server, serving_app

CLASSES = ("blue", "green", "red")
BAD = {"text.txt": b"no photo", "empty.jpg": b"", "cut.png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"}
SMALL = Limits(files=4, file_bytes=20_000, request_bytes=50_000, seconds=60)


def picture(number: int, side: int = 20) -> bytes:
    random = np.random.default_rng(number)
    pixels = (random.uniform(40, 215, 3) + random.normal(0, 20, (side, 30, 3))).clip(0, 255)
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def model(tiny_backbone, tmp_path) -> Path:
    return tiny_model(tmp_path / "model", tiny_backbone, CLASSES)


@pytest.fixture
def photos(tmp_path) -> dict[str, bytes]:
    """40 pictures and three files that are none, by name; in files of these names as well."""
    found = {f"{number:02}.png": picture(number) for number in range(40)} | BAD
    for name, data in found.items():
        (tmp_path / name).write_bytes(data)
    return found


@pytest.fixture
def client(model) -> Iterator[TestClient]:
    with TestClient(serving_app(load_classifier(model), limits=SMALL), "http://localhost") as client:
        yield client


def files(photos: dict[str, bytes]) -> list[tuple[str, tuple[str, bytes]]]:
    return [("files", item) for item in photos.items()]


def predicted(model, photos, tmp_path, capsys):
    """What the command line prints for the files, by name."""
    capsys.readouterr()
    paths = [str(tmp_path / name) for name in photos]
    assert main(["predict", str(model), *paths, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    rows = [*answer["predictions"], *answer["skipped"]]
    return {Path(row["path"]).name: {**row, "path": Path(row["path"]).name} for row in rows}


def test_the_answer_is_that_of_the_command_line(client, model, photos, tmp_path, capsys):
    expected = predicted(model, photos, tmp_path, capsys)
    some = {name: photos[name] for name in ("03.png", "text.txt", "17.png")}
    answer = client.post("/predict", files=files(some)).json()
    assert answer == {
        "predictions": [expected["03.png"], expected["17.png"]],
        "skipped": [expected["text.txt"]],
    }


def test_clients_at_the_same_time_get_the_answers_of_predict_bit_for_bit(model, photos, tmp_path, capsys):
    expected = predicted(model, photos, tmp_path, capsys)

    def ask(seed: int, address: str) -> list[dict]:
        random, rows = np.random.default_rng(seed), []
        with httpx2.Client(timeout=None, trust_env=False) as client:
            for _ in range(10):
                chosen = random.choice(list(photos), size=random.integers(1, 6), replace=False)
                answer = client.post(address, files=files({n: photos[n] for n in chosen})).json()
                kept = [name for name in chosen if name not in BAD]
                assert [row["path"] for row in answer["predictions"]] == kept
                rows += [*answer["predictions"], *answer["skipped"]]
        return rows

    with served(model) as to, ThreadPoolExecutor(8) as pool:
        addresses = [f"http://127.0.0.1:{to[1]}/predict"] * 8
        answers = [row for rows in pool.map(ask, range(8), addresses) for row in rows]
    assert len(answers) > 80
    for row in answers:
        assert row == expected[row["path"]]


def test_photos_on_their_way_are_waited_for_and_answered_together(model, monkeypatch):
    batches = []

    def embedded(embedder, views, pixels):
        batches.append(len(pixels))
        return embed_batch(embedder, views, pixels)

    monkeypatch.setattr("vitcore.serving._worker.embed_batch", embedded)
    monkeypatch.setattr("vitcore.serving._worker._PATIENCE_S", 60)
    worker = Worker(load_classifier(model))
    with worker.expecting():
        waiting = [worker.submit(lambda number=number: picture(number)) for number in range(20)]
        assert len(list(islice(as_completed(waiting, 50), 16))) == 16  # a full batch waits for nobody
    assert all(one.result(60) for one in waiting)
    assert worker.submit(lambda: picture(1)).result(60)  # nor does one photo alone
    worker.close()
    assert batches == [16, 4, 1]


def test_whatever_goes_wrong_is_told_and_the_next_photo_answered(model, monkeypatch):
    worker = Worker(load_classifier(model))

    def fail(*_):
        raise KeyError("a defect")

    with pytest.raises(KeyError):
        worker.submit(fail).result(60)
    with monkeypatch.context() as patched:
        patched.setattr("vitcore.serving._worker.embed_batch", fail)
        with pytest.raises(KeyError):
            worker.submit(lambda: picture(1)).result(60)
    assert worker.submit(lambda: picture(1)).result(60)
    worker.close()


@contextmanager
def served(model: Path) -> Iterator[tuple[str, int]]:
    """A server in a thread, which ends with the block: its address."""
    stop, at = threading.Event(), listen("127.0.0.1", 0)
    arguments = (serving_app(load_classifier(model)), at, stop)
    server = threading.Thread(target=run_server, args=arguments)
    server.start()
    try:
        yield at.getsockname()
    finally:
        stop.set()
        server.join(60)
        assert not server.is_alive()


def half_a_request(to: tuple[str, int]) -> socket.socket:
    """Send a part of a large photo; what sent it."""
    client = socket.create_connection(to, timeout=60)
    head = "POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000\r\n"
    client.sendall(f"{head}Content-Type: multipart/form-data; boundary=X\r\n\r\n--X\r\n".encode())
    client.sendall(b'Content-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n' + bytes(300_000))
    return client


def test_a_client_that_goes_away_amid_a_photo_is_no_defect(model, caplog):
    with served(model) as to:
        half_a_request(to).close()
        address = f"http://127.0.0.1:{to[1]}/predict"
        answer = httpx2.post(address, files=files({"a.png": picture(1)}), trust_env=False, timeout=60)
        assert answer.status_code == 200
    assert not caplog.records


def test_a_photo_that_never_ends_keeps_no_server_from_ending(model, monkeypatch, caplog):
    monkeypatch.setattr("vitcore.serving._server._FAREWELL_S", 0.1)
    with served(model) as to:
        client = half_a_request(to)
        time.sleep(0.3)  # until it is at it
    client.close()
    assert not any(record.exc_info for record in caplog.records)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({f"{n}.png": b"" for n in range(5)}, "The request has more than 4 files; send fewer at once."),
        ({"big.png": b"x" * 20_001}, "'big.png' is larger than 0.02 MB; send a smaller copy."),
        ({"big.png": b"x" * 60_000}, "The request is larger than 0.05 MB; send fewer photos at once."),
    ],
    ids=["many", "large file", "large request"],
)
def test_what_is_too_much_is_refused_in_a_sentence(client, given, sentence):
    answer = client.post("/predict", files=files(given))
    assert (answer.status_code, answer.json()) == (413, {"error": sentence})
    assert client.post("/predict", files=files({"a.png": picture(1)})).status_code == 200


def test_a_body_of_unknown_length_is_counted(client):
    head = b'--X\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
    body = iter([head, *[b"x" * 10_000] * 6, b"\r\n--X--\r\n"])
    answer = client.post(
        "/predict", content=body, headers={"Content-Type": "multipart/form-data; boundary=X"}
    )
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "request_",
    [
        {"content": b"{}", "headers": {"Content-Type": "application/json"}},
        {"content": b"?", "headers": {"Content-Type": "multipart/form-data"}},
        {"content": b"?", "headers": {"Content-Type": "multipart/form-data; boundary=X"}},
        {"files": [("photos", ("a.png", picture(1)))]},
        {"data": {"files": "a.png"}, "files": [("other", ("a.png", b""))]},
    ],
    ids=["json", "no boundary", "no form", "other name", "no file"],
)
def test_what_is_no_form_with_photos_is_refused_in_a_sentence(client, request_):
    answer = client.post("/predict", **request_)
    assert answer.status_code == 422
    assert answer.json()["error"].endswith(("'files'.", ".", "given"))


def test_too_slow_is_refused_in_a_sentence(model):
    limits = Limits(seconds=1e-9)
    with TestClient(serving_app(load_classifier(model), limits=limits), "http://localhost") as client:
        answer = client.post("/predict", files=files({"a.png": picture(1)}))
    assert answer.status_code in (408, 503)
    assert answer.json()["error"] == "It took more than 1e-09 seconds; send fewer photos at once."


def test_it_says_what_it_is(client):
    assert client.get("/health").json()["status"] == "ok"
    assert client.get("/classes").json() == {"classes": list(CLASSES)}
    docs = client.get("/docs")
    assert "blue, green, red" in docs.text
    assert "default-src 'none'" in docs.headers["content-security-policy"]
    assert set(client.get("/openapi.json").json()["paths"]) == {"/predict", "/classes", "/health"}
    assert client.get("/predict").status_code == 405
    assert client.get("/nothing").json() == {"error": "Not Found"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "localhost:8000"}, 200),
        ({"Host": "127.0.0.1:8000"}, 200),
        ({"Host": "[::1]:8000"}, 200),
        ({"Host": "Studio.example.com"}, 200),
        ({"Host": "evil.example.com"}, 421),
        ({"Host": "[::1"}, 421),
        ({"Host": ""}, 421),
        ({"Host": "localhost", "Origin": "http://localhost:8000"}, 200),
        ({"Host": "localhost", "Origin": "https://evil.example.com"}, 403),
        ({"Host": "localhost", "Origin": "null"}, 403),
    ],
)
def test_foreign_web_pages_are_turned_away(model, headers, status):
    app = serving_app(load_classifier(model), hosts=["studio.example.com"])
    with TestClient(app, "http://localhost") as client:
        assert client.get("/classes", headers=headers).status_code == status


def test_a_token_is_asked_for(model):
    with TestClient(serving_app(load_classifier(model), token="secret"), "http://localhost") as client:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic secret"}):
            answer = client.get("/classes", headers=headers)
            assert answer.status_code == 401
            assert "Authorization: Bearer TOKEN" in answer.json()["error"]
        assert client.get("/classes", headers={"Authorization": "Bearer secret"}).status_code == 200
        assert client.get("/health").status_code == 200


def test_a_port_in_use_is_refused_in_one_line(model, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", str(model), "--port", str(port)]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"vitcore: Port {port} of 127.0.0.1 cannot be used (")
    assert error.endswith("; give another --port or --host.\n")


def test_a_server_that_is_ended_while_it_starts_offers_nothing(model, monkeypatch, capsys):
    def loaded(*_, **__):
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr("vitcore.inference.load_classifier", loaded)
    assert main(["serve", str(model), "--port", "0", "--json"]) == 130
    assert capsys.readouterr().out == ""


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_the_command_answers_until_it_is_asked_to_end(model):
    options = ["--port", "0", "--json", "--keep-figures"]
    command = [sys.executable, "-m", "vitcore", "serve", str(model), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        started = json.loads(process.stdout.readline())
        assert started["classes"] == list(CLASSES)
        answer = httpx2.post(
            f"{started['address']}/predict", files=files({"a.png": picture(1)}), trust_env=False, timeout=None
        )
        assert answer.status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 130
        assert "Traceback" not in process.stderr.read()
    assert len(load_usage(model)) == 1


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_killed_and_started_again_it_answers_all_and_keeps_the_figures_it_had(
    model, photos, tmp_path, capsys
):
    expected = predicted(model, photos, tmp_path, capsys)
    good = {name: data for name, data in photos.items() if name not in BAD}
    requests = [one for one in mixed_requests(good, 200) if one.status == 200]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = (tmp_path / "log", "--keep-figures", "--port", str(port))
    tries, answered = [], []

    def ask(request: Request) -> None:
        for _ in range(600):  # a client that asks again until somebody answers
            tries.append(request)
            try:
                with httpx2.Client(timeout=None, trust_env=False) as client:
                    status, found = send(client, f"http://127.0.0.1:{port}", request)
            except httpx2.TransportError:
                time.sleep(0.1)
                continue
            assert status == 200
            answered.append(found)
            return
        pytest.fail("nobody answered")

    with ThreadPoolExecutor(8) as pool:
        with running_server(model, *options) as (_, process):
            asked = [pool.submit(ask, request) for request in requests]
            while len(answered) < len(requests) // 4:
                time.sleep(0.01)
            process.kill()
            process.wait()
            before = sum(len(found["predictions"]) for found in answered)
        kept = len(load_usage(model))
        assert kept >= before > 0  # what was answered has been noted
        with running_server(model, *options):
            for one in asked:
                one.result()
    assert len(tries) > len(requests)
    for found in answered:
        for row in [*found["predictions"], *found["skipped"]]:
            assert row == expected.get(row["path"], row)
    after = sum(len(found["predictions"]) for found in answered)
    assert len(load_usage(model)) >= after
