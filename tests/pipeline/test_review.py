"""A closer look at a run."""

import json
import threading

import numpy as np
import pandas as pd
import pytest

from vitcore.backbone import Embedder
from vitcore.compute import Compute
from vitcore.dataset import confirm, confirmed, exclude, import_dataset, load_dataset, relabel, unconfirm
from vitcore.errors import NotFoundError, Stopped, StorageError
from vitcore.evaluation import class_forecast, forecast
from vitcore.pipeline import load_review, review_run, run_vectors, train
from vitcore.progress import Task
from vitcore.runs import list_runs, load_run
from vitcore.training import Hyperparameters

H = Hyperparameters(epochs=3, learning_rate=1e-2)


@pytest.fixture
def run(picture_folder, tiny_backbone, prepared_home):
    """Of three colours, with one photo in the wrong class."""

    def learn() -> None:
        folder = picture_folder(count=14)
        (folder / "red" / "000.png").rename(folder / "green" / "wrong.png")
        train(import_dataset(folder), H, compute=Compute(tiny_backbone, device="cpu"))

    prepared_home("review", learn)
    return list_runs()[0]


@pytest.fixture
def dataset(run, workspace):  # noqa: ARG001 - it comes with the run
    (dataset_id,) = workspace.ids(workspace.datasets)
    return load_dataset(dataset_id)


@pytest.fixture
def reviewed(run, prepared_home):
    """The run after a closer look."""
    prepared_home("reviewed", lambda: review_run(run.id))
    return run


def test_the_vectors_of_a_run_come_from_the_store_alone(run, dataset, monkeypatch):
    monkeypatch.setattr(Embedder, "start", None)
    found = run_vectors(run)
    assert found.vectors.shape == (42, 128)
    assert found.rows["image_id"].tolist() == dataset.index["image_id"].tolist()
    assert found.classes == run.classes
    assert found.rows["image_id"][found.judged].tolist() == run.predictions["image_id"].tolist()
    assert [found.classes[number] for number in found.labels] == dataset.index["label"].tolist()
    assert len(np.unique(found.vectors, axis=0)) == 42


def test_they_are_those_of_the_version_that_was_learned_from(run, dataset):
    relabel(dataset, dataset.index["image_id"][:3], "other")
    assert "other" not in run_vectors(run).rows["label"].tolist()


@pytest.mark.parametrize("other", ["val", pytest.param("test", marks=pytest.mark.thorough)])
def test_a_ready_made_split_keeps_what_was_judged(picture_folder, tiny_backbone, other):
    root = picture_folder(count=12, name="split/train").parent
    picture_folder(count=8, name=f"split/{other}")
    if other == "val":
        picture_folder(count=2, name="split/test")  # takes no part
    run = train(import_dataset(root), H, compute=Compute(tiny_backbone, device="cpu"))
    found = run_vectors(run)
    judged = 24 if other == "val" else run.config.images.validation
    assert (len(found.rows), int(found.judged.sum())) == (36 + 24 * (other == "val"), judged)


def test_vectors_that_are_gone_are_a_storage_error(run, workspace):
    for file in (workspace.root / "features").rglob("vectors.f16"):
        file.write_bytes(b"")
    with pytest.raises(StorageError, match="42 embeddings of run"):
        run_vectors(run)


def test_it_finds_the_label_that_is_wrong(reviewed, dataset):
    review = load_review(reviewed)
    assert len(review.labels) == 42
    first = review.labels.iloc[0]
    assert (first["name"].rsplit("/", 1)[-1], first["given"], first["suggested"]) == (
        "wrong.png",
        "green",
        "red",
    )
    names = dataset.rows.set_index("image_id")["label"]
    assert len(first["neighbours"]) == 4
    assert first["image_id"] not in first["neighbours"]
    assert {names[other] for other in first["neighbours"]} == {"red"}
    assert review.labels["self_confidence"].is_monotonic_increasing


def test_simpler_ways_are_judged_on_the_same_images(reviewed):
    baselines = load_review(reviewed).baselines.set_index("name")
    assert baselines.loc["this classifier", "accuracy"] == pytest.approx(reviewed.evaluation.accuracy)
    assert baselines.loc["always the most frequent class", "accuracy"] < 0.6
    assert baselines.loc["logistic regression", "accuracy"] > 0.6
    assert set(baselines.columns) == {"accuracy", "balanced_accuracy", "cohen_kappa"}


def test_its_points_are_those_of_a_learning_curve(reviewed):
    review = load_review(reviewed)
    found = forecast(review.points, [40])
    assert found.too_few_to_say or len(found.table) == 1
    assert set(class_forecast(review.class_points, 5)["class"]) == {0, 1, 2}


def test_it_is_found_again(run):
    assert load_review(run) is None
    review = review_run(run.id)
    again = load_review(load_run(run.id))
    for name in ("baselines", "labels", "points", "class_points"):
        pd.testing.assert_frame_equal(getattr(again, name), getattr(review, name), check_dtype=False)
    assert again.seconds == review.seconds


def test_stopped_it_keeps_nothing(run):
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        review_run(run.id, task=Task(stop=stop))
    assert load_review(run) is None


def test_its_progress_comes_to_an_end(run):
    seen = []
    review_run(run.id, task=Task(seen.append))
    assert {progress.phase for progress in seen} == {"review"}
    done = [progress.done for progress in seen if progress.total]
    assert done == sorted(done)
    assert 0 < done[-1] <= seen[-1].total


def test_of_an_unknown_run_there_is_none():
    with pytest.raises(NotFoundError):
        review_run("20260101-000000-000000-aaaaaa")


@pytest.mark.parametrize("text", ["{}", '{"format": 1}', "no"])
def test_a_damaged_file_is_a_storage_error(reviewed, text):
    (reviewed.folder / "review.json").write_text(text)
    with pytest.raises(StorageError):
        load_review(reviewed)


def test_it_takes_the_place_of_a_damaged_one(reviewed):
    (reviewed.folder / "review.json").write_text("{}")
    assert len(review_run(reviewed.id).labels) == len(load_review(reviewed).labels) == 42


def test_of_an_older_kind_there_is_none(reviewed):
    path = reviewed.folder / "review.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 0}))
    assert load_review(reviewed) is None


# --- labels that were found right -----------------------------------------------------------------


def test_a_label_that_is_confirmed_stays_confirmed_until_it_changes(dataset):
    assert confirmed(dataset) == set()
    confirm(dataset, [0, 5])
    confirm(dataset, [7])
    assert confirmed(load_dataset(dataset.id)) == {0, 5, 7}
    unconfirm(dataset, [5, 99])
    assert confirmed(dataset) == {0, 7}
    moved = relabel(dataset, [7], "other")
    assert confirmed(moved) == {0}
    assert confirmed(exclude(moved, [1])) == {0}


def test_damaged_confirmations_are_a_storage_error(dataset):
    (dataset.folder / "confirmed.json").write_text("[1, 2]")
    with pytest.raises(StorageError):
        confirmed(dataset)
