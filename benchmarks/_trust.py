"""Calibration, prediction sets and the detection of unfamiliar photos."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from benchmarks._embedded import embedded
from benchmarks._rows import Row
from benchmarks._setting import Setting
from vitcore.dataset import import_dataset, split_index
from vitcore.evaluation import (
    DoubtRule,
    calibration_noise_floor,
    conformal_threshold,
    coverage_curve,
    expected_calibration_error,
    fit_doubt_rule,
    fit_temperature,
    novelty,
    prediction_sets,
    scaled_probabilities,
    set_coverage,
)
from vitcore.features import embed_images, image_files
from vitcore.training import Hyperparameters, fit_head, out_of_fold_logits

__all__ = ["calibration", "not_sure", "unlike"]

SEEDS = range(5)
_COVERAGE = 0.9
_DIGITS = 100
_MOST_PHOTOS = 0.1  # that may be "not sure" where digits are to be

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Vectors = npt.NDArray[np.float16]


def calibration(setting: Setting) -> list[Row]:
    """Expected calibration error of scaled probabilities, against unscaled ones and against chance alone.

    Mean over five thirds of the photos that were kept back, with the default settings and without label
    smoothing. The temperature comes from the images that were learned from. The noise floor is what a
    model would show by chance on as many images whose probabilities are those of its answers being right.
    """
    rows = []
    for name, smoothing in (("default settings", 0.1), ("no label smoothing", 0.0)):
        errors = []
        for trial in _trials(setting, Hyperparameters(label_smoothing=smoothing)):
            scaled = trial.probabilities(trial.held.vectors)
            unscaled = trial.probabilities(trial.held.vectors, temperature=1.0)
            pair = (expected_calibration_error(trial.held.labels, each) for each in (scaled, unscaled))
            errors.append((*pair, calibration_noise_floor(scaled)))
            setting.say(
                f"  calibration: {name}, temperature {trial.temperature:.2f}, scaled {errors[-1][0]:.3f}, "
                f"unscaled {errors[-1][1]:.3f}, noise floor {errors[-1][2]:.3f}"
            )
        scaled, unscaled, floor = np.mean(errors, axis=0).tolist()
        for compared, baseline in (("unscaled", unscaled), ("the noise floor", floor)):
            rows.append(
                Row(
                    name=f"calibration: {name}, to {compared}",
                    value=scaled,
                    unit="calibration error",
                    baseline=baseline,
                )
            )
    return rows


def not_sure(setting: Setting) -> list[Row]:
    """Measure the coverage of the prediction sets at 90 %, and the share that is answered.

    On five thirds of the photos that were kept back. A photo is answered if its set has one class; the
    accuracy of the answers stands beside that of answering everything.
    """
    found = []
    for trial in _trials(setting, Hyperparameters()):
        own, held = trial.own_probabilities, trial.probabilities(trial.held.vectors)
        sets = prediction_sets(held, conformal_threshold(trial.own.labels, own, _COVERAGE))
        answered = sets.sum(axis=1) == 1
        right = held.argmax(axis=1) == trial.held.labels
        accuracy = right[answered].mean() if answered.any() else np.nan
        found.append((set_coverage(trial.held.labels, sets), answered.mean(), accuracy, right.mean()))
        setting.say(
            f"  not-sure: {found[-1][0]:.1%} of the sets hold the truth, {found[-1][1]:.1%} answered, "
            f"{accuracy:.1%} of these right"
        )
    held_truth = 100 * np.array(found)[:, 0]
    _, answered, accuracy, everything = (100 * np.nanmean(found, axis=0)).tolist()
    name, unit = "not-sure: truth in the set", "% of the photos"
    return [
        *(
            Row(name=f"{name}{which}", value=float(pick(held_truth)), unit=unit, baseline=100 * _COVERAGE)
            for which, pick in (("", np.mean), (", lowest", np.min), (", highest", np.max))
        ),
        Row(name="not-sure: answered", value=answered, unit=unit),
        Row(name="not-sure: right among these", value=accuracy, unit="% accuracy", baseline=everything),
    ]


def unlike(setting: Setting) -> list[Row]:
    """Measure how many digits a model of the photos is not sure of, at nine in ten photos sure.

    At the highest level at which at most 10 % of the photos that were validated with are "not sure", for
    whatever reason. Beside the digits stand the photos that were kept back. Mean and worst of five.
    """
    trials = list(_trials(setting, Hyperparameters()))
    workspace = setting.workspace()
    digits = import_dataset(setting.digit_files(_DIGITS), workspace=workspace)
    shown = embed_images(setting.embedder(workspace), image_files(digits, digits.index)).vectors[:, 0]
    found = []
    for trial in trials:
        rule = fit_doubt_rule(trial.own.labels, trial.own_probabilities, trial.own_novelty)
        validated = trial.validation.vectors
        curve = coverage_curve(
            rule, trial.validation.labels, trial.probabilities(validated), trial.novelty(validated)
        )
        level = curve["level"][curve["coverage"] >= 1 - _MOST_PHOTOS].max()
        shares = [trial.not_sure(vectors, rule, level) for vectors in (shown, trial.held.vectors)]
        found.append(shares)
        setting.say(
            f"  unlike: level {level:.2f}, not sure of digits {shares[0]:.1%}, photos {shares[1]:.1%}"
        )
    of_digits, of_photos = (100 * np.array(found)).T
    return [
        Row(
            name=f"unlike: not sure of digits{which}",
            value=float(of_digits[chosen].mean()),
            unit="% of the images",
            baseline=float(of_photos[chosen].mean()),
        )
        for which, chosen in (("", slice(None)), (", worst", [of_digits.argmin()]))
    ]


@dataclass(frozen=True, eq=False, kw_only=True)
class _Part:
    """Some photos: (N, D), (N,) class numbers, (N,) groups."""

    vectors: Vectors
    labels: Ints
    groups: Ints


class _Trial:
    """A head, as the app would train it, and photos it has nothing to do with.

    Args:
        own: What it learns from; the temperature and the rule come from these, too.
        validation: What its epoch is picked by.
        held: A third of all photos, kept back from all that.
        classes: Number of classes C.
        h: How to train.
    """

    def __init__(
        self, own: _Part, validation: _Part, held: _Part, *, classes: int, h: Hyperparameters
    ) -> None:
        self.own, self.validation, self.held = own, validation, held
        views = own.vectors[:, np.newaxis]  # (N, D) -> (N, 1, D)
        result = fit_head(
            views, own.labels, validation.vectors, validation.labels, classes=classes, hyperparameters=h
        )
        self._head = result.head
        logits = out_of_fold_logits(
            views,
            own.labels,
            own.groups,
            classes=classes,
            hyperparameters=h,
            epochs=result.best_epoch,
            seed=h.seed,
        )
        self.temperature = fit_temperature(logits, own.labels)
        self.own_probabilities = scaled_probabilities(logits, self.temperature)
        self.own_novelty = novelty(own.vectors, own.vectors, groups=(own.groups, own.groups))

    def probabilities(self, vectors: Vectors, temperature: float | None = None) -> Floats:
        """(N, D) -> (N, C), scaled by the own temperature if none is given."""
        return scaled_probabilities(self._head.logits(vectors), temperature or self.temperature)

    def novelty(self, vectors: Vectors) -> Floats:
        """(N, D) -> (N,)."""
        return novelty(vectors, self.own.vectors)

    def not_sure(self, vectors: Vectors, rule: DoubtRule, level: float) -> float:
        """Share of the images that are not answered."""
        verdicts = rule.judge(self.probabilities(vectors), self.novelty(vectors), level)
        return 1 - float(verdicts.sure.mean())


def _trials(setting: Setting, h: Hyperparameters) -> Iterator[_Trial]:
    """One per seed: two thirds of the photos, divided as the app does, and one third kept back."""
    dataset, workspace = setting.photo_dataset()
    photos = embedded(setting, "photos", dataset, workspace)
    rows = dataset.index.assign(split="")  # whatever split came with it
    for seed in SEEDS:
        held = (
            split_index(rows, validation_fraction=1 / 3, seed=seed, groups=photos.groups) == "validation"
        ).to_numpy()
        rest = np.flatnonzero(~held)
        split = split_index(rows.iloc[rest], seed=seed, groups=photos.groups[rest]).to_numpy()
        own, validation = rest[split == "train"], rest[split == "validation"]
        parts = (
            _Part(vectors=photos.vectors[part], labels=photos.labels[part], groups=photos.groups[part])
            for part in (own, validation, np.flatnonzero(held))
        )
        yield _Trial(*parts, classes=len(dataset.classes), h=replace(h, seed=seed))
