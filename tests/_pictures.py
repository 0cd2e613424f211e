"""Pictures for tests, the same for the same arguments."""

import io

import numpy as np
from PIL import Image

__all__ = ["encoded", "image_of_mode", "photo", "soft_photo"]


def soft_photo(number: int, size: tuple[int, int] = (320, 240)) -> Image.Image:
    """Soft blobs in many colours; another number gives another picture."""
    random = np.random.default_rng(number)
    blobs = random.integers(0, 256, (size[1] // 16, size[0] // 16, 3), dtype=np.uint8)
    return Image.fromarray(blobs).resize(size, Image.Resampling.BICUBIC)


def photo(width: int, height: int, seed: int = 0) -> Image.Image:
    """Colours that change slowly, and grain."""
    random = np.random.default_rng([seed, width, height])
    few = Image.fromarray(random.integers(0, 256, (4, 5, 3), dtype=np.uint8))
    smooth = np.asarray(few.resize((width, height), Image.Resampling.BICUBIC), dtype=np.float64)
    return Image.fromarray((smooth + random.normal(0, 12, smooth.shape)).clip(0, 255).astype(np.uint8))


def image_of_mode(mode: str) -> Image.Image:
    """Noise in a mode of Pillow, or in one of "F wide", beyond 0 … 1, and "P transparent"."""
    grey = np.random.default_rng(0).integers(0, 256, (48, 64), dtype=np.uint8)
    if mode == "F":
        return Image.fromarray(grey.astype(np.float32) / 255)
    if mode == "F wide":
        wide = grey.astype(np.float32) * 3 - 90
        wide[0, :2] = np.nan, np.inf
        return Image.fromarray(wide)
    if mode == "I;16":
        return Image.fromarray(grey.astype(np.uint16) * 257)
    if mode == "I":
        return Image.fromarray(grey.astype(np.int32) * 1000)
    image = Image.fromarray(np.stack([grey, grey[::-1], grey[:, ::-1]], axis=-1))
    if mode == "P transparent":
        image = image.convert("P")
        image.info["transparency"] = 3
        return image
    if mode in {"RGBA", "LA"}:
        image = image.convert(mode)
        image.putalpha(Image.fromarray(grey[:, ::-1].copy()))
        return image
    return image.convert(mode)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """The bytes of a picture as a file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()
