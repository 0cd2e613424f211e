from ._auto import backbone_for, keep_speed
from ._catalogue import CATALOGUE, PAIRS, describe_backbone
from ._device import Device, choose_device, cpu_can, cpu_name
from ._embedder import Embedder
from ._networks import release_networks
from ._onnx_network import ONNX_OPSET, network_graph, quantise
from ._reading import pooled
from ._spec import BackboneSpec, Preprocessing, Reading
from ._weights import Backbone, embedded_file, model_hub_problem, resolve_backbone, weights_are_here

__all__ = [
    "CATALOGUE",
    "ONNX_OPSET",
    "PAIRS",
    "Backbone",
    "BackboneSpec",
    "Device",
    "Embedder",
    "Preprocessing",
    "Reading",
    "backbone_for",
    "choose_device",
    "cpu_can",
    "cpu_name",
    "describe_backbone",
    "embedded_file",
    "keep_speed",
    "model_hub_problem",
    "network_graph",
    "pooled",
    "quantise",
    "release_networks",
    "resolve_backbone",
    "weights_are_here",
]
