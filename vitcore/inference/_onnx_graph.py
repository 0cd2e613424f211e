"""The graph of a classifier for ONNX: a photo in, probabilities out.

::

    image  uint8 (height, width, 3)
      │    centred square, bicubic resize with antialiasing, normalisation
      │    the frozen network, up to the last block that is read
      │    class token and mean of the patches of each block
      ├──► embedding  float32 (D,), rounded to float16 as in the store
      ├──► novelty  float32 (), by the distance to the references and by the probes
      │    standardisation, head, temperature, softmax
      └──► probabilities  float32 (C,)

Only operators of `ONNX_OPSET` are used.
"""

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vitcore.backbone import ONNX_OPSET, Preprocessing, network_graph
from vitcore.evaluation import NEAREST
from vitcore.inference._classifier import Classifier
from vitcore.inference._trust import Trust
from vitcore.training import Head, HiddenHead, LinearHead

if TYPE_CHECKING:
    import onnx

__all__ = ["HEAD", "classifier_graph"]

HEAD = "head/"
"""Prefix of the names of the nodes behind the embedding."""

_PREPARE = "prepare/"
_CUBIC = -0.5  # Pillow's bicubic


class _Graph:
    """Nodes in the order of their work, and the constants they need."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, operator: str, *inputs: str, to: str, **attributes: Any) -> str:
        """Append a node; the name of its output, which is the node's as well."""
        from onnx import helper

        self.nodes.append(helper.make_node(operator, inputs, [to], name=to, **attributes))
        return to

    def several(self, operator: str, *inputs: str, to: tuple[str, ...]) -> None:
        """Append a node with several outputs, whose name is that of the first."""
        from onnx import helper

        self.nodes.append(helper.make_node(operator, inputs, to, name=to[0]))

    def cast(self, value: str, number_type: int, *, to: str) -> str:
        """Append a change of the number format; the name of its output."""
        from onnx import helper

        node = helper.make_node("Cast", [value], [to], name=to)
        node.attribute.append(helper.make_attribute("to", number_type))
        self.nodes.append(node)
        return to

    def constant(self, name: str, value: npt.ArrayLike, dtype: npt.DTypeLike = np.float32) -> str:
        """Add a constant; its name."""
        from onnx import numpy_helper

        array = np.ascontiguousarray(np.asarray(value, dtype=dtype))
        self.constants.append(numpy_helper.from_array(array, name))
        return name


def classifier_graph(classifier: Classifier, facts: Mapping[str, str]) -> "onnx.ModelProto":
    """A classifier as one ONNX model.

    Args:
        classifier: What to write down; its network becomes fp32, whatever it works in here.
        facts: More to be kept in the model's metadata.

    Raises:
        BackboneError: The network is too large for one file, or has something that ONNX lacks.
    """
    import onnx
    from onnx import TensorProto, helper

    spec = classifier.embedder.backbone.spec
    network = network_graph(classifier.embedder.network, spec)
    before, behind = _Graph(), _Graph()
    _prepare(before, spec.preprocessing, to=network.graph.input[0].name)
    _classify(behind, classifier, of=network.graph.output[0].name)
    classes, dimension = classifier.head.shape
    mass, farthest = classifier.trust.rule.at(classifier.trust.level)
    graph = helper.make_graph(
        [*before.nodes, *network.graph.node, *behind.nodes],
        "classifier",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["height", "width", 3])],
        [
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [classes]),
            helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [dimension]),
            helper.make_tensor_value_info("novelty", TensorProto.FLOAT, []),
        ],
        initializer=[*before.constants, *network.graph.initializer, *behind.constants],
    )
    model: onnx.ModelProto = helper.make_model(
        graph,
        opset_imports=network.opset_import,
        functions=network.functions,
        ir_version=network.ir_version,
        producer_name="vitcore",
    )
    helper.set_model_props(
        model,
        {
            "classes": json.dumps(classifier.classes, ensure_ascii=False),
            "input_size": str(spec.preprocessing.input_size),
            "opset": str(ONNX_OPSET),
            "temperature": repr(classifier.trust.temperature),
            "least_confidence": repr(mass),
            "largest_novelty": repr(farthest),
            "input": "image: uint8 (height, width, 3), red green blue, upright, of any size",
            "outputs": "probabilities: float32 (C,); novelty: float32 (); embedding: float32 (D,)",
            "not_sure": "novelty > largest_novelty, or the highest probability <= least_confidence",
            "licence": f"of the backbone's weights: {spec.licence}",
            "backbone": spec.title if spec.source == "file" else spec.id,  # the id of a file is its path
            "backbone_architecture": spec.architecture,
            "backbone_licence": spec.licence,
            "backbone_weights_sha256": classifier.embedder.backbone.weights_sha256,
            **facts,
        },
    )
    onnx.checker.check_model(model)
    return model


