"""Evaluations of a run on other datasets, kept with the run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pandas as pd

from vitcore.dataset import Dataset
from vitcore.errors import Stopped, StorageError
from vitcore.evaluation import FORMER_REASONS, Evaluation
from vitcore.inference import load_classifier, load_trust
from vitcore.messages import mark
from vitcore.pipeline._judging import evaluate_on
from vitcore.progress import Progress, Task
from vitcore.records import guard, load_record, save_record, table
from vitcore.runs import Run, load_run
from vitcore.workspace import Workspace

__all__ = [
    "ExternalEvaluation",
    "delete_external",
    "evaluate_external",
    "list_damaged_external",
    "load_external",
]

_PREFIX = "elsewhere-"
_PREDICTIONS = {
    "image_id": "int",
    "name": "str",
    "sha256": "str",
    "file": "str",
    "true": "str",
    "predicted": "str",
    "confidence": "float",
    "loss": "float",
    "novelty": "float",
    "sure": "bool",
    "reason": "str",
}


@dataclass(frozen=True, kw_only=True)
class Familiarity:
    """A measure of how well a classifier knows images.

    Attributes:
        unlike: Share that is unlike anything learned from, at the level of doubt that was chosen.
        confidence: Mean.
    """

    unlike: float
    confidence: float


@dataclass(frozen=True, kw_only=True)
class Drift:
    """A comparison of the validation images (here) with those of another set (there)."""

    here: Familiarity
    there: Familiarity


@dataclass(frozen=True, eq=False, kw_only=True)
class ExternalEvaluation:
    """A run, judged on another dataset.

    Attributes:
        dataset_id: Which.
        name: What it was called.
        version: The version that was judged.
        evaluation: The figures.
        predictions: One row per image, as `OtherSet.predictions`.
        mapping: What each of its classes means to the classifier; None for those left out.
        left_out: Number of images of these.
        drift: How much less the classifier knows these images than the validation images.
    """

    dataset_id: str
    name: str
    version: int
    evaluation: Evaluation
    predictions: Annotated[pd.DataFrame, table(_PREDICTIONS)]
    mapping: dict[str, str | None]
    left_out: int
    drift: Drift


def evaluate_external(
    run_id: str,
    dataset: Dataset,
    mapping: Mapping[str, str | None] | None = None,
    *,
    workspace: Workspace | None = None,
    task: Task | None = None,
) -> ExternalEvaluation:
    """Judge a run on another labelled dataset, and keep that with the run.

    Args:
        run_id: A run with results.
        dataset: None of its images should have been learned from.
        mapping: As for `evaluate_on`.
        workspace: Where the run is; the default workspace if not given.
        task: Where progress is reported, and what stops it.

    Raises:
        NotFoundError: There is no such run.
        BackboneError: Its backbone cannot be had.
        InputError: The mapping does not fit.
        StorageError: It has no results, or the disk is full.
        Stopped: The task was stopped.
    """
    workspace, task = workspace or Workspace.default(), task or Task()
    run = load_run(run_id, workspace=workspace)
    task.report(Progress(phase="prepare"))
    other = evaluate_on(
        load_classifier(run.folder, workspace=workspace, task=task),
        dataset,
        mapping=mapping,
        task=task,
    )
    if task.stopped:
        raise Stopped("The judging was stopped; what was embedded is kept.")
    trust = load_trust(run.folder)
    here = trust.verdicts(run.probabilities.astype("float64"), run.predictions["novelty"].to_numpy())
    found = ExternalEvaluation(
        dataset_id=dataset.id,
        name=dataset.name,
        version=dataset.version,
        evaluation=other.evaluation,
        predictions=other.predictions,
        mapping=other.mapping,
        left_out=other.left_out,
        drift=Drift(
            here=Familiarity(
                unlike=float((here.reason == "novel").mean()),
                confidence=float(run.predictions["confidence"].mean()),
            ),
            there=Familiarity(
                unlike=float((other.predictions["reason"] == "novel").mean()),
                confidence=float(other.predictions["confidence"].mean()),
            ),
        ),
    )
    save_record(run.folder / f"{_PREFIX}{dataset.id}.json", found)
    return found


def load_external(run: Run) -> list[ExternalEvaluation]:
    """All other datasets that a run was judged on; one whose file is damaged is left out."""
    return [found for found in _loaded(run).values() if isinstance(found, ExternalEvaluation)]


def list_damaged_external(run: Run) -> dict[str, StorageError]:
    """What is wrong with the evaluations that `load_external` leaves out, by the ids of their datasets."""
    return {
        dataset_id: found for dataset_id, found in _loaded(run).items() if isinstance(found, StorageError)
    }


def delete_external(run: Run, dataset_id: str) -> None:
    """Delete what another dataset showed of a run, damaged or not.

    Raises:
        StorageError: It is not writable.
    """
    path = run.folder / f"{_PREFIX}{Path(dataset_id).name}.json"
    with guard(path):
        path.unlink(missing_ok=True)


def _loaded(run: Run) -> dict[str, ExternalEvaluation | StorageError]:
    """The evaluations of a run on other datasets, or what is wrong with them, by the ids of these."""
    loaded: dict[str, ExternalEvaluation | StorageError] = {}
    for path in sorted(run.folder.glob(f"{_PREFIX}*.json")):
        dataset_id = path.stem.removeprefix(_PREFIX)
        try:
            found = load_record(ExternalEvaluation, path, mark("judge it on that set again"))
        except StorageError as error:
            loaded[dataset_id] = error
            continue
        found.predictions["reason"] = found.predictions["reason"].replace(dict(FORMER_REASONS))
        loaded[dataset_id] = found
    return loaded
