"""Engines in the place of torch."""

import numpy as np

from benchmarks._rows import Row, side_by_side, timed
from benchmarks._setting import MissingData, Setting
from vitcore.backbone import Device, Embedder, cpu_can
from vitcore.compute import engine_is_here
from vitcore.dataset import import_dataset
from vitcore.engines import SAME_COSINE, SAME_LABELS, cosines, same_labels
from vitcore.errors import BackboneError
from vitcore.features import ImageView, Unreadable, image_files, load_pixels

__all__ = ["engines"]

_IMAGES = 64
_REPEATS = 3


def engines(setting: Setting) -> list[Row]:
    """Prepared images per second of each engine that is here, against torch in fp32, and its agreement.

    On photos if there are any, else on digits. Of the agreement there are the lowest cosine similarity of
    an embedding to the exact one, and the share of images that a linear probe gives the same label; the
    baseline is what `auto` demands. bf16 is left out on a CPU without instructions for it.
    """
    exact = Embedder(setting.embedder().backbone, Device("cpu", "CPU", "fp32"))
    try:
        dataset, _ = setting.photo_dataset()
    except MissingData:
        dataset = import_dataset(setting.digit_files(_IMAGES), workspace=setting.workspace())
    step = max(1, len(dataset.index) // (setting.images or _IMAGES))
    views = [ImageView(source=file.path) for file in image_files(dataset, dataset.index)[::step]]
    seen = [load_pixels(exact, view) for view in views]
    pixels = np.stack([image for image in seen if not isinstance(image, Unreadable)])
    labels = list(dataset.index["label"][::step])
    truth = exact.embed(pixels)
    rows: list[Row] = []
    for device in _others():
        other = Embedder(exact.backbone, device)
        try:
            vectors = other.embed(pixels)  # the network is written down, and loaded
        except BackboneError as error:
            setting.say(f"  engines: {device.engine_title} is left out: {error}")
            continue
        setting.say(f"  engines: {device.engine_title}, in turn with torch in fp32")
        value, baseline = side_by_side(
            lambda other=other: len(pixels) / timed(lambda: other.embed(pixels)),
            lambda: len(pixels) / timed(lambda: exact.embed(pixels)),
            repeats=_REPEATS,
        )
        name = f"engines, {device.engine_title}"
        cosine, same = float(cosines(vectors, truth).min()), same_labels(truth, vectors, labels)
        rows += [
            Row(name=name, value=value, unit="images/s", baseline=baseline),
            Row(name=f"{name}, cosine", value=cosine, unit="lowest", baseline=SAME_COSINE),
            Row(name=f"{name}, same label", value=same, unit="share", baseline=SAME_LABELS),
        ]
    return rows


def _others() -> list[Device]:
    pairs = [("fp32", "onnxruntime"), ("int8", "onnxruntime"), ("fp32", "openvino")]
    if cpu_can("avx512_bf16", "amx_bf16"):
        pairs += [("bf16", "torch"), ("bf16", "openvino")]
    return [Device("cpu", "CPU", *pair) for pair in pairs if engine_is_here(pair[1])]
