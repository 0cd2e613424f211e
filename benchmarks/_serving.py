"""A server under load: whether it answers as `predict` does, how fast, and with how much memory."""

import io
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import numpy as np

from benchmarks._rows import Row
from benchmarks._setting import MissingData, Setting
from vitcore.compute import Compute
from vitcore.inference import Classifier, PredictedFile, load_classifier
from vitcore.pipeline import train
from vitcore.training import Hyperparameters

__all__ = ["Request", "mixed_requests", "running_server", "send", "serving"]

REQUESTS = 1000
CLIENTS = 8
_ROUNDS = 10
_KIB_MB = 1024 / 1e6
_BAD = {
    "text.jpg": b"no photo",
    "empty.png": b"",
    "cut.png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "page.gif": b"<html>" * 100,
}


@dataclass(frozen=True)
class Request:
    """Files to be sent together, and the status that has to come back.

    Attributes:
        files: Names and contents.
        field: What the form calls them.
        status: 200, 413 or 422.
    """

    files: tuple[tuple[str, bytes], ...]
    field: str = "files"
    status: int = 200


def serving(setting: Setting) -> list[Row]:
    """Measure 1,000 mixed requests of 8 clients to a server: right answers, photos a second, memory.

    Photos one by one and a few at a time, among them files that are none, too many at once, and forms without
    photos. In ten rounds, each followed or preceded by `predict` on the files that are answered in it. The
    server is a process of its own.
    """
    dataset, workspace = setting.photo_dataset()
    run = train(dataset, Hyperparameters(), compute=Compute(setting.backbone), workspace=workspace)
    photos = {Path(file).name: dataset.path(file).read_bytes() for file in dataset.index["file"]}
    requests = mixed_requests(photos, REQUESTS)
    classifier = load_classifier(run.folder, workspace=workspace)
    rates, memory_mb, wrong, answered = [], [], 0, 0
    rounds = [requests[start::_ROUNDS] for start in range(_ROUNDS)]
    with running_server(run.folder, setting.folder() / "log", home=workspace.root) as (address, process):
        _round(address, rounds[0])  # what is loaded when it is asked first
        _predict(classifier, rounds[0])
        for number, part in enumerate(rounds):
            if number % 2:
                (expected, before_s), (found, ours_s) = _predict(classifier, part), _round(address, part)
            else:
                (found, ours_s), (expected, before_s) = _round(address, part), _predict(classifier, part)
            wrong += sum(not _is_right(*item) for item in zip(part, found, expected, strict=True))
            count = sum(len(request.files) for request in part if request.status == 200)
            answered += count
            rates.append((count / ours_s, count / before_s))
            memory_mb.append(_resident_mb(process.pid))
            setting.say(f"  serving: {ours_s:.1f} s, predict {before_s:.1f} s, {memory_mb[-1]:.0f} MB")
    ours, before = (statistics.median(rate) for rate in zip(*rates, strict=True))
    return [
        Row(name=f"serving: wrong answers to {len(requests)} requests", value=wrong, unit="requests"),
        Row(
            name="serving: files answered",
            value=ours,
            unit=f"a second, of {answered} files in requests; to predict",
            baseline=before,
        ),
        Row(
            name="serving: memory at the end",
            value=memory_mb[-1],
            unit="MB, to after the first 100 requests",
            baseline=memory_mb[0],
        ),
    ]


def mixed_requests(photos: dict[str, bytes], count: int) -> list[Request]:
    """Requests as they come: mostly one photo, some several, one in ten files no photo, some to be refused.

    Args:
        photos: By name.
        count: How many.
    """
    random, names, bad = np.random.default_rng(0), list(photos), list(_BAD)
    requests = []
    for number in range(count):
        if number % 50 == 20:
            requests.append(Request((("many.jpg", b""),) * 101, status=413))
        elif number % 50 == 40:
            requests.append(Request((("photo.jpg", b""),), field="pictures", status=422))
        else:
            size = random.choice([1, 1, 1, 1, 2, 4])
            drawn = [bad if random.random() < 0.1 else names for _ in range(size)]
            chosen = [str(random.choice(some)) for some in drawn]
            requests.append(Request(tuple((name, {**photos, **_BAD}[name]) for name in chosen)))
    return requests


@contextmanager
def running_server(
    model: Path, log: Path, *options: str, home: Path | None = None
) -> "Iterator[tuple[str, subprocess.Popen[str]]]":
    """Run ``vitcore serve`` in a process of its own; gives its address and the process.

    Args:
        model: The folder of the model.
        log: Where its messages go.
        options: More for the command line.
        home: Its workspace; that of this process if not given.
    """
    environment = {**os.environ, **({"VITCORE_HOME": str(home)} if home else {})}
    options = options if "--port" in options else (*options, "--port", "0")
    command = [sys.executable, "-m", "vitcore", "serve", str(model), "--json", *options]
    with (
        log.open("a") as errors,
        subprocess.Popen(  # noqa: S603 - our own command line
            command,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environment,
            cwd=Path(__file__).parents[1],
        ) as process,
    ):
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["address"], process
        finally:
            process.terminate()


def send(client: httpx2.Client, address: str, request: Request) -> tuple[int, dict[str, Any]]:
    """Send a request; the status and what came back."""
    files = [(request.field, (name, io.BytesIO(data))) for name, data in request.files]
    answer = client.post(f"{address}/predict", files=files)
    return answer.status_code, answer.json()


def _round(address: str, requests: Sequence[Request]) -> tuple[list[tuple[int, dict[str, Any]]], float]:
    """Send requests from several clients at once; the answers in order, and the seconds."""
    queue = iter(enumerate(requests))
    answers: dict[int, tuple[int, dict[str, Any]]] = {}

    def ask() -> None:
        with httpx2.Client(timeout=None, trust_env=False) as client:
            for number, request in queue:  # the next that nobody has taken
                answers[number] = send(client, address, request)

    started = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        for asked in [pool.submit(ask) for _ in range(CLIENTS)]:
            asked.result()
    return [answers[number] for number in range(len(requests))], time.perf_counter() - started


def _predict(classifier: Classifier, requests: Sequence[Request]) -> tuple[list[list[PredictedFile]], float]:
    """What `predict` answers to the files of each request that is to be answered, and the seconds."""
    asked = [list(request.files) if request.status == 200 else [] for request in requests]
    started = time.perf_counter()
    results = classifier.predict_each(data for files in asked for _, data in files)
    found = [[PredictedFile.of(name, next(results)[1]) for name, _ in files] for files in asked]
    return found, time.perf_counter() - started


def _is_right(request: Request, answer: tuple[int, dict[str, Any]], expected: list[PredictedFile]) -> bool:
    """Whether an answer is, bit for bit, that of `predict`, or a refusal in a sentence."""
    status, found = answer
    if status != 200:
        return status == request.status and len(found["error"].split()) > 5
    rows = [row.to_dict() for row in expected]
    wanted = {
        "predictions": [row for row, given in zip(rows, expected, strict=True) if not given.error],
        "skipped": [row for row, given in zip(rows, expected, strict=True) if given.error],
    }
    return request.status == 200 and found == json.loads(json.dumps(wanted))


def _resident_mb(process: int) -> float:
    """The memory that a process has now."""
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    except OSError as error:
        raise MissingData("it needs a system that tells the memory of a process (/proc)") from error
    [line] = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) * _KIB_MB
