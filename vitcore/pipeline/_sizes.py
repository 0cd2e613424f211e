"""Smaller input sizes on a dataset: the time they save and the accuracy they cost, both measured."""

import hashlib
import json
import math
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from vitcore.audit import near_duplicate_groups
from vitcore.backbone import Backbone, BackboneSpec, Embedder, resolve_backbone
from vitcore.compute import DEFAULT_COMPUTE, Compute
from vitcore.dataset import Dataset, kept_sides, split_index, view_key
from vitcore.engines import choose_engine
from vitcore.errors import DatasetError, InputError, NotFoundError, SettingsError, Stopped
from vitcore.evaluation import compare
from vitcore.features import FeatureStore, ImageFile, ImageView, embed_images, image_files, local_pass
from vitcore.messages import Message, mark, message
from vitcore.pipeline._material import check_division, class_numbers, prepare_data
from vitcore.progress import Meter, Progress, Task
from vitcore.records import guard, load_record, plain_values, save_record
from vitcore.training import EpochRecord, Hyperparameters, out_of_fold_logits
from vitcore.workspace import Workspace

__all__ = ["SizeComparison", "SizeResult", "compare_sizes", "load_sizes"]

Ints = npt.NDArray[np.int64]

_FOLDER = "sizes"
_FEWEST = 20  # images, below which nothing can be said
_LEAST_SIDE = 8  # patches
_PIXELS = (56, 1024)  # what `Hyperparameters.input_size` takes
_FOLDS = 5
_ROUNDS = 3  # in which the speed of every size is measured
_TELLING = 0.05  # of accuracy: how far the ends of an interval may be from its middle
# What the heads that are compared here make no use of.
_UNUSED = ("input_size", "monitor", "patience", "finish", "repeats")


@dataclass(frozen=True, kw_only=True)
class SizeResult:
    """The speed and accuracy of one input size.

    Attributes:
        size: Side in pixels of the square that the backbone sees.
        patches: Number of patches of an image.
        accuracy: In cross-validation, 0 … 1.
        difference: That minus the accuracy at the full size, −1 … 1.
        low: Lower end of its 95 % interval, of the same images at both sizes.
        high: Upper end.
        images_per_second: Forward passes per second.
        speed: That by the one of the full size.
        seconds: What the embedding of a whole training would take.
    """

    size: int
    patches: int
    accuracy: float
    difference: float
    low: float
    high: float
    images_per_second: float
    speed: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class SizeComparison:
    """Input sizes side by side on the same images.

    Attributes:
        version: Of the dataset.
        base: The settings of the heads.
        requested: With what the embeddings were computed, as it was asked for.
        backbone: What it is called.
        usual: Its own input size, for which `Hyperparameters.input_size` has 0.
        images: How many were compared with: some of the training part.
        passes: How many forward passes a training with these settings takes.
        sizes: The results, the full size first.
        seconds: How long it took.
    """

    version: int
    base: Hyperparameters
    requested: Compute
    backbone: str
    usual: int
    images: int
    passes: int
    sizes: tuple[SizeResult, ...]
    seconds: float

    def __post_init__(self) -> None:
        """Refuse a comparison of nothing.

        Raises:
            InputError: There are no sizes.
        """
        if not self.sizes:
            raise InputError("There are no input sizes to compare.")

    @staticmethod
    def upgraded(values: dict[str, Any]) -> dict[str, Any]:
        """Bring values of earlier versions to this form."""
        return {**values, "base": Hyperparameters.upgraded(values["base"])}

    def suits(self, hyperparameters: Hyperparameters) -> bool:
        """True if another comparison would have given the same, but for chance in the speed."""
        return _settings(self.base) == _settings(hyperparameters)

    def telling(self, result: SizeResult) -> bool:
        """True if the images are enough to estimate the accuracy that a size costs."""
        return result.high < 0 or result.low > 0 or result.high - result.low <= 2 * _TELLING

    def verdict(self, result: SizeResult) -> Message:
        """Return the gain and the cost of a size in one sentence."""
        if result == self.sizes[0]:
            return message("The full size, with which the others are compared.")
        template = mark("{speed:.1f} times as fast; accuracy {difference} (95 % interval: {low} to {high}).")
        if not self.telling(result):
            template = mark(
                "{speed:.1f} times as fast; accuracy {difference}, but {images} images are too few to tell "
                "(95 % interval: {low} to {high})."
            )
        return message(
            template,
            speed=result.speed,
            difference=_points(result.difference),
            images=self.images,
            low=_points(result.low),
            high=_points(result.high),
        )


