"""Looking for settings, and for learning rates, on clusters that nearly touch."""

import threading
from itertools import pairwise

import numpy as np
import pytest

from vitcore.errors import SettingsError, Stopped
from vitcore.training import Hyperparameters, learning_rate_curve, search_settings

CLASSES = 3
BASE = Hyperparameters(epochs=4, batch_size=16)


@pytest.fixture(scope="module")
def clusters() -> tuple[np.ndarray, np.ndarray]:
    """Vectors (60, 1, 8) and labels."""
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(CLASSES), 20)
    centres = random.normal(0, 1.2, (CLASSES, 8))
    vectors = centres[labels] + random.normal(0, 1, (60, 8))
    return vectors.astype(np.float16)[:, None], labels


@pytest.fixture(scope="module")
def search(clusters):
    def search(**options):
        wanted = {"classes": CLASSES, "base": BASE, "trials": 7, "folds": 3, **options}
        return search_settings(*clusters, **wanted)

    return search


def test_the_result_is_no_worse_than_what_it_began_with(search):
    found = search()
    assert found.outcome == "complete"
    assert len(found.trials) == 7
    assert found.value <= found.baseline == found.trials["value"].iloc[0]
    assert found.value == found.trials.loc[~found.trials["pruned"], "value"].min()
    assert found.hyperparameters.epochs > 0


def test_the_same_seed_finds_the_same(search):
    first, second = search(), search()
    assert first.hyperparameters == second.hyperparameters
    assert first.trials.drop(columns="seconds").equals(second.trials.drop(columns="seconds"))


def test_what_is_given_and_logistic_regressions_are_tried_first(search):
    seen = []
    search(on_trial=seen.append)
    assert seen[0].hyperparameters == BASE
    assert [trial.hyperparameters.optimizer for trial in seen[1:5]] == ["lbfgs"] * 4
    assert [trial.number for trial in seen] == list(range(1, 8))
    assert all(later.best <= earlier.best for earlier, later in pairwise(seen))


def test_a_stopped_search_keeps_the_best_so_far(search):
    stop = threading.Event()
    found = search(stop=stop, on_trial=lambda trial: stop.set() if trial.number == 2 else None)
    assert found.outcome == "stopped"
    assert len(found.trials) == 2
    stop.set()
    with pytest.raises(Stopped):
        search(stop=stop)


def test_no_trial_begins_after_the_time_is_over(search):
    assert len(search(trials=None, seconds=1e-6).trials) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"trials": None},
        {"trials": 0},
        {"seconds": 0},
        {"folds": 1},
        {"folds": 21},
        {"groups": np.zeros(60)},
    ],
)
def test_a_search_that_cannot_be_made_is_refused(search, options):
    with pytest.raises(SettingsError):
        search(**options)


def test_a_group_is_never_divided_between_folds():
    from vitcore.training._search import fold_parts

    random = np.random.default_rng(1)
    labels, groups = random.integers(0, 3, 90), random.integers(0, 25, 90)
    for learned, judged in fold_parts(labels, groups, 5, 3, seed=0):
        assert not set(groups[learned]) & set(groups[judged])
        assert sorted([*learned, *judged]) == list(range(90))


# --- learning rates ----------------------------------------------------------------------------


def test_the_suggested_learning_rate_learns(clusters):
    found = learning_rate_curve(*clusters, classes=CLASSES, hyperparameters=BASE)
    assert found.curve["learning_rate"].is_monotonic_increasing
    assert {"learning_rate", "loss", "smoothed"} == set(found.curve)
    assert 1e-4 < found.suggestion < 1
    assert found.curve["smoothed"].min() < found.curve["smoothed"].iloc[0]


@pytest.mark.parametrize(("settings", "steps"), [({"optimizer": "lbfgs"}, 100), ({}, 19), ({}, 1001)])
def test_a_curve_that_cannot_be_made_is_refused(clusters, settings, steps):
    h = Hyperparameters(**settings)
    with pytest.raises(SettingsError):
        learning_rate_curve(*clusters, classes=CLASSES, hyperparameters=h, steps=steps)
