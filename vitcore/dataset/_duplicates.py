"""Near-duplicates: the same picture in other bytes.

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

from vitcore.errors import Stopped
from vitcore.progress import Task
from vitcore.vectors import Vectors, mean_and_deviation, slices

__all__ = ["SAME_PICTURE", "Picture", "group_pairs", "likeness", "similar_pairs"]

Complex = npt.NDArray[np.complexfloating[Any, Any]]
Exact = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

SAME_PICTURE = 0.95
"""Likeness from which on two pictures are taken for one."""

_SIMILAR = 0.7
_TILE_ROWS = 2048  # vectors that are compared with as many: 19 MB of each, and 17 MB of similarities
_STRIP_ROWS = 256  # of a tile, in which all may be alike: 8 MB of pairs

# The part of a side that is looked for in the other image, and how much smaller it is there. A zoom
# is one of these scales by its number; below 0, the roles of the two images are exchanged.
_CENTRE = 0.75
_SCALES = tuple(1 - step / 40 for step in range(9))  # 1 … 0.8
_MOST_ZOOM = len(_SCALES) - 1
_ROUGH_ZOOMS = (-8, -4, 0, 4, 8)
_WORTH_A_CLOSER_LOOK = 0.7
_FLAT = 1.0  # grey levels
_SAME_FLAT = 3.0


@dataclass(frozen=True)
class _Level:
    """How closely to look: side of the image in pixels, and the two blurs whose difference counts."""

    side: int
    fine: float
    coarse: float


_ROUGH = _Level(48, 0.75, 2.15)
_SHARP = _Level(96, 1.5, 4.3)


# --- proposing pairs --------------------------------------------------------------------------


def similar_pairs(
    vectors: Vectors,
    *,
    threshold: float = _SIMILAR,
    most: int | None = None,
    task: Task | None = None,
) -> tuple[Ints, Floats]:
    """Which vectors point in nearly the same direction, seen from the middle of them all.

    Every dimension is standardised over the set first: what all images of a set share says nothing
    about two of them. Some thousand are compared with as many at a time, so that the memory needed does
    not grow with N; what is stored is read anew for each of these comparisons.

    Args:
        vectors: (N, D).
        threshold: Lowest cosine similarity of a pair, above 0 and up to 1.
        most: Of the partners behind a vector, only this many, the most similar ones; so a heap in
            which everything is similar to everything does not fill the memory.
        task: What stops it.

    Returns:
        Pairs of row numbers (P, 2), the lower one first, in rising order, and their similarities (P,).

    Raises:
        Stopped: The task was stopped.
    """
    task = task or Task()
    exact_mean, exact_deviation = mean_and_deviation(vectors)
    mean = exact_mean.astype(np.float32)
    deviation = np.where(exact_deviation > 1e-6, exact_deviation, 1.0).astype(np.float32)
    pairs, similarities = [np.empty((0, 2), dtype=np.int64)], [np.empty(0, dtype=np.float32)]
    tiles = list(slices(len(vectors), _TILE_ROWS))
    for number, rows in enumerate(tiles):
        own = _units(vectors[rows], mean, deviation)
        found, values = pairs[0], similarities[0]  # of the vectors in this tile
        for behind in tiles[number:]:
            if task.stopped:
                raise Stopped("The comparison of the images was stopped; what was embedded is kept.")
            others = own if behind == rows else _units(vectors[behind], mean, deviation)
            products = own @ others.T
            for strip in slices(len(products), _STRIP_ROWS):
                first, second = np.nonzero(products[strip] >= threshold)
                alike = products[strip][first, second]
                first, second = first + strip.start + rows.start, second + behind.start
                further = second > first  # each pair once, and no vector with itself
                found = np.concatenate([found, np.stack([first, second], axis=1)[further]])
                values = np.concatenate([values, alike[further]])
                if most is not None:
                    kept = _most_similar(found[:, 0], values, most)
                    found, values = found[kept], values[kept]
        order = np.argsort(found[:, 0], kind="stable")  # the second ones rise from tile to tile
        pairs.append(found[order])
        similarities.append(values[order])
    return np.concatenate(pairs), np.concatenate(similarities)


def _units(vectors: Vectors, mean: Floats, deviation: Floats) -> Floats:
    """Each dimension to mean 0 and deviation 1, then each vector to length 1: (n, D) -> (n, D)."""
    units = np.asarray(vectors).astype(np.float32)
    units -= mean
    units /= deviation
    units /= np.maximum(np.sqrt(np.einsum("nd,nd->n", units, units)), 1e-6)[:, None]
    return units


def _most_similar(firsts: Ints, values: Floats, most: int) -> Ints:
    """Of the pairs with the same first, those with the highest values, in the order they are in."""
    order = np.lexsort((-values, firsts))
    rank = np.arange(len(order)) - np.searchsorted(firsts[order], firsts[order])
    return np.sort(order[rank < most])


# --- confirming them --------------------------------------------------------------------------


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
        self._wholes: dict[_Level, Floats] = {}
        self._planes: dict[tuple[_Level, bool], Complex] = {}
        self._lengths: dict[tuple[_Level, int], Floats] = {}
        self._pieces: dict[tuple[_Level, int, bool], Complex] = {}

    @cached_property
    def colours(self) -> Floats:
        """The colours alone: (8, 8, 3)."""
        return np.asarray(self.image.resize((8, 8), Image.Resampling.BOX), dtype=np.float32)

    @cached_property
    def is_flat(self) -> bool:
        """Whether there is no structure to compare."""
        return float(_structure(self._grey, _ROUGH, 0).std()) < _FLAT

    def prepare(self, level: _Level, parts: Iterable[_Part]) -> None:
        """Make what these parts need, unless it is there already."""
        if level not in self._wholes:
            self._wholes[level] = _structure(self._grey, level, 0)
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
                    centres[step] = _unit(_centre(_structure(self._grey, level, step)))
                centre = _turned(centres[step], mirrored=mirrored)
                self._pieces[level, step, mirrored] = np.conj(np.fft.rfft2(centre, (level.side, level.side)))

    def searched(self, level: _Level, step: int, *, mirrored: bool) -> tuple[Complex, Floats]:
        """Its transform, and what the correlation with a piece is to be divided by in every place."""
        return self._planes[level, mirrored], _turned(self._lengths[level, step], mirrored=mirrored)

    def piece(self, level: _Level, step: int, *, mirrored: bool) -> Complex:
        """The conjugate transform of its centre at a scale."""
        return self._pieces[level, step, mirrored]


def likeness(
    firsts: Sequence[Picture], seconds: Sequence[Picture], pool: Executor | None = None
) -> npt.NDArray[np.float64]:
    """How well pictures agree, pair by pair, up to 1 for the same picture: (P,).

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
    looks = [_Look(first, second) for first, second in zip(firsts, seconds, strict=True)]
    _prepare(looks, _ROUGH, pool)
    structured = [look for look in looks if not look.settled_by_colours()]
    for zoom in _ROUGH_ZOOMS:
        for mirrored in (False, True):
            _compare(structured, _ROUGH, zoom, mirrored=mirrored)
    close = [look for look in structured if look.best >= _WORTH_A_CLOSER_LOOK]
    for look in close:
        look.narrow_down()
    _prepare(close, _SHARP, pool)
    for zoom in range(-_MOST_ZOOM, _MOST_ZOOM + 1):
        for mirrored in (False, True):
            members = [look for look in close if zoom in look.zooms and mirrored in look.sides]
            _compare(members, _SHARP, zoom, mirrored=mirrored)
    for look in close:
        if look.best >= SAME_PICTURE:
            look.best = min(look.best, look.colour_fit())
    return np.array([look.best for look in looks])


