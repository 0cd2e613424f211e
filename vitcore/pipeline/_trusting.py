"""Finding out how far the answers of a head can be trusted, from images that it did not learn from."""

import numpy as np
import numpy.typing as npt

from vitcore.evaluation import fit_doubt_rule, fit_temperature, scaled_probabilities
from vitcore.inference import USUAL_LEVEL, Trust
from vitcore.pipeline._material import TrainingData
from vitcore.pipeline._novelty import fit_novelty
from vitcore.training import CrossValidated, FitResult

__all__ = ["fit_trust"]

_MOST_REFERENCES = 5000  # of length 2304 they take 23 MB


def fit_trust(
    data: TrainingData, result: FitResult, answers: CrossValidated | None
) -> tuple[Trust, npt.NDArray[np.float64]]:
    """Fit the temperature and the rule of doubt, from answers of heads that did not learn from the images.

    Without a cross-validation the validation images stand in; what they then say of the doubt is a little
    too good, for they chose the best epoch.

    Args:
        data: What the head learned from.
        result: How the training ended.
        answers: Of the cross-validation, if there was one.

    Returns:
        The trust, and the novelty of all images, (N,): each compared with others than those of its group.
    """
    chosen = _references(data.training_truth, data.hyperparameters.seed)
    references = np.asarray(data.vectors[data.train][chosen])
    probes, distances = fit_novelty(data, references, chosen)
    if answers is None:
        rows = data.validation
        logits = result.head.logits(data.vectors[rows])
    else:
        rows, logits = np.arange(len(data.truth)), answers.logits
    truth = data.truth[rows]
    temperature = fit_temperature(logits, truth)
    rule = fit_doubt_rule(truth, scaled_probabilities(logits, temperature), distances[rows])
    trust = Trust(temperature=temperature, rule=rule, level=USUAL_LEVEL, references=references, probes=probes)
    return trust, distances


def _references(truth: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.int64]:
    """Positions of the training images to compare new ones with: all, or as many as are worth it.

    Every class keeps its share, and at least one image.
    """
    if len(truth) <= _MOST_REFERENCES:
        return np.arange(len(truth))
    shuffled = np.random.default_rng(seed).permutation(len(truth))
    ordered = shuffled[np.argsort(truth[shuffled], kind="stable")]
    # Equally spaced along the images sorted by class.
    spaced = np.linspace(0, len(truth) - 1, _MOST_REFERENCES).round().astype(np.int64)
    firsts = np.flatnonzero(np.append(True, np.diff(truth[ordered]) != 0))
    return np.sort(ordered[np.union1d(spaced, firsts)])
