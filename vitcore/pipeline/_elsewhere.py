"""How a run does on other datasets, kept with the run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from vitcore.dataset import Dataset
from vitcore.errors import Stopped, StorageError
from vitcore.evaluation import Evaluation
from vitcore.inference import load_classifier, load_trust
from vitcore.pipeline._judging import evaluate_on
from vitcore.progress import Progress, Task
from vitcore.runs import Run, load_run
from vitcore.workspace import Workspace, read_json, write_json

__all__ = ["Elsewhere", "evaluate_elsewhere", "load_elsewhere"]

_PREFIX = "elsewhere-"


@dataclass(frozen=True, eq=False, kw_only=True)
class Elsewhere:
    """A run, judged on another dataset.

    Attributes:
        dataset_id: Which.
        name: What it was called.
        version: The version that was judged.
        evaluation: The figures.
        predictions: One row per image, as `OtherSet.predictions`.
        mapping: What each of its classes means to the classifier; None for those left out.
        left_out: Number of images of these.
        drift: How much less the classifier knows these images than the validation images: of both,
            ``here`` and ``there``, the share that is ``unlike`` anything learned from at the level of
            doubt that was chosen, and the mean ``confidence``.
    """

    dataset_id: str
    name: str
    version: int
    evaluation: Evaluation
    predictions: pd.DataFrame
    mapping: Mapping[str, str | None]
    left_out: int
    drift: Mapping[str, Mapping[str, float]]


def evaluate_elsewhere(
    run_id: str,
    dataset: Dataset,
    mapping: Mapping[str, str | None] | None = None,
    *,
    workspace: Workspace | None = None,
    task: Task | None = None,
) -> Elsewhere:
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
        load_classifier(run.folder, workspace=workspace),
        dataset,
        mapping=mapping,
        task=task,
    )
    if task.stopped:
        raise Stopped("The judging was stopped; what was embedded is kept.")
    trust = load_trust(run.folder)
    here = trust.verdicts(run.probabilities.astype("float64"), run.predictions["novelty"].to_numpy())
    values = {
        "dataset_id": dataset.id,
        "name": dataset.name,
        "version": dataset.version,
        "evaluation": other.evaluation.to_dict(),
        "predictions": other.predictions.to_dict("list"),
        "mapping": other.mapping,
        "left_out": other.left_out,
        "drift": {
            "here": {
                "unlike": float((here.reason == "unlike").mean()),
                "confidence": float(run.predictions["confidence"].mean()),
            },
            "there": {
                "unlike": float((other.predictions["reason"] == "unlike").mean()),
                "confidence": float(other.predictions["confidence"].mean()),
            },
        },
    }
    try:
        write_json(run.folder / f"{_PREFIX}{dataset.id}.json", values)
    except OSError as error:
        raise StorageError(
            f"{run.folder} cannot be written ({error.strerror or error}); free some space."
        ) from error
    return _from_dict(values)


def load_elsewhere(run: Run) -> list[Elsewhere]:
    """All other datasets that a run was judged on.

    Raises:
        StorageError: A file is damaged.
    """
    found = []
    for path in sorted(run.folder.glob(f"{_PREFIX}*.json")):
        try:
            found.append(_from_dict(read_json(path)))
        except (LookupError, TypeError, ValueError) as error:
            raise StorageError(f"{path} is damaged ({error}); judge it on that set again.") from error
    return found


def _from_dict(values: dict[str, Any]) -> Elsewhere:
    return Elsewhere(
        dataset_id=values["dataset_id"],
        name=values["name"],
        version=values["version"],
        evaluation=Evaluation.from_dict(values["evaluation"]),
        predictions=pd.DataFrame(values["predictions"]),
        mapping=values["mapping"],
        left_out=values["left_out"],
        drift=values["drift"],
    )
