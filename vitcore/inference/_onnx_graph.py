"""The graph of a classifier for ONNX: a photo in, probabilities out.

::

    image  uint8 (height, width, 3)
      │    what is seen of it, bicubic resize with antialiasing, normalisation
      │    the frozen network, up to the last block that is read
      │    what is read of its tokens
      ├──► embedding  float32 (D,), rounded to float16 as in the store
      ├──► novelty  float32 (), by the distance to the references and by the probes
      │    standardisation, head, temperature, softmax
      └──► probabilities  float32 (C,)

The networks of a pair have an input each, ``image``, ``image_2`` …, all for the same photo, and their vectors
are joined. Only operators of `ONNX_OPSET` are used.
"""

import json
import math
from collections.abc import Callable, Mapping
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

    backbone, members = classifier.embedder.backbone, classifier.embedder.members
    spec, preprocessing = backbone.spec, [member.backbone.spec.preprocessing for member in members]
    networks = [network_graph(member.network, member.backbone.spec) for member in members]
    if len(members) > 1:
        networks = [
            onnx.compose.add_prefix(network, f"network_{number}/")
            for number, network in enumerate(networks, start=1)
        ]
    before, behind = _Graph(), _Graph()
    inputs = ["image" if number == 1 else f"image_{number}" for number in range(1, len(members) + 1)]
    for image, network, prepared in zip(inputs, networks, preprocessing, strict=True):
        _prepare(before, prepared, image, to=network.graph.input[0].name)
    raw = [network.graph.output[0].name for network in networks]
    joined = behind.add("Concat", *raw, to=f"{HEAD}joined", axis=1) if len(raw) > 1 else raw[0]
    _classify(behind, classifier, of=joined)
    classes, dimension = classifier.head.shape
    mass, farthest = classifier.trust.rule.at(classifier.trust.level)
    graph = helper.make_graph(
        [*before.nodes, *(node for network in networks for node in network.graph.node), *behind.nodes],
        "classifier",
        [helper.make_tensor_value_info(name, TensorProto.UINT8, ["height", "width", 3]) for name in inputs],
        [
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [classes]),
            helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [dimension]),
            helper.make_tensor_value_info("novelty", TensorProto.FLOAT, []),
        ],
        initializer=[
            *before.constants,
            *(tensor for network in networks for tensor in network.graph.initializer),
            *behind.constants,
        ],
    )
    model: onnx.ModelProto = helper.make_model(
        graph,
        opset_imports=list(
            {item.domain: item for network in networks for item in network.opset_import}.values()
        ),
        functions=[function for network in networks for function in network.functions],
        ir_version=networks[0].ir_version,
        producer_name="vitcore",
    )
    helper.set_model_props(
        model,
        {
            "classes": json.dumps(classifier.classes, ensure_ascii=False),
            "input_sizes": json.dumps([one.input_size for one in preprocessing]),
            "fits": json.dumps([one.fit for one in preprocessing]),
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
            "backbone_weights_sha256": backbone.weights_sha256,
            **facts,
        },
    )
    onnx.checker.check_model(model)
    return model


