"""A frozen Vision Transformer, or several side by side: images in, vectors out."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import nn

from vitcore.backbone._batches import BatchSizer
from vitcore.backbone._device import Device
from vitcore.backbone._engines import RECIPES, Engine, open_engine
from vitcore.backbone._networks import Key, release_networks, shared_network
from vitcore.backbone._reading import Tokens, pooled, read_tokens
from vitcore.backbone._weights import Backbone, read_weights
from vitcore.errors import BackboneError
from vitcore.fitting import Placement, fitted, placement
from vitcore.messages import Message
from vitcore.workspace import Workspace

__all__ = ["Embedder"]

# Part of every fingerprint: raise it when the vector of an image changes for any reason that the
# rest of the fingerprint does not show, a change of the image loader included.
_REVISION = 2
_LARGEST = float(np.finfo(np.float16).max)
_CPU_BATCH = 16


class Embedder:
    """A frozen Vision Transformer that turns images into embeddings.

    The embedding (D,) of an image is what the `Reading` of its backbone says, such as the class token
    and the mean of the patch tokens of some blocks. The network is loaded at first use, so that asking
    for the fingerprint of an embedder costs nothing, and shared with all others that have the same.

    A pair has an embedder for each of its networks: `members`. Each prepares an image in its own way; what
    they make of it travels together as one row of bytes, and their vectors are joined.

    Args:
        backbone: Which network, and its weights.
        device: Where to run it.
        workspace: Where its embeddings, and what engines read, are kept; the default one if not given.
    """

    def __init__(self, backbone: Backbone, device: Device, workspace: Workspace | None = None) -> None:
        self.backbone = backbone
        self.device = device
        self.workspace = workspace or Workspace.default()
        self._sizer = BatchSizer()
        self._is_same_alone: bool | None = None  # not known yet
        self._parts = tuple(Embedder(part, device, self.workspace) for part in backbone.parts)

    @property
    def members(self) -> "tuple[Embedder, ...]":
        """The embedder of each network: of a pair its parts, else this one."""
        return self._parts or (self,)

    @property
    def dimension(self) -> int:
        """Length of an embedding."""
        return self.backbone.spec.embedding_dimension

    @property
    def input_size(self) -> int:
        """Side, in pixels, of the square that the backbone sees; of the largest one of a pair."""
        return max(member.backbone.spec.preprocessing.input_size for member in self.members)

    @property
    def pixel_shape(self) -> tuple[int, ...]:
        """Shape of a prepared image: (S, S, 3); of a pair (L,), all of its squares in a row."""
        sizes = [member.backbone.spec.preprocessing.input_size for member in self.members]
        return (sum(3 * size * size for size in sizes),) if self._parts else (sizes[0], sizes[0], 3)

    @property
    def fingerprint(self) -> str:
        """Digest of all that decides what vector an image gets, 32 hexadecimal digits."""
        if self._parts:
            prints = " ".join(part.fingerprint for part in self._parts)
            return hashlib.sha256(prints.encode()).hexdigest()[:32]
        facts: dict[str, Any] = {
            "weights": self.backbone.weights_sha256,
            "architecture": self.backbone.spec.architecture,
            "preprocessing": asdict(self.backbone.spec.preprocessing),
            "reading": asdict(self.backbone.spec.reading),
            "precision": self.device.precision,
            "revision": _REVISION,
        }
        if self.device.engine != "torch":
            facts["engine"] = [self.device.engine, RECIPES[self.device.precision]]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]

    @property
    def batch_size(self) -> int:
        """Images per forward pass that keep the device busy without much memory.

        On a CPU always the same, so that a vector does not depend on what was embedded before. On a GPU
        it is found while the first some thousand images are embedded.
        """
        if self._parts:
            return min(part.batch_size for part in self._parts)
        return _CPU_BATCH if self.device.name == "cpu" else self._sizer.size

    @property
    def network(self) -> nn.Module:
        """The frozen network, which is loaded if need be; a pair has one for each of its `members`.

        Raises:
            BackboneError: Its weights cannot be had, or do not fit.
        """
        spec = self.backbone.spec
        assert not self._parts
        model = shared_network(
            self._key,
            lambda: _build(self.backbone).to(self.device.name),
            size_bytes=int(4e6 * spec.parameters_millions),
        )
        assert not model.training
        assert not any(parameter.requires_grad for parameter in model.parameters())
        return model

    def placement(self, image: Image.Image) -> Placement:
        """The part of an image that the backbone sees; of a pair, its first network."""
        return placement(image.width, image.height, self.backbone.spec.preprocessing.fit)

    def prepare(self, image: Image.Image) -> npt.NDArray[np.uint8]:
        """What the backbone sees of an RGB image: uint8, `pixel_shape`."""
        if self._parts:
            return np.concatenate([part.prepare(image).reshape(-1) for part in self._parts])
        return fitted(image, self.input_size, self.backbone.spec.preprocessing.fit)

    def squares(self, pixels: npt.NDArray[np.uint8]) -> list[npt.NDArray[np.uint8]]:
        """What each of the `members` sees of prepared images: uint8 (B, …) -> (B, S, S, 3) of each.

        These are views: what is painted on them is painted on the images.
        """
        if not self._parts:
            return [pixels]
        found, start = [], 0
        for part in self._parts:
            stop = start + int(np.prod(part.pixel_shape))
            found.append(pixels[:, start:stop].reshape(-1, *part.pixel_shape))
            start = stop
        return found

    def embed(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Embed prepared images: uint8 (B, …) of `pixel_shape` each -> float32 (B, D).

        On a GPU that runs out of memory the batch is halved, again and again if need be.

        Raises:
            BackboneError: The vectors are not finite, as happens in fp16 with some backbones, or too
                large to be kept as float16.
        """
        return self.start(pixels)()

    def start(self, pixels: npt.NDArray[np.uint8]) -> Callable[[], npt.NDArray[np.float32]]:
        """Begin to embed, and return what waits for the result, to be called once.

        On CUDA the work goes on meanwhile, so that the next batch can be got ready; elsewhere it is done
        when this returns. Arguments and errors are those of `embed`.
        """
        if self._parts:
            pairs = zip(self._parts, self.squares(pixels), strict=True)
            waiting = [part.start(np.ascontiguousarray(square)) for part, square in pairs]
            return lambda: np.concatenate([result() for result in waiting], axis=1)
        if self.device.engine != "torch":
            done = self._checked(self._engine.vectors(pixels))
            return lambda: done
        try:
            return self._launched(pixels)
        except torch.OutOfMemoryError:
            self._sizer.too_large(len(pixels))
            return lambda: self._in_halves(pixels)

    def tokens(self, pixels: npt.NDArray[np.uint8]) -> Tokens:
        """The parts of the embeddings of prepared images, before they are pooled."""
        if self._parts:
            pairs = zip(self._parts, self.squares(pixels), strict=True)
            return [found for part, square in pairs for found in part.tokens(square)]
        device, (mean, std) = torch.device(self.device.name), self._scale
        batch = torch.from_numpy(pixels)
        if device.type == "cuda":
            batch = batch.pin_memory()  # only from there is it copied while the GPU computes
        batch = batch.to(device, non_blocking=True)
        batch = batch.permute(0, 3, 1, 2).float().div(255)  # (B, S, S, 3) -> (B, 3, S, S)
        reduced = self.device.dtype != torch.float32
        with torch.inference_mode(), torch.autocast(device.type, self.device.dtype, enabled=reduced):
            tokens = read_tokens(self.network, (batch - mean) / std, self.backbone.spec.reading)
        if sum(part.tokens.shape[-1] for part in tokens) != self.dimension:
            raise BackboneError(
                "What is read of {backbone} does not make {dimension} numbers; train again.",
                backbone=Message(self.backbone.spec.title),
                dimension=self.dimension,
            )
        return tokens

    def pool(self, tokens: Tokens) -> npt.NDArray[np.float32]:
        """The embeddings (B, D) that are made of `tokens`.

        Raises:
            BackboneError: As for `embed`.
        """
        vectors: npt.NDArray[np.float32] = pooled(tokens).cpu().numpy()
        return self._checked(vectors)

    def _launched(self, pixels: npt.NDArray[np.uint8]) -> Callable[[], npt.NDArray[np.float32]]:
        """As `start`, in torch and all at once."""
        if self.device.name == "cpu" and len(pixels) == 1:
            alone = self._of_one(pixels)
            return lambda: alone
        tokens = self.tokens(pixels)
        if self.device.name != "cuda":
            done = self.pool(tokens)
            return lambda: done
        computed = pooled(tokens)
        vectors = torch.empty(computed.shape, dtype=computed.dtype, pin_memory=True)
        vectors.copy_(computed, non_blocking=True)
        copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
        copied.record()

        def result() -> npt.NDArray[np.float32]:
            copied.synchronize()
            self._sizer.add(len(pixels))
            return self._checked(vectors.numpy())

        return result

    def _of_one(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """As `embed`, of one image, with the vector that it gets among others, bit for bit.

        Some CPUs add up another way for a single image. The first one shows whether this one does, which
        depends on the network and the precision too; then an image goes in twice.
        """
        if self._is_same_alone:
            return self.pool(self.tokens(pixels))
        twice = self.pool(self.tokens(np.repeat(pixels, 2, axis=0)))[:1]
        if self._is_same_alone is None:
            self._is_same_alone = np.array_equal(self.pool(self.tokens(pixels)), twice)
        return twice

    def _in_halves(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """As `embed`, after there was not enough memory for all at once."""
        if len(pixels) == 1:
            raise BackboneError(
                "{device} has not enough memory for one image in {backbone}; close what else uses it, or "
                "choose a smaller backbone.",
                device=Message(self.device.title),
                backbone=Message(self.backbone.spec.title),
            )
        release_networks(but=self._key)
        half = len(pixels) // 2
        return np.concatenate([self.embed(pixels[:half]), self.embed(pixels[half:])])

    def _checked(self, vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        if not (np.abs(vectors) <= _LARGEST).all():  # also what is no number
            raise BackboneError(
                "{backbone} gives numbers out of range in {precision}; choose precision fp32, or another "
                "backbone.",
                backbone=Message(self.backbone.spec.title),
                precision=self.device.precision,
            )
        return vectors

    @cached_property
    def _scale(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and deviation of the pixels, (1, 3, 1, 1) each, on the device.

        Made once: to bring them there waits for all that a GPU is still at work on.
        """
        preprocessing = self.backbone.spec.preprocessing
        mean, std = (
            torch.tensor(values, device=self.device.name).view(1, 3, 1, 1)
            for values in (preprocessing.mean, preprocessing.std)
        )
        return mean, std

    @property
    def _engine(self) -> Engine:
        """The engine that computes in the place of torch, loaded at first use."""
        spec = self.backbone.spec
        return shared_network(
            (*self._key[:-1], f"{self.device.engine} {self.device.precision} {spec.reading}"),
            lambda: open_engine(self.backbone, self.device, self.workspace.engines, lambda: self.network),
            size_bytes=int(4e6 * spec.parameters_millions),
        )

    @property
    def _key(self) -> Key:
        """The key of the network, for all that share it."""
        return (
            self.backbone.weights_sha256,
            self.backbone.spec.architecture,
            self.input_size,
            self.device.name,
            "torch",
        )


def _is_convolutional(architecture: str) -> bool:
    """Whether a network of timm is no transformer."""
    from timm.models import is_model_in_modules

    return is_model_in_modules(architecture, ["efficientnet"])


def _build(backbone: Backbone) -> nn.Module:
    """The network with its weights, frozen.

    Raises:
        BackboneError: The weights do not fit the architecture.
    """
    import sys

    import timm

    spec = backbone.spec
    # A network of convolutions takes images of any size.
    size: dict[str, Any] = (
        {} if _is_convolutional(spec.architecture) else {"img_size": spec.preprocessing.input_size}
    )
    model: nn.Module = timm.create_model(spec.architecture, pretrained=False, num_classes=0, **size)
    # Every timm model family knows how to read its published checkpoints: original names, other
    # numbers of patches.
    adapt = getattr(sys.modules[type(model).__module__], "checkpoint_filter_fn", lambda state, _: state)
    try:
        result = model.load_state_dict(adapt(read_weights(backbone), model), strict=False)
    except RuntimeError as error:
        raise BackboneError(
            "{backbone} does not fit {architecture} ({error}).",
            backbone=Message(spec.title),
            architecture=spec.architecture,
            error=error,
        ) from error
    # The output layer of the original task is what a trained head replaces.
    surplus = [key for key in result.unexpected_keys if not key.startswith(("head.", "classifier."))]
    if result.missing_keys or surplus:
        raise BackboneError(
            "{backbone} does not fit {architecture}: {missing} tensors are missing and {unknown} are "
            "unknown.",
            backbone=Message(spec.title),
            architecture=spec.architecture,
            missing=len(result.missing_keys),
            unknown=len(surplus),
        )
    return model.eval().requires_grad_(requires_grad=False)