class _Look:
    """How far the comparison of two pictures has come."""

    def __init__(self, first: Picture, second: Picture) -> None:
        self.first = first
        self.second = second
        self.best = -1.0
        self.zoom = 0
        self.mirrored = False
        self.place = 0
        # What is still to be looked at.
        self.zooms: Sequence[int] = _ROUGH_ZOOMS
        self.sides: Sequence[bool] = (False, True)

    def settled_by_colours(self) -> bool:
        """Whether there is no structure to compare in one of them."""
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
        piece = _centre(_structure(part, _SHARP, abs(self.zoom)))
        top, left = divmod(self.place, _SHARP.side - len(piece) + 1)
        here = _structure(whole, _SHARP, 0)[top : top + len(piece), left : left + len(piece)]
        return float(np.corrcoef(here.ravel(), piece.ravel())[0, 1])


def _prepare(looks: Sequence[_Look], level: _Level, pool: Executor | None) -> None:
    parts: dict[Picture, set[_Part]] = {}
    for look in looks:
        for zoom in look.zooms:
            for mirrored in look.sides:  # the second of a pair is the one to be turned
                first, second = _Part(zoom >= 0, abs(zoom), False), _Part(zoom < 0, abs(zoom), mirrored)
                parts.setdefault(look.first, set()).add(first)
                parts.setdefault(look.second, set()).add(second)
    each = map if pool is None else pool.map
    list(each(lambda item: item[0].prepare(level, item[1]), parts.items()))


