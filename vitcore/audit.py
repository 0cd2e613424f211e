"""What is wrong with a pile of photos, and which photos show it.

`measure` looks at the images themselves, once: how sharp and light they are, and which are the same
picture in other bytes. `find_issues` puts that together with what the index says, whenever asked.

Kept in the dataset's folder, by content, so that edits of the dataset cost nothing::

    measures.json               quality and near-duplicates of all that was ever measured
    duplicates/<digest>.json    near-duplicates within one set of images, for one embedder
"""

import contextlib
import hashlib
import json
import logging
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image, ImageFilter

from vitcore.compute import DEFAULT_COMPUTE, Compute
from vitcore.dataset import SAME_PICTURE, Dataset, Picture, group_pairs, likeness, load_image, similar_pairs
from vitcore.errors import ImageError, Stopped, StorageError
from vitcore.features import embed_images, image_files, prepare_embedder
from vitcore.progress import Task
from vitcore.vectors import Vectors
from vitcore.workspace import Workspace, read_json, write_json

__all__ = [
    "Finding",
    "IssueKind",
    "Measures",
    "Remedy",
    "duplicate_groups",
    "find_duplicates",
    "find_issues",
    "load_measures",
    "measure",
]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

IssueKind = Literal[
    "contradiction",
    "leak",
    "format_tells",
    "size_tells",
    "copies",
    "near_duplicates",
    "empty",
    "blurry",
    "dark",
    "bright",
    "odd_size",
    "odd_shape",
]
Remedy = Literal["keep_one", "exclude", "relabel"]

# Raise when the same images would be measured, or found alike, in another way.
_REVISION = 1
_PAIR_COLUMNS = ["first", "second", "similarity", "likeness"]
_PARTNERS = 6  # of an image, whose pixels are compared with it
_CHUNK = 64
_AT_HAND = 192  # pictures kept for the pairs to come, up to 1 MB each with all that is made of them

# Ours, cleanvision's, and its threshold: an image is at fault whose score, 0 … 1, is lower.
_QUALITY: dict[IssueKind, tuple[str, float]] = {
    "empty": ("low_information", 0.3),
    "blurry": ("blurry", 0.29),
    "dark": ("dark", 0.32),
    "bright": ("light", 0.05),
}
_SHARP = 0.05  # of the contrast
_LEAST_CONTRAST = 8.0  # grey levels
# cleanvision does not report what most images are said to have: it is what they are like, not a fault.
_MAX_PREVALENCE = 0.5


