"""Heads that learn from fewer images than there are."""

import threading
from itertools import pairwise

import numpy as np
import pytest

from vitcore.errors import SettingsError, Stopped
from vitcore.evaluation import class_forecast, forecast
from vitcore.training import Hyperparameters, class_curve_points, learning_curve_points
from vitcore.training import _learning_curve as curve

CLASSES, FOLDS = 3, 5
H = Hyperparameters(epochs=6, batch_size=16)


@pytest.fixture(scope="module")
def images():
    """Vectors (N, 1, D), labels and groups; classes of 30, 60 and 90, some images of one group."""
    random = np.random.default_rng(0)
    labels = random.permutation(np.repeat(np.arange(CLASSES), (30, 60, 90)))
    vectors = random.normal(size=(CLASSES, 24))[labels] + random.normal(0, 2, (180, 24))
    groups = np.arange(180)
    for label in range(CLASSES):
        own = np.flatnonzero(labels == label)
        groups[own[:4]], groups[own[4:7]] = own[0], own[4]
    return vectors[:, None].astype(np.float16), labels, groups


@pytest.fixture
def trained(monkeypatch):
    """The parts that heads were trained on: for each size, those of all folds."""
    calls = []
    fit_heads = curve.fit_heads

    def spy(vectors, labels, parts, **settings):
        calls.append(parts)
        return fit_heads(vectors, labels, parts, **settings)

    monkeypatch.setattr(curve, "fit_heads", spy)
    return calls


def run(function, images, **changes):
    settings = {"classes": CLASSES, "hyperparameters": H, "folds": FOLDS}
    return function(*images, **{**settings, **changes})


def test_the_points_say_what_is_promised(images):
    points = run(learning_curve_points, images)
    assert list(points.columns) == [
        "images",
        "repeat",
        "judged",
        "accuracy",
        "recall_0",
        "recall_1",
        "recall_2",
    ]
    assert points["repeat"].tolist() == 6 * list(range(FOLDS))
    assert (points.groupby("images")["judged"].sum() == 180).all()
    sizes = points["images"].unique()
    assert sizes[0] == pytest.approx(144 / 8, abs=2)
    assert sizes[-1] == pytest.approx(144, abs=2)
    assert np.ptp(np.diff(np.log(sizes))) < 0.2
    recalls = points[["recall_0", "recall_1", "recall_2"]]
    assert recalls.stack().between(0, 1).all()
    mean = points.groupby("images")["accuracy"].mean()
    assert mean.iloc[-1] > mean.iloc[0] + 0.05
    assert not forecast(points, [288], judged=60).too_few_to_say


def test_parts_are_nested_stratified_and_apart_from_what_is_judged(images, trained):
    _, labels, groups = images
    run(learning_curve_points, images)
    assert len(trained) == 6
    whole = np.bincount(labels) / len(labels)
    for number in range(FOLDS):
        learned = [parts[number][0] for parts in trained]
        judged = [parts[number][1] for parts in trained]
        assert all(np.array_equal(part, judged[0]) for part in judged)
        assert not np.isin(groups[learned[-1]], groups[judged[0]]).any()
        for small, large in pairwise(learned):
            assert len(small) < len(large)
            assert np.isin(small, large).all()
        for part in learned:
            assert len(np.unique(part)) == len(part)
            rest = np.setdiff1d(learned[-1], part)
            assert not np.isin(groups[part], groups[rest]).any()
            assert np.bincount(labels[part], minlength=CLASSES) / len(part) == pytest.approx(whole, abs=0.17)
    assert sorted(np.concatenate([judged for _, judged in trained[0]])) == list(range(180))


def test_the_accuracy_is_that_of_the_heads(images):
    points = run(learning_curve_points, images)
    counts = np.array([30, 60, 90])
    largest = points[points["images"] == points["images"].max()]
    right = (largest["accuracy"] * largest["judged"]).sum()
    shares = np.bincount(images[1]) / 180
    by_class = sum(largest[f"recall_{number}"].mean() * share for number, share in enumerate(shares))
    assert right / counts.sum() == pytest.approx(by_class, abs=0.03)