def compare_sizes(
    dataset: Dataset,
    hyperparameters: Hyperparameters | None = None,
    *,
    compute: Compute = DEFAULT_COMPUTE,
    workspace: Workspace | None = None,
    sizes: Sequence[int] | None = None,
    images: int = 160,
    task: Task | None = None,
) -> SizeComparison:
    """Measure what smaller input sizes save and cost, on some of the images of the training part.

    Each image goes through the backbone once per size, and the vectors are stored: those of the size that
    is then chosen are not computed again. The sizes take turns, so that what else the machine does slows
    all of them down alike. At each size heads are trained with the given settings and judged by
    cross-validation, all on the same folds; near-duplicates are in one fold.

    The validation images of a training with the same seed play no part. They are known if there is a
    ready-made split, or if all images are embedded at the usual size. Else only copies are known to be
    alike: in a dataset with near-duplicates a training may then divide otherwise, and some of its
    validation images may be among those compared here.

    The heads learn from few images, so that the accuracies are lower than those of a training with all.

    Args:
        dataset: What to learn from.
        hyperparameters: How; `input_size` plays no part.
        compute: As for `train`; the same engine is taken at every size.
        workspace: Where embeddings are kept; the default workspace if not given.
        sizes: Sides in pixels, of whole patches, the largest being the full one. If not given: the
            backbone's own, and those with about half and a quarter of its patches, 8 × 8 at least.
        images: How many to compare with, 20 or more. They are drawn class by class, at least two of each.
        task: Where progress is reported, and what stops it; what was embedded is kept.

    Raises:
        DatasetError: Too few classes or images.
        BackboneError: The backbone cannot be had.
        DeviceError: The device, the precision or the engine is not here.
        SettingsError: A value is out of its range, or the learning rate makes the loss grow beyond all
            bounds.
        Stopped: The task was stopped.
        StorageError: The disk is full or not writable.
    """
    started = time.perf_counter()
    workspace = workspace or Workspace.default()
    h, task = replace(hyperparameters or Hyperparameters(), input_size=0), task or Task()
    if images < _FEWEST:
        raise SettingsError(
            "{images} images are too few to compare sizes with; give {least} or more.",
            images=images,
            least=_FEWEST,
        )
    task.report(Progress(phase="prepare"))
    rows = check_division(dataset, h)
    resolved = resolve_backbone(compute.backbone, task=task)
    usual, patch = resolved.spec.preprocessing.input_size, _patch_pixels(resolved.spec)
    chosen = _usual_sizes(usual, patch) if sizes is None else _checked_sizes(sizes, patch)
    choice = choose_engine(
        resolved,
        image_files(dataset, rows),
        list(rows["label"]),
        compute,
        workspace=workspace,
        task=task,
    )
    training, passes, groups = _training_part(
        dataset, rows, h, Embedder(resolved, choice.device, workspace), task
    )
    if len(training) < _FEWEST:
        raise DatasetError(
            "There are only {count} images to learn from, too few to compare input sizes with; {least} are "
            "needed: add some, or keep the usual size.",
            count=len(training),
            least=_FEWEST,
        )
    drawn = _draw(class_numbers(training["label"], dataset.classes), images, h.seed)
    embedders = [Embedder(_at_size(resolved, size), choice.device, workspace) for size in chosen]
    sample = training.iloc[drawn]
    rates = _embed_in_turn(embedders, image_files(dataset, sample), h, task)
    together = None if groups is None else groups[drawn]
    truth, answers = _answers(dataset, sample, together, embedders, h, task)
    results = []
    for size, rate, answered in zip(chosen, rates, answers, strict=True):
        against, full = compare(truth, answered, answers[0]), size == chosen[0]
        results.append(
            SizeResult(
                size=size,
                patches=(size // patch) ** 2,
                accuracy=float((answered == truth).mean()),
                difference=against.difference,
                low=0.0 if full else against.low,
                high=0.0 if full else against.high,
                images_per_second=rate,
                speed=rate / rates[0],
                seconds=passes / rate,
            )
        )
    comparison = SizeComparison(
        version=dataset.version,
        base=h,
        requested=compute,
        backbone=resolved.spec.title,
        usual=usual,
        images=len(sample),
        passes=passes,
        sizes=tuple(results),
        seconds=time.perf_counter() - started,
    )
    _save(dataset, comparison)
    return comparison


def load_sizes(
    dataset: Dataset, hyperparameters: Hyperparameters | None = None, *, backbone: str = "auto"
) -> SizeComparison:
    """The last comparison of input sizes on a dataset with a backbone.

    Args:
        dataset: The dataset.
        hyperparameters: The settings; if nothing was compared with them, the last comparison with others
            is given (see `SizeComparison.suits`).
        backbone: As it was asked for.

    Raises:
        NotFoundError: There is none.
        StorageError: Its file is damaged.
    """
    path = _path(dataset, backbone, hyperparameters or Hyperparameters())
    if not path.is_file():
        others = path.parent.glob(f"{path.name.partition('-')[0]}-*.json")
        path = max(others, key=lambda other: other.stat().st_mtime_ns, default=path)
    if not path.is_file():
        raise NotFoundError(
            "No input sizes were compared on dataset '{dataset_id}' yet.", dataset_id=dataset.id
        )
    return load_record(SizeComparison, path, mark("measure the input sizes again"))


# --- which sizes -------------------------------------------------------------------------------


def _patch_pixels(spec: BackboneSpec) -> int:
    """Side of a patch in pixels; the network is built without memory."""
    import timm
    import torch

    with torch.device("meta"):
        network: Any = timm.create_model(spec.architecture, pretrained=False, num_classes=0)
    side: int = network.patch_embed.patch_size[0]
    return side


def _usual_sizes(usual: int, patch: int) -> list[int]:
    """The backbone's own size, and those with about half and a quarter of its patches."""
    across = usual // patch
    least = max(_LEAST_SIDE, math.ceil(_PIXELS[0] / patch))
    smaller = {max(round(across / math.sqrt(share)), least) for share in (2, 4)}
    sizes = [usual, *sorted((patch * side for side in smaller if side < across), reverse=True)]
    if len(sizes) == 1:
        raise SettingsError(
            "This backbone sees {across} × {across} patches; with less than {least} × {least} there is too "
            "little to see, so no smaller size is worth a comparison.",
            across=across,
            least=least,
        )
    return sizes


def _checked_sizes(sizes: Sequence[int], patch: int) -> list[int]:
    """The sizes that were asked for, the largest first."""
    chosen = sorted(set(sizes), reverse=True)
    low, high = _PIXELS
    for size in chosen:
        if not low <= size <= high or size % patch:
            raise SettingsError(
                "An input of {size} pixels cannot be compared; give sizes from {low} to {high} that are "
                "multiples of {patch}, the side of a patch.",
                size=size,
                low=low,
                high=high,
                patch=patch,
            )
    if len(chosen) < 2:
        raise SettingsError(
            "Number of different input sizes: {count}; give two or more to compare.", count=len(chosen)
        )
    return chosen


def _at_size(backbone: Backbone, size: int) -> Backbone:
    preprocessing = replace(backbone.spec.preprocessing, input_size=size)
    return replace(backbone, spec=replace(backbone.spec, preprocessing=preprocessing))


# --- which images ------------------------------------------------------------------------------


def _training_part(
    dataset: Dataset,
    rows: pd.DataFrame,
    h: Hyperparameters,
    embedder: Embedder,
    task: Task,
) -> tuple[pd.DataFrame, int, Ints | None]:
    """The rows to learn from; the forward passes of a training; what is alike, if it is known of all.

    Nothing is embedded for it.
    """
    store = FeatureStore.of(embedder)
    groups = None
    if (store.rows([(sha256, view_key(0)) for sha256 in rows["sha256"]]) >= 0).all():
        plain = replace(h, views=1)
        data = prepare_data(dataset, plain, embedder, task)
        training, groups = data.rows.iloc[data.train], data.groups[data.train]
    else:
        drawn_with: dict[str, Any] = {"validation_fraction": h.validation_fraction, "seed": h.seed}
        earlier = kept_sides(dataset, dataset.index, **drawn_with)
        split = split_index(dataset.index, earlier=earlier, **drawn_with)
        training = dataset.index[split == "train"]
    return training, len(rows) * h.views, groups


def _draw(labels: Ints, images: int, seed: int) -> Ints:
    """Positions of a stratified, seeded sample, in order; a larger one holds a smaller one."""
    random = np.random.default_rng(seed)
    chosen = []
    for number in np.unique(labels):
        own = random.permutation(np.flatnonzero(labels == number))
        chosen.append(own[: max(2, images * len(own) // len(labels))])
    return np.sort(np.concatenate(chosen))


# --- how fast ----------------------------------------------------------------------------------


def _embed_in_turn(
    embedders: Sequence[Embedder],
    files: Sequence[ImageFile],
    h: Hyperparameters,
    task: Task,
) -> list[float]:
    """Embed images at every size, a few at a time, so that they are stored; images per second of each.

    What is stored already is computed all the same in the first rounds, for its speed.
    """
    some = min(2 * embedders[0].batch_size, len(files))
    parts = [files[start : start + some] for start in range(0, len(files), some)]
    rounds = [parts[number % len(parts)] for number in range(max(_ROUNDS, len(parts)))]
    meter = task.meter("embed", len(embedders) * h.views * sum(map(len, rounds)))
    rates: list[list[float]] = [[] for _ in embedders]
    for number, part in enumerate(rounds):
        # There and back: the network that came last is still at hand when it comes first.
        order = range(len(embedders)) if number % 2 == 0 else reversed(range(len(embedders)))
        for place in order:
            is_timed = len(rates[place]) < _ROUNDS
            rate = _turn(embedders[place], part, h, meter, task, is_timed=is_timed)
            rates[place] += [] if rate is None else [rate]
    return [median(found) for found in rates]


def _turn(
    embedder: Embedder,
    files: Sequence[ImageFile],
    h: Hyperparameters,
    meter: Meter,
    task: Task,
    *,
    is_timed: bool,
) -> float | None:
    """Embed some images; images per second, or None if some were stored already and it is not timed then."""
    whole, counted = len(files) * h.views, 0

    def count(done: int) -> None:
        nonlocal counted
        meter.add(max(done - counted, 0))
        counted = max(done, counted)

    # Loads the network, whose time does not count.
    embedder.embed(np.zeros((1, embedder.input_size, embedder.input_size, 3), dtype=np.uint8))
    done = embed_images(
        embedder,
        files,
        views=h.views,
        augmentations=h.augmentations,
        task=Task(lambda progress: count(progress.done), task.stop),
    )
    rate = None
    if done.computed == len({file.sha256 for file in files}) * h.views:
        rate = done.images_per_second
    elif is_timed:
        rate = _speed(embedder, files, count, task)
    count(whole)
    return rate


def _speed(embedder: Embedder, files: Sequence[ImageFile], count: Callable[[int], None], task: Task) -> float:
    """Images per second of a pass whose vectors are thrown away."""
    started, seen = time.perf_counter(), 0
    with closing(local_pass(embedder, [ImageView(source=file.path) for file in files])) as batches:
        for batch in batches:
            if task.stopped:
                raise Stopped("The comparison of input sizes was stopped; what was embedded is kept.")
            seen += len(batch.views)
            count(seen)
    return len(files) / (time.perf_counter() - started)


# --- how well ----------------------------------------------------------------------------------


def _answers(
    dataset: Dataset,
    sample: pd.DataFrame,
    groups: Ints | None,
    embedders: Sequence[Embedder],
    h: Hyperparameters,
    task: Task,
) -> tuple[Ints, list[Ints]]:
    """The classes of the sample, (N,), and what heads at each size take its images for, (N,) each.

    All sizes have the same folds; what is alike is found at the first size if it is not given.
    """
    truth, files = class_numbers(sample["label"], dataset.classes), image_files(dataset, sample)
    options: dict[str, Any] = {"views": h.views, "augmentations": h.augmentations}
    vectors = [
        np.asarray(embed_images(embedder, files, task=task, **options).vectors) for embedder in embedders
    ]
    if groups is None:
        fingerprint = embedders[0].fingerprint
        groups = near_duplicate_groups(dataset, sample, vectors[0][:, 0], fingerprint=fingerprint, task=task)
    folds = max(2, min(_FOLDS, len(np.unique(groups))))
    meter = task.meter("fit", len(embedders) * folds * h.epochs, unit="epochs")

    def on_epoch(_: EpochRecord) -> None:
        meter.add(1)

    answers = []
    for seen in vectors:  # (N, V, D)
        logits = out_of_fold_logits(
            seen,
            truth,
            groups,
            classes=len(dataset.classes),
            hyperparameters=h,
            epochs=h.epochs,
            folds=folds,
            seed=h.seed,
            device=embedders[0].device.name,
            on_epoch=on_epoch,
            stop=task.stop,
        )
        answers.append(logits.argmax(axis=1))
    return truth, answers


# --- on the disk -------------------------------------------------------------------------------


def _settings(h: Hyperparameters) -> dict[str, Any]:
    """The settings that matter here."""
    return {name: value for name, value in plain_values(h).items() if name not in _UNUSED}


def _path(dataset: Dataset, backbone: str, h: Hyperparameters) -> Path:
    first, second = (
        hashlib.sha256(json.dumps(part, sort_keys=True).encode()).hexdigest()[:16]
        for part in (backbone, _settings(h))
    )
    return dataset.folder / _FOLDER / f"{first}-{second}.json"


def _save(dataset: Dataset, comparison: SizeComparison) -> None:
    path = _path(dataset, comparison.requested.backbone, comparison.base)
    with guard(path):
        path.parent.mkdir(exist_ok=True)
    save_record(path, comparison)


def _points(share: float) -> Message:
    """Return a difference in points of 100, rounded, in words."""
    points = round(abs(100 * share), 1)
    if points == 0:
        return message("the same")
    template = mark("{points:.1f} points lower") if share < 0 else mark("{points:.1f} points higher")
    return message(template, points=points)
