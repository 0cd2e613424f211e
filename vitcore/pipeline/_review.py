"""A closer look at a run: all that its stored embeddings tell beyond its figures."""

import time
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from vitcore.audit import near_duplicate_groups
from vitcore.dataset import Dataset, load_dataset
from vitcore.errors import StorageError
from vitcore.evaluation import (
    accuracy,
    balanced_accuracy,
    cohen_kappa,
    confusion_matrix,
    knn_labels,
    nearest,
    rank_labels,
    scaled_probabilities,
)
from vitcore.features import FeatureStore
from vitcore.inference import load_trust
from vitcore.messages import mark
from vitcore.pipeline._material import class_numbers
from vitcore.progress import Progress, Task
from vitcore.records import guard, plain_values, read_json, record_of, table, write_json
from vitcore.runs import Run, load_run
from vitcore.training import (
    Hyperparameters,
    class_curve_points,
    fit_head,
    learning_curve_points,
    out_of_fold_logits,
)
from vitcore.vectors import Vectors
from vitcore.workspace import Workspace

__all__ = ["Review", "RunVectors", "load_review", "review_run", "run_vectors"]

_FILE = "review.json"
_FORMAT = 1
_SHOWN_NEIGHBOURS = 4
_CLASS_CURVES = 5  # at most: each costs half as much as one for all
_FOLDS = 10  # of the learning curve
_BASELINES = {"name": "str", "accuracy": "float", "balanced_accuracy": "float", "cohen_kappa": "float"}
_LABELS = {
    "image_id": "int",
    "name": "str",
    "file": "str",
    "given": "str",
    "suggested": "str",
    "self_confidence": "float",
    "knn_agreement": "float",
    "suspect": "bool",
    "neighbours": "list",
}
_POINTS = {"images": "int", "repeat": "int", "judged": "int"}
_STEPS = 7  # the suspects, and the sizes of the learning curve


@dataclass(frozen=True, eq=False, kw_only=True)
class RunVectors:
    """The images of a run with their embeddings.

    Attributes:
        rows: image_id, name, file, sha256, label, part (``train`` or ``validation``); N rows.
        vectors: (N, D); many stay on the disk.
        classes: The classes of the run.
    """

    rows: pd.DataFrame
    vectors: Vectors
    classes: tuple[str, ...]

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """(N,), class numbers."""
        return class_numbers(self.rows["label"], self.classes)

    @property
    def judged(self) -> npt.NDArray[np.bool_]:
        """(N,), whether an image is of the validation part."""
        return (self.rows["part"] == "validation").to_numpy()


@dataclass(frozen=True, eq=False, kw_only=True)
class Review:
    """The findings of a closer look at a run.

    Attributes:
        baselines: What simpler ways reach on the same validation images: name, accuracy,
            balanced_accuracy, cohen_kappa.
        labels: All images of the run, the most suspect label first: image_id, name, file, given,
            suggested (class names), self_confidence, knn_agreement, suspect, neighbours (image_ids of
            those most alike); see `vitcore.evaluation.rank_labels`.
        points: Of the learning curve, for `vitcore.evaluation.forecast`.
        class_points: Of the weakest classes, for `vitcore.evaluation.class_forecast`.
        seconds: How long it took.
    """

    baselines: Annotated[pd.DataFrame, table(_BASELINES)]
    labels: Annotated[pd.DataFrame, table(_LABELS)]
    points: Annotated[pd.DataFrame, table({**_POINTS, "accuracy": "float"})]
    class_points: Annotated[pd.DataFrame, table({**_POINTS, "class": "int", "recall": "float"})]
    seconds: float


def run_vectors(run: Run, *, workspace: Workspace | None = None) -> RunVectors:
    """The images of a run with their embeddings, from the store; the backbone is not needed.

    Raises:
        NotFoundError: The dataset is gone.
        StorageError: An embedding is gone, or the run never came to its results.
    """
    workspace = workspace or Workspace.default()
    about = run.config.dataset
    dataset = load_dataset(about.id, version=about.version, workspace=workspace)
    judged = dataset.index["image_id"].isin(run.predictions["image_id"])
    # Without a validation part, the test part is what was judged.
    took_part = judged | (dataset.index["split"] != "test")
    rows, judged = dataset.index[took_part], judged[took_part]
    columns = ["image_id", "name", "file", "sha256", "label"]
    rows = rows[columns].assign(part=np.where(judged, "validation", "train")).reset_index(drop=True)
    dimension = load_trust(run.folder).references.shape[1]
    store = FeatureStore(workspace.features / run.config.backbone.fingerprint, dimension)
    found = store.intact([(sha256, "plain") for sha256 in rows["sha256"]])
    if (found < 0).any():
        raise StorageError(
            "{count} embeddings of run '{run_id}' are gone or damaged; train again to compute them.",
            count=int((found < 0).sum()),
            run_id=run.id,
        )
    return RunVectors(rows=rows, vectors=store.vectors(found), classes=run.classes)


