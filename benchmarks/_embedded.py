"""The embeddings of whole datasets, for benchmarks that train heads on them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks._setting import Setting
from vitcore.audit import near_duplicate_groups
from vitcore.dataset import Dataset
from vitcore.features import embed_images, image_files
from vitcore.workspace import Workspace

__all__ = ["EmbeddedSet", "embedded", "embedded_sets"]


@dataclass(frozen=True, eq=False, kw_only=True)
class EmbeddedSet:
    """A dataset, embedded.

    Attributes:
        name: ``digits`` or ``photos``.
        vectors: (N, D).
        labels: (N,), class numbers.
        groups: (N,), the same number for near-duplicates.
        classes: Number of classes C.
    """

    name: str
    vectors: npt.NDArray[np.float16]
    labels: npt.NDArray[np.int64]
    groups: npt.NDArray[np.int64]
    classes: int


def embedded_sets(setting: Setting) -> Iterator[EmbeddedSet]:
    """The sample set, and the photos if there are any.

    Raises:
        MissingData: There are no photos where they are said to be.
    """
    yield embedded(setting, "digits", *setting.sample_dataset())
    if setting.photos is None:
        setting.say("  digits only; for photos, give --photos PATH or set VITCORE_PHOTOS")
    else:
        yield embedded(setting, "photos", *setting.photo_dataset())


def embedded(setting: Setting, name: str, dataset: Dataset, workspace: Workspace) -> EmbeddedSet:
    """A dataset with its embeddings; those that the workspace has are not computed again."""
    embedder, rows = setting.embedder(workspace), dataset.index
    vectors = embed_images(embedder, image_files(dataset, rows)).vectors[:, 0]
    return EmbeddedSet(
        name=name,
        vectors=vectors,
        labels=np.array([dataset.classes.index(label) for label in rows["label"]]),
        groups=near_duplicate_groups(dataset, rows, vectors, fingerprint=embedder.fingerprint),
        classes=len(dataset.classes),
    )
