"""The recall of the label audit."""

import numpy as np

from benchmarks._embedded import EmbeddedSet, embedded_sets
from benchmarks._rows import Row
from benchmarks._setting import Setting
from vitcore.evaluation import rank_labels
from vitcore.training import Hyperparameters, out_of_fold_logits, softmax

__all__ = ["label_audit"]

SEEDS = range(5)
_WRONG = 0.05  # part of the labels
_LOOKED_AT = 0.1  # part of the images


def label_audit(setting: Setting) -> list[Row]:
    """Wrong labels among the first tenth of the ranking, against a ranking by nearest neighbours alone.

    One label in twenty is changed to another class at random; mean over five seeds. Suspects that are
    wrong has no baseline: those that are not are often as hard for the heads.
    """
    rows = []
    for data in embedded_sets(setting):
        found = np.mean([_found(setting, data, seed) for seed in SEEDS], axis=0)
        ours, neighbours, suspects, wrong = 100 * found
        name = f"label-audit: {data.name}"
        rows += [
            Row(name=name, value=ours, unit="% found", baseline=neighbours),
            Row(name=f"{name}, suspects", value=suspects, unit="% found"),
            Row(name=f"{name}, suspects that are wrong", value=wrong, unit="%"),
        ]
    return rows


def _found(setting: Setting, data: EmbeddedSet, seed: int) -> tuple[float, float, float, float]:
    """Shares: found by the rank, by neighbours, and among the suspects; suspects that are wrong."""
    random = np.random.default_rng(seed)
    images, h = len(data.labels), Hyperparameters()
    changed = random.choice(images, round(_WRONG * images), replace=False)
    labels = data.labels.copy()
    labels[changed] += random.integers(1, data.classes, len(changed))
    labels %= data.classes
    logits = out_of_fold_logits(
        data.vectors[:, np.newaxis],  # (N, D) -> (N, 1, D)
        labels,
        data.groups,
        classes=data.classes,
        hyperparameters=h,
        epochs=h.epochs,
        seed=seed,
    )
    table = rank_labels(labels, softmax(logits), data.vectors, data.groups)
    wrong = table["position"].isin(changed)
    first = round(_LOOKED_AT * images)
    by_neighbours = wrong[table["knn_agreement"].argsort(kind="stable")]
    suspects = table["suspect"]
    shares = (
        float(wrong[:first].sum() / len(changed)),
        float(by_neighbours[:first].sum() / len(changed)),
        float(wrong[suspects].sum() / len(changed)),
        float(wrong[suspects].sum() / max(int(suspects.sum()), 1)),
    )
    setting.say(f"  label-audit: {data.name}, seed {seed}, {shares[0]:.1%}, neighbours {shares[1]:.1%}")
    return shares
