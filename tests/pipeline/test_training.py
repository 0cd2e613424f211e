"""The walk through all the rooms, with a tiny backbone."""

import json
import math
import re
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
from PIL import Image
from sklearn.metrics import accuracy_score

import vitcore
from tests._pictures import soft_photo
from vitcore.backbone import Embedder
from vitcore.compute import Compute
from vitcore.dataset import Dataset, exclude, import_dataset, split_index
from vitcore.errors import (
    BackboneError,
    DatasetError,
    DeviceError,
    InputError,
    SettingsError,
    Stopped,
    StorageError,
)
from vitcore.inference import load_classifier
from vitcore.pipeline import (
    _novelty,
    _repeats,
    _training,
    _trusting,
    evaluate_on,
    resume,
    train,
)
from vitcore.progress import Task
from vitcore.records import plain_values
from vitcore.runs import (
    CHECKPOINT,
    DatasetReference,
    ImageCounts,
    Run,
    RunWriter,
    SplitRecord,
    list_runs,
    load_run,
)
from vitcore.training import Hyperparameters, cross_validate

COPIES = 28  # a fifth of the 36 images, each turned, upside down, darker and brighter
SHORT = Hyperparameters(epochs=4, learning_rate=1e-2)


@pytest.fixture
def dataset(picture_folder):
    return import_dataset(picture_folder())


@pytest.fixture
def learn(dataset, tiny_backbone):
    """Trains on the three colours."""

    def work(hyperparameters: Hyperparameters = SHORT, **options) -> Run:
        usual = {"compute": Compute(tiny_backbone, device="cpu")}
        return train(dataset, hyperparameters, **usual | options)

    return work


@pytest.fixture
def run(learn, prepared_home) -> Run:
    """A training on the three colours."""
    prepared_home("three colours", learn)
    return list_runs()[0]


@pytest.fixture
def forward_passes(monkeypatch) -> list[int]:
    """The size of each batch that goes through a backbone."""
    sizes: list[int] = []
    start = Embedder.start

    def counting(self: Embedder, pixels: np.ndarray) -> np.ndarray:
        sizes.append(len(pixels))
        return start(self, pixels)

    monkeypatch.setattr(Embedder, "start", counting)
    return sizes


def figures(run: Run) -> list[dict]:
    return run.history.drop(columns="seconds").to_dict("records")


# --- from pictures to predictions ------------------------------------------------------------


def test_a_training_ends_complete_and_knows_its_classes(run, dataset, tiny_backbone):
    assert (run.state, run.classes, run.has_model) == ("complete", ("blue", "green", "red"), True)
    assert run.evaluation.accuracy > 0.9
    assert run.hyperparameters == SHORT
    assert run.config.dataset == DatasetReference(id=dataset.id, name="photos", version=1)
    assert run.config.backbone.id == tiny_backbone
    assert run.config.images == ImageCounts(train=30, validation=6, skipped=0)
    assert run.name == "photos · tiny.safetensors"
    assert (run.facts.epochs_run, len(run.history)) == (4, 4)
    assert all(seconds >= 0 for seconds in vars(run.facts.seconds).values())
    assert run.facts.images_per_second > 0
    assert [listed.id for listed in list_runs()] == [run.id]


def test_the_best_epoch_is_the_one_with_the_lowest_validation_loss(run):
    losses = run.history["validation_loss"]
    assert run.facts.best_epoch == losses.idxmin() + 1
    # The figures are those of scaled probabilities.
    scaled = run.probabilities.astype(np.float64) ** run.facts.calibration.temperature
    scaled /= scaled.sum(axis=1, keepdims=True)
    truth = [run.classes.index(label) for label in run.predictions["true"]]
    assert -np.log(scaled[np.arange(len(truth)), truth]).mean() == pytest.approx(losses.min(), abs=1e-3)


def test_the_predictions_are_those_of_the_validation_images(run, dataset):
    split = split_index(dataset.index, validation_fraction=0.2, seed=0)  # there are no near-duplicates
    expected = dataset.index[split == "validation"]
    for column in ("image_id", "name", "sha256", "file"):
        assert run.predictions[column].tolist() == expected[column].tolist()
    assert run.predictions["true"].tolist() == expected["label"].tolist()
    assert len(run.predictions) == run.evaluation.images == run.probabilities.shape[0] == 6
    right = (run.predictions["true"] == run.predictions["predicted"]).mean()
    assert right == pytest.approx(run.evaluation.accuracy)
    assert run.predictions["loss"].mean() == pytest.approx(run.evaluation.metrics["log_loss"].value)
    assert np.allclose(run.predictions["confidence"], run.probabilities.max(axis=1))


def test_the_classifier_repeats_the_stored_predictions(run, dataset):
    classifier = load_classifier(run.folder, head=run.validation_head, device="cpu")
    predictions = classifier.predict([dataset.path(file) for file in run.predictions["file"]])
    assert [prediction.label for prediction in predictions] == run.predictions["predicted"].tolist()
    found = [[prediction.probabilities[label] for label in run.classes] for prediction in predictions]
    assert np.abs(np.array(found) - run.probabilities).max() < 1e-6
    assert [prediction.confidence for prediction in predictions] == pytest.approx(
        run.predictions["confidence"].tolist(), abs=1e-6
    )


