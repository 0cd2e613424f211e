"""The novelty of the images of a training, with probes for what their distances do not notice."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from vitcore.backbone import Embedder
from vitcore.evaluation import NO_PROBES, Copies, Probes, fit_probes, novelty
from vitcore.features import ImageFile, Pass, embed_images, local_pass
from vitcore.pipeline._material import PerturbedCopies, TrainingData
from vitcore.progress import Task
from vitcore.vectors import Vectors

__all__ = ["embed_copies", "fit_novelty"]

Ints = npt.NDArray[np.int64]

_KINDS = ("turned", "upside_down", "darker", "brighter")
_MOST = 20  # images that are copied, each in all these ways
_SHARE = 5  # groups for each of them
_FEWEST = 4  # of the training part

# Blurred copies are not among them: a strong blur is noticed by the distance (97 % of the photos of clothes
# are "not sure"), and a probe for it doubts small photos too, which are recognised nearly as well as before.


def embed_copies(
    data: TrainingData,
    files: Sequence[ImageFile],
    embedder: Embedder,
    task: Task,
    forward_pass: Pass = local_pass,
) -> PerturbedCopies | None:
    """Embed changed copies of some images, 80 in all at most; None if there are too few images.

    Which images these are is decided by their content, so that trainings with other settings need no others.

    Args:
        data: What is learned from.
        files: Its N images.
        embedder: The backbone.
        task: Where progress is reported, and what stops it.
        forward_pass: What takes the images through the backbone.

    Raises:
        ImageError: An image cannot be read any more.
        Stopped: The task was stopped.
        StorageError: The disk is full or not writable.
    """
    order = np.argsort([file.sha256 for file in files], kind="stable")
    first = np.sort(np.unique(data.groups[order], return_index=True)[1])  # one of each group
    chosen = order[first[: min(_MOST, len(first) // _SHARE)]]
    if len(chosen) < _FEWEST:
        return None
    found = embed_images(
        embedder,
        [files[number] for number in chosen],
        perturbations=_KINDS,
        forward_pass=forward_pass,
        task=task,
    )
    learned = np.isin(chosen, data.train)
    if learned.sum() < _FEWEST:
        return None
    positions = np.searchsorted(data.train, chosen[learned])
    return PerturbedCopies(positions=positions, vectors=found.vectors[learned])


def fit_novelty(
    data: TrainingData, references: Vectors, chosen: Ints
) -> tuple[Probes, npt.NDArray[np.float64]]:
    """Fit the probes, and return them with the novelty of all images, (N,).

    Each image is compared with others than those of its group, and probed by what was fitted without it.

    Args:
        data: What is learned from.
        references: (R, D), training images to compare with.
        chosen: (R,), their positions in the training part.
    """
    train, groups = data.train, data.groups
    found = novelty(data.vectors, references, groups=(groups, groups[train][chosen]))
    if data.copies is None:
        return NO_PROBES, found
    own, vectors = data.copies.positions, np.asarray(data.copies.vectors)  # (S,), (S, K, D)
    kinds = vectors.shape[1]
    distances = novelty(
        vectors.reshape(-1, vectors.shape[2]),
        references,
        groups=(np.repeat(groups[train][own], kinds), groups[train][chosen]),
    )
    probes, found[train] = fit_probes(
        data.vectors[train],
        found[train],
        groups[train],
        Copies(positions=own, vectors=vectors, distances=distances.reshape(-1, kinds)),
        seed=data.hyperparameters.seed,
    )
    rest = np.setdiff1d(np.arange(len(found)), train)
    found[rest] = probes.novelty(data.vectors[rest], found[rest])
    return probes, found
