"""Searching for the recipe that suits the photos of a dataset, and what was found."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from vitcore.audit import near_duplicate_groups
from vitcore.backbone import CATALOGUE, PAIRS, Embedder, backbone_for, weights_are_here
from vitcore.compute import DEFAULT_COMPUTE, Compute
from vitcore.dataset import Dataset, kept_sides, split_index, view_key
from vitcore.engines import choose_engine
from vitcore.errors import InputError, NotFoundError, SettingsError, Stopped
from vitcore.features import FeatureStore, image_files
from vitcore.messages import NOTHING, Message, mark, message
from vitcore.pipeline._material import check_division, class_numbers, prepare_data
from vitcore.pipeline._recipe_vectors import RecipeVectors, photos_per_second
from vitcore.progress import Progress, Task
from vitcore.records import StoredMessage, load_record, save_record
from vitcore.search import (
    MOST_PHOTOS,
    Deadline,
    Outcome,
    Photos,
    Recipe,
    Standing,
    drawn_by_class,
    head_title,
    race,
    rival_recipes,
)
from vitcore.training import Hyperparameters
from vitcore.workspace import Workspace

__all__ = ["RecipeSearch", "SearchedRecipe", "find_recipe", "load_search", "usual_rivals"]

Ints = npt.NDArray[np.int64]

_FILE = "search.json"
_LONGEST_MIN = 24 * 60.0
_FOR_THE_BASE = 0.25  # of the time, to look at the photos with the backbone of the base
_FEWEST = 60  # photos
_UNTRIED = 100  # photos, so few that no engine is tried for them
_NO_WORSE = 0.02  # of accuracy: how much a faster recipe may cost, for sure


@dataclass(frozen=True, kw_only=True)
class SearchedRecipe:
    """A recipe, and what was found out about it.

    Attributes:
        title: What sets it apart from the base, for people.
        standing: How it did.
        images_per_second: Forward passes of its backbone; 0 if that was not measured.
    """

    title: StoredMessage
    standing: Standing
    images_per_second: float


@dataclass(frozen=True, kw_only=True)
class RecipeSearch:
    """A search for a recipe, the last one of a dataset.

    Attributes:
        state: ``complete``, or ``stopped`` before its time.
        version: Of the dataset.
        requested: With what was computed, as it was asked for.
        recipes: The base first, and what it was compared with.
        images: How many photos it was compared on: some of the training part.
        divisions: How often these were divided into folds.
        minutes: The time that was allowed.
        seconds: That it took.
    """

    state: Literal["complete", "stopped"]
    version: int
    requested: Compute
    recipes: tuple[SearchedRecipe, ...]
    images: int
    divisions: int
    minutes: float
    seconds: float

    def __post_init__(self) -> None:
        """Refuse a search without recipes.

        Raises:
            InputError: There is none.
        """
        if not self.recipes:
            raise InputError("There are no recipes in this search.")

    @staticmethod
    def upgraded(values: dict[str, Any]) -> dict[str, Any]:
        """Bring values of earlier versions to this form."""
        recipes = [
            {
                **found,
                "standing": {
                    **found["standing"],
                    "recipe": Recipe.upgraded(found["standing"]["recipe"]),
                },
            }
            for found in values["recipes"]
        ]
        return {**values, "recipes": recipes}

    @property
    def base(self) -> SearchedRecipe:
        """The recipe with which all others were compared."""
        return self.recipes[0]

    @property
    def better(self) -> SearchedRecipe | None:
        """The recipe to take instead of the base; None if none is better by its interval."""
        return self._of(Outcome(standings=tuple(found.standing for found in self.recipes)).better)

    @property
    def faster(self) -> SearchedRecipe | None:
        """The fastest recipe that costs no more than two points of accuracy by its interval; None if none."""
        found = [
            recipe
            for recipe in self.recipes[1:]
            if recipe.standing.images and recipe.standing.low >= -_NO_WORSE and self.speed(recipe) > 1.1
        ]
        return max(found, key=self.speed, default=None)

    def speed(self, recipe: SearchedRecipe) -> float:
        """How many times as fast as the base a recipe is; 1 where that was not measured."""
        measured = recipe.images_per_second and self.base.images_per_second
        return recipe.images_per_second / self.base.images_per_second if measured else 1.0

    def pace(self, recipe: SearchedRecipe) -> Message:
        """Return the speed of a recipe beside the base, in words."""
        ratio = self.speed(recipe)
        if round(ratio, 1) == 1.0:
            return message("as fast")
        if ratio > 1:
            return message("{ratio:.1f} times as fast", ratio=ratio)
        return message("{ratio:.1f} times slower", ratio=1 / ratio)

    def compute(self, recipe: SearchedRecipe) -> Compute:
        """What to ask for to train with a recipe."""
        return replace(self.requested, backbone=recipe.standing.recipe.backbone)

    @property
    def verdict(self) -> Message:
        """Return what was found, in a sentence."""
        if self.better is not None:
            return self.sentence(self.better)
        if self.faster is not None:
            return message(
                "None is better for certain; {recipe} saves time. {gain}",
                recipe=self.faster.title,
                gain=self.sentence(self.faster),
            )
        return message(
            "Keep your settings: on {images} photos none of the others is better for certain.",
            images=self.images,
        )

    def sentence(self, recipe: SearchedRecipe) -> Message:
        """Return the gain and the cost of a recipe in one sentence."""
        standing = recipe.standing
        if standing.state == "failed":
            return message("{recipe}: cannot be used. {reason}", recipe=recipe.title, reason=standing.reason)
        if not standing.images:
            return message("{recipe}: not compared, the time was too short.", recipe=recipe.title)
        return message(
            "{recipe}: {gain} points ({low} to {high}), {speed}.",
            recipe=recipe.title,
            gain=_points(standing.difference),
            low=_points(standing.low),
            high=_points(standing.high),
            speed=self.pace(recipe),
        )

    def _of(self, standing: Standing | None) -> SearchedRecipe | None:
        return next((found for found in self.recipes if found.standing is standing), None)


def usual_rivals(backbone: str = "auto") -> tuple[str, ...]:
    """The backbones that are compared where none are named: all that need no download, but for that one."""
    return tuple(name for name in (*CATALOGUE, *PAIRS) if name != backbone and weights_are_here(name))


def find_recipe(
    dataset: Dataset,
    hyperparameters: Hyperparameters | None = None,
    *,
    compute: Compute = DEFAULT_COMPUTE,
    backbones: Sequence[str] | None = None,
    input_sizes: Sequence[int] = (),
    minutes: float = 3.0,
    workspace: Workspace | None = None,
    task: Task | None = None,
) -> RecipeSearch:
    """Find out which backbone, input size and head suit a dataset, by cross-validation in its training part.

    The given settings are the base: the others are compared with it on the same photos, a few hundred drawn
    by class, and the base stays unless one of them is better by the interval of their difference. See
    `vitcore.search.race`. The validation photos of a training with the same seed play no part, and judge
    fairly what is found. The vectors are kept, so that the training that follows has them.

    Args:
        dataset: What to learn from.
        hyperparameters: The settings of the base, which also decide the split and the seed.
        compute: As for `train`; its backbone is that of the base, and all others use the same engine.
        backbones: To compare with it; those of `usual_rivals` if not given.
        input_sizes: Sides in pixels to compare besides that of the base.
        minutes: The time that it may take, all together.
        workspace: Where vectors are kept; the default workspace if not given.
        task: Where progress is reported, and what stops it.

    Raises:
        DatasetError: Too few classes or photos.
        BackboneError: The backbone of the base cannot be used.
        DeviceError: The device, the precision or the engine is not here.
        SettingsError: A value is out of its range, or there is nothing to compare.
        Stopped: It was stopped, or the time was over, before anything was compared.
        StorageError: The disk is full or not writable.
    """
    if not 0 < minutes <= _LONGEST_MIN:
        raise SettingsError(
            "minutes is {minutes}; give a number above 0 up to {most}.", minutes=minutes, most=_LONGEST_MIN
        )
    workspace, task = workspace or Workspace.default(), task or Task()
    deadline = Deadline(60 * minutes, task.stop)
    h = hyperparameters or Hyperparameters()
    base = Recipe(backbone=compute.backbone, hyperparameters=h)
    rival_recipes(base, input_sizes=input_sizes)  # what is out of its range is refused at once
    watch = _Watch(task, deadline)
    try:
        source, sample, groups = _material(dataset, base, compute, workspace, deadline.seconds, watch.inner)
    except Stopped as stopped:
        if task.stopped:
            raise
        raise Stopped("The search ended before it had compared anything; give it more minutes.") from stopped
    names = usual_rivals(source.resolved_name(base)) if backbones is None else backbones
    others = [name for name in names if name != source.resolved_name(base)]
    recipes = rival_recipes(base, backbones=others, input_sizes=input_sizes)
    watch.announce(len(recipes), len(sample), minutes)
    photos = Photos(
        labels=class_numbers(sample["label"], dataset.classes),
        groups=groups,
        classes=len(dataset.classes),
        seed=h.seed,
        device=source.device_name,
    )
    outcome = race(recipes, photos, source, deadline, on_step=watch.step)
    found = RecipeSearch(
        state="stopped" if task.stopped else "complete",
        version=dataset.version,
        requested=compute,
        recipes=tuple(
            SearchedRecipe(
                title=_title(standing.recipe, base, source),
                standing=standing,
                images_per_second=source.images_per_second(standing.recipe),
            )
            for standing in outcome.standings
        ),
        images=max(standing.images for standing in outcome.standings),
        divisions=outcome.divisions,
        minutes=minutes,
        seconds=deadline.elapsed_s,
    )
    save_record(dataset.folder / _FILE, found)
    return found


def load_search(dataset: Dataset) -> RecipeSearch:
    """The last search for a recipe on a dataset.

    Raises:
        NotFoundError: There was none.
        StorageError: Its file is damaged.
    """
    path: Path = dataset.folder / _FILE
    if not path.is_file():
        raise NotFoundError("No recipes were compared on dataset '{dataset_id}' yet.", dataset_id=dataset.id)
    return load_record(RecipeSearch, path, mark("search again"))


class _Watch:
    """Reports how far a search is, also while photos are embedded for it."""

    def __init__(self, task: Task, deadline: Deadline) -> None:
        self._task, self._deadline = task, deadline
        self._remaining_s, self._at_s = deadline.seconds, 0.0
        self.inner = Task(self._pass_on, deadline)

    def announce(self, recipes: int, images: int, minutes: float) -> None:
        """Say what is going to happen."""
        plan = message(
            "Comparing {recipes} recipes on up to {images} training photos: {minutes:.1f} minutes at most.",
            recipes=recipes,
            images=images,
            minutes=minutes,
        )
        self._report(plan)

    def step(self, outcome: Outcome) -> None:
        """Report after each recipe of a round."""
        self._remaining_s, self._at_s = outcome.remaining_s, self._deadline.elapsed_s
        self._report()

    def _pass_on(self, progress: Progress) -> None:
        """A download is shown as it is, and all else as a part of the search."""
        if progress.phase == "download":
            self._task.report(progress)
        else:
            self._report()

    def _report(self, said: Message = NOTHING) -> None:
        elapsed_s = self._deadline.elapsed_s
        left_s = max(min(self._at_s + self._remaining_s - elapsed_s, self._deadline.remaining_s), 0.0)
        self._task.report(
            Progress(
                phase="search",
                done=round(elapsed_s),
                total=max(round(elapsed_s + left_s), 1),
                unit="seconds",
                remaining_s=left_s,
                message=said,
            )
        )


def _material(
    dataset: Dataset, base: Recipe, compute: Compute, workspace: Workspace, seconds: float, task: Task
) -> tuple[RecipeVectors, pd.DataFrame, Ints]:
    """What gives the vectors; the photos of the training part to compare on; what may not be divided.

    If all photos are embedded for the base, the training part is exactly that of a training. Else only copies
    are known to be alike, and near-duplicates are found among the photos that are compared on.
    """
    h = base.hyperparameters
    rows = check_division(dataset, h)
    resolved = backbone_for(
        len(rows), compute, input_size=h.input_size or None, workspace=workspace, task=task
    )
    some = rows.iloc[drawn_by_class(class_numbers(rows["label"], dataset.classes), h.seed)[:_UNTRIED]]
    choice = choose_engine(
        resolved, image_files(dataset, some), list(some["label"]), compute, workspace=workspace, task=task
    )
    embedder = Embedder(resolved, choice.device, workspace)
    rate = photos_per_second(embedder, image_files(dataset, some), task)
    stored = FeatureStore.of(embedder).rows([(sha256, view_key(0)) for sha256 in rows["sha256"]]) >= 0
    if stored.all():
        data = prepare_data(dataset, replace(h, views=1), embedder, task)
        drawn = np.sort(drawn_by_class(data.truth[data.train], h.seed)[:MOST_PHOTOS])
        sample, groups = data.rows.iloc[data.train[drawn]], data.groups[data.train[drawn]]
        return RecipeVectors(dataset, sample, base, embedder, rate=rate, task=task), sample, groups
    drawn_with: dict[str, Any] = {"validation_fraction": h.validation_fraction, "seed": h.seed}
    earlier = kept_sides(dataset, dataset.index, **drawn_with)
    training = dataset.index[split_index(dataset.index, earlier=earlier, **drawn_with) == "train"]
    affordable = int(_FOR_THE_BASE * seconds * rate)
    order = drawn_by_class(class_numbers(training["label"], dataset.classes), h.seed)
    sample = training.iloc[np.sort(order[: min(max(affordable, _FEWEST), MOST_PHOTOS)])]
    source = RecipeVectors(dataset, sample, base, embedder, rate=rate, task=task)
    vectors = source.vectors(base, np.arange(len(sample)))[:, 0]
    groups = near_duplicate_groups(dataset, sample, vectors, fingerprint=embedder.fingerprint, task=task)
    return source, sample, groups


def _title(recipe: Recipe, base: Recipe, source: RecipeVectors) -> Message:
    """Return what sets a recipe apart from the base, in a few words."""
    parts: list[Message] = []
    if recipe.backbone != base.backbone or recipe == base:
        parts.append(source.title(recipe))
    size = recipe.hyperparameters.input_size
    if size != base.hyperparameters.input_size:
        parts.append(message("{size} pixels", size=size) if size else message("its usual size"))
    if head := head_title(recipe, base):
        parts.append(head)
    title = parts[0]
    for part in parts[1:]:
        title = message("{first}, {second}", first=title, second=part)
    return title


def _points(share: float) -> Message:
    """Return a difference in points of 100 with its sign."""
    points = round(100 * share, 1)
    template = mark("+{points:.1f}") if points > 0 else mark("\N{MINUS SIGN}{points:.1f}")
    return message(template if points else mark("{points:.1f}"), points=abs(points))