@dataclass(frozen=True, eq=False, kw_only=True)
class Measures:
    """What `measure` found out about the images of a dataset.

    Attributes:
        fingerprint: Of the embedder whose embeddings were compared.
        compared: Content hashes of the images that were compared with each other.
        pairs: Near-duplicates among them. Columns first, second (content hashes), similarity (of the
            embeddings, up to 1), likeness (of the pixels, up to 1).
        quality: Scores from 0, the worst, to 1, by content hash. Columns empty, blurry, dark, bright.
    """

    fingerprint: str
    compared: frozenset[str]
    pairs: pd.DataFrame
    quality: pd.DataFrame

    def missing(self, dataset: Dataset) -> int:
        """Number of images of the present version that were not measured."""
        known = self.compared.intersection(self.quality.index)
        return int((~dataset.index["sha256"].isin(known)).sum())


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong with a dataset.

    Attributes:
        kind: ``contradiction`` (one picture under several labels), ``leak`` (one picture in several
            parts of a ready-made split), ``format_tells`` or ``size_tells`` (the class can be told
            without looking at the picture), ``copies`` (the same file), ``near_duplicates`` (the
            same picture), ``empty``, ``blurry``, ``dark``, ``bright``, ``odd_size``, ``odd_shape``.
        sentence: What it is, of how many images, and why it matters; plain text.
        groups: Ids of images to be shown side by side. The first of a group is the one to keep.
        remedies: What helps: ``keep_one`` of each group, ``exclude`` images, ``relabel`` them.
    """

    kind: IssueKind
    sentence: str
    groups: tuple[tuple[int, ...], ...]
    remedies: tuple[Remedy, ...]


# --- measuring ---------------------------------------------------------------------------------


def measure(
    dataset: Dataset,
    *,
    compute: Compute = DEFAULT_COMPUTE,
    workspace: Workspace | None = None,
    task: Task | None = None,
) -> Measures:
    """Look at the images that were not looked at yet, and keep what is found.

    Args:
        dataset: Whose present images to look at.
        compute: As for `vitcore.train`; a training with it finds the embeddings made here, and engine
            ``auto`` goes on with the one that made them.
        workspace: Where embeddings are kept; the default workspace if not given.
        task: Where progress is reported, and what stops it; what was found so far is kept.

    Raises:
        BackboneError: The backbone cannot be had.
        DeviceError: The device, the precision or the engine is not here.
        ImageError: An image cannot be decoded any more.
        Stopped: The task was stopped.
        StorageError: The disk is full or not writable.
    """
    workspace, task = workspace or Workspace.default(), task or Task()
    measures = load_measures(dataset) or _nothing_measured()
    contents = dataset.index.drop_duplicates("sha256")
    files = image_files(dataset, contents)
    embedder, _ = prepare_embedder(
        compute,
        files,
        list(contents["label"]),
        workspace=workspace,
        task=task,
    )
    if measures.fingerprint != embedder.fingerprint or not measures.compared.issuperset(contents["sha256"]):
        found = embed_images(embedder, files, task=task)
        pairs = find_duplicates(
            dataset,
            contents,
            found.vectors[:, 0],
            fingerprint=embedder.fingerprint,
            task=task,
        )
        measures = _compared(measures, embedder.fingerprint, contents["sha256"], pairs)
        _save(dataset, measures)
    fresh = contents[~contents["sha256"].isin(measures.quality.index)]
    try:
        for scores in _quality(dataset, fresh, task):
            known = [part for part in (measures.quality, scores) if len(part)]
            measures = replace(measures, quality=pd.concat(known))
    finally:
        if len(fresh):
            _save(dataset, measures)
    return measures


def load_measures(dataset: Dataset) -> Measures | None:
    """What `measure` has found so far; None if that is nothing, or cannot be read any more."""
    path = dataset.folder / "measures.json"
    try:
        status = path.stat()
    except OSError:
        return None
    return _read_measures(path, (status.st_ino, status.st_mtime_ns, status.st_size))


@lru_cache(maxsize=4)  # a page asks at every draw
def _read_measures(path: Path, _version: tuple[int, int, int]) -> Measures | None:
    try:
        values = read_json(path)
        if values["revision"] != _REVISION:
            return None
        quality = pd.DataFrame(values["quality"]).set_index("sha256")
        return Measures(
            fingerprint=values["fingerprint"],
            compared=frozenset(values["compared"]),
            pairs=_pair_frame(values["pairs"]),
            quality=quality[list(_QUALITY)].astype("float64"),
        )
    except (StorageError, LookupError, TypeError, ValueError):
        return None


def _nothing_measured() -> Measures:
    quality = pd.DataFrame(
        columns=list(_QUALITY), index=pd.Index([], name="sha256", dtype="str"), dtype="float64"
    )
    return Measures(fingerprint="", compared=frozenset(), pairs=_pair_frame([]), quality=quality)


def _compared(before: Measures, fingerprint: str, contents: pd.Series, pairs: pd.DataFrame) -> Measures:
    """With new pairs among some contents; what is known of others, taken out for now, is kept."""
    same = before.fingerprint == fingerprint
    elsewhere = ~(before.pairs["first"].isin(contents) & before.pairs["second"].isin(contents))
    kept = before.pairs[elsewhere] if same else before.pairs[:0]
    return Measures(
        fingerprint=fingerprint,
        compared=frozenset(contents) | (before.compared if same else frozenset()),
        pairs=pd.concat([part for part in (kept, pairs) if len(part)] or [pairs], ignore_index=True),
        quality=before.quality,
    )


def _save(dataset: Dataset, measures: Measures) -> None:
    quality = measures.quality.round(4)
    values = {
        "revision": _REVISION,
        "fingerprint": measures.fingerprint,
        "compared": sorted(measures.compared),
        "pairs": measures.pairs.to_numpy().tolist(),
        "quality": {"sha256": list(quality.index)} | {name: quality[name].tolist() for name in quality},
    }
    try:
        write_json(dataset.folder / "measures.json", values)
    except OSError as error:
        raise StorageError(
            f"{dataset.folder} cannot be written ({error.strerror or error}); free some space, then look at "
            "the images again."
        ) from error


def _quality(dataset: Dataset, contents: pd.DataFrame, task: Task) -> Iterator[pd.DataFrame]:
    """The scores of images, some at a time, found on their thumbnails."""
    if contents.empty:
        return
    meter = task.meter("check", len(contents))
    with ThreadPoolExecutor(min(16, os.cpu_count() or 1), thread_name_prefix="vitcore-check") as pool:
        for start in range(0, len(contents), _CHUNK):
            if task.stopped:
                raise Stopped("The check was stopped; what was found so far is kept.")
            chunk = contents.iloc[start : start + _CHUNK]
            paths = list(pool.map(partial(_thumbnail, dataset), chunk["file"]))
            yield _scores(paths).set_index(pd.Index(chunk["sha256"], name="sha256"))
            meter.add(len(chunk))


def _thumbnail(dataset: Dataset, file: str) -> str:
    try:
        return str(dataset.thumbnail(file))
    except (ImageError, OSError) as error:
        raise ImageError(
            f"{dataset.path(file)} can no longer be read ({error}); import the dataset again."
        ) from error


def _scores(paths: Sequence[str]) -> pd.DataFrame:
    """Scores of image files, by cleanvision and for blur also by `_sharpness`: one row each."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # which comes with it, and talks about fonts
    from cleanvision import Imagelab
    from cleanvision.issue_managers import image_property_issue_manager as manager

    # Its progress bar cannot be turned off otherwise.
    manager.tqdm = lambda items, **_: items  # type: ignore[attr-defined]
    lab = Imagelab(filepaths=list(paths), verbose=False)
    lab.find_issues({theirs: {} for theirs, _ in _QUALITY.values()}, n_jobs=1, verbose=False)
    issues = lab.issues.loc[list(paths)]
    scores = pd.DataFrame(
        {ours: issues[f"{theirs}_score"].astype("float64") for ours, (theirs, _) in _QUALITY.items()}
    ).clip(0, 1)
    threshold = _QUALITY["blurry"][1]
    own = [min(threshold * _sharpness(load_image(Path(path))) / _SHARP, 1.0) for path in paths]
    return scores.assign(blurry=np.minimum(scores["blurry"], own))


