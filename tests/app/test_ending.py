"""The end of the server: at once, without a crash, and what was interrupted goes on after the next start."""

import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests._interrupted import interrupted_training
from tests._server import open_session, running_app
from vitcore.pipeline import resume
from vitcore.runs import Run, load_run
from vitcore.workspace import Workspace

PATIENCE_S = 120.0


@pytest.fixture
def interrupted(picture_folder: Callable[..., Path]) -> Callable[..., str]:
    """Makes a training that was interrupted before its first photo was looked at; gives its id."""

    def make(backbone: str, count: int, **settings: object) -> str:
        return interrupted_training(picture_folder(count=count), backbone, **settings)

    return make


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.01)


def end_in_the_middle(
    log: Path, run_id: str, count: Callable[[], int], more: int, delay_s: float, number: signal.Signals
) -> Run:
    """Open the app, resume the training that it calls interrupted, and end the server.

    Args:
        log: Of the server.
        run_id: The training.
        count: Says how far it is.
        more: How much further it is to go before the end.
        delay_s: How long after that.
        number: What ends the server.
    """
    with running_app(log) as app:
        with open_session(app) as session:
            (told,) = [text for text in session.texts if "was interrupted after" in text]
            assert f"after {len(load_run(run_id).history)} of" in told
            before = count()
            session.press("Resume")
        wait_until(lambda: count() >= before + more)
        time.sleep(delay_s)
        assert load_run(run_id).state == "running"
        assert app.end(number) == 0
    assert "terminate" not in log.read_text()
    run = load_run(run_id)
    assert run.state == "interrupted"
    return run


@pytest.mark.thorough
def test_a_training_that_the_end_of_the_server_interrupts_goes_on_in_another_session(
    interrupted, tiny_backbone, tmp_path
):
    run_id = interrupted(tiny_backbone, 12, epochs=1000, batch_size=2)
    for number in (signal.SIGTERM, signal.SIGINT):
        before = len(load_run(run_id).history)
        run = end_in_the_middle(
            tmp_path / "log", run_id, lambda: len(load_run(run_id).history), 3, 0.0, number
        )
        assert len(run.history) >= before + 3


@pytest.mark.slow
def test_twenty_ends_in_embed_and_fit(interrupted, tmp_path, workspace: Workspace):
    chance = random.Random(0)
    run_id = interrupted("embedded", 100, epochs=600, batch_size=4)

    def stored() -> int:
        return sum(path.stat().st_size for path in workspace.features.rglob("*") if path.is_file())

    def epochs() -> int:
        return len(load_run(run_id).history)

    for number in range(20):
        count, delay_s = (stored, chance.uniform(0, 2)) if number < 10 else (epochs, chance.uniform(0, 0.5))
        before = count()
        run = end_in_the_middle(tmp_path / "log", run_id, count, 1, delay_s, signal.SIGTERM)
        print(f"{number}: {count.__name__} {before} to {count()}, {len(run.history)} epochs")
        assert (len(run.history) == 0) == (number < 10)
    ended = resume(run_id)
    assert ended.state == "complete"
    assert len(ended.history) == 600
