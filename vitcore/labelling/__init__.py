"""Labelling as arithmetic on vectors: what to show next, what the labels teach, how good the guesses are."""

from vitcore.labelling._estimate import FEWEST_AT_RANDOM, Estimate, errors_with_more, estimate_accuracy
from vitcore.labelling._picks import PhotoGroup, group_photos, pick_at_random, pick_seeds, pick_teaching
from vitcore.labelling._quick_head import Answers, answer
from vitcore.labelling._space import drawn_to_neighbours, principal_axes, whitened

__all__ = [
    "FEWEST_AT_RANDOM",
    "Answers",
    "Estimate",
    "PhotoGroup",
    "answer",
    "drawn_to_neighbours",
    "errors_with_more",
    "estimate_accuracy",
    "group_photos",
    "pick_at_random",
    "pick_seeds",
    "pick_teaching",
    "principal_axes",
    "whitened",
]
