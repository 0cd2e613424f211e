"""A run on disk: one training, from its settings to its figures."""

import json
import math
import os
import re
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vitcore.errors import DatasetError, NotFoundError, SettingsError, Stopped, StorageError
from vitcore.evaluation import evaluate
from vitcore.messages import literal
from vitcore.records import load_record
from vitcore.runs import (
    HISTORY_COLUMNS,
    RunConfig,
    RunFacts,
    RunWriter,
    delete_run,
    describe_run,
    list_runs,
    load_run,
    restore_run,
)
from vitcore.training import EpochRecord, Hyperparameters

WRITTEN = Path(__file__).parent / "records" / "written_by_aa8ac46" / "runs" / "complete" / "config.json"
CONFIG = replace(
    load_record(RunConfig, WRITTEN, "restore it"),
    created="2026-11-23T10:00:00+00:00",
    name="My run",
    classes=("null", "NA"),
    hyperparameters=Hyperparameters(epochs=3),
)


def record(epoch: int, **figures: float) -> EpochRecord:
    return EpochRecord(**{"epoch": epoch, **dict.fromkeys(HISTORY_COLUMNS[1:], 0.5 / epoch), **figures})


def results() -> tuple:
    true = np.array([0, 1, 1, 0])
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.75, 0.25]])
    predictions = pd.DataFrame(
        {
            "image_id": [0, 4, 7, 9],
            "name": ["a/1.png", "b/NA.png", 'b/quo"te,.png', "a/ 2 .png"],
            "sha256": ["00", "1e5", "007", "ff"],
            "file": ["images/1", "images/2", "images/3", "images/4"],
            "true": ["null", "NA", "NA", "null"],
            "predicted": ["null", "NA", "null", "null"],
            "confidence": probabilities.max(axis=1),
            "loss": -np.log(probabilities[np.arange(4), true]),
            "novelty": [0.0, 0.25, 0.5, 0.125],
        }
    )
    return evaluate(true, probabilities, ("null", "NA")), predictions, probabilities


def write_run(workspace, *, state: str = "complete", name: str = "My run") -> str:
    with RunWriter(workspace, replace(CONFIG, name=name)) as writer:
        writer.add_epoch(record(1))
        writer.add_results(*results())
        writer.finish(state, RunFacts(best_epoch=1))
    return writer.id


# --- states ----------------------------------------------------------------------------------


def test_a_run_is_running_while_its_writer_is_at_work(workspace):
    with RunWriter(workspace, CONFIG) as writer:
        run = load_run(writer.id)
        assert (run.state, run.name, run.classes, run.id) == ("running", "My run", ("null", "NA"), writer.id)
        assert [run.id for run in list_runs()] == [writer.id]
        assert not run.has_model
        assert len(run.history) == 0
        writer.finish("complete", RunFacts())


def test_a_run_is_seen_as_running_from_another_thread_too(workspace):
    seen = []
    with RunWriter(workspace, CONFIG) as writer:
        thread = threading.Thread(target=lambda: seen.append(load_run(writer.id).state))
        thread.start()
        thread.join()
        writer.finish("complete", RunFacts())
    assert seen == ["running"]


@pytest.mark.parametrize("state", ["complete", "stopped"])
def test_a_finished_run_says_how_it_ended(workspace, state):
    run = load_run(write_run(workspace, state=state))
    assert run.state == state
    assert run.facts.best_epoch == 1
    assert run.hyperparameters == Hyperparameters(epochs=3)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", run.config.created)


@pytest.mark.parametrize(
    ("error", "state", "message"),
    [
        (DatasetError("Too few images; add some."), "failed", "Too few images; add some."),
        (Stopped("It was stopped."), "stopped", "It was stopped."),
        (ZeroDivisionError("by zero"), "failed", "ZeroDivisionError: by zero"),
        (KeyboardInterrupt(), "failed", "KeyboardInterrupt"),
    ],
)
def test_a_run_that_ends_early_says_why(workspace, error, state, message):
    writer = RunWriter(workspace, CONFIG)

    def work() -> None:
        with writer:
            raise error

    with pytest.raises(type(error)):
        work()
    run = load_run(writer.id)
    assert run.state == state
    assert str(run.facts.message).startswith(message)
    assert not run.has_model


def test_an_error_after_the_end_does_not_change_it(workspace):
    writer = RunWriter(workspace, CONFIG)

    def work() -> None:
        with writer:
            writer.finish("complete", RunFacts(message=literal("fine")))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert (load_run(writer.id).state, str(load_run(writer.id).facts.message)) == ("complete", "fine")


@pytest.fixture
def killed(workspace):
    """Starts a process that works on a run; gives the run's id and a function that kills it."""
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from vitcore.runs import RunWriter\n"
        "from vitcore.workspace import Workspace\n"
        "from vitcore.records import load_record\n"
        "from vitcore.runs import RunConfig\n"
        "from vitcore.training import EpochRecord\n"
        f"config = load_record(RunConfig, Path({str(WRITTEN)!r}), '')\n"
        "with RunWriter(Workspace(Path(sys.argv[1])), config) as writer:\n"
        f"    writer.add_epoch(EpochRecord(**{vars(record(1))!r}))\n"
        "    print(writer.id, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(workspace.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    ) as process:

        def kill() -> None:
            process.send_signal(signal.SIGKILL)
            process.wait()

        try:
            yield process.stdout.readline().strip(), kill
        finally:
            kill()


