"""The last step of a training: a head that learns from the validation images as well."""

from vitcore.errors import SettingsError
from vitcore.pipeline._material import TrainingData
from vitcore.progress import Task
from vitcore.training import FitResult, Head, finish_head

__all__ = ["finish"]


def finish(data: TrainingData, best: FitResult, task: Task) -> Head | None:
    """Train a head on the training and the validation images; None if it was stopped.

    Args:
        data: As of the run.
        best: How the training itself ended.
        task: What stops it.
    """
    try:
        finished = finish_head(
            data.views,
            data.truth,
            data.validation,
            best,
            classes=len(data.classes),
            hyperparameters=data.hyperparameters,
            device=data.device,
            stop=task.stop,
        )
    except SettingsError:  # the loss went beyond all bounds, which it had not on fewer images
        return None
    return None if task.stopped else finished.head
