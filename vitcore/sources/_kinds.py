"""What files are that are no photos, by their names and by how they begin, and what to do with them."""

from collections.abc import Mapping
from pathlib import PurePosixPath

from PIL import features

from vitcore.messages import Message, message

__all__ = [
    "ARCHIVES",
    "IMAGE_FORMATS",
    "IMAGE_SUFFIXES",
    "PARQUET_SUFFIX",
    "START_BYTES",
    "VIDEO_SUFFIXES",
    "kind_by_name",
    "kind_by_start",
]

ARCHIVES = frozenset({".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar"})
"""File name endings, in lower case, of archives."""

PARQUET_SUFFIX = ".parquet"
"""The ending of a Parquet file, in lower case."""

START_BYTES = 132
"""How much of a file `kind_by_start` looks at."""

IMAGE_FORMATS: Mapping[str, tuple[str, ...]] = {
    # Pillow's JPEG reader hands over to MPO, a JPEG with a second picture behind it, by itself.
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PNG": (".png",),
    "WEBP": (".webp",),
    "GIF": (".gif",),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
    **({"AVIF": (".avif",)} if features.check("avif") else {}),
    "HEIF": (".heic", ".heif", ".hif"),
}
"""The formats of images that are read, by Pillow's names, and their file name endings in lower case."""

IMAGE_SUFFIXES = frozenset(suffix for suffixes in IMAGE_FORMATS.values() for suffix in suffixes)
"""File name endings, in lower case, that are taken for images; the content decides in the end."""

_DICOM = message("a DICOM file; export its picture as PNG or JPEG")
_RAR = message("a RAR archive; unpack it, then give the folder or a zip file of it")
_SEVEN_ZIP = message("a 7z archive; unpack it, then give the folder or a zip file of it")
VIDEO_SUFFIXES = (".mov", ".mp4", ".m4v", ".avi", ".mkv", ".webm", ".mpg", ".mts", ".3gp")
"""File name endings, in lower case, of videos."""

_VIDEO = message("a video; save single pictures of it as PNG or JPEG")
_PDF = message("a PDF file; export its pictures as PNG or JPEG")
_DRAWING = message("a file of a graphics program; export it as PNG or JPEG")

_BY_ENDING: Mapping[tuple[str, ...], Message] = {
    (".dcm", ".dicom"): _DICOM,
    (".nii", ".nii.gz"): message("a NIfTI volume; export its slices as PNG or JPEG"),
    (".svs", ".ndpi", ".mrxs", ".scn", ".vsi"): message(
        "a whole-slide image; export tiles of it as PNG or JPEG"
    ),
    (".icloud",): message("a placeholder of iCloud; download the photo first, then import again"),
    (".rar",): _RAR,
    (".7z",): _SEVEN_ZIP,
    (".cr2", ".cr3", ".nef", ".arw", ".dng", ".orf", ".rw2", ".raf", ".pef", ".srw", ".raw"): message(
        "a raw file of a camera; export it as JPEG"
    ),
    VIDEO_SUFFIXES: _VIDEO,
    (".aae",): message("the edits of an Apple photo, not a photo"),
    (".xmp", ".lrcat", ".lrdata", ".pp3", ".dop"): message("notes of a photo program, not a photo"),
    (".pdf",): _PDF,
    (".psd", ".psb", ".xcf", ".ai", ".svg", ".eps"): _DRAWING,
    (".jp2", ".j2k", ".jxl", ".exr", ".hdr", ".tga", ".ppm", ".pgm"): message(
        "an image of a kind that is not read; save it as PNG or JPEG"
    ),
    (".xls", ".ods"): message("a spreadsheet; save it as CSV if it has the labels"),
    (".npy", ".npz", ".mat", ".h5", ".hdf5", ".tfrecord"): message(
        "a file of arrays; save its pictures as single PNG or JPEG files"
    ),
    (PARQUET_SUFFIX,): message("a Parquet file in an archive; unpack it, then give the folder"),
    (".part", ".crdownload", ".download"): message("an unfinished download; download it again"),
}

_BY_START: Mapping[bytes, Message] = {
    b"Rar!\x1a\x07": _RAR,
    b"7z\xbc\xaf\x27\x1c": _SEVEN_ZIP,
    b"%PDF-": _PDF,
    b"8BPS": _DRAWING,
    b"\x1a\x45\xdf\xa3": _VIDEO,
}
_VIDEO_BRANDS = (b"qt", b"mp4", b"iso", b"M4V", b"avc1", b"3gp")


def kind_by_name(name: str) -> Message:
    """Return what a file is whose name does not end as that of a photo."""
    name = PurePosixPath(name).name.lower()
    suffix = PurePosixPath(name).suffix
    for endings, kind in _BY_ENDING.items():
        if name.endswith(endings):
            return kind
    if suffix in ARCHIVES:
        return message("another archive; unpack it first")
    return message("not an image file ({ending})", ending=suffix or message("no file name ending"))


def kind_by_start(start: bytes) -> Message | None:
    """Return what a file is that is no photo, by its first `START_BYTES` bytes; None if that is not known."""
    if start[128:132] == b"DICM":
        return _DICOM
    if start[4:8] == b"ftyp" and start[8:].startswith(_VIDEO_BRANDS):
        return _VIDEO
    return next((kind for magic, kind in _BY_START.items() if start.startswith(magic)), None)
