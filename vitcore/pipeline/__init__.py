"""The walk through the rooms: dataset, features, head, evaluation, and a run that holds it all."""

from vitcore.pipeline._comparing import RunComparison, compare_runs
from vitcore.pipeline._elsewhere import Elsewhere, evaluate_elsewhere, load_elsewhere
from vitcore.pipeline._judging import OtherSet, evaluate_on, match_classes
from vitcore.pipeline._review import Review, RunVectors, load_review, review_run, run_vectors
from vitcore.pipeline._training import resume, train
from vitcore.pipeline._tuning import Tuning, find_settings, load_tuning

__all__ = [
    "Elsewhere",
    "OtherSet",
    "Review",
    "RunComparison",
    "RunVectors",
    "Tuning",
    "compare_runs",
    "evaluate_elsewhere",
    "evaluate_on",
    "find_settings",
    "load_elsewhere",
    "load_review",
    "load_tuning",
    "match_classes",
    "resume",
    "review_run",
    "run_vectors",
    "train",
]
