"""Judging a head on images that it did not learn from."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from vitcore.dataset import Dataset
from vitcore.errors import InputError
from vitcore.evaluation import Evaluation, evaluate
from vitcore.features import embed_images
from vitcore.inference import Classifier, Trust
from vitcore.pipeline._material import class_numbers, image_files
from vitcore.progress import OnProgress
from vitcore.training import Head
from vitcore.workspace import Workspace

__all__ = ["evaluate_on", "judge", "leak_of", "prediction_rows"]


def evaluate_on(
    classifier: Classifier,
    dataset: Dataset,
    *,
    workspace: Workspace | None = None,
    on_progress: OnProgress | None = None,
) -> Evaluation:
    """Judge a classifier on another labelled dataset. Classes are matched by their names.

    Args:
        classifier: What to judge.
        dataset: All its images are used; none of them should have been learned from.
        workspace: Where embeddings are kept; the default workspace if not given.
        on_progress: Called with the progress.

    Raises:
        InputError: The dataset has a class that the classifier does not know.
    """
    unknown = sorted(set(dataset.classes) - set(classifier.classes))
    if unknown:
        raise InputError(
            f"The classifier does not know {', '.join(repr(label) for label in unknown[:5])}; it knows "
            f"{', '.join(repr(label) for label in classifier.classes[:10])}. Rename or remove those folders."
        )
    files = image_files(dataset, dataset.index)
    found = embed_images(classifier.embedder, files, workspace=workspace, on_progress=on_progress)
    truth = class_numbers(dataset.index["label"], classifier.classes)
    return judge(classifier.head, classifier.trust, found.vectors[:, 0], truth, classifier.classes)[0]


def judge(
    head: Head,
    trust: Trust,
    embeddings: npt.NDArray[np.float16],
    truth: npt.NDArray[np.int64],
    classes: Sequence[str],
) -> tuple[Evaluation, npt.NDArray[np.float64]]:
    """Figures of a head, and the probabilities they come from: (N, D), (N,) -> (N, C)."""
    probabilities = trust.probabilities(head.logits(embeddings))
    return evaluate(truth, probabilities, classes), probabilities


def leak_of(
    truth: npt.NDArray[np.int64],
    probabilities: npt.NDArray[np.float64],
    leaked: npt.NDArray[np.bool_],
) -> dict[str, Any]:
    """How much of an accuracy is owed to images that were learned from as well."""
    right = probabilities.argmax(axis=1) == truth
    return {
        "images": int(leaked.sum()),
        "accuracy": float(right.mean()),
        "accuracy_without": None if leaked.all() else float(right[~leaked].mean()),
    }


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
