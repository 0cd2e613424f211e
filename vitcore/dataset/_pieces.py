"""Photos that are pieces of a file: pages of a stack, pictures of a video, what boxes cut out of a photo."""

import io
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from PIL import Image

from vitcore.dataset._decode import MAX_PIXELS, load_image, load_pages
from vitcore.errors import ImageError, SettingsError
from vitcore.layouts import Labelled, is_video

__all__ = [
    "ORIGIN",
    "PAGED_SUFFIXES",
    "cut_out",
    "frame_interval",
    "frames_of",
    "is_cut",
    "pieces_of",
]

ORIGIN = "from"
"""The column with the name of the file that a piece is from; pieces of one file are a group."""

PAGED_SUFFIXES = frozenset({".tif", ".tiff", ".gif"})
"""File name endings, in lower case, of images with pages."""

_PADDING = 0.1  # of the side of a box, on each side
_LEAST_SIDE = 8  # pixels
_LEAST_INTERVAL_S, _LARGEST_INTERVAL_S = 0.01, 3600.0


@dataclass(frozen=True)
class Piece:
    """A photo that is a piece of a file, and what it is."""

    item: Labelled
    image: Image.Image


@dataclass(frozen=True)
class Frame:
    """A picture of a video.

    Attributes:
        name: That of the video, with the time in it.
        time_s: When it is seen, in seconds from the start.
        content: A PNG file.
    """

    name: str
    time_s: float
    content: bytes


def is_cut(items: Sequence[Labelled], every_page: bool) -> bool:
    """Return whether a file is not taken whole."""
    name = items[0].entry.name
    paged = every_page and PurePosixPath(name).suffix.lower() in PAGED_SUFFIXES
    return paged or is_video(name) or any(item.box is not None for item in items)


def frame_interval(text: str) -> float:
    """Return the seconds between two pictures of a video; 0 for none.

    Raises:
        SettingsError: It is no number of seconds.
    """
    with suppress(ValueError):
        seconds = float(text or 0)
        if seconds == 0 or _LEAST_INTERVAL_S <= seconds <= _LARGEST_INTERVAL_S:
            return seconds
    raise SettingsError(
        "'{text}' is no interval for pictures of a video; give {least} to {largest} seconds.",
        text=text[:40],
        least=_LEAST_INTERVAL_S,
        largest=_LARGEST_INTERVAL_S,
    )


def pieces_of(path: Path, items: Sequence[Labelled], interval_s: float = 0.0) -> Iterator[Piece]:
    """Cut a file into pieces: by the boxes of its items, or into its pages or pictures.

    Args:
        path: Where it lies.
        items: What it is; several where boxes cut it.
        interval_s: Seconds between two pictures of a video.

    Raises:
        ImageError: It is no image, or damaged; or it is a video, and nothing is installed to read it.
    """
    if is_video(items[0].entry.name):
        for time_s, picture in _pictures(path, interval_s):
            yield Piece(_named(items[0], _at(time_s)), picture)
        return
    if items[0].box is None:
        for number, page in enumerate(load_pages(path), 1):
            yield Piece(_named(items[0], f"page {number}"), page)
        return
    image = load_image(path)
    for number, item in enumerate(items, 1):
        yield Piece(_named(item, f"box {number}"), cut_out(image, item))


def frames_of(path: Path, name: str, interval_s: float) -> Iterator[Frame]:
    """Take pictures of a video, one per interval of so many seconds.

    Args:
        path: Where the video lies.
        name: What it is called.
        interval_s: Seconds between two pictures.

    Raises:
        ImageError: It is no video, damaged, or nothing is installed to read it.
    """
    for time_s, picture in _pictures(path, interval_s):
        content = io.BytesIO()
        picture.save(content, "PNG", compress_level=1)
        yield Frame(_part_of(name, _at(time_s)), time_s, content.getvalue())


def cut_out(image: Image.Image, item: Labelled) -> Image.Image:
    """Return the part of an image that its box is around, or all of it if it has none."""
    return image if item.box is None else image.crop(_padded(item.box, image.width, image.height))


def _pictures(path: Path, interval_s: float) -> Iterator[tuple[float, Image.Image]]:
    """Yield pictures of a video and their times, in seconds, one per interval.

    Raises:
        ImageError: It cannot be read.
    """
    try:
        import av
    except ImportError as error:
        raise ImageError(
            "a video; install PyAV to take pictures of it: pip install -r requirements-video.txt"
        ) from error
    following = 0.0
    try:
        with av.open(str(path)) as video:
            for frame in video.decode(video=0):
                time_s = float(frame.time or 0.0)
                if frame.width * frame.height > MAX_PIXELS:
                    raise ImageError("a video with pictures that are too large")
                if time_s >= following:
                    following = time_s + interval_s
                    yield time_s, Image.fromarray(frame.to_ndarray(format="rgb24"))
    except (av.FFmpegError, ValueError, IndexError) as error:
        raise ImageError("a video that cannot be read ({error})", error=error) from error


def _at(time_s: float) -> str:
    return f"at {time_s:.1f} s"


def _part_of(name: str, part: str) -> str:
    path = PurePosixPath(name)
    return str(path.with_name(f"{path.stem} {part}.png"))


def _named(item: Labelled, part: str) -> Labelled:
    name = item.entry.name
    entry = replace(item.entry, name=_part_of(name, part))
    return replace(item, entry=entry, box=None, columns={**item.columns, ORIGIN: name})


def _padded(box: tuple[float, float, float, float], width: int, height: int) -> tuple[int, int, int, int]:
    """The pixels of a box with some of what is around it, inside the image and not too small."""
    left, top, right, bottom = box[0] * width, box[1] * height, box[2] * width, box[3] * height
    more_x = max(_PADDING * (right - left), (_LEAST_SIDE - (right - left)) / 2)
    more_y = max(_PADDING * (bottom - top), (_LEAST_SIDE - (bottom - top)) / 2)
    return (
        min(max(0, round(left - more_x)), max(0, width - 1)),
        min(max(0, round(top - more_y)), max(0, height - 1)),
        max(1, min(width, round(right + more_x))),
        max(1, min(height, round(bottom + more_y))),
    )
