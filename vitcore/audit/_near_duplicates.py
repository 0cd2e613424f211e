"""Near-duplicates: the same picture in other bytes, proposed by vectors and confirmed by pixels.

They are kept in the dataset's folder, for one set of contents and one embedder::

    duplicates/<digest>.json
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pandas as pd

from vitcore.audit._likeness import SAME_PICTURE, Picture, likeness
from vitcore.audit._rearranged import find_rearranged, most_similar
from vitcore.dataset import Dataset, duplicate_groups, joined, load_image
from vitcore.errors import ImageError, Stopped, StorageError
from vitcore.messages import mark
from vitcore.progress import Task
from vitcore.records import load_record, write_json
from vitcore.vectors import Vectors, mean_and_deviation, slices

__all__ = ["NearDuplicate", "find_near_duplicates", "near_duplicate_groups", "pair_table", "similar_pairs"]

NearDuplicate = tuple[str, str, float, float]
"""Content hashes of two images, the similarity of their embeddings, and the likeness of their pixels."""

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

_REVISION = 2  # raise when other pairs would be found among the same images
_SIMILAR = 0.7
_TILE_ROWS = 2048  # vectors that are compared with as many: 19 MB of each, and 17 MB of similarities
_STRIP_ROWS = 256  # of a tile, in which all may be alike: 8 MB of pairs
_PARTNERS = 6  # of an image, whose pixels are compared with it
_CHUNK = 64  # pairs between two looks at the stop
_AT_HAND = 192  # pictures kept for the pairs to come, up to 1 MB each with all that is made of them


def similar_pairs(
    vectors: Vectors,
    *,
    threshold: float = _SIMILAR,
    most: int | None = None,
    task: Task | None = None,
) -> tuple[Ints, Floats]:
    """Find the vectors that point in nearly the same direction, seen from the middle of them all.

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
    mean, deviation = _mean_and_deviation(vectors)
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
                    kept = most_similar(found[:, 0], values, most)
                    found, values = found[kept], values[kept]
        order = np.argsort(found[:, 0], kind="stable")  # the second ones rise from tile to tile
        pairs.append(found[order])
        similarities.append(values[order])
    return np.concatenate(pairs), np.concatenate(similarities)


def _similarities(vectors: Vectors, pairs: Ints) -> Floats:
    """The similarity of some pairs of vectors, as in `similar_pairs`: (P,)."""
    if not len(pairs):
        return np.empty(0, dtype=np.float32)
    mean, deviation = _mean_and_deviation(vectors)
    first, second = (_units(vectors[pairs[:, side]], mean, deviation) for side in (0, 1))
    similarities: Floats = np.einsum("pd,pd->p", first, second)
    return similarities


def _mean_and_deviation(vectors: Vectors) -> tuple[Floats, Floats]:
    """Of each dimension, the deviation being 1 where all vectors are the same: (D,) twice."""
    mean, deviation = mean_and_deviation(vectors)
    return mean.astype(np.float32), np.where(deviation > 1e-6, deviation, 1.0).astype(np.float32)


def _units(vectors: Vectors, mean: Floats, deviation: Floats) -> Floats:
    """Each dimension to mean 0 and deviation 1, then each vector to length 1: (n, D) -> (n, D)."""
    units = np.asarray(vectors).astype(np.float32)
    units -= mean
    units /= deviation
    units /= np.maximum(np.sqrt(np.einsum("nd,nd->n", units, units)), 1e-6)[:, None]
    return units


# --- of a dataset ------------------------------------------------------------------------------