def _sharpness(image: Image.Image) -> float:
    """How much of the contrast of a thumbnail is in its fine structure, what lies between two blurs.

    cleanvision's own measure rarely fires on photos. Of 40 photos of clothing, blurred by 2 % of
    their width, it finds 5; with this one, at `_SHARP`, 36 are found, all 40 blurred by 3 %, 11
    blurred by 1 %, and none of 600 as they are. What has hardly any contrast cannot be judged, and
    gets 1.
    """
    grey = image.convert("L")
    contrast = float(np.asarray(grey, dtype=np.float32).std())
    fine, coarse = (
        np.asarray(grey.filter(ImageFilter.GaussianBlur(radius)), dtype=np.float32) for radius in (1, 2.5)
    )
    return float((fine - coarse).std()) / contrast if contrast >= _LEAST_CONTRAST else 1.0


# --- near-duplicates ---------------------------------------------------------------------------


def find_duplicates(
    dataset: Dataset,
    rows: pd.DataFrame,
    vectors: Vectors,
    *,
    fingerprint: str,
    task: Task | None = None,
) -> pd.DataFrame:
    """Near-duplicates among images; see `vitcore.dataset.similar_pairs` and `likeness`.

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
    with contextlib.suppress(StorageError, LookupError, TypeError, ValueError):
        return _pair_frame(read_json(kept))
    numbers = order[~rows["sha256"].iloc[order].duplicated().to_numpy()]
    pairs, similarities = similar_pairs(vectors[numbers], most=_PARTNERS, task=task)
    likes = _likeness(dataset, contents["file"].tolist(), pairs, task)
    found = [
        [hashes[first], hashes[second], round(float(similarity), 4), round(float(like), 4)]
        for (first, second), similarity, like in zip(pairs.tolist(), similarities, likes, strict=True)
        if like >= SAME_PICTURE
    ]
    # What cannot be kept is found once more next time.
    with contextlib.suppress(OSError):
        kept.parent.mkdir(exist_ok=True)
        write_json(kept, found)
    return _pair_frame(found)


def duplicate_groups(rows: pd.DataFrame, pairs: pd.DataFrame) -> Ints:
    """The group of each row: copies and near-duplicates, also by way of others, have the same number.

    A group has a tenth of the different images at most, or 20: see `vitcore.dataset.group_pairs`.

    Args:
        rows: Rows of an index, N.
        pairs: As `find_duplicates` gives them; those with images that are not there are ignored.

    Returns:
        (N,)
    """
    codes, contents = pd.factorize(rows["sha256"])
    links, known = _links(contents, pairs)
    strengths = pairs["likeness"].to_numpy()[known]
    return group_pairs(len(contents), links, strengths, largest=max(20, len(contents) // 10))[codes]


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


def _pair_frame(values: list[list[Any]]) -> pd.DataFrame:
    types = {"first": "str", "second": "str", "similarity": "float64", "likeness": "float64"}
    return pd.DataFrame(values, columns=_PAIR_COLUMNS).astype(types)


def _links(contents: pd.Index, pairs: pd.DataFrame) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Pairs of hashes as positions in `contents`, (P, 2), and which of them are there."""
    links = np.stack([contents.get_indexer(pd.Index(pairs[name])) for name in _PAIR_COLUMNS[:2]], axis=1)
    known: npt.NDArray[np.bool_] = np.asarray((links >= 0).all(axis=1))
    return links[known].astype(np.int64), known


