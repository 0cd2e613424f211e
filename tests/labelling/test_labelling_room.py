"""What to show next, what the labels teach, and how good the guesses are by now."""

import numpy as np
import pytest

from vitcore.labelling import (
    _picks,
    answer,
    drawn_to_neighbours,
    errors_with_more,
    estimate_accuracy,
    group_photos,
    pick_at_random,
    pick_seeds,
    pick_teaching,
    principal_axes,
    whitened,
)

CLASSES = 4


def heap(count: int = 240, spread: float = 1.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of as many classes, and their truth: (N, D), (N,)."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, CLASSES, count)
    centres = np.random.default_rng(99).normal(0, 1, (CLASSES, 24))
    return centres[truth] + random.normal(0, spread, (count, 24)), truth


def test_the_space_keeps_what_differs_and_lets_every_axis_count():
    vectors, _ = heap()
    space = principal_axes(vectors)
    assert space.shape == (240, 24)
    variance = space.var(axis=0)
    assert (np.diff(variance) <= 1e-4).all()
    even = whitened(space, 0.01)
    assert np.square(even).sum(axis=1).mean() == pytest.approx(1, abs=1e-4)
    assert even.var(axis=0).max() / even.var(axis=0).min() < 1.2


def test_photos_that_are_all_alike_do_no_harm():
    space = principal_axes(np.ones((5, 8)))
    assert not whitened(space).any()
    assert principal_axes(np.ones((1, 8))).shape == (1, 1)


def test_answers_of_labelled_photos_are_those_of_a_head_without_them():
    vectors, truth = heap(60, spread=1.5)
    space = principal_axes(vectors)
    labels = np.where(np.arange(60) < 40, truth, -1)
    found = answer(space, labels, CLASSES)
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1)
    assert (found.guess[40:] == truth[40:]).mean() > 0.7
    # A wrong label of its own does not change what is guessed for a photo.
    changed = labels.copy()
    changed[0] = (labels[0] + 1) % CLASSES
    other = answer(space, changed, CLASSES)
    assert other.guess[0] == found.guess[0]


def test_groups_hold_every_photo_once_and_are_nearly_pure():
    vectors, truth = heap(spread=0.5)
    rows = np.arange(20, 240)
    groups = group_photos(whitened(principal_axes(vectors)), rows, CLASSES)
    together = np.concatenate([group.positions for group in groups])
    assert sorted(together) == list(rows)
    pure = [np.bincount(truth[group.positions]).max() / len(group.positions) for group in groups]
    assert min(pure) > 0.9
    assert group_photos(whitened(principal_axes(vectors)), rows[:0], 4) == []


def test_seeds_come_from_all_classes():
    vectors, truth = heap(spread=0.5)
    seeds = pick_seeds(whitened(principal_axes(vectors)), np.arange(240), CLASSES)
    assert sorted(truth[seeds]) == list(range(CLASSES))


def test_what_teaches_settles_most_doubt_about_all():
    vectors, truth = heap(400, spread=1.5)
    labels = np.where(np.arange(400) < 30, truth, -1)
    found = answer(principal_axes(vectors), labels, CLASSES)
    rows = np.arange(40, 300)
    picked = pick_teaching(found, labels, rows, 10)
    assert len(set(picked)) == 10
    assert set(picked) <= set(rows)

    def doubt(chosen):
        """How uncertain the scores are, the doubtful counting more, once these photos have a label."""
        taught = found.points[[*range(30), *chosen]]
        spread = np.linalg.inv(taught.T @ taught + found.penalty * np.eye(taught.shape[1]))
        left = found.points[rows]
        return float(((left @ spread * left).sum(axis=1) * (1 - found.margin[rows])).sum())

    first = min(rows, key=lambda row: doubt([row]))
    assert picked[0] == first
    others = [pick_at_random(rows, 10, seed=seed) for seed in range(20)]
    assert doubt(picked) < min(doubt(chosen) for chosen in others)
    assert list(picked[:3]) == list(pick_teaching(found, labels, rows, 3))
    assert sorted(pick_teaching(found, labels, rows[:5], 10)) == list(rows[:5])
    assert len(pick_teaching(found, labels, rows[:0], 10)) == 0


