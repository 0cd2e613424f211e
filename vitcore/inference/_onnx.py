"""A classifier as ONNX files, which run without torch and without this package."""

import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vitcore.backbone import quantise
from vitcore.errors import ImageError
from vitcore.inference._classifier import Classifier
from vitcore.inference._onnx_graph import HEAD, classifier_graph

_LARGE = 1024  # numbers of an array
_FP32 = 1  # the number of the type in ONNX

__all__ = ["copy_script", "onnx_probabilities", "write_fp16", "write_int8", "write_onnx"]


def write_onnx(classifier: Classifier, file: Path, *, facts: Mapping[str, str]) -> None:
    """Write a classifier as one ONNX file in fp32.

    It takes ``image``, uint8 (height, width, 3), which a pair of networks takes once more for each of the
    others as ``image_2`` and so on, and gives ``probabilities`` (C,) and ``embedding``
    (D,); its metadata says what the classes are called.

    Args:
        classifier: What to write.
        file: Where to; replaced if it is there.
        facts: More to be kept in the metadata.

    Raises:
        BackboneError: The network is too large for one file, or has something that ONNX lacks.
    """
    file.write_bytes(classifier_graph(classifier, facts).SerializeToString())


def write_int8(source: Path, file: Path) -> None:
    """Write a smaller and less exact copy of an ONNX file of `write_onnx`.

    The network's matrix products are done in 8-bit whole numbers (`vitcore.backbone.quantise`). The head
    stays as it is.
    """
    import onnx

    model = onnx.load(source)
    facts = {item.key: item.value for item in model.metadata_props}
    quantise(model, file, but=[node.name for node in model.graph.node if node.name.startswith(HEAD)])
    small = onnx.load(file)
    onnx.helper.set_model_props(small, {**facts, "precision": "int8"})
    file.write_bytes(small.SerializeToString())


def write_fp16(source: Path, file: Path) -> None:
    """Write a copy of an ONNX file of `write_onnx` at half its size.

    Large arrays are kept in fp16 and brought to fp32 when the file is loaded; everything is computed in fp32.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load(source)
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and math.prod(tensor.dims) >= _LARGE:
            name, values = tensor.name, numpy_helper.to_array(tensor)
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}/fp16"))
            casts.append(helper.make_node("Cast", [tensor.name], [name], name=f"{name}/fp32", to=_FP32))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    facts = {item.key: item.value for item in model.metadata_props}
    helper.set_model_props(model, {**facts, "precision": "fp16"})
    file.write_bytes(model.SerializeToString())


def copy_script(folder: Path) -> None:
    """Put the script that predicts with an ONNX file into a folder, as ``predict.py``."""
    shutil.copyfile(Path(__file__).parent / "standalone" / "predict.py", folder / "predict.py")


def onnx_probabilities(file: Path, images: Sequence[Path]) -> Iterator[npt.NDArray[np.float32]]:
    """Yield the probabilities an ONNX file gives to images, by the code of the script: (C,) each.

    Raises:
        ImageError: One of them cannot be decoded; once it is its turn.
    """
    from vitcore.inference.standalone.predict import Model, Unreadable

    model = Model(file)

    def answer(image: Path) -> npt.NDArray[np.float32]:
        try:
            inputs = model.prepared(image)
        except Unreadable as error:
            raise ImageError("{name} cannot be predicted: {reason}.", name=image, reason=error) from error
        return model.probabilities(inputs)

    return map(answer, images)
