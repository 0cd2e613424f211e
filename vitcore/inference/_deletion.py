"""The deletion test: do the maps of a classifier show the patches that its answers depend on?

Patches are taken out of an image in the order of their scores, and the probability of its class is watched:
the deletion metric of V. Petsiuk, A. Das and K. Saenko, "RISE: randomized input sampling for explanation of
black-box models", 2018. By itself it also punishes what no map can help, a classifier that minds any damage,
so here the same number of patches taken at random stands beside it.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt

from vitcore.errors import InputError
from vitcore.inference._classifier import Classifier, ImageSource
from vitcore.inference._explain import explain
from vitcore.records import Figure, array

__all__ = ["DELETED", "Deletion", "deletion_test"]

DELETED = (0.1, 0.2, 0.4, 0.7)
"""Shares of the patches that are taken out."""

Floats = npt.NDArray[np.float64]
Stored = Annotated[Floats, array("float64")]


@dataclass(frozen=True, eq=False, kw_only=True)
class Deletion:
    """The fall of the probability of the predicted class as patches are taken out, mean of N images.

    Attributes:
        shares: (K,), of the patches that are taken out: 0, `DELETED`, 1.
        top: (K,), probability, 0 … 1, without the patches that speak for the class most.
        random: (K,), the same without as many patches drawn at random.
        area: Between the two curves, −1 … 1: above 0 if the map is better than chance.
        low: Lower end of its 95 % interval; NaN for a single image.
        high: Upper end.
        images: N.
    """

    shares: Stored
    top: Stored
    random: Stored
    area: float
    low: Figure
    high: Figure
    images: int

    def __post_init__(self) -> None:
        """Refuse curves that are none.

        Raises:
            InputError: They are not of one length.
        """
        if not 0 < len(self.shares) == len(self.top) == len(self.random):
            raise InputError("The curves are not of one length.")

    @property
    def reliable(self) -> bool:
        """True if the maps are significantly better than chance."""
        return self.low > 0


def deletion_test(classifier: Classifier, images: Iterable[ImageSource], *, seed: int = 0) -> Deletion:
    """Take patches out of images to see whether those count that the maps say count.

    A patch is taken out by giving it the mean colour of its image. Blurring leaves the rough shape in its
    place, by which it is still recognised: blurred as a whole, photos of clothes keep a probability of 26 %
    of their class, in one colour 17 %. Black or grey would be a new object in many photos.

    Takes ten forward passes per image. Progress and stopping are the business of the iterable that is given.

    Args:
        classifier: Whose maps to judge.
        images: As for `Classifier.predict`; not those it learned from, of whose classes it is too sure.
        seed: Of the patches that are drawn.

    Raises:
        ImageError: One of them cannot be opened or decoded; the message does not name it.
        InputError: There are none, or the backbone makes no maps.
    """
    random = np.random.default_rng(seed)
    curves = np.array([_curves(classifier, image, random) for image in images])  # (N, 2, K)
    if not len(curves):
        raise InputError("There are no images to test the maps with; give some.")
    shares = np.array([0.0, *DELETED, 1.0])
    areas = np.trapezoid(curves[:, 1] - curves[:, 0], shares)  # (N, K) -> (N,)
    top, by_chance = curves.mean(axis=0)
    low, high = _interval(areas)
    return Deletion(
        shares=shares,
        top=top,
        random=by_chance,
        area=float(areas.mean()),
        low=low,
        high=high,
        images=len(areas),
    )


def _curves(classifier: Classifier, image: ImageSource, random: np.random.Generator) -> Floats:
    """Probability of the predicted class without the top patches, and without random ones: (2, K)."""
    explanation = explain(classifier, image)
    if not explanation.patches.size:
        raise InputError("There is no map to test: this backbone pools the parts of a photo by attention.")
    number = int(explanation.logits.argmax())
    scores = explanation.patches[number]  # (rows, columns)
    pixels = classifier.embedder.prepare(classifier.load(image))
    counts = [round(share * scores.size) for share in DELETED]
    orders = np.argsort(-scores, axis=None), random.permutation(scores.size)
    gone = [order[:count] for order in orders for count in counts]
    damaged = np.stack([pixels] * (len(gone) + 1))
    for seen in classifier.embedder.squares(damaged):
        for place, patches in enumerate((*gone, orders[0])):
            seen[place] = _without(seen[place], patches, scores.shape)
    embeddings = classifier.embedder.embed(damaged)
    logits = np.concatenate([explanation.logits[np.newaxis], classifier.head.logits(embeddings)])
    whole, *partly, nothing = classifier.trust.probabilities(logits)[:, number]
    return np.array([[whole, *some, nothing] for some in (partly[: len(counts)], partly[len(counts) :])])


def _without(
    pixels: npt.NDArray[np.uint8], patches: npt.NDArray[np.int64], shape: tuple[int, ...]
) -> npt.NDArray[np.uint8]:
    """The image (S, S, 3) with the mean colour in the place of some of its patches."""
    gone = np.zeros(shape, dtype=bool)
    gone.flat[patches] = True
    rows, columns = (
        np.arange(side) * count // side for side, count in zip(pixels.shape, shape, strict=False)
    )
    damaged = pixels.copy()
    damaged[gone[rows[:, np.newaxis], columns]] = pixels.mean(axis=(0, 1)).round().astype(np.uint8)
    return damaged


def _interval(values: Floats) -> tuple[float, float]:
    """Student's 95 % interval of the mean: (N,) -> low, high; NaN for fewer than two values."""
    from scipy.special import stdtrit

    if len(values) < 2:
        return math.nan, math.nan
    half = float(stdtrit(len(values) - 1, 0.975)) * float(values.std(ddof=1)) / math.sqrt(len(values))
    return float(values.mean()) - half, float(values.mean()) + half
