"""Checks of a dataset that need its index alone, and no photo."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from vitcore.dataset._copies import find_copies
from vitcore.dataset._findings import MAX_PREVALENCE, Finding, ImageGroups, IssueKind
from vitcore.messages import Message, counted, mark, message

__all__ = ["check_index"]

Floats = npt.NDArray[np.float64]

_NARROW = 0.35  # the shorter side, of the longer


def check_index(index: pd.DataFrame, pairs: pd.DataFrame | None = None) -> tuple[Finding, ...]:
    """Find what is wrong with a dataset as far as its index shows it.

    Args:
        index: Rows as in `Dataset.index`.
        pairs: Near-duplicates, if they are known: see `find_copies`.
    """
    if index.empty:
        return ()
    own = (_format_tells(index), _size_tells(index), _odd_sizes(index), _odd_shapes(index))
    return (*find_copies(index, pairs), *(finding for finding in own if finding is not None))


def _odd_sizes(index: pd.DataFrame) -> Finding | None:
    """Find sides further than three interquartile ranges from the middle half: Tukey's outer fences.

    And more than twice or less than half the usual one: where nearly all images have one size, the
    range is next to nothing, and some pixels more are no fault.

    J. W. Tukey, "Exploratory Data Analysis", 1977, section 2D.
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
        sentence=message(
            "{images} much smaller or larger than the others (most often {width} × {height} pixels). Such "
            "images often come from elsewhere, and show something else.",
            images=_images_are(odd),
            width=str(width),
            height=str(height),
        ),
        groups=_each_alone(index, odd, -np.abs(np.log(sides / middle))),
        remedies=("exclude",),
    )


def _odd_shapes(index: pd.DataFrame) -> Finding | None:
    """Find sides of more than about three to one, the threshold of cleanvision 0.3.7."""
    narrow = (index[["width", "height"]].min(axis=1) / index[["width", "height"]].max(axis=1)).to_numpy()
    odd = narrow < _NARROW
    if not 0 < odd.mean() <= MAX_PREVALENCE:
        return None
    return Finding(
        kind="odd_shape",
        sentence=message(
            "{images} very long or very tall. Such an image is seen whole, so all in it is small.",
            images=_images_are(odd),
        ),
        groups=_each_alone(index, odd, narrow),
        remedies=("exclude",),
    )


def _images_are(chosen: npt.NDArray[np.bool_]) -> Message:
    return counted("{count} image is", "{count} images are", int(chosen.sum()))


def _each_alone(
    index: pd.DataFrame, chosen: npt.NDArray[np.bool_], scores: npt.NDArray[np.float64]
) -> ImageGroups:
    """Ids of the chosen rows, each a group of its own, the lowest score first."""
    numbers = np.flatnonzero(chosen)
    numbers = numbers[np.argsort(scores[numbers], kind="stable")]
    return tuple((int(image_id),) for image_id in index["image_id"].to_numpy()[numbers])


# --- what gives the class away -----------------------------------------------------------------


def _format_tells(index: pd.DataFrame) -> Finding | None:
    return _shortcut(index, "format_tells", {mark("file format"): index["format"]}, "{format}")


def _size_tells(index: pd.DataFrame) -> Finding | None:
    width, height = index["width"], index["height"]
    clues = {mark("size in pixels"): width * 2**24 + height, mark("shape"): (width / height).round(2)}
    return _shortcut(index, "size_tells", clues, "{width} × {height}")


def _shortcut(
    index: pd.DataFrame, kind: IssueKind, clues: dict[str, pd.Series], shown: str
) -> Finding | None:
    """Find classes that a clue beside the picture gives away, which a classifier may learn instead.

    They are those that a guess by it gets right for three quarters at least, where one half is chance,
    and by four standard deviations more than chance allows, for there are many classes to be lucky with.
    """
    found = []
    for clue, values in clues.items():
        shares = _separability(index["label"], values)
        much = (shares["share"] >= 0.75) & (shares["share"] - 0.5 >= 4 * shares["deviation"])
        found.append((clue, shares["share"][much]))
    clue, telling = max(found, key=lambda item: (len(item[1]), item[1].sum()))
    if telling.empty:
        return None
    usual = clues[clue].groupby(index["label"]).agg(lambda values: values.value_counts().index[0])
    typical = index[clues[clue] == index["label"].map(usual)]
    looks = typical.drop_duplicates("label").set_index("label").apply(lambda row: shown.format(**row), axis=1)
    first = [*telling.index, *looks.index.difference(telling.index)][:4]
    examples = ", ".join(f"'{label}' {looks[label]}" for label in first) + ", …" * (len(looks) > 4)
    given_away = message("class '{name}'", name=telling.index[0])
    if len(telling) > 1:
        given_away = message("class '{name}' and {count} more", name=telling.index[0], count=len(telling) - 1)
    return Finding(
        kind=kind,
        sentence=message(
            "The {clue} alone gives {classes} away: guessing by it is right for {share:.0%}, where blind "
            "guessing is for {blind:.0%}. Most often: {examples}. A classifier may learn that instead of "
            "what "
            "is in the picture; give all classes the same kind of images.",
            clue=message(clue),
            classes=given_away,
            share=telling.iloc[0],
            blind=0.5,
            examples=examples,
        ),
        groups=tuple(tuple(map(int, ids.iloc[:2])) for _, ids in typical.groupby("label")["image_id"]),
        remedies=(),
    )


def _separability(labels: pd.Series, clue: pd.Series) -> pd.DataFrame:
    """Measure how well one value separates each class from all others: columns share, deviation.

    Leave-one-out: an image is guessed to be of the class if its value is more frequent among the other
    images of the class than among the rest. The share that is right, the class and the rest counting
    one half each; with the standard deviation that mere chance gives it, the best first. A value
    that no other image has says nothing, and is right by one half.
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
