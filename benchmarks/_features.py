"""Which vectors and which head recognise most: several real sets, from few photos per class to all."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import get_args

import numpy as np
import numpy.typing as npt
import torch
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA

from benchmarks._embedded import EmbeddedSet, embedded, real_sets
from benchmarks._rows import Row
from benchmarks._setting import Setting
from vitcore.backbone import Reading
from vitcore.fitting import Fit
from vitcore.folds import deal_folds
from vitcore.training import Hyperparameters, fit_heads

__all__ = ["features"]

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Pair = tuple[str, str]
"""The names of vectors and of a head."""
Head = Callable[[Floats, Ints, Floats, int], Ints]
"""Learns from vectors (N, D) and labels (N,), and answers others (M, D), of so many classes: (M,)."""

_SIZES = (5, 10, 20, 50, 100, 150)  # photos per class to learn from, and at last all
_FOLDS = 5
_DRAWS, _FEW = 5, 20  # of which photos are learned from, for the gain with so few per class
_FORMER = Reading(blocks=(8, 10, 12))
_DEFAULT = Reading(blocks=(8, 10, 12), spread=(8, 10, 12))
_WHOLE = Reading(blocks=tuple(range(4, 13)), spread=(8, 10, 12))
_READINGS: Mapping[str, Reading] = {
    "blocks 8, 10, 12": _FORMER,
    "with their spread": _DEFAULT,
    "blocks 4 to 12 with spread": _WHOLE,
}
_OLD = ("blocks 8, 10, 12", "standardised, sgd")
_NEW = ("with their spread", "drawn to LDA")


def features(setting: Setting) -> list[Row]:
    """Accuracy by vectors and head, on parts of real sets, beside the vectors and the head of before.

    Mean over five splits, each photo being judged once, by heads that learned from the others and of which
    none was chosen by it; the gain with few photos, which depends on which these are, is the mean over five
    draws of them, 25 splits. The interval is that of the paired differences. The baseline is one linear layer
    on the standardised class token and patch mean of blocks 8, 10 and 12, trained by AdamW from zero, as it
    was before; the default is drawn to the solution of LDA, on these and the maximum and deviation over the
    patches. Beside the photos it takes the sets of requirements-benchmarks.txt where they are installed. Of
    the photos alone it also says what the ways to fit them to the input come to.
    """
    rows: list[Row] = []
    gains: list[float] = []
    for found in real_sets(replace(setting, reading=_WHOLE)):
        columns = {name: _columns(reading, found.vectors.shape[1]) for name, reading in _READINGS.items()}
        fold = deal_folds(found.labels, found.groups, _FOLDS, seed=0)
        for size in _sizes(found, fold):
            hits = _hits(found, fold, columns, product(columns, _HEADS), size=size)
            name = f"features: {found.name}, {f'{size} per class' if size else 'all'}"
            base = 100 * hits[_OLD].mean()
            rows += [
                Row(name=f"{name}, {vectors}, {head}", value=100 * own.mean(), unit="%", baseline=base)
                for (vectors, head), own in hits.items()
            ]
            draws = [hits] + [
                _hits(found, fold, columns, (_OLD, _NEW), size=size, draw=draw)
                for draw in range(1, _DRAWS if 0 < size <= _FEW else 1)
            ]
            gain = 100 * np.mean([own[_NEW] - own[_OLD] for own in draws], axis=0)
            half = 1.96 * float(gain.std(ddof=1)) / len(gain) ** 0.5
            gains.append(float(gain.mean()))
            for what, value in (("gain", 0.0), ("gain, low", -half), ("gain, high", half)):
                rows.append(Row(name=f"{name}, {what}", value=gains[-1] + value, unit="points"))
            setting.say(f"  {name}: {base:.1f} %, gain {gains[-1]:+.1f} (± {half:.1f}) points")
    return [
        *rows,
        Row(name="features: gain, mean of all", value=float(np.mean(gains)), unit="points"),
        Row(name="features: gain, lowest of all", value=min(gains), unit="points"),
        *(_fittings(setting) if setting.photos is not None else []),
    ]


def _fittings(setting: Setting) -> Iterator[Row]:
    """Accuracy on all photos by how they are fitted to the input, with the default vectors and head."""
    default: Fit = "by shape"
    accuracies: dict[Fit, float] = {}
    for fit in get_args(Fit):
        own = replace(setting, reading=_DEFAULT, fit=fit)
        found = embedded(own, "photos", *own.photo_dataset())
        fold = deal_folds(found.labels, found.groups, _FOLDS, seed=0)
        columns = {_NEW[0]: np.arange(found.vectors.shape[1])}
        accuracies[fit] = 100 * float(_hits(found, fold, columns, [_NEW], size=0)[_NEW].mean())
    for fit, accuracy in accuracies.items():
        name = f"features: photos, all, fitted: {fit}"
        yield Row(name=name, value=accuracy, unit="%", baseline=accuracies[default])


def _sizes(found: EmbeddedSet, fold: Ints) -> list[int]:
    """Photos per class to learn from, which every class has outside of each fold, and 0 for all there are."""
    outside = [np.bincount(found.labels[fold != number], minlength=found.classes) for number in range(_FOLDS)]
    return [*(size for size in _SIZES if size < np.min(outside)), 0]


def _hits(
    found: EmbeddedSet,
    fold: Ints,
    columns: Mapping[str, Ints],
    pairs: Iterable[Pair],
    *,
    size: int,
    draw: int = 0,
) -> dict[Pair, Floats]:
    """For vectors and heads, 1 for each photo that is recognised and 0 for others: (N,).

    Args:
        found: The set.
        fold: (N,), the fold in which a photo is judged.
        columns: Of the vectors, by their name.
        pairs: Names of vectors and heads.
        size: Photos per class to learn from; 0 for all.
        draw: Which are taken.
    """
    order = np.random.default_rng(draw).permutation(len(found.labels))
    hits = {pair: np.zeros(len(fold), dtype=np.float32) for pair in pairs}
    for number in range(_FOLDS):
        pool, judged = order[fold[order] != number], np.flatnonzero(fold == number)
        learned = _of_each_class(pool, found.labels, size) if size else pool
        for (vectors, head), whole in hits.items():
            x, t = _standardised(found.vectors[:, columns[vectors]], learned, judged)
            answers = _HEADS[head](x, found.labels[learned], t, found.classes)
            whole[judged] = answers == found.labels[judged]
    return hits


def _of_each_class(pool: Ints, labels: Ints, size: int) -> Ints:
    return np.concatenate([pool[labels[pool] == label][:size] for label in np.unique(labels[pool])])


def _standardised(vectors: npt.NDArray[np.float16], learned: Ints, judged: Ints) -> tuple[Floats, Floats]:
    x, t = vectors[learned].astype(np.float32), vectors[judged].astype(np.float32)
    mean, std = x.mean(axis=0), x.std(axis=0)
    std[std < 1e-6] = 1
    return (x - mean) / std, (t - mean) / std


# --- heads ---------------------------------------------------------------------------------------


def _plain(x: Floats, labels: Ints, t: Floats, classes: int) -> Ints:
    """One linear layer, trained by AdamW from zero for 20 epochs: the default of before."""
    epochs, size = 20, 32
    layer = torch.nn.Linear(x.shape[1], classes)
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=1e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * -(-len(x) // size))
    random = np.random.default_rng(0)
    inputs, targets = torch.from_numpy(x), torch.from_numpy(labels)
    for _ in range(epochs):
        for batch in torch.from_numpy(random.permutation(len(x))).split(size):
            optimizer.zero_grad()
            logits = layer(inputs[batch])
            torch.nn.functional.cross_entropy(logits, targets[batch], label_smoothing=0.1).backward()
            optimizer.step()
            schedule.step()
    with torch.no_grad():
        return layer(torch.from_numpy(t)).argmax(dim=1).numpy()


def _ours(h: Hyperparameters) -> Head:
    """The head of the last epoch, which nothing chose."""

    def answer(x: Floats, labels: Ints, t: Floats, classes: int) -> Ints:
        everything = np.concatenate([x, t])
        learned, judged = np.arange(len(x)), np.arange(len(x), len(everything))
        truth = np.concatenate([labels, np.zeros(len(t), dtype=np.int64)])  # of the judged: not looked at
        [found] = fit_heads(
            everything[:, None],
            truth,
            [(learned, judged)],
            classes=classes,
            hyperparameters=h,
            keep="last",
        )
        return found.head.logits(t).argmax(axis=1)

    return answer


def _whitened(x: Floats, labels: Ints, t: Floats, classes: int) -> Ints:
    """The head of before, in axes of the span of the vectors along which every class spreads alike."""
    span = PCA(svd_solver="full").fit(x)
    turned, judged = span.transform(x), span.transform(t)
    means = np.zeros((classes, turned.shape[1]))
    for label in np.unique(labels):
        means[label] = turned[labels == label].mean(axis=0)
    found = LedoitWolf(assume_centered=True).fit(turned - means[labels])
    root = np.linalg.cholesky(found.precision_).astype(np.float32)
    return _plain(turned @ root, labels, judged @ root, classes)


_HEADS: Mapping[str, Head] = {
    "standardised, sgd": _plain,
    "whitened, sgd": _whitened,
    "LDA": _ours(Hyperparameters(optimizer="lda", epochs=1)),
    "drawn to LDA": _ours(Hyperparameters()),
}


# --- vectors --------------------------------------------------------------------------------------


def _columns(reading: Reading, dimension: int) -> Ints:
    """Where the numbers of a reading are among those of the whole one, which are so many."""
    width = dimension // _WHOLE.numbers(1, class_token=True)
    kept: list[Ints] = []
    start = 0
    for block in _WHOLE.tokens_of:
        for there, wanted in ((_WHOLE.blocks, reading.blocks), (_WHOLE.spread, reading.spread)):
            if block in wanted:
                kept.append(np.arange(start, start + 2 * width))
            start += 2 * width * (block in there)
    return np.concatenate(kept)