def find_near_duplicates(
    dataset: Dataset,
    rows: pd.DataFrame,
    vectors: Vectors,
    *,
    fingerprint: str,
    task: Task | None = None,
) -> pd.DataFrame:
    """Find the near-duplicates among images: see `similar_pairs`, `likeness` and `find_rearranged`.

    Images with the same content are one here. The answer depends on which contents there are and on
    nothing else, and is kept for the next training on them.

    Args:
        dataset: Where the images are.
        rows: Some rows of its index, N.
        vectors: Their embeddings, (N, D).
        fingerprint: Of the embedder.
        task: Where progress is reported, and what stops it.

    Returns:
        Columns first, second (content hashes), similarity (of the embeddings), likeness (of the pixels).

    Raises:
        Stopped: The task was stopped.
    """
    task = task or Task()
    order = np.argsort(rows["sha256"].to_numpy(), kind="stable")
    contents = rows.iloc[order].drop_duplicates("sha256")
    hashes = contents["sha256"].tolist()
    key = hashlib.sha256(json.dumps([_REVISION, fingerprint, hashes]).encode()).hexdigest()[:32]
    kept = dataset.folder / "duplicates" / f"{key}.json"
    with contextlib.suppress(StorageError):
        return pair_table(load_record(tuple[NearDuplicate, ...], kept, mark("delete it")))
    numbers = order[~rows["sha256"].iloc[order].duplicated().to_numpy()]
    pairs, similarities = similar_pairs(vectors[numbers], most=_PARTNERS, task=task)
    likes = _likeness(dataset, contents["file"].tolist(), pairs, task)
    same = likes >= SAME_PICTURE
    pairs, similarities, likes = pairs[same], similarities[same], likes[same]
    further, their_likes = find_rearranged(dataset, contents, known=pairs, task=task)
    their_similarities = _similarities(vectors[numbers], further)
    found = [
        (hashes[first], hashes[second], round(similarity, 4), round(like, 4))
        for (first, second), similarity, like in zip(
            [*pairs.tolist(), *further.tolist()],
            [*similarities.tolist(), *their_similarities.tolist()],
            [*likes.tolist(), *their_likes.tolist()],
            strict=True,
        )
    ]
    # What cannot be kept is found once more next time.
    with contextlib.suppress(OSError, StorageError):
        kept.parent.mkdir(exist_ok=True)
        write_json(kept, found)
    return pair_table(found)


def near_duplicate_groups(
    dataset: Dataset,
    rows: pd.DataFrame,
    vectors: Vectors,
    *,
    fingerprint: str,
    task: Task | None = None,
) -> Ints:
    """Number the groups that no split may divide, of copies, near-duplicates and the dataset's own: (N,).

    Args:
        dataset: As for `find_near_duplicates`.
        rows: As for `find_near_duplicates`.
        vectors: As for `find_near_duplicates`.
        fingerprint: As for `find_near_duplicates`.
        task: As for `find_near_duplicates`.

    Raises:
        Stopped: The task was stopped.
    """
    pairs = find_near_duplicates(dataset, rows, vectors, fingerprint=fingerprint, task=task)
    return joined(duplicate_groups(rows, pairs), rows["group"])


def _likeness(dataset: Dataset, files: list[str], pairs: Ints, task: Task) -> npt.NDArray[np.float64]:
    """Likeness of each pair of files, 0 where one cannot be read: (P,)."""
    if not len(pairs):
        return np.empty(0)

    @lru_cache(maxsize=_AT_HAND)
    def picture(number: int) -> Picture | None:
        try:
            return Picture(load_image(dataset.thumbnail(files[number])))
        except (ImageError, OSError):
            return None

    meter = task.meter("prepare", len(pairs), unit="pairs")
    found = np.zeros(len(pairs))
    order = _neighbours_together(len(files), pairs)
    with ThreadPoolExecutor(min(16, os.cpu_count() or 1), thread_name_prefix="vitcore-compare") as pool:
        for start in range(0, len(order), _CHUNK):
            if task.stopped:
                raise Stopped("The comparison of the images was stopped; what was embedded is kept.")
            chunk = order[start : start + _CHUNK]
            numbers = np.unique(pairs[chunk]).tolist()
            at_hand = dict(zip(numbers, pool.map(picture, numbers), strict=True))
            whole = [n for n in chunk.tolist() if all(at_hand[number] is not None for number in pairs[n])]
            firsts, seconds = ([at_hand[number] for number in pairs[whole, side]] for side in (0, 1))
            found[whole] = likeness(firsts, seconds, pool)
            meter.add(len(chunk))
    return found


def _neighbours_together(count: int, pairs: Ints) -> Ints:
    """An order of pairs in which the same images come up soon again, so that few are read twice: (P,).

    E. Cuthill and J. McKee, "Reducing the bandwidth of sparse symmetric matrices", 1969.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import reverse_cuthill_mckee

    links = coo_array((np.ones(len(pairs), dtype=np.int8), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    place = np.argsort(reverse_cuthill_mckee((links + links.T).tocsr(), symmetric_mode=True))[pairs]
    return np.lexsort((place.min(axis=1), place.max(axis=1)))


def pair_table(values: Sequence[NearDuplicate]) -> pd.DataFrame:
    """Return near-duplicates as a table: first, second (content hashes), similarity, likeness."""
    types = {"first": "str", "second": "str", "similarity": "float64", "likeness": "float64"}
    return pd.DataFrame(values, columns=list(types)).astype(types)