def test_the_seed_decides(images):
    first, again, other = (run(learning_curve_points, images, seed=seed) for seed in (0, 0, 1))
    assert first.equals(again)
    assert not first.equals(other)


def test_sizes_that_groups_make_alike_are_one(images):
    vectors, labels, _ = images
    groups = labels * 10 + np.arange(180) % 10  # ten groups per class, of 3 to 9 images
    points = learning_curve_points(
        vectors, labels, groups, classes=CLASSES, hyperparameters=H, folds=FOLDS, sizes=40
    )
    sizes = points.groupby("images")["repeat"].count()
    assert len(sizes) < 40
    assert (sizes == FOLDS).all()
    assert points["images"].is_monotonic_increasing


def test_a_class_is_thinned_while_the_others_stay(images, trained):
    _, labels, _ = images
    steps = []
    points = run(class_curve_points, images, of=[2, 0], on_size=lambda: steps.append(1))
    assert list(points.columns) == ["class", "images", "repeat", "judged", "recall"]
    assert points["class"].unique().tolist() == [2, 0]
    assert len(trained) == len(steps) == 1 + 2 * 3
    complete = trained[0]
    for label, calls in ((2, trained[1:4]), (0, trained[4:7])):
        own = points[points["class"] == label]
        assert (own.groupby("images")["judged"].sum() == (labels == label).sum()).all()
        sizes = own["images"].unique()
        assert len(sizes) == 4
        assert sizes[0] == pytest.approx(sizes[-1] / 4, abs=3)
        for size, parts in zip(sizes, calls, strict=False):
            kept = [(labels[learned] == label).sum() for learned, _ in parts]
            assert np.mean(kept) == pytest.approx(size, abs=0.5)
            for (learned, judged), (before, judged_before) in zip(parts, complete, strict=True):
                assert np.array_equal(judged, judged_before)
                missing = np.setdiff1d(before, learned)
                assert len(missing) == len(before) - len(learned) > 0
                assert (labels[missing] == label).all()
    recall = points.groupby(["class", "images"])["recall"].mean()
    assert recall[2].iloc[-1] > recall[2].iloc[0]
    assert set(class_forecast(points, 20)["class"]) == {0, 2}


def test_both_curves_end_at_the_same_heads(images):
    both = run(learning_curve_points, images[:2]), run(class_curve_points, images[:2], of=[1])
    last = [points[points["images"] == points["images"].max()] for points in both]
    assert last[1]["images"].iloc[0] == 48
    recalls = last[0]["recall_1"].to_numpy()
    # The order in which a head meets its images differs, so the heads differ slightly.
    assert last[1]["recall"].to_numpy() == pytest.approx(recalls, abs=0.2)


def test_a_fold_without_images_of_a_class_has_no_recall(images):
    vectors, labels, _ = images
    few = np.concatenate([np.flatnonzero(labels == 0)[:3], np.flatnonzero(labels != 0)])
    points = run(class_curve_points, (vectors[few], labels[few]), of=[0])
    assert points["recall"].isna().any()
    assert (points["recall"].isna() == (points["judged"] == 0)).all()


@pytest.mark.parametrize("function", [learning_curve_points, class_curve_points])
def test_too_few_sizes_or_groups_are_refused(function, images):
    with pytest.raises(SettingsError, match="sizes is 1; a curve needs 2 or more"):
        run(function, images, sizes=1)
    vectors, labels, _ = images
    with pytest.raises(SettingsError, match="5 folds need as many different images, and there are 3"):
        run(function, (vectors, labels, labels))


@pytest.mark.parametrize("function", [learning_curve_points, class_curve_points])
def test_stopped_it_has_nothing_to_show(function, images):
    stop = threading.Event()
    with pytest.raises(Stopped):
        run(function, images, stop=stop, on_size=stop.set)