def test_a_run_whose_process_was_killed_is_interrupted(killed, workspace):
    run_id, kill = killed
    assert load_run(run_id).state == "running"
    with pytest.raises(StorageError, match="stop it first"):
        delete_run(run_id)
    kill()

    run = load_run(run_id)
    assert run.state == "interrupted"
    assert run.history["epoch"].tolist() == [1]
    with pytest.raises(StorageError, match="is interrupted and has no results"):
        _ = run.evaluation

    # Several who look at once do not take each other for the writer.
    states: list[str] = []
    threads = [
        threading.Thread(target=lambda: states.extend(load_run(run_id).state for _ in range(50)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(states) == {"interrupted"}

    # What it was writing when it was killed is not taken for an epoch.
    with (run.folder / "history.jsonl").open("a") as file:
        file.write('{"epoch": 2, "training_lo')
    assert load_run(run_id).history["epoch"].tolist() == [1]

    delete_run(run_id)
    assert list_runs() == []
    assert workspace.ids(workspace.runs) == []


# --- history ---------------------------------------------------------------------------------


def test_the_history_grows_epoch_by_epoch(workspace):
    with RunWriter(workspace, CONFIG) as writer:
        run = load_run(writer.id)
        for epoch in (1, 2, 3):
            writer.add_epoch(record(epoch))
            assert run.history["epoch"].tolist() == list(range(1, epoch + 1))
        writer.finish("complete", RunFacts())
    history = load_run(writer.id).history
    assert list(history.columns) == list(HISTORY_COLUMNS)
    assert history["training_loss"].tolist() == [0.5, 0.25, 0.5 / 3]


def test_a_half_written_last_line_is_ignored(workspace):
    run = load_run(write_run(workspace))
    path = run.folder / "history.jsonl"
    whole = path.read_text()
    for cut in (whole + '{"epoch": 2', whole + "{", whole[:-1]):
        path.write_text(cut)
        assert run.history["epoch"].tolist() == ([1] if cut.startswith(whole) else [])


def test_a_figure_that_is_not_defined_is_null_on_disk_and_nan_again(workspace):
    with RunWriter(workspace, CONFIG) as writer:
        writer.add_epoch(record(1, cohen_kappa=math.nan))
        first = load_run(writer.id).history
        writer.add_epoch(record(2))
        writer.finish("complete", RunFacts())
    lines = (writer.folder / "history.jsonl").read_text().splitlines()
    assert json.loads(lines[0], parse_constant=pytest.fail)["cohen_kappa"] is None
    # Also when the column has nothing else in it.
    assert isinstance(first["cohen_kappa"].iloc[0], float)
    assert math.isnan(first["cohen_kappa"].iloc[0])
    kappa = load_run(writer.id).history["cohen_kappa"]
    assert math.isnan(kappa[0])
    assert kappa[1] == 0.25


@pytest.mark.parametrize("line", ["{", "{}", '{"epoch": "1"}', "[]"])
def test_a_damaged_history_is_a_storage_error_and_not_listed(workspace, line):
    run = load_run(write_run(workspace))
    with (run.folder / "history.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(StorageError, match=r"history\.jsonl is damaged"):
        _ = run.history
    assert list_runs() == []


# --- results ---------------------------------------------------------------------------------


def test_results_come_back_as_they_were(workspace):
    run = load_run(write_run(workspace))
    evaluation, predictions, probabilities = results()
    assert run.has_model
    assert run.evaluation.to_dict() == evaluation.to_dict()
    pd.testing.assert_frame_equal(run.predictions, predictions, check_exact=True)
    assert run.probabilities.dtype == np.float32
    assert np.allclose(run.probabilities, probabilities)


@pytest.mark.parametrize("result", ["evaluation", "predictions", "probabilities"])
def test_a_run_without_results_says_so(workspace, result):
    with RunWriter(workspace, CONFIG) as writer:
        run = load_run(writer.id)
        with pytest.raises(StorageError, match=f"Run '{writer.id}' is running and has no results"):
            getattr(run, result)
        writer.finish("failed", RunFacts())


# --- finding, listing, deleting --------------------------------------------------------------


def test_an_unknown_run_is_answered_with_those_there_are(workspace):
    with pytest.raises(NotFoundError, match=re.escape("There is no run 'nope' (newest: none yet).")):
        load_run("nope")
    run_id = write_run(workspace)
    with pytest.raises(NotFoundError, match=re.escape(f"There is no run 'nope' (newest: {run_id}).")):
        load_run("nope")
    with pytest.raises(NotFoundError):
        delete_run("../runs")


def test_runs_are_listed_newest_first(workspace):
    assert list_runs() == []
    ids = [write_run(workspace, name=f"run {number}") for number in range(8)]
    assert [run.id for run in list_runs()] == ids[::-1]
    assert [run.name for run in list_runs()] == [f"run {number}" for number in range(8)][::-1]


def test_what_is_still_being_made_is_not_listed(workspace):
    run_id = write_run(workspace)
    (workspace.runs / ".tmp-20990101-000000-aaaaaa").mkdir()
    assert [run.id for run in list_runs()] == [run_id]


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("state.json", None),
        ("state.json", {"seconds": 3}),
        ("config.json", None),
        ("config.json", {"name": 3}),
        ("config.json", {"dataset": {}}),
        ("config.json", {"hyperparameters": {"epochs": -1}}),
    ],
)
def test_one_damaged_run_does_not_hide_the_others(workspace, file, change):
    good, bad = write_run(workspace), write_run(workspace)
    path = workspace.runs / bad / file
    path.write_text(json.dumps({} if change is None else {**json.loads(path.read_text()), **change}))
    assert [run.id for run in list_runs()] == [good]


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("state.json", ""),
        ("state.json", "{"),
        ("state.json", "{}"),
        ("config.json", ""),
        ("config.json", "{"),
        ("config.json", "{}"),
        ("config.json", "[]"),
    ],
)
def test_a_damaged_run_is_a_storage_error(workspace, file, content):
    run_id = write_run(workspace)
    (workspace.runs / run_id / file).write_text(content)
    with pytest.raises(StorageError):
        load_run(run_id)