# --- finding -----------------------------------------------------------------------------------


def find_issues(dataset: Dataset, measures: Measures | None = None) -> tuple[Finding, ...]:
    """What is wrong with the present version of a dataset, the most harmful first.

    What is one picture twice is told once, under the most harmful heading that fits.

    Args:
        dataset: What to judge.
        measures: What `load_measures` gives; without it, only what the index shows is found.
    """
    index = dataset.index
    if index.empty:
        return ()
    codes, contents = pd.factorize(index["sha256"])
    pairs = _pair_frame([]) if measures is None else measures.pairs
    links, _ = _links(pd.Index(contents), pairs)
    contradictions = _contradictions(index, codes, links)
    leaks = _leaks(index, codes, links)
    told = frozenset(
        image_id
        for finding in (contradictions, leaks)
        if finding
        for group in finding.groups
        for image_id in group
    )
    found = (
        contradictions,
        leaks,
        _format_tells(index),
        _size_tells(index),
        _copies(index, codes, told),
        _near_duplicates(index, codes, pairs, told),
        *(_faults(index, kind, measures) for kind in _QUALITY),
        _odd_sizes(index),
        _odd_shapes(index),
    )
    return tuple(finding for finding in found if finding is not None)


def _contradictions(index: pd.DataFrame, codes: Ints, links: Ints) -> Finding | None:
    groups = _crossing(index, codes, links, index["label"].to_numpy())
    if not groups:
        return None
    return Finding(
        kind="contradiction",
        sentence=f"{_pictures(groups)} in more than one class, as the same file or nearly. Only one of the "
        "labels can be right; the other teaches what is wrong.",
        groups=groups,
        remedies=("relabel", "exclude"),
    )


