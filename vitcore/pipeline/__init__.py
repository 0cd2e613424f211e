"""The walk through the rooms: dataset, features, head, evaluation, and a run that holds it all."""

from vitcore.pipeline._judging import evaluate_on
from vitcore.pipeline._training import resume, train
from vitcore.pipeline._tuning import Tuning, find_settings, load_tuning

__all__ = ["Tuning", "evaluate_on", "find_settings", "load_tuning", "resume", "train"]
