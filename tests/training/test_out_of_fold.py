"""Logits of images by heads that did not learn from them."""

import threading

import numpy as np
import pytest
import torch

from vitcore.errors import SettingsError, Stopped
from vitcore.training import Hyperparameters, fit_head, out_of_fold_logits
from vitcore.training._fit_data import new_fit_data, width_for
from vitcore.training._network import LinearNetwork, new_network
from vitcore.training._parts import fold_parts

DIMENSION, CLASSES = 9, 3


@pytest.fixture(scope="module")
def images() -> tuple[np.ndarray, np.ndarray]:
    """Vectors (60, 2, D) and labels."""
    random = np.random.default_rng(0)
    labels = random.permutation(np.repeat(np.arange(CLASSES), 20))
    centres = random.normal(size=(CLASSES, 1, DIMENSION))
    vectors = centres[labels] + random.normal(size=(60, 2, DIMENSION))
    return vectors.astype(np.float16), labels


def settings(**changes: object) -> Hyperparameters:
    return Hyperparameters(**{"epochs": 5, **changes})


def judge(images, h: Hyperparameters, groups=None, **options) -> np.ndarray:
    wanted = {"classes": CLASSES, "epochs": h.epochs, "folds": 4, **options}
    return out_of_fold_logits(*images, groups, hyperparameters=h, **wanted)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"noise": 0.3, "balance": "sampler", "patience": 1},
        {"head": "hidden", "hidden_units": 5},
        {"optimizer": "lbfgs"},
    ],
)
def test_each_head_is_the_one_after_the_last_epoch_of_a_training_on_the_other_folds(images, changes):
    vectors, labels = images
    h = settings(**changes)
    found = judge(images, h, epochs=3, seed=7)
    assert found.shape == (60, CLASSES)
    for learned, judged in fold_parts(labels, None, 4, seed=7):
        reached = []
        fit_head(
            vectors[learned],
            labels[learned],
            vectors[learned, 0],
            labels[learned],
            classes=CLASSES,
            hyperparameters=settings(**{**changes, "patience": 0}),
            on_checkpoint=reached.append,
        )
        checkpoint = reached[2]
        part = new_fit_data(
            (vectors[learned], labels[learned]),
            (vectors[judged, 0], labels[judged]),
            classes=CLASSES,
            h=h,
            seed=h.seed,
            device="cpu",
            width=width_for(vectors, len(learned), CLASSES),
        )
        network = new_network(h, [h.seed], DIMENSION, CLASSES, "cpu")
        if isinstance(network, LinearNetwork):
            network.aim_at([part.aim] if part.aim else [])
        for name, array in checkpoint.parameters.items():
            network.parameters[name].data.copy_(torch.from_numpy(array))
        head = network.head(network.state(0), part.mean, part.std, part.axes)
        assert np.allclose(found[judged], head.logits(vectors[judged, 0]), atol=1e-5)


def test_an_image_has_no_part_in_what_is_said_of_its_group(images):
    vectors, labels = images
    groups = np.arange(60) // 3
    changed = vectors.copy()
    changed[10] += 1
    same = (judge(images, settings(), groups) == judge((changed, labels), settings(), groups)).all(axis=1)
    [fold] = [judged for _, judged in fold_parts(labels, groups, 4, seed=0) if 10 in judged]
    assert {9, 11} <= set(fold)
    assert set(np.flatnonzero(same)) == set(fold) - {10}


def test_they_recognise_most_images(images):
    assert (judge(images, settings(epochs=20)).argmax(axis=1) == images[1]).mean() > 0.8


def test_of_few_groups_each_is_a_fold(images):
    groups = np.arange(60) // 20
    assert np.array_equal(judge(images, settings(), groups), judge(images, settings(), groups, folds=3))


@pytest.mark.parametrize("epochs", [0, 6])
def test_epochs_that_the_settings_do_not_have_are_refused(images, epochs):
    with pytest.raises(SettingsError, match=f"epochs is {epochs}; give 1 to 5"):
        judge(images, settings(), epochs=epochs)


def test_one_group_cannot_be_divided(images):
    with pytest.raises(SettingsError, match="there are 1"):
        judge(images, settings(), np.zeros(60))


def test_every_epoch_is_told_and_all_can_be_stopped(images):
    told, stop = [], threading.Event()
    judge(images, settings(), epochs=3, on_epoch=told.append)
    assert len(told) == 4 * 3
    with pytest.raises(Stopped):
        judge(images, settings(), stop=stop, on_epoch=lambda _: stop.set())


def test_a_loss_beyond_all_bounds_is_told(images):
    h = settings(optimizer="sgd", learning_rate=10, weight_decay=10, schedule="constant", epochs=200)
    with pytest.raises(SettingsError, match="the learning rate of 10 is too high"):
        judge(images, h)
