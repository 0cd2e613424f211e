"""The one way from a file to an RGB image, for training, prediction and thumbnails alike."""

import ctypes
import io
import re
import struct
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import pillow_heif
from PIL import Image, ImageCms, ImageOps, TiffImagePlugin, UnidentifiedImageError, _imaging

from vitcore.errors import ImageError
from vitcore.messages import Message, message
from vitcore.sources import IMAGE_FORMATS, START_BYTES, kind_by_start
from vitcore.text import shown

__all__ = [
    "MAX_PIXELS",
    "Examined",
    "examine_image",
    "load_image",
    "load_pages",
    "photo_facts",
    "probe_image",
]

MAX_PIXELS = 80_000_000
"""Largest image that is decoded, in pixels; below the limit at which Pillow warns."""

_TOO_LARGE = message("more than {most} megapixels; make it smaller", most=MAX_PIXELS // 1_000_000)

# Without thumbnails, depth maps and the like: less of a file that is not trusted gets parsed.
pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)

_FORMATS = tuple(IMAGE_FORMATS)

# Pillow's readers raise anything at all on hostile bytes, KeyError and struct.error included, so
# the five places below that let them work on a file catch `Exception`.

_DRAFTED = frozenset({"JPEG", "MPO"})
_PAGED = frozenset({"TIFF", "GIF", "WEBP"})
_NO_MODE = "unknown pixel mode"
_SAYS_LITTLE = (UnidentifiedImageError, SyntaxError, IndexError, TypeError, struct.error)
_BITS_PER_SAMPLE, _SAMPLES_PER_PIXEL = 258, 277
_PAPER, _DARK_PAPER = (255, 255, 255), (64, 64, 64)
_LIGHT, _SEEN, _NEARLY_ALL = 225, 32, 0.95  # what is light of 255, what is seen of it, and the share of that
_DEPTHS = (8, 10, 12, 14, 16)  # bits that cameras and microscopes use of 16
_ORIENTATION = 0x0112
_MAKE, _MODEL, _EXIF, _GPS, _TAKEN = 0x010F, 0x0110, 0x8769, 0x8825, 0x9003

# The sizes of the pictures coded in a HEIC file, in its table of contents: "ispe", version, flags.
_CODED_SIZE = re.compile(rb"ispe\x00.{3}(.{4})(.{4})", re.DOTALL)

# Large images are decoded one at a time: in eight threads they would need eight times the memory.
_LARGE_PIXELS = 20_000_000
_one_large = threading.Lock()
_STRIP = 2**20  # values that are scaled at once

# Pillow only warns of an image of 90 to 180 megapixels; here it is an error like any larger one.
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)
# Pillow's remarks on sloppy metadata; a file that cannot be used is refused by name instead.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


def _silence_libtiff() -> None:
    """Keep libtiff from writing its remarks to stderr; what matters of them comes as an exception."""
    library = ctypes.CDLL(_imaging.__file__)  # finds it in what Pillow is linked with
    for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
        if hasattr(library, name):  # not on Windows, where it is a part of Pillow
            set_handler = getattr(library, name)
            set_handler.argtypes, set_handler.restype = [ctypes.c_void_p], ctypes.c_void_p
            set_handler(None)


_silence_libtiff()


def load_image(source: Path | bytes, at_least: int | None = None) -> Image.Image:
    """Decode an image file completely.

    The first frame, turned upright as its EXIF says (in a HEIC or AVIF file, as the container says:
    there EXIF is a mere copy), transparency laid on white, or on dark grey where nearly all that is
    seen is white itself; 16-bit and floating-point values scaled to 8 bits, those by the bits they use.

    Args:
        source: A file, or the bytes of one.
        at_least: If given, a JPEG may be decoded at a lower resolution (a half, a quarter or an
            eighth) as long as both sides keep twice this many pixels. That saves the arithmetic of
            decoding but not the reading of the bytes: a 12-megapixel photo of 3.4 MB takes 1.6 times
            less, smoother ones up to seven times.

    Returns:
        An image in mode RGB.

    Raises:
        ImageError: Not an image of an allowed format, damaged or too large. The message says what
            is wrong and does not name the file.
    """
    with _open(source) as image:
        if at_least is not None and image.format in _DRAFTED:
            image.draft(None, (2 * at_least, 2 * at_least))
        return _decode(image, source)


@dataclass(frozen=True)
class Examined:
    """An image file that was decoded to see that it is whole.

    Attributes:
        kind: Its format.
        width: Of the upright image, in pixels.
        height: Of the upright image, in pixels.
        bits: How many of its 16 bits a grey image uses, if fewer than all; else 0.
        pages: Number of its pages or frames, of which the first is seen.
        dark_paper: Whether it is a light drawing on transparency, which is laid on dark grey.
        flat: Whether all that is seen is one colour.
    """

    kind: str
    width: int
    height: int
    bits: int = 0
    pages: int = 1
    dark_paper: bool = False
    flat: bool = False


