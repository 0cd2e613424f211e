"""Using a trained classifier on new images."""

from vitcore.inference._classifier import Classifier, ImageSource, Prediction, Refusal
from vitcore.inference._model import load_classifier, save_classifier

__all__ = [
    "Classifier",
    "ImageSource",
    "Prediction",
    "Refusal",
    "load_classifier",
    "save_classifier",
]
