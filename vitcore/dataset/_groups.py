"""Groups: images that belong together, such as those of one patient, burst, camera or place.

A split or a fold that divides a group judges a classifier by what it has learned by heart.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath

import numpy as np
import numpy.typing as npt
import pandas as pd

from vitcore.dataset._copies import group_pairs
from vitcore.errors import SettingsError
from vitcore.layouts import split_name
from vitcore.messages import Message, message, quoted, shortened
from vitcore.text import class_name

__all__ = [
    "COLUMN",
    "NO_GROUPS",
    "GroupRule",
    "Series",
    "extra_columns",
    "find_series",
    "groups_by",
    "joined",
]

COLUMN = "column:"
"""The beginning of the names of those columns of an index that came with the images."""

NO_GROUPS = "none"
"""The rule by which every image stands for itself."""

_FORMS = ("column:NAME", "folder:N", "name:REGEX", "time:SECONDS", "none")
_TAKEN = "taken"
_MAX_RULE = 500  # characters

# The names of series that are looked for: what comes first, and what comes before the last number.
_NAME_RULES = (r"name:^([^_]+)_", r"name:^([^-]+)-", r"name:^(.*?)[ _.-]*\(?\d+\)?\.\w+$")
_TIME_RULE = "time:10"
_COVERED = 0.8  # of the images, at least, are in groups of several
_FEWEST = 4  # groups
_LARGEST = 0.25  # of the images, at most, are in one group


@dataclass(frozen=True)
class GroupRule:
    """A rule that says which images belong together.

    Attributes:
        kind: ``none``, ``column``, ``folder``, ``name`` or ``time``.
        value: The name of a column; the number of a folder level, from 1 for the folders right below that
            of the class; a regular expression whose first group, found in the file name, is the name of
            the group; or the seconds between two photos of one camera that are still of one series.
    """

    kind: str
    value: str = ""

    @classmethod
    def parse(cls, text: str) -> "GroupRule":
        """Return the rule that a text such as ``folder:1`` stands for; empty is ``none``.

        Raises:
            SettingsError: It is not the text of a rule.
        """
        kind, _, value = text.strip().partition(":")
        rule = cls(kind or NO_GROUPS, value.strip() if kind != "name" else value)
        problem = rule._problem()
        if problem:
            raise SettingsError(
                "'{rule}' is no rule for groups: {problem}. Give {forms:or}.",
                rule=text[:_MAX_RULE],
                problem=problem,
                forms=_FORMS,
            )
        return rule

    def __str__(self) -> str:
        return f"{self.kind}:{self.value}" if self.value else self.kind

    @property
    def photos(self) -> Message:
        """Which photos are of one group, as the beginning of a sentence."""
        if str(self) in _NAME_RULES:
            return message("Photos whose names begin alike")
        return {
            NO_GROUPS: message("No photos"),
            "column": message("Photos with the same '{column}'", column=self.value),
            "folder": message("Photos of one folder"),
            "name": message("Photos whose names agree in '{pattern}'", pattern=self.value),
            "time": message("Photos taken at most {seconds} seconds apart", seconds=self.value),
        }[self.kind]

    def _problem(self) -> Message | None:
        """Return what is wrong with the rule, if anything is."""
        if self.kind not in {NO_GROUPS, "column", "folder", "name", "time"}:
            return message("there is no kind '{kind}'", kind=self.kind[:40])
        if len(self.value) > _MAX_RULE:
            return message("it is longer than {most} characters", most=_MAX_RULE)
        if self.kind == NO_GROUPS:
            return message("'none' stands alone") if self.value else None
        if not self.value:
            return message("nothing stands behind the colon")
        if self.kind == "folder" and not (self.value.isdecimal() and 1 <= int(self.value) <= 20):
            return message("the level of a folder is a whole number from 1 to 20")
        if self.kind == "time" and not 0 < _number(self.value) < math.inf:
            return message("the seconds are a number above 0")
        if self.kind == "name":
            try:
                groups = re.compile(self.value).groups
            except re.error as error:
                return message("the regular expression cannot be read ({error})", error=error)
            if not groups:
                return message("the regular expression has no group in round brackets")
        return None


def extra_columns(index: pd.DataFrame) -> tuple[str, ...]:
    """Return the names of what a table or the photos themselves say of the images, sorted."""
    return tuple(sorted(name.removeprefix(COLUMN) for name in index.columns if name.startswith(COLUMN)))


def groups_by(index: pd.DataFrame, rule: GroupRule) -> pd.Series:
    """Name the group of each image.

    Args:
        index: Rows as in `Dataset.index`.
        rule: What makes a group.

    Returns:
        Names by row, with the rows' index; empty where an image stands for itself.

    Raises:
        SettingsError: The images have no such column, or none has what the rule looks for.
    """
    if rule.kind == NO_GROUPS:
        return pd.Series("", index=index.index, dtype="str")
    if rule.kind == "column" and COLUMN + rule.value not in index:
        raise SettingsError(
            "The images have no column '{column}'; they have {columns}.",
            column=rule.value,
            columns=shortened(quoted(extra_columns(index)), 20) or message("none"),
        )
    groups = {"column": _by_column, "folder": _by_folder, "name": _by_name, "time": _by_time}[rule.kind](
        index, rule.value
    )
    if not groups.any():
        raise SettingsError(
            "The rule '{rule}' finds no group in {count} images; look at a name such as '{name}', and "
            "change it.",
            rule=str(rule),
            count=len(index),
            name=index["name"].iloc[0],
        )
    return pd.Series(groups, index=index.index, dtype="str")


def joined(numbers: npt.NDArray[np.int64], names: pd.Series | None) -> npt.NDArray[np.int64]:
    """Join numbered groups that have a name in common.

    Args:
        numbers: The group of each row, (N,).
        names: A second grouping by names, (N,), empty where a row has none.

    Returns:
        The group of each row, (N,): rows of one number or one name share it, also by way of others.
    """
    if names is None or not (names != "").any():
        return numbers
    own, items = pd.factorize(numbers)
    named = (names != "").to_numpy()
    first = pd.Series(own[named]).groupby(names[named].to_numpy()).transform("first").to_numpy()
    pairs = np.stack([first, own[named]], axis=1)
    return group_pairs(len(items), pairs, np.ones(len(pairs)), largest=len(names))[own]


# --- what makes a group ------------------------------------------------------------------------


def _by_column(index: pd.DataFrame, name: str) -> pd.Series:
    return index[COLUMN + name].astype("str")


def _by_folder(index: pd.DataFrame, level: str) -> pd.Series:
    groups: dict[tuple[str, str], str] = {}  # many images lie in few folders
    found = []
    for name, label in zip(index["name"].tolist(), index["label"].tolist(), strict=True):
        place = name.rpartition("/")[0], label
        if place not in groups:
            below = _below(PurePosixPath(place[0]).parts, label)
            groups[place] = "/".join(below[: int(level)]) if len(below) >= int(level) else ""
        found.append(groups[place])
    return pd.Series(found, index=index.index)


def _below(path: tuple[str, ...], label: str) -> tuple[str, ...]:
    """Return the folders below that of a class; all of them where none is called so."""
    names = tuple(map(class_name, path))
    wanted = tuple(map(class_name, PurePosixPath(label).parts))
    for end in range(len(path), 0, -1):
        if names[max(end - len(wanted), 0) : end] == wanted:
            return tuple(part for part in path[end:] if not split_name(part))
    return path


def _by_name(index: pd.DataFrame, pattern: str) -> pd.Series:
    search = re.compile(pattern).search
    found = (search(name.rpartition("/")[2]) for name in index["name"].tolist())
    return pd.Series([(match and match[1]) or "" for match in found], index=index.index)


def _by_time(index: pd.DataFrame, seconds: str) -> pd.Series:
    groups = pd.Series("", index=index.index, dtype="str")
    if COLUMN + _TAKEN not in index:
        return groups
    times = pd.Series([_moment(text) for text in index[COLUMN + _TAKEN].tolist()], index=index.index)
    cameras = index.get(COLUMN + "camera", pd.Series("", index=index.index))
    for camera, own in times.dropna().sort_values(kind="stable").groupby(cameras):
        starts = own.diff().isna() | (own.diff() > float(seconds))
        names = index.loc[own.index, COLUMN + _TAKEN].where(starts).ffill()
        groups.loc[own.index] = (f"{camera} " + names).str.strip()
    return groups


def _moment(text: str) -> float:
    """Return seconds since 1970 by the clock of the camera; NaN if there is no time."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return math.nan


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