@pytest.mark.thorough
def test_the_classifier_repeats_the_stored_verdicts(run, dataset):
    classifier = load_classifier(run.folder, head=run.validation_head, device="cpu")
    predictions = classifier.predict([dataset.path(file) for file in run.predictions["file"]])
    verdicts = classifier.trust.verdicts(
        run.probabilities.astype(np.float64), run.predictions["novelty"].to_numpy()
    )
    assert [prediction.sure for prediction in predictions] == verdicts.sure.tolist()
    assert len(classifier.trust.references) == run.config.images.train


def test_calibration_is_told(run):
    found = run.facts.calibration
    assert 0.05 <= found.temperature <= 20
    assert 0 <= found.error_before <= 1
    assert 0 <= found.noise_floor <= 1


def test_all_images_have_a_say_in_the_doubt(dataset, tiny_backbone, monkeypatch):
    seen = []
    fit = _trusting.fit_doubt_rule

    def watching(truth, probabilities, distances):
        seen.append(len(truth))
        return fit(truth, probabilities, distances)

    monkeypatch.setattr(_trusting, "fit_doubt_rule", watching)
    run = train(dataset, SHORT, compute=Compute(tiny_backbone, device="cpu"))
    assert seen == [run.config.images.train + run.config.images.validation] == [36]


def test_of_many_training_images_a_share_of_every_class_is_kept_to_compare_with(monkeypatch):
    monkeypatch.setattr(_trusting, "_MOST_REFERENCES", 50)
    truth = np.repeat([0, 1, 2], [900, 99, 1])
    chosen = _trusting._references(truth, 0)
    assert len(np.unique(chosen)) == len(chosen)
    assert np.bincount(truth[chosen]).tolist() == pytest.approx([45, 5, 1], abs=1)
    assert _trusting._references(truth[:50], 0).tolist() == list(range(50))


def test_the_public_names_do_the_same_work(picture_folder, tiny_backbone):
    dataset = vitcore.import_dataset(picture_folder())
    run = vitcore.train(dataset, vitcore.Hyperparameters(epochs=2), compute=vitcore.Compute(tiny_backbone))
    assert vitcore.load_run(run.id).evaluation.accuracy == run.evaluation.accuracy
    assert vitcore.load_dataset(dataset.id).classes == run.classes
    [prediction] = vitcore.load_classifier(run.folder).predict([dataset.path(dataset.index["file"].iloc[0])])
    assert isinstance(prediction, vitcore.Prediction)


# --- again -----------------------------------------------------------------------------------


def test_a_second_training_sends_nothing_through_the_backbone(learn, forward_passes):
    first = learn()
    assert sum(forward_passes) == 36 + COPIES
    second = learn(Hyperparameters(epochs=2, seed=7))
    assert sum(forward_passes) == 36 + COPIES
    assert first.facts.images_per_second > 0
    assert second.facts.images_per_second == 0


def test_the_same_config_gives_the_same_run(learn):
    first, second = learn(), learn()
    assert figures(first) == figures(second)
    assert first.evaluation.to_dict() == second.evaluation.to_dict()
    assert np.array_equal(first.probabilities, second.probabilities)
    heads = [(run.folder / "model" / "head.safetensors").read_bytes() for run in (first, second)]
    assert heads[0] == heads[1]
    again = learn(first.hyperparameters, compute=first.config.requested)
    assert figures(again) == figures(first)


def _change(stored: np.ndarray) -> None:
    stored[5] *= -100


def _swap(stored: np.ndarray) -> None:
    stored[[5, 30]] = stored[[30, 5]]


def _clear(stored: np.ndarray) -> None:
    stored[5] = 0


def _spoil(stored: np.ndarray) -> None:
    stored[5:9, 3] = np.nan


@pytest.mark.parametrize("damage", [_change, _swap, _clear, _spoil])
def test_damaged_embeddings_are_never_trained_on(run, learn, workspace, forward_passes, damage):
    [path] = workspace.features.glob("*/vectors.f16")
    stored = np.fromfile(path, dtype=np.float16).reshape(36 + COPIES, -1)
    damage(stored)
    stored.tofile(path)
    again = learn()
    assert sum(forward_passes) == {_change: 1, _swap: 2, _clear: 1, _spoil: 4}[damage]
    assert figures(again) == figures(run)
    assert again.evaluation.to_dict() == run.evaluation.to_dict()
    assert np.array_equal(again.probabilities, run.probabilities)


@pytest.mark.thorough
def test_another_seed_gives_another_split(learn):
    first, second = learn(), learn(Hyperparameters(epochs=4, learning_rate=1e-2, seed=1))
    assert first.predictions["image_id"].tolist() != second.predictions["image_id"].tolist()


def test_views_are_embedded_for_all_images_but_judged_on_none(learn, forward_passes):
    run = learn(Hyperparameters(epochs=4, learning_rate=1e-2, views=2))
    assert sum(forward_passes) == 36 + 36 + COPIES
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
    run = train(dataset, SHORT, compute=Compute(tiny_backbone))
    assert run.config.images == ImageCounts(train=15, validation=9, skipped=0)
    assert run.predictions["name"].str.startswith("val/").all()


