"""Likeness of two pictures: whether they are the same photo in other bytes.

A photo that was saved again, made smaller, lighter, cropped or mirrored has another hash and is
still the same photo. Embeddings propose pairs (`similar_pairs`), pixels confirm them
(`likeness`): embeddings alone take two pairs of jeans on one floor for more alike than a
photo and its crop.

Measured with the embedded backbone on 600 photos of clothing, each kind of copy added by itself. Of
60 copies were found: at half the size 60, as JPEG of quality 40 60, 15 % lighter or darker 60, with
a caption 60, as PNG 60, mirrored 59, cropped to 90 % of the sides 57, to 80 % 48, in grey 33, turned
by 2 degrees 12. Taken for copies without being any: none of 179,700 pairs of photos, and 42 of
1,613,706 pairs of the sample set's digits, each time the same digit of all but the same shape.
"""

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter, ImageOps

__all__ = ["FLAT", "SAME_PICTURE", "SHARP", "Level", "Picture", "likeness", "structure"]

Complex = npt.NDArray[np.complexfloating[Any, Any]]
Exact = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

FLAT = 1.0
"""Deviation in grey levels below which there is no structure."""

SAME_PICTURE = 0.95
"""Likeness from which on two pictures are taken for one."""


# The part of a side that is looked for in the other image, and how much smaller it is there. A zoom
# is one of these scales by its number; below 0, the roles of the two images are exchanged.
_CENTRE = 0.75
_SCALES = tuple(1 - step / 40 for step in range(9))  # 1 … 0.8
_MOST_ZOOM = len(_SCALES) - 1
_ROUGH_ZOOMS = (-8, -4, 0, 4, 8)
_WORTH_A_CLOSER_LOOK = 0.7
_SAME_FLAT = 3.0


@dataclass(frozen=True)
class Level:
    """A level of comparison: side of the image in pixels, and the two blurs whose difference counts."""

    side: int
    fine: float
    coarse: float


_ROUGH = Level(48, 0.75, 2.15)
SHARP = Level(96, 1.5, 4.3)
"""The level at which pictures are confirmed to be one."""


class _Part(NamedTuple):
    """A part that a picture plays in a comparison: it is searched through, or its centre looked for."""

    searched: bool
    step: int
    mirrored: bool


class Picture:
    """An image as `likeness` compares it; what that needs is made once and kept.

    Args:
        image: RGB and square, such as a thumbnail.
    """

    def __init__(self, image: Image.Image) -> None:
        self.image = image
        self._grey = image.convert("L")
        self._wholes: dict[Level, Floats] = {}
        self._planes: dict[tuple[Level, bool], Complex] = {}
        self._lengths: dict[tuple[Level, int], Floats] = {}
        self._pieces: dict[tuple[Level, int, bool], Complex] = {}

    @cached_property
    def colours(self) -> Floats:
        """The colours alone: (8, 8, 3)."""
        return np.asarray(self.image.resize((8, 8), Image.Resampling.BOX), dtype=np.float32)

    @cached_property
    def is_flat(self) -> bool:
        """Return whether there is no structure to compare."""
        return float(structure(self._grey, _ROUGH, 0).std()) < FLAT

    def prepare(self, level: Level, parts: Iterable[_Part]) -> None:
        """Make what these parts need, unless it is there already."""
        if level not in self._wholes:
            self._wholes[level] = structure(self._grey, level, 0)
        whole = self._wholes[level]
        sums: tuple[Exact, Exact] | None = None
        centres: dict[int, Floats] = {}
        for searched, step, mirrored in parts:
            if searched and (level, mirrored) not in self._planes:
                self._planes[level, mirrored] = np.fft.rfft2(_turned(whole, mirrored=mirrored))
            if searched and (level, step) not in self._lengths:
                sums = sums or _sums(whole)
                self._lengths[level, step] = _lengths(
                    *sums, round(_CENTRE * round(level.side * _SCALES[step]))
                )
            if not searched and (level, step, mirrored) not in self._pieces:
                if step not in centres:
                    centres[step] = _unit(_centre(structure(self._grey, level, step)))
                centre = _turned(centres[step], mirrored=mirrored)
                self._pieces[level, step, mirrored] = np.conj(np.fft.rfft2(centre, (level.side, level.side)))

    def searched(self, level: Level, step: int, *, mirrored: bool) -> tuple[Complex, Floats]:
        """Its transform, and what the correlation with a piece is to be divided by in every place."""
        return self._planes[level, mirrored], _turned(self._lengths[level, step], mirrored=mirrored)

    def piece(self, level: Level, step: int, *, mirrored: bool) -> Complex:
        """The conjugate transform of its centre at a scale."""
        return self._pieces[level, step, mirrored]


