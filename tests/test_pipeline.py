"""The walk through all the rooms, with a tiny backbone."""

import json
import math
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch

import vitcore
from vitcore.backbone import Embedder
from vitcore.dataset import import_dataset, split_index
from vitcore.errors import BackboneError, DatasetError, DeviceError, InputError, SettingsError, Stopped
from vitcore.inference import load_classifier
from vitcore.pipeline import evaluate_on, train
from vitcore.runs import Run, list_runs, load_run
from vitcore.training import Hyperparameters

SHORT = Hyperparameters(epochs=4, learning_rate=1e-2)


@pytest.fixture
def dataset(picture_folder):
    return import_dataset(picture_folder())


@pytest.fixture
def learn(dataset, tiny_backbone):
    """Trains on the three colours."""

    def work(hyperparameters: Hyperparameters = SHORT, **options) -> Run:
        return train(dataset, hyperparameters, **{"backbone": tiny_backbone, "device": "cpu", **options})

    return work


@pytest.fixture
def forward_passes(monkeypatch) -> list[int]:
    """The size of each batch that goes through a backbone."""
    sizes: list[int] = []
    embed = Embedder.embed

    def counting(self: Embedder, pixels: np.ndarray) -> np.ndarray:
        sizes.append(len(pixels))
        return embed(self, pixels)

    monkeypatch.setattr(Embedder, "embed", counting)
    return sizes


def figures(run: Run) -> list[dict]:
    return run.history.drop(columns="seconds").to_dict("records")


# --- from pictures to predictions ------------------------------------------------------------


def test_a_training_ends_complete_and_knows_its_classes(learn, dataset, tiny_backbone):
    run = learn()
    assert (run.state, run.classes, run.has_model) == ("complete", ("blue", "green", "red"), True)
    assert run.evaluation.accuracy > 0.9
    assert run.hyperparameters == SHORT
    assert run.config["dataset"] == {"id": dataset.id, "name": "photos", "version": 1}
    assert run.config["backbone"]["id"] == tiny_backbone
    assert run.config["images"] == {"train": 30, "validation": 6, "skipped": 0}
    assert run.name == "photos · tiny.safetensors"
    assert (run.facts["epochs_run"], len(run.history)) == (4, 4)
    assert set(run.facts["seconds"]) == {"embed", "fit", "evaluate", "total"}
    assert all(seconds >= 0 for seconds in run.facts["seconds"].values())
    assert run.facts["images_per_second"] > 0
    assert [listed.id for listed in list_runs()] == [run.id]


def test_the_best_epoch_is_the_one_with_the_lowest_validation_loss(learn):
    run = learn()
    losses = run.history["validation_loss"]
    assert run.facts["best_epoch"] == losses.idxmin() + 1
    assert run.evaluation.metrics["log_loss"].value == pytest.approx(losses.min(), abs=1e-5)


def test_the_predictions_are_those_of_the_validation_images(learn, dataset):
    run = learn()
    split = split_index(dataset.index, validation_fraction=0.2, seed=0)
    expected = dataset.index[split == "validation"]
    for column in ("image_id", "name", "sha256", "file"):
        assert run.predictions[column].tolist() == expected[column].tolist()
    assert run.predictions["true"].tolist() == expected["label"].tolist()
    assert len(run.predictions) == run.evaluation.images == run.probabilities.shape[0] == 6
    right = (run.predictions["true"] == run.predictions["predicted"]).mean()
    assert right == pytest.approx(run.evaluation.accuracy)
    assert run.predictions["loss"].mean() == pytest.approx(run.evaluation.metrics["log_loss"].value)
    assert np.allclose(run.predictions["confidence"], run.probabilities.max(axis=1))


def test_the_classifier_repeats_the_stored_predictions(learn, dataset):
    run = learn()
    classifier = load_classifier(run.folder, device="cpu")
    predictions = classifier.predict([dataset.path(file) for file in run.predictions["file"]])
    assert [prediction.label for prediction in predictions] == run.predictions["predicted"].tolist()
    found = [[prediction.probabilities[label] for label in run.classes] for prediction in predictions]
    assert np.abs(np.array(found) - run.probabilities).max() < 1e-6
    assert [prediction.confidence for prediction in predictions] == pytest.approx(
        run.predictions["confidence"].tolist(), abs=1e-6
    )


def test_what_the_classifier_calls_sure_was_right_often_enough(learn):
    run = learn()
    classifier = load_classifier(run.folder, device="cpu")
    sure = run.predictions["confidence"] >= classifier.threshold
    right = run.predictions["true"] == run.predictions["predicted"]
    assert not sure.any() or right[sure].mean() >= 0.95