def _leaks(index: pd.DataFrame, codes: Ints, links: Ints) -> Finding | None:
    if not (index["split"] != "").any():
        return None
    parts = index["split"].replace("", "train")  # what was added later is learned from
    # Those that judge come first: one to keep, so that what is judged on stays as it is.
    judging = (parts == "train").to_numpy()
    groups = _crossing(index, codes, links, parts.to_numpy(), order=judging)
    if not groups:
        return None
    return Finding(
        kind="leak",
        sentence=f"{_pictures(groups)} in more than one part of the ready-made split. What was learned from "
        "is recognised easily, so the figures will be too good.",
        groups=groups,
        remedies=("keep_one", "exclude"),
    )


def _copies(index: pd.DataFrame, codes: Ints, told: frozenset[int]) -> Finding | None:
    groups = _grouped(index, codes, index["sha256"].duplicated(keep=False).to_numpy())
    groups = tuple(group for group in groups if not told.issuperset(group))
    if not groups:
        return None
    extra = sum(map(len, groups)) - len(groups)
    return Finding(
        kind="copies",
        sentence=f"{_images(extra, 'is an exact copy of another', 'are exact copies of others')}. They teach "
        "nothing new, and make what they show count more than the rest.",
        groups=groups,
        remedies=("keep_one",),
    )


def _near_duplicates(
    index: pd.DataFrame, codes: Ints, pairs: pd.DataFrame, told: frozenset[int]
) -> Finding | None:
    if pairs.empty:
        return None
    numbers = duplicate_groups(index, pairs)
    different = pd.Series(codes).groupby(numbers).transform("nunique").to_numpy() > 1
    pixels = (index["width"] * index["height"]).to_numpy()
    groups = _grouped(index, numbers, different, order=-pixels)
    groups = tuple(group for group in groups if not told.issuperset(group))
    if not groups:
        return None
    return Finding(
        kind="near_duplicates",
        sentence=f"{_pictures(groups)} there more than once in other sizes, cuts or light, or nearly so. "
        "They are never divided by a split, but what they show counts more than the rest.",
        groups=groups,
        remedies=("keep_one", "exclude"),
    )


_FAULTS: dict[IssueKind, tuple[str, str]] = {
    "empty": (
        "show next to nothing",
        "Without anything to see in them, they teach what does not belong to the class.",
    ),
    "blurry": ("are blurred", "The details by which a class is told are missing in them."),
    "dark": ("are very dark", "Little can be seen in them; brighter ones teach more."),
    "bright": ("are nearly white", "Little can be seen in them; darker ones teach more."),
}


def _faults(index: pd.DataFrame, kind: IssueKind, measures: Measures | None) -> Finding | None:
    if measures is None:
        return None
    scores = measures.quality[kind].reindex(index["sha256"]).to_numpy()
    faulty = scores < _QUALITY[kind][1]  # not where it is not known
    if not 0 < faulty.mean() <= _MAX_PREVALENCE:
        return None
    what, why = _FAULTS[kind]
    one = what.replace("are ", "is ").replace("show ", "shows ")
    return Finding(
        kind=kind,
        sentence=f"{_images(int(faulty.sum()), one, what)}. {why}",
        groups=_each(index, faulty, scores),
        remedies=("exclude",),
    )


def _odd_sizes(index: pd.DataFrame) -> Finding | None:
    """Sides further than three interquartile ranges from the middle half, as in cleanvision.

    And more than twice or less than half the usual one: where nearly all images have one size, the
    range is next to nothing, and some pixels more are no fault.
    """
    sides = np.sqrt((index["width"] * index["height"]).to_numpy().astype(np.float64))
    low, middle, high = np.percentile(sides, [25, 50, 75])
    margin = 3 * (high - low)
    odd = ((sides < low - margin) | (sides > high + margin)) & (np.abs(np.log2(sides / middle)) > 1)
    if not odd.any():
        return None
    width, height = index[["width", "height"]].value_counts().index[0]
    return Finding(
        kind="odd_size",
        sentence=f"{_images(int(odd.sum()), 'is', 'are')} much smaller or larger than the others (most often "
        f"{width} × {height} pixels). Such images often come from elsewhere, and show something else.",
        groups=_each(index, odd, -np.abs(np.log(sides / middle))),
        remedies=("exclude",),
    )


