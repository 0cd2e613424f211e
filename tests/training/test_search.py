"""Looking for settings, and for learning rates, on clusters that nearly touch."""

import threading
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from vitcore.errors import SettingsError, Stopped
from vitcore.training import Hyperparameters, fit_head, fit_heads, learning_rate_curve, search_settings
from vitcore.training._search import fold_parts

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
    assert found.value <= min(found.baseline, found.logistic)
    assert 0 <= found.value < 0.5
    assert set(found.trials) == {
        "number",
        "value",
        "loss",
        "best",
        "pruned",
        "seconds",
        "head",
        "optimizer",
        "learning_rate",
        "weight_decay",
        "label_smoothing",
        "dropout",
        "noise",
        "mixup",
        "batch_size",
        "views",
    }


@pytest.mark.thorough
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
    random = np.random.default_rng(1)
    labels, groups = random.integers(0, 3, 90), random.integers(0, 25, 90)
    for learned, judged in fold_parts(labels, groups, 5, seed=0):
        assert not set(groups[learned]) & set(groups[judged])
        assert sorted([*learned, *judged]) == list(range(90))


def test_every_class_is_spread_evenly_over_the_folds():
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(3), [50, 20, 7]))
    for _, judged in fold_parts(labels, None, 5, seed=0):
        assert np.array_equal(np.bincount(labels[judged], minlength=3)[:2], [10, 4])
        assert np.bincount(labels[judged], minlength=3)[2] in {1, 2}
        assert len(judged) in {15, 16}