def _compare(looks: Sequence[_Look], level: _Level, zoom: int, *, mirrored: bool) -> None:
    """Look for the centre of one of each pair in the other, and note where it fits better than so far."""
    if not looks:
        return
    from scipy import fft

    step = abs(zoom)
    planes, lengths, pieces = [], [], []
    for look in looks:
        whole, part = (look.first, look.second) if zoom >= 0 else (look.second, look.first)
        plane, length = whole.searched(level, step, mirrored=mirrored and zoom < 0)
        planes.append(plane)
        lengths.append(length)
        pieces.append(part.piece(level, step, mirrored=mirrored and zoom >= 0))
    places = len(lengths[0])
    transforms = np.stack(planes) * np.stack(pieces)  # (P, S, S / 2 + 1)
    products = fft.irfft2(transforms, s=(level.side, level.side), workers=os.cpu_count() or 1)
    fits = (products[:, :places, :places] / np.stack(lengths)).reshape(len(looks), -1)
    for look, place, fit in zip(looks, fits.argmax(axis=1).tolist(), fits.max(axis=1).tolist(), strict=True):
        if fit > look.best:
            look.best, look.zoom, look.mirrored, look.place = fit, zoom, mirrored, place


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
    exact = np.sqrt(np.maximum(squares - total**2 / size**2, (_FLAT * size) ** 2))
    lengths: Floats = exact.astype(np.float32)
    return lengths


def _unit(piece: Floats) -> Floats:
    """Less its mean, and of length 1 unless there is nothing in it."""
    piece = piece - piece.mean()
    return piece / np.float32(max(float(np.linalg.norm(piece)), _FLAT * len(piece)))


def _turned(values: Floats, *, mirrored: bool) -> Floats:
    return values[:, ::-1] if mirrored else values


def _structure(image: Image.Image, level: _Level, step: int) -> Floats:
    """What lies between two blurs, at a scale: (n, n) or (n, n, 3), n being side × scale."""
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


# --- grouping ---------------------------------------------------------------------------------


def group_pairs(count: int, pairs: Ints, strengths: npt.NDArray[np.floating], *, largest: int) -> Ints:
    """Groups of items that are linked by pairs, also by way of others.

    The strongest pairs are followed first, and one that would make a group larger than `largest` is
    not followed: a chain of small steps, as in the frames of a film, cannot swallow a whole class.

    Args:
        count: Number of items N.
        pairs: (P, 2), item numbers.
        strengths: (P,).
        largest: Most items in a group.

    Returns:
        The lowest item of each one's group, itself if it is alone: (N,).
    """
    parent = list(range(count))
    sizes = [1] * count

    def root(item: int) -> int:
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    for number in np.argsort(-strengths, kind="stable").tolist():
        low, high = sorted((root(int(pairs[number, 0])), root(int(pairs[number, 1]))))
        if low != high and sizes[low] + sizes[high] <= largest:
            parent[high] = low
            sizes[low] += sizes[high]
    return np.array([root(item) for item in range(count)], dtype=np.int64)
