"""The one way from a file to an RGB image."""

import struct
import subprocess
import sys
import time
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests._pictures import encoded, photo
from vitcore.dataset import MAX_PIXELS, _decode, load_image
from vitcore.dataset._decode import probe_image
from vitcore.errors import ImageError
from vitcore.sources import IMAGE_SUFFIXES

# What turns the stored pixels of each EXIF orientation upright, and its inverse.
TO_STORED = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.swapaxes(0, 1),
    6: lambda upright: np.rot90(upright, 1),
    7: lambda upright: upright[::-1, ::-1].swapaxes(0, 1),
    8: lambda upright: np.rot90(upright, -1),
}

# What saves so that the pixels can be compared.
LOSSLESS = {
    "AVIF": {"quality": 100, "subsampling": "4:4:4"},
    "HEIF": {"quality": -1, "chroma": 444},
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"lossless": True},
}


def gradient(width: int = 48, height: int = 32) -> np.ndarray:
    """Smooth, and different in every corner: uint8 (H, W, 3)."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 255 / width, y * 255 / height, (x + y) * 90 / width], axis=2).astype(np.uint8)


def pixels(source: bytes | Path, **options: int) -> np.ndarray:
    image = load_image(source, **options)
    assert image.mode == "RGB"
    return np.asarray(image).astype(int)


def png_header(width: int, height: int) -> bytes:
    """A PNG file that says how large it is and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    about = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + about + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_upright(kind, orientation):
    upright = gradient()
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(TO_STORED[orientation](upright)))
    # As bytes: of an `Image.Exif` the writer of HEIC files does not read the orientation, and the
    # container would not say that the picture lies on its side.
    file = encoded(stored, kind, exif=exif.tobytes(), **LOSSLESS.get(kind, {}))
    assert np.abs(pixels(file) - upright).mean() < 2
    assert probe_image(file) == (kind, 48, 32)


@pytest.mark.parametrize("orientation", range(2, 9))
def test_the_exif_of_a_heic_without_a_word_in_the_container_is_a_mere_copy(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = encoded(Image.fromarray(gradient()), "HEIF", exif=exif, **LOSSLESS["HEIF"])
    assert b"irot" not in file
    assert b"imir" not in file
    assert np.abs(pixels(file) - gradient()).mean() < 2
    assert probe_image(file) == ("HEIF", 48, 32)


def test_an_orientation_that_does_not_exist_is_ignored():
    exif = Image.Exif()
    exif[0x0112] = 77
    file = encoded(Image.fromarray(gradient()), "PNG", exif=exif)
    assert np.array_equal(pixels(file), gradient())


def test_cmyk_becomes_rgb():
    red = Image.new("RGB", (16, 16), (230, 20, 20)).convert("CMYK")
    assert np.abs(pixels(encoded(red, "JPEG", quality=95)) - (230, 20, 20)).max() < 12


@pytest.mark.parametrize(
    ("mode", "clear", "half", "half_on_white"),
    [
        ("LA", (0, 0), (0, 128), (127, 127, 127)),
        ("RGBA", (0, 0, 0, 0), (200, 0, 0, 128), (227, 127, 127)),
    ],
)
def test_transparency_lies_on_white(mode, clear, half, half_on_white):
    image = Image.new(mode, (2, 1))
    image.putpixel((0, 0), clear)
    image.putpixel((1, 0), half)
    row = pixels(encoded(image, "PNG"))[0]
    assert row[0].tolist() == [255, 255, 255]
    assert np.abs(row[1] - half_on_white).max() <= 1


@pytest.mark.parametrize("transparency", [1, b"\xff\x00"])
def test_a_transparent_palette_entry_lies_on_white(transparency):
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 90, 80, 70])
    image.putpixel((1, 0), 1)
    row = pixels(encoded(image, "PNG", transparency=transparency))[0]
    assert row.tolist() == [[10, 20, 30], [255, 255, 255]]


def test_a_palette_without_transparency_gives_its_colours():
    image = Image.fromarray(gradient()).quantize(16)
    assert np.array_equal(pixels(encoded(image, "PNG")), np.asarray(image.convert("RGB")))