def review_run(
    run_id: str,
    *,
    workspace: Workspace | None = None,
    task: Task | None = None,
) -> Review:
    """Look closer at a run: baselines, suspect labels, and how it got better with more images.

    All of it comes from the stored embeddings, and stays with the run.

    Args:
        run_id: A run with results.
        workspace: Where it is; the default workspace if not given.
        task: Where progress is reported, and what stops it; nothing is kept then.

    Raises:
        NotFoundError: There is no such run, or its dataset is gone.
        StorageError: It has no results, an embedding is gone, or the disk is full.
        SettingsError: In one of the trainings the loss grew beyond all bounds.
        Stopped: The task was stopped.
    """
    workspace, task = workspace or Workspace.default(), task or Task()
    started = time.perf_counter()
    run = load_run(run_id, workspace=workspace)
    task.report(Progress(phase="review"))
    found = run_vectors(run, workspace=workspace)
    about = run.config.dataset
    dataset = load_dataset(about.id, version=about.version, workspace=workspace)
    groups = _groups(run, dataset, found)
    weakest = _weakest(run)
    meter = task.meter("review", _STEPS + 1 + 3 * len(weakest), unit="steps")
    h = replace(run.hyperparameters, views=1, repeats=0, patience=0)
    options: dict[str, Any] = {"classes": len(found.classes), "hyperparameters": h, "stop": task.stop}
    alone = found.vectors[:, None]  # (N, D) -> (N, 1, D)

    baselines = _baselines(found, h, run)
    logits = out_of_fold_logits(
        alone, found.labels, groups, epochs=run.facts.best_epoch or 1, seed=h.seed, **options
    )
    labels = _suspects(found, logits, groups, load_trust(run.folder).temperature)
    meter.add(1)
    points = learning_curve_points(
        alone,
        found.labels,
        groups,
        sizes=_STEPS - 1,
        folds=min(_FOLDS, len(np.unique(groups))),
        seed=h.seed,
        on_size=lambda: meter.add(1),
        **options,
    )
    class_points = class_curve_points(
        alone, found.labels, groups, of=weakest, seed=h.seed, on_size=lambda: meter.add(1), **options
    )
    review = Review(
        baselines=baselines,
        labels=labels,
        points=points,
        class_points=class_points,
        seconds=time.perf_counter() - started,
    )
    write_json(run.folder / _FILE, {"format": _FORMAT, **plain_values(review)})
    return review


def load_review(run: Run) -> Review | None:
    """Load the findings of a closer look at a run; None if nobody took one.

    Raises:
        StorageError: Its files are damaged.
    """
    path = run.folder / _FILE
    if not path.is_file():
        return None
    with guard(path, mark("look closer again")):
        values = read_json(path)
        return record_of(Review, values) if values["format"] == _FORMAT else None


def _groups(run: Run, dataset: Dataset, found: RunVectors) -> npt.NDArray[np.int64]:
    """Near-duplicates have the same number: (N,)."""
    rows = dataset.index.set_index("image_id").loc[found.rows["image_id"]].reset_index()
    fingerprint = run.config.backbone.fingerprint
    return near_duplicate_groups(dataset, rows, found.vectors, fingerprint=fingerprint)


def _baselines(found: RunVectors, h: Hyperparameters, run: Run) -> pd.DataFrame:
    """Return the figures of simpler methods on the same split."""
    labels, judged = found.labels, found.judged
    learned, truth = labels[~judged], labels[judged]
    classes = len(found.classes)
    vectors, queries = found.vectors[~judged], found.vectors[judged]
    logistic = fit_head(
        vectors[:, None],
        learned,
        queries,
        truth,
        classes=classes,
        hyperparameters=Hyperparameters(
            optimizer="lbfgs", epochs=30, weight_decay=0.05, label_smoothing=h.label_smoothing, seed=h.seed
        ),
    )
    most = np.bincount(learned, minlength=classes).argmax()
    own = run.predictions.set_index("image_id")["predicted"].loc[found.rows["image_id"][judged]]
    answers = {
        "this classifier": class_numbers(own, found.classes),
        "logistic regression": logistic.head.logits(queries).argmax(axis=1),
        "20 nearest neighbours": knn_labels(queries, vectors, learned, classes=classes),
        "always the most frequent class": np.full(len(truth), most),
    }
    rows = []
    for name, predicted in answers.items():
        confusion = confusion_matrix(truth, predicted, classes)
        rows.append((name, accuracy(confusion), balanced_accuracy(confusion), cohen_kappa(confusion)))
    return pd.DataFrame(rows, columns=["name", "accuracy", "balanced_accuracy", "cohen_kappa"])


def _suspects(
    found: RunVectors, logits: npt.NDArray[np.float32], groups: npt.NDArray[np.int64], temperature: float
) -> pd.DataFrame:
    """`Review.labels`."""
    probabilities = scaled_probabilities(logits, temperature)
    ranked = rank_labels(found.labels, probabilities, found.vectors, groups)
    rows = found.rows.iloc[ranked["position"]].reset_index(drop=True)
    order = ranked["position"].to_numpy()
    _, positions = nearest(
        found.vectors[order], found.vectors, _SHOWN_NEIGHBOURS, groups=(groups[order], groups)
    )
    ids = found.rows["image_id"].to_numpy()
    names = np.array(found.classes, dtype=object)
    return rows[["image_id", "name", "file"]].assign(
        given=names[ranked["given"]],
        suggested=names[ranked["suggested"]],
        self_confidence=ranked["self_confidence"],
        knn_agreement=ranked["knn_agreement"],
        suspect=ranked["suspect"],
        neighbours=pd.Series([[int(ids[n]) for n in own if n >= 0] for own in positions], dtype="object"),
    )


def _weakest(run: Run) -> list[int]:
    """The classes with the lowest recall, as many as curves are made of."""
    per_class = run.evaluation.per_class()["recall"].to_numpy()
    order: list[int] = np.argsort(per_class, kind="stable")[:_CLASS_CURVES].tolist()
    return order
