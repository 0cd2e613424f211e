"""The training data of heads: images, embedded, with near-duplicates on one side of the split."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from vitcore.audit import near_duplicate_groups
from vitcore.backbone import Embedder
from vitcore.dataset import Dataset, KeptSplit, divide, split_index
from vitcore.features import Pass, embed_images, image_files, local_pass
from vitcore.pipeline._provisional import first_look
from vitcore.progress import Task
from vitcore.training import Hyperparameters
from vitcore.vectors import Vectors

__all__ = [
    "PerturbedCopies",
    "TestPart",
    "TrainingData",
    "check_division",
    "class_numbers",
    "embed_test_part",
    "prepare_data",
]


@dataclass(frozen=True, eq=False, kw_only=True)
class PerturbedCopies:
    """Copies of some training images, changed on purpose: not to learn from, but to learn to doubt.

    Attributes:
        positions: (S,), which images, among those of the training part.
        vectors: (S, K, D), changed in K ways.
    """

    positions: npt.NDArray[np.int64]
    vectors: Vectors


@dataclass(frozen=True, eq=False, kw_only=True)
class TrainingData:
    """The data that heads are trained on and judged by; of many images, the embeddings stay on the disk.

    Attributes:
        hyperparameters: The settings, which decided the division.
        classes: C names.
        device: Name of the device that computes.
        rows: Of the dataset's index: the N images of the training and the validation part.
        truth: (N,), class numbers.
        groups: (N,), the same number for near-duplicates and for images of one group of the dataset.
        train: Positions of the training images.
        validation: Positions of the validation images.
        vectors: (N, D), of the images themselves.
        views: (N, V, D), the first view being the image itself.
        redrawn: True if the record of an earlier division is damaged, so that all images were divided anew.
        computed: Number of forward passes that were needed.
        computing_s: Seconds they took.
        copies: Changed copies of some training images; None where nothing is to be doubted, or of too few.
    """

    hyperparameters: Hyperparameters
    classes: tuple[str, ...]
    device: str
    rows: pd.DataFrame
    truth: npt.NDArray[np.int64]
    groups: npt.NDArray[np.int64]
    train: npt.NDArray[np.int64]
    validation: npt.NDArray[np.int64]
    vectors: Vectors
    views: Vectors
    redrawn: bool
    computed: int
    computing_s: float
    copies: PerturbedCopies | None = None

    @property
    def training(self) -> Vectors:
        """Embeddings of the training images with their variants: (training images, V, D)."""
        vectors: Vectors = self.views[self.train]
        return vectors

    @property
    def training_truth(self) -> npt.NDArray[np.int64]:
        """Class numbers of the training images: (training images,)."""
        return self.truth[self.train]

    @property
    def validation_truth(self) -> npt.NDArray[np.int64]:
        """Class numbers of the validation images: (validation images,)."""
        return self.truth[self.validation]

    @property
    def validation_vectors(self) -> Vectors:
        """Embeddings of the validation images: (validation images, D)."""
        vectors: Vectors = self.vectors[self.validation]
        return vectors

    @property
    def leaked(self) -> npt.NDArray[np.bool_]:
        """Validation images with a near-duplicate among the training images: (validation images,)."""
        return np.isin(self.groups[self.validation], self.groups[self.train])

    @property
    def images_per_second(self) -> float:
        """Forward passes per second, 0 if there were none."""
        return self.computed / self.computing_s if self.computed else 0.0


def check_division(dataset: Dataset, h: Hyperparameters) -> pd.DataFrame:
    """The rows to learn from and to be judged on.

    Raises:
        DatasetError: Too small even if all its images are different; refused before anything is made.
    """
    split = split_index(dataset.index, validation_fraction=h.validation_fraction, seed=h.seed)
    return dataset.index[split.isin(["train", "validation"])]


def prepare_data(
    dataset: Dataset,
    h: Hyperparameters,
    embedder: Embedder,
    task: Task,
    forward_pass: Pass = local_pass,
    judging: Collection[int] | None = None,
) -> TrainingData:
    """Embed the images, find near-duplicates in the embeddings, and divide the images by them.

    An image that was divided before keeps its side: see `vitcore.dataset.divide`.

    Args:
        dataset: What to learn from.
        h: The settings, which decide the split and how many views there are.
        embedder: The backbone.
        task: Where progress is reported, and what stops it.
        forward_pass: What takes the images through the backbone.
        judging: Ids of the validation images of a training that goes on; as kept with the dataset, or
            drawn, if not given.

    Raises:
        DatasetError: Too few classes or images, counting near-duplicates as one.
        ImageError: An image cannot be read any more.
        Stopped: The task was stopped.
        StorageError: The disk is full or not writable.
    """
    rows = check_division(dataset, h)
    files = image_files(dataset, rows)
    early = first_look(rows, task, seed=h.seed)
    plain = embed_images(embedder, files, forward_pass=forward_pass, first_look=early, task=task)
    vectors = plain.vectors[:, 0]  # (N, 1, D) -> (N, D)
    groups = near_duplicate_groups(dataset, rows, vectors, fingerprint=embedder.fingerprint, task=task)
    if judging is None:
        split = divide(dataset, rows, validation_fraction=h.validation_fraction, seed=h.seed, groups=groups)
    else:
        split = KeptSplit(rows["image_id"].isin(judging).map({True: "validation", False: "train"}))
    train_rows, validation_rows = (np.flatnonzero(split.parts == part) for part in ("train", "validation"))
    views, computed, seconds = plain.vectors, plain.computed, plain.seconds
    if h.views > 1:
        varied = embed_images(
            embedder,
            files,
            views=h.views,
            augmentations=h.augmentations,
            forward_pass=forward_pass,
            task=task,
        )
        views, computed, seconds = varied.vectors, computed + varied.computed, seconds + varied.seconds
    return TrainingData(
        hyperparameters=h,
        classes=tuple(dataset.classes),
        device=embedder.device.name,
        rows=rows,
        truth=class_numbers(rows["label"], dataset.classes),
        groups=groups,
        train=train_rows,
        validation=validation_rows,
        vectors=vectors,
        views=views,
        redrawn=split.redrawn,
        computed=computed,
        computing_s=seconds,
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class TestPart:
    """The images that judge a classifier once, and that no choice sees.

    Attributes:
        rows: Of the dataset's index, T.
        truth: (T,), class numbers.
        vectors: (T, D).
        groups: (T,), as in `TrainingData`.
        leaked: (T,), which of them have a near-duplicate, or another image of their group, among the rest.
    """

    __test__ = False  # pytest takes what is called so for a test

    rows: pd.DataFrame
    truth: npt.NDArray[np.int64]
    vectors: Vectors
    groups: npt.NDArray[np.int64]
    leaked: npt.NDArray[np.bool_]


def embed_test_part(
    dataset: Dataset,
    data: TrainingData,
    embedder: Embedder,
    task: Task,
    forward_pass: Pass = local_pass,
) -> TestPart | None:
    """Embed the test part of a dataset; None if it has none.

    Args:
        dataset: As for `prepare_data`, whose result does not depend on the test part.
        data: What `prepare_data` gave.
        embedder: The backbone.
        task: Where progress is reported, and what stops it.
        forward_pass: What takes the images through the backbone.

    Raises:
        ImageError: An image cannot be read any more.
        Stopped: The task was stopped.
        StorageError: The disk is full or not writable.
    """
    rows = dataset.index[dataset.index["split"] == "test"]
    if rows.empty:
        return None
    found = embed_images(embedder, image_files(dataset, rows), forward_pass=forward_pass, task=task)
    vectors = found.vectors[:, 0]  # (T, 1, D) -> (T, D)
    together = pd.concat([data.rows, rows])
    both = np.concatenate([np.asarray(data.vectors), np.asarray(vectors)])
    groups = near_duplicate_groups(dataset, together, both, fingerprint=embedder.fingerprint, task=task)
    return TestPart(
        rows=rows,
        truth=class_numbers(rows["label"], dataset.classes),
        vectors=vectors,
        groups=groups[len(data.rows) :],
        leaked=np.isin(groups[len(data.rows) :], groups[: len(data.rows)]),
    )


def class_numbers(labels: pd.Series, classes: Sequence[str]) -> npt.NDArray[np.int64]:
    """The positions of labels among the classes, (N,)."""
    numbers = {label: number for number, label in enumerate(classes)}
    return np.array([numbers[label] for label in labels], dtype=np.int64)