def test_a_see_through_heic_lies_on_white():
    image = Image.new("RGBA", (64, 64), (200, 0, 0, 128))
    image.paste((0, 0, 0, 0), (0, 0, 64, 32))
    loaded = pixels(encoded(image, "HEIF", **LOSSLESS["HEIF"]))
    assert np.abs(loaded[8, 8] - 255).max() <= 2
    assert np.abs(loaded[56, 8] - (227, 127, 127)).max() <= 3


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_a_16_bit_image_equals_its_8_bit_twin(kind):
    grey = gradient()[:, :, 0]
    twin = encoded(Image.fromarray(grey), kind)
    deep = encoded(Image.fromarray(grey.astype(np.uint16) * 257), kind)
    assert np.abs(pixels(deep) - pixels(twin)).max() <= 1
    assert pixels(twin)[0, 20].tolist() == [grey[0, 20]] * 3


def test_integers_beyond_16_bits_are_scaled_by_their_own_range():
    values = np.array([[-1_000_000, 0, 1_000_000]], dtype=np.int32)
    assert pixels(encoded(Image.fromarray(values), "TIFF"))[0, :, 0].tolist() == [0, 128, 255]


def test_floating_point_values_from_0_to_1_keep_their_brightness():
    values = np.array([[0.0, 0.5, 0.25]], dtype=np.float32)
    assert pixels(encoded(Image.fromarray(values), "TIFF"))[0, :, 0].tolist() == [0, 128, 64]


def test_other_floating_point_values_are_scaled_by_their_own_range():
    values = np.array([[-10.0, 0.0, 30.0]], dtype=np.float32)
    assert pixels(encoded(Image.fromarray(values), "TIFF"))[0, :, 0].tolist() == [0, 64, 255]


@pytest.mark.parametrize(
    "values", [[0.0, np.nan, 1.0], [0.0, np.inf, 1.0], [-np.inf, 0.0, np.nan], [np.nan] * 3, [7.0] * 3]
)
def test_values_that_are_no_numbers_give_an_image_without_a_warning(values):
    file = encoded(Image.fromarray(np.array([values], dtype=np.float32)), "TIFF")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loaded = load_image(file)
    assert (loaded.mode, loaded.size) == ("RGB", (3, 1))
    assert [str(warning.message) for warning in caught] == []


def test_black_and_white_stays_black_and_white():
    image = Image.fromarray(np.array([[True, False]]))
    assert image.mode == "1"
    assert pixels(encoded(image, "PNG")).tolist() == [[[255] * 3, [0] * 3]]


def test_lab_becomes_rgb():
    lab = Image.new("LAB", (4, 4), (255, 128, 128))
    assert pixels(encoded(lab, "TIFF")).min() > 245


