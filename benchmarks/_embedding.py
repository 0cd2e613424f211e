"""The cost of embedding beyond the network itself."""

import os
import time
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks._rows import Row, side_by_side, timed
from benchmarks._setting import Setting
from vitcore.backbone import Embedder
from vitcore.dataset import import_dataset, load_image
from vitcore.features import EmbeddedBatch, ImageFile, ImageView, embed_batch, embed_images, image_files

__all__ = ["embedding_pass"]

_SMALL_BATCHES, _LARGE_BATCHES = 4, 2
_REPEATS = 3
_SMALL = (500, 375)
_LARGE = (4000, 3000)  # 12 megapixels


def embedding_pass(setting: Setting) -> list[Row]:
    """Images per second of reading, decoding, embedding and storing, against what would be ideal.

    For JPEGs of 500 pixels that is the bare forward pass, which gets the same pixels as tensors that are
    ready on the device, in batches of the same size and in the same number format. For JPEGs of 12
    megapixels on a CPU it is what decoding and forward pass allow by the CPU time of both, if nothing
    waits for anything; these are measured as well against the same pass that decodes every pixel. How much
    that can gain is bounded by what it gains in decoding alone, images per second of CPU time.

    With another engine than torch the bare pass is that engine on images that are decoded.
    """
    embedder = setting.embedder()
    bare = _BareNetwork(embedder) if embedder.device.engine == "torch" else _BareEngine(embedder)
    small = _JpegSet(setting, embedder, bare, _SMALL, _SMALL_BATCHES)
    large = _JpegSet(setting, embedder, bare, _LARGE, _LARGE_BATCHES)
    setting.say("  embedding-pass: small JPEGs, then the bare pass")

    def row(name: str, pair: tuple[float, float]) -> Row:
        title = f"embedding-pass, {embedder.device.engine_title}, {name}"
        return Row(name=title, value=pair[0], unit="images/s", baseline=pair[1])

    rows = [
        row("500 pixels", side_by_side(small.ours, small.forward, repeats=_REPEATS)),
        row("12 megapixels, by CPU time", side_by_side(large.ours, large.allowed, repeats=_REPEATS)),
        row("12 megapixels, all decoded", side_by_side(large.ours, large.decoding_all, repeats=_REPEATS)),
        row(
            "12 megapixels, decoding alone",
            side_by_side(large.decoding_fraction, large.decoding_pixels, repeats=_REPEATS),
        ),
    ]
    return rows if embedder.device.name == "cpu" else [rows[0], *rows[2:]]


class _JpegSet:
    """Photos of one size, and the ways to take them through the backbone, in images per second."""

    def __init__(
        self,
        setting: Setting,
        embedder: Embedder,
        bare: "_BareNetwork | _BareEngine",
        size: tuple[int, int],
        batches: int,
    ) -> None:
        self._setting, self._embedder, self._bare = setting, embedder, bare
        count = setting.images or batches * embedder.batch_size
        source = _jpegs(setting.folder(), count, size)
        dataset = import_dataset(source, workspace=setting.workspace())
        self._files = image_files(dataset, dataset.index)
        pixels = [self._decode(file) for file in self._files]
        step = embedder.batch_size
        self._batches = [
            bare.preload(np.stack(pixels[start : start + step])) for start in range(0, len(pixels), step)
        ]
        embedder.embed(np.stack(pixels[:1]))  # the network is loaded, and memory taken
        bare.run(self._batches[:1])

    def ours(self) -> float:
        """As a training does it, into a store of its own."""
        return embed_images(self._anew(), self._files).images_per_second

    def forward(self) -> float:
        """The forward pass alone."""
        return len(self._files) / timed(lambda: self._bare.run(self._batches))

    def allowed(self) -> float:
        """As many as the cores could do, by the CPU time of decoding and of the forward pass."""
        decoding_s = _cpu_time(lambda: [self._decode(file) for file in self._files])
        forward_s = _cpu_time(lambda: self._bare.run(self._batches))
        return (os.cpu_count() or 1) * len(self._files) / (decoding_s + forward_s)

    def decoding_fraction(self) -> float:
        """Decoding as a training does it."""
        return len(self._files) / _cpu_time(lambda: [self._decode(file) for file in self._files])

    def decoding_pixels(self) -> float:
        """Decoding every pixel."""
        return len(self._files) / _cpu_time(
            lambda: [self._embedder.prepare(load_image(file.path)) for file in self._files]
        )

    def decoding_all(self) -> float:
        """Like `ours`, but with every pixel of every file decoded."""
        return embed_images(self._anew(), self._files, forward_pass=_whole_pass).images_per_second

    def _anew(self) -> Embedder:
        """The embedder, with nothing embedded yet."""
        return Embedder(self._embedder.backbone, self._embedder.device, self._setting.workspace())

    def _decode(self, file: ImageFile) -> np.ndarray:
        return self._embedder.prepare(load_image(file.path, at_least=self._embedder.input_size))


def _whole_pass(embedder: Embedder, views: Iterable[ImageView]) -> Generator[EmbeddedBatch]:
    """As the usual pass, but for one thing: a large JPEG is decoded in full."""
    asked = list(views)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        seen = pool.map(lambda view: embedder.prepare(load_image(view.source)), asked)
        for start in range(0, len(asked), embedder.batch_size):
            batch = asked[start : start + embedder.batch_size]
            yield embed_batch(embedder, batch, list(islice(seen, len(batch))))


def _jpegs(folder: Path, count: int, size: tuple[int, int]) -> Path:
    """A folder of class folders with JPEGs, as detailed as photos are."""
    random = np.random.default_rng(0)
    for number in range(count):
        # Noise at several scales: about as many bytes per pixel as a photo has.
        picture = Image.new("RGB", size, (128, 128, 128))
        for side, share in ((8, 0.6), (64, 0.5), (512, 0.25), (2048, 0.12)):
            noise = random.integers(0, 256, (side, side, 3), dtype=np.uint8)
            picture = Image.blend(picture, Image.fromarray(noise).resize(size), share)
        file = folder / str(number % 2) / f"{number:04}.jpg"
        file.parent.mkdir(exist_ok=True)
        picture.save(file, quality=90)
    return folder


def _cpu_time(work: Callable[[], object]) -> float:
    """Seconds of CPU time that something takes, in all threads."""
    started = time.process_time()
    work()
    return time.process_time() - started


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


class _BareEngine:
    """The same session as ours, on images that are decoded."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    def preload(self, pixels: np.ndarray) -> np.ndarray:
        """uint8 (B, S, S, 3), as they are."""
        return pixels

    def run(self, batches: list[np.ndarray]) -> None:
        """All batches, one after another."""
        for batch in batches:
            self._embedder.embed(batch)
