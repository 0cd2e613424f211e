"""Judging a head on images that it did not learn from."""

import hashlib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from vitcore.dataset import Dataset
from vitcore.errors import InputError
from vitcore.evaluation import Evaluation, evaluate
from vitcore.features import embed_images, image_files
from vitcore.inference import Classifier, Trust
from vitcore.messages import mark, quoted, shortened
from vitcore.pipeline._material import TestPart, class_numbers
from vitcore.progress import Task
from vitcore.records import load_record, write_json
from vitcore.runs import Leak, TestResult
from vitcore.training import Head
from vitcore.vectors import Vectors
from vitcore.workspace import Workspace

__all__ = [
    "OtherSet",
    "evaluate_on",
    "evaluate_test_part",
    "judge",
    "leak_of",
    "match_classes",
    "prediction_rows",
]


@dataclass(frozen=True, eq=False, kw_only=True)
class OtherSet:
    """The evaluation of a classifier on another labelled set.

    Attributes:
        evaluation: Its figures.
        predictions: As `Run.predictions`, with ``sure`` and ``reason`` as in `Prediction`.
        mapping: What each class of the set means to the classifier; None for those left out.
        left_out: Number of images of these.
    """

    evaluation: Evaluation
    predictions: pd.DataFrame
    mapping: dict[str, str | None]
    left_out: int


def evaluate_on(
    classifier: Classifier,
    dataset: Dataset,
    *,
    mapping: Mapping[str, str | None] | None = None,
    task: Task | None = None,
) -> OtherSet:
    """Judge a classifier on another labelled dataset.

    Args:
        classifier: What to judge.
        dataset: None of its images should have been learned from.
        mapping: The class of the classifier for each class of the dataset, None to leave its images
            out; by `match_classes` if not given.
        task: Where progress is reported, and what stops it.

    Raises:
        InputError: A class is one that the classifier does not know, or all images are left out.
        ImageError: An image cannot be read any more.
        Stopped: The task was stopped.
    """
    means = dict(match_classes(dataset.classes, classifier.classes) if mapping is None else mapping)
    unknown = [label for label in dataset.classes if means.get(label) is None] if mapping is None else []
    unknown += sorted({meant for meant in means.values() if meant is not None} - set(classifier.classes))
    known = shortened(quoted(classifier.classes), 10)
    if unknown:
        raise InputError(
            "The classifier does not know {unknown}; it knows {known}. Say which of these is meant, or leave "
            "those images out.",
            unknown=quoted(unknown[:5]),
            known=known,
        )
    meant = dataset.index["label"].map(means.get)
    rows = dataset.index[meant.notna()]
    if rows.empty:
        raise InputError(
            "All images are left out; the classifier knows {known}. Say which class is which.", known=known
        )
    found = embed_images(
        classifier.embedder,
        image_files(dataset, rows),
        task=task,
    )
    truth = class_numbers(meant[rows.index], classifier.classes)
    vectors = found.vectors[:, 0]  # (N, 1, D) -> (N, D)
    evaluation, probabilities = judge(classifier.head, classifier.trust, vectors, truth, classifier.classes)
    distances = classifier.trust.distances(vectors)
    verdicts = classifier.trust.verdicts(probabilities, distances)
    predictions = prediction_rows(rows, truth, probabilities, distances, classifier.classes)
    return OtherSet(
        evaluation=evaluation,
        predictions=predictions.assign(sure=verdicts.sure, reason=verdicts.reason),
        mapping={label: means.get(label) for label in dataset.classes},
        left_out=len(dataset.index) - len(rows),
    )


def match_classes(labels: Sequence[str], classes: Sequence[str]) -> dict[str, str | None]:
    """The class that each label means, by its name; case, accents, space and a plural s do not count.

    None where there is no such class. Two labels may mean the same class.
    """
    exact = set(classes)
    loose = {_plain_name(name): name for name in reversed(classes)}
    return {label: label if label in exact else loose.get(_plain_name(label)) for label in labels}


def _plain_name(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name).casefold()
    plain = "".join(letter for letter in letters if letter.isalnum())
    return plain.removesuffix("s") or plain


def judge(
    head: Head,
    trust: Trust,
    embeddings: Vectors,
    truth: npt.NDArray[np.int64],
    classes: Sequence[str],
    groups: npt.NDArray[np.int64] | None = None,
) -> tuple[Evaluation, npt.NDArray[np.float64]]:
    """Figures of a head, and the probabilities they come from: (N, D), (N,) -> (N, C)."""
    probabilities = trust.probabilities(head.logits(embeddings))
    return evaluate(truth, probabilities, classes, groups), probabilities


def leak_of(
    truth: npt.NDArray[np.int64],
    probabilities: npt.NDArray[np.float64],
    leaked: npt.NDArray[np.bool_],
) -> Leak:
    """Return the share of an accuracy that is owed to images that were learned from as well."""
    right = probabilities.argmax(axis=1) == truth
    return Leak(
        images=int(leaked.sum()),
        accuracy=float(right.mean()),
        accuracy_without=None if leaked.all() else float(right[~leaked].mean()),
    )


def evaluate_test_part(
    part: TestPart, head: Head, trust: Trust, classes: Sequence[str], dataset: Dataset
) -> tuple[TestResult, pd.DataFrame]:
    """Judge a classifier by the test part of its dataset, and count that somebody looked at it.

    Returns:
        The figures, and the columns of `Run.predictions`.

    Raises:
        StorageError: The disk is full or not writable.
    """
    evaluation, probabilities = judge(head, trust, part.vectors, part.truth, classes, part.groups)
    distances = trust.distances(part.vectors)
    result = TestResult(
        evaluation=evaluation,
        times=_count_look(dataset, part.rows["sha256"]),
        leak=leak_of(part.truth, probabilities, part.leaked) if part.leaked.any() else None,
    )
    return result, prediction_rows(part.rows, part.truth, probabilities, distances, classes)


def _count_look(dataset: Dataset, contents: Iterable[str]) -> int:
    """Count the classifiers that were judged by these images, this one included."""
    key = hashlib.sha256("".join(sorted(contents)).encode()).hexdigest()[:32]
    path = dataset.folder / "test-looks.json"
    with Workspace(dataset.folder.parents[1]).changing(path):
        looks = load_record(dict[str, int], path, mark("delete it")) if path.is_file() else {}
        looks[key] = looks.get(key, 0) + 1
        write_json(path, looks)
    return looks[key]


def prediction_rows(
    rows: pd.DataFrame,
    truth: npt.NDArray[np.int64],
    probabilities: npt.NDArray[np.float64],
    distances: npt.NDArray[np.float64],
    classes: Sequence[str],
) -> pd.DataFrame:
    """The columns of `Run.predictions`."""
    frame = rows[["image_id", "name", "sha256", "file"]].copy()
    predicted = probabilities.argmax(axis=1)
    chosen = probabilities[np.arange(len(truth)), truth]
    frame["true"] = [classes[number] for number in truth]
    frame["predicted"] = [classes[number] for number in predicted]
    frame["confidence"] = probabilities.max(axis=1)
    frame["loss"] = -np.log(np.clip(chosen, np.finfo(np.float64).eps, 1.0))
    frame["novelty"] = distances
    return frame
