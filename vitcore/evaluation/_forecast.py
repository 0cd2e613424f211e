"""Forecasts of the accuracy with more images, extrapolated from a learning curve."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from vitcore.errors import InputError
from vitcore.evaluation._intervals import wilson_interval
from vitcore.messages import NOTHING, Message, message

__all__ = ["Forecast", "class_forecast", "forecast"]

Floats = npt.NDArray[np.float64]

_EXPONENTS = np.linspace(0.05, 2.0, 79)  # of the power law; learning curves lie well within
_DRAWS = 1000  # of the bootstrap
_FEWEST_SIZES = 4  # the power law has three parameters
_FEWEST_JUDGED = 50
_FEWEST_JUDGED_OF_CLASS = 20
_FURTHEST = 5  # times the most images that were learned from
_MOST_OFF = 0.10  # half an interval that still says something of an accuracy
_MOST_OFF_OF_CLASS = 0.15  # and of one class


@dataclass(frozen=True, eq=False, kw_only=True)
class Forecast:
    """A forecast of the accuracy with more images, or the reason why there is none.

    Attributes:
        table: One row per number of images: ``images``, ``accuracy`` (0 … 1), and ``low`` and ``high``,
            its 95 % prediction interval. No rows if there is too little to tell.
        reason: Why there is too little to tell, if so.
    """

    table: pd.DataFrame
    reason: Message = NOTHING

    @property
    def too_few_to_say(self) -> bool:
        """True if there is no forecast."""
        return bool(self.reason)


def forecast(
    points: pd.DataFrame, at: Sequence[int], *, judged: int | None = None, seed: int = 0
) -> Forecast:
    """The accuracy that more training images would bring.

    The error of heads follows a power law of the number n of images they learn from, down to what no
    number of images removes: error = a + b · n^(−c) with a, b ≥ 0 (Cortes et al., "Learning Curves:
    Asymptotic Values and Rate of Convergence", 1993; Hestness et al., "Deep Learning Scaling is
    Predictable, Empirically", 2017). It is fitted by weighted least squares as in Figueroa et al.,
    "Predicting sample size required for classification performance", 2012; here a size weighs as much
    as its error is certain, by the binomial variance.

    The interval holds what luck may do, with the folds drawn anew with replacement and the law fitted
    again (bootstrap), and with the images by which the accuracy will be measured. It is never
    narrower than Wilson's for as many images as judged the heads. It does not hold what makes future
    images different from those at hand.

    ``python -m benchmarks forecast``: made from half of the images, the interval held what all of them
    reached for 10 halves of 10, both of 600 photos of clothes (± 6.5 points) and of the digits (± 0.9).

    Args:
        points: From `vitcore.training.learning_curve_points`: images, repeat, judged, accuracy.
        at: Numbers of training images, up to 5 times the most in `points`.
        judged: How many images the accuracy will be measured on; if None, the interval is that of the
            accuracy itself, as if measured on any number.
        seed: The same seed gives the same interval.

    Raises:
        InputError: `at` is empty or out of its range.
    """
    curve = _Curve(points, "accuracy", seed)
    curve.check(at)
    reason = curve.too_few(_FEWEST_JUDGED)
    if not reason:
        reason = curve.too_vague(max(at), _MOST_OFF)
    rows = [] if reason else [(images, *curve.at(images, judged)) for images in at]
    return Forecast(table=pd.DataFrame(rows, columns=["images", "accuracy", "low", "high"]), reason=reason)


def class_forecast(points: pd.DataFrame, more: int, *, seed: int = 0) -> pd.DataFrame:
    """The recall that more training images of one class alone would bring, for each class.

    As `forecast`, for the share of the class's images that is recognised. It says nothing of the other
    classes: some of what one gains, those it is taken for may lose.

    It takes more than a few images to say: with 30 photos of each kind of clothes, 9 forecasts of 30 were
    not too vague. What 30 more brought was 4 points from these on average, and 7 from no change.

    Args:
        points: From `vitcore.training.class_curve_points`: class, images, repeat, judged, recall.
        more: How many more images of the class, 1 or more, counted from the most in `points`.
        seed: The same seed gives the same intervals.

    Returns:
        One row per class, those that gain most first: ``class`` (number), ``now`` and ``then`` (recall
        by the fitted curve), ``low`` and ``high`` (95 % interval of the recall then), ``gain`` (then −
        now), and ``reason``: why there is too little to tell, with NaN in all the figures, else `NOTHING`.

    Raises:
        InputError: `more` is out of its range.
    """
    if more < 1:
        raise InputError("more is {more}; give 1 or more images.", more=more)
    rows = []
    for number, own in points.groupby("class"):
        curve = _Curve(own, "recall", seed)
        images = curve.most + more
        reason = curve.too_few(_FEWEST_JUDGED_OF_CLASS)
        if not reason and images > _FURTHEST * curve.most:
            reason = message(
                "{images} images are too few to tell what {more} more would bring.",
                images=curve.most,
                more=more,
            )
        if not reason:
            reason = curve.too_vague(images, _MOST_OFF_OF_CLASS)
        now, then, low, high = (np.nan,) * 4 if reason else (curve.at(curve.most)[0], *curve.at(images))
        rows.append((number, now, then, low, high, then - now, reason))
    table = pd.DataFrame(rows, columns=["class", "now", "then", "low", "high", "gain", "reason"])
    return table.sort_values("gain", ascending=False, kind="stable", ignore_index=True)


class _Curve:
    """Power laws through the points: that of all folds, and those of folds drawn anew.

    Args:
        points: One row per size and fold.
        figure: Name of the column with the share of the judged images that was right.
        seed: Of the draws.
    """

    def __init__(self, points: pd.DataFrame, figure: str, seed: int) -> None:
        table = points.sort_values(["repeat", "images"])
        self.sizes = np.unique(table["images"].to_numpy())  # (S,)
        judged = table["judged"].to_numpy().reshape(-1, len(self.sizes))  # (R · S,) -> (R, S)
        wrong = np.nan_to_num(1 - table[figure].to_numpy()).reshape(judged.shape) * judged
        self.most = int(self.sizes[-1])
        self.judged = int(judged[:, -1].sum())
        self._random = np.random.default_rng(seed)
        repeats = len(wrong)
        drawn = self._random.multinomial(repeats, np.full(repeats, 1 / repeats), _DRAWS)  # (B, R)
        drawn = np.concatenate([np.ones((1, repeats), dtype=np.int64), drawn])  # first, each fold once
        self._errors = (drawn @ wrong) / np.maximum(drawn @ judged, 1)  # (1 + B, S)
        # Folds drawn from R of them vary less than new folds would, by this factor.
        self._bessel = np.sqrt(repeats / max(repeats - 1, 1))
        share = (self._errors[0] * self.judged + 1) / (self.judged + 2)  # never exactly 0 or 1
        self._law = _power_laws(self.sizes / self.most, self._errors, 1 / (share * (1 - share)))

    def check(self, at: Sequence[int]) -> None:
        """Refuse sizes that no curve reaches."""
        furthest = _FURTHEST * self.most
        if not at or min(at) < 1 or max(at) > furthest:
            raise InputError(
                "at is {at}; give numbers of images from 1 to {furthest}.",
                at=str(list(at)),
                furthest=furthest,
            )

    def too_few(self, fewest_judged: int) -> Message:
        """Why no law can be fitted, if so."""
        if len(self.sizes) < _FEWEST_SIZES:
            return message(
                "The curve has {sizes} sizes, and a forecast needs {least}.",
                sizes=len(self.sizes),
                least=_FEWEST_SIZES,
            )
        if self.judged < fewest_judged:
            return message(
                "{images} images are too few to judge by; a forecast needs {least}.",
                images=self.judged,
                least=fewest_judged,
            )
        rise = self._errors[0, 0] - self._errors[0, -1]
        spread = self._bessel * np.std(self._errors[1:, 0] - self._errors[1:, -1])
        if rise <= 2 * spread:
            return message(
                "With {images} images it is not clearly better than with {fewer}; what more would bring "
                "cannot "
                "be told.",
                images=self.most,
                fewer=self.sizes[0],
            )
        return NOTHING

    def too_vague(self, images: int, most_off: float) -> Message:
        """Why a forecast would say nothing, if so."""
        _, low, high = self.at(images)
        off = (high - low) / 2
        if off <= most_off:
            return NOTHING
        return message(
            "A forecast for {images} images may be off by {points:.0f} points; more images are needed.",
            images=images,
            points=100 * off,
        )

    def at(self, images: int, judged: int | None = None) -> tuple[float, float, float]:
        """The share that is right, and its 95 % interval, when measured on so many images."""
        a, b, c = self._law
        found = 1 - (a + b * (images / self.most) ** -c)  # (1 + B,)
        share = float(np.clip(found[0], 0, 1))
        drawn = np.clip(share + self._bessel * (found[1:] - found[1:].mean()), 0, 1)
        if judged is not None:
            drawn = self._random.binomial(judged, drawn) / judged
        low, high = np.percentile(drawn, [2.5, 97.5])
        narrowest = wilson_interval(round(share * self.judged), self.judged)
        return share, min(float(low), narrowest[0]), max(float(high), narrowest[1])


def _power_laws(x: Floats, errors: Floats, weights: Floats) -> tuple[Floats, Floats, Floats]:
    """The a, b ≥ 0 and c with the least weighted squares of errors − (a + b · x^(−c)), for each row.

    For a given c the best a and b have a closed form, so only c is searched for, among fixed values
    (variable projection: Golub and Pereyra, 1973).

    Args:
        x: (S,), sizes.
        errors: (B, S), 0 … 1.
        weights: (S,), above 0.

    Returns:
        Three arrays (B,).
    """
    w = weights / weights.sum()
    z = x ** -_EXPONENTS[:, None]  # (K, S)
    mean_z, mean_e = z @ w, (errors @ w)[:, None]  # (K,), (B, 1)
    mean_zz, mean_ez = z**2 @ w, (errors * w) @ z.T  # (K,), (B, K)
    b = np.maximum((mean_ez - mean_e * mean_z) / (mean_zz - mean_z**2), 0)
    a = mean_e - b * mean_z
    b = np.where(a < 0, mean_ez / mean_zz, b)  # of what is allowed, the best has then a = 0
    a = np.maximum(a, 0)
    squares = a**2 + 2 * a * b * mean_z + b**2 * mean_zz - 2 * a * mean_e - 2 * b * mean_ez  # but a constant
    best = squares.argmin(axis=1)
    rows = np.arange(len(errors))
    return a[rows, best], b[rows, best], _EXPONENTS[best]