def _prepare(graph: _Graph, preprocessing: Preprocessing, *, to: str) -> None:
    """From ``image`` to what the network gets: the centred square, resized, normalised."""
    from onnx import TensorProto

    name = _PREPARE
    size = preprocessing.input_size
    graph.add("Transpose", "image", to=f"{name}planes", perm=[2, 0, 1])  # (H, W, 3) -> (3, H, W)
    graph.add("Unsqueeze", f"{name}planes", graph.constant(f"{name}first", [0], np.int64), to=f"{name}batch")
    graph.add("Shape", "image", to=f"{name}shape", start=0, end=2)
    graph.add("ReduceMin", f"{name}shape", to=f"{name}side", keepdims=1)
    graph.add("Sub", f"{name}shape", f"{name}side", to=f"{name}margins")
    graph.add("Div", f"{name}margins", graph.constant(f"{name}two", [2], np.int64), to=f"{name}start")
    graph.add("Add", f"{name}start", f"{name}side", to=f"{name}end")
    axes = graph.constant(f"{name}axes", [2, 3], np.int64)
    graph.add("Slice", f"{name}batch", f"{name}start", f"{name}end", axes, to=f"{name}square")
    graph.add(
        "Resize",
        f"{name}square",
        "",
        "",
        graph.constant(f"{name}sizes", [1, 3, size, size], np.int64),
        to=f"{name}resized",
        mode="cubic",
        cubic_coeff_a=_CUBIC,
        antialias=1,
        coordinate_transformation_mode="half_pixel",
        exclude_outside=1,
    )
    graph.cast(f"{name}resized", TensorProto.FLOAT, to=f"{name}float")
    graph.add("Div", f"{name}float", graph.constant(f"{name}white", 255.0), to=f"{name}scaled")
    mean = graph.constant(f"{name}mean", np.reshape(preprocessing.mean, (1, 3, 1, 1)))
    std = graph.constant(f"{name}std", np.reshape(preprocessing.std, (1, 3, 1, 1)))
    graph.add("Sub", f"{name}scaled", mean, to=f"{name}centred")
    graph.add("Div", f"{name}centred", std, to=to)


def _classify(graph: _Graph, classifier: Classifier, *, of: str) -> None:
    """From the network's output to ``embedding``, ``novelty`` and ``probabilities``."""
    from onnx import TensorProto

    name = HEAD
    first = graph.constant(f"{name}first", [0], np.int64)
    # Rounded as in the store, so that an image gets here the very answer it got in training.
    graph.cast(of, TensorProto.FLOAT16, to=f"{name}stored")
    graph.cast(f"{name}stored", TensorProto.FLOAT, to=f"{name}rounded")
    graph.add("Squeeze", f"{name}rounded", first, to="embedding")
    _novelty(graph, classifier.trust, of=f"{name}rounded")
    logits = _head(graph, classifier.head, of=f"{name}rounded")
    temperature = graph.constant(f"{name}temperature", classifier.trust.temperature)
    graph.add("Div", logits, temperature, to=f"{name}scaled")
    graph.add("Softmax", f"{name}scaled", to=f"{name}shares", axis=-1)
    graph.add("Squeeze", f"{name}shares", first, to="probabilities")