def likeness(
    firsts: Sequence[Picture], seconds: Sequence[Picture], pool: Executor | None = None
) -> npt.NDArray[np.float64]:
    """Measure how well pictures agree, pair by pair, up to 1 for the same picture: (P,).

    The centre of one is looked for in the other at several scales, and the other way round, and
    mirrored. Where it fits best, the correlation of the two counts, of their grey and of their
    colours. Only structure of a middling size is correlated, what lies between two blurs: the
    coarsest is alike in all photos taken on one table, the finest does not survive resizing. Pictures
    without structure are alike if they have the same colours.

    J. P. Lewis, "Fast normalized cross-correlation", 1995.

    Args:
        firsts: P pictures.
        seconds: P pictures.
        pool: Threads to prepare pictures in.
    """
    pairs = [_Comparison(first, second) for first, second in zip(firsts, seconds, strict=True)]
    _prepare(pairs, _ROUGH, pool)
    structured = [pair for pair in pairs if not pair.settled_by_colours()]
    for zoom in _ROUGH_ZOOMS:
        for mirrored in (False, True):
            _compare(structured, _ROUGH, zoom, mirrored=mirrored)
    close = [pair for pair in structured if pair.best >= _WORTH_A_CLOSER_LOOK]
    for pair in close:
        pair.narrow_down()
    _prepare(close, SHARP, pool)
    for zoom in range(-_MOST_ZOOM, _MOST_ZOOM + 1):
        for mirrored in (False, True):
            members = [pair for pair in close if zoom in pair.zooms and mirrored in pair.sides]
            _compare(members, SHARP, zoom, mirrored=mirrored)
    for pair in close:
        if pair.best >= SAME_PICTURE:
            pair.best = min(pair.best, pair.colour_fit())
    return np.array([pair.best for pair in pairs])


class _Comparison:
    """The comparison of two pictures, as far as it has come."""

    def __init__(self, first: Picture, second: Picture) -> None:
        self.first = first
        self.second = second
        self.best = -1.0
        self.zoom = 0
        self.mirrored = False
        self.place = 0
        # What is still to be compared.
        self.zooms: Sequence[int] = _ROUGH_ZOOMS
        self.sides: Sequence[bool] = (False, True)

    def settled_by_colours(self) -> bool:
        """Decide by the colours alone if there is no structure to compare in one of them."""
        if not (self.first.is_flat or self.second.is_flat):
            return False
        difference = np.abs(self.first.colours - self.second.colours).mean()
        self.best = float(self.first.is_flat and self.second.is_flat and difference <= _SAME_FLAT)
        return True

    def narrow_down(self) -> None:
        """Go on near what fits best so far."""
        self.sides = (self.mirrored,)
        self.zooms = range(max(self.zoom - 2, -_MOST_ZOOM), min(self.zoom + 2, _MOST_ZOOM) + 1)
        self.best = -1.0

    def colour_fit(self) -> float:
        """The correlation of all three colours in the best place."""
        second = ImageOps.mirror(self.second.image) if self.mirrored else self.second.image
        whole, part = (self.first.image, second) if self.zoom >= 0 else (second, self.first.image)
        piece = _centre(structure(part, SHARP, abs(self.zoom)))
        top, left = divmod(self.place, SHARP.side - len(piece) + 1)
        here = structure(whole, SHARP, 0)[top : top + len(piece), left : left + len(piece)]
        return float(np.corrcoef(here.ravel(), piece.ravel())[0, 1])


