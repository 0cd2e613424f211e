"""Records as commit aa8ac46 wrote them: all of them load, and nothing in them is lost."""

import json
import shutil
from pathlib import Path

import pytest

from vitcore.records import plain_values
from vitcore.runs import list_runs, load_run
from vitcore.workspace import Workspace

WRITTEN = Path(__file__).parent / "written_by_aa8ac46"
RUNS = ("complete", "leak", "spread", "stopped", "stopped-early")


@pytest.fixture
def old(tmp_path: Path) -> Workspace:
    """A copy of the workspace of then, without its photos and embeddings."""
    shutil.copytree(WRITTEN, tmp_path / "old")
    return Workspace(tmp_path / "old")


def json_of(path: Path):
    return json.loads(path.read_text(encoding="utf-8"))


def lost(before, now) -> list[str]:
    """What stands in JSON values and is not the same in others, which may have more."""
    if isinstance(before, dict) and isinstance(now, dict):
        return [f"{key}.{more}" for key in before for more in lost(before[key], now.get(key, ...))]
    return [] if before == now else [f"{before!r} is {now!r}"]


def test_all_runs_are_listed(old):
    assert {run.id for run in list_runs(old)} == set(RUNS)


@pytest.mark.parametrize("run_id", RUNS)
def test_nothing_that_a_run_says_of_itself_is_lost(old, run_id):
    run = load_run(run_id, workspace=old)
    assert lost(json_of(run.folder / "config.json"), plain_values(run.config)) == []
    assert lost(json_of(run.folder / "state.json"), plain_values(run.facts)) == []
    assert run.state == json_of(run.folder / "state.json")["state"]
    if run.has_model:
        lines = (run.folder / "history.jsonl").read_text().splitlines()
        assert run.history.to_dict("records") == [json.loads(line) for line in lines]
        assert lost(json_of(run.folder / "evaluation.json"), run.evaluation.to_dict()) == []
        assert len(run.predictions) == len(run.probabilities) == run.evaluation.images


def test_what_was_asked_for_besides_is_there(old):
    spread = load_run("spread", workspace=old)
    assert (spread.name, spread.note) == ("mine", "a note\nof two lines")
    assert spread.facts.cross_validation.folds == 3
    assert spread.facts.repeats.seeds == (5, 6)
    assert set(spread.repeats["kind"]) == {"fold", "seed"}
    assert load_run("leak", workspace=old).facts.leak.images == 3


def test_a_run_of_before_there_was_a_choice_of_engines_loads(old):
    file = old.runs / "complete" / "config.json"
    config = json_of(file)
    del config["engine"], config["device"]["engine"], config["requested"]["engine"]
    config["hyperparameters"]["class_weights"] = "balanced"
    del config["hyperparameters"]["balance"]
    file.write_text(json.dumps(config))
    run = load_run("complete", workspace=old)
    assert (run.config.engine, run.config.device.engine, run.config.requested.engine) == (
        None,
        "torch",
        "auto",
    )
    assert run.hyperparameters.balance == "weights"
