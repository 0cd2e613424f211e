"""Predict the classes of photos with an exported model.

Needs Python 3.10 or newer and three packages::

    pip install onnxruntime numpy pillow
    python predict.py PATH...                            # files, or folders of them
    python predict.py PATH... --model model-int8.onnx    # smaller and less exact

Prints one JSON object per line: path, label, confidence, sure, reason, probabilities. Where it is not
sure, the reason is "ambiguous", for several classes are possible, or "novel", for the photo is unlike those
that were learned from; by the level of doubt that was chosen when the model was exported. A file that
cannot be read is named on stderr, the others are answered, and the exit status is 1 at the end. HEIC
photos can be read if the package pillow-heif is installed too.

The model takes any photo as it is, uint8 (height, width, 3), and prepares it by itself. Here the photo
is brought to the model's size before, by the same steps of Pillow as in the training, so that every
pixel and thus the answer is the same as there.
"""

from __future__ import annotations

import argparse
import ctypes
import io
import json
import math
import os
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from PIL import Image, ImageCms, ImageOps, _imaging, features

__all__ = ["Model", "Unreadable", "load_image", "main", "prepare"]

MAX_PIXELS = 80_000_000
FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"]
SUFFIXES = {
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff",
    ".avif", ".heic", ".heif", ".hif",
}  # fmt: skip
REDUCING_GAP = 3.0
PAPER, DARK_PAPER = (255, 255, 255), (64, 64, 64)
LIGHT, SEEN, NEARLY_ALL = 225, 32, 0.95  # what is light of 255, what is seen of it, and the share of that
DEPTHS = (8, 10, 12, 14, 16)  # bits that cameras and microscopes use of 16
ORIENTATION = 0x0112
STRIP = 2**20
CONTROLS = re.compile("[\0-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")  # of terminals, and of the direction


class Unreadable(Exception):
    """A file that is no image, or a damaged one; the message says why."""


