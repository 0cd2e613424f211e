"""Finding good settings for a dataset, and what stays of it on the disk."""

import json
import threading

import numpy as np
import pytest

from vitcore.compute import Compute
from vitcore.dataset import import_dataset, load_dataset
from vitcore.errors import DatasetError, NotFoundError, SettingsError, Stopped, StorageError
from vitcore.pipeline import _tuning, find_settings, load_tuning, train
from vitcore.progress import Task
from vitcore.training import Hyperparameters
from vitcore.workspace import Workspace

BASE = Hyperparameters(epochs=3, learning_rate=1e-2)


@pytest.fixture
def dataset(picture_folder):
    return import_dataset(picture_folder())


@pytest.fixture
def tuned(picture_folder, tiny_backbone, prepared_home, workspace):
    """A dataset for which settings were looked for, in two trials."""

    def work() -> None:
        options = {"compute": Compute(tiny_backbone, device="cpu"), "trials": 2, "folds": 3}
        find_settings(import_dataset(picture_folder()), BASE, **options)

    prepared_home("tuned", work)
    (dataset_id,) = workspace.ids(workspace.datasets)
    return load_dataset(dataset_id)


@pytest.fixture
def find(dataset, tiny_backbone):
    def work(base: Hyperparameters = BASE, **options):
        return find_settings(
            dataset,
            base,
            **{"compute": Compute(tiny_backbone, device="cpu"), "trials": 7, "folds": 3, **options},
        )

    return work


def test_it_begins_with_the_given_settings_and_ends_with_none_worse(find, dataset):
    tuning = find()
    assert (tuning.state, tuning.asked, tuning.version) == ("complete", 7, dataset.version)
    assert [trial.number for trial in tuning.trials] == list(range(1, 8))
    assert tuning.trials[0].hyperparameters == BASE
    assert [trial.baseline for trial in tuning.trials] == [True] * 5 + [False] * 2
    assert tuning.best.value <= min(trial.value for trial in tuning.trials if not trial.pruned)
    assert tuning.rates is not None
    assert 0 < tuning.rates.suggestion <= 10
    assert tuning.seconds > 0


def test_it_never_sees_the_validation_images(find, dataset, tiny_backbone, monkeypatch):
    seen = []
    search = _tuning.search_settings

    def watching(training, labels, **options):
        seen.append((training, labels, options["groups"]))
        return search(training, labels, **options)

    monkeypatch.setattr(_tuning, "search_settings", watching)
    base = Hyperparameters(epochs=2, seed=3, validation_fraction=0.25, views=2)
    tuning = find(base, trials=1)
    run = train(dataset, base, compute=Compute(tiny_backbone, device="cpu"))
    [(training, labels, groups)] = seen
    assert len(training) == len(labels) == len(groups) == run.config.images.train == tuning.images
    assert training.shape[1] == 2
    judged = dataset.index["image_id"].isin(run.predictions["image_id"])
    counts = dataset.index[~judged]["label"].value_counts()
    assert np.bincount(labels).tolist() == [counts[label] for label in dataset.classes]


def test_it_is_found_again(find, dataset):
    with pytest.raises(NotFoundError, match="looked for"):
        load_tuning(dataset)
    tuning = find()
    again = load_tuning(dataset)
    assert again.trials == tuning.trials
    assert again.best == tuning.best
    assert (again.state, again.base, again.images) == ("complete", BASE, tuning.images)
    assert again.rates.curve.equals(tuning.rates.curve)


def test_how_it_stands_is_on_the_disk_after_every_trial(find, dataset):
    states = []

    def look(progress) -> None:
        if progress.phase == "search" and progress.done:
            found = load_tuning(dataset)
            states.append((found.state, len(found.trials), progress.done, progress.total))

    find(task=Task(look), trials=3)
    assert states == [("running", n, n, 3) for n in (1, 2, 3)]


def test_stopped_it_keeps_what_it_found(find, dataset):
    stop = threading.Event()

    def after_two(progress) -> None:
        if progress.phase == "search" and progress.done == 2:
            stop.set()

    tuning = find(task=Task(after_two, stop))
    assert (tuning.state, len(tuning.trials)) == ("stopped", 2)
    assert load_tuning(dataset).state == "stopped"


@pytest.mark.thorough
def test_stopped_at_once_it_keeps_what_was_found_before(find, dataset):
    before = find(trials=2)
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        find(task=Task(stop=stop))
    assert load_tuning(dataset).trials == before.trials


def test_one_that_was_killed_is_interrupted(tuned):
    path = tuned.folder / "tuning.json"
    values = json.loads(path.read_text())
    path.write_text(json.dumps({**values, "state": "running"}))
    assert load_tuning(tuned).state == "interrupted"
    with Workspace.default().lock(f"tuning-{tuned.id}"):
        assert load_tuning(tuned).state == "running"


def test_two_at_a_time_are_refused(find, dataset, monkeypatch):
    lock = Workspace.lock

    def impatient(self, name: str):
        taken = lock(self, name)
        taken.timeout = 0
        return taken

    monkeypatch.setattr(Workspace, "lock", impatient)
    with lock(Workspace.default(), f"tuning-{dataset.id}"), pytest.raises(StorageError, match="already"):
        find()


@pytest.mark.parametrize("text", ["[]", "{}", '{"state": "complete"}', "no"])
def test_a_damaged_file_is_a_storage_error(tuned, text):
    (tuned.folder / "tuning.json").write_text(text)
    with pytest.raises(StorageError):
        load_tuning(tuned)


def test_a_damaged_file_is_replaced(find, dataset):
    (dataset.folder / "tuning.json").write_text("{}")
    assert len(find(trials=1).trials) == len(load_tuning(dataset).trials) == 1


@pytest.mark.thorough
def test_time_alone_may_be_the_limit(find):
    tuning = find(trials=None, seconds=1.0)
    assert tuning.asked is None
    assert tuning.trials


def test_with_lbfgs_there_is_no_learning_rate_to_be_found(find, dataset):
    assert find(Hyperparameters(optimizer="lbfgs", epochs=3), trials=1).rates is None
    assert load_tuning(dataset).rates is None


def test_what_makes_no_sense_is_refused(find, picture_folder, tiny_backbone):
    with pytest.raises(SettingsError):
        find(trials=0)
    small = import_dataset(picture_folder(("red",), name="small"))
    with pytest.raises(DatasetError):
        find_settings(small, BASE, compute=Compute(tiny_backbone))