def test_odd_class_names_go_all_the_way(picture_folder, tiny_backbone):
    classes = ("![x](y)", "1,5", "NA", 'quo"te')
    dataset = import_dataset(picture_folder(classes, count=6))
    run = train(dataset, SHORT, compute=Compute(tiny_backbone))
    assert run.classes == tuple(sorted(classes))
    assert set(run.predictions["true"]) == set(classes)
    assert load_classifier(run.folder).classes == run.classes
    assert load_run(run.id).evaluation.classes == run.classes


def test_skipped_files_are_counted(picture_folder, tiny_backbone):
    root = picture_folder()
    (root / "blue" / "page.png").write_text("<html>")
    assert train(import_dataset(root), SHORT, compute=Compute(tiny_backbone)).config.images.skipped == 1


# --- progress and stopping -------------------------------------------------------------------


def test_the_phases_are_told_in_order(learn):
    seen, started = [], []
    run = learn(task=Task(seen.append, on_start=started.append))
    phases = list(dict.fromkeys(progress.phase for progress in seen))
    assert phases == ["prepare", "embed", "fit", "evaluate"]
    assert started == [run.id]
    last = {progress.phase: progress for progress in seen}
    assert (last["embed"].done, last["embed"].total, last["embed"].unit) == (COPIES, COPIES, "images")
    fit = [(progress.done, progress.total, progress.unit) for progress in seen if progress.phase == "fit"]
    assert (4, 4, "epochs") in fit
    assert fit[-1] == (12 * 4, 12 * 4, "epochs")  # as many folds as a class has images
    assert any("tiny.safetensors" in str(progress.message) for progress in seen)


def test_the_run_can_be_watched_from_its_start(learn):
    states = []
    learn(task=Task(on_start=lambda run_id: states.append(load_run(run_id).state)))
    assert states == ["running"]


def test_stopped_during_the_epochs_the_run_keeps_its_best_head(learn, dataset):
    stop = threading.Event()

    def on_progress(progress) -> None:
        if progress.phase == "fit" and progress.done >= 2:
            stop.set()

    run = learn(Hyperparameters(epochs=1000, learning_rate=1e-2), task=Task(on_progress, stop))
    assert run.state == "stopped"
    assert 2 <= len(run.history) < 1000
    assert run.facts.epochs_run == len(run.history)
    assert run.evaluation.images == 6
    classifier = load_classifier(run.folder)
    assert len(classifier.predict([dataset.path(file) for file in run.predictions["file"]])) == 6


def test_stopped_while_embedding_there_is_nothing_to_keep(learn):
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped, match="what was computed is kept"):
        learn(task=Task(stop=stop))
    [run] = list_runs()
    assert (run.state, run.has_model) == ("stopped", False)
    assert str(run.facts.message) == "The embedding was stopped; what was computed is kept."


def test_stopped_before_the_first_epoch_there_is_nothing_to_keep(learn):
    learn()
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        learn(task=Task(stop=stop))
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
        learn(compute=Compute(**options))
    assert list_runs() == []


def test_a_dataset_too_small_is_refused_before_there_is_a_run(picture_folder, tiny_backbone):
    dataset = import_dataset(picture_folder(("only",)))
    with pytest.raises(DatasetError, match="at least two"):
        train(dataset, SHORT, compute=Compute(tiny_backbone))
    assert list_runs() == []


def test_weights_that_do_not_fit_make_a_failed_run(dataset, tmp_path, tiny_backbone):
    state = safetensors.torch.load_file(tiny_backbone)
    state.pop("norm.weight")
    path = tmp_path / "broken.safetensors"
    safetensors.torch.save_file(state, path, {"architecture": "test_vit"})
    with pytest.raises(BackboneError, match="does not fit"):
        train(dataset, SHORT, compute=Compute(str(path)))
    [run] = list_runs()
    assert run.state == "failed"
    assert "does not fit" in str(run.facts.message)


def test_a_learning_rate_that_is_too_high_makes_a_failed_run_that_says_so(learn):
    wild = Hyperparameters(
        epochs=300, warmup_epochs=0, schedule="constant", optimizer="sgd", learning_rate=10, weight_decay=10
    )
    with pytest.raises(SettingsError, match="too high"):
        learn(wild)
    [run] = list_runs()
    assert (run.state, run.has_model) == ("failed", False)
    assert "too high" in str(run.facts.message)
    assert run.history["training_loss"].notna().all()


# --- near-duplicates -------------------------------------------------------------------------


small_photo = partial(soft_photo, size=(192, 144))


def put(root: Path, name: str, image: Image.Image) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    image.save(root / name)


