"""Engines that compute embeddings in the place of torch, where they are faster: sessions of other runtimes.

Each image goes through by itself, several at a time in threads: so its vector does not depend on which
others came with it, as the scale of 8-bit numbers otherwise would, and on a CPU that is as fast as
batches are.
"""

import hashlib
import importlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from vitcore.backbone._device import Device
from vitcore.backbone._onnx_network import network_graph, quantise, sensitive_nodes
from vitcore.backbone._spec import BackboneSpec, Preprocessing
from vitcore.backbone._weights import Backbone
from vitcore.errors import BackboneError
from vitcore.messages import Message
from vitcore.records import replacing

__all__ = ["RECIPES", "Engine", "open_engine"]

# Raise one when the vectors that its files give change.
RECIPES = {"fp32": 1, "bf16": 1, "int8": 1}
"""The recipe of each precision: part of the fingerprint of what computes with it."""

Floats = npt.NDArray[np.float32]


class Engine(Protocol):
    """Something that takes images through a frozen network."""

    def vectors(self, pixels: npt.NDArray[np.uint8]) -> Floats:
        """Embeddings of prepared images: uint8 (B, S, S, 3) -> float32 (B, D)."""


class _OnnxRuntime:
    """A session of ONNX Runtime, which several threads share."""

    def __init__(self, file: Path, preprocessing: Preprocessing) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3  # errors only
        self._session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        self._preprocessing = preprocessing

    def vectors(self, pixels: npt.NDArray[np.uint8]) -> Floats:
        """Embeddings of prepared images: uint8 (B, S, S, 3) -> float32 (B, D)."""
        with ThreadPoolExecutor(torch.get_num_threads(), thread_name_prefix="vitcore-onnx") as pool:
            return np.concatenate(list(pool.map(self._vector, pixels)))

    def _vector(self, pixels: npt.NDArray[np.uint8]) -> Floats:
        vector: Floats = self._session.run(None, {"prepared": _normalised(pixels, self._preprocessing)})[0]
        return vector


class _OpenVino:
    """A compiled model of OpenVINO, which has several images at work at once."""

    def __init__(self, file: Path, preprocessing: Preprocessing, precision: str) -> None:
        openvino = importlib.import_module("openvino")  # not one of the requirements
        compiled = openvino.Core().compile_model(
            str(file),
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": {"fp32": "f32"}.get(precision, precision),
                "PERFORMANCE_HINT": "THROUGHPUT",
                "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            },
        )
        self._queue: Callable[[], Any] = lambda: openvino.AsyncInferQueue(compiled)
        self._preprocessing = preprocessing

    def vectors(self, pixels: npt.NDArray[np.uint8]) -> Floats:
        """Embeddings of prepared images: uint8 (B, S, S, 3) -> float32 (B, D)."""
        found: dict[int, Floats] = {}

        def keep(request: Any, number: int) -> None:
            found[number] = request.get_output_tensor(0).data.copy()

        queue = self._queue()
        queue.set_callback(keep)
        for number, image in enumerate(pixels):
            queue.start_async({0: _normalised(image, self._preprocessing)}, number)
        queue.wait_all()
        return np.concatenate([found[number] for number in range(len(pixels))])


def open_engine(backbone: Backbone, device: Device, folder: Path, network: Callable[[], nn.Module]) -> Engine:
    """The engine of a device, with a network.

    Args:
        backbone: Which network.
        device: What computes, and in which precision.
        folder: Where the files that engines read are kept; those that are missing are made.
        network: Loads the network in torch, for that.

    Raises:
        BackboneError: The network cannot be written as ONNX, or its file cannot be written or read.
    """
    spec = backbone.spec
    try:
        file = _file(folder, backbone, "fp32", lambda file: _write(file, network(), spec))
        if device.precision == "int8":
            exact = file
            file = _file(folder, backbone, "int8", lambda file: _write_int8(exact, file))
    except OSError as error:
        raise BackboneError(
            "{backbone} cannot be written for {engine} ({error}); free some disk space, or choose engine "
            "torch.",
            backbone=Message(spec.title),
            engine=device.engine,
            error=error,
        ) from error
    try:
        if device.engine == "openvino":
            return _OpenVino(file, spec.preprocessing, device.precision)
        return _OnnxRuntime(file, spec.preprocessing)
    except Exception as error:  # both raise what is theirs alone, and derived from nothing narrower
        raise BackboneError(
            "{engine} cannot open {backbone} ({reason}); delete {folder}, or choose engine torch.",
            engine=device.engine,
            backbone=Message(spec.title),
            reason=" ".join(str(error).split())[:200],
            folder=folder,
        ) from error


def _normalised(pixels: npt.NDArray[np.uint8], preprocessing: Preprocessing) -> Floats:
    """Ready for the network: uint8 (S, S, 3) -> float32 (1, 3, S, S)."""
    mean = np.array(preprocessing.mean, dtype=np.float32)
    std = np.array(preprocessing.std, dtype=np.float32)
    values = (pixels.astype(np.float32) / np.float32(255) - mean) / std
    return np.ascontiguousarray(values.transpose(2, 0, 1)[None])


def _file(folder: Path, backbone: Backbone, precision: str, make: Callable[[Path], None]) -> Path:
    """The file of a network in a precision; made if it is not there, in one step."""
    spec = backbone.spec
    reading = hashlib.sha256(repr(spec.reading).encode()).hexdigest()[:8]
    size = spec.preprocessing.input_size
    name = f"{backbone.weights_sha256[:32]}-{size}-{reading}-{precision}-{RECIPES[precision]}.onnx"
    path = folder / name
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            make(temporary)
    return path


def _write(file: Path, network: nn.Module, spec: BackboneSpec) -> None:
    file.write_bytes(network_graph(network, spec).SerializeToString())


def _write_int8(source: Path, file: Path) -> None:
    import onnx

    model = onnx.load(source)
    quantise(model, file, but=sensitive_nodes(model))
