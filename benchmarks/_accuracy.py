"""The accuracy of the settings on offer, on photos."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from benchmarks._embedded import embedded
from benchmarks._rows import Row
from benchmarks._setting import PassCounter, Setting
from vitcore.compute import Compute
from vitcore.dataset import Dataset
from vitcore.pipeline import train
from vitcore.progress import Task
from vitcore.runs import Run
from vitcore.training import PRESETS, Hyperparameters
from vitcore.workspace import Workspace

__all__ = ["accuracy_balanced", "views"]

SEEDS = range(5)
_STRENGTHS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
_FOLDS = 5


def accuracy_balanced(setting: Setting) -> list[Row]:
    """Accuracy of the preset "balanced", against scikit-learn.

    Mean over five splits of the photos. The baseline is a logistic regression on the same embeddings,
    standardised, its strength chosen by cross-validation in the training part.
    """
    dataset, workspace = setting.photo_dataset()
    data = _PhotoSet(setting, dataset, workspace)
    preset, baseline = [], []
    for seed in SEEDS:
        h = replace(PRESETS["balanced"].hyperparameters, seed=seed)
        run = train(dataset, h, compute=Compute(setting.backbone), workspace=workspace)
        preset.append(run.evaluation.accuracy)
        learned, judged = data.parts(run)
        baseline.append(data.logistic_regression(learned, judged, seed))
        setting.say(
            f"  accuracy-balanced: split {seed}, balanced {preset[-1]:.1%}, scikit-learn {baseline[-1]:.1%}"
        )
    return _compared("accuracy-balanced", preset, baseline)


def views(setting: Setting) -> list[Row]:
    """Accuracy of four views per photo against one, and what a second training with views embeds anew.

    Mean over five splits of the photos.
    """
    dataset, workspace = setting.photo_dataset()

    def run(h: Hyperparameters, counter: PassCounter | None = None) -> Run:
        return train(dataset, h, compute=Compute(setting.backbone), workspace=workspace, task=Task(counter))

    one, four = [], []
    for seed in SEEDS:
        one.append(run(Hyperparameters(seed=seed)).evaluation.accuracy)
        four.append(run(Hyperparameters(seed=seed, views=4)).evaluation.accuracy)
        setting.say(f"  views: split {seed}, one {one[-1]:.1%}, four {four[-1]:.1%}")
    counter = PassCounter()
    again = run(Hyperparameters(seed=SEEDS[0], views=4, learning_rate=3e-4), counter)
    used = 4 * again.config.images.train + again.config.images.validation
    return [
        *_compared("views", four, one),
        Row(name="views: embedded again", value=counter.passes, unit="images", baseline=used),
    ]


def _compared(name: str, ours: Sequence[float], baseline: Sequence[float]) -> list[Row]:
    """Mean accuracies, and their difference."""
    value, base = 100 * float(np.mean(ours)), 100 * float(np.mean(baseline))
    return [
        Row(name=name, value=value, unit="% accuracy", baseline=base),
        Row(name=f"{name}, difference", value=value - base, unit="points"),
    ]


class _PhotoSet:
    """The embeddings of a dataset, as scikit-learn wants them."""

    def __init__(self, setting: Setting, dataset: Dataset, workspace: Workspace) -> None:
        self._rows = dataset.index
        self._all = embedded(setting, "photos", dataset, workspace)

    def parts(self, run: Run) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Positions of the images that a run learned from, and of those it was judged on."""
        judged = self._rows["image_id"].isin(run.predictions["image_id"]).to_numpy()
        # Nobody learns from the test part of a ready-made split.
        learned = ~judged & (self._rows["split"] != "test").to_numpy()
        return np.flatnonzero(learned), np.flatnonzero(judged)

    def logistic_regression(
        self, learned: npt.NDArray[np.int64], judged: npt.NDArray[np.int64], seed: int
    ) -> float:
        """Accuracy of scikit-learn's, with its strength chosen by cross-validation in the training part."""
        from sklearn.decomposition import PCA
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import GridSearchCV, StratifiedKFold
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        vectors, truth = self._all.vectors.astype(np.float32), self._all.labels
        # All components are kept: this turns the axes, and drops those along which no training image
        # lies. The solution stays the same, and is found six times faster.
        turned = make_pipeline(StandardScaler(), PCA()).fit(vectors[learned])
        folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
        chosen = GridSearchCV(LogisticRegression(max_iter=1000), {"C": _STRENGTHS}, cv=folds)
        chosen.fit(turned.transform(vectors[learned]), truth[learned])
        return float(chosen.score(turned.transform(vectors[judged]), truth[judged]))
