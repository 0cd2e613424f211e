"""Labels by a machine neither teach nor judge."""

import numpy as np
import pandas as pd
import pytest

from vitcore.compute import Compute
from vitcore.dataset import MACHINE, Dataset, LabelSource, import_dataset, label_images
from vitcore.errors import DatasetError
from vitcore.layouts import Reading
from vitcore.pipeline import review_run, train
from vitcore.training import Hyperparameters

SHORT = Hyperparameters(epochs=2, learning_rate=1e-2)


@pytest.fixture
def half_labelled(picture_folder) -> Dataset:
    """Photos of three kinds, of which the first half has labels."""
    folder = picture_folder(count=10)
    for photo in folder.glob("*/00[5-9].png"):
        photo.rename(folder / f"{photo.parent.name}-{photo.name}")
    return import_dataset(folder, reading=Reading(unlabelled=True))


def test_wrong_labels_of_a_machine_change_no_figure(half_labelled, tiny_backbone):
    rows = half_labelled.unlabelled
    right = dict(zip(rows["image_id"], rows["name"].str.partition("-")[0], strict=True))
    others = {"blue": "red", "red": "green", "green": "blue"}
    wrong = {image_id: others[label] for image_id, label in right.items()}
    runs, labels = [], []
    dataset = half_labelled
    for given in (right, wrong):
        dataset = label_images(dataset, given, source=LabelSource(by=MACHINE))
        assert len(dataset.machine_labelled) == 15
        runs.append(train(dataset, SHORT, compute=Compute(backbone=tiny_backbone)))
        labels.append(review_run(runs[-1].id).labels)
    one, other = runs
    assert one.config.images.train + one.config.images.validation == 15
    assert one.headline == other.headline
    assert one.headline.images == 15
    np.testing.assert_array_equal(one.probabilities, other.probabilities)
    pd.testing.assert_frame_equal(one.predictions, other.predictions)
    pd.testing.assert_frame_equal(*labels)


def test_a_set_without_any_label_cannot_be_learned_from(picture_folder, tiny_backbone):
    folder = picture_folder(classes=("DCIM",), count=4)
    dataset = import_dataset(folder, reading=Reading(unlabelled=True))
    with pytest.raises(DatasetError, match="0 class"):
        train(dataset, SHORT, compute=Compute(backbone=tiny_backbone))
