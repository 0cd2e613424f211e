"""The race: recipes answer the same photos, on more and more of them, and those that cannot win drop out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from vitcore.errors import BackboneError, SettingsError, Stopped
from vitcore.folds import deal_folds
from vitcore.messages import NOTHING, cause
from vitcore.records import StoredMessage
from vitcore.search._deadline import Deadline
from vitcore.search._intervals import paired_difference
from vitcore.search._recipes import Recipe
from vitcore.training import cross_validate
from vitcore.vectors import Vectors

__all__ = ["MOST_PHOTOS", "Outcome", "Photos", "Source", "Standing", "State", "drawn_by_class", "race"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
State = Literal["compared", "dropped", "untried", "failed"]

MOST_PHOTOS = 600
"""Photos of the last round of a race, at most."""

_FIRST = 120  # photos of the first round, at least, if there are as many
_DIVISIONS = 3  # into folds, of the photos of the last round
_FOLDS, _FEWEST_FOLDS = 5, 3
_CAUTION = 1.1  # times the seconds that a training took for each photo


@dataclass(frozen=True, eq=False, kw_only=True)
class Photos:
    """The photos that recipes are compared on: those of a training part.

    Attributes:
        labels: (N,), class numbers.
        groups: (N,), what may not be divided between folds, such as near-duplicates.
        classes: Number of classes C.
        seed: Decides which photos are drawn, and their folds.
        device: Where heads are trained: ``cpu``, ``cuda`` or ``mps``.
    """

    labels: Ints
    groups: Ints
    classes: int
    seed: int = 0
    device: str = "cpu"


def drawn_by_class(labels: Ints, seed: int) -> Ints:
    """Return row numbers, (N,), of which the first n are a sample drawn by class, for any n.

    Two photos of each class come first. A larger sample holds the smaller ones.
    """
    random = np.random.default_rng(seed)
    place = np.empty(len(labels))
    for label in np.unique(labels):
        own = random.permutation(np.flatnonzero(labels == label))
        place[own] = (np.arange(len(own)) + random.random()) / len(own)
        place[own[:2]] -= 1
    return np.argsort(place, kind="stable")


class Source(Protocol):
    """Gives the vectors of photos, by what a recipe takes them through."""

    def seconds(self, recipe: Recipe, rows: Ints) -> float:
        """Return about how long it will take to give the vectors of these photos."""

    def vectors(self, recipe: Recipe, rows: Ints) -> Vectors:
        """Return the vectors of photos, (n, V, D), by their row numbers.

        Raises:
            BackboneError: The backbone of the recipe cannot be used.
            SettingsError: Its settings do not suit it, such as the input size.
            Stopped: The deadline is over.
        """


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How far a recipe has come.

    Attributes:
        recipe: The recipe.
        state: ``compared``; ``dropped``, as it could not win any more; ``untried``, for want of time; or
            ``failed``.
        images: How many photos it was compared on.
        accuracy: On these, in cross-validation, 0 … 1.
        difference: That minus the accuracy of the base on the same photos, −1 … 1.
        low: Lower end of its interval; all intervals of a search hold together.
        high: Upper end.
        reason: Why it failed.
    """

    recipe: Recipe
    state: State = "untried"
    images: int = 0
    accuracy: float = 0.0
    difference: float = 0.0
    low: float = 0.0
    high: float = 0.0
    reason: StoredMessage = NOTHING


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The end of a race, or how it stands.

    Attributes:
        standings: One per recipe, in the given order: the base first.
        remaining_s: About how long the rest takes.
        divisions: How often the photos of the last round were divided into folds.
    """

    standings: tuple[Standing, ...]
    remaining_s: float = 0.0
    divisions: int = 0

    @property
    def better(self) -> Standing | None:
        """The recipe that is better than the base by its interval, the best of several; None if none is."""
        found = [standing for standing in self.standings[1:] if standing.images and standing.low > 0]
        return max(found, key=lambda standing: standing.difference, default=None)


def race(
    recipes: Sequence[Recipe],
    photos: Photos,
    source: Source,
    deadline: Deadline,
    *,
    on_step: Callable[[Outcome], None] | None = None,
) -> Outcome:
    """Compare recipes on the same photos, the cheapest first, until they are told apart or time is over.

    In each round every recipe that is still in the race answers the photos of a sample by cross-validation,
    group by group: the head that answers a photo has not learned from it, nor was it chosen by it. The
    samples are drawn by class and double from round to round, up to all photos; these are then divided into
    folds anew, which takes the luck of one division out of the figures. A recipe drops out when it is worse
    than another by the interval of their paired difference. None is begun that is not expected to end in
    time, and the deadline ends any that takes longer than expected.

    The answers that compare the recipes also choose the best of them. So the intervals are those that hold
    for all recipes together (`paired_difference`), and the base stays unless such an interval excludes 0.

    Args:
        recipes: The base, and those to compare with it.
        photos: On what. None of them may be among those that judge the classifier later.
        source: What gives their vectors.
        deadline: When to end.
        on_step: Called after each recipe of a round.

    Raises:
        BackboneError: The backbone of the base cannot be used.
        SettingsError: There are too few photos or groups, or the settings of the base make its loss grow
            beyond all bounds.
        Stopped: It was stopped, or the time was over, before the base and one other were compared.
    """
    return _Race(recipes, photos, source, deadline, on_step or (lambda _: None)).run()


@dataclass(eq=False)
class _Runner:
    """A recipe in the race.

    Attributes:
        recipe: The recipe.
        standing: How far it has come.
        right: How often each photo of the round was right, (n,); None before its first answers.
        round: Of these answers, sample and divisions; None before the first.
        per_photo_s: Seconds of its last cross-validation for each photo; 0 before its first.
    """

    recipe: Recipe
    standing: Standing
    right: Floats | None = None
    round: tuple[int, int] | None = None
    per_photo_s: float = 0.0

    @property
    def is_racing(self) -> bool:
        return self.standing.state in ("compared", "untried")


class _Race:
    """A race as it goes; see `race`."""

    def __init__(
        self,
        recipes: Sequence[Recipe],
        photos: Photos,
        source: Source,
        deadline: Deadline,
        on_step: Callable[[Outcome], None],
    ) -> None:
        self._photos, self._source, self._deadline, self._on_step = photos, source, deadline, on_step
        self._runners = [_Runner(recipe, Standing(recipe=recipe)) for recipe in recipes]
        self._order = drawn_by_class(photos.labels, photos.seed)
        self._rounds = _rounds(len(self._order))
        self._divisions = 0
        self._dealt: dict[tuple[int, int], Ints] = {}  # folds, by the photos and the division

    def run(self) -> Outcome:
        """Race."""
        try:
            for number in range(len(self._rounds)):
                if not self._round(number):
                    break
        except Stopped:
            pass  # with what was compared so far
        rivals = [runner.standing for runner in self._runners[1:]]
        if not any(standing.images or standing.state == "failed" for standing in rivals):
            raise Stopped("The search ended before it had compared anything; give it more minutes.")
        return self._outcome(0.0)

    def _round(self, number: int) -> bool:
        """Let all answer that are in the race; False if it need not go on, or cannot."""
        rivals = [runner for runner in self._runners[1:] if runner.is_racing]
        images, division = self._rounds[number]
        if not rivals or not self._answer(self._runners[0], images, division):
            return False
        finished = 0
        for runner in sorted(rivals, key=lambda runner: self._expected_s(runner, images)):
            finished += self._answer(runner, images, division)
            self._on_step(self._outcome(self._remaining_s(number)))
        if finished:
            self._divisions = division + 1
            self._drop(images, division)
        return finished > 0

    def _answer(self, runner: _Runner, images: int, division: int) -> bool:
        """Let a recipe answer; False if the time does not suffice, or if it fails."""
        is_base = runner is self._runners[0]
        if division and runner.round != (images, division - 1):
            return False  # it fell behind, and would be compared on other folds
        if self._expected_s(runner, images) > self._deadline.remaining_s and not (
            is_base and runner.round is None
        ):
            return False
        try:
            right = self._cross_validated(runner, self._order[:images], division)
        except (BackboneError, SettingsError) as error:
            if is_base:
                raise
            runner.standing = replace(runner.standing, state="failed", reason=cause(error))
            return False
        except Stopped:
            if self._deadline.is_set():
                raise
            return False  # it takes longer than was expected
        if division:
            assert runner.right is not None
            right = (runner.right * division + right) / (division + 1)
        runner.right, runner.round = right, (images, division)
        self._compare(runner, images)
        return True

    def _cross_validated(self, runner: _Runner, rows: Ints, division: int) -> Floats:
        """Return 1 for each photo that is right, and 0 for the others: (n,)."""
        photos, h = self._photos, runner.recipe.hyperparameters
        vectors = self._source.vectors(runner.recipe, rows)
        before_s = self._deadline.elapsed_s
        labels = photos.labels[rows]
        answered = cross_validate(
            vectors,
            labels,
            photos.groups[rows],
            self._folds(len(rows), division),
            classes=photos.classes,
            hyperparameters=h,
            device=photos.device,
            stop=self._deadline,
        )
        runner.per_photo_s = (self._deadline.elapsed_s - before_s) / len(rows)
        right: Floats = (answered.logits.argmax(axis=1) == labels).astype(np.float64)
        return right

    def _folds(self, images: int, division: int) -> Ints:
        """Deal the first photos to folds, once for all recipes: (images,)."""
        if (images, division) not in self._dealt:
            rows = self._order[:images]
            labels, groups = self._photos.labels[rows], self._photos.groups[rows]
            folds = min(_FOLDS, len(np.unique(groups)))
            if folds < _FEWEST_FOLDS:
                raise SettingsError(
                    "A search needs photos of three groups at least, and there are {count}; add photos.",
                    count=folds,
                )
            self._dealt[images, division] = deal_folds(
                labels, groups, folds, seed=self._photos.seed + division
            )
        return self._dealt[images, division]

    def _compare(self, runner: _Runner, images: int) -> None:
        """Write down how a recipe stands, beside the base on the same photos."""
        base = self._runners[0]
        assert runner.right is not None
        assert base.right is not None
        groups = self._photos.groups[self._order[:images]]
        found = paired_difference(runner.right, base.right, groups, compared=len(self._runners) - 1)
        runner.standing = replace(
            runner.standing,
            state="compared",
            images=images,
            accuracy=float(runner.right.mean()),
            difference=found.value,
            low=0.0 if runner is base else found.low,
            high=0.0 if runner is base else found.high,
        )

    def _drop(self, images: int, division: int) -> None:
        """Take out of the race who is worse than another that has answered the same photos."""
        here = [
            (runner, runner.right)
            for runner in self._runners
            if runner.is_racing and runner.round == (images, division) and runner.right is not None
        ]
        groups = self._photos.groups[self._order[:images]]
        leader = max((right for _, right in here), key=lambda right: float(right.mean()))
        for runner, right in here:
            if runner is self._runners[0]:
                continue  # with whom all are compared
            behind = paired_difference(right, leader, groups, compared=len(self._runners) - 1)
            if behind.high < 0:
                runner.standing = replace(runner.standing, state="dropped")

    def _expected_s(self, runner: _Runner, images: int) -> float:
        """About how long a recipe will take for an answer to so many photos."""
        return self._source.seconds(runner.recipe, self._order[:images]) + self._fit_s(runner, images)

    def _fit_s(self, runner: _Runner, images: int) -> float:
        """About how long its training will take; before its first, as long as that of the base."""
        per_photo = runner.per_photo_s or self._runners[0].per_photo_s
        return _CAUTION * per_photo * images

    def _remaining_s(self, number: int) -> float:
        """About how long the rounds after this one take, if nobody drops out; no more than there is."""
        ahead = self._rounds[number + 1 :]
        if not ahead:
            return 0.0
        rows = self._order[: ahead[-1][0]]
        expected = sum(
            self._source.seconds(runner.recipe, rows)
            + sum(self._fit_s(runner, images) for images, _ in ahead)
            for runner in self._runners
            if runner.is_racing
        )
        return min(expected, self._deadline.remaining_s)

    def _outcome(self, remaining_s: float) -> Outcome:
        standings = tuple(runner.standing for runner in self._runners)
        return Outcome(standings=standings, remaining_s=remaining_s, divisions=self._divisions)


def _rounds(count: int) -> list[tuple[int, int]]:
    """Return for each round the number of photos and the number of the division into folds."""
    images = [min(count, MOST_PHOTOS)]
    while images[0] >= 2 * _FIRST:
        images.insert(0, images[0] // 2)
    return [*((each, 0) for each in images), *((images[-1], number) for number in range(1, _DIVISIONS))]
