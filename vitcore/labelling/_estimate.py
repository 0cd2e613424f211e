"""How good the guesses are by now, from labels most of which were not given at random.

Photos are picked because they are typical, or because they are doubtful. The share of right guesses among
them is therefore not that among all photos: where the typical were picked it is too high, and where the
doubtful were, too low. So some photos of every page are picked at random. They alone say how good the guesses
are on all photos that had no label then; those that had one are counted as they are, each guessed without its
own label. A curve makes the most of the few: it says how often a guess of a certain margin is right, and
only what the random photos are off the curve by has to be estimated from them. That is the difference
estimator (C.-E. Särndal, B. Swensson and J. Wretman, "Model Assisted Survey Sampling", 1992, section 6.3),
which is unbiased whatever the curve; its interval also holds that these photos are but some of all.

What is left is caution. Once a photo has its label, what teaches is picked elsewhere, so that without this
label its surroundings are less well known than those of a new photo: in 50 simulated sessions the estimate
was 0.6 points too low on the mean.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["FEWEST_AT_RANDOM", "Estimate", "estimate_accuracy"]

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FEWEST_AT_RANDOM = 10
Z = 1.959963984540054  # 97.5 % point of the normal distribution
_STEPS = 25  # of Newton's method
_PRIOR = np.array([0.02, 0.05])  # weak pull of the curve towards a flat one
_LIMIT = 4.0  # of the transformed margin
_EXPONENT = 0.5  # of the learning curve


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """The accuracy of the guesses on photos like all of these.

    Attributes:
        accuracy: 0 … 1.
        low: Lower end of its 95 % interval.
        high: Upper end.
        labels: How many labels by people it rests on.
        at_random: How many of them are of photos that were picked at random.
        naive: The share of right guesses among the labelled photos as they are, for comparison.
    """

    accuracy: float
    low: float
    high: float
    labels: int
    at_random: int
    naive: float


def estimate_accuracy(margin: Floats, step: Ints, right: Bools, at_random: Bools) -> Estimate | None:
    """Estimate how often the guesses are right, on photos like all of these.

    Args:
        margin: Of the guess for each photo, (N,), 0 … 1; leave-one-out where it has a label.
        step: When a photo was labelled, (N,), counting up; −1 where it has no label.
        right: Whether the guess is that label, (N,); counts only where there is one.
        at_random: Which photos were picked at random among those that had no label then, (N,).

    Returns:
        None where fewer than 10 photos were picked at random.
    """
    labelled = step >= 0
    audited = labelled & at_random
    if audited.sum() < FEWEST_AT_RANDOM:
        return None
    where = np.minimum(np.arctanh(np.minimum(margin, 0.9999)), _LIMIT)
    expected = _expected(_logistic(where[labelled], right[labelled].astype(np.float64)), where)
    residual = np.where(labelled, right - expected, 0.0)
    # One estimate by each step that picked at random: the photos with a label then are known, and those
    # without are as far off the curve as the ones that were picked from them.
    steps = np.unique(step[audited])
    picked = [audited & (step == one) for one in steps]
    count = np.array([own.sum() for own in picked], dtype=np.float64)  # (S,)
    before = [labelled & (step < one) for one in steps]
    share = np.array([1 - done.mean() for done in before])  # (S,), of the photos that could be picked
    known = np.array([residual[done].sum() / len(step) for done in before])
    drawn = np.array([residual[own].mean() for own in picked])
    weight = count / share**2
    weight /= weight.sum()
    accuracy = min(max(float(expected.mean() + (weight * (known + share * drawn)).sum()), 0.0), 1.0)
    # Of the picking, with a photo's worth of doubt that it may have missed; and of these photos being a few
    # of all that there will ever be.
    usual = accuracy * (1 - accuracy)
    doubt = (np.square(residual[audited]).sum() + 0.25) / (audited.sum() + 1)
    variance = (weight**2 * share**2 * doubt / count).sum() + usual / len(step)
    half = Z * float(np.sqrt(variance))
    return Estimate(
        accuracy=accuracy,
        low=max(accuracy - half, 0.0),
        high=min(accuracy + half, 1.0),
        labels=int(labelled.sum()),
        at_random=int(audited.sum()),
        naive=float(right[labelled].mean()),
    )


def _expected(curve: Floats, where: Floats) -> Floats:
    """Return how often guesses are right: (2,), (N,) -> (N,)."""
    found: Floats = 1 / (1 + np.exp(-(curve[0] + curve[1] * where)))
    return found


def _logistic(where: Floats, right: Floats) -> Floats:
    """Fit a logistic curve by Newton's method: (n,), (n,) -> (2,)."""
    design = np.column_stack([np.ones_like(where), where])  # (n, 2)
    curve = np.zeros(2)
    for _ in range(_STEPS):
        expected = _expected(curve, where)
        slope = (right - expected) @ design - _PRIOR * curve
        bend = (design * (expected * (1 - expected))[:, None]).T @ design + np.diag(_PRIOR)
        curve += np.clip(np.linalg.solve(bend, slope), -2, 2)
    return curve


def errors_with_more(wrong: float, labels: int, more: int) -> float:
    """Return the share of wrong guesses that is to be expected once there are more labels.

    Errors fall as a power of what there is to learn from (J. Hestness et al., "Deep learning scaling is
    predictable, empirically", 2017); the exponent is the one measured for cross-validation, see
    `vitcore.training.remaining_errors`.

    Args:
        wrong: The share now, 0 … 1.
        labels: How many there are, 1 or more.
        more: How many are to come.
    """
    return float(wrong * (labels / (labels + more)) ** _EXPONENT)