def test_the_first_frame_of_an_animation_is_taken():
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue")]
    file = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert pixels(file)[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("options", [{"lossless": True}, {"quality": 90}])
def test_webp_is_read(options):
    assert np.abs(pixels(encoded(Image.fromarray(gradient()), "WEBP", **options)) - gradient()).mean() < 4


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP", "GIF", "JPEG", "AVIF", "HEIF"])
def test_every_format_on_offer_is_read_and_named(kind):
    if kind == "AVIF" and ".avif" not in IMAGE_SUFFIXES:
        pytest.skip("this Pillow reads no AVIF")
    file = encoded(Image.fromarray(gradient()), kind)
    assert probe_image(file) == (kind, 48, 32)
    assert load_image(file).size == (48, 32)


def test_a_jpeg_with_a_second_picture_is_a_jpeg():
    first, second = Image.fromarray(gradient()), Image.fromarray(gradient()[::-1])
    file = encoded(first, "MPO", save_all=True, append_images=[second], quality=95)
    assert probe_image(file) == ("JPEG", 48, 32)
    assert np.abs(pixels(file) - gradient()).mean() < 3


def test_of_a_heic_with_several_pictures_the_primary_one_is_taken():
    red, blue = (Image.new("RGB", (64, 64), colour) for colour in ("red", "blue"))
    file = encoded(red, "HEIF", save_all=True, append_images=[blue], primary_index=1)
    assert np.abs(pixels(file)[0, 0] - (0, 0, 255)).max() < 8


@pytest.mark.parametrize("at_least", [None, 8])
def test_the_thumbnail_in_a_heic_is_not_taken_for_the_picture(at_least):
    file = encoded(Image.fromarray(gradient(256, 128)), "HEIF", thumbnails=[64])
    assert load_image(file, at_least=at_least).size == (256, 128)
    assert probe_image(file) == ("HEIF", 256, 128)
    with pytest.raises(ImageError):
        probe_image(file[:-200])


@pytest.mark.parametrize("suffix", [".heic", ".heif", ".hif"])
def test_photos_of_phones_are_known_by_their_names(suffix):
    assert suffix in IMAGE_SUFFIXES


def test_a_file_and_its_bytes_give_the_same_image(tmp_path):
    file = encoded(Image.fromarray(gradient()), "JPEG")
    (tmp_path / "x.jpg").write_bytes(file)
    assert np.array_equal(pixels(tmp_path / "x.jpg"), pixels(file))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "HEIF"])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.95])
def test_a_file_cut_short_is_refused(kind, part):
    noise = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    whole = encoded(Image.fromarray(noise), kind)
    cut = whole[: int(part * len(whole))]
    with pytest.raises(ImageError):
        load_image(cut)
    with pytest.raises(ImageError):
        probe_image(cut)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "HEIF"])
def test_a_file_cut_short_in_its_head_is_not_said_to_be_something_else(kind):
    with pytest.raises(ImageError, match="damaged or cut short"):
        load_image(encoded(Image.fromarray(gradient()), kind)[:20])


def test_a_truncated_jpeg_is_refused_at_low_resolution_too():
    whole = encoded(Image.fromarray(gradient(1600, 1200)), "JPEG", quality=90)
    assert load_image(whole, at_least=50).size == (200, 150)
    with pytest.raises(ImageError, match="damaged or cut short"):
        load_image(whole[: len(whole) // 2], at_least=50)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty; if it is kept in a cloud, download it first"),
        (b"<!doctype html><html><body>404</body></html>", "not an image"),
        (b"%PDF-1.7 and so on", "a PDF file; export its pictures"),
        (b"P6 2 1 255 abcdef", "not an image"),  # a sound image, of a format that is not on offer
        (b"\xff\xd8\xff", "damaged or cut short"),
        (bytes(range(256)) * 8, "not an image"),
    ],
)
def test_what_is_no_image_is_refused_with_the_reason(tmp_path, content, reason):
    path = tmp_path / "x.jpg"
    path.write_bytes(content)
    for source in (content, path):
        with pytest.raises(ImageError, match=reason):
            load_image(source)


@pytest.mark.parametrize(
    ("width", "height"), [(9000, 9000), (10_000, 9000), (20_000, 20_000), (1, 2**31 - 1)]
)
def test_an_image_beyond_the_limit_is_refused_before_it_is_decoded(width, height):
    assert width * height > MAX_PIXELS
    with pytest.raises(ImageError, match="more than 80 megapixels"):
        load_image(png_header(width, height))


def test_a_small_clipping_of_a_huge_heic_is_beyond_the_limit(monkeypatch):
    file = encoded(Image.fromarray(gradient()), "HEIF")
    assert b"clap" in file  # coded as 64 × 64 pixels
    monkeypatch.setattr(_decode, "MAX_PIXELS", 64 * 64)
    assert load_image(file).size == (48, 32)
    monkeypatch.setattr(_decode, "MAX_PIXELS", 64 * 64 - 1)
    with pytest.raises(ImageError, match="megapixels"):
        load_image(file)