def test_the_public_names_do_the_same_work(picture_folder, tiny_backbone):
    dataset = vitcore.import_dataset(picture_folder())
    run = vitcore.train(dataset, vitcore.Hyperparameters(epochs=2), backbone=tiny_backbone)
    assert vitcore.load_run(run.id).evaluation.accuracy == run.evaluation.accuracy
    assert vitcore.load_dataset(dataset.id).classes == run.classes
    [prediction] = vitcore.load_classifier(run.folder).predict([dataset.path(dataset.index["file"].iloc[0])])
    assert isinstance(prediction, vitcore.Prediction)


# --- again -----------------------------------------------------------------------------------


def test_a_second_training_sends_nothing_through_the_backbone(learn, forward_passes):
    first = learn()
    assert sum(forward_passes) == 36
    second = learn(Hyperparameters(epochs=2, seed=7))
    assert sum(forward_passes) == 36
    assert first.facts["images_per_second"] > 0
    assert second.facts["images_per_second"] == 0


def test_the_same_config_gives_the_same_run(learn):
    first, second = learn(), learn()
    assert figures(first) == figures(second)
    assert first.evaluation.to_dict() == second.evaluation.to_dict()
    assert np.array_equal(first.probabilities, second.probabilities)
    heads = [(run.folder / "model" / "head.safetensors").read_bytes() for run in (first, second)]
    assert heads[0] == heads[1]
    again = learn(first.hyperparameters, **first.config["requested"])
    assert figures(again) == figures(first)


def test_another_seed_gives_another_split(learn):
    first, second = learn(), learn(Hyperparameters(epochs=4, learning_rate=1e-2, seed=1))
    assert first.predictions["image_id"].tolist() != second.predictions["image_id"].tolist()


def test_views_are_embedded_for_training_images_only(learn, forward_passes):
    run = learn(Hyperparameters(epochs=4, learning_rate=1e-2, views=2))
    assert sum(forward_passes) == 36 + 30
    assert run.state == "complete"
    assert run.evaluation.images == 6
    assert figures(run) != figures(learn())


def test_a_ready_made_split_is_used(picture_folder, tiny_backbone, tmp_path):
    root = picture_folder(count=8)
    for part, numbers in (("train", range(5)), ("val", range(5, 8))):
        for label in ("blue", "green", "red"):
            (tmp_path / "set" / part / label).mkdir(parents=True)
            for number in numbers:
                name = f"{number:03}.png"
                (root / label / name).rename(tmp_path / "set" / part / label / name)
    dataset = import_dataset(tmp_path / "set")
    run = train(dataset, SHORT, backbone=tiny_backbone)
    assert run.config["images"] == {"train": 15, "validation": 9, "skipped": 0}
    assert run.predictions["name"].str.startswith("val/").all()


def test_odd_class_names_go_all_the_way(picture_folder, tiny_backbone):
    classes = ("![x](y)", "1,5", "NA", 'quo"te')
    dataset = import_dataset(picture_folder(classes, count=6))
    run = train(dataset, SHORT, backbone=tiny_backbone)
    assert run.classes == tuple(sorted(classes))
    assert set(run.predictions["true"]) == set(classes)
    assert load_classifier(run.folder).classes == run.classes
    assert load_run(run.id).evaluation.classes == run.classes


def test_skipped_files_are_counted(picture_folder, tiny_backbone):
    root = picture_folder()
    (root / "blue" / "page.png").write_text("<html>")
    assert train(import_dataset(root), SHORT, backbone=tiny_backbone).config["images"]["skipped"] == 1


# --- progress and stopping -------------------------------------------------------------------


def test_the_phases_are_told_in_order(learn):
    seen, started = [], []
    run = learn(on_progress=seen.append, on_start=started.append)
    phases = list(dict.fromkeys(progress.phase for progress in seen))
    assert phases == ["prepare", "embed", "fit", "evaluate"]
    assert started == [run.id]
    last = {progress.phase: progress for progress in seen}
    assert (last["embed"].done, last["embed"].total, last["embed"].unit) == (36, 36, "images")
    assert (last["fit"].done, last["fit"].total, last["fit"].unit) == (4, 4, "epochs")
    assert any("tiny.safetensors" in progress.message for progress in seen)


def test_the_run_can_be_watched_from_its_start(learn):
    states = []
    learn(on_start=lambda run_id: states.append(load_run(run_id).state))
    assert states == ["running"]


def test_stopped_during_the_epochs_the_run_keeps_its_best_head(learn, dataset):
    stop = threading.Event()

    def on_progress(progress) -> None:
        if progress.phase == "fit" and progress.done >= 2:
            stop.set()

    run = learn(Hyperparameters(epochs=1000, learning_rate=1e-2), stop=stop, on_progress=on_progress)
    assert run.state == "stopped"
    assert 2 <= len(run.history) < 1000
    assert run.facts["epochs_run"] == len(run.history)
    assert run.evaluation.images == 6
    classifier = load_classifier(run.folder)
    assert len(classifier.predict([dataset.path(file) for file in run.predictions["file"]])) == 6


