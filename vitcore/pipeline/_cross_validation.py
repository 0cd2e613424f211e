"""The figures that stand for a run without a test part: from all its images, by cross-validation."""

import math

import numpy as np
import numpy.typing as npt
import pandas as pd

from vitcore.errors import SettingsError, Stopped
from vitcore.evaluation import (
    Evaluation,
    accuracy,
    balanced_accuracy,
    cohen_kappa,
    confusion_matrix,
    evaluate,
    fit_temperature,
    scaled_probabilities,
)
from vitcore.folds import CROSS_VALIDATED_WORTH, deal_folds
from vitcore.messages import message
from vitcore.pipeline._judging import prediction_rows
from vitcore.pipeline._material import TrainingData
from vitcore.progress import Progress, Task
from vitcore.runs import CrossValidation
from vitcore.training import CrossValidated, cross_validate, remaining_errors, usual_folds

__all__ = ["answer_all", "answer_singly", "calibrated", "crossed_figures"]

Ints = npt.NDArray[np.int64]

_METRICS = {"accuracy": accuracy, "balanced_accuracy": balanced_accuracy, "cohen_kappa": cohen_kappa}


def answer_all(data: TrainingData, task: Task, groups: Ints | None = None) -> CrossValidated | None:
    """Answer all images of a run by cross-validation; None if it was stopped or is not possible.

    Args:
        data: As of the run.
        task: Where progress is reported, and what stops it.
        groups: What may not be divided, (N,); that of the run if not given.
    """
    h, groups = data.hyperparameters, data.groups if groups is None else groups
    count = usual_folds(data.truth, groups)
    if not count:
        return None
    task.report(Progress(phase="fit", message=message("Cross-validation in {count} parts.", count=count)))
    stages = 2 if h.patience and h.finish else 1
    meter = task.meter("fit", stages * count * h.epochs, unit="epochs")
    try:
        return cross_validate(
            data.views,
            data.truth,
            groups,
            deal_folds(data.truth, groups, count, seed=h.seed),
            classes=len(data.classes),
            hyperparameters=h,
            device=data.device,
            on_epoch=lambda _: meter.add(1),
            stop=task.stop,
        )
    except (SettingsError, Stopped):  # too few images, or a loss beyond all bounds
        return None


def calibrated(data: TrainingData, answers: CrossValidated) -> npt.NDArray[np.float64]:
    """Return the probabilities of each fold, (N, C), with the temperature that the other folds ask for."""
    probabilities = np.empty(answers.logits.shape)
    for number in np.unique(answers.fold):
        own = answers.fold == number
        temperature = fit_temperature(answers.logits[~own], data.truth[~own])
        probabilities[own] = scaled_probabilities(answers.logits[own], temperature)
    return probabilities


def answer_singly(data: TrainingData, task: Task) -> CrossValidated | None:
    """Answer all images once more, dealt one by one; None where no rule keeps them together.

    That is what photos of known subjects get, beside what new subjects get.

    Args:
        data: As of the run.
        task: As for `answer_all`.
    """
    return answer_all(data, task, _alone(data)) if (data.rows["group"] != "").any() else None


def crossed_figures(
    data: TrainingData,
    answers: CrossValidated,
    singly: CrossValidated | None,
    distances: npt.NDArray[np.float64],
) -> tuple[CrossValidation, pd.DataFrame]:
    """Return the figures of a cross-validation, and the columns of `Run.predictions`.

    Args:
        data: As of the run.
        answers: As `answer_all` gave them.
        singly: As `answer_singly` gave them.
        distances: (N,), the novelty of each image.
    """
    probabilities = calibrated(data, answers)
    by_fold = [
        confusion_matrix(data.truth[own], probabilities[own].argmax(axis=1), classes=len(data.classes))
        for own in (answers.fold == number for number in np.unique(answers.fold))
    ]
    figures = {
        name: tuple(None if math.isnan(value := metric(confusion)) else value for confusion in by_fold)
        for name, metric in _METRICS.items()
    }
    record = CrossValidation(
        folds=len(by_fold),
        **figures,
        evaluation=_evaluated(data, answers, data.groups),
        singly=None if singly is None else _evaluated(data, singly, _alone(data)),
    )
    return record, prediction_rows(data.rows, data.truth, probabilities, distances, data.classes)


def _alone(data: TrainingData) -> Ints:
    """Each image by itself, but for files with the same content: (N,)."""
    return pd.factorize(data.rows["sha256"])[0].astype(np.int64)


def _evaluated(data: TrainingData, answers: CrossValidated, groups: Ints) -> Evaluation:
    """Return what the answers say of a classifier that learned from all images."""
    probabilities = calibrated(data, answers)
    found = evaluate(data.truth, probabilities, data.classes, groups, worth=CROSS_VALIDATED_WORTH)
    return found.with_fewer_errors(remaining_errors(data.truth, groups, answers.fold))
