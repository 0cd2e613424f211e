"""What embedding costs beyond the network itself."""

import numpy as np
import torch

from benchmarks._rows import Row, side_by_side, timed
from benchmarks._setting import Setting, image_files
from vitcore.backbone import Embedder
from vitcore.dataset import import_dataset, load_image
from vitcore.features import embed_images

__all__ = ["embedding_pass"]

_BATCHES = 6
_REPEATS = 3


def embedding_pass(setting: Setting) -> list[Row]:
    """Images per second of reading, decoding, embedding and storing, against the bare forward pass.

    The bare pass gets the same pixels as tensors that are ready on the device, in batches of the same
    size and in the same number format.
    """
    embedder = setting.embedder()
    source = setting.digit_files(_BATCHES * embedder.batch_size)
    files = image_files(import_dataset(source, workspace=setting.workspace()))
    bare = _BareNetwork(embedder)
    size, side = embedder.batch_size, embedder.input_size
    pixels = [embedder.prepare(load_image(file.path, at_least=side)) for file in files]
    batches = [bare.preload(np.stack(pixels[start : start + size])) for start in range(0, len(pixels), size)]
    embedder.embed(np.stack(pixels[:1]))  # the network is loaded, and memory taken
    bare.run(batches[:1])

    def ours() -> float:
        setting.say("  embedding-pass: a fresh store, then the bare pass")
        return embed_images(embedder, files, workspace=setting.workspace()).images_per_second

    value, baseline = side_by_side(
        ours, lambda: len(files) / timed(lambda: bare.run(batches)), repeats=_REPEATS
    )
    return [Row(name="embedding-pass", value=value, unit="images/s", baseline=baseline)]


class _BareNetwork:
    """The same architecture as timm makes it; random weights take as long as others."""

    def __init__(self, embedder: Embedder) -> None:
        import timm

        spec = embedder.backbone.spec
        self._device = embedder.device
        self._preprocessing = spec.preprocessing
        self._model = timm.create_model(
            spec.architecture, pretrained=False, num_classes=0, img_size=spec.preprocessing.input_size
        )
        self._model.eval().to(self._device.name)

    def preload(self, pixels: np.ndarray) -> torch.Tensor:
        """Normalised, on the device: uint8 (B, S, S, 3) -> (B, 3, S, S)."""
        mean, std = self._preprocessing.mean, self._preprocessing.std
        normalised = ((pixels / 255.0 - mean) / std).astype(np.float32)
        return torch.from_numpy(normalised).permute(0, 3, 1, 2).contiguous().to(self._device.name)

    def run(self, batches: list[torch.Tensor]) -> None:
        """All batches, one after another, until the last is done."""
        reduced = self._device.dtype != torch.float32
        with torch.inference_mode(), torch.autocast(self._device.name, self._device.dtype, enabled=reduced):
            for batch in batches:
                self._model.forward_features(batch)
        if self._device.name == "cuda":
            torch.cuda.synchronize()
