"""Datasets whose embeddings stay on the disk: the same runs, and few vectors in memory at once."""

import numpy as np
import pandas as pd
import pytest

from vitcore import vectors as cellar
from vitcore.audit import _near_duplicates
from vitcore.backbone import Device, Embedder, resolve_backbone
from vitcore.compute import Compute
from vitcore.dataset import Dataset, import_dataset
from vitcore.evaluation import NeighbourIndex, _neighbours, _probes, nearest, project, rank_labels
from vitcore.features import StoredVectors, _store, local_pass
from vitcore.inference import load_classifier
from vitcore.pipeline import _trusting, evaluate_on, review_run, run_vectors, train
from vitcore.pipeline._material import prepare_data
from vitcore.progress import Task
from vitcore.records import plain_values
from vitcore.runs import Run
from vitcore.training import Hyperparameters, _head, _inputs

H = Hyperparameters(epochs=3, learning_rate=1e-2, batch_size=8)


@pytest.fixture
def dataset(picture_folder) -> Dataset:
    return import_dataset(picture_folder())


@pytest.fixture
def learn(dataset, tiny_backbone, monkeypatch):
    """Trains with all vectors in memory, or with none."""

    def work(h: Hyperparameters = H, *, stored: bool) -> Run:
        monkeypatch.setattr(_store, "_HELD_BYTES", 0 if stored else 2**26)
        return train(dataset, h, compute=Compute(tiny_backbone, device="cpu"))

    return work


@pytest.fixture
def read_at_once(monkeypatch) -> list[int]:
    """How many vectors are read at a time, where eight are many."""
    for module, names in (
        (cellar, ["_ROWS"]),
        (_inputs, ["_ROWS", "_ALIGNED"]),
        (_head, ["_ROWS"]),
        (_near_duplicates, ["_TILE_ROWS"]),
        (_neighbours, ["_QUERY_ROWS", "_REFERENCE_ROWS", "_EXACT_PAIRS"]),
        (_probes, ["_ROWS", "_MOST"]),
        (_trusting, ["_MOST_REFERENCES"]),
    ):
        for name in names:
            monkeypatch.setattr(module, name, 8)
    counts: list[int] = []
    read = _store._read

    def counting(file, rows, dimension):
        counts.append(len(rows))
        return read(file, rows, dimension)

    monkeypatch.setattr(_store, "_read", counting)
    return counts


@pytest.mark.parametrize(
    "h",
    [
        Hyperparameters(epochs=3, learning_rate=1e-2, batch_size=8, views=2, repeats=2),
        Hyperparameters(epochs=3, optimizer="lbfgs", repeats=2),
    ],
    ids=["adamw", "lbfgs"],
)
def test_a_run_is_the_same_whether_the_vectors_are_in_memory_or_not(learn, h):
    held, stored = learn(h, stored=False), learn(h, stored=True)
    for name in ("history", "repeats"):
        pd.testing.assert_frame_equal(
            getattr(stored, name).drop(columns="seconds"), getattr(held, name).drop(columns="seconds")
        )
    for name in ("split", "images"):
        assert getattr(stored.config, name) == getattr(held.config, name)
    assert stored.facts.repeats == held.facts.repeats
    figures, expected = (plain_values(run.facts.cross_validation.evaluation) for run in (stored, held))
    assert figures["confusion"] == expected["confusion"]
    assert vars(stored.facts.calibration) == pytest.approx(vars(held.facts.calibration), abs=1e-4)
    assert np.allclose(stored.probabilities, held.probabilities, atol=1e-5)
    mine, theirs = load_classifier(stored.folder), load_classifier(held.folder)
    for name, array in vars(theirs.head).items():
        assert np.array_equal(getattr(mine.head, name), array)
    assert np.array_equal(mine.trust.references, theirs.trust.references)


def test_no_part_of_a_training_reads_many_vectors_at_once(learn, read_at_once):
    run = learn(Hyperparameters(epochs=2, learning_rate=1e-2, batch_size=8, repeats=2), stored=True)
    assert run.evaluation.accuracy > 0.5
    assert sum(read_at_once) > 36 * 2
    assert max(read_at_once) <= 5 * 4  # copies of five photos, changed in four ways; references are fewer


def test_what_the_pages_ask_for_is_the_same(learn, dataset, read_at_once):
    held = run_vectors(learn(stored=False)).vectors
    run = learn(stored=True)
    found = run_vectors(run)
    stored = found.vectors
    assert isinstance(held, np.ndarray)
    assert isinstance(stored, StoredVectors)
    read_at_once.clear()
    for one, other in zip(nearest(stored, stored, 5), nearest(held, held, 5), strict=True):
        assert np.allclose(one, other, atol=1e-5)
    index = NeighbourIndex(stored)
    assert index.nearest(stored[3], 4)[1].tolist() == NeighbourIndex(held).nearest(held[3], 4)[1].tolist()
    probabilities = np.full((len(held), 3), 1 / 3)
    tables = [rank_labels(found.labels, probabilities, some, None) for some in (stored, held)]
    pd.testing.assert_frame_equal(*tables)
    assert max(read_at_once) <= 8
    assert np.allclose(project(stored)[0], project(held)[0], atol=1e-4)
    other = evaluate_on(load_classifier(run.folder), dataset)
    assert len(other.predictions) == 36


@pytest.mark.thorough
def test_a_closer_look_finds_the_same(learn):
    held, stored = (review_run(learn(stored=stored).id) for stored in (False, True))
    for name in ("baselines", "labels", "points", "class_points"):
        pd.testing.assert_frame_equal(getattr(stored, name), getattr(held, name))


def test_images_and_their_views_go_through_the_pass_that_is_given(dataset, tiny_backbone):
    numbers: list[int] = []

    def forward_pass(embedder, views):
        for batch in local_pass(embedder, views):
            numbers.extend(view.number for view in batch.views)
            yield batch

    embedder = Embedder(resolve_backbone(tiny_backbone), Device("cpu", "CPU", "fp32"))
    h = Hyperparameters(epochs=3, views=2)
    data = prepare_data(dataset, h, embedder, Task(), forward_pass)
    assert sorted(numbers) == [0] * 36 + [1] * 36
    assert data.views.shape[:2] == (36, 2)
    assert data.computed == len(numbers)
