"""The reading of a network's output into the embedding, for all that runs it or exports it."""

from typing import Any, Literal, NamedTuple

import torch
from torch import nn

from vitcore.backbone._spec import Reading
from vitcore.errors import BackboneError

__all__ = ["Part", "Tokens", "pooled", "read_tokens"]


class Part(NamedTuple):
    """A part of an embedding, before it is pooled.

    Attributes:
        pooling: What makes W numbers of the tokens. Only ``mean`` is linear in the patches.
        tokens: The patch tokens (B, P, W); for ``class token`` and ``own`` what they come to, (B, W).
    """

    pooling: Literal["class token", "mean", "maximum", "deviation", "own"]
    tokens: torch.Tensor


Tokens = list[Part]
"""The parts of the embeddings of B images, in the order in which they are joined."""


def read_tokens(network: nn.Module, images: torch.Tensor, reading: Reading) -> Tokens:
    """The parts of the embeddings, block by block, and the network's own pooled vector last.

    The tokens are those after the final norm, in float32, the patches row by row from the top left one.

    Args:
        network: A Vision Transformer of timm; where no block is read, any network of timm.
        images: Normalised, (B, 3, S, S).
        reading: What is read.

    Raises:
        BackboneError: The network has fewer blocks.
    """
    model: Any = network
    if not reading.tokens_of:
        return [Part("own", _own(model, model.forward_features(images)))]
    if reading.tokens_of[-1] > len(model.blocks):
        raise BackboneError(
            "Block {block} is to be read of a network that has {blocks} blocks; train again.",
            block=reading.tokens_of[-1],
            blocks=len(model.blocks),
        )
    found = model.forward_intermediates(
        images,
        indices=[block - 1 for block in reading.tokens_of],
        norm=True,
        stop_early=not reading.own_pooling,
        output_fmt="NLC",
        intermediates_only=not reading.own_pooling,
        return_prefix_tokens=True,
    )
    last, outputs = found if reading.own_pooling else (None, found)
    # A network that pools before its final norm has that norm under another name.
    final: nn.Module = nn.Identity()
    if isinstance(model.norm, nn.Identity):
        final = getattr(model, "fc_norm", final)
    has_class_token = getattr(model, "cls_token", None) is not None
    parts: Tokens = []
    for block, output in zip(reading.tokens_of, outputs, strict=True):
        # Without prefix tokens timm returns the patches alone. The class token comes first; register
        # tokens, which carry no meaning of their own, follow it.
        patches, prefix = output if isinstance(output, tuple) else (output, None)
        patches = final(patches).float()  # (B, P, W)
        if block in reading.blocks:
            if has_class_token:
                parts.append(Part("class token", final(prefix)[:, 0].float()))  # (B, W)
            parts.append(Part("mean", patches))
        if block in reading.spread:
            parts += [Part("maximum", patches), Part("deviation", patches)]
    if reading.own_pooling:
        parts.append(Part("own", _own(model, last)))
    return parts


def _own(model: Any, features: Any) -> torch.Tensor:
    """The vector that a network's own output layer works on: (B, W)."""
    vectors: torch.Tensor = model.forward_head(features, pre_logits=True)
    return vectors.float()


def pooled(tokens: Tokens) -> torch.Tensor:
    """The embeddings (B, D), made of their parts."""
    return torch.cat([_pooled(part) for part in tokens], dim=1)


def _pooled(part: Part) -> torch.Tensor:
    """What a part comes to: (B, P, W) or (B, W) -> (B, W)."""
    match part.pooling:
        case "mean":
            return part.tokens.mean(dim=1)
        case "maximum":
            return part.tokens.amax(dim=1)
        case "deviation":
            return part.tokens.std(dim=1, correction=0)
        case _:
            return part.tokens