@pytest.mark.parametrize("file", ["predictions.csv", "probabilities.npy", "evaluation.json"])
def test_damaged_results_are_a_storage_error(workspace, file):
    run_id = write_run(workspace)
    (workspace.runs / run_id / file).write_bytes(b"")
    run = load_run(run_id)
    with pytest.raises(StorageError):
        getattr(run, file.partition(".")[0])


def test_a_deleted_run_is_gone(workspace):
    keep, drop = write_run(workspace), write_run(workspace)
    delete_run(drop)
    assert [run.id for run in list_runs()] == [keep]
    assert workspace.ids(workspace.runs) == [keep]
    with pytest.raises(NotFoundError):
        delete_run(drop)


def test_a_running_run_is_not_deleted(workspace):
    with RunWriter(workspace, CONFIG) as writer:
        with pytest.raises(StorageError, match="is running; stop it first"):
            delete_run(writer.id)
        writer.finish("complete", RunFacts())
    delete_run(writer.id)
    assert list_runs() == []


def test_no_lock_is_left_held(workspace):
    run_id = write_run(workspace)
    assert not workspace.is_locked(f"run-{run_id}")


# --- names, notes, second thoughts ---------------------------------------------------------------


def test_a_deleted_run_can_be_brought_back_as_it_was(workspace):
    run_id = write_run(workspace)
    before = load_run(run_id).evaluation.to_dict()
    delete_run(run_id)
    assert list_runs() == []
    workspace.sweep()
    assert restore_run(run_id).evaluation.to_dict() == before
    assert [run.id for run in list_runs()] == [run_id]


def test_what_was_deleted_a_week_ago_is_gone_for_good(workspace):
    run_id = write_run(workspace)
    delete_run(run_id)
    (binned,) = (path for path in workspace.runs.iterdir() if run_id in path.name)
    os.utime(binned, (0, 0))
    assert workspace.sweep() == 1
    with pytest.raises(NotFoundError, match="not there any more"):
        restore_run(run_id)


@pytest.mark.parametrize("run_id", ["nothing", "../runs", ""])
def test_what_was_not_deleted_cannot_be_brought_back(workspace, run_id):
    write_run(workspace)
    with pytest.raises(NotFoundError):
        restore_run(run_id)


def test_a_run_can_be_given_a_name_and_a_note(workspace):
    run_id = write_run(workspace)
    assert load_run(run_id).note == ""
    assert describe_run(run_id, name=" The good one ").name == "The good one"
    described = describe_run(run_id, note="with *all* hats")
    assert (described.name, described.note) == ("The good one", "with *all* hats")
    assert describe_run(run_id, name="").name == "My run"


@pytest.mark.parametrize("given", [{"name": "x" * 201}, {"note": "x" * 10_001}])
def test_names_and_notes_have_a_limit(workspace, given):
    with pytest.raises(SettingsError, match="characters"):
        describe_run(write_run(workspace), **given)


@pytest.mark.parametrize("damage", ["", "[]", "{"])
def test_a_damaged_note_does_not_lose_the_run(workspace, damage):
    run_id = write_run(workspace)
    (load_run(run_id).folder / "about.json").write_text(damage)
    (run,) = list_runs()
    assert (run.name, run.note) == ("My run", "")


def test_a_damaged_name_is_said_and_given_again(workspace):
    run_id = write_run(workspace)
    (workspace.runs / run_id / "about.json").write_text('{"name": 3}')
    run = load_run(run_id)
    assert (run.name, run.note) == ("My run", "")
    assert "name the run again" in str(run.lost_name)
    assert describe_run(run_id, name="Mine").lost_name is None