def _prepare(pairs: Sequence[_Comparison], level: Level, pool: Executor | None) -> None:
    parts: dict[Picture, set[_Part]] = {}
    for pair in pairs:
        for zoom in pair.zooms:
            for mirrored in pair.sides:  # the second of a pair is the one to be turned
                first, second = _Part(zoom >= 0, abs(zoom), False), _Part(zoom < 0, abs(zoom), mirrored)
                parts.setdefault(pair.first, set()).add(first)
                parts.setdefault(pair.second, set()).add(second)
    each = map if pool is None else pool.map
    list(each(lambda item: item[0].prepare(level, item[1]), parts.items()))


def _compare(pairs: Sequence[_Comparison], level: Level, zoom: int, *, mirrored: bool) -> None:
    """Look for the centre of one of each pair in the other, and note where it fits better than so far."""
    if not pairs:
        return
    from scipy import fft

    step = abs(zoom)
    planes, lengths, pieces = [], [], []
    for pair in pairs:
        whole, part = (pair.first, pair.second) if zoom >= 0 else (pair.second, pair.first)
        plane, length = whole.searched(level, step, mirrored=mirrored and zoom < 0)
        planes.append(plane)
        lengths.append(length)
        pieces.append(part.piece(level, step, mirrored=mirrored and zoom >= 0))
    places = len(lengths[0])
    transforms = np.stack(planes) * np.stack(pieces)  # (P, S, S / 2 + 1)
    products = fft.irfft2(transforms, s=(level.side, level.side), workers=os.cpu_count() or 1)
    fits = (products[:, :places, :places] / np.stack(lengths)).reshape(len(pairs), -1)
    best = zip(pairs, fits.argmax(axis=1).tolist(), fits.max(axis=1).tolist(), strict=True)
    for pair, place, fit in best:
        if fit > pair.best:
            pair.best, pair.zoom, pair.mirrored, pair.place = fit, zoom, mirrored, place


def _sums(whole: Floats) -> tuple[Exact, Exact]:
    """Sums of the values, and of their squares, above and left of each place: (S + 1, S + 1) twice."""
    exact = whole.astype(np.float64)
    first, second = (np.pad(v.cumsum(0).cumsum(1), ((1, 0), (1, 0))) for v in (exact, exact**2))
    return first, second


def _lengths(sums: Exact, sums_of_squares: Exact, size: int) -> Floats:
    """The length of what lies under a piece of that size, less its mean, in every place: (P, P)."""
    total, squares = (
        s[size:, size:] - s[:-size, size:] - s[size:, :-size] + s[:-size, :-size]
        for s in (sums, sums_of_squares)
    )
    exact = np.sqrt(np.maximum(squares - total**2 / size**2, (FLAT * size) ** 2))
    lengths: Floats = exact.astype(np.float32)
    return lengths


def _unit(piece: Floats) -> Floats:
    """Less its mean, and of length 1 unless there is nothing in it."""
    piece = piece - piece.mean()
    return piece / np.float32(max(float(np.linalg.norm(piece)), FLAT * len(piece)))


def _turned(values: Floats, *, mirrored: bool) -> Floats:
    return values[:, ::-1] if mirrored else values


def structure(image: Image.Image, level: Level, step: int = 0) -> Floats:
    """Return the structure between two blurs, at a scale: (n, n) or (n, n, 3), n being side × scale."""
    side = round(level.side * _SCALES[step])
    small = image.resize((side, side), Image.Resampling.BOX)
    fine, coarse = (
        np.asarray(small.filter(ImageFilter.GaussianBlur(radius)), dtype=np.float32)
        for radius in (level.fine, level.coarse)
    )
    return fine - coarse


def _centre(image: Floats) -> Floats:
    size = round(_CENTRE * len(image))
    margin = (len(image) - size) // 2
    return image[margin : margin + size, margin : margin + size]
