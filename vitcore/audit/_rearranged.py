"""Copies that embeddings do not propose: turned, mirrored, or with a bar above or below.

To a backbone a photo that lies on its side is another photo, and a bar with a caption takes a part of what
it sees. Here small pictures propose the pairs, in all eight orientations of a square, and finer ones confirm
them, pixel by pixel: nothing is searched for, so what is no copy is hardly ever like one.

Measured on 600 photos of clothing with 24 copies of each kind among them: found are 24 that were turned, 24
mirrored (a quarter of them upside down) and 24 with a bar of 8 to 20 % of the height; `similar_pairs` and
`likeness` alone find 0, 18 and 23. The correlation of a copy is 0.95 at least, at half the size and poor
quality too, that of two other photos in any orientation 0.71 at most, that of two of the sample set's
digits 0.972: a 1 upside down.
"""

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from vitcore.audit._likeness import FLAT, SHARP, Level, structure
from vitcore.dataset import Dataset, load_image, squared
from vitcore.errors import ImageError, Stopped
from vitcore.progress import Task
from vitcore.vectors import slices

__all__ = ["find_rearranged", "most_similar"]

Exact = npt.NDArray[np.floating[Any]]
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

_SMALL = Level(12, 0.25, 1.0)
_FINEST = Level(120, 0.6, 1.7)
_WORTH_A_CLOSER_LOOK = 0.95
_ORIENTATIONS = tuple((turns, mirrored) for turns in range(4) for mirrored in (False, True))
# Correlation from which on two pictures are one. What has little detail, such as a digit of 8 x 8 pixels, is
# sooner like another by chance: photos of clothing have 0.29 and more, the digits 0.11 at most.
_SAME = 0.94
_SAME_WITHOUT_DETAIL = 0.985
_DETAIL = 0.2  # of the finest structure, as a part of that of the small picture
_CORNER = np.triu_indices(_SMALL.side // 2)  # the places of a small picture that no orientation makes equal
_TILE_ROWS = 2048  # small pictures that are compared with as many: 17 MB of correlations
_PAIRS = 8192  # whose small pictures are at hand together: 10 MB
_MANY = 0.05  # of all pairs of two tiles, from which on a product of all of them is faster
_PARTNERS = 6  # of a picture in one orientation
_CHUNK = 64  # pictures or pairs between two looks at the stop
_AT_HAND = 192  # fine pictures kept for the pairs to come, 0.1 MB each

_LEAST_BAR, _MOST_BAR = 0.06, 0.26  # of the height of the photo
_SAME_SHAPE = 0.005  # difference of log (height / width)
_WIDTH = 240  # of a picture whose bar is cut off, as of a thumbnail
_SMALL_WIDTH = 160  # where it is only to be proposed


class _Bar(NamedTuple):
    """A bar to be cut off: the height of what is left over its width, and whether the bar is above it."""

    shape: float
    above: bool


class _Proposal(NamedTuple):
    """A pair, and what is to be done to the second picture to make it the first."""

    first: int
    second: int
    turns: int = 0
    mirrored: bool = False
    bar: _Bar | None = None


def find_rearranged(
    dataset: Dataset, rows: pd.DataFrame, *, known: Ints, task: Task | None = None
) -> tuple[Ints, npt.NDArray[np.float64]]:
    """Find further images that are others turned, mirrored, or with a bar above or below.

    Args:
        dataset: Where the images are.
        rows: Some rows of its index, of different contents, N.
        known: Pairs of row numbers that are copies for another reason, the lower one first: (K, 2).
        task: Where progress is reported, and what stops it.

    Returns:
        Pairs of row numbers (P, 2), the lower one first, in rising order, and the correlation of their
        pixels, up to 1: (P,).

    Raises:
        Stopped: The task was stopped.
    """
    task = task or Task()
    files = rows["file"].tolist()
    with ThreadPoolExecutor(min(16, os.cpu_count() or 1), thread_name_prefix="vitcore-compare") as pool:
        small = _small_pictures(dataset, files, pool, task)
        proposals = [
            *_turned(small, task),
            *_with_bars(dataset, files, _shapes(rows), small, pool, task),
        ]
        agreement = _agreement(dataset, files, proposals, pool, task)
    best: dict[tuple[int, int], float] = {}
    there = set(map(tuple, known.tolist()))
    for proposal, value in zip(proposals, agreement, strict=True):
        low, high = sorted((proposal.first, proposal.second))
        if value > 0 and (low, high) not in there:
            best[low, high] = max(value, best.get((low, high), 0.0))
    pairs = sorted(best)
    return np.array(pairs, dtype=np.int64).reshape(-1, 2), np.array([best[pair] for pair in pairs])


def most_similar(firsts: Ints, values: Floats, most: int) -> Ints:
    """Of the pairs with the same first, those with the highest values, in the order they are in."""
    order = np.lexsort((-values, firsts))
    rank = np.arange(len(order)) - np.searchsorted(firsts[order], firsts[order])
    return np.sort(order[rank < most])


# --- proposals ---------------------------------------------------------------------------------


def _small_pictures(
    dataset: Dataset, files: Sequence[str], pool: ThreadPoolExecutor, task: Task
) -> npt.NDArray[np.float16]:
    """The structure of each thumbnail in little, of length 1, or 0 where there is none: (N, S, S)."""
    small = np.zeros((len(files), _SMALL.side, _SMALL.side), dtype=np.float16)
    meter = task.meter("prepare", len(files), unit="images")
    for part in slices(len(files), _CHUNK):
        _check_stop(task)
        found = pool.map(partial(_thumbnail, dataset), files[part])
        for number, image in zip(range(part.start, part.stop), found, strict=True):
            if image is not None:
                small[number] = _unit(structure(image.convert("L"), _SMALL))
        meter.add(part.stop - part.start)
    return small


def _turned(small: npt.NDArray[np.float16], task: Task) -> Iterator[_Proposal]:
    """Propose the pairs that are alike in an orientation other than the one they are in.

    The mean of a picture over all orientations does not depend on how it lies. Two of these means, and what
    is left of the lengths of the pictures, bound the correlation in every orientation (by the inequality of
    Cauchy and Schwarz); so nearly all pairs are settled by a product of a seventh of the length.
    """
    means = np.empty((len(small), 1 + len(_CORNER[0])), dtype=np.float32)
    for part in slices(len(small), _TILE_ROWS):
        means[part] = _orientation_means(small[part].astype(np.float32))
    tiles = list(slices(len(small), _TILE_ROWS))
    for number, rows in enumerate(tiles):
        for behind in tiles[number:]:
            _check_stop(task)
            first, second = np.nonzero(means[rows] @ means[behind].T >= _WORTH_A_CLOSER_LOOK)
            further = second + behind.start > first + rows.start  # each pair once, and none with itself
            first, second = first[further], second[further]
            for orientation in _ORIENTATIONS[1:]:
                values = _correlations(small[rows], small[behind], first, second, orientation)
                close = np.flatnonzero(values >= _WORTH_A_CLOSER_LOOK)
                kept = close[most_similar(first[close], values[close], _PARTNERS)]
                for one, other in zip(first[kept].tolist(), second[kept].tolist(), strict=True):
                    yield _Proposal(rows.start + one, behind.start + other, *orientation)


def _correlations(
    ones: npt.NDArray[np.float16],
    others: npt.NDArray[np.float16],
    first: Ints,
    second: Ints,
    orientation: tuple[int, bool],
) -> Floats:
    """The correlations of some pairs of small pictures, the second one in another orientation: (P,)."""
    turns, mirrored = orientation
    own, turned = _flat(ones), _flat(_oriented(others, turns, mirrored=mirrored))
    if len(first) > _MANY * len(ones) * len(others):  # in a film nearly all pictures are alike
        return (own @ turned.T)[first, second]
    parts = [np.einsum("pd,pd->p", own[first[p]], turned[second[p]]) for p in slices(len(first), _PAIRS)]
    return np.concatenate([np.empty(0, dtype=np.float32), *parts])


def _orientation_means(small: Floats) -> Floats:
    """The mean of each picture over all orientations, and the length of the rest: (n, S, S) -> (n, M + 1).

    Of the places that the orientations make equal, one stands for all.
    """
    mean = sum(_oriented(small, turns, mirrored=mirrored) for turns, mirrored in _ORIENTATIONS)
    row, column = _CORNER
    corner = np.asarray(mean)[:, row, column] / len(_ORIENTATIONS) * np.where(row == column, 2, np.sqrt(8))
    rest = np.sqrt(np.maximum(_squares(small) - _squares(corner), 0))
    return np.column_stack([corner, rest]).astype(np.float32)


def _squares(values: Exact) -> Exact:
    """The sum of the squares in each row: (n, …) -> (n,)."""
    squares: Exact = np.square(values).sum(axis=tuple(range(1, values.ndim)))
    return squares


def _with_bars(
    dataset: Dataset,
    files: Sequence[str],
    shapes: Floats,
    small: npt.NDArray[np.float16],
    pool: ThreadPoolExecutor,
    task: Task,
) -> Iterator[_Proposal]:
    """Propose the pairs of which the second is alike when it is cut to the shape of the first.

    Only images that are higher than others by as much as a bar are looked at, and cut to their shapes.
    """
    numbers = np.round(shapes / _SAME_SHAPE).astype(np.int64)
    members = {int(number): np.flatnonzero(numbers == number) for number in np.unique(numbers)}
    low, high = np.log1p(_LEAST_BAR), np.log1p(_MOST_BAR)
    wanted: dict[int, list[int]] = {}
    for number in np.flatnonzero(np.isfinite(shapes)).tolist():
        lower = [n for n in members if low <= shapes[number] - n * _SAME_SHAPE <= high]
        if lower:
            wanted[number] = lower
    matrices = lru_cache(maxsize=16)(lambda shape: _flat(small[members[shape]]))
    barred = list(wanted)
    for part in slices(len(barred), _CHUNK):
        _check_stop(task)
        cut = list(pool.map(lambda n: _cut_small(dataset, files[n], wanted[n]), barred[part]))
        by_shape: dict[int, list[tuple[int, bool, Floats]]] = defaultdict(list)
        for number, pieces in zip(barred[part], cut, strict=True):
            for shape, above, piece in pieces:
                by_shape[shape].append((number, above, piece))
        for shape, pieces_of_shape in by_shape.items():
            stacked = np.stack([piece for *_, piece in pieces_of_shape])
            products = _flat(stacked) @ matrices(shape).T
            for row, column in zip(*np.nonzero(products >= _WORTH_A_CLOSER_LOOK), strict=True):
                number, above, _ = pieces_of_shape[row]
                first = int(members[shape][column])
                if first != number:
                    yield _Proposal(first, number, bar=_Bar(float(np.exp(shapes[first])), above))


def _shapes(rows: pd.DataFrame) -> Floats:
    """Return log (height / width) of each image: (N,)."""
    shapes: Floats = np.log(rows["height"].to_numpy() / rows["width"].to_numpy()).astype(np.float32)
    return shapes


def _cut_small(dataset: Dataset, file: str, shapes: Sequence[int]) -> list[tuple[int, bool, Floats]]:
    """A picture in little without a bar above and below it, for each of some shapes."""
    image = _photo(dataset, file, _SMALL_WIDTH)
    if image is None:
        return []
    found = []
    for shape in shapes:
        for above in (False, True):
            shown = squared(_without(image, _Bar(float(np.exp(shape * _SAME_SHAPE)), above)), _SMALL_WIDTH)
            found.append((shape, above, _unit(structure(shown.convert("L"), _SMALL))))
    return found


# --- confirmation ------------------------------------------------------------------------------


def _agreement(
    dataset: Dataset,
    files: Sequence[str],
    proposals: Sequence[_Proposal],
    pool: ThreadPoolExecutor,
    task: Task,
) -> list[float]:
    """The correlation of the pixels of each pair, in all three colours, 0 if it is too low: (P,)."""

    @lru_cache(maxsize=_AT_HAND)
    def sharp(number: int, bar: _Bar | None) -> tuple[Floats, bool] | None:
        """The structure of a picture, and whether it has detail; None if it cannot be read."""
        if bar is None:
            image = _thumbnail(dataset, files[number])
        else:
            whole = _photo(dataset, files[number], _WIDTH)
            image = whole and squared(_without(whole, bar), _WIDTH)
        return (_unit(structure(image, SHARP)), _has_detail(image)) if image else None

    def agree(proposal: _Proposal) -> float:
        one, other = sharp(proposal.first, None), sharp(proposal.second, proposal.bar)
        if one is None or other is None:
            return 0.0
        turned = _oriented(other[0][None], proposal.turns, mirrored=proposal.mirrored)[0]
        agreement, detailed = float(np.vdot(one[0], turned)), one[1] and other[1]
        return agreement if agreement >= (_SAME if detailed else _SAME_WITHOUT_DETAIL) else 0.0

    found: list[float] = []
    for part in slices(len(proposals), _CHUNK):
        _check_stop(task)
        found += pool.map(agree, proposals[part])
    return found


# --- pictures ----------------------------------------------------------------------------------


def _thumbnail(dataset: Dataset, file: str) -> Image.Image | None:
    try:
        return load_image(dataset.thumbnail(file))
    except (ImageError, OSError):
        return None


def _photo(dataset: Dataset, file: str, width: int) -> Image.Image | None:
    """The whole photo in a width; None if it cannot be read."""
    try:
        image = load_image(dataset.path(file), at_least=width // 2)
    except (ImageError, OSError):
        return None
    return image.resize((width, max(1, round(width * image.height / image.width))), Image.Resampling.BOX)


def _without(image: Image.Image, bar: _Bar) -> Image.Image:
    """A picture whose bar is cut off."""
    height = max(1, min(round(bar.shape * image.width), image.height))
    top = image.height - height if bar.above else 0
    return image.crop((0, top, image.width, top + height))


def _has_detail(image: Image.Image) -> bool:
    """Return whether a picture has much structure that a small one does not show."""
    grey = image.convert("L")
    return float(structure(grey, _FINEST).std()) >= _DETAIL * float(structure(grey, _SMALL).std())


def _oriented(pictures: Exact, turns: int, *, mirrored: bool) -> Exact:
    """Mirror pictures, then turn them by quarters: (n, S, S, …)."""
    return np.rot90(pictures[:, :, ::-1] if mirrored else pictures, turns, axes=(1, 2))


def _flat(pictures: Exact) -> Floats:
    return pictures.reshape(len(pictures), -1).astype(np.float32)


def _unit(picture: Floats) -> Floats:
    """Less its mean, and of length 1, or 0 if there is no structure in it."""
    picture = picture - picture.mean(axis=(0, 1))
    length = float(np.linalg.norm(picture))
    return picture / np.float32(length) if length >= FLAT * np.sqrt(picture.size) else np.zeros_like(picture)


def _check_stop(task: Task) -> None:
    if task.stopped:
        raise Stopped("The comparison of the images was stopped; what was embedded is kept.")
