"""The search for a recipe: what it takes, and whether photos that it has not seen agree."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks._rows import Row
from benchmarks._setting import Setting
from vitcore.audit import near_duplicate_groups
from vitcore.backbone import Embedder, choose_device, resolve_backbone
from vitcore.compute import Compute
from vitcore.dataset import Dataset
from vitcore.features import embed_images, image_files
from vitcore.folds import deal_folds
from vitcore.pipeline import RecipeSearch, find_recipe, usual_rivals
from vitcore.search import Recipe
from vitcore.training import Hyperparameters, finish_head, fit_head
from vitcore.workspace import Workspace

__all__ = ["search"]

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_DRAWS, _SOME = 10, 3  # with and without --whole
_MINUTES = 1.0
_PARTS = 5  # of the photos, one of which is held back


def search(setting: Setting) -> list[Row]:
    """The recipe that a search of one minute takes: its accuracy on photos held back, and its time.

    A fifth of the photos is held back, ten times with --whole. The search sees the others, with all backbones
    that need no download and a planted one of random weights, which must never win; all vectors are stored
    before. The baseline is the accuracy of the settings that it begins with.
    """
    dataset, workspace = setting.photo_dataset()
    bench = _Bench(setting, dataset, workspace)
    rivals = usual_rivals(setting.backbone)
    planted = str(_random_weights(setting.folder()))
    names = {**{name: name for name in rivals}, planted: "planted"}
    taken, given, results = [], [], []
    groups = bench.groups()
    for name in names:
        bench.vectors(Recipe(backbone=name, hyperparameters=Hyperparameters()))
    for seed in range(_DRAWS if setting.whole else _SOME):
        out = deal_folds(bench.truth, groups, _PARTS, seed=seed) == 0
        h = Hyperparameters(seed=seed)
        found = bench.search(out, h, list(names))
        chosen = (found.better or found.base).standing.recipe
        taken.append(bench.accuracy(chosen, groups, out))
        given.append(bench.accuracy(Recipe(backbone=setting.backbone, hyperparameters=h), groups, out))
        results.append(found)
        setting.say(f"  search: seed {seed}, {found.seconds:.0f} s, {taken[-1]:.1%}, {found.verdict}")
    longest = max(found.seconds for found in results)
    return [
        Row(
            name="search: accuracy on photos held back",
            value=100 * float(np.mean(taken)),
            unit="%",
            baseline=100 * float(np.mean(given)),
        ),
        Row(name="search: longest, of one minute", value=longest, unit="s", baseline=60 * _MINUTES),
        *(
            Row(
                name=f"search: {title} found better",
                value=100 * float(np.mean([_is_better(found, name) for found in results])),
                unit="% of searches",
            )
            for name, title in names.items()
        ),
    ]


@dataclass(frozen=True, eq=False)
class _Bench:
    """The photos, and what is made of them."""

    setting: Setting
    dataset: Dataset
    workspace: Workspace

    @property
    def truth(self) -> Ints:
        """Class numbers, (N,)."""
        return np.array([self.dataset.classes.index(label) for label in self.dataset.index["label"]])

    def embedder(self, backbone: str) -> Embedder:
        """The embedder of a backbone."""
        device = choose_device(engine=self.setting.engine)
        return Embedder(resolve_backbone(backbone), device, self.workspace)

    def vectors(self, recipe: Recipe) -> npt.NDArray[np.float16]:
        """Vectors of all photos, (N, V, D), which are stored."""
        files = image_files(self.dataset, self.dataset.index)
        h = recipe.hyperparameters
        embedder = self.embedder(recipe.backbone)
        found = embed_images(embedder, files, views=h.views, augmentations=h.augmentations)
        return np.asarray(found.vectors)

    def groups(self) -> Ints:
        """Numbers of what looks alike, (N,)."""
        base = Recipe(backbone=self.setting.backbone, hyperparameters=Hyperparameters())
        fingerprint = self.embedder(base.backbone).fingerprint
        vectors = self.vectors(base)[:, 0]
        return near_duplicate_groups(self.dataset, self.dataset.index, vectors, fingerprint=fingerprint)

    def search(self, out: Bools, h: Hyperparameters, backbones: list[str]) -> RecipeSearch:
        """Search without the photos that are held back, (N,)."""
        held_back = self.dataset.rows["image_id"].isin(self.dataset.index["image_id"][out])
        rows = self.dataset.rows.assign(excluded=self.dataset.rows["excluded"] | held_back)
        return find_recipe(
            replace(self.dataset, rows=rows),
            h,
            compute=Compute(self.setting.backbone, engine=self.setting.engine),
            backbones=backbones,
            minutes=_MINUTES,
            workspace=self.workspace,
        )

    def accuracy(self, recipe: Recipe, groups: Ints, out: Bools) -> float:
        """Accuracy on the photos held back of a classifier that learned from the others, 0 … 1."""
        h, truth, vectors = recipe.hyperparameters, self.truth, self.vectors(recipe)
        inside = np.flatnonzero(~out)
        x, y = vectors[inside], truth[inside]
        part = deal_folds(y, groups[inside], _PARTS, seed=h.seed)
        learned, validation = np.flatnonzero(part != 0), np.flatnonzero(part == 0)
        classes = len(self.dataset.classes)
        best = fit_head(
            x[learned],
            y[learned],
            x[validation, 0],
            y[validation],
            classes=classes,
            hyperparameters=h,
        )
        head = finish_head(x, y, validation, best, classes=classes, hyperparameters=h).head
        return float((head.logits(vectors[out, 0]).argmax(axis=1) == truth[out]).mean())


def _is_better(found: RecipeSearch, backbone: str) -> bool:
    """True if a backbone is better than the base by its interval."""
    return any(
        recipe.standing.images and recipe.standing.low > 0
        for recipe in found.recipes[1:]
        if recipe.standing.recipe.backbone == backbone
    )


def _random_weights(folder: Path) -> Path:
    """A file with random weights for a small network, which sees next to nothing."""
    import safetensors.torch
    import timm
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = timm.create_model("test_vit", pretrained=False, num_classes=0)
    path = folder / "planted.safetensors"
    safetensors.torch.save_file(model.state_dict(), path, metadata={"architecture": "test_vit"})
    return path