def examine_image(source: Path | bytes) -> Examined:
    """Decode an image file to see that it is whole, and what is special about it.

    Raises:
        ImageError: As for `load_image`.
    """
    with _open(source) as image:
        kind = str(image.format)
        if kind in _DRAFTED:
            width, height = image.size
            if _orientation(image) >= 5:  # these four exchange rows and columns
                width, height = height, width
            image.draft(None, (64, 64))  # reads all of the file, does a fraction of the arithmetic
            return Examined("JPEG", width, height, flat=_is_flat(_decode(image, source)))
        mode, seen = image.mode, _decode(image, source)
        bits, dark = 0, False
        if mode.startswith("I"):
            values = np.asarray(image)
            low, high = float(values.min()), float(values.max())
            bits = _used_bits(high) % 16 if low >= 0 and high <= 65535 else 0
        elif image.has_transparency_data:
            dark = _paper(image if mode == "RGBA" else image.convert("RGBA")) == _DARK_PAPER
        return Examined(kind, *seen.size, bits, _page_count(image), dark, _is_flat(seen))


def _is_flat(image: Image.Image) -> bool:
    pixels = np.asarray(image)
    return bool((pixels == pixels[:1, :1]).all())


def _page_count(image: Image.Image) -> int:
    try:
        return int(getattr(image, "n_frames", 1)) if image.format in _PAGED else 1
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - see above; the first page is sound
        return 1


def load_pages(source: Path) -> Iterator[Image.Image]:
    """Decode all pages or frames of an image file, as `load_image` does the first.

    Raises:
        ImageError: As for `load_image`, of any page.
    """
    with _open(source) as image:
        for page in range(_page_count(image)):
            try:
                image.seek(page)
            except MemoryError:
                raise
            except Exception as error:
                raise ImageError(_reason(str(image.format), source, error)) from error
            yield _decode(image.copy() if page else image, source)


def probe_image(source: Path | bytes) -> tuple[str, int, int]:
    """Decode an image file to see that it is whole: its format, upright width and height.

    Raises:
        ImageError: As for `load_image`.
    """
    found = examine_image(source)
    return found.kind, found.width, found.height


def photo_facts(source: Path | bytes) -> dict[str, str]:
    """Return what an image file says of the taking of the photo, as far as it says anything.

    Returns:
        ``taken``, ISO 8601 by the clock of the camera; ``camera``, its maker and model; ``place``, degrees
        of latitude and longitude to a tenth, which is about 10 km.

    Raises:
        ImageError: As for `load_image`.
    """
    with _open(source) as image:
        try:
            exif = image.getexif()
            facts = {
                "taken": _taken(exif.get_ifd(_EXIF)),
                "camera": _camera(str(exif.get(_MAKE, "")), str(exif.get(_MODEL, ""))),
                "place": _place(exif.get_ifd(_GPS)),
            }
        except Exception:  # noqa: BLE001 - damaged EXIF in a sound image: it says nothing
            return {}
    return {name: text for name, text in facts.items() if text}


def _taken(exif: Mapping[int, Any]) -> str:
    try:
        moment = time.strptime(str(exif.get(_TAKEN, "")).strip("\0 "), "%Y:%m:%d %H:%M:%S")
        return time.strftime("%Y-%m-%dT%H:%M:%S", moment)
    except ValueError:  # nothing, zeros, or a camera that writes it in its own way
        return ""


def _camera(make: str, model: str) -> str:
    make, model = (shown(text.strip("\0 "))[:60].strip() for text in (make, model))
    return model if model.lower().startswith(make.lower()) else f"{make} {model}".strip()


def _place(gps: Mapping[int, Any]) -> str:
    degrees = []
    for number, negative in ((1, "S"), (3, "W")):
        if number + 1 not in gps:
            return ""
        whole, minutes, seconds = map(float, gps[number + 1])
        value = whole + minutes / 60 + seconds / 3600
        if not 0 <= value <= 180:  # also not a number
            return ""
        degrees.append(-value if gps.get(number) == negative else value)
    return f"{degrees[0]:.1f} {degrees[1]:.1f}"


