"""Predicting the class of new images."""

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from vitcore.backbone import Embedder
from vitcore.errors import ImageError
from vitcore.features import ImageView, Pass, Unreadable, local_pass, open_image
from vitcore.inference._trust import Trust
from vitcore.messages import message
from vitcore.training import Head

__all__ = ["Classifier", "ImageSource", "Prediction"]

ImageSource = str | Path | bytes
"""An image: the path of its file, or the bytes of one."""

_Source = TypeVar("_Source", bound=ImageSource)


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """The most probable class of an image, and the others.

    Attributes:
        label: The most probable class.
        confidence: Its probability, 0 … 1.
        sure: Whether it is beyond the doubt that is tolerated.
        reason: Why it is not: ``ambiguous``, several classes are possible; ``novel``, it is unlike all that
            was learned from; empty if it is sure.
        possible: The classes among which the truth is; the label alone if it is no close call.
        probabilities: Of every class, most probable first.
        novelty: How unlike the images that were learned from, 0 … 2 (`vitcore.evaluation.novelty`).
    """

    label: str
    confidence: float
    sure: bool
    reason: str
    possible: tuple[str, ...]
    probabilities: dict[str, float]
    novelty: float


class Classifier:
    """A frozen backbone with a trained head.

    Args:
        head: The trained output layer, C classes.
        embedder: The backbone it was trained on.
        classes: C names.
        trust: How far its answers can be trusted.
    """

    def __init__(self, head: Head, embedder: Embedder, classes: tuple[str, ...], trust: Trust) -> None:
        self.head = head
        self.embedder = embedder
        self.classes = classes
        self.trust = trust

    def predict(self, images: Iterable[ImageSource]) -> list[Prediction]:
        """The prediction of each image, in order.

        Raises:
            ImageError: One of them cannot be decoded; `predict_each` goes on instead.
        """
        predictions = []
        for source, result in self.predict_each(images):
            if isinstance(result, Unreadable):
                name = message("An image") if isinstance(source, bytes) else str(source)
                raise ImageError("{name} cannot be predicted: {reason}.", name=name, reason=result.reason)
            predictions.append(result)
        return predictions

    def predict_each(
        self, images: Iterable[_Source], *, forward_pass: Pass = local_pass
    ) -> Generator[tuple[_Source, Prediction | Unreadable]]:
        """Each image with its prediction, or with the reason why there is none, in order.

        Takes a few batches ahead from `images` and no more: any number of images fits in memory. When it is
        closed or interrupted, images that wait to be decoded are let go of.

        Args:
            images: What to predict.
            forward_pass: What takes them through the backbone.
        """
        asked: deque[_Source] = deque()

        def views() -> Iterator[ImageView]:
            for source in images:
                asked.append(source)
                yield ImageView(source=_file(source))

        with closing(forward_pass(self.embedder, views())) as batches:
            for batch in batches:
                predictions = iter(self.from_embeddings(batch.vectors) if len(batch.vectors) else ())
                for place in range(len(batch.views)):
                    yield asked.popleft(), batch.refused.get(place) or next(predictions)

    def from_embeddings(self, embeddings: npt.NDArray[np.floating]) -> list[Prediction]:
        """Predictions from vectors of this classifier's embedder: (N, D)."""
        # Rounded as in the store, so that an image gets here the very answer it got in training.
        stored = embeddings.astype(np.float16)
        probabilities = self.trust.probabilities(self.head.logits(stored))
        distances = self.trust.distances(stored)
        verdicts = self.trust.verdicts(probabilities, distances)
        order = np.argsort(-probabilities, axis=1, kind="stable")
        return [
            Prediction(
                label=self.classes[ranked[0]],
                confidence=float(row[ranked[0]]),
                sure=bool(sure),
                reason=str(reason),
                possible=tuple(self.classes[number] for number in ranked if possible[number]),
                probabilities={self.classes[number]: float(row[number]) for number in ranked},
                novelty=float(distance),
            )
            for row, ranked, sure, reason, possible, distance in zip(
                probabilities,
                order,
                verdicts.sure,
                verdicts.reason,
                verdicts.sets,
                distances,
                strict=True,
            )
        ]

    def load(self, source: ImageSource) -> Image.Image:
        """The image upright, in mode RGB; a large JPEG is reduced, as `load_image` says.

        Raises:
            ImageError: It cannot be opened or decoded; the message does not name it.
        """
        return open_image(self.embedder, _file(source))


def _file(source: ImageSource) -> Path | bytes:
    return Path(source) if isinstance(source, str) else source
