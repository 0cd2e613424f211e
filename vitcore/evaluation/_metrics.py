"""Metrics as pure functions of a confusion matrix or of probabilities.

A confusion matrix is (C, C) with the true classes as rows and the predicted ones as columns.
"""

import numpy as np
import numpy.typing as npt

from vitcore.errors import InputError

__all__ = [
    "accuracy",
    "balanced_accuracy",
    "cohen_kappa",
    "confusion_matrix",
    "expected_calibration_error",
    "log_loss",
    "macro_f1",
    "precision_recall_f1",
    "top_3_accuracy",
]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_SMALLEST = float(np.finfo(np.float64).eps)


def check_shapes(true: Ints, probabilities: Floats, classes: int) -> None:
    """Refuse what are not the labels of at least one image, (N,), and its probabilities, (N, C).

    Raises:
        InputError: No images, or shapes that do not match.
    """
    if not len(true) or true.ndim != 1 or probabilities.shape != (len(true), classes):
        raise InputError(
            "Labels of shape {labels} and probabilities of shape {shape} do not match; give at least one "
            "image, as (N,) and (N, {classes}).",
            labels=str(true.shape),
            shape=str(probabilities.shape),
            classes=classes,
        )


def confusion_matrix(true: Ints, predicted: Ints, classes: int) -> Ints:
    """Return the confusion matrix, true classes as rows: (N,), (N,) -> (C, C).

    Raises:
        InputError: The two differ in length, or hold a number that is not a class.
    """
    if true.shape != predicted.shape or true.ndim != 1:
        raise InputError(
            "Labels of shape {labels} and {predicted} do not match; give (N,) twice.",
            labels=str(true.shape),
            predicted=str(predicted.shape),
        )
    for labels in (true, predicted):
        if len(labels) and not (labels.min() >= 0 and labels.max() < classes):
            raise InputError("A label is outside 0 … {last}; give class numbers.", last=classes - 1)
    return np.bincount(true * classes + predicted, minlength=classes**2).reshape(classes, classes)


def accuracy(confusion: Ints) -> float:
    """Share of images whose class was predicted, 0 … 1; NaN without images."""
    total = confusion.sum()
    return float(np.trace(confusion) / total) if total else float("nan")


def balanced_accuracy(confusion: Ints) -> float:
    """Mean over the classes that occur of the share that was recognised, 0 … 1; NaN without images.

    Brodersen et al., "The balanced accuracy and its posterior distribution", 2010.
    """
    support = confusion.sum(axis=1)
    present = support > 0
    return float(np.mean(np.diag(confusion)[present] / support[present])) if present.any() else float("nan")


def cohen_kappa(confusion: Ints) -> float:
    """Agreement beyond chance: 1 perfect, 0 as good as guessing, down to −1.

    (p_o − p_e) / (1 − p_e) of J. Cohen, "A coefficient of agreement for nominal scales", 1960. NaN
    where it is not defined: without images, or when truth and prediction are one and the same class
    throughout.
    """
    total = confusion.sum()
    if not total:
        return float("nan")
    expected = confusion.sum(axis=1) @ confusion.sum(axis=0) / total**2
    if expected == 1:
        return float("nan")
    return float((np.trace(confusion) / total - expected) / (1 - expected))


def precision_recall_f1(confusion: Ints) -> tuple[Floats, Floats, Floats]:
    """Precision, recall and F1 of each class, 0 where not defined: (C, C) -> three of (C,)."""
    hits = np.diag(confusion).astype(np.float64)
    support, predicted = confusion.sum(axis=1), confusion.sum(axis=0)
    precision = hits / np.maximum(predicted, 1)
    recall = hits / np.maximum(support, 1)
    f1 = 2 * hits / np.maximum(support + predicted, 1)
    return precision, recall, f1


def macro_f1(confusion: Ints) -> float:
    """Mean F1 over the classes that occur or were predicted, 0 … 1; NaN without images."""
    seen = (confusion.sum(axis=1) + confusion.sum(axis=0)) > 0
    return float(precision_recall_f1(confusion)[2][seen].mean()) if seen.any() else float("nan")


def log_loss(true: Ints, probabilities: Floats) -> float:
    """Mean of −ln(probability of the true class), in nats; lower is better, ln C is guessing.

    Args:
        true: (N,), class numbers.
        probabilities: (N, C), rows adding up to 1; clipped away from 0 by the machine epsilon.
    """
    return float(log_losses(true, probabilities).mean()) if len(true) else float("nan")


def log_losses(true: Ints, probabilities: Floats) -> Floats:
    """The log loss of each image, in nats: (N,), (N, C) -> (N,)."""
    chosen = probabilities[np.arange(len(true)), true]
    losses: Floats = -np.log(np.clip(chosen, _SMALLEST, 1.0))
    return losses


def top_3_accuracy(true: Ints, probabilities: Floats) -> float:
    """Share of images whose class is among the three most probable ones, 0 … 1; NaN without images.

    Of equally probable classes the first ones count, as they do for the prediction.

    Args:
        true: (N,), class numbers.
        probabilities: (N, C).
    """
    return float(in_top_3(true, probabilities).mean()) if len(true) else float("nan")


def in_top_3(true: Ints, probabilities: Floats) -> npt.NDArray[np.bool_]:
    """Mark the images whose class is among their three most probable ones: (N,), (N, C) -> (N,)."""
    top = np.argsort(-probabilities, axis=1, kind="stable")[:, :3]
    hits: npt.NDArray[np.bool_] = (top == true[:, np.newaxis]).any(axis=1)
    return hits


def expected_calibration_error(true: Ints, probabilities: Floats, bins: int = 10) -> float:
    """Return the expected calibration error, 0 … 1; NaN without images.

    The images are sorted by the confidence of their prediction and cut into bins of equal count,
    equal confidences staying together; the result is the mean of |accuracy − mean confidence| over
    the bins, weighted by their counts (Nguyen and O'Connor, "Posterior calibration and exploratory
    analysis", 2015).

    Args:
        true: (N,), class numbers.
        probabilities: (N, C).
        bins: Number of bins; fewer where there are fewer images.
    """
    if not len(true):
        return float("nan")
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == true
    return calibration_error(confidence, right, equal_count_bins(confidence, bins))


def equal_count_bins(confidence: Floats, bins: int) -> Ints:
    """The number of the bin that each image falls into, by confidence: (N,) -> (N,).

    The bins hold about as many images each; equal confidences stay together, so some may be empty.
    """
    _, group, sizes = np.unique(confidence, return_inverse=True, return_counts=True)
    # A group of equal confidences goes into the bin in which its middle lies.
    middle = np.cumsum(sizes) - sizes / 2
    numbers: Ints = (middle * min(bins, len(confidence)) / len(confidence)).astype(np.int64)[group]
    return numbers


def calibration_error(confidence: Floats, right: npt.NDArray[np.bool_], in_bin: Ints) -> float:
    """Mean over the images of |accuracy − mean confidence| of their bin: three of (N,) -> 0 … 1."""
    gaps = np.bincount(in_bin, weights=right - confidence)  # per bin, already times its count
    return float(np.abs(gaps).sum() / len(confidence))
