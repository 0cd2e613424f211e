"""Records as commit aa8ac46 wrote them: all of them load, and nothing in them is lost."""

import json
import shutil
from pathlib import Path

import pytest

from vitcore.audit import load_measures
from vitcore.audit._near_duplicates import NearDuplicate
from vitcore.backbone import Reading
from vitcore.dataset import confirmed, list_datasets, load_dataset
from vitcore.dataset._dataset import load_description
from vitcore.engines import EngineRecord
from vitcore.errors import NotFoundError
from vitcore.inference import Deletion, load_trust, set_level
from vitcore.inference._config import ModelConfig
from vitcore.pipeline import (
    ExportRecord,
    ExternalEvaluation,
    Review,
    list_batches,
    load_external,
    load_map_check,
    load_review,
    load_search,
)
from vitcore.pipeline._batches import Correction
from vitcore.records import load_record, plain_values, record_of
from vitcore.runs import CHECKPOINT, list_runs, load_run
from vitcore.runs._records import About
from vitcore.training import Checkpoint
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
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        return [more for pair in zip(before, now, strict=True) for more in lost(*pair)]
    as_message = (
        {"template": "{text}", "values": {"text": before}} if before else {"template": "", "values": {}}
    )
    if isinstance(before, str) and now == as_message:
        return []  # a sentence of then is shown as it is
    return [] if before == now else [f"{before!r} is {now!r}"]


def known_lost(texts: list[str]) -> list[str]:
    """Without what has another form since.

    The number of folds that was asked for: every run is cross-validated since. The blocks that are read:
    they are a part of the reading.
    """
    return [text for text in texts if "folds." not in text and "backbone.blocks." not in text]


def test_all_runs_are_listed(old):
    assert {run.id for run in list_runs(old)} == set(RUNS)


@pytest.mark.parametrize("run_id", RUNS)
def test_nothing_that_a_run_says_of_itself_is_lost(old, run_id):
    run = load_run(run_id, workspace=old)
    assert known_lost(lost(json_of(run.folder / "config.json"), plain_values(run.config))) == []
    assert lost(json_of(run.folder / "state.json"), plain_values(run.facts)) == []
    blocks = json_of(run.folder / "config.json")["backbone"]["blocks"]
    assert run.config.backbone.reading == Reading(blocks=tuple(blocks))
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


# --- everything else ---------------------------------------------------------------------------


def test_datasets_are_listed_and_all_their_versions_load(old):
    assert set(list_datasets(old)["id"]) == {"photos", "leaky", "others"}
    about = json_of(old.datasets / "photos" / "dataset.json")
    assert lost(about, plain_values(load_description(old.datasets / "photos"))) == []
    for version in range(1, about["version"] + 1):
        dataset = load_dataset("photos", version=version, workspace=old)
        assert dataset.version == len(dataset.changes) == version
        assert [item.name for item in dataset.skipped] == ["red/broken.png"]
    assert dataset.class_counts == about["classes"]
    assert confirmed(dataset) == {2, 3}


@pytest.mark.parametrize(
    ("kind", "file"),
    [
        (Review, "runs/spread/review.json"),
        (Deletion, "runs/spread/model/maps.json"),
        (ModelConfig, "runs/spread/model/config.json"),
        (ModelConfig, "exported-model/config.json"),
        (ExternalEvaluation, "runs/complete/elsewhere-others.json"),
        (ExportRecord, "exported-model/agreement.json"),
        (ExportRecord, "exported-onnx/agreement.json"),
        (About, "runs/spread/about.json"),
        (dict[int, Correction], "runs/complete/batches/two-photos/corrections.json"),
    ],
)
def test_nothing_that_a_file_says_is_lost(kind, file):
    before, record = json_of(WRITTEN / file), record_of(kind, json_of(WRITTEN / file))
    if isinstance(record, dict):
        now = {str(key): plain_values(value) for key, value in record.items()}
    else:
        now = {"format": before.get("format"), **plain_values(record)}
    # Of an evaluation, the number of images is that of the confusion matrix.
    gone = known_lost(lost(before, now))
    assert [text for text in gone if not text.startswith("evaluation.images.")] == []


def test_what_belongs_to_a_run_is_found_where_it_lies(old):
    complete, spread = (load_run(run_id, workspace=old) for run_id in ("complete", "spread"))
    assert load_review(spread).labels["suspect"].dtype == bool
    assert load_review(complete) is None
    assert load_map_check(spread).images == 2
    assert [found.dataset_id for found in load_external(complete)] == ["others"]
    (batch,) = list_batches(complete)
    assert batch.names == ("a/x.png", "y.png", "bad.png")
    assert batch.corrections[1].label == "green"
    assert len(batch.answers) == 3
    assert load_trust(spread.folder).level == 0.25
    set_level(spread.folder, 0.75)
    before = json_of(WRITTEN / "runs" / "spread" / "model" / "config.json")
    before["trust"]["level"], before["digests"] = 0.75, {}
    before["backbone"]["reading"] = {
        "blocks": before["backbone"].pop("blocks"),
        "spread": [],
        "own_pooling": False,
    }
    before["backbone"]["preprocessing"]["fit"], before["backbone"]["parts"] = "centre", []
    before["backbone"]["published"] = ""
    assert json_of(spread.folder / "model" / "config.json") == before


def test_what_searches_of_then_found_is_left_alone(old):
    dataset = load_dataset("photos", workspace=old)
    assert (dataset.folder / "tuning.json").is_file()
    with pytest.raises(NotFoundError, match="compared"):
        load_search(dataset)


def test_a_stopped_training_has_its_checkpoint(old):
    checkpoint = Checkpoint.load(load_run("stopped", workspace=old).folder / CHECKPOINT)
    history = load_run("stopped", workspace=old).history
    assert [vars(record) for record in checkpoint.history] == history.to_dict("records")


def test_the_memory_of_engines_is_read():
    (network,) = json_of(WRITTEN / "engines" / "choices.json").values()
    for values in network.values():
        assert lost(values, plain_values(record_of(EngineRecord, values))) == []


def test_measures_and_near_duplicates_are_read(old):
    measures = load_measures(load_dataset("photos", workspace=old))
    before = json_of(old.datasets / "photos" / "measures.json")
    assert measures.fingerprint == before["fingerprint"]
    assert measures.compared == set(before["compared"])
    assert len(measures.quality) == len(before["quality"]["sha256"]) == 36
    for file in (old.datasets / "photos" / "duplicates").iterdir():
        assert load_record(tuple[NearDuplicate, ...], file, "delete it") == tuple(map(tuple, json_of(file)))