def _odd_shapes(index: pd.DataFrame) -> Finding | None:
    """Sides of more than about three to one, as in cleanvision."""
    narrow = (index[["width", "height"]].min(axis=1) / index[["width", "height"]].max(axis=1)).to_numpy()
    odd = narrow < 0.35
    if not 0 < odd.mean() <= _MAX_PREVALENCE:
        return None
    return Finding(
        kind="odd_shape",
        sentence=f"{_images(int(odd.sum()), 'is', 'are')} very long or very tall. Only the square in the "
        "middle is looked at, which leaves out most of such an image.",
        groups=_each(index, odd, narrow),
        remedies=("exclude",),
    )


# --- what gives the class away -----------------------------------------------------------------


def _format_tells(index: pd.DataFrame) -> Finding | None:
    return _tells(index, "format_tells", {"file format": index["format"]}, "{format}")


def _size_tells(index: pd.DataFrame) -> Finding | None:
    width, height = index["width"], index["height"]
    clues = {"size in pixels": width * 2**24 + height, "shape": (width / height).round(2)}
    return _tells(index, "size_tells", clues, "{width} × {height}")


def _tells(index: pd.DataFrame, kind: IssueKind, clues: dict[str, pd.Series], shown: str) -> Finding | None:
    """Whether classes are told from all others by a clue that has nothing to do with the picture.

    By a guess that is right for three quarters at least, where one half is chance, and by four
    standard deviations more than chance allows, for there are many classes to be lucky with.
    """
    found = []
    for clue, values in clues.items():
        shares = _told_apart(index["label"], values)
        much = (shares["share"] >= 0.75) & (shares["share"] - 0.5 >= 4 * shares["deviation"])
        found.append((clue, shares["share"][much]))
    clue, told = max(found, key=lambda item: (len(item[1]), item[1].sum()))
    if told.empty:
        return None
    usual = clues[clue].groupby(index["label"]).agg(lambda values: values.value_counts().index[0])
    typical = index[clues[clue] == index["label"].map(usual)]
    looks = typical.drop_duplicates("label").set_index("label").apply(lambda row: shown.format(**row), axis=1)
    named = ", ".join(
        f"'{label}' {looks[label]}" for label in [*told.index, *looks.index.difference(told.index)][:4]
    )
    more = f" and {len(told) - 1} more" if len(told) > 1 else ""
    dots = ", …" if len(looks) > 4 else ""
    return Finding(
        kind=kind,
        sentence=f"The {clue} alone gives class '{told.index[0]}'{more} away: guessing by it is right for "
        f"{told.iloc[0]:.0%}, where blind guessing is for 50%. Most often: {named}{dots}. A classifier may "
        "learn that instead of what is in the picture; give all classes the same kind of images.",
        groups=tuple(tuple(map(int, ids.iloc[:2])) for _, ids in typical.groupby("label")["image_id"]),
        remedies=(),
    )


