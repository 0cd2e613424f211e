"""Finding out how far the answers of a head can be trusted, from images that it did not learn from."""

import numpy as np
import numpy.typing as npt

from vitcore.errors import SettingsError, Stopped
from vitcore.evaluation import DoubtRule, fit_doubt_rule, fit_temperature, scaled_probabilities
from vitcore.inference import USUAL_LEVEL, Trust
from vitcore.pipeline._material import TrainingData
from vitcore.pipeline._novelty import fit_novelty
from vitcore.progress import Task
from vitcore.training import FitResult, out_of_fold_logits

__all__ = ["fit_trust"]

_MOST_REFERENCES = 5000  # of length 2304 they take 23 MB
_FOLDS = 5


def fit_trust(data: TrainingData, result: FitResult, task: Task) -> Trust:
    """Fit the temperature and the rule of doubt, from the training images alone.

    Each of them is judged by a head that learned from the others. Where there are no such heads, for
    the training was stopped or the loss of one grew beyond all bounds, the validation images stand in;
    what they then say of the doubt is a little too good.

    Args:
        data: What the head learned from.
        result: How the training ended.
        task: What stops it.
    """
    h = data.hyperparameters
    training, groups = data.vectors[data.train], data.groups[data.train]
    chosen = _references(data.training_truth, h.seed)
    references = np.asarray(training[chosen])
    rows, logits = data.train, None
    if result.outcome == "complete":
        try:
            logits = out_of_fold_logits(
                data.training,
                data.truth[rows],
                groups,
                classes=len(data.classes),
                hyperparameters=h,
                epochs=result.best_epoch,
                folds=_FOLDS,
                seed=h.seed,
                device=data.device,
                stop=task.stop,
            )
        except (SettingsError, Stopped):
            logits = None
    if logits is None:
        rows = data.validation
        logits = result.head.logits(data.vectors[rows])
    probes, distances = fit_novelty(data, references, chosen)
    truth = data.truth[rows]
    temperature = fit_temperature(logits, truth)
    rule: DoubtRule = fit_doubt_rule(truth, scaled_probabilities(logits, temperature), distances[rows])
    return Trust(temperature=temperature, rule=rule, level=USUAL_LEVEL, references=references, probes=probes)


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
