"""The training loop."""

import gc
import itertools
import math
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from vitcore.errors import SettingsError
from vitcore.evaluation import log_loss
from vitcore.training import (
    Checkpoint,
    FitResult,
    HiddenHead,
    Hyperparameters,
    LinearHead,
    _learners,
    fit_head,
    softmax,
)
from vitcore.training._fit_data import new_fit_data
from vitcore.training._steps import blended, epoch_order, perturbed

DIMENSION = 12


def clusters(
    counts: tuple[int, ...] = (60, 60, 60), distance: float = 4.0, views: int = 1, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Vectors around one centre per class: (N, V, D) and their labels (N,)."""
    centres = np.random.default_rng(99).normal(size=(len(counts), DIMENSION)) * distance / 4
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    noise = random.normal(size=(len(labels), views, DIMENSION))
    return (centres[labels][:, np.newaxis] + noise).astype(np.float16), labels.astype(np.int64)


def fit(
    training: tuple[np.ndarray, np.ndarray] | None = None,
    validation: tuple[np.ndarray, np.ndarray] | None = None,
    *,
    on_epoch=None,
    stop: threading.Event | None = None,
    **settings: object,
) -> FitResult:
    vectors, labels = training or clusters()
    judged, truth = validation or clusters(seed=1)
    return fit_head(
        vectors,
        labels,
        judged[:, 0],
        truth,
        classes=int(max(labels.max(), truth.max())) + 1,
        hyperparameters=Hyperparameters(**{"epochs": 6, "batch_size": 36, **settings}),
        on_epoch=on_epoch,
        stop=stop,
    )


def plain(history: list[dict]) -> list[dict]:
    return [replace(record, seconds=0) for record in history]


def same(first: LinearHead, second: LinearHead) -> bool:
    return all(
        np.array_equal(getattr(first, n), getattr(second, n)) for n in ("weight", "bias", "mean", "std")
    )


# --- learning --------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd"])
@pytest.mark.parametrize("schedule", ["cosine", "constant"])
def test_what_can_be_told_apart_is_learned(optimizer, schedule):
    training, validation = clusters(distance=8), clusters(distance=8, seed=1)
    result = fit(training, validation, optimizer=optimizer, schedule=schedule, learning_rate=1e-2)
    assert result.outcome == "complete"
    assert result.history[-1].accuracy > 0.97
    predicted = result.head.probabilities(validation[0][:, 0]).argmax(axis=1)
    assert (predicted == validation[1]).mean() > 0.97


def test_there_is_one_record_per_epoch():
    result = fit()
    assert [record.epoch for record in result.history] == [1, 2, 3, 4, 5, 6]
    assert all(type(value) in {int, float} for record in result.history for value in vars(record).values())


def test_losses_fall():
    history = fit(learning_rate=3e-3).history
    for name in ("training_loss", "validation_loss"):
        losses = [getattr(record, name) for record in history]
        assert losses == sorted(losses, reverse=True)
        assert losses[-1] < 0.9 * math.log(3)


def test_training_starts_at_guessing():
    history = fit(learning_rate=1e-8, head="hidden").history
    assert history[0].training_loss == pytest.approx(math.log(3), abs=1e-5)
    assert history[0].validation_loss == pytest.approx(math.log(3), abs=1e-5)


def test_a_linear_head_is_drawn_from_guessing_to_the_solution_in_closed_form():
    history = fit(learning_rate=1e-8, epochs=40, schedule="constant").history
    [solved] = fit(optimizer="lda", batch_size=32).history
    assert history[0].training_loss > 0.3 * math.log(3)
    for name in ("training_loss", "validation_loss"):
        losses = [getattr(record, name) for record in history]
        assert (np.diff(losses) < 1e-6).all()
        assert losses[-1] == pytest.approx(getattr(solved, name), abs=1e-4)
    assert history[-1].cohen_kappa == solved.cohen_kappa >= history[0].cohen_kappa


def test_the_more_images_there_are_the_less_it_is_drawn_there():
    def distance(count: int) -> float:
        training = clusters((count,) * 3)
        settings = {"learning_rate": 1e-3, "epochs": 20}
        learned = fit(training, **settings).head.weight
        solved = fit(training, optimizer="lda", batch_size=32).head.weight
        return float(np.linalg.norm(learned - solved) / np.linalg.norm(solved))

    assert distance(400) > 1.2 * distance(20)


def test_each_epoch_is_told_as_it_ends():
    told = []
    result = fit(on_epoch=told.append)
    assert told == result.history


def test_the_best_epoch_has_the_lowest_validation_loss():
    # Few vectors of pure noise: the longer it learns, the worse it gets.
    random = np.random.default_rng(0)
    noise = random.normal(size=(20, 1, DIMENSION)).astype(np.float16), random.integers(0, 3, 20)
    result = fit(noise, clusters(), learning_rate=0.1, epochs=10)
    losses = [record.validation_loss for record in result.history]
    assert result.best_epoch == int(np.argmin(losses)) + 1
    assert result.best_epoch < 10


def test_the_head_is_that_of_the_best_epoch():
    random = np.random.default_rng(0)
    noise = random.normal(size=(20, 1, DIMENSION)).astype(np.float16), random.integers(0, 3, 20)
    vectors, truth = clusters()
    result = fit(noise, (vectors, truth), learning_rate=0.1, epochs=10)
    loss = log_loss(truth, result.head.probabilities(vectors[:, 0]))
    assert loss == pytest.approx(result.history[result.best_epoch - 1].validation_loss, abs=1e-5)
    assert loss < result.history[-1].validation_loss - 0.01


@pytest.mark.parametrize("settings", [{"label_smoothing": 0.3}, {"balance": "weights"}])
def test_the_validation_loss_is_plain_cross_entropy_whatever_is_minimised(settings):
    vectors, truth = clusters((90, 30, 10), seed=1)
    result = fit(clusters((90, 30, 10)), (vectors, truth), **settings)
    loss = log_loss(truth, result.head.probabilities(vectors[:, 0]))
    assert loss == pytest.approx(result.history[result.best_epoch - 1].validation_loss, abs=1e-5)


def test_views_are_learned_from_too():
    # The classes differ in the second view only; validation is made of such vectors.
    second, labels = clusters(distance=8)
    both = np.concatenate([np.zeros_like(second), second], axis=1)
    validation = clusters(distance=8, seed=1)
    assert fit((both, labels), validation, learning_rate=1e-2).history[-1].accuracy > 0.95
    assert fit((both[:, :1], labels), validation, learning_rate=1e-2).history[-1].accuracy < 0.6


# --- repeating -------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_history_and_weights():
    first, second = fit(seed=5, views=1), fit(seed=5, views=1)
    assert plain(first.history) == plain(second.history)
    assert same(first.head, second.head)


def test_another_seed_gives_another_history():
    first, second = fit(seed=5), fit(seed=6)
    assert plain(first.history) != plain(second.history)
    assert not same(first.head, second.head)


def test_the_random_numbers_of_torch_play_no_part():
    with torch.random.fork_rng():
        torch.manual_seed(1)
        first = fit()
        torch.manual_seed(2)
        second = fit()
    assert same(first.head, second.head)


def test_the_random_numbers_of_torch_are_left_alone():
    with torch.random.fork_rng():
        before = torch.random.get_rng_state()
        fit()
        assert torch.equal(torch.random.get_rng_state(), before)


def test_the_inputs_are_not_changed():
    training = clusters()
    before = training[0].copy(), training[1].copy()
    fit(training)
    assert np.array_equal(training[0], before[0])
    assert np.array_equal(training[1], before[1])


# --- settings --------------------------------------------------------------------------------


def one_step(**settings: object) -> LinearHead:
    """The head after a single step over all vectors, without what it is drawn to."""
    usual = {"epochs": 1, "batch_size": 1000, "schedule": "constant", "learning_rate": 0.01}
    h = Hyperparameters(**{**usual, **settings})
    vectors, labels = clusters()
    judged = vectors[:, 0], labels
    part = new_fit_data((vectors, labels), judged, classes=3, h=h, seed=0, device="cpu")
    learner = _learners.MiniBatches([replace(part, aim=None)], classes=3, h=h, device="cpu")
    with torch.no_grad():
        learner.learn(1, threading.Event())
    return learner.network.head(learner.network.state(0), part.mean, part.std)


def first_gradient() -> np.ndarray:
    """Of the cross-entropy at zero weights: (C, D)."""
    vectors, labels = clusters()
    x = vectors[:, 0].astype(np.float64)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    return (np.full((len(x), 3), 1 / 3) - np.eye(3)[labels]).T @ x / len(x)


def test_a_step_of_sgd_follows_the_gradient_with_nesterov_momentum():
    expected = -0.01 * (1 + 0.9) * first_gradient()
    assert np.allclose(
        one_step(optimizer="sgd", weight_decay=0, label_smoothing=0).weight, expected, atol=1e-6
    )


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_the_first_step_of_adam_has_the_length_of_the_learning_rate(optimizer):
    weight = one_step(optimizer=optimizer, weight_decay=0, label_smoothing=0).weight
    assert np.allclose(weight, -0.01 * np.sign(first_gradient()), atol=1e-4)


def test_adam_and_adamw_differ_in_their_weight_decay_only():
    adam, adamw = (fit(optimizer=o, weight_decay=0).head for o in ("adam", "adamw"))
    assert np.allclose(adam.weight, adamw.weight, atol=1e-6)
    adam, adamw = (fit(optimizer=o, weight_decay=0.5, learning_rate=0.01).head for o in ("adam", "adamw"))
    assert not np.allclose(adam.weight, adamw.weight, atol=1e-3)


@pytest.mark.parametrize(("optimizer", "decay"), [("adam", 5.0), ("adamw", 5.0), ("sgd", 1.0)])
def test_weight_decay_pulls_the_weights_to_what_they_are_drawn_to(optimizer, decay):
    solved = fit(optimizer="lda", batch_size=32).head.weight
    free, pulled = (
        fit(optimizer=optimizer, weight_decay=part, learning_rate=0.01).head for part in (0.0, decay)
    )
    assert np.linalg.norm(pulled.weight - solved) < 0.8 * np.linalg.norm(free.weight - solved)


def test_weight_decay_leaves_the_biases_alone():
    # Nothing but the bias can tell these classes apart: all vectors are the same.
    vectors = np.ones((100, 1, DIMENSION), dtype=np.float16)
    labels = np.repeat(np.array([0, 1], dtype=np.int64), [80, 20])
    settings = {"learning_rate": 0.1, "epochs": 40, "batch_size": 100, "label_smoothing": 0}
    head = fit((vectors, labels), (vectors, labels), weight_decay=10.0, **settings).head
    assert head.probabilities(vectors[:1, 0])[0].tolist() == pytest.approx([0.8, 0.2], abs=0.01)


def rates(**settings: object) -> list[float]:
    """The learning rate of the last of five steps of each epoch."""
    return [record.learning_rate for record in fit(**{"learning_rate": 0.01, **settings}).history]


def test_a_constant_learning_rate_stays():
    assert rates(schedule="constant", warmup_epochs=0) == [0.01] * 6


def test_a_cosine_lowers_the_learning_rate_to_almost_zero():
    ends = [epoch - 1 + 4 / 5 for epoch in range(1, 7)]
    expected = [0.01 * 0.5 * (1 + math.cos(math.pi * end / 6)) for end in ends]
    assert rates(warmup_epochs=0) == pytest.approx(expected)
    assert expected[-1] < 0.01 * 0.01


@pytest.mark.parametrize("schedule", ["cosine", "constant"])
def test_a_warm_up_raises_the_learning_rate_linearly(schedule):
    found = rates(schedule=schedule, warmup_epochs=3)
    steps = np.diff(found[:3])
    assert 0 < found[0] < found[1] < found[2] < 0.01
    assert steps[0] == pytest.approx(steps[1])
    assert found[3] == pytest.approx(0.01, rel=0.2)
    assert (found[5] == 0.01) == (schedule == "constant")


def test_the_very_first_step_of_a_warm_up_is_small_but_not_zero():
    [first, *_] = rates(warmup_epochs=4, batch_size=1000)
    assert 0 < first < 0.001


def test_weights_and_a_sampler_help_a_rare_class():
    training, validation = clusters((300, 12), distance=2), clusters((300, 300), distance=2, seed=1)
    settings = {"learning_rate": 0.05, "epochs": 20, "batch_size": 64}

    def recall(balance: str) -> float:
        head = fit(training, validation, balance=balance, **settings).head
        return float((head.probabilities(validation[0][300:, 0]).argmax(axis=1) == 1).mean())

    assert recall("weights") > recall("none") + 0.1
    assert recall("sampler") > recall("none") + 0.1


def test_label_smoothing_keeps_the_head_from_being_certain():
    training, validation = clusters(distance=8), clusters(distance=8, seed=1)
    settings = {"learning_rate": 0.05, "epochs": 15}
    sharp, soft = (
        fit(training, validation, label_smoothing=s, **settings).head.probabilities(validation[0][:, 0])
        for s in (0.0, 0.3)
    )
    smoothed, certain = float(soft.max(axis=1).mean()), float(sharp.max(axis=1).mean())
    assert smoothed < certain - 0.03


def test_a_learning_rate_that_is_too_high_is_named_with_a_better_one():
    with pytest.raises(SettingsError, match=r"the learning rate of 10 is too high, try 1"):
        fit(
            optimizer="sgd",
            learning_rate=10,
            weight_decay=10,
            epochs=200,
            warmup_epochs=0,
            schedule="constant",
        )


# --- noise, blends, hidden layers ------------------------------------------------------------

ALL_RANDOM = {"dropout": 0.2, "noise": 0.3, "mixup": 0.4, "balance": "sampler"}


@pytest.mark.parametrize(
    "settings", [*({name: value} for name, value in ALL_RANDOM.items()), ALL_RANDOM, {"head": "hidden"}]
)
def test_what_can_be_told_apart_is_learned_with_every_setting(settings):
    training, validation = clusters(distance=8), clusters(distance=8, seed=1)
    first, second = (fit(training, validation, learning_rate=1e-2, **settings) for _ in range(2))
    assert first.history[-1].accuracy > 0.95
    assert plain(first.history) == plain(second.history)
    assert plain(first.history) != plain(fit(training, validation, learning_rate=1e-2).history)
    for name, array in vars(first.head).items():
        assert np.array_equal(array, getattr(second.head, name))


def quarters(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two classes in opposite quarters of the plane, which no line divides."""
    random = np.random.default_rng(seed)
    plane = random.normal(size=(400, 1, 2))
    return plane.astype(np.float16), (plane[:, 0, 0] * plane[:, 0, 1] > 0).astype(np.int64)


def test_a_hidden_layer_learns_what_no_linear_head_can():
    settings = {"learning_rate": 0.02, "epochs": 15}
    linear = fit(quarters(0), quarters(1), **settings)
    hidden = fit(quarters(0), quarters(1), head="hidden", hidden_units=32, **settings)
    assert type(hidden.head) is HiddenHead
    assert max(record.accuracy for record in linear.history) < 0.7
    assert hidden.history[hidden.best_epoch - 1].accuracy > 0.9
    vectors, truth = quarters(1)
    loss = log_loss(truth, hidden.head.probabilities(vectors[:, 0]))
    assert loss == pytest.approx(hidden.history[hidden.best_epoch - 1].validation_loss, abs=1e-5)


def test_a_hidden_layer_starts_at_guessing_too():
    history = fit(learning_rate=1e-8, head="hidden").history
    assert history[0].validation_loss == pytest.approx(math.log(3), abs=1e-4)


def test_noise_and_dropout_leave_the_judging_alone():
    vectors, truth = clusters(seed=1)
    result = fit(validation=(vectors, truth), noise=1.0, dropout=0.5)
    loss = log_loss(truth, result.head.probabilities(vectors[:, 0]))
    assert loss == pytest.approx(result.history[result.best_epoch - 1].validation_loss, abs=1e-5)


def test_dropout_scales_up_what_remains():
    x = torch.ones(1, 200, 500)
    dropped = perturbed(x, Hyperparameters(dropout=0.25), [np.random.default_rng(0)])
    assert torch.allclose(dropped.unique(), torch.tensor([0, 4 / 3]))
    assert float(dropped.mean()) == pytest.approx(1, abs=0.01)


def test_noise_has_its_standard_deviation():
    noisy = perturbed(torch.zeros(1, 200, 500), Hyperparameters(noise=0.5), [np.random.default_rng(0)])
    assert float(noisy.std()) == pytest.approx(0.5, abs=0.01)
    assert float(noisy.mean()) == pytest.approx(0, abs=0.01)


def test_each_of_several_heads_draws_for_itself():
    randoms = [np.random.default_rng(seed) for seed in (1, 2, 1)]
    noisy = perturbed(torch.zeros(3, 4, 5), Hyperparameters(noise=0.5, dropout=0.3), randoms)
    assert torch.equal(noisy[0], noisy[2])
    assert not torch.equal(noisy[0], noisy[1])


def test_every_epoch_draws_an_order_and_noise_of_its_own(monkeypatch):
    orders, noises = [], []

    def watched_order(*arguments):
        orders.append(epoch_order(*arguments))
        return orders[-1]

    def watched_noise(x, *arguments):
        noisy = perturbed(x, *arguments)
        noises.append((noisy - x).numpy())
        return noisy

    monkeypatch.setattr(_learners, "epoch_order", watched_order)
    monkeypatch.setattr(_learners, "perturbed", watched_noise)
    fit(epochs=4, batch_size=90, noise=0.5)  # two batches of 90 in each epoch
    assert (len(orders), len(noises)) == (4, 8)
    for drawn in (orders, noises):
        for first, second in itertools.combinations(drawn, 2):
            assert np.isclose(first, second, rtol=0, atol=1e-3).mean() < 0.1


def test_images_and_labels_are_blended_alike():
    labels = torch.eye(8)[None]  # each image is its own class, and its number its only feature
    images = torch.arange(8.0)[None, :, None]
    blend, target = blended([images, labels], 1.0, [np.random.default_rng(0)])
    assert torch.allclose(target.sum(dim=2), torch.ones(1, 8))
    assert torch.allclose(target @ torch.arange(8.0), blend[:, :, 0])
    assert not torch.equal(target, labels)


def test_the_sampler_shows_every_class_equally_often():
    labels = np.repeat(np.arange(4), [900, 90, 0, 10])
    drawn = epoch_order(labels, 6000, Hyperparameters(balance="sampler"), np.random.default_rng(0))
    counts = np.bincount(labels[drawn], minlength=4)
    assert counts[2] == 0
    assert np.allclose(counts[[0, 1, 3]] / 2000, 1, atol=0.1)


def test_without_the_sampler_every_image_comes_once():
    drawn = epoch_order(np.zeros(50, dtype=np.int64), 50, Hyperparameters(), np.random.default_rng(0))
    assert sorted(drawn) == list(range(50))


# --- the best epoch --------------------------------------------------------------------------


def pure_noise() -> tuple[np.ndarray, np.ndarray]:
    """The longer it is learned, the worse it gets."""
    random = np.random.default_rng(0)
    return random.normal(size=(20, 1, DIMENSION)).astype(np.float16), random.integers(0, 3, 20)


@pytest.mark.parametrize("monitor", ["accuracy", "balanced_accuracy", "cohen_kappa"])
def test_the_best_epoch_is_picked_by_what_is_monitored(monitor):
    result = fit(pure_noise(), clusters(), learning_rate=0.1, epochs=15, monitor=monitor)
    ranks = [(-getattr(record, monitor), record.validation_loss) for record in result.history]
    assert result.best_epoch == min(range(15), key=ranks.__getitem__) + 1


def test_of_epochs_that_are_equally_right_the_one_of_lower_loss_is_best():
    result = fit(clusters(distance=30), clusters(distance=30, seed=1), learning_rate=0.01, monitor="accuracy")
    assert {record.accuracy for record in result.history} == {1}
    losses = [record.validation_loss for record in result.history]
    assert len(set(losses)) == 6
    assert result.best_epoch == int(np.argmin(losses)) + 1


def test_a_figure_that_is_not_defined_leaves_it_to_the_loss():
    # All that is judged is of one class and is told to be it: chance would be as good.
    result = fit(clusters(distance=30), clusters((30, 0, 0), distance=30, seed=1), monitor="cohen_kappa")
    assert math.isnan(result.history[-1].cohen_kappa)
    losses = [record.validation_loss for record in result.history]
    assert result.best_epoch == int(np.argmin(losses)) + 1


def test_patience_ends_a_training_that_gets_no_better():
    result = fit(pure_noise(), clusters(), learning_rate=0.1, epochs=30, patience=3)
    assert result.outcome == "complete"
    assert len(result.history) == result.best_epoch + 3
    whole = fit(pure_noise(), clusters(), learning_rate=0.1, epochs=30)
    assert plain(result.history) == plain(whole.history)[: len(result.history)]


def test_without_patience_every_epoch_is_run():
    assert len(fit(pure_noise(), clusters(), learning_rate=0.1, epochs=30).history) == 30


# --- L-BFGS ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("decay", "balance"), [(0.005, "none"), (0.1, "none"), (0.1, "weights")])
def test_lbfgs_agrees_with_the_logistic_regression_of_scikit_learn(decay, balance):
    from sklearn.linear_model import LogisticRegression

    vectors, labels = clusters((80, 50, 20), distance=2, views=2)
    h = Hyperparameters(optimizer="lbfgs", epochs=300, weight_decay=decay, label_smoothing=0, balance=balance)
    reached: list[Checkpoint] = []
    result = fit_head(
        vectors,
        labels,
        vectors[:, 0],
        labels,
        classes=3,
        hyperparameters=h,
        on_checkpoint=reached.append,
    )
    x = (vectors.reshape(-1, DIMENSION).astype(np.float64) - result.head.mean) / result.head.std
    model = LogisticRegression(
        C=1 / (decay * len(x)),
        class_weight="balanced" if balance == "weights" else None,
        tol=1e-8,
        max_iter=10000,
    )
    model.fit(x, np.repeat(labels, 2))
    # The last one and not the best: the loss without the penalty may have been lower on the way.
    last = reached[-1].parameters
    found = softmax(x @ last["weight"][0].T + last["bias"][0])
    assert np.abs(found - model.predict_proba(x)).max() < 1e-3


def test_lbfgs_ends_when_nothing_is_left_to_be_gained():
    result = fit(optimizer="lbfgs", batch_size=32, epochs=1000, weight_decay=0.1)
    assert result.outcome == "complete"
    assert 5 < len(result.history) < 200
    assert {record.learning_rate for record in result.history} == {1.0}


def test_lbfgs_repeats_itself_and_can_be_stopped():
    settings = {"optimizer": "lbfgs", "batch_size": 32, "epochs": 20}
    first, second = fit(**settings), fit(**settings)
    assert plain(first.history) == plain(second.history)
    assert same(first.head, second.head)
    part = fit(stop=StopAfter(4), **settings)
    assert (part.outcome, plain(part.history)) == ("stopped", plain(first.history)[:4])
    assert fit(stop=StopAfter(0), **settings).best_epoch == 0


def test_a_training_leaves_nothing_in_memory():
    def tensors() -> int:
        gc.collect()
        return sum(1 for found in gc.get_objects() if type(found) is torch.Tensor)

    before = tensors()
    for settings in ({}, {"head": "hidden"}, {"optimizer": "lbfgs", "batch_size": 32}):
        fit(**settings)
    assert tensors() <= before


# --- stopping --------------------------------------------------------------------------------


def test_stopped_before_the_first_batch_the_head_knows_nothing():
    stop = threading.Event()
    stop.set()
    result = fit(stop=stop)
    assert (result.outcome, result.history, result.best_epoch) == ("stopped", [], 0)
    assert not result.head.weight.any()
    assert np.allclose(result.head.probabilities(clusters()[0][:, 0]), 1 / 3)


def test_stopped_between_epochs_the_best_head_so_far_is_kept():
    stop = threading.Event()
    result = fit(stop=stop, on_epoch=lambda record: record.epoch == 3 and stop.set())
    assert (result.outcome, len(result.history), result.best_epoch) == ("stopped", 3, 3)
    vectors, truth = clusters(seed=1)
    loss = log_loss(truth, result.head.probabilities(vectors[:, 0]))
    assert loss == pytest.approx(result.history[2].validation_loss, abs=1e-5)


class StopAfter(threading.Event):
    """Set once it was looked at so many times."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.looks = looks

    def is_set(self) -> bool:
        self.looks -= 1
        return self.looks < 0


@pytest.mark.parametrize(("batches", "epochs"), [(3, 0), (8, 1), (13, 2)])
def test_stopping_takes_effect_within_a_batch(batches, epochs):
    # 180 vectors in batches of 36 are five batches per epoch.
    result = fit(stop=StopAfter(batches), learning_rate=0.01)
    assert (result.outcome, len(result.history), result.best_epoch) == ("stopped", epochs, epochs)
    assert result.head.weight.any()


def test_what_was_learned_before_the_stop_is_what_the_whole_training_learned_by_then():
    stop = threading.Event()
    part = fit(stop=stop, on_epoch=lambda record: record.epoch == 2 and stop.set())
    assert plain(part.history) == plain(fit().history)[:2]


# --- odd inputs ------------------------------------------------------------------------------


def test_embeddings_are_standardised_by_the_training_part():
    vectors, labels = clusters(views=2)
    head = fit((vectors, labels)).head
    flat = vectors.reshape(-1, DIMENSION).astype(np.float64)
    assert np.allclose(head.mean, flat.mean(axis=0), atol=1e-5)
    assert np.allclose(head.std, flat.std(axis=0), atol=1e-5)


def test_a_dimension_that_never_changes_does_no_harm():
    vectors, labels = clusters(distance=8)
    judged, truth = clusters(distance=8, seed=1)
    vectors[:, :, 3], judged[:, :, 3] = 7.5, 7.5
    result = fit((vectors, labels), (judged, truth), learning_rate=1e-2)
    assert result.head.std[3] == 1
    assert not result.head.weight[:, 3].any()
    assert result.history[-1].accuracy > 0.95


def test_embeddings_far_from_zero_and_large_ones_are_learned():
    vectors, labels = clusters(distance=8)
    judged, truth = clusters(distance=8, seed=1)
    result = fit((vectors * 16 + 500, labels), (judged * 16 + 500, truth), learning_rate=1e-2)
    assert result.history[-1].accuracy > 0.95


def test_a_class_without_validation_images_is_learned_too():
    result = fit(clusters((30, 30, 30)), clusters((30, 30, 0), seed=1))
    assert result.head.weight.shape == (3, DIMENSION)
    assert math.isfinite(result.history[-1].balanced_accuracy)


def test_one_validation_image_is_enough():
    result = fit(validation=clusters((1, 0, 0), seed=1))
    assert result.outcome == "complete"
    assert all(record.accuracy in {0.0, 1.0} for record in result.history)


@pytest.mark.parametrize("batch_size", [1, 7, 180, 181, 65536])
def test_every_batch_size_works(batch_size):
    assert len(fit(batch_size=batch_size, epochs=2).history) == 2
