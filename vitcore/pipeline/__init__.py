"""The walk through the rooms: dataset, features, head, evaluation, and a run that holds it all."""

from vitcore.pipeline._judging import evaluate_on
from vitcore.pipeline._training import resume, train

__all__ = ["evaluate_on", "resume", "train"]
