"""Two runs on the validation images that they share."""

import numpy as np
import pytest

from vitcore.compute import Compute
from vitcore.dataset import delete_class, import_dataset
from vitcore.pipeline import compare_runs, train
from vitcore.training import Hyperparameters


@pytest.fixture
def dataset(picture_folder):
    return import_dataset(picture_folder(count=14))


@pytest.fixture
def learn(dataset, tiny_backbone):
    def work(data=dataset, **changes):
        h = Hyperparameters(**{"epochs": 1, "learning_rate": 1e-4, "validation_fraction": 0.5, **changes})
        return train(data, h, compute=Compute(tiny_backbone, device="cpu"))

    return work


def test_they_are_compared_image_by_image(learn):
    first, second = learn(), learn(epochs=20, learning_rate=1e-2)
    found = compare_runs(first, second)
    assert len(found.rows) == len(first.predictions)
    assert (found.relabelled, found.comparison.images) == (0, len(found.rows))
    right = found.rows["first"] == found.rows["true"]
    also = found.rows["second"] == found.rows["true"]
    assert found.first.accuracy == pytest.approx(right.mean()) == pytest.approx(first.evaluation.accuracy)
    assert found.second.accuracy == pytest.approx(also.mean()) == pytest.approx(second.evaluation.accuracy)
    expected = np.select([right & ~also, ~right & also, ~right & ~also], ["first", "second", "neither"], "")
    assert found.rows["only"].tolist() == expected.tolist()
    assert found.comparison.only_first == (expected == "first").sum()


def test_the_one_may_know_fewer_classes(learn, dataset):
    first, second = learn(), learn(delete_class(dataset, "red"))
    found = compare_runs(first, second)
    if found is not None:
        assert found.second.classes == ("blue", "green", "red")
        assert "red" not in set(found.rows["true"])


def test_images_of_another_class_by_now_are_left_out_and_none_may_be_left(learn):
    first, second = learn(), learn(epochs=2)
    relabelled = second.predictions
    relabelled.loc[:1, "true"] = "other"
    assert compare_runs(first, second).relabelled == 2
    relabelled["sha256"] = "0" * 64
    assert compare_runs(first, second) is None
