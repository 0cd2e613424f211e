"""Using a trained classifier on new images."""

from vitcore.inference._classifier import Classifier, ImageSource, Prediction, Refusal
from vitcore.inference._model import load_classifier, load_trust, save_classifier, set_level
from vitcore.inference._trust import USUAL_LEVEL, Trust

__all__ = [
    "USUAL_LEVEL",
    "Classifier",
    "ImageSource",
    "Prediction",
    "Refusal",
    "Trust",
    "load_classifier",
    "load_trust",
    "save_classifier",
    "set_level",
]