class Model:
    """An exported model.

    Args:
        file: The ``.onnx`` file; what its outputs mean is written in it.

    Attributes:
        classes: The names of its C classes.
        input_sizes: Sides of the squares, in pixels, that its networks look at, one for each of its inputs.
        fits: What of a photo each of them sees.
    """

    def __init__(self, file: Path) -> None:
        self._session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        facts = self._session.get_modelmeta().custom_metadata_map
        self.classes: list[str] = json.loads(facts["classes"])
        self.input_sizes: list[int] = json.loads(facts["input_sizes"])
        self.fits: list[str] = json.loads(facts["fits"])
        self._inputs = [item.name for item in self._session.get_inputs()]
        self._least_confidence = float(facts["least_confidence"])
        self._largest_novelty = float(facts["largest_novelty"])

    def prepared(self, file: Path) -> dict[str, np.ndarray[Any, Any]]:
        """The inputs for an image file: uint8 (size, size, 3) each.

        Raises:
            Unreadable: It is no image, or a damaged one.
        """
        image = load_image(file, max(self.input_sizes))
        seen = zip(self._inputs, self.input_sizes, self.fits, strict=True)
        return {name: prepare(image, size, fit) for name, size, fit in seen}

    def probabilities(self, inputs: dict[str, np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
        """Of each class: uint8 (height, width, 3) for each input -> float32 (C,)."""
        (found,) = self._session.run(["probabilities"], inputs)
        return np.asarray(found)

    def predict(self, file: Path) -> dict[str, Any]:
        """The answer for one file: label, confidence, sure, reason, probabilities, most probable first.

        Raises:
            Unreadable: It is no image, or a damaged one.
        """
        found, novelty = self._session.run(["probabilities", "novelty"], self.prepared(file))
        order = np.argsort(-found, kind="stable")
        confidence, reason = float(found[order[0]]), ""
        if float(novelty) > self._largest_novelty:
            reason = "novel"
        elif confidence <= self._least_confidence:
            reason = "ambiguous"
        return {
            "label": self.classes[order[0]],
            "confidence": confidence,
            "sure": not reason,
            "reason": reason,
            "probabilities": {self.classes[number]: float(found[number]) for number in order},
        }


def prepare(image: Image.Image, size: int, fit: str) -> np.ndarray[Any, Any]:
    """What a network sees of an image: uint8 (size, size, 3).

    The centred square where `fit` is "centre", the whole where it is "squashed". Where it is "by shape", the
    centred square of a photo up to half as long again as broad; a longer one is squashed, and from nine times
    four on cut into strips along its longer side that lie below or beside each other.
    """
    long, short = max(image.size), min(image.size)
    left, top, right, bottom = 0, 0, image.width, image.height
    if fit == "centre" or (fit == "by shape" and 2 * long <= 3 * short):
        left, top = (image.width - short) // 2, (image.height - short) // 2
        right, bottom = left + short, top + short
    elif fit == "by shape" and 4 * long > 9 * short:
        image = fold(image, math.ceil(math.sqrt(long / short)))
        right, bottom = image.size
    box = (left, top, right, bottom)
    small = image.resize((size, size), Image.Resampling.BICUBIC, box=box, reducing_gap=REDUCING_GAP)
    return np.array(small, dtype=np.uint8)


def fold(image: Image.Image, strips: int) -> Image.Image:
    """An image with the strips of its longer side across its shorter one."""
    wide, step = image.width >= image.height, max(image.size) // strips
    result = Image.new("RGB", (step, image.height * strips) if wide else (image.width * strips, step))
    for number in range(strips):
        start = step * number
        box = (start, 0, start + step, image.height) if wide else (0, start, image.width, start + step)
        result.paste(image.crop(box), (0, image.height * number) if wide else (image.width * number, 0))
    return result


def load_image(file: Path, at_least: int) -> Image.Image:
    """The first frame of an image file, upright and in mode RGB.

    Transparency is laid on white, or on dark grey where nearly all that is seen is white itself; 16-bit
    and floating-point values are scaled to 8 bits, those by the bits they use. A large JPEG is decoded at
    a half, a quarter or an eighth, as long as both sides keep twice `at_least` pixels.

    Raises:
        Unreadable: It is no image, or a damaged one.
    """
    # Pillow's readers raise anything at all on damaged bytes.
    try:
        with Image.open(file, formats=_formats()) as image:
            _check_size(image)
            if image.format in {"JPEG", "MPO"}:
                image.draft(None, (2 * at_least, 2 * at_least))
            image.load()
            return _to_rgb(ImageOps.exif_transpose(image) if _orientation(image) != 1 else image)
    except (MemoryError, Unreadable):
        raise
    except OSError as error:
        raise Unreadable(error.strerror or "not an image that can be read") from error
    except Exception as error:
        raise Unreadable(f"damaged ({' '.join(str(error).split())[:80]})") from error


def _formats() -> list[str]:
    more = ["AVIF"] if features.check("avif") else []
    return [*FORMATS, *more, *(["HEIF"] if "HEIF" in Image.OPEN else [])]


def _check_size(image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise Unreadable(f"more than {MAX_PIXELS // 1_000_000} megapixels")


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 where there is none, or the reader has heeded it."""
    if image.format == "HEIF":
        return 1
    try:
        value = image.getexif().get(ORIENTATION, 1)
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
    seen = rgba.getchannel("A").point([255 if value >= SEEN else 0 for value in range(256)])
    counts = rgba.convert("L").histogram(seen)
    return DARK_PAPER if sum(counts[LIGHT:]) > NEARLY_ALL * sum(counts) else PAPER


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
            low, high = 0.0, 2.0 ** next(bits for bits in DEPTHS if high < 2**bits) - 1
    grey = np.empty(values.shape, dtype=np.uint8)
    for start in range(0, len(values), STRIP):
        strip = values[start : start + STRIP].astype(np.float64)
        strip = np.nan_to_num(strip, nan=low, posinf=high, neginf=low)
        strip = (strip - low) / max(high - low, 1e-12) * 255
        grey[start : start + STRIP] = strip.round().clip(0, 255)
    return Image.fromarray(grey.reshape(image.height, image.width)).convert("RGB")


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    """Files as they are named; of folders, the images in them and below that are not hidden."""
    for path in paths:
        if path.is_dir():
            inside = (file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES)
            yield from sorted(file for file in inside if file.is_file() and not file.name.startswith("."))
        else:
            yield path


def silence_libtiff() -> None:
    """Keep libtiff from writing its remarks to stderr; what matters of them comes as an exception."""
    library = ctypes.CDLL(_imaging.__file__)  # finds it in what Pillow is linked with
    for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
        if hasattr(library, name):  # not on Windows, where it is a part of Pillow
            set_handler = getattr(library, name)
            set_handler.argtypes, set_handler.restype = [ctypes.c_void_p], ctypes.c_void_p
            set_handler(None)


def main(arguments: Sequence[str] | None = None) -> int:
    """Predict what the command line names; the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # UTF-8, whatever the system says
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    parser = argparse.ArgumentParser(description="Predict the classes of photos.")
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="image files, or folders of them")
    beside = Path(__file__).with_name("model.onnx")
    parser.add_argument("--model", type=Path, default=beside, help="default: model.onnx beside this script")
    options = parser.parse_args(arguments)
    if not options.model.is_file():
        parser.error(f"there is no model file {options.model}")
    warnings.filterwarnings("ignore", module=r"PIL\.")  # remarks on sloppy metadata, and on large images
    with suppress(ImportError):
        from pillow_heif import register_heif_opener

        register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
    silence_libtiff()
    model = Model(options.model)
    status = 0
    for file in _files(options.paths):
        name = os.fsencode(file).decode("utf-8", "replace")  # names may be any bytes
        try:
            answer = {"path": name, **model.predict(file)}
        except (Unreadable, ValueError) as error:
            status = 1
            sys.stderr.write(CONTROLS.sub("\N{REPLACEMENT CHARACTER}", f"{name}: {error}") + "\n")
        else:
            text = json.dumps(answer, ensure_ascii=False)
            sys.stdout.write(CONTROLS.sub(lambda sign: f"\\u{ord(sign[0]):04x}", text) + "\n")
            sys.stdout.flush()
    return status


if __name__ == "__main__":
    sys.exit(main())