def _open(source: Path | bytes) -> Image.Image:
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        image = Image.open(file, formats=_FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(_TOO_LARGE) from error
    except MemoryError:
        raise
    except Exception as error:
        raise ImageError(_why_not(source, error)) from error
    if _pixels(image, source) > MAX_PIXELS:
        image.close()
        raise ImageError(_TOO_LARGE)
    return image


def _why_not(source: Path | bytes, error: Exception) -> Message:
    """Return why no reader could open a file."""
    start = _bytes_of(source, START_BYTES)
    if not start:
        return message("the file is empty; if it is kept in a cloud, download it first")
    Image.init()  # Pillow loads its readers when they are first needed
    for name in _FORMATS:
        factory, accept = Image.OPEN[name]
        if accept is not None and accept(start):
            return _reason(name, source, _complaint(factory, source) or error)
    return kind_by_start(start) or message("not an image of a known format")


def _complaint(factory: Callable[[IO[bytes], str], Image.Image], source: Path | bytes) -> Exception | None:
    """Return what the reader of the format says, which Pillow does not pass on when it tries them all."""
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
        try:
            factory(file, "").close()
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - see above
            return error
    return None


def _reason(kind: str, source: Path | bytes, error: Exception) -> Message:
    """Return why a file of a known format cannot be read: it is of a kind that has no reader, or damaged."""
    said = " ".join(str(error).split())[:80]
    detail: str | Message = ""
    if said.startswith("Unsupported") or said.endswith("not available"):
        detail = said
    elif kind == "TIFF" and isinstance(error.__cause__, KeyError) and said.isdecimal():
        detail = message("compression {number}", number=said)
    elif kind == "TIFF" and isinstance(error, SyntaxError):
        detail = _channels(source) or (said if said == _NO_MODE else "")
    if detail:
        return message(
            "a kind of {format} that cannot be read ({detail}); save it as PNG or JPEG",
            format=kind,
            detail=detail,
        )
    if isinstance(error, _SAYS_LITTLE):
        return message("damaged or cut short")
    return message("damaged or cut short ({error})", error=said)


def _channels(source: Path | bytes) -> Message | None:
    """Return how many channels a TIFF file has, if they are too many or too few."""
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
        try:
            directory = TiffImagePlugin.ImageFileDirectory_v2(file.read(8))
            file.seek(directory.next)
            directory.load(file)
            count, bits = directory[_SAMPLES_PER_PIXEL], directory[_BITS_PER_SAMPLE]
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - see above
            return None
    if count in {1, 3, 4}:
        return None
    return message("{count} channels of {bits} bits", count=count, bits=max(bits))


def _bytes_of(source: Path | bytes, size: int = -1) -> bytes:
    if isinstance(source, bytes):
        return source[:size] if size >= 0 else source
    with source.open("rb") as file:
        return file.read(size)


def _pixels(image: Image.Image, source: Path | bytes) -> int:
    """Return the number of pixels to decode: a HEIC file may show a small part of a huge picture."""
    shown = image.width * image.height
    if image.format != "HEIF":
        return shown
    sizes = _CODED_SIZE.findall(_bytes_of(source))
    return max([shown, *(int.from_bytes(width) * int.from_bytes(height) for width, height in sizes)])


def _decode(image: Image.Image, source: Path | bytes) -> Image.Image:
    kind = str(image.format)
    large = image.width * image.height > _LARGE_PIXELS
    try:
        with _one_large if large else nullcontext():
            image.load()
            if _orientation(image) != 1:
                image = ImageOps.exif_transpose(image)
            return _to_rgb(image)
    except MemoryError:
        raise
    except Exception as error:
        raise ImageError(_reason(kind, source, error)) from error


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 … 8; 1 where EXIF is absent or unreadable, or the reader has heeded it."""
    if image.format == "HEIF":
        return 1
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
        rgba = image if image.mode == "RGBA" else image.convert("RGBA")
        paper = Image.new("RGB", rgba.size, _paper(rgba))
        paper.paste(rgba, mask=rgba)
        return paper
    return image.convert("RGB")


def _paper(rgba: Image.Image) -> tuple[int, int, int]:
    """The colour below a picture that is transparent in part: one on which it is seen."""
    seen = rgba.getchannel("A").point([255 if value >= _SEEN else 0 for value in range(256)])
    counts = rgba.convert("L").histogram(seen)
    return _DARK_PAPER if sum(counts[_LIGHT:]) > _NEARLY_ALL * sum(counts) else _PAPER


def _used_bits(highest: float) -> int:
    """The bits that values from 0 to `highest`, 65535 at most, use."""
    return next(bits for bits in _DEPTHS if highest < 2**bits)


def _scaled_to_8_bits(image: Image.Image) -> Image.Image:
    """Grey of more than 8 bits: 16-bit by the bits that it uses, others by their own range."""
    values = np.asarray(image).reshape(-1)
    if image.mode == "F":
        known = np.isfinite(values)
        low = float(values.min(where=known, initial=np.inf))
        high = float(values.max(where=known, initial=-np.inf))
        if low > high or (low >= 0 and high <= 1):  # not one number, or the usual range
            low, high = 0.0, 1.0
    else:
        low, high = float(values.min()), float(values.max())
        if low >= 0 and high <= 65535:
            low, high = 0.0, 2.0 ** _used_bits(high) - 1
    grey = np.empty(values.shape, dtype=np.uint8)
    for start in range(0, len(values), _STRIP):
        strip = values[start : start + _STRIP].astype(np.float64)
        # Infinities are as dark or bright as the rest gets, what is no number is dark.
        strip = np.nan_to_num(strip, nan=low, posinf=high, neginf=low)
        strip = (strip - low) / max(high - low, 1e-12) * 255
        grey[start : start + _STRIP] = strip.round().clip(0, 255)
    return Image.fromarray(grey.reshape(image.height, image.width)).convert("RGB")