# --- series that nobody named ------------------------------------------------------------------


@dataclass(frozen=True)
class Series:
    """Images that look as if they belonged together.

    Attributes:
        rule: The rule that keeps each series together.
        images: How many images are in series of several.
        count: How many series there are.
        examples: The names of two images of one series.
    """

    rule: str
    images: int
    count: int
    examples: tuple[str, ...]

    @property
    def sentence(self) -> Message:
        """What was found, and what to do about it before a training."""
        return message(
            "{images} photos look like {count} series; {examples} seem to belong together. If a series shows "
            "one subject, the accuracy will look better than it is; keep each series together with the rule "
            "'{rule}'.",
            images=self.images,
            count=self.count,
            examples=self.examples,
            rule=self.rule,
        )

    @property
    def caution(self) -> Message:
        """What it means for the figures of a training that took each image for itself."""
        return message(
            "{images} photos look like {count} series; {examples} seem to belong together, but were treated "
            "as independent. If a series shows one subject, this accuracy is too good: on the page "
            "Dataset, choose which photos belong together, and train again.",
            images=self.images,
            count=self.count,
            examples=self.examples,
        )


def find_series(index: pd.DataFrame) -> Series | None:
    """Find out whether folders, names or camera times look like series; None if they do not.

    Of several rules that fit, that with the fewest series is taken: it keeps most together.

    Args:
        index: Rows as in `Dataset.index`.
    """
    found = [series for series in _candidates(index) if series is not None]
    return min(found, key=lambda series: series.count, default=None)


def _candidates(index: pd.DataFrame) -> Iterator[Series | None]:
    rules = ("folder:1", *_NAME_RULES, *([_TIME_RULE] if COLUMN + _TAKEN in index else []))
    for text in rules:
        try:
            groups = groups_by(index, GroupRule.parse(text))
        except SettingsError:  # there is nothing of the kind
            continue
        yield _series(index, groups, text)


def _series(index: pd.DataFrame, groups: pd.Series, rule: str) -> Series | None:
    """Return the series that a rule finds, if they are many, small, and more than the classes."""
    sizes = groups[groups != ""].value_counts()
    several = sizes[sizes > 1]
    images, count = int(several.sum()), len(several)
    if (
        images < _COVERED * len(index)
        or count < max(_FEWEST, 2 * index["label"].nunique())
        or several.max() > max(_LARGEST * len(index), 2)
    ):
        return None
    names = [PurePosixPath(name).name for name in index.loc[groups == several.index.min(), "name"]]
    return Series(rule, images, count, tuple(sorted(set(names))[:2]))
