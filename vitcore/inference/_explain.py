"""Explanations: the parts of an image that speak for a class, and those against it.

What a linear head makes of a mean of patch tokens is the mean of what it makes of the patches, so that this
part of the logit of a class falls into one score per patch. Class tokens, and the maximum and the deviation
of the patches, belong to no place: their share is stated beside the map, and with the bias all of it adds up
to the logit again. That is the class activation map of B. Zhou, A. Khosla,
A. Lapedriza, A. Oliva and A. Torralba, "Learning deep features for discriminative localization", 2016,
with tokens in the place of the last feature map.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageOps

from vitcore.backbone import pooled
from vitcore.errors import InputError
from vitcore.inference._classifier import Classifier, ImageSource
from vitcore.training import Head, HiddenHead, LinearHead

__all__ = ["Explanation", "explain", "heatmap"]

Floats = npt.NDArray[np.float64]

# Near the orange and blue of M. Okabe and K. Ito, "Color universal design", 2008: every eye tells them apart.
_FOR, _AGAINST = (230, 118, 0), (0, 92, 200)
_STRONGEST = 0.8  # opacity of the largest score
_LIGHTER, _FADED = 0.3, 0.7  # whiteness of the picture below the colours, and where it was not seen
_SMALLEST_STEP = 1e-6


@dataclass(frozen=True, eq=False, kw_only=True)
class Explanation:
    """The contributions of the parts of an image to the logit of each class.

    ``patches.sum(axis=(1, 2)) + unplaced + bias`` is `logits` within 1e-4.

    Scores are measured from the average of what the head learned from: a patch with a score of 0 says as
    much for the class as the average patch does, and `bias` is the logit of an image that is average in
    everything. A patch token has taken part in the attention of all blocks, so that a score belongs to what
    the patch knows of the whole image, not to its pixels alone; `deletion_test` tells whether the two agree.

    Attributes:
        classes: The C classes that are explained.
        logits: (C,), of the embedding as the backbone gives it. Predictions are made from embeddings rounded
            to float16, which moves a logit by about 0.001.
        patches: (C, rows, columns), score of each patch, above 0 if it speaks for the class; (C, 0, 0) where
            the network pools the patches itself, by attention, so that there is no map.
        unplaced: (C,), score of what belongs to no place: class tokens, maximum and deviation of the patches.
        bias: (C,), what is added whatever the image shows.
        square: Left, top, right and bottom of the part of the image that the patches cover, each as a share
            0 … 1 of its width or height.
        strips: Into how many strips that part was cut along its longer side, to lie in the square that the
            patches cover: below each other in a wide photo, beside each other in a tall one.
        exact: Whether a score is what the patch adds whatever the others show, as with a linear head. With a
            hidden layer it depends on them, and the scores are one fair way of sharing out the logit.
        embedding: float32 (D,), what the backbone makes of the image.
    """

    classes: tuple[str, ...]
    logits: Floats
    patches: Floats
    unplaced: Floats
    bias: Floats
    square: tuple[float, float, float, float]
    strips: int
    exact: bool
    embedding: npt.NDArray[np.float32]


def explain(
    classifier: Classifier, image: ImageSource, *, classes: Sequence[str] | None = None
) -> Explanation:
    """Share out the logits of an image among its patches, what belongs to no place, and the bias.

    Takes one forward pass of the backbone.

    Args:
        classifier: Whose answer to explain.
        image: As for `Classifier.predict`.
        classes: Which of its classes to explain; all of them if not given.

    Raises:
        ImageError: The image cannot be opened or decoded; the message does not name it.
        InputError: There is no such class.
        BackboneError: As for `vitcore.backbone.Embedder.embed`.
    """
    names = classifier.classes if classes is None else tuple(classes)
    numbers = [_number(name, classifier.classes) for name in names]
    embedder, head = classifier.embedder, classifier.head
    picture = classifier.load(image)
    tokens = embedder.tokens(embedder.prepare(picture)[np.newaxis])
    embedding = embedder.pool(tokens)  # (1, D)
    mean, weight, bias = _linear_map(head, embedding[0])
    # The map has the patches of the first network; those of others are spread over them.
    side = next((math.isqrt(part.tokens.shape[1]) for part in tokens if part.pooling == "mean"), 0)
    unplaced, patches, start = np.zeros(len(bias)), np.zeros((len(bias), side, side)), 0
    for part in tokens:
        values = part.tokens if part.pooling == "mean" else pooled([part])  # (1, P, W) or (1, W)
        stop = start + values.shape[-1]
        centred = values[0].cpu().double().numpy() - mean[start:stop]
        scores = weight[:, start:stop] @ centred.T  # (C, P) or (C,)
        if part.pooling == "mean":
            patches += _spread(scores / scores.shape[1], side)
        else:
            unplaced += scores
        start = stop
    place = embedder.placement(picture)
    left, top, right, bottom = place.box
    return Explanation(
        classes=names,
        logits=head.logits(embedding)[0, numbers].astype(np.float64),
        patches=patches[numbers],
        unplaced=unplaced[numbers],
        bias=bias[numbers],
        square=(left / picture.width, top / picture.height, right / picture.width, bottom / picture.height),
        strips=place.strips,
        exact=isinstance(head, LinearHead),
        embedding=embedding[0],
    )


def _spread(scores: Floats, side: int) -> Floats:
    """Scores of patches on another grid, each given to those it overlaps by area: (C, P) -> (C, side, side).

    Their sum stays the same.
    """
    own = math.isqrt(scores.shape[1])
    edges, others = np.arange(own + 1) / own, np.arange(side + 1) / side
    overlap = np.minimum(edges[1:, None], others[None, 1:]) - np.maximum(edges[:-1, None], others[None, :-1])
    shares = own * overlap.clip(0)  # (own, side), each row adds up to 1
    spread: Floats = np.einsum("crs,rR,sS->cRS", scores.reshape(-1, own, own), shares, shares)
    return spread


def heatmap(explanation: Explanation, image: Image.Image, label: str, *, size: int = 640) -> Image.Image:
    """The picture with what speaks for a class in orange, and what speaks against it in blue.

    The stronger the colour, the larger the score, up to the largest of this class in this image. Below the
    colours the picture is grey, lest its own be taken for them; what the backbone did not see is faded.

    Args:
        explanation: Of that image.
        image: The image upright, in mode RGB, of any size.
        label: One of the classes explained.
        size: The longer side of the result in pixels.

    Raises:
        InputError: That class was not explained, or there is no map.
    """
    if not explanation.patches.size:
        raise InputError(
            "There is no map: this backbone pools the parts of a photo by attention; choose one that makes "
            "maps, such as 'embedded'."
        )
    scores = explanation.patches[_number(label, explanation.classes)]  # (rows, columns)
    picture = ImageOps.contain(image, (size, size), Image.Resampling.LANCZOS)
    sides = np.array([*picture.size, *picture.size])
    left, top, right, bottom = (sides * explanation.square).round().astype(int).tolist()
    share = (scores / (np.abs(scores).max() or 1.0)).astype(np.float32)  # −1 … 1
    # Sharp squares are no truer, for a token knows of its surroundings, and hide the picture.
    smooth = _unfolded(share, (right - left, bottom - top), explanation.strips)
    strength = np.asarray(smooth)[..., np.newaxis]  # (height, width, 1)
    white, grey = Image.new("RGB", picture.size, "white"), picture.convert("L").convert("RGB")
    below = np.asarray(Image.blend(grey, white, _LIGHTER).crop((left, top, right, bottom)))
    colour = np.where(strength > 0, _FOR, _AGAINST)
    painted = below + _STRONGEST * np.abs(strength) * (colour - below)
    result = Image.blend(grey, white, _FADED)
    result.paste(Image.fromarray(painted.round().astype(np.uint8)), (left, top))
    return result


def _unfolded(scores: npt.NDArray[np.float32], size: tuple[int, int], strips: int) -> Image.Image:
    """Scores (rows, columns) as large as the part of a picture they belong to, its strips where they were."""
    if strips == 1:
        return Image.fromarray(scores).resize(size, Image.Resampling.BILINEAR)
    width, height = size
    if height > width:  # as if it lay on its side
        return _unfolded(scores.T, (height, width), strips).transpose(Image.Transpose.TRANSPOSE)
    step = math.ceil(width / strips)
    folded = Image.fromarray(np.ascontiguousarray(scores))
    folded = folded.resize((step, height * strips), Image.Resampling.BILINEAR)
    result = Image.new("F", (step * strips, height))
    for number in range(strips):
        strip = folded.crop((0, height * number, step, height * (number + 1)))
        result.paste(strip, (step * number, 0))
    return result.resize(size, Image.Resampling.BILINEAR)


def _number(label: str, classes: tuple[str, ...]) -> int:
    """Raises InputError if there is no such class."""
    if label not in classes:
        raise InputError(
            "There is no class '{label}'; choose one of {classes}.", label=label[:80], classes=classes
        )
    return classes.index(label)


def _linear_map(head: Head, embedding: npt.NDArray[np.floating]) -> tuple[Floats, Floats, Floats]:
    """Return the head as an affine map at this embedding: (D,) -> mean (D,), weight (C, D), bias (C,).

    ``weight @ (embedding - mean) + bias`` are the logits. A hidden unit is taken for the straight line from
    its activation at the mean to the one at this embedding: the rescale rule of A. Shrikumar, P. Greenside
    and A. Kundaje, "Learning important features through propagating activation differences", 2017. A
    gradient would not add up to the logit.
    """
    assert isinstance(head, LinearHead | HiddenHead)
    mean, std = head.mean.astype(np.float64), head.std.astype(np.float64)
    if isinstance(head, LinearHead):
        return mean, head.weight / std, head.bias.astype(np.float64)
    at_mean, inner = head.hidden_bias.astype(np.float64), head.hidden_weight / std  # (U,), (U, D)
    step = inner @ (embedding - mean)
    step = np.where(np.abs(step) < _SMALLEST_STEP, _SMALLEST_STEP, step)  # lest it be divided by 0
    slope = (_gelu(at_mean + step) - _gelu(at_mean)) / step
    return mean, (head.weight * slope) @ inner, head.bias + head.weight @ _gelu(at_mean)


def _gelu(x: Floats) -> Floats:
    """As in the head: by tanh."""
    activated: Floats = torch.nn.functional.gelu(torch.from_numpy(x), approximate="tanh").numpy()
    return activated
