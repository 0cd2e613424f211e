"""The coverage of the 95 % intervals of the metrics."""

import math
from collections import defaultdict
from itertools import product

import numpy as np
import numpy.typing as npt

from benchmarks._rows import Row
from benchmarks._setting import Setting
from vitcore.evaluation import evaluate

__all__ = ["coverage", "intervals"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

IMAGES = (60, 120, 250, 500)
CLASSES = (2, 3, 5, 10)
POPULATIONS = 20
SETS = 100  # of each population
_POOL = 50_000  # images of a population


def intervals(setting: Setting) -> list[Row]:
    """Measure how often the 95 % intervals of the metrics hold the true value, in sets of 60 to 500 images.

    The sets are drawn from populations of 2 to 10 classes whose metrics are known. Beside the mean stand
    the lowest and the highest share among all pairs of a number of images and a number of classes, for
    sets drawn class by class, as a split is, and for sets drawn at random. The intervals make no use of the
    former, so that they then are a little too wide.
    """
    shares = defaultdict(list)
    for images, classes, by_class in product(IMAGES, CLASSES, (True, False)):
        found = coverage(images, classes, by_class=by_class, populations=POPULATIONS, sets=SETS)
        for name, share in found.items():
            shares[name].append(100 * share)
        drawn = "by class" if by_class else "at random"
        lowest, highest = min(found, key=found.__getitem__), max(found, key=found.__getitem__)
        setting.say(
            f"  intervals: {images} images of {classes} classes drawn {drawn}, "
            f"{lowest} {found[lowest]:.1%} to {highest} {found[highest]:.1%}"
        )
    return [
        Row(name=f"intervals: {name}{what}", value=float(pick(values)), unit="% covered", baseline=95.0)
        for name, values in shares.items()
        for what, pick in (("", np.mean), (", lowest", np.min), (", highest", np.max))
    ]


def coverage(
    images: int, classes: int, *, by_class: bool, populations: int, sets: int, seed: int = 0
) -> dict[str, float]:
    """Share of the validation sets whose interval holds the metric of the population, by metric.

    Args:
        images: In a set.
        classes: In a population.
        by_class: Draw as many images of each class as are due to it, instead of any images among which
            every class occurs.
        populations: How many populations to draw from.
        sets: How many sets to draw from each.
        seed: The same seed draws the same.
    """
    random = np.random.default_rng([seed, images, classes, by_class])
    names = [str(number) for number in range(classes)]
    held: defaultdict[str, list[bool]] = defaultdict(list)
    for _ in range(populations):
        true, probabilities = _population(classes, random)
        truth = evaluate(true, probabilities, names).metrics
        for _ in range(sets):
            rows = _by_class(true, images, random) if by_class else _at_random(true, images, random)
            for name, metric in evaluate(true[rows], probabilities[rows], names).metrics.items():
                if not math.isnan(metric.low):
                    held[name].append(metric.low <= truth[name].value <= metric.high)
    return {name: float(np.mean(values)) for name, values in held.items()}


def _population(classes: int, random: np.random.Generator) -> tuple[Ints, Floats]:
    """Labels, in order, and probabilities such as a head gives, of many images: (N,), (N, C).

    Classes are not equally frequent, nor equally hard; some pairs are alike. Between 55 and 97 % are
    right, with anything from modest to far too high confidence.
    """
    shares = np.maximum(random.dirichlet(np.full(classes, 3.0)), 0.4 / classes)
    true = np.sort(random.choice(classes, _POOL, p=shares / shares.sum()))
    alike = random.normal(0, 0.7, (classes, classes))
    scores = random.normal(size=(_POOL, classes)) + alike[true]
    own = np.eye(classes, dtype=bool)[true]
    lead = np.where(own, -np.inf, scores).max(axis=1) - scores[own]
    scores[own] += np.quantile(lead, random.uniform(0.55, 0.97))
    powers = np.exp(scores * random.uniform(0.7, 2.0))
    return true, powers / powers.sum(axis=1, keepdims=True)


def _by_class(true: Ints, images: int, random: np.random.Generator) -> Ints:
    sizes = np.bincount(true)
    due = np.maximum(np.round(sizes * images / len(true)).astype(np.int64), 1)
    ends = np.cumsum(sizes)
    return random.integers(np.repeat(ends - sizes, due), np.repeat(ends, due))


def _at_random(true: Ints, images: int, random: np.random.Generator) -> Ints:
    while True:
        rows = random.integers(0, len(true), images)
        if np.bincount(true[rows], minlength=true[-1] + 1).all():
            return rows
