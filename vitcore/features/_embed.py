"""The vectors of images, of which only those that are not stored yet are computed."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from vitcore.backbone import Embedder, keep_speed
from vitcore.dataset import USUAL_AUGMENTATIONS, Dataset
from vitcore.errors import ImageError, Stopped
from vitcore.features._pass import EmbeddedBatch, ImageView, Pass, local_pass
from vitcore.features._store import FeatureStore
from vitcore.messages import counted
from vitcore.progress import Progress, Task
from vitcore.vectors import Vectors

__all__ = ["Embeddings", "FirstLook", "ImageFile", "embed_images", "image_files"]

_MOST_UNWRITTEN = 2  # batches of a GPU


@dataclass(frozen=True)
class ImageFile:
    """An image file and the SHA-256 of its content."""

    path: Path
    sha256: str


@dataclass(frozen=True, eq=False)
class Embeddings:
    """The vectors of some images and what they cost.

    Attributes:
        vectors: float16 (N, V, D): images, views, dimensions. Many are `StoredVectors`, still on the disk.
        computed: Number of forward passes that were needed; 0 when all vectors were in the store.
        seconds: Time spent on those.
    """

    vectors: Vectors
    computed: int
    seconds: float

    @property
    def images_per_second(self) -> float:
        """Forward passes per second, 0 if there were none."""
        return self.computed / self.seconds if self.computed else 0.0


@dataclass(frozen=True, eq=False, kw_only=True)
class FirstLook:
    """A look at the first vectors while the others are still computed.

    Attributes:
        order: (N,), the positions of all images in the order in which they are computed.
        sizes: After how many images to look, ascending; not at all at sizes that are there from the start.
        look: Called with float16 (size, D), the vectors of ``order[:size]``.
    """

    order: npt.NDArray[np.int64]
    sizes: Sequence[int]
    look: Callable[[Vectors], None]


def image_files(dataset: Dataset, rows: pd.DataFrame) -> list[ImageFile]:
    """The images of some rows of a dataset's index."""
    return [
        ImageFile(dataset.path(file), sha256)
        for file, sha256 in zip(rows["file"], rows["sha256"], strict=True)
    ]