@pytest.fixture
def with_copies(tmp_path) -> Dataset:
    """24 pictures in three classes, and copies of nine of them, some in other classes.

    The names of a picture and its copies begin with the same number.
    """
    root = tmp_path / "copies"
    for number in range(24):
        put(root, f"{'abc'[number % 3]}/{number:02}.png", small_photo(number))
    for number in range(9):
        image, label, other = small_photo(number), "abc"[number % 3], "abc"[(number + number // 3) % 3]
        put(root, f"{label}/{number:02} small.png", image.resize((96, 72)))
        put(root, f"{label}/{number:02} large.jpg", image.resize((400, 300)))
        put(root, f"{other}/{number:02} saved.jpg", image)
        put(root, f"{label}/{number:02} again.png", image)
    return import_dataset(root)


def families(names: pd.Series) -> set[str]:
    return set(names.str.extract(r"/(\d\d)")[0])


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(4))
def test_no_picture_that_judges_was_learned_from_in_any_form(with_copies, tiny_backbone, seed):
    h = Hyperparameters(epochs=2, seed=seed, validation_fraction=0.3)
    run = train(with_copies, h, compute=Compute(tiny_backbone, device="cpu"))
    judged = with_copies.index["image_id"].isin(run.predictions["image_id"])
    learned, judging = families(with_copies.index.loc[~judged, "name"]), families(run.predictions["name"])
    assert learned & judging == set()
    assert learned | judging == {f"{number:02}" for number in range(24)}
    counts = {"train": int((~judged).sum()), "validation": int(judged.sum()), "test": 0, "skipped": 0}
    assert vars(run.config.images) == counts
    assert run.config.split == SplitRecord(seed=seed, validation_fraction=0.3, groups=9, images=45)
    assert run.facts.leak is None


@pytest.mark.thorough
def test_no_fold_judges_what_its_head_learned_from_in_any_form(with_copies, tiny_backbone, monkeypatch):
    seen = []
    crossed_figures = _training.crossed_figures

    def watching(data, answers, *arguments):
        seen.append((data.rows["name"], answers.fold))
        return crossed_figures(data, answers, *arguments)

    monkeypatch.setattr(_training, "crossed_figures", watching)
    train(with_copies, Hyperparameters(epochs=2), compute=Compute(tiny_backbone, device="cpu"))
    [(names, fold)] = seen
    assert len(names) == 24 + 9 * 4
    for number in range(fold.max() + 1):
        judging, learned = (families(names[chosen]) for chosen in (fold == number, fold != number))
        assert judging & learned == set()


def test_no_training_image_is_its_own_neighbour_in_any_form(with_copies, tiny_backbone, monkeypatch):
    seen = []
    fit = _novelty.fit_probes

    def watching(vectors, distances, groups, copies, **options):
        seen.append(distances)
        assert len(set(groups[copies.positions])) == len(copies.positions)
        return fit(vectors, distances, groups, copies, **options)

    monkeypatch.setattr(_novelty, "fit_probes", watching)
    run = train(with_copies, SHORT, compute=Compute(tiny_backbone, device="cpu"))
    learned = ~with_copies.index["image_id"].isin(run.predictions["image_id"]).to_numpy()
    family = with_copies.index["name"].str.extract(r"/(\d\d)")[0].to_numpy()
    vectors = load_classifier(run.folder).trust.references.astype(np.float64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    distances = 1 - vectors @ vectors.T
    assert len(distances) == learned.sum() > len(set(family[learned]))
    distances[family[learned][:, np.newaxis] == family[learned]] = np.inf
    assert seen[0] == pytest.approx(np.sort(distances, axis=1)[:, :5].mean(axis=1), abs=1e-5)


def test_pictures_taken_out_take_no_part(with_copies, tiny_backbone):
    copies = with_copies.index.loc[with_copies.index["name"].str.contains(" "), "image_id"]
    run = train(exclude(with_copies, copies), SHORT, compute=Compute(tiny_backbone, device="cpu"))
    assert run.config.images.train + run.config.images.validation == 24
    assert run.config.split.groups == 0


def test_a_class_of_one_picture_in_many_forms_is_refused(tmp_path, tiny_backbone):
    root = tmp_path / "few"
    for number in range(8):
        put(root, f"a/{number}.png", small_photo(number))
        put(root, f"b/{number}.png", small_photo(20).resize((192 - 8 * number, 144 - 6 * number)))
    with pytest.raises(DatasetError, match="its 8 images are all near-duplicates of each other"):
        train(import_dataset(root), SHORT, compute=Compute(tiny_backbone, device="cpu"))
    (run,) = list_runs()
    assert (run.state, run.has_model) == ("failed", False)


def test_distinct_pictures_are_not_grouped(run):
    assert run.config.split == SplitRecord(seed=0, validation_fraction=0.2, groups=0, images=0)


def test_how_many_images_learn_is_written_down_as_soon_as_it_is_known(learn):
    seen: dict[str, object] = {}

    def on_progress(progress) -> None:
        (run,) = list_runs() or (None,)
        if run is not None:
            seen[progress.phase] = run.config.images

    run = learn(task=Task(on_progress))
    assert seen["embed"] is None
    assert seen["fit"] == run.config.images == ImageCounts(train=30, validation=6, skipped=0)
    assert run.config.created


# --- a ready-made split that leaks -----------------------------------------------------------


@pytest.fixture
def leaking(tmp_path) -> Dataset:
    """Six validation images per class, of which one is a training image and one nearly so."""
    root = tmp_path / "leaking"
    for place, label in enumerate("ab"):
        for number in range(10):
            put(root, f"train/{label}/{number}.png", small_photo(100 * place + number))
        for number in range(4):
            put(root, f"val/{label}/{number}.png", small_photo(100 * place + 50 + number))
        put(root, f"val/{label}/same.png", small_photo(100 * place + 3))
        put(root, f"val/{label}/small.jpg", small_photo(100 * place + 5).resize((96, 72)))
    return import_dataset(root)


def test_the_leak_of_a_ready_made_split_is_measured(leaking, tiny_backbone):
    run = train(
        leaking, Hyperparameters(epochs=40, learning_rate=0.05), compute=Compute(tiny_backbone, device="cpu")
    )
    assert run.config.images == ImageCounts(train=20, validation=12, skipped=0)
    right = run.predictions["true"] == run.predictions["predicted"]
    leaked = run.predictions["name"].str.contains("same|small")
    assert run.facts.leak.images == 4
    assert run.facts.leak.accuracy == pytest.approx(right.mean())
    assert run.facts.leak.accuracy_without == pytest.approx(right[~leaked].mean())
    assert run.facts.leak.accuracy == run.evaluation.accuracy


def test_a_split_that_is_nothing_but_a_leak_has_no_accuracy_without_it(leaking, tiny_backbone):
    rows = leaking.index["name"].str.match(r"val/./\d")
    dataset = exclude(leaking, leaking.index.loc[rows, "image_id"])
    run = train(dataset, SHORT, compute=Compute(tiny_backbone, device="cpu"))
    assert (run.facts.leak.images, run.facts.leak.accuracy_without) == (4, None)


# --- cross-validation ------------------------------------------------------------------------


def test_the_folds_answer_in_turn_and_stand_for_the_run(learn, forward_passes):
    run = learn(Hyperparameters(epochs=4, learning_rate=1e-2))
    assert sum(forward_passes) == 36 + COPIES
    crossed, rows = run.facts.cross_validation, run.cross_validated
    assert crossed.folds == 12
    for metric in ("accuracy", "balanced_accuracy", "cohen_kappa"):
        assert len(getattr(crossed, metric)) == 12
    assert crossed.singly is None
    assert len(rows) == crossed.evaluation.images == 36
    right = int((rows["true"] == rows["predicted"]).sum())
    assert right == np.trace(crossed.evaluation.confusion) > 30
    assert run.headline.source == "cross-validation"
    assert run.headline.images == 36
    assert run.headline.low < run.headline.accuracy <= run.headline.high <= 1
    again = learn(Hyperparameters(epochs=4, learning_rate=1e-2)).facts.cross_validation
    assert plain_values(again) == plain_values(crossed)


@pytest.mark.parametrize(
    "options",
    [{}, {"patience": 2}, {"finish": False}, {"patience": 2, "finish": False}, {"head": "hidden"}],
    ids=str,
)
def test_nothing_about_a_fold_takes_part_in_its_answers(options):
    random = np.random.default_rng(0)
    labels = np.arange(30) % 3
    vectors = (random.normal(size=(30, 1, 8)) + 2 * np.eye(8)[labels][:, np.newaxis]).astype(np.float32)
    h = Hyperparameters(epochs=8, learning_rate=1e-2, **options)
    fold = np.arange(30) // 3 % 3

    def answers(labels):
        return cross_validate(vectors, labels, np.arange(30), fold, classes=3, hyperparameters=h).logits

    before = answers(labels)
    changed = labels.copy()
    changed[fold == 1] = (labels[fold == 1] + 1) % 3
    after = answers(changed)
    assert np.allclose(before[fold == 1], after[fold == 1], atol=1e-5)
    assert not np.allclose(before[fold != 1], after[fold != 1], atol=1e-2)


def test_without_a_finish_the_classifier_is_the_one_that_was_judged(learn):
    h = Hyperparameters(epochs=4, learning_rate=1e-2, finish=False)
    run = learn(h)
    assert run.facts.finish is None
    assert run.validation_head is None
    assert run.headline.source == "cross-validation"
    finished = learn(SHORT)
    assert finished.facts.finish.images == 36
    heads = [load_classifier(each.folder).head for each in (run, finished)]
    assert not np.array_equal(heads[0].weight, heads[1].weight)
    assert np.array_equal(
        heads[0].weight, load_classifier(finished.folder, head=finished.validation_head).head.weight
    )


def test_a_head_that_was_judged_and_is_damaged_is_not_used(learn):
    run = learn()
    changed = bytearray(run.validation_head.read_bytes())
    changed[-1] ^= 1
    run.validation_head.write_bytes(changed)
    with pytest.raises(StorageError, match="its contents are not those of the training"):
        load_classifier(run.folder, head=run.validation_head)


def test_results_never_stand_without_what_says_that_all_images_were_learned_from(learn, monkeypatch):
    def end(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(_training, "warnings_on", end)  # the results are written, the end of the run is not
    with pytest.raises(KeyboardInterrupt):
        learn()
    [run] = list_runs()
    assert run.has_model
    assert run.facts.finish.images == 36
    assert run.headline.source == "cross-validation"
    judged = load_classifier(run.folder, head=run.validation_head).head
    assert not np.array_equal(judged.weight, load_classifier(run.folder).head.weight)


@pytest.mark.thorough
def test_folds_do_not_learn_longer_than_patience_allows(learn):
    seen = []
    h = Hyperparameters(epochs=40, learning_rate=0.5, patience=2, schedule="constant")
    run = learn(h, task=Task(seen.append))
    assert len(run.history) < 40
    fit = [progress for progress in seen if progress.phase == "fit"]
    assert fit[-1].done < fit[-1].total == 2 * 12 * 40


def test_further_seeds_learn_from_the_same_images(learn, monkeypatch):
    seen = []
    fit_heads = _repeats.fit_heads

    def watching(vectors, labels, parts, **options):
        seen.append((vectors, labels, parts, options["seeds"]))
        return fit_heads(vectors, labels, parts, **options)

    monkeypatch.setattr(_repeats, "fit_heads", watching)
    run = learn(Hyperparameters(epochs=4, learning_rate=1e-2, seed=5, repeats=3, views=2))
    [(vectors, labels, parts, seeds)] = seen
    assert seeds == list(run.facts.repeats.seeds) == [6, 7, 8]
    assert vectors.shape[:2] == (30, 2)
    assert len(labels) == 30
    for learned, judged in parts:
        assert (learned.tolist(), judged.tolist()) == (list(range(30)), list(range(6)))
    assert run.repeats["kind"].unique().tolist() == ["seed"]
    for name in ("accuracy", "balanced_accuracy", "cohen_kappa"):
        assert len(getattr(run.facts.repeats, name)) == 3
    losses = run.repeats[run.repeats["epoch"] == 1]["training_loss"]
    assert losses.nunique() == 3
    again = learn(Hyperparameters(epochs=4, learning_rate=1e-2, seed=5, repeats=3, views=2))
    assert again.facts.repeats == run.facts.repeats


def test_the_folds_of_a_ready_made_split_take_its_validation_but_not_its_test_part(
    picture_folder, tiny_backbone, tmp_path, forward_passes
):
    for part, count in (("train", 6), ("val", 3), ("test", 4)):
        picture_folder(name=f"set/{part}", count=count)
    for part, shade in (("val", 10), ("test", 20)):  # or they would be copies of the training images
        for path in (tmp_path / "set" / part).rglob("*.png"):
            pixels = np.random.default_rng(shade).normal(0, 15, (48, 64, 3)) + np.asarray(Image.open(path))
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)[:, ::-1]).save(path)
    dataset = import_dataset(tmp_path / "set")
    run = train(dataset, Hyperparameters(epochs=3), compute=Compute(tiny_backbone, device="cpu"))
    assert sum(forward_passes) == 3 * (6 + 3 + 4) + 4 * 5  # copies of a fifth of 27, turned and so on
    assert run.config.images == ImageCounts(train=18, validation=9, test=12, skipped=0)
    assert run.facts.cross_validation.evaluation.images == 27
    assert run.facts.finish.images == 27


@pytest.mark.thorough
def test_stopped_in_the_folds_the_run_is_complete_without_them(learn):
    stop = threading.Event()

    def on_progress(progress) -> None:
        if progress.phase == "fit" and progress.total == 12 * 5 and progress.done >= 2:
            stop.set()

    h = Hyperparameters(epochs=5, learning_rate=1e-4)  # so low that the last epoch is the best
    run = learn(h, task=Task(on_progress, stop))
    assert stop.is_set()
    assert (run.state, run.has_model, len(run.history)) == ("complete", True, 5)
    assert run.facts.cross_validation is run.facts.finish is None
    assert run.headline.source == "validation"


# --- another set -----------------------------------------------------------------------------


@pytest.fixture
def classifier(run):
    return load_classifier(run.folder, device="cpu")


def test_a_classifier_is_judged_on_another_set(classifier, picture_folder):
    other = import_dataset(picture_folder(count=5, name="other"))
    evaluation = evaluate_on(classifier, other).evaluation
    assert (evaluation.images, evaluation.classes) == (15, ("blue", "green", "red"))
    labels = [p.label for p in classifier.predict([other.path(file) for file in other.index["file"]])]
    assert evaluation.accuracy == pytest.approx((other.index["label"] == np.array(labels)).mean())


def test_the_same_images_give_the_same_figures(classifier, dataset, run):
    validation = dataset.index["image_id"].isin(run.predictions["image_id"])
    assert validation.sum() == 6
    evaluation = evaluate_on(classifier, dataset).evaluation
    assert evaluation.images == 36
    correct = np.trace(evaluation.confusion)
    assert correct >= round(run.evaluation.accuracy * 6)


def test_a_set_with_some_of_the_classes_is_judged_by_their_names(classifier, picture_folder):
    other = import_dataset(picture_folder(("green", "red"), count=4, name="other"))
    evaluation = evaluate_on(classifier, other).evaluation
    assert evaluation.confusion.sum(axis=1).tolist() == [0, 4, 4]
    assert math.isfinite(evaluation.balanced_accuracy)


def test_a_set_with_an_unknown_class_is_refused_by_its_name(classifier, picture_folder):
    other = import_dataset(picture_folder(("green", "zebra"), count=4, name="other"))
    with pytest.raises(
        InputError, match=re.escape("does not know 'zebra'; it knows 'blue', 'green' and 'red'")
    ):
        evaluate_on(classifier, other)


# --- silence ---------------------------------------------------------------------------------


@pytest.mark.thorough
def test_the_whole_way_prints_and_warns_of_nothing(picture_folder, tiny_backbone, workspace):
    script = (
        "import json, sys\n"
        "import vitcore\n"
        "from vitcore.pipeline import evaluate_on\n"
        "dataset = vitcore.import_dataset(sys.argv[1])\n"
        "h, compute = vitcore.Hyperparameters(epochs=3, views=2), vitcore.Compute(sys.argv[2])\n"
        "run = vitcore.train(dataset, h, compute=compute)\n"
        "run = vitcore.load_run(run.id)\n"
        "classifier = vitcore.load_classifier(run.folder)\n"
        "predictions = classifier.predict([dataset.path(file) for file in run.predictions['file']])\n"
        "evaluation = evaluate_on(classifier, dataset).evaluation\n"
        "print(json.dumps([run.state, len(run.history), len(predictions), evaluation.images]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, str(picture_folder()), tiny_backbone],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert json.loads(done.stdout) == ["complete", 3, 6, 36]
    assert len(list(workspace.runs.iterdir())) == 1


# --- going on ----------------------------------------------------------------------------------


@pytest.fixture
def stopped_after(learn, monkeypatch):
    """Trains until so many epochs are finished, and is then stopped."""

    def stopped_after(epochs: int, hyperparameters: Hyperparameters = SHORT) -> Run:
        stop = threading.Event()
        add_epoch = RunWriter.add_epoch

        def counting(self, record):
            add_epoch(self, record)
            if record.epoch == epochs:
                stop.set()

        with monkeypatch.context() as patch:
            patch.setattr(RunWriter, "add_epoch", counting)
            run = learn(hyperparameters, task=Task(stop=stop))
        assert (run.state, len(run.history)) == ("stopped", epochs)
        return run

    return stopped_after


def test_a_stopped_training_goes_on_as_if_it_had_never_been_stopped(learn, stopped_after):
    settings = Hyperparameters(epochs=30, learning_rate=1e-2, batch_size=4, dropout=0.2)
    stopped = stopped_after(3, settings)
    resumed, whole = resume(stopped.id), learn(settings)
    assert (resumed.id, resumed.state) == (stopped.id, "complete")
    assert resumed.history["epoch"].tolist() == list(range(1, 31))
    assert figures(resumed) == figures(whole)
    assert resumed.evaluation.to_dict() == whole.evaluation.to_dict()
    assert not (resumed.folder / CHECKPOINT).exists()


@pytest.mark.thorough
@pytest.mark.parametrize("lost", ["nothing", "a line of the history", "the checkpoint"])
def test_an_interrupted_training_goes_on_from_its_last_checkpoint(learn, stopped_after, lost):
    settings = Hyperparameters(epochs=30, learning_rate=1e-2, batch_size=4)
    run = stopped_after(2, settings)
    (run.folder / "state.json").write_text('{"state": "running"}')
    history = run.folder / "history.jsonl"
    if lost == "a line of the history":
        history.write_text(history.read_text()[:-20])
    elif lost == "the checkpoint":
        (run.folder / CHECKPOINT).unlink()
    assert load_run(run.id).state == "interrupted"
    resumed = resume(run.id)
    assert resumed.history["epoch"].tolist() == list(range(1, 31))
    assert figures(resumed) == figures(learn(settings))


def test_what_is_complete_does_not_go_on(run):
    with pytest.raises(InputError, match="is complete"):
        resume(run.id)
    assert load_run(run.id).state == "complete"


def test_a_run_goes_on_with_its_version_of_the_dataset(stopped_after, dataset):
    run = stopped_after(2, Hyperparameters(epochs=30, batch_size=4))
    exclude(dataset, dataset.index["image_id"].tolist()[:5])
    assert resume(run.id).config.images == run.config.images


# --- the test part -----------------------------------------------------------------------------


@pytest.fixture
def sealed(picture_folder, tmp_path):
    """Where pictures come with a test part, of 12 in all, some of them in the wrong class."""
    folder = picture_folder(count=16)
    for label in ("blue", "green", "red"):
        for number in range(4):
            other = {"blue": "green", "green": "blue", "red": "red"}[label] if number == 0 else label
            place = tmp_path / "set" / "test" / other / f"{label}{number}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            (folder / label / f"{number:03}.png").rename(place)
    folder.rename(tmp_path / "set" / "train")
    return tmp_path / "set"


def test_the_test_part_judges_and_its_figure_stands_for_the_run(sealed, tiny_backbone):
    dataset = import_dataset(sealed)
    assert dataset.split_counts == {"train": 36, "test": 12}
    run = train(dataset, Hyperparameters(epochs=3), compute=Compute(tiny_backbone, device="cpu"))
    rows, test = run.test_predictions, run.facts.test
    assert (
        test.evaluation.accuracy == accuracy_score(rows["true"], rows["predicted"]) == pytest.approx(10 / 12)
    )
    assert (test.evaluation.images, test.times) == (12, 1)
    assert set(rows["image_id"]) == set(dataset.index.loc[dataset.index["split"] == "test", "image_id"])
    assert (run.headline.source, run.headline.accuracy) == ("test", test.evaluation.accuracy)
    assert run.headline.low < run.headline.accuracy < run.headline.high
    assert run.evaluation.images == len(run.predictions) == run.config.images.validation
    again = train(dataset, Hyperparameters(epochs=2), compute=Compute(tiny_backbone, device="cpu"))
    assert again.facts.test.times == 2
    assert load_run(again.id).facts.test.evaluation.confusion.tolist() == test.evaluation.confusion.tolist()


def test_the_test_part_has_no_say_in_anything(sealed, tiny_backbone):
    def head_and_doubt():
        run = train(import_dataset(sealed), Hyperparameters(epochs=3), compute=Compute(tiny_backbone))
        files = sorted((run.folder / "model").glob("*.safetensors"))
        return [file.read_bytes() for file in files], run.history.drop(columns="seconds"), run

    files, history, run = head_and_doubt()
    random = np.random.default_rng(0)
    for path in (sealed / "test").rglob("*.png"):
        Image.fromarray(random.integers(0, 255, (48, 64, 3), dtype=np.uint8)).save(path)
    other_files, other_history, other = head_and_doubt()
    assert files == other_files
    assert files
    assert history.equals(other_history)
    assert plain_values(run.facts.cross_validation) == plain_values(other.facts.cross_validation)
    assert run.predictions["file"].tolist() == other.predictions["file"].tolist()
    assert run.facts.test.evaluation.accuracy != other.facts.test.evaluation.accuracy


def test_test_images_that_were_learned_from_are_counted(sealed, tiny_backbone):
    (sealed / "train" / "red" / "copy.png").write_bytes((sealed / "test" / "red" / "red1.png").read_bytes())
    run = train(import_dataset(sealed), Hyperparameters(epochs=2), compute=Compute(tiny_backbone))
    assert run.facts.test.leak.images == 1
    assert run.facts.leak is None


# --- warnings ----------------------------------------------------------------------------------


def test_a_run_of_nothing_unusual_warns_of_nothing(run):
    assert run.facts.warnings == ()


def test_a_run_warns_of_what_makes_its_figures_doubtful(picture_folder, tiny_backbone, tmp_path):
    folder = picture_folder(("a", "b"), count=20, name="set/train")
    for path in (folder / "a").iterdir():  # the file format gives this class away
        Image.open(path).save(path.with_suffix(".bmp"))
        path.unlink()
    for part, label in (("val", "a"), ("test", "b")):
        place = tmp_path / "set" / part / label
        place.mkdir(parents=True)
        path = next((folder / label).iterdir())
        path.rename(place / path.name)
    for path in [*(tmp_path / "set").rglob("*.png"), *(tmp_path / "set").rglob("*.bmp")]:
        path.rename(path.with_stem(f"p{int(path.stem) // 7}_{path.stem}"))
    dataset = import_dataset(tmp_path / "set", group_by="name:^(p[0-9])_")
    run = train(dataset, Hyperparameters(epochs=1), compute=Compute(tiny_backbone, device="cpu"))
    sentences = " ".join(map(str, load_run(run.id).facts.warnings))
    assert "The file format alone gives" in sentences
    assert "There is no validation image of 'b'" in sentences
    assert "come from 1 groups" not in sentences  # a single image is no group of several
    assert "There is no test image of 'a'" in sentences
    assert "Of 'a' and 'b' there are fewer than 5 groups" in sentences


def test_photos_that_belong_together_widen_the_interval_and_have_two_figures(picture_folder, tiny_backbone):
    folder = picture_folder(count=12)
    for path in folder.rglob("*.png"):
        path.rename(path.with_stem(f"{path.parent.name}{int(path.stem) // 4}_{path.stem}"))
    alone = train(import_dataset(folder), SHORT, compute=Compute(tiny_backbone, device="cpu"))
    dataset = import_dataset(folder, group_by="name:^([^_]+)_")
    seen = []
    run = train(dataset, SHORT, compute=Compute(tiny_backbone, device="cpu"), task=Task(seen.append))
    crossed = run.facts.cross_validation
    assert crossed.folds == 3  # of nine groups, three in a class
    phases = list(dict.fromkeys(progress.phase for progress in seen))
    assert phases[phases.index("fit") :] == ["fit", "evaluate"]
    assert seen[-1].phase == "evaluate"
    assert run.headline.high - run.headline.low > 1.3 * (alone.headline.high - alone.headline.low)
    assert crossed.evaluation.worth < alone.facts.cross_validation.evaluation.worth
    assert crossed.singly.images == 36
    assert crossed.singly.worth == alone.facts.cross_validation.evaluation.worth
    assert alone.facts.cross_validation.singly is None


def test_a_validation_part_that_is_harder_than_the_rest_is_said_to_be(
    picture_folder, tiny_backbone, tmp_path
):
    picture_folder(("blue", "green"), count=30, name="set/train")
    hard = picture_folder(("blue", "green"), count=8, name="set/val")
    for label, other in (("blue", "green"), ("green", "blue")):  # half of each are in the wrong class
        for number in range(4):
            (hard / label / f"{number:03}.png").rename(hard / other / f"{label}{number}.png")
    for path in hard.rglob("*.png"):  # or they would be copies of the training images
        pixels = np.random.default_rng(len(path.name)).normal(0, 15, (48, 64, 3)) + np.asarray(
            Image.open(path)
        )
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)[:, ::-1]).save(path)
    run = train(import_dataset(tmp_path / "set"), SHORT, compute=Compute(tiny_backbone, device="cpu"))
    assert any("On the validation part that came with" in str(warning) for warning in run.facts.warnings)