def _prepare(graph: _Graph, preprocessing: Preprocessing, image: str, *, to: str) -> None:
    """From an input to what the network gets: the part that is seen, resized, normalised."""
    from onnx import TensorProto

    name = _PREPARE if image == "image" else f"{image}/{_PREPARE}"
    size = preprocessing.input_size
    graph.add("Transpose", image, to=f"{name}planes", perm=[2, 0, 1])  # (H, W, 3) -> (3, H, W)
    graph.add("Unsqueeze", f"{name}planes", graph.constant(f"{name}first", [0], np.int64), to=f"{name}batch")
    seen = _SEEN[preprocessing.fit](graph, name, image, f"{name}batch")
    graph.add(
        "Resize",
        seen,
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


def _centre(graph: _Graph, name: str, image: str, batch: str) -> str:
    """The centred square of an image (1, 3, H, W)."""
    graph.add("Shape", image, to=f"{name}shape", start=0, end=2)
    graph.add("ReduceMin", f"{name}shape", to=f"{name}side", keepdims=1)
    graph.add("Sub", f"{name}shape", f"{name}side", to=f"{name}margins")
    graph.add("Div", f"{name}margins", graph.constant(f"{name}two", [2], np.int64), to=f"{name}start")
    graph.add("Add", f"{name}start", f"{name}side", to=f"{name}end")
    axes = graph.constant(f"{name}axes", [2, 3], np.int64)
    return graph.add("Slice", batch, f"{name}start", f"{name}end", axes, to=f"{name}square")


def _by_shape(graph: _Graph, name: str, image: str, batch: str) -> str:
    """The centred square of an image (1, 3, H, W), or all of it in strips (`vitcore.fitting.placement`)."""
    from onnx import TensorProto

    def integers(what: str, *values: int) -> str:
        return graph.constant(f"{name}{what}", values, np.int64)

    _centre(graph, name, image, batch)
    graph.add("ReduceMax", f"{name}shape", to=f"{name}long", keepdims=1)
    graph.add("Mul", f"{name}long", f"{name}two", to=f"{name}twice")
    graph.add("Mul", f"{name}side", integers("three", 3), to=f"{name}thrice")
    graph.add("Greater", f"{name}twice", f"{name}thrice", to=f"{name}elongated")
    # The number of strips is the root of the ratio, rounded up, beyond a ratio of nine to four.
    graph.add("Mul", f"{name}long", integers("four", 4), to=f"{name}four_times")
    graph.add("Mul", f"{name}side", integers("nine", 9), to=f"{name}nine_times")
    graph.add("Greater", f"{name}four_times", f"{name}nine_times", to=f"{name}long_enough")
    graph.cast(f"{name}long", TensorProto.DOUBLE, to=f"{name}long_double")
    graph.cast(f"{name}side", TensorProto.DOUBLE, to=f"{name}side_double")
    graph.add("Div", f"{name}long_double", f"{name}side_double", to=f"{name}ratio")
    graph.add("Sqrt", f"{name}ratio", to=f"{name}root")
    graph.add("Ceil", f"{name}root", to=f"{name}rounded_up")
    graph.cast(f"{name}rounded_up", TensorProto.INT64, to=f"{name}most")
    graph.add("Where", f"{name}long_enough", f"{name}most", integers("one", 1), to=f"{name}strips")
    graph.add("Div", f"{name}long", f"{name}strips", to=f"{name}step")
    graph.add("Mul", f"{name}step", f"{name}strips", to=f"{name}kept")
    graph.add("Min", f"{name}shape", f"{name}kept", to=f"{name}part")  # what remains is cut off
    zeros, ones = integers("zeros", 0, 0), integers("ones", 1, 1)
    graph.add("Where", f"{name}elongated", zeros, f"{name}start", to=f"{name}from")
    graph.add("Where", f"{name}elongated", f"{name}part", f"{name}end", to=f"{name}until")
    graph.add("Slice", batch, f"{name}from", f"{name}until", f"{name}axes", to=f"{name}box")
    # Cut into n rows of strips, of a tall photo, or m columns of them, of a wide one, and their places
    # exchanged: (1, 3, n h, m w) -> (1, 3, n, h, m, w) -> (1, 3, m, h, n, w) -> (1, 3, m h, n w).
    graph.add("Equal", f"{name}shape", f"{name}long", to=f"{name}longer")
    graph.add("Where", f"{name}longer", f"{name}strips", ones, to=f"{name}counts")  # n, m
    graph.add("Sub", f"{name}until", f"{name}from", to=f"{name}sides")
    graph.add("Div", f"{name}sides", f"{name}counts", to=f"{name}strip")  # h, w
    last = integers("last", -1)
    graph.add("Unsqueeze", f"{name}counts", last, to=f"{name}counts_column")
    graph.add("Unsqueeze", f"{name}strip", last, to=f"{name}strip_column")
    graph.add("Concat", f"{name}counts_column", f"{name}strip_column", to=f"{name}pairs", axis=1)
    graph.add("Reshape", f"{name}pairs", last, to=f"{name}in_a_row")  # n, h, m, w
    channels = integers("channels", 1, 3)
    graph.add("Concat", channels, f"{name}in_a_row", to=f"{name}cut", axis=0)
    graph.add("Reshape", f"{name}box", f"{name}cut", to=f"{name}in_strips")
    graph.add("Transpose", f"{name}in_strips", to=f"{name}exchanged", perm=[0, 1, 4, 3, 2, 5])
    graph.add("Gather", f"{name}counts", integers("other_way", 1, 0), to=f"{name}counts_exchanged")
    graph.add("Mul", f"{name}counts_exchanged", f"{name}strip", to=f"{name}folded_sides")
    graph.add("Concat", channels, f"{name}folded_sides", to=f"{name}folded_shape", axis=0)
    return graph.add("Reshape", f"{name}exchanged", f"{name}folded_shape", to=f"{name}seen")


_SEEN: Mapping[str, Callable[[_Graph, str, str, str], str]] = {
    "centre": _centre,
    "squashed": lambda _graph, _name, _image, batch: batch,
    "by shape": _by_shape,
}


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