def test_large_images_are_decoded_one_at_a_time(monkeypatch):
    inside, seen = [], []
    real = _decode._to_rgb

    def watched(image: Image.Image) -> Image.Image:
        inside.append(1)
        time.sleep(0.01)
        seen.append(len(inside))
        inside.pop()
        return real(image)

    monkeypatch.setattr(_decode, "_to_rgb", watched)
    monkeypatch.setattr(_decode, "_LARGE_PIXELS", 1000)
    files = [encoded(Image.fromarray(gradient()), "PNG")] * 8
    with ThreadPoolExecutor(4) as pool:
        assert [image.size for image in pool.map(load_image, files)] == [(48, 32)] * 8
    assert seen == [1] * 8


def test_the_limit_is_on_pixels_not_on_sides():
    with pytest.raises(ImageError, match="damaged or cut short"):
        load_image(png_header(60_000, 10))


def test_draft_decoding_is_close_to_full_decoding():
    file = encoded(photo(1600, 1200), "JPEG", quality=90)
    full, draft = load_image(file), load_image(file, at_least=112)
    assert draft.size == (400, 300)
    first, second = (
        np.asarray(image.resize((112, 112), Image.Resampling.BICUBIC)).astype(int) for image in (full, draft)
    )
    assert np.abs(first - second).mean() < 1


@pytest.mark.parametrize(
    ("size", "at_least", "expected"),
    [
        ((1600, 1200), 150, (400, 300)),
        ((1600, 1200), 151, (800, 600)),
        ((1600, 1200), 75, (200, 150)),
        ((1600, 1200), 10, (200, 150)),
        ((1600, 200), 60, (1600, 200)),
        ((100, 80), 224, (100, 80)),
    ],
)
def test_draft_decoding_keeps_twice_the_wanted_size(size, at_least, expected):
    assert load_image(encoded(photo(*size), "JPEG"), at_least=at_least).size == expected


def test_draft_decoding_counts_the_sides_of_a_turned_photo_too():
    exif = Image.Exif()
    exif[0x0112] = 6
    assert load_image(encoded(photo(1600, 1200), "JPEG", exif=exif), at_least=150).size == (300, 400)


def test_other_formats_are_decoded_in_full():
    assert load_image(encoded(photo(800, 600), "PNG"), at_least=10).size == (800, 600)


@pytest.mark.thorough
def test_nothing_is_printed_or_warned_about_sloppy_and_hostile_files(tmp_path):
    image = Image.fromarray(gradient())
    tiff = bytearray(encoded(image, "TIFF"))
    tiff[-8:] = b"\xff" * 8
    pair = bytearray(encoded(image, "MPO", save_all=True, append_images=[image]))
    about = pair.find(b"MPF\0") + 4
    pair[about : about + 26] = b"\xff" * 26
    files = {
        "pair.jpg": bytes(pair),
        "exif.jpg": encoded(image, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0" + b"\xff" * 40),
        "palette.png": encoded(image.quantize(4), "PNG", transparency=b"\x00\x80\xff\xff"),
        "huge.png": png_header(10_000, 9000),
        "huger.png": png_header(30_000, 30_000),
        "html.jpg": b"<html>",
        "tags.tif": bytes(tiff),
        "profile.png": encoded(image, "PNG", icc_profile=b"nonsense"),
        "phone.heic": encoded(image, "HEIF"),
        "cut.heic": encoded(image, "HEIF")[:-10],
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from vitcore.dataset import load_image\n"
        "from vitcore.errors import ImageError\n"
        "for path in sorted(Path(sys.argv[1]).glob('*.*')):\n"
        "    try:\n"
        "        print(path.name, load_image(path).mode)\n"
        "    except ImageError as error:\n"
        "        print(path.name, 'refused')\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", script, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.stderr == ""
    assert dict(line.split() for line in done.stdout.splitlines()) == {
        "cut.heic": "refused",
        "exif.jpg": "RGB",
        "html.jpg": "refused",
        "huge.png": "refused",
        "huger.png": "refused",
        "pair.jpg": "RGB",
        "phone.heic": "RGB",
        "palette.png": "RGB",
        "profile.png": "RGB",
        "tags.tif": "RGB",
    }
