"""The pooling of a network's output into the embedding, for all that runs it or exports it."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

__all__ = ["Tokens", "pooled", "read_tokens"]

Tokens = list[tuple[torch.Tensor | None, torch.Tensor]]
"""Class token (B, W), or None, and patch tokens (B, P, W), of each block that is read."""


def read_tokens(network: nn.Module, images: torch.Tensor, blocks: Sequence[int]) -> Tokens:
    """The tokens of some blocks after the final norm, the patches row by row from the top left one.

    Args:
        network: A Vision Transformer of timm.
        images: Normalised, (B, 3, S, S).
        blocks: Which blocks, the first being 1.
    """
    model: Any = network
    outputs = model.forward_intermediates(
        images,
        indices=[block - 1 for block in blocks],
        norm=True,
        stop_early=True,
        output_fmt="NLC",
        intermediates_only=True,
        return_prefix_tokens=True,
    )
    # A network that pools before its final norm has that norm under another name.
    final: nn.Module = nn.Identity()
    if isinstance(model.norm, nn.Identity):
        final = getattr(model, "fc_norm", final)
    has_class_token = getattr(model, "cls_token", None) is not None
    tokens: Tokens = []
    for output in outputs:
        # Without prefix tokens timm returns the patches alone. The class token comes first; register
        # tokens, which carry no meaning of their own, follow it.
        patches, prefix = output if isinstance(output, tuple) else (output, None)
        tokens.append((final(prefix)[:, 0] if has_class_token else None, final(patches)))
    return tokens


def pooled(tokens: Tokens) -> torch.Tensor:
    """The embeddings (B, D): block by block, the class token and the mean of the patch tokens."""
    parts: list[torch.Tensor] = []
    for class_token, patches in tokens:
        if class_token is not None:
            parts.append(class_token)  # (B, W)
        parts.append(patches.mean(dim=1))  # (B, P, W) -> (B, W)
    return torch.cat(parts, dim=1)