def embed_images(
    embedder: Embedder,
    images: Sequence[ImageFile],
    *,
    views: int = 1,
    augmentations: Sequence[str] = USUAL_AUGMENTATIONS,
    perturbations: Sequence[str] = (),
    forward_pass: Pass = local_pass,
    first_look: FirstLook | None = None,
    task: Task | None = None,
) -> Embeddings:
    """The embeddings of images, computing only those that are not in the embedder's workspace yet.

    Threads decode ahead while the backbone works, and another one writes what it made.

    Args:
        embedder: The frozen backbone.
        images: Which images.
        views: Variants per image (`vitcore.dataset.make_view`); the first is the image itself.
        augmentations: What the other views vary.
        perturbations: Instead of variants, each image changed in these ways, of
            `vitcore.dataset.PERTURBATIONS`.
        forward_pass: What takes them through the backbone.
        first_look: The order of the images, and who looks at the first of them meanwhile; without
            variants only.
        task: Where progress is reported, and what stops it; what was computed stays stored.

    Raises:
        ImageError: An image cannot be decoded any more.
        Stopped: The task was stopped.
    """
    task, store = task or Task(), FeatureStore.of(embedder)
    kinds = _views(views, augmentations, perturbations)
    view_keys = [ImageView(source=Path(), **kind).key for kind in kinds]
    keys = [(image.sha256, key) for image in images for key in view_keys]
    rows = store.intact(keys)
    if damaged := len({keys[number] for number in np.flatnonzero(rows == -2).tolist()}):
        task.report(
            Progress(
                phase="embed",
                message=counted(
                    "{count} stored embedding is damaged, and computed again.",
                    "{count} stored embeddings are damaged, and computed again.",
                    damaged,
                ),
            )
        )
    lacking = np.flatnonzero(rows < 0)
    if first_look is not None:
        lacking = lacking[np.argsort(np.argsort(first_look.order)[lacking])]
    # One view per key that is missing, also when several images have the same content.
    missing = {
        keys[number]: ImageView(
            source=images[number // len(kinds)].path,
            sha256=images[number // len(kinds)].sha256,
            **kinds[number % len(kinds)],
        )
        for number in lacking.tolist()
    }
    seconds = 0.0
    if missing:
        finished = len(set(keys)) - len(missing)
        meter = task.meter("embed", len(set(keys)), done=finished)
        unwritten = _MOST_UNWRITTEN if embedder.device.name == "cuda" else 0
        looks = None if first_look is None else _Looks(first_look, store, keys, list(missing))

        def written(count: int) -> None:
            meter.add(count)
            if looks is not None:
                looks.count(count)

        with (
            closing(forward_pass(embedder, missing.values())) as batches,
            _writing(store, written, unwritten) as write,
        ):
            for batch in _until(task, batches):
                write(batch)
                for place, refusal in batch.refused.items():
                    raise ImageError(
                        "{file} can no longer be read ({error}); import the dataset again.",
                        file=batch.views[place].name,
                        error=refusal.reason,
                    )
        seconds = meter.elapsed_s
        if forward_pass is local_pass:  # others use other machines
            keep_speed(
                embedder.workspace, embedder.backbone, embedder.device, images=len(missing), seconds=seconds
            )
        rows = store.rows(keys)
    return Embeddings(store.vectors(rows.reshape(len(images), len(kinds))), len(missing), seconds)


class _Looks:
    """Counts what has been stored, and looks as soon as there is enough."""

    def __init__(
        self, first_look: FirstLook, store: FeatureStore, keys: list[tuple[str, str]], missing: list[Any]
    ) -> None:
        self._look, self._store, self._keys = first_look, store, keys
        places = {keys[number]: place for place, number in reversed(list(enumerate(first_look.order)))}
        # After so many that were missing, all images before this place are there.
        self._reach = [*sorted(places[key] for key in missing), len(keys)]
        self._sizes = [size for size in first_look.sizes if size > self._reach[0]]
        self._stored = 0

    def count(self, images: int) -> None:
        """Count images that have just been stored."""
        self._stored += images
        while self._sizes and self._sizes[0] <= self._reach[self._stored]:
            size = self._sizes.pop(0)
            if self._sizes and self._sizes[0] <= self._reach[self._stored]:
                continue  # a batch may be larger than a step
            first = self._look.order[:size].tolist()
            rows = self._store.rows([self._keys[number] for number in first])
            self._look.look(self._store.vectors(rows))


def _views(views: int, augmentations: Sequence[str], perturbations: Sequence[str]) -> list[dict[str, Any]]:
    """What each image is seen as."""
    if perturbations:
        return [{"perturbation": name} for name in perturbations]
    return [{"number": number, "augmentations": tuple(augmentations)} for number in range(views)]


def _until(task: Task, batches: Iterator[EmbeddedBatch]) -> Iterator[EmbeddedBatch]:
    """Batches for as long as nobody asks to stop."""
    while True:
        if task.stopped:
            raise Stopped("The embedding was stopped; what was computed is kept.")
        task.give_way()
        batch = next(batches, None)
        if batch is None:
            return
        yield batch


@contextmanager
def _writing(
    store: FeatureStore, written: Callable[[int], None], most: int
) -> Iterator[Callable[[EmbeddedBatch], None]]:
    """A thread that writes batches into a store, and counts the images that are safe there.

    The disk takes a moment to confirm each, in which a GPU computes the next. A CPU takes far longer to
    compute one: there nothing is gained by not waiting, and no more than the batch at work can be lost.

    Args:
        store: Where to.
        written: Called with the number of images of each batch when it is written.
        most: Batches that may wait to be written.
    """
    unwritten: deque[tuple[Future[None], int]] = deque()

    def settle(most: int) -> None:
        while len(unwritten) > most:
            future, images = unwritten.popleft()
            future.result()
            written(images)

    def write(batch: EmbeddedBatch) -> None:
        keys = [(view.sha256, view.key) for view in batch.good]
        unwritten.append((pool.submit(store.write, keys, batch.vectors), len(keys)))
        settle(most)

    with ThreadPoolExecutor(1, thread_name_prefix="vitcore-store") as pool:
        try:
            yield write
        finally:
            settle(0)  # all that was computed, whatever ended it
