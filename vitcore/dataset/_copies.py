"""Pictures that are there more than once: contradictions, leaks, copies and near-duplicates.

Files with the same content are found by their hashes. Near-duplicates, the same picture in other bytes,
are handed in as pairs, for only pixels and vectors show them (`vitcore.audit`).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from vitcore.dataset._findings import Finding, ImageGroups, IssueKind, groups_of_images
from vitcore.messages import Message, counted, message

__all__ = ["COPY_KINDS", "duplicate_groups", "find_copies", "group_pairs", "has_split"]

Ints = npt.NDArray[np.int64]

COPY_KINDS: tuple[IssueKind, ...] = ("contradiction", "leak", "copies", "near_duplicates")


def find_copies(index: pd.DataFrame, pairs: pd.DataFrame | None = None) -> tuple[Finding, ...]:
    """Find the pictures that are there more than once, the most harmful kind first.

    A group is reported once, under the first kind that fits: under several labels
    (``contradiction``), in several parts of a ready-made split (``leak``), as the same file
    (``copies``), as nearly the same picture (``near_duplicates``).

    Args:
        index: Rows as in `Dataset.index`.
        pairs: Near-duplicates: columns first, second (content hashes) and likeness. Those with images
            that are not in the index are ignored.
    """
    if index.empty:
        return ()
    codes, contents = pd.factorize(index["sha256"])
    links, _ = _links(contents, pairs)
    crossing = [
        *_contradictions(_crossing(index, codes, links, index["label"].to_numpy())),
        *_leaks(index, codes, links),
    ]
    reported = frozenset(image_id for finding in crossing for group in finding.groups for image_id in group)
    same_file = index["sha256"].duplicated(keep=False).to_numpy()
    copies = _unreported(groups_of_images(index, codes, same_file), reported)
    near = () if pairs is None or pairs.empty else _unreported(_near_groups(index, codes, pairs), reported)
    return (*crossing, *_copies(copies), *_near_duplicates(near))


def _contradictions(groups: ImageGroups) -> Sequence[Finding]:
    if not groups:
        return ()
    finding = Finding(
        kind="contradiction",
        sentence=message(
            "{pictures} in more than one class, as the same file or nearly. Only one of the labels can be "
            "right; the other teaches what is wrong.",
            pictures=_pictures(groups),
        ),
        groups=groups,
        remedies=("relabel", "exclude"),
    )
    return (finding,)


def _leaks(index: pd.DataFrame, codes: Ints, links: Ints) -> Sequence[Finding]:
    if not has_split(index):
        return ()
    parts = index["split"].replace("", "train")  # what was added later is learned from
    # Those that judge come first: one to keep, so that what is judged on stays as it is.
    learned = (parts == "train").to_numpy()
    groups = _crossing(index, codes, links, parts.to_numpy(), order=learned)
    if not groups:
        return ()
    finding = Finding(
        kind="leak",
        sentence=message(
            "{pictures} in more than one part of the ready-made split. What was learned from is recognised "
            "easily, so the figures will be too good.",
            pictures=_pictures(groups),
        ),
        groups=groups,
        remedies=("keep_one", "exclude"),
    )
    return (finding,)


def _copies(groups: ImageGroups) -> Sequence[Finding]:
    if not groups:
        return ()
    extra = sum(map(len, groups)) - len(groups)
    images = counted(
        "{count} image is an exact copy of another", "{count} images are exact copies of others", extra
    )
    finding = Finding(
        kind="copies",
        sentence=message(
            "{images}. They teach nothing new, and make what they show count more than the rest.",
            images=images,
        ),
        groups=groups,
        remedies=("keep_one",),
    )
    return (finding,)


def _near_duplicates(groups: ImageGroups) -> Sequence[Finding]:
    if not groups:
        return ()
    finding = Finding(
        kind="near_duplicates",
        sentence=message(
            "{pictures} there more than once: in another size, cut or light, turned, mirrored or with a "
            "caption. They are never divided by a split, but what they show counts more than the rest.",
            pictures=_pictures(groups),
        ),
        groups=groups,
        remedies=("keep_one", "exclude"),
    )
    return (finding,)


def has_split(index: pd.DataFrame) -> bool:
    """Return whether the images come with a ready-made split."""
    return bool((index["split"] != "").any())


def _pictures(groups: ImageGroups) -> Message:
    return counted(
        "One picture ({images} images) is",
        "{count} pictures ({images} images) are",
        len(groups),
        images=sum(map(len, groups)),
    )


# --- groups ------------------------------------------------------------------------------------


def duplicate_groups(rows: pd.DataFrame, pairs: pd.DataFrame) -> Ints:
    """Number the groups of copies and near-duplicates, also those linked by way of others.

    A group has a tenth of the different images at most, or 20: see `group_pairs`.

    Args:
        rows: Rows of an index, N.
        pairs: As for `find_copies`.

    Returns:
        The group of each row, (N,).
    """
    codes, contents = pd.factorize(rows["sha256"])
    links, present = _links(contents, pairs)
    strengths = pairs["likeness"].to_numpy()[present]
    return group_pairs(len(contents), links, strengths, largest=max(20, len(contents) // 10))[codes]


def group_pairs(count: int, pairs: Ints, strengths: npt.NDArray[np.floating], *, largest: int) -> Ints:
    """Group items that are linked by pairs, also by way of others.

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
    if not len(pairs):
        return np.arange(count, dtype=np.int64)
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


def _links(contents: pd.Index, pairs: pd.DataFrame | None) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Pairs of hashes as positions in `contents`, (P, 2), and which of them are there."""
    if pairs is None or pairs.empty:
        return np.empty((0, 2), dtype=np.int64), np.empty(0, dtype=np.bool_)
    contents = pd.Index(contents)
    links = np.stack([contents.get_indexer(pd.Index(pairs[name])) for name in ("first", "second")], axis=1)
    present: npt.NDArray[np.bool_] = np.asarray((links >= 0).all(axis=1))
    return links[present].astype(np.int64), present


def _crossing(
    index: pd.DataFrame,
    codes: Ints,
    links: Ints,
    kinds: npt.NDArray[Any],
    order: npt.NDArray[Any] | None = None,
) -> ImageGroups:
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
    return groups_of_images(index, roots[codes], concerned[codes], order)


def _near_groups(index: pd.DataFrame, codes: Ints, pairs: pd.DataFrame) -> ImageGroups:
    """Groups with more than one content, the image with most pixels first."""
    numbers = duplicate_groups(index, pairs)
    different = pd.Series(codes).groupby(numbers).transform("nunique").to_numpy() > 1
    pixels = (index["width"] * index["height"]).to_numpy()
    return groups_of_images(index, numbers, different, order=-pixels)


def _unreported(groups: ImageGroups, reported: frozenset[int]) -> ImageGroups:
    return tuple(group for group in groups if not reported.issuperset(group))