def test_what_teaches_is_found_among_very_many(monkeypatch):
    vectors, truth = heap(400, spread=1.5)
    labels = np.where(np.arange(400) < 30, truth, -1)
    found = answer(principal_axes(vectors), labels, CLASSES)
    monkeypatch.setattr(_picks, "_COMPARED", 50)
    picked = pick_teaching(found, labels, np.arange(30, 400), 12)
    assert len(set(picked)) == 12
    assert picked.min() >= 30


def test_photos_are_drawn_to_those_most_alike_without_a_label():
    vectors, truth = heap(240, spread=1.2)
    space = principal_axes(vectors)
    drawn = drawn_to_neighbours(space)
    assert drawn.shape == space.shape
    assert drawn.dtype == np.float32

    def apart(points):
        """How far the classes are from each other, by how much they spread."""
        means = np.stack([points[truth == label].mean(axis=0) for label in range(CLASSES)])
        return float(means.var(axis=0).sum() / (points - means[truth]).var(axis=0).sum())

    assert apart(drawn) > 1.1 * apart(space)
    np.testing.assert_array_equal(drawn_to_neighbours(np.zeros((5, 2), dtype=np.float32)), np.zeros((5, 2)))
    np.testing.assert_array_equal(drawn_to_neighbours(space[:1]), space[:1])


def test_random_picks_are_repeatable_and_of_those_that_may_be_picked():
    rows = np.arange(10, 30)
    assert list(pick_at_random(rows, 5, seed=3)) == list(pick_at_random(rows, 5, seed=3))
    assert set(pick_at_random(rows, 50, seed=3)) == set(rows)


def session(seed: int) -> tuple[float, object]:
    """Label pages of doubtful photos with two at random; return the truth on new photos, and the estimate."""
    vectors, truth = heap(1000, spread=1.6, seed=seed)
    space, pool = drawn_to_neighbours(principal_axes(vectors)), 300
    flat = whitened(space)
    step, at_random = np.full(1000, -1), np.zeros(1000, dtype=bool)
    step[pick_seeds(flat, np.arange(pool), 12)] = 0
    for page in range(1, 13):
        labels = np.where(step >= 0, truth, -1)
        found = answer(space, labels, CLASSES)
        rows = np.flatnonzero(step[:pool] < 0)
        blind = pick_at_random(rows, 2, seed=(seed, page))
        step[pick_teaching(found, labels, np.setdiff1d(rows, blind), 10)] = page
        step[blind], at_random[blind] = page, True
    labels = np.where(step >= 0, truth, -1)
    found = answer(space, labels, CLASSES)
    right = found.guess == truth
    estimate = estimate_accuracy(found.margin[:pool], step[:pool], right[:pool], at_random[:pool])
    return float(right[pool:].mean()), estimate


def test_the_estimate_is_honest_where_the_labels_are_those_of_doubtful_photos():
    found = [session(seed) for seed in range(4)]
    errors = np.array([estimate.accuracy - truth for truth, estimate in found])
    naive = np.array([estimate.naive - truth for truth, estimate in found])
    inside = [estimate.low <= truth <= estimate.high for truth, estimate in found]
    assert abs(errors.mean()) < 0.04
    assert naive.mean() < -0.05
    assert sum(inside) >= 3


@pytest.mark.thorough
def test_the_interval_holds_the_truth_in_95_of_100_sessions():
    found = [session(seed) for seed in range(50)]
    errors = np.array([estimate.accuracy - truth for truth, estimate in found])
    inside = np.mean([estimate.low <= truth <= estimate.high for truth, estimate in found])
    assert abs(errors.mean()) < 0.02
    assert 0.90 <= inside <= 1.0


def test_nothing_is_estimated_without_photos_that_were_picked_at_random():
    step = np.zeros(50, dtype=np.int64)
    right = np.ones(50, dtype=bool)
    assert estimate_accuracy(np.full(50, 0.5), step, right, np.arange(50) < 9) is None


def test_errors_fall_with_more_labels():
    assert errors_with_more(0.2, 100, 300) == pytest.approx(0.1)
    assert errors_with_more(0.2, 100, 0) == pytest.approx(0.2)
