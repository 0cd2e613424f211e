"""Turning logits into probabilities that can be taken at their word."""

import math

import numpy as np
import numpy.typing as npt

from vitcore.errors import InputError

__all__ = ["fit_temperature", "scaled_probabilities", "uncorrected_probabilities"]

_LOWEST, _HIGHEST = 0.05, 1000.0


def fit_temperature(logits: npt.NDArray[np.floating], true: npt.NDArray[np.int64]) -> float:
    """Fit the temperature by which logits are divided, so that their softmax is calibrated.

    The temperature of the lowest cross-entropy (Guo et al., "On Calibration of Modern Neural Networks",
    2017). Above 1 it makes predictions less sure, below 1, as after label smoothing, surer; what is
    predicted stays the same.

    Where all predictions are right the cross-entropy falls for ever as the temperature does. So the
    target of the true class is not 1 but (N + 1) / (N + 2), and the rest is spread over the others: 20
    right ones are reason to be about 95 % sure, and not more (J. Platt, "Probabilistic outputs for
    support vector machines", 1999).

    Args:
        logits: (N, C), of images that were not learned from, such as those of `out_of_fold_logits`.
        true: (N,), class numbers.

    Returns:
        0.05 … 1000.

    Raises:
        InputError: No images, or shapes that do not match.
    """
    from scipy.optimize import minimize_scalar

    if not len(true) or logits.ndim != 2 or len(logits) != len(true):
        raise InputError(
            "{count} labels and logits of shape {shape} do not match; give at least one image and (N, C).",
            count=len(true),
            shape=str(logits.shape),
        )
    count, classes = len(true), logits.shape[1]
    targets = np.full((count, classes), 1 / (count + 2) / max(classes - 1, 1))
    targets[np.arange(count), true] = (count + 1) / (count + 2)

    def cross_entropy(log_temperature: float) -> float:
        return -float((targets * _log_softmax(logits, math.exp(log_temperature))).sum()) / count

    # Convex in 1 / temperature, so that there is one minimum.
    bounds = (math.log(_LOWEST), math.log(_HIGHEST))
    found = minimize_scalar(cross_entropy, bounds=bounds, method="bounded")
    return math.exp(float(found.x))


def scaled_probabilities(logits: npt.NDArray[np.floating], temperature: float) -> npt.NDArray[np.float64]:
    """Softmax of the logits divided by a temperature: (N, C) -> (N, C), rows adding up to 1."""
    return np.exp(_log_softmax(logits, temperature))


def uncorrected_probabilities(
    probabilities: npt.NDArray[np.floating], temperature: float
) -> npt.NDArray[np.float64]:
    """Return what probabilities were before their logits were divided by a temperature: (N, C) -> (N, C)."""
    # Their logarithms are the logits, but for a number per row that does not count.
    logits = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))
    return scaled_probabilities(logits, 1 / temperature)


def _log_softmax(logits: npt.NDArray[np.floating], temperature: float) -> npt.NDArray[np.float64]:
    scaled = logits.astype(np.float64) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    logarithms: npt.NDArray[np.float64] = scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True))
    return logarithms