def test_another_seed_deals_the_folds_anew():
    labels = np.repeat(np.arange(3), 20)
    first, again, other = (fold_parts(labels, None, 4, seed=seed)[0][1] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_trial_is_judged_as_its_settings_are_trained(clusters, search):
    vectors, labels = clusters
    seen = []
    search(on_trial=seen.append, trials=2, seed=3)
    for trial in seen:
        results = fit_heads(
            vectors,
            labels,
            fold_parts(labels, None, 3, seed=3),
            classes=CLASSES,
            hyperparameters=trial.hyperparameters,
        )
        best = [max(record.accuracy for record in result.history) for result in results]
        assert trial.value == pytest.approx(1 - np.mean(best))


@pytest.mark.parametrize("monitor", ["balanced_accuracy", "cohen_kappa"])
def test_what_is_monitored_is_what_is_searched_for(clusters, search, monitor):
    vectors, labels = clusters
    found = search(base=replace(BASE, monitor=monitor), trials=1)
    results = fit_heads(
        vectors,
        labels,
        fold_parts(labels, None, 3, seed=0),
        classes=CLASSES,
        hyperparameters=found.hyperparameters,
    )
    best = [max(getattr(record, monitor) for record in result.history) for result in results]
    assert found.trials["value"].tolist() == pytest.approx([1 - np.mean(best)])


def test_the_leading_settings_are_judged_on_further_divisions(clusters, search):
    vectors, labels = clusters
    found = search(trials=12)
    leading = found.trials[~found.trials["pruned"]].sort_values(["value", "loss"])["number"].tolist()
    assert found.number in {1, *leading[:5], *(number for number in leading if 2 <= number <= 5)}
    errors = []
    for seed in range(3):
        parts = fold_parts(labels, None, 3, seed=seed)
        h = found.hyperparameters
        results = fit_heads(vectors[:, : h.views], labels, parts, classes=CLASSES, hyperparameters=h)
        errors += [1 - max(record.accuracy for record in result.history) for result in results]
    assert found.value == pytest.approx(np.mean(errors), abs=1e-3)


def test_what_is_not_searched_over_stays(clusters):
    base = replace(BASE, balance="sampler", seed=5, schedule="constant", validation_fraction=0.3, patience=2)
    seen = []
    search_settings(*clusters, classes=CLASSES, base=base, trials=14, folds=2, seed=1, on_trial=seen.append)
    assert {trial.hyperparameters.optimizer for trial in seen[5:]} == {"adamw", "lbfgs"}
    for h in (trial.hyperparameters for trial in seen):
        assert (h.seed, h.validation_fraction, h.patience) == (5, 0.3, 2)
        assert h.balance == ("weights" if h.optimizer == "lbfgs" else "sampler")
        assert h.schedule == ("cosine" if h.optimizer == "lbfgs" else "constant")


def test_views_are_searched_over_where_there_are_some(clusters):
    vectors, labels = clusters
    seen = []
    views = np.repeat(vectors, 3, axis=1)
    search_settings(views, labels, classes=CLASSES, base=BASE, trials=16, folds=2, on_trial=seen.append)
    assert {trial.hyperparameters.views for trial in seen[:5]} == {1}
    assert {trial.hyperparameters.views for trial in seen[5:]} == {1, 2, 3}


def test_more_views_than_there_are_cannot_be_asked_for(search):
    with pytest.raises(SettingsError, match="views is 4 and there are 1 of each image"):
        search(base=replace(BASE, views=4))


def test_only_what_was_judged_on_all_folds_is_chosen(clusters):
    seen = []
    found = search_settings(
        *clusters, classes=CLASSES, base=BASE, trials=25, folds=4, seed=2, on_trial=seen.append
    )
    pruned = [trial for trial in seen if trial.pruned]
    assert pruned
    assert {trial.hyperparameters.head for trial in pruned} == {"hidden"}
    assert found.hyperparameters not in [trial.hyperparameters for trial in pruned]
    assert found.number not in [trial.number for trial in pruned]
    assert seen[-1].best == min(trial.value for trial in seen if not trial.pruned)


def test_settings_whose_loss_grows_beyond_all_bounds_are_not_chosen(search, monkeypatch):
    def fit(*arguments: object, hyperparameters: Hyperparameters, **others: object) -> object:
        if hyperparameters.optimizer == "lbfgs":
            raise SettingsError("The loss grew beyond all bounds.")
        return fit_heads(*arguments, hyperparameters=hyperparameters, **others)

    monkeypatch.setattr("vitcore.training._search.fit_heads", fit)
    found = search(trials=9)
    lost = found.trials["optimizer"] == "lbfgs"
    assert lost.sum() >= 4
    assert found.trials.loc[lost, "pruned"].all()
    assert np.isinf(found.trials.loc[lost, "value"]).all()
    assert found.hyperparameters.optimizer == "adamw"
    with pytest.raises(SettingsError, match="beyond all bounds"):
        search(base=Hyperparameters(optimizer="lbfgs"))


def test_a_search_stopped_in_the_middle_of_a_trial_forgets_that_trial(search):
    class StopAfter(threading.Event):
        looks = 50

        def is_set(self) -> bool:
            self.looks -= 1
            return self.looks < 0

    found = search(stop=StopAfter())
    assert found.outcome == "stopped"
    assert 1 <= len(found.trials) < 7
    assert not found.trials["pruned"].any()


def test_optuna_says_nothing(search, capfd):
    search(trials=7)
    assert capfd.readouterr() == ("", "")


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


def test_the_same_seed_gives_the_same_curve(clusters):
    first, again = (learning_rate_curve(*clusters, classes=CLASSES, hyperparameters=BASE) for _ in range(2))
    assert first.curve.equals(again.curve)
    assert first.suggestion == again.suggestion


@pytest.mark.parametrize(
    "settings", [{}, {"optimizer": "sgd"}, {"head": "hidden"}, {"mixup": 0.4, "noise": 0.2}]
)
def test_the_suggested_rate_learns_more_than_a_hundredth_of_it_and_is_safe(clusters, settings):
    vectors, labels = clusters
    h = replace(BASE, **settings)
    found = learning_rate_curve(vectors, labels, classes=CLASSES, hyperparameters=h)

    def loss(rate: float) -> float:
        result = fit_head(
            vectors,
            labels,
            vectors[:, 0],
            labels,
            classes=CLASSES,
            hyperparameters=replace(h, learning_rate=rate),
        )
        return result.history[-1].validation_loss

    assert loss(found.suggestion) < loss(found.suggestion / 100) - 0.1


def test_a_curve_ends_where_the_loss_grows_beyond_all_bounds(clusters):
    found = learning_rate_curve(*clusters, classes=CLASSES, hyperparameters=replace(BASE, head="hidden"))
    assert len(found.curve) < 100
    assert np.isfinite(found.curve.to_numpy()).all()


def test_a_curve_can_be_stopped(clusters):
    stop = threading.Event()
    stop.set()
    found = learning_rate_curve(*clusters, classes=CLASSES, hyperparameters=BASE, stop=stop)
    assert found.curve.empty
    assert found.suggestion == Hyperparameters().learning_rate
