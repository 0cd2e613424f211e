"""Figures before their time."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vitcore.features import ImageFile
from vitcore.pipeline._provisional import estimate_accuracy, first_look, look_at_once, mixed_order
from vitcore.progress import Task


def clouds(count, apart, classes=3, seed=0):
    """Vectors around a centre for each class, and the class of each."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    centres = random.normal(0, apart, (classes, 32))
    return (centres[labels] + random.normal(0, 1, (count, 32))).astype(np.float16), labels


def test_every_beginning_of_the_order_has_the_classes_in_their_proportions():
    labels = np.repeat([0, 1, 2], [300, 90, 30])
    order = mixed_order(labels, seed=1)
    assert sorted(order) == list(range(420))
    for size in (28, 140, 280):
        counts = np.bincount(labels[order[:size]], minlength=3)
        assert np.abs(counts - size * np.array([300, 90, 30]) / 420).max() <= 2
    assert (mixed_order(labels, seed=1) == order).all()


@pytest.mark.parametrize(("apart", "low", "high"), [(3.0, 0.95, 1.0), (0.0, 0.2, 0.5)])
def test_an_estimate_is_near_what_can_be_reached(apart, low, high):
    vectors, labels = clouds(120, apart)
    found = estimate_accuracy(vectors, labels, np.arange(120), seed=0)
    assert found.images == 120
    assert low <= found.accuracy <= high
    assert found.low <= found.accuracy <= found.high


def test_images_of_one_group_do_not_help_each_other():
    random = np.random.default_rng(0)
    groups = np.repeat(np.arange(20), 6)
    labels = (np.arange(20) % 2)[groups]
    vectors = random.normal(0, 5, (20, 32))[groups] + random.normal(0, 0.1, (120, 32))
    alone = estimate_accuracy(vectors, labels, np.arange(120), seed=0)
    together = estimate_accuracy(vectors, labels, groups, seed=0)
    assert alone.accuracy == 1
    assert together.accuracy < 0.8
    assert together.high - together.low > alone.high - alone.low


@pytest.mark.parametrize("labels", [[0, 0, 0], [0], [0, 1]])
def test_too_few_images_give_no_estimate_or_a_vague_one(labels):
    vectors = np.zeros((len(labels), 4), dtype=np.float16)
    found = estimate_accuracy(vectors, np.array(labels), np.arange(len(labels)), seed=0)
    assert found is None or found.high - found.low > 0.5


def test_a_look_is_taken_each_time_the_number_doubles():
    vectors, labels = clouds(400, 3.0)
    rows = pd.DataFrame({"label": labels.astype(str), "group": "", "image_id": np.arange(400)})
    seen = []
    look = first_look(rows, Task(on_estimate=seen.append), seed=0)
    assert list(look.sizes) == [20, 40, 80, 160]
    for size in look.sizes:
        look.look(vectors[look.order[:size]])
    assert [estimate.images for estimate in seen] == [20, 40, 80, 160]
    assert all(estimate.accuracy > 0.9 for estimate in seen)


@pytest.mark.parametrize(
    ("chosen", "figures"),
    [(range(64), 1), (range(12), 0), (range(0, 300, 3), 0)],
    ids=["all classes", "too few", "one class alone"],
)
def test_images_that_an_engine_was_tried_on_give_a_figure_if_they_are_like_the_whole(chosen, figures):
    vectors, labels = clouds(300, 3.0)
    names = [f"{number}" for number in range(300)]
    rows = pd.DataFrame({"label": labels.astype(str), "group": "", "image_id": names, "sha256": names})
    seen = []
    images = [ImageFile(Path(names[number]), names[number]) for number in chosen]
    look_at_once(rows, Task(on_estimate=seen.append), seed=0)(images, vectors[list(chosen)])
    assert [(estimate.images, estimate.total) for estimate in seen] == [(64, 300)] * figures
