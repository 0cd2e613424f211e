"""Looking for good settings for a dataset, and what was found."""

import math
import time
from dataclasses import dataclass, replace
from typing import Any, Literal

import filelock

from vitcore.compute import DEFAULT_COMPUTE, Compute
from vitcore.dataset import Dataset
from vitcore.engines import prepare_embedder
from vitcore.errors import InputError, NotFoundError, StorageError
from vitcore.features import image_files
from vitcore.messages import mark
from vitcore.pipeline._material import check_division, prepare_data
from vitcore.progress import Progress, Task
from vitcore.records import Figure, load_record, save_record
from vitcore.training import (
    Hyperparameters,
    LearningRateCurve,
    SearchTrial,
    check_search,
    learning_rate_curve,
    search_settings,
)
from vitcore.workspace import Workspace

__all__ = ["Tuning", "find_settings", "load_tuning"]

_FILE = "tuning.json"
_REMEDY = mark("look for settings again")
_ERRORS = ("value", "baseline", "logistic")


@dataclass(frozen=True, eq=False, kw_only=True)
class Tuning:
    """A search for settings, as it stands on the disk: the last one of a dataset.

    Attributes:
        state: ``running``, ``complete``, ``stopped`` or ``interrupted``.
        version: Of the dataset.
        base: The settings that it began with.
        requested: With what the embeddings were computed, as it was asked for.
        images: How many it was made with: those of the training part.
        trials: What was tried, in order.
        rates: How the loss goes while the learning rate rises, with what else is in `base`; None with
            ``lbfgs``, which has no learning rate.
        asked: How many trials were asked for; None if only the time was limited.
        seconds: How long it took.
        number: That of the best trial, once the search has ended: the one with the lowest error on
            several divisions into folds.
        value: Its error on these; NaN before the end.
        baseline: That of the settings that the search began with.
        logistic: That of the best logistic regression among those that it began with.
    """

    state: Literal["running", "complete", "stopped", "interrupted"]
    version: int
    base: Hyperparameters
    requested: Compute
    images: int
    trials: tuple[SearchTrial, ...]
    rates: LearningRateCurve | None
    asked: int | None
    seconds: float
    number: int = 0
    value: Figure = math.nan
    baseline: Figure = math.nan
    logistic: Figure = math.nan

    def __post_init__(self) -> None:
        """Refuse a best trial that there is not.

        Raises:
            InputError: Its number is not that of a trial.
        """
        if not 0 <= self.number <= len(self.trials):
            raise InputError(
                "The best trial is number {number} of {count}.", number=self.number, count=len(self.trials)
            )

    @staticmethod
    def upgraded(values: dict[str, Any]) -> dict[str, Any]:
        """Bring values of earlier versions to this form."""
        trials = [
            {**trial, "hyperparameters": Hyperparameters.upgraded(trial["hyperparameters"])}
            for trial in values["trials"]
        ]
        return {**values, "base": Hyperparameters.upgraded(values["base"]), "trials": trials}

    @property
    def best(self) -> SearchTrial:
        """The best trial; before the end the one with the lowest error so far."""
        if self.number:
            return self.trials[self.number - 1]
        return min((t for t in self.trials if not t.pruned), key=lambda trial: (trial.value, trial.loss))