def _told_apart(labels: pd.Series, clue: pd.Series) -> pd.DataFrame:
    """How well each class is told from all others by one value: columns share, deviation, best first.

    Leave-one-out: an image is guessed to be of the class if its value is more frequent among the other
    images of the class than among the rest. The share that is right, the class and the rest counting
    one half each; with the standard deviation that mere chance gives it. A value that no other image
    has says nothing, and is right by one half.
    """
    size = labels.value_counts()
    total = len(labels)
    cells = pd.DataFrame({"label": labels.to_numpy(), "value": clue.to_numpy()})
    cells = cells.groupby(["label", "value"]).size().rename("count").reset_index()
    of_value = cells.groupby("value")["count"].transform("sum").to_numpy()
    count, inside = cells["count"].to_numpy(), size.reindex(cells["label"]).to_numpy()
    outside = total - inside
    elsewhere = of_value - count

    def right(own: Floats, other: Floats) -> Floats:
        return np.where(own > other, 1.0, np.where(own == other, 0.5, 0.0))

    with np.errstate(divide="ignore", invalid="ignore"):
        hits = count * right(np.nan_to_num((count - 1) / (inside - 1)), np.nan_to_num(elsewhere / outside))
        rejected = elsewhere * right(np.nan_to_num((elsewhere - 1) / (outside - 1)), count / inside)
    # Values that the class does not have at all are never taken for it.
    values = cells.groupby("value")["count"].sum()
    never = float((values * np.where(values > 1, 1.0, 0.5)).sum())
    covered = of_value * np.where(of_value > 1, 1.0, 0.5)
    sums = (
        pd.DataFrame({"hits": hits, "rejected": rejected - covered}).groupby(cells["label"].to_numpy()).sum()
    )
    rest = total - size
    share = (sums["hits"] / size + (sums["rejected"] + never) / rest.clip(lower=1)) / 2
    deviation = np.sqrt(0.25 / size + 0.25 / rest.clip(lower=1)) / 2
    return pd.DataFrame({"share": share, "deviation": deviation}).sort_values(
        "share", ascending=False, kind="stable"
    )


# --- what they share ---------------------------------------------------------------------------


def _crossing(
    index: pd.DataFrame,
    codes: Ints,
    links: Ints,
    kinds: npt.NDArray[Any],
    order: npt.NDArray[Any] | None = None,
) -> tuple[tuple[int, ...], ...]:
    """Images of one picture that are of several kinds, where a near-duplicate is the same picture."""
    meetings = pd.DataFrame({"code": codes, "kind": pd.factorize(kinds)[0]}).drop_duplicates()
    count = int(codes.max()) + 1
    several = np.zeros(count, dtype=bool)
    several[meetings.loc[meetings["code"].duplicated(), "code"]] = True
    kind_of = meetings.drop_duplicates("code").set_index("code")["kind"].reindex(range(count)).to_numpy()
    first, second = links[:, 0], links[:, 1]
    crossing = links[(kind_of[first] != kind_of[second]) | several[first] | several[second]]
    concerned = several.copy()
    concerned[crossing.ravel()] = True
    roots = group_pairs(count, crossing, np.ones(len(crossing)), largest=count)
    return _grouped(index, roots[codes], concerned[codes], order)


def _grouped(
    index: pd.DataFrame,
    numbers: Ints,
    chosen: npt.NDArray[np.bool_],
    order: npt.NDArray[Any] | None = None,
) -> tuple[tuple[int, ...], ...]:
    """Ids of the chosen rows, those with one number together, each group by `order` and then by id."""
    rows = np.flatnonzero(chosen)
    numbers, image_ids = numbers[rows], index["image_id"].to_numpy()[rows]
    keys = (image_ids, numbers) if order is None else (image_ids, order[rows], numbers)
    sorting = np.lexsort(keys)
    starts = np.flatnonzero(np.diff(numbers[sorting])) + 1
    groups = [tuple(ids.tolist()) for ids in np.split(image_ids[sorting], starts) if len(ids)]
    return tuple(sorted(groups, key=min))


def _each(
    index: pd.DataFrame, chosen: npt.NDArray[np.bool_], scores: npt.NDArray[np.float64]
) -> tuple[tuple[int, ...], ...]:
    """Ids of the chosen rows, each a group of its own, the lowest score first."""
    numbers = np.flatnonzero(chosen)
    numbers = numbers[np.argsort(scores[numbers], kind="stable")]
    return tuple((int(image_id),) for image_id in index["image_id"].to_numpy()[numbers])


def _pictures(groups: tuple[tuple[int, ...], ...]) -> str:
    images = f"({sum(map(len, groups)):,} images)"
    return f"One picture {images} is" if len(groups) == 1 else f"{len(groups):,} pictures {images} are"


def _images(count: int, one: str = "", many: str = "") -> str:
    return f"{count:,} image{'s' * (count != 1)} {one if count == 1 else many}".rstrip()
