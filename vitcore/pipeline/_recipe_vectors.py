"""The vectors of recipes: their backbones are made ready, timed and used when a race asks for them."""

import time
from collections.abc import Iterable, Sequence
from contextlib import closing

import numpy as np
import numpy.typing as npt
import pandas as pd

from vitcore.backbone import Embedder, describe_backbone, resolve_backbone, weights_are_here
from vitcore.dataset import Dataset, view_key
from vitcore.errors import BackboneError, Stopped
from vitcore.features import FeatureStore, ImageFile, ImageView, embed_images, image_files, local_pass
from vitcore.messages import Message, message
from vitcore.progress import Task
from vitcore.search import Deadline, Recipe
from vitcore.training import Hyperparameters
from vitcore.vectors import Vectors

__all__ = ["RecipeVectors", "photos_per_second"]

Ints = npt.NDArray[np.int64]
Eye = tuple[str, int]  # a backbone and its input size, 0 for its own

_TIMED = 8  # photos


class RecipeVectors:
    """Gives the vectors of photos to a race (`vitcore.search.Source`), computing those that are not stored.

    Args:
        dataset: Where the photos are.
        rows: Of its index: the photos.
        base: The recipe whose embedder is there already.
        embedder: That one; all others use the same device and engine.
        rate: Photos that it takes in a second, as `photos_per_second` measures it.
        task: What stops the work: a `Deadline`.
    """

    def __init__(
        self,
        dataset: Dataset,
        rows: pd.DataFrame,
        base: Recipe,
        embedder: Embedder,
        *,
        rate: float,
        task: Task,
    ) -> None:
        self._files, self._task = image_files(dataset, rows), task
        self._base = _eye(base)
        self._embedders: dict[Eye, Embedder | BackboneError] = {self._base: embedder}
        self._rates = {self._base: rate}  # photos per second

    @property
    def device_name(self) -> str:
        """Name of the device on which heads are trained."""
        return self._usual.device.name

    def resolved_name(self, recipe: Recipe) -> str:
        """The id of the backbone of a recipe that is loaded, also where it was asked for as ``auto``."""
        return self._ready(recipe).backbone.spec.id

    def title(self, recipe: Recipe) -> Message:
        """The name of the backbone of a recipe, for people."""
        found = self._embedders.get(_eye(recipe))
        if isinstance(found, Embedder):
            return message(found.backbone.spec.title)
        try:
            return message(describe_backbone(recipe.backbone).title)
        except BackboneError:
            return message("{name}", name=recipe.backbone)

    def images_per_second(self, recipe: Recipe) -> float:
        """Photos that the backbone of a recipe takes in a second; 0 if that was not measured."""
        return self._rates.get(_eye(recipe), 0.0)

    def seconds(self, recipe: Recipe, rows: Ints) -> float:
        """Return about how long it will take to give the vectors of these photos.

        Of a backbone that was not used yet: by its size, beside the base.
        """
        eye, h = _eye(recipe), recipe.hyperparameters
        if eye not in self._embedders and weights_are_here(recipe.backbone):
            self._make_ready(recipe)
        found = self._embedders.get(eye)
        if isinstance(found, BackboneError):
            return 0.0
        files = [self._files[row] for row in rows.tolist()]
        missing = len(files) * h.views if found is None else _missing(found, files, h)
        rate = self._rates.get(eye)
        if rate is None:
            rate = self._rates[self._base] / self._weight(recipe)
            missing += _TIMED + 1
        return missing / rate

    def vectors(self, recipe: Recipe, rows: Ints) -> Vectors:
        """Return the vectors of photos, (n, V, D), by their row numbers.

        Raises:
            BackboneError: The backbone of the recipe cannot be used.
            Stopped: The deadline is over, or would be before they are there.
        """
        eye, h = _eye(recipe), recipe.hyperparameters
        embedder = self._ready(recipe)
        if eye not in self._rates:
            self._rates[eye] = photos_per_second(embedder, self._files, self._task)
            deadline = self._task.stop
            if isinstance(deadline, Deadline) and self.seconds(recipe, rows) > deadline.remaining_s:
                raise Stopped("There is not enough time for this recipe.")
        files = [self._files[row] for row in rows.tolist()]
        found = embed_images(embedder, files, views=h.views, augmentations=h.augmentations, task=self._task)
        return found.vectors

    @property
    def _usual(self) -> Embedder:
        """The embedder of the base."""
        found = self._embedders[self._base]
        assert isinstance(found, Embedder)
        return found

    def _ready(self, recipe: Recipe) -> Embedder:
        """The embedder of a recipe, made if need be.

        Raises:
            BackboneError: It cannot be made, now or before.
        """
        found = self._embedders.get(_eye(recipe)) or self._make_ready(recipe)
        if isinstance(found, BackboneError):
            raise found
        return found

    def _make_ready(self, recipe: Recipe) -> Embedder | BackboneError:
        name, size = eye = _eye(recipe)
        usual = self._usual
        if name == "auto":  # at another size, the network of the base
            name = usual.backbone.spec.id
        try:
            resolved = resolve_backbone(name, size or None, self._task)
            self._embedders[eye] = Embedder(resolved, usual.device, usual.workspace)
        except BackboneError as error:
            self._embedders[eye] = error
        return self._embedders[eye]

    def _weight(self, recipe: Recipe) -> float:
        """How many times as long as the base a photo takes, guessed from the sizes of the networks."""
        try:
            spec = describe_backbone(recipe.backbone)
        except BackboneError:  # such as a file
            return 1.0
        usual = self._usual.backbone.spec
        size = recipe.hyperparameters.input_size or spec.preprocessing.input_size
        across = size / usual.preprocessing.input_size
        return across**2 * spec.parameters_millions / usual.parameters_millions


def photos_per_second(embedder: Embedder, files: Sequence[ImageFile], task: Task) -> float:
    """Take a few photos through a backbone, whose vectors are thrown away, and return its speed.

    Raises:
        BackboneError: The network cannot be used.
        Stopped: The task was stopped.
    """
    views = [ImageView(source=file.path) for file in files[:_TIMED]]
    _take_through(embedder, views[:1], task)  # loads the network, whose time does not count
    started = time.perf_counter()
    _take_through(embedder, views, task)
    return len(views) / max(time.perf_counter() - started, 1e-9)


def _take_through(embedder: Embedder, views: Iterable[ImageView], task: Task) -> None:
    with closing(local_pass(embedder, views)) as batches:
        for _ in batches:
            if task.stopped:
                raise Stopped("The search was stopped; what was embedded is kept.")


def _eye(recipe: Recipe) -> Eye:
    return recipe.backbone, recipe.hyperparameters.input_size


def _missing(embedder: Embedder, files: list[ImageFile], h: Hyperparameters) -> int:
    """How many vectors are not stored yet."""
    names = [view_key(number, h.augmentations) for number in range(h.views)]
    keys = [(file.sha256, name) for file in files for name in names]
    return int((FeatureStore.of(embedder).rows(keys) < 0).sum())