def _novelty(graph: _Graph, trust: Trust, *, of: str) -> None:
    """The ``novelty`` as `vitcore.evaluation` has it: mean distance to the nearest references, and probes."""
    from onnx import TensorProto

    name = f"{HEAD}novelty_"
    references = trust.references
    lengths = np.maximum(np.linalg.norm(references.astype(np.float32), axis=1), 1e-12)
    graph.constant(f"{name}stored", references.T, np.float16)
    graph.cast(f"{name}stored", TensorProto.FLOAT, to=f"{name}references")
    graph.add("MatMul", of, f"{name}references", to=f"{name}products")  # (1, D) x (D, R) -> (1, R)
    graph.add("ReduceL2", of, graph.constant(f"{name}axis", [1], np.int64), to=f"{name}length", keepdims=1)
    graph.add("Max", f"{name}length", graph.constant(f"{name}least", 1e-12), to=f"{name}own")
    graph.add("Div", f"{name}products", f"{name}own", to=f"{name}part")
    graph.add("Div", f"{name}part", graph.constant(f"{name}lengths", lengths), to=f"{name}cosines")
    count = graph.constant(f"{name}count", [min(NEAREST, len(references))], np.int64)
    graph.several("TopK", f"{name}cosines", count, to=(f"{name}nearest", f"{name}places"))
    graph.add("Sub", graph.constant(f"{name}one", 1.0), f"{name}nearest", to=f"{name}apart")
    zero, two = (graph.constant(f"{name}{what}", value) for what, value in (("zero", 0.0), ("two", 2.0)))
    graph.add("Clip", f"{name}apart", zero, two, to=f"{name}distances")
    graph.add("ReduceMean", f"{name}distances", f"{name}axis", to=f"{name}distance", keepdims=1)
    last = f"{name}distance"
    if len(trust.probes.offsets):
        probes = trust.probes
        scores = _linear(graph, "novelty_probe", probes.weights, probes.offsets, of=of)  # (1, K)
        graph.add("Concat", last, scores, to=f"{name}all", axis=1)
        last = graph.add("ReduceMax", f"{name}all", f"{name}axis", to=f"{name}largest", keepdims=1)
    graph.add("Min", last, two, to=f"{name}bounded")
    graph.add("Squeeze", f"{name}bounded", to="novelty")


def _head(graph: _Graph, head: Head, *, of: str) -> str:
    """The head, (1, D) -> (1, C); the name of its logits."""
    assert isinstance(head, LinearHead | HiddenHead)  # there are no others
    name = HEAD
    graph.add("Sub", of, graph.constant(f"{name}mean", head.mean), to=f"{name}centred")
    graph.add("Div", f"{name}centred", graph.constant(f"{name}std", head.std), to=f"{name}standard")
    last = f"{name}standard"
    if isinstance(head, HiddenHead):
        last = _gelu(graph, _linear(graph, "hidden", head.hidden_weight, head.hidden_bias, of=last))
    return _linear(graph, "logits", head.weight, head.bias, of=last)


def _linear(
    graph: _Graph, what: str, weight: npt.NDArray[np.float32], bias: npt.NDArray[np.float32], *, of: str
) -> str:
    name = f"{HEAD}{what}"
    graph.add("MatMul", of, graph.constant(f"{name}_weight", weight.T), to=f"{name}_product")
    return graph.add("Add", f"{name}_product", graph.constant(f"{name}_bias", bias), to=name)


def _gelu(graph: _Graph, x: str) -> str:
    """By tanh, as in training; an operator of its own only from opset 20 on."""
    name = f"{HEAD}gelu_"
    graph.add("Pow", x, graph.constant(f"{name}three", 3.0), to=f"{name}cube")
    graph.add("Mul", f"{name}cube", graph.constant(f"{name}part", 0.044715), to=f"{name}bent")
    graph.add("Add", x, f"{name}bent", to=f"{name}sum")
    graph.add("Mul", f"{name}sum", graph.constant(f"{name}root", math.sqrt(2 / math.pi)), to=f"{name}inner")
    graph.add("Tanh", f"{name}inner", to=f"{name}tanh")
    graph.add("Add", f"{name}tanh", graph.constant(f"{name}one", 1.0), to=f"{name}raised")
    graph.add("Mul", x, graph.constant(f"{name}half", 0.5), to=f"{name}halved")
    return graph.add("Mul", f"{name}halved", f"{name}raised", to=f"{name}out")
