"""The pass through a frozen backbone: decoding, resizing and computing at the same time."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from vitcore.backbone import Embedder
from vitcore.dataset import load_image, make_view, perturb, perturbation_key, view_key
from vitcore.errors import ImageError
from vitcore.messages import Message, message

__all__ = [
    "EmbeddedBatch",
    "ImageView",
    "Pass",
    "Unreadable",
    "embed_batch",
    "load_pixels",
    "local_pass",
    "open_image",
]

_AHEAD = 3  # batches that are decoded or wait to be, counting the one at work


@dataclass(frozen=True)
class Unreadable:
    """Why nothing could be made of an image."""

    reason: Message


@dataclass(frozen=True, kw_only=True)
class ImageView:
    """An image as the backbone is to see it.

    Attributes:
        source: Its file, or the bytes of one.
        sha256: Digest of the file, which decides what a variant or a change looks like; not needed for
            number 0.
        number: Which variant (`vitcore.dataset.make_view`).
        augmentations: What the variants vary.
        perturbation: Instead of a variant, the image changed in this way (`vitcore.dataset.PERTURBATIONS`).
    """

    source: Path | bytes
    sha256: str = ""
    number: int = 0
    augmentations: tuple[str, ...] = ()
    perturbation: str = ""

    @property
    def key(self) -> str:
        """Name under which its vector is stored."""
        return (
            perturbation_key(self.perturbation)
            if self.perturbation
            else view_key(self.number, self.augmentations)
        )

    @property
    def name(self) -> str | Message:
        """Its name in a message."""
        return message("An image") if isinstance(self.source, bytes) else str(self.source)


@dataclass(frozen=True, kw_only=True, eq=False)
class EmbeddedBatch:
    """Some views, and what became of them.

    Attributes:
        views: In the order in which they were asked for.
        vectors: float32 (views that could be read, D), in the same order.
        refused: Why the others could not be read, by their place among the views.
    """

    views: list[ImageView]
    vectors: npt.NDArray[np.float32]
    refused: Mapping[int, Unreadable]

    @property
    def good(self) -> list[ImageView]:
        """Those that have a vector, in order."""
        return [view for place, view in enumerate(self.views) if place not in self.refused]


class Pass(Protocol):
    """Something that takes images through a backbone."""

    def __call__(self, embedder: Embedder, views: Iterable[ImageView]) -> Generator[EmbeddedBatch]:
        """The views in order, in batches; closing it lets go of what is still to be done.

        Args:
            embedder: The backbone.
            views: Any number of them; only some batches are asked for ahead.
        """


def local_pass(embedder: Embedder, views: Iterable[ImageView]) -> Generator[EmbeddedBatch]:
    """Views through the backbone on this machine: threads decode ahead while it works.

    On CUDA the next batch is handed over before the result of the last one is fetched, so that the GPU
    has no time to be idle.
    """
    workers = min(16, os.cpu_count() or 1)
    handed_over = 1 if embedder.device.name == "cuda" else 0
    waiting = iter(views)
    ahead: deque[tuple[ImageView, Future[npt.NDArray[np.uint8] | Unreadable]]] = deque()
    at_work: deque[Callable[[], EmbeddedBatch]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="vitcore-decode") as pool:
        try:
            while True:
                size = embedder.batch_size
                for view in islice(waiting, max(0, _AHEAD * size - len(ahead))):
                    ahead.append((view, pool.submit(load_pixels, embedder, view)))
                taken = [ahead.popleft() for _ in range(min(size, len(ahead)))]
                if taken:
                    seen = [future.result() for _, future in taken]
                    at_work.append(start_batch(embedder, [view for view, _ in taken], seen))
                if not at_work:
                    return
                if len(at_work) > handed_over or not taken:
                    yield at_work.popleft()()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def load_pixels(embedder: Embedder, view: ImageView) -> npt.NDArray[np.uint8] | Unreadable:
    """Return a view as the backbone sees it, uint8 (S, S, 3), or the reason that there is none."""
    try:
        image = open_image(embedder, view.source)
    except ImageError as error:
        return Unreadable(error.message)
    if view.perturbation:
        return embedder.prepare(perturb(image, view.sha256, view.perturbation))
    return embedder.prepare(make_view(image, view.sha256, view.number, view.augmentations))


def open_image(embedder: Embedder, source: Path | bytes) -> Image.Image:
    """An image upright, in mode RGB, and as large as a backbone needs it (`vitcore.dataset.load_image`).

    Raises:
        ImageError: It cannot be opened or decoded; the message does not name it.
    """
    try:
        return load_image(source, at_least=embedder.input_size)
    except (OSError, ValueError) as error:  # a name with a NUL is a ValueError
        raise ImageError("cannot be opened ({reason})", reason=error) from error


def embed_batch(
    embedder: Embedder, views: list[ImageView], seen: list[npt.NDArray[np.uint8] | Unreadable]
) -> EmbeddedBatch:
    """Views with their vectors, from what the backbone sees of each."""
    return start_batch(embedder, views, seen)()


def start_batch(
    embedder: Embedder, views: list[ImageView], seen: list[npt.NDArray[np.uint8] | Unreadable]
) -> Callable[[], EmbeddedBatch]:
    """Begin to make a batch, as `Embedder.start` does, and return what waits for it."""
    refused = {place: result for place, result in enumerate(seen) if isinstance(result, Unreadable)}
    pixels = [result for result in seen if not isinstance(result, Unreadable)]
    if not pixels:
        nothing = np.empty((0, embedder.dimension), dtype=np.float32)
        return lambda: EmbeddedBatch(views=views, vectors=nothing, refused=refused)
    pending = embedder.start(np.stack(pixels))
    return lambda: EmbeddedBatch(views=views, vectors=pending(), refused=refused)
