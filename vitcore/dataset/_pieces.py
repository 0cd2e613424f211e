"""Photos that are pieces of a file: the pages of a stack, and what boxes cut out of a photo."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from PIL import Image

from vitcore.dataset._decode import load_image, load_pages
from vitcore.layouts import Labelled

__all__ = ["ORIGIN", "PAGED_SUFFIXES", "is_cut", "pieces_of"]

ORIGIN = "from"
"""The column with the name of the file that a piece is from; pieces of one file are a group."""

PAGED_SUFFIXES = frozenset({".tif", ".tiff", ".gif"})
"""File name endings, in lower case, of images with pages."""

_PADDING = 0.1  # of the side of a box, on each side
_LEAST_SIDE = 8  # pixels


@dataclass(frozen=True)
class Piece:
    """A photo that is a piece of a file, and what it is."""

    item: Labelled
    image: Image.Image


def is_cut(items: Sequence[Labelled], every_page: bool) -> bool:
    """Return whether a file is not taken whole."""
    suffix = PurePosixPath(items[0].entry.name).suffix.lower()
    return any(item.box is not None for item in items) or (every_page and suffix in PAGED_SUFFIXES)


def pieces_of(path: Path, items: Sequence[Labelled]) -> Iterator[Piece]:
    """Cut a file into pieces: by the boxes of its items, or into its pages.

    Raises:
        ImageError: It is no image, or damaged.
    """
    if items[0].box is None:
        for number, page in enumerate(load_pages(path), 1):
            yield Piece(_named(items[0], f"page {number}"), page)
        return
    image = load_image(path)
    for number, item in enumerate(items, 1):
        assert item.box is not None
        yield Piece(_named(item, f"box {number}"), image.crop(_padded(item.box, image.width, image.height)))


def _named(item: Labelled, part: str) -> Labelled:
    name = PurePosixPath(item.entry.name)
    entry = replace(item.entry, name=str(name.with_name(f"{name.stem} {part}.png")))
    return replace(item, entry=entry, box=None, columns={**item.columns, ORIGIN: str(name)})


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