def find_settings(
    dataset: Dataset,
    base: Hyperparameters | None = None,
    *,
    trials: int | None = 30,
    seconds: float | None = None,
    folds: int = 5,
    compute: Compute = DEFAULT_COMPUTE,
    workspace: Workspace | None = None,
    task: Task | None = None,
) -> Tuning:
    """Look for settings that suit a dataset, by cross-validation inside its training part.

    The validation images of a training with the same seed play no part, and judge fairly what is
    found. How it stands is on the disk after each trial, for `load_tuning`. See
    `vitcore.training.search_settings` for what is tried.

    Args:
        dataset: What to learn from.
        base: The settings to begin with; they decide the split, the seed, and how many views there are.
        trials: How many settings to try; any number if None.
        seconds: How long to go on, the embedding not counted; any time if None.
        folds: 2 … 20.
        compute: As for `train`.
        workspace: Where embeddings are kept; the default workspace if not given.
        task: Where progress is reported, and what stops it.

    Raises:
        DatasetError: Too few classes or images.
        BackboneError: The backbone cannot be had.
        DeviceError: The device or the precision is not here.
        SettingsError: A value is out of its range, or `base` makes the loss grow beyond all bounds.
        Stopped: The task was stopped before the first trial was finished.
        StorageError: Another search on this dataset is running, or the disk is full or not writable.
    """
    workspace = workspace or Workspace.default()
    h, task = base or Hyperparameters(), task or Task()
    check_search(trials=trials, seconds=seconds, folds=folds)
    task.report(Progress(phase="prepare"))
    rows = check_division(dataset, h)
    embedder, _ = prepare_embedder(
        compute,
        image_files(dataset, rows),
        list(rows["label"]),
        input_size=h.input_size,
        workspace=workspace,
        task=task,
    )
    try:
        with workspace.lock(_lock_name(dataset.id)):
            data = prepare_data(dataset, h, embedder, task)
            started = time.perf_counter()
            training, truth = data.training, data.truth[data.train]
            options: dict[str, Any] = {"classes": len(dataset.classes), "device": embedder.device.name}
            rates = None
            if h.optimizer != "lbfgs":
                rates = learning_rate_curve(training, truth, hyperparameters=h, stop=task.stop, **options)
            tuning = Tuning(
                state="running",
                version=dataset.version,
                base=h,
                requested=compute,
                images=len(truth),
                trials=(),
                rates=rates,
                asked=trials,
                seconds=0.0,
            )

            def on_trial(trial: SearchTrial) -> None:
                nonlocal tuning
                elapsed_s = time.perf_counter() - started
                tuning = replace(tuning, trials=(*tuning.trials, trial), seconds=elapsed_s)
                save_record(dataset.folder / _FILE, tuning)
                task.report(_progress(trial.number, trials, elapsed_s, seconds))

            task.report(_progress(0, trials, 0.0, seconds))
            result = search_settings(
                training,
                truth,
                base=h,
                groups=data.groups[data.train],
                trials=trials,
                seconds=seconds,
                folds=folds,
                seed=h.seed,
                on_trial=on_trial,
                stop=task.stop,
                **options,
            )
            tuning = replace(
                tuning,
                state=result.outcome,
                seconds=time.perf_counter() - started,
                **{name: getattr(result, name) for name in ("number", *_ERRORS)},
            )
            save_record(dataset.folder / _FILE, tuning)
    except filelock.Timeout as error:
        raise StorageError(
            "Settings for '{name}' are being looked for already; wait for that to end.", name=dataset.name
        ) from error
    return tuning


def load_tuning(dataset: Dataset, *, workspace: Workspace | None = None) -> Tuning:
    """The last search for settings on a dataset, as it stands now.

    Raises:
        NotFoundError: There was none, or it has not finished a trial yet.
        StorageError: Its file is damaged.
    """
    workspace = workspace or Workspace.default()
    path = dataset.folder / _FILE
    if not path.is_file():
        raise NotFoundError(
            "No settings were looked for on dataset '{dataset_id}' yet.", dataset_id=dataset.id
        )
    tuning = load_record(Tuning, path, _REMEDY)
    if tuning.state == "running" and not workspace.is_locked(_lock_name(dataset.id)):
        tuning = load_record(Tuning, path, _REMEDY)  # it may have ended in between
        if tuning.state == "running":
            return replace(tuning, state="interrupted")
    return tuning


def _progress(done: int, trials: int | None, elapsed_s: float, seconds: float | None) -> Progress:
    """By trials or by time, whichever is further."""
    ends = [elapsed_s / done * (trials - done)] if trials and done else []
    ends += [max(seconds - elapsed_s, 0.0)] if seconds else []
    return Progress(
        phase="search",
        done=done,
        total=trials or 0,
        unit="trials",
        per_second=done / elapsed_s if elapsed_s else 0.0,
        remaining_s=min(ends, default=None),
    )


def _lock_name(dataset_id: str) -> str:
    return f"tuning-{dataset_id}"
