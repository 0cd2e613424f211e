"""The one way from a file to an RGB image, for training, prediction and thumbnails alike."""

import io
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps, features

from vitcore.errors import ImageError

__all__ = ["IMAGE_SUFFIXES", "MAX_PIXELS", "load_image", "probe_image"]

MAX_PIXELS = 80_000_000
"""Largest image that is decoded, in pixels; below the limit at which Pillow warns."""

_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", *(["AVIF"] if features.check("avif") else []))
_SUFFIXES = {
    # Pillow's JPEG reader hands over to MPO, a JPEG with a second picture behind it, by itself.
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PNG": (".png",),
    "WEBP": (".webp",),
    "GIF": (".gif",),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
    "AVIF": (".avif",),
}
IMAGE_SUFFIXES = frozenset(suffix for name in _FORMATS for suffix in _SUFFIXES[name])
"""File name endings, in lower case, that are taken for images; the content decides in the end."""

# Pillow's readers raise anything at all on hostile bytes, KeyError and struct.error included, so
# the three places below that let them work on a file catch `Exception`.

_PAPER = (255, 255, 255)
_ORIENTATION = 0x0112

# Pillow only warns of an image of 90 to 180 megapixels; here it is an error like any larger one.
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)
# Pillow's remarks on sloppy metadata; a file that cannot be used is refused by name instead.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


def load_image(source: Path | bytes, at_least: int | None = None) -> Image.Image:
    """Decode an image file completely.

    The first frame, turned upright as its EXIF says, transparency laid on white, 16-bit and
    floating-point values scaled to 8 bits.

    Args:
        source: A file, or the bytes of one.
        at_least: If given, a JPEG may be decoded at a lower resolution (a half, a quarter or an
            eighth) as long as both sides keep twice this many pixels. Seven times faster on
            12-megapixel photos.

    Returns:
        An image in mode RGB.

    Raises:
        ImageError: Not an image of an allowed format, damaged or too large. The message says what
            is wrong and does not name the file.
    """
    with _open(source) as image:
        if at_least is not None:
            image.draft(None, (2 * at_least, 2 * at_least))
        return _decode(image)


def probe_image(source: Path | bytes) -> tuple[str, int, int]:
    """Decode an image file to see that it is whole: its format, upright width and height.

    Raises:
        ImageError: As for `load_image`.
    """
    with _open(source) as image:
        kind = "JPEG" if image.format == "MPO" else str(image.format)
        width, height = image.size
        # These four exchange rows and columns; the TIFF reader has done so by itself.
        if _orientation(image) >= 5 and kind != "TIFF":
            width, height = height, width
        image.draft(None, (64, 64))  # reads all of the file, does a fraction of the arithmetic
        _decode(image)
        return kind, width, height


def _open(source: Path | bytes) -> Image.Image:
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        image = Image.open(file, formats=_FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(f"more than {MAX_PIXELS // 1_000_000} megapixels; make it smaller") from error
    except MemoryError:
        raise
    except Exception as error:
        size = len(source) if isinstance(source, bytes) else source.stat().st_size
        reason = "the file is empty" if size == 0 else "not an image of a known format"
        raise ImageError(reason) from error
    if image.width * image.height > MAX_PIXELS:
        image.close()
        raise ImageError(f"more than {MAX_PIXELS // 1_000_000} megapixels; make it smaller")
    return image


def _decode(image: Image.Image) -> Image.Image:
    try:
        image.load()
        if _orientation(image) != 1:
            image = ImageOps.exif_transpose(image)
        return _to_rgb(image)
    except MemoryError:
        raise
    except Exception as error:
        raise ImageError(f"damaged or cut short ({str(error)[:80]})") from error


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 … 8; 1 where EXIF is absent or unreadable."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - damaged EXIF in a sound image: shown as it lies
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode == "F" or image.mode.startswith("I"):
        return _scaled_to_8_bits(image)
    if image.mode == "LAB":
        srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        converted = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
        assert converted is not None  # only an in-place conversion returns None
        return converted
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        paper = Image.new("RGBA", rgba.size, _PAPER)
        return Image.alpha_composite(paper, rgba).convert("RGB")
    return image.convert("RGB")


def _scaled_to_8_bits(image: Image.Image) -> Image.Image:
    """Grey of more than 8 bits: 16-bit by its full range, others by their own."""
    values = np.array(image, dtype=np.float64)
    known = np.isfinite(values)
    low, high = (float(values[known].min()), float(values[known].max())) if known.any() else (0.0, 1.0)
    # Infinities are as dark or bright as the rest gets, what is no number is dark.
    values = np.nan_to_num(values, nan=low, posinf=high, neginf=low)
    if image.mode.startswith("I") and low >= 0 and high <= 65535:
        low, high = 0.0, 65535.0
    elif image.mode == "F" and low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    scaled = (values - low) / max(high - low, 1e-12) * 255
    return Image.fromarray(scaled.round().clip(0, 255).astype(np.uint8)).convert("RGB")
