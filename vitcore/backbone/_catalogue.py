"""The backbones on offer, and how any other timm Vision Transformer is described."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from types import MappingProxyType
from typing import Any

from vitcore.backbone._spec import BackboneSpec, Preprocessing, Reading
from vitcore.errors import BackboneError
from vitcore.messages import mark

__all__ = ["CATALOGUE", "PAIRS", "describe_backbone"]

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5)
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


_FOUR = Reading(blocks=(6, 8, 10, 12))
"""Four blocks of twelve. Fusing blocks gains 5.5 points on 20 sets over the last one (arXiv 2601.09322)."""

_POOLER = Reading(own_pooling=True)


def _hub(
    backbone_id: str,
    title: str,
    good_for: str,
    published: str,
    *,
    parameters_millions: float,
    width: int,
    size: int = 224,
    mean: tuple[float, float, float] = IMAGENET_MEAN,
    std: tuple[float, float, float] = IMAGENET_STD,
    licence: str = "apache-2.0",
    reading: Reading = _FOUR,
) -> BackboneSpec:
    """An entry of the hub: 12 blocks, and a class token where blocks are read."""
    return BackboneSpec(
        id=backbone_id,
        title=title,
        architecture=backbone_id.partition(".")[0],
        source="hub",
        licence=licence,
        parameters_millions=parameters_millions,
        embedding_dimension=reading.numbers(width, class_token=True),
        preprocessing=Preprocessing(input_size=size, mean=mean, std=std, fit="by shape"),
        reading=reading,
        good_for=good_for,
        published=published,
    )


_DINOV2 = "github.com/facebookresearch/dinov2"
_DINOV3 = "arXiv 2508.10104, table 14"
_PE = "github.com/facebookresearch/perception_models"

_ENTRIES = (
    BackboneSpec(
        id="embedded",
        title=mark("DINOv2 small (embedded)"),
        architecture="vit_small_patch14_dinov2",
        source="embedded",
        licence="mit",
        parameters_millions=22.1,
        embedding_dimension=4608,
        preprocessing=Preprocessing(input_size=224, mean=IMAGENET_MEAN, std=IMAGENET_STD, fit="by shape"),
        # Its last block was tuned for another task (saliency) afterwards. `benchmarks features` has what
        # other readings cost.
        reading=Reading(blocks=(8, 10, 12), spread=(8, 10, 12)),
        good_for=mark(
            "No network at all: the weights come with the installation. They were tuned for another task "
            "afterwards, so that a downloaded backbone is usually more accurate."
        ),
    ),
    _hub(
        "vit_small_patch14_dinov2.lvd142m",
        mark("DINOv2 small"),
        mark("The best start: strong on any kind of photo, quick on a laptop."),
        f"ImageNet linear 81.1 % ({_DINOV2})",
        parameters_millions=22.1,
        width=384,
    ),
    _hub(
        "vit_base_patch14_dinov2.lvd142m",
        mark("DINOv2 base"),
        mark("A few points more accurate than small, about four times slower."),
        f"ImageNet linear 84.5 % ({_DINOV2})",
        parameters_millions=86.6,
        width=768,
    ),
    _hub(
        "vit_small_patch14_reg4_dinov2.lvd142m",
        mark("DINOv2 small with registers"),
        mark("As DINOv2 small, with cleaner maps."),
        f"ImageNet linear 80.9 % ({_DINOV2})",
        parameters_millions=22.1,
        width=384,
    ),
    _hub(
        "vit_base_patch14_reg4_dinov2.lvd142m",
        mark("DINOv2 base with registers"),
        mark("As DINOv2 base, with cleaner maps."),
        f"ImageNet linear 84.6 % ({_DINOV2})",
        parameters_millions=86.6,
        width=768,
    ),
    _hub(
        "vit_small_patch16_dinov3.lvd1689m",
        mark("DINOv3 small"),
        mark("Newer than DINOv2; fine structures and textures. Read its licence before you publish."),
        f"ImageNet ReaL linear 87.0 % ({_DINOV3})",
        parameters_millions=21.6,
        width=384,
        licence="dinov3-license",
    ),
    _hub(
        "vit_small_plus_patch16_dinov3.lvd1689m",
        mark("DINOv3 small+"),
        mark("Between DINOv3 small and base, in accuracy and in time."),
        f"ImageNet ReaL linear 88.0 % ({_DINOV3})",
        parameters_millions=28.7,
        width=384,
        licence="dinov3-license",
    ),
    _hub(
        "vit_base_patch16_dinov3.lvd1689m",
        mark("DINOv3 base"),
        mark("The most accurate here on fine differences between classes; slow without a GPU."),
        f"ImageNet ReaL linear 89.3 % ({_DINOV3})",
        parameters_millions=85.6,
        width=768,
        licence="dinov3-license",
    ),
    _hub(
        "vit_base_patch16_siglip_224.v2_webli",
        mark("SigLIP 2 base"),
        mark("Like CLIP, trained later and on more languages; makes no maps."),
        "ImageNet zero-shot 78.2 % (arXiv 2502.14786)",
        parameters_millions=92.9,
        width=768,
        mean=HALF,
        std=HALF,
        reading=_POOLER,
    ),
    _hub(
        "vit_pe_core_tiny_patch16_384.fb",
        mark("PE-Core tiny"),
        mark("Web pictures on old computers; makes no maps."),
        f"ImageNet zero-shot 62.1 % ({_PE})",
        parameters_millions=6.0,
        width=192,
        size=384,
        mean=HALF,
        std=HALF,
        reading=_POOLER,
    ),
    _hub(
        "vit_pe_core_small_patch16_384.fb",
        mark("PE-Core small"),
        mark("Web pictures, products and signs, at a fine resolution; makes no maps."),
        f"ImageNet zero-shot 72.7 % ({_PE})",
        parameters_millions=23.6,
        width=384,
        size=384,
        mean=HALF,
        std=HALF,
        reading=_POOLER,
    ),
    _hub(
        "vit_pe_core_base_patch16_224.fb",
        mark("PE-Core base"),
        mark("Web pictures, products, drawings and scenes; makes no maps."),
        f"ImageNet zero-shot 78.4 % ({_PE})",
        parameters_millions=92.9,
        width=768,
        mean=HALF,
        std=HALF,
        reading=_POOLER,
    ),
    _hub(
        "vit_base_patch14_reg1_tipsv2.webli",
        mark("TIPSv2 base"),
        mark("Trained on pictures with texts and on their patches: scenes with several things."),
        "",
        parameters_millions=86.3,
        width=768,
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
    ),
    _hub(
        "vit_base_patch16_clip_224.laion2b",
        mark("CLIP base"),
        mark("Web pictures, products, drawings, signs and scenes."),
        "ImageNet zero-shot 70.2 % (huggingface.co/laion/CLIP-ViT-B-16-laion2B-s34B-b88K)",
        parameters_millions=86.6,
        width=768,
        mean=CLIP_MEAN,
        std=CLIP_STD,
    ),
    _hub(
        "vit_tiny_patch16_224.augreg_in21k_ft_in1k",
        mark("AugReg tiny"),
        mark("The fastest: old computers, or a first look at thousands of photos."),
        "ImageNet fine-tuned 75.5 % (github.com/huggingface/pytorch-image-models)",
        parameters_millions=5.7,
        width=192,
        mean=HALF,
        std=HALF,
        reading=Reading(blocks=(12,)),
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
    pools = getattr(model, "attn_pool", None) is not None
    reading = _POOLER if pools else Reading(blocks=(len(model.blocks),))
    return BackboneSpec(
        id=f"{cfg['architecture']}.{tag}" if tag else cfg["architecture"],
        title=name,
        architecture=cfg["architecture"],
        source="hub",
        licence=cfg.get("license") or "unknown",
        parameters_millions=round(sum(p.numel() for p in model.parameters()) / 1e6, 1),
        embedding_dimension=reading.numbers(model.embed_dim, class_token=has_class_token),
        preprocessing=Preprocessing(input_size=size, mean=cfg["mean"], std=cfg["std"], fit="by shape"),
        reading=reading,
        good_for=mark("Chosen by name."),
    )
