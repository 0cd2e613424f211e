"""Using a trained classifier on new images."""

from vitcore.inference._classifier import Classifier, ImageSource, Prediction, Refusal
from vitcore.inference._deletion import DELETED, Deletion, deletion_test
from vitcore.inference._explain import Explanation, explain, heatmap
from vitcore.inference._model import load_classifier, load_trust, save_classifier, set_level
from vitcore.inference._trust import USUAL_LEVEL, Trust

__all__ = [
    "DELETED",
    "USUAL_LEVEL",
    "Classifier",
    "Deletion",
    "Explanation",
    "ImageSource",
    "Prediction",
    "Refusal",
    "Trust",
    "deletion_test",
    "explain",
    "heatmap",
    "load_classifier",
    "load_trust",
    "save_classifier",
    "set_level",
]