def test_stopped_while_embedding_there_is_nothing_to_keep(learn):
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped, match="what was computed is kept"):
        learn(stop=stop)
    [run] = list_runs()
    assert (run.state, run.has_model) == ("stopped", False)
    assert run.facts["message"] == "The embedding was stopped; what was computed is kept."


def test_stopped_before_the_first_epoch_there_is_nothing_to_keep(learn):
    learn()
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        learn(stop=stop)
    run = list_runs()[0]
    assert (run.state, run.has_model) == ("stopped", False)


# --- what does not work ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"backbone": "nope"}, BackboneError),
        ({"device": "tpu"}, DeviceError),
        ({"precision": "fp8"}, DeviceError),
    ],
)
def test_what_cannot_be_had_is_refused_before_there_is_a_run(learn, options, error):
    with pytest.raises(error):
        learn(**options)
    assert list_runs() == []


def test_a_dataset_too_small_is_refused_before_there_is_a_run(picture_folder, tiny_backbone):
    dataset = import_dataset(picture_folder(("only",)))
    with pytest.raises(DatasetError, match="at least two"):
        train(dataset, SHORT, backbone=tiny_backbone)
    assert list_runs() == []


def test_weights_that_do_not_fit_make_a_failed_run(dataset, tmp_path, tiny_backbone):
    state = safetensors.torch.load_file(tiny_backbone)
    state.pop("norm.weight")
    path = tmp_path / "broken.safetensors"
    safetensors.torch.save_file(state, path, {"architecture": "test_vit"})
    with pytest.raises(BackboneError, match="does not fit"):
        train(dataset, SHORT, backbone=str(path))
    [run] = list_runs()
    assert run.state == "failed"
    assert "does not fit" in run.facts["message"]


def test_a_learning_rate_that_is_too_high_makes_a_failed_run_that_says_so(learn):
    wild = Hyperparameters(
        epochs=300, warmup_epochs=0, schedule="constant", optimizer="sgd", learning_rate=10, weight_decay=10
    )
    with pytest.raises(SettingsError, match="too high"):
        learn(wild)
    [run] = list_runs()
    assert (run.state, run.has_model) == ("failed", False)
    assert "too high" in run.facts["message"]
    assert run.history["training_loss"].notna().all()


# --- another set -----------------------------------------------------------------------------


@pytest.fixture
def classifier(learn):
    return load_classifier(learn().folder, device="cpu")


def test_a_classifier_is_judged_on_another_set(classifier, picture_folder):
    other = import_dataset(picture_folder(count=5, name="other"))
    evaluation = evaluate_on(classifier, other)
    assert (evaluation.images, evaluation.classes) == (15, ("blue", "green", "red"))
    labels = [p.label for p in classifier.predict([other.path(file) for file in other.index["file"]])]
    assert evaluation.accuracy == pytest.approx((other.index["label"] == np.array(labels)).mean())


def test_the_same_images_give_the_same_figures(classifier, dataset, learn):
    run = learn()
    validation = dataset.index["image_id"].isin(run.predictions["image_id"])
    assert validation.sum() == 6
    evaluation = evaluate_on(classifier, dataset)
    assert evaluation.images == 36
    correct = np.trace(evaluation.confusion)
    assert correct >= round(run.evaluation.accuracy * 6)


def test_a_set_with_some_of_the_classes_is_judged_by_their_names(classifier, picture_folder):
    other = import_dataset(picture_folder(("green", "red"), count=4, name="other"))
    evaluation = evaluate_on(classifier, other)
    assert evaluation.confusion.sum(axis=1).tolist() == [0, 4, 4]
    assert math.isfinite(evaluation.balanced_accuracy)


def test_a_set_with_an_unknown_class_is_refused_by_its_name(classifier, picture_folder):
    other = import_dataset(picture_folder(("green", "zebra"), count=4, name="other"))
    with pytest.raises(InputError, match=re.escape("does not know 'zebra'; it knows 'blue', 'green', 'red'")):
        evaluate_on(classifier, other)


# --- silence ---------------------------------------------------------------------------------


def test_the_whole_way_prints_and_warns_of_nothing(picture_folder, tiny_backbone, workspace):
    script = (
        "import json, sys\n"
        "import vitcore\n"
        "from vitcore.pipeline import evaluate_on\n"
        "dataset = vitcore.import_dataset(sys.argv[1])\n"
        "run = vitcore.train(dataset, vitcore.Hyperparameters(epochs=3, views=2), backbone=sys.argv[2])\n"
        "run = vitcore.load_run(run.id)\n"
        "classifier = vitcore.load_classifier(run.folder)\n"
        "predictions = classifier.predict([dataset.path(file) for file in run.predictions['file']])\n"
        "evaluation = evaluate_on(classifier, dataset)\n"
        "print(json.dumps([run.state, len(run.history), len(predictions), evaluation.images]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, str(picture_folder()), tiny_backbone],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert json.loads(done.stdout) == ["complete", 3, 6, 36]
    assert len(list(workspace.runs.iterdir())) == 1
