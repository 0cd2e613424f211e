"""Probes: changed pictures stand out, and pictures as they are stay as familiar as they were."""

import numpy as np
import pytest

from vitcore.evaluation import NO_PROBES, Copies, fit_probes

COUNT, DIMENSION, SAMPLE = 200, 48, 12


@pytest.fixture
def random():
    return np.random.default_rng(0)


@pytest.fixture
def vectors(random):
    """Familiar images: (N, D), four classes."""
    centres = random.normal(0, 3, (4, DIMENSION))
    return (centres[np.arange(COUNT) % 4] + random.normal(0, 1, (COUNT, DIMENSION))).astype(np.float16)


@pytest.fixture
def distances(random):
    return random.uniform(0.2, 0.4, COUNT)


@pytest.fixture
def shifts(random):
    """What two ways of changing do to a vector: (2, D)."""
    return random.normal(0, 1, (2, DIMENSION))


def copies_of(vectors, shifts, random, distance=0.3):
    positions = np.arange(0, len(vectors), len(vectors) // SAMPLE)[:SAMPLE]
    changed = vectors[positions][:, np.newaxis] + shifts + random.normal(0, 0.3, (SAMPLE, 2, DIMENSION))
    return Copies(
        positions=positions,
        vectors=changed.astype(np.float16),
        distances=np.full((SAMPLE, 2), distance),
    )


def test_what_was_changed_is_more_novel_than_nearly_all_that_was_not(vectors, distances, shifts, random):
    probes, own = fit_probes(vectors, distances, np.arange(COUNT), copies_of(vectors, shifts, random))
    bound = np.quantile(own, 0.95)
    for shift in shifts:
        others = (vectors[100:] + shift).astype(np.float16)  # few of these were copied
        assert (probes.novelty(others, np.full(len(others), 0.3)) > bound).mean() > 0.9


def test_the_bounds_do_not_move_far(vectors, distances, shifts, random):
    _, own = fit_probes(vectors, distances, np.arange(COUNT), copies_of(vectors, shifts, random))
    assert (own >= distances).all()
    assert np.quantile(own, 0.95) < 1.5 * np.quantile(distances, 0.95)


def test_what_the_distance_notices_needs_no_probe(vectors, distances, shifts, random):
    copies = copies_of(vectors, shifts, random, distance=0.5)
    probes, own = fit_probes(vectors, distances, np.arange(COUNT), copies)
    assert probes is NO_PROBES
    assert own is distances
    one = Copies(
        positions=copies.positions,
        vectors=copies.vectors,
        distances=np.column_stack([np.full(SAMPLE, 0.5), np.full(SAMPLE, 0.3)]),
    )
    assert fit_probes(vectors, distances, np.arange(COUNT), one)[0].weights.shape == (1, DIMENSION)


def test_new_images_are_as_familiar_as_those_of_the_bounds(random):
    """With more dimensions than images, those that a probe was fitted to are closer to its middle."""
    near, new = (random.normal(0, 1, (120, 400)).astype(np.float16) for _ in range(2))
    moved = (
        near[:SAMPLE, np.newaxis]
        + random.normal(0, 0.7, (1, 1, 400))
        + random.normal(0, 0.3, (SAMPLE, 1, 400))
    )
    copies = Copies(
        positions=np.arange(SAMPLE), vectors=moved.astype(np.float16), distances=np.zeros((SAMPLE, 1))
    )
    groups = np.arange(120) // 2
    probes, own = fit_probes(near, random.uniform(0, 0.01, 120), groups, copies)
    fitted, fresh = (probes.novelty(vectors, np.zeros(120)) for vectors in (near, new))
    bound = np.quantile(own, 0.9)
    assert (fresh > bound).mean() < 0.2
    assert (fresh > np.quantile(fitted, 0.9)).mean() > 0.25


def test_of_very_many_images_some_are_enough(random, shifts):
    many = random.normal(0, 1, (2500, DIMENSION)).astype(np.float16)
    distances = random.uniform(0.2, 0.4, len(many))
    probes, own = fit_probes(many, distances, np.arange(len(many)), copies_of(many, shifts, random))
    again, _ = fit_probes(many, distances, np.arange(len(many)), copies_of(many, shifts, random), seed=1)
    assert own.shape == (2500,)
    assert not np.array_equal(probes.weights, again.weights)


def test_without_probes_the_distance_is_all_that_counts(vectors, distances):
    assert NO_PROBES.novelty(vectors, distances).tolist() == distances.tolist()
    assert NO_PROBES.scores(vectors).shape == (COUNT, 0)


def test_novelty_has_an_upper_end(vectors, distances, shifts, random):
    probes, _ = fit_probes(vectors, distances, np.arange(COUNT), copies_of(vectors, shifts, random))
    far = (vectors[:5] + 1000 * shifts[0]).astype(np.float16)
    assert probes.novelty(far, np.full(5, 0.3)).max() == 2


def test_images_that_are_all_alike_are_no_reason_to_fail(distances, random):
    same = np.ones((COUNT, DIMENSION), dtype=np.float16)
    copies = copies_of(same, np.ones((2, DIMENSION)), random)
    probes, own = fit_probes(same, distances, np.arange(COUNT), copies)
    assert np.isfinite(probes.weights).all()
    assert np.isfinite(own).all()
