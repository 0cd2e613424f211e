"""The frozen Vision Transformers: which there are, where their weights come from, what they see."""

from vitcore.backbone._catalogue import CATALOGUE, BackboneSpec, Preprocessing, describe_backbone
from vitcore.backbone._device import Device, choose_device
from vitcore.backbone._embedder import Embedder
from vitcore.backbone._reading import pooled, read_tokens
from vitcore.backbone._weights import Backbone, embedded_file, hub_answers, resolve_backbone

__all__ = [
    "CATALOGUE",
    "Backbone",
    "BackboneSpec",
    "Device",
    "Embedder",
    "Preprocessing",
    "choose_device",
    "describe_backbone",
    "embedded_file",
    "hub_answers",
    "pooled",
    "read_tokens",
    "resolve_backbone",
]
