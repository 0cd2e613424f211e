"""What is known of a run when its report is written."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from vitcore.dataset import Dataset, load_dataset
from vitcore.errors import StorageError, VitcoreError
from vitcore.evaluation import Evaluation
from vitcore.inference import Trust, load_trust
from vitcore.pipeline import Review, load_review
from vitcore.runs import Run
from vitcore.workspace import Workspace

__all__ = ["Known", "look_up"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Known:
    """A run with its results, and what else is still there.

    Attributes:
        run: The run.
        workspace: Where it is.
        evaluation: Its figures.
        history: Its epochs.
        rows: As `Run.predictions`, with ``right``, and with ``sure`` where there is `trust`.
        probabilities: (M, C), the rows of `rows`.
        truth: (M,), class numbers.
        dataset: What it learned from, in the version of then; None if that is gone.
        missing: Why it is gone, one English sentence; nothing if it is there.
        changed: Whether the dataset has a newer version.
        trust: When it says "not sure"; None for a run of an earlier version.
        review: What a closer look found; None if nobody took one.
    """

    run: Run
    workspace: Workspace
    evaluation: Evaluation
    history: pd.DataFrame
    rows: pd.DataFrame
    probabilities: npt.NDArray[np.float64]
    truth: npt.NDArray[np.int64]
    dataset: Dataset | None
    missing: str
    changed: bool
    trust: Trust | None
    review: Review | None

    @property
    def mistakes(self) -> npt.NDArray[np.int64]:
        """(C, C), the confusion matrix without what is right."""
        mistakes = self.evaluation.confusion.copy()
        np.fill_diagonal(mistakes, 0)
        return mistakes


def look_up(run: Run, workspace: Workspace) -> Known:
    """Gather what is known of a run.

    Raises:
        StorageError: It has no results, or they are damaged.
    """
    rows = run.predictions
    rows = rows.assign(right=rows["true"] == rows["predicted"])
    probabilities = run.probabilities.astype(np.float64)
    numbers = {name: number for number, name in enumerate(run.classes)}
    dataset, missing, changed = _dataset(run, workspace)
    try:
        trust: Trust | None = load_trust(run.folder)
    except VitcoreError:  # a run of an earlier version, which knew no doubt
        trust = None
    if trust is None or "novelty" not in rows:
        trust = None
    else:
        rows = rows.assign(sure=trust.verdicts(probabilities, rows["novelty"].to_numpy()).sure)
    try:
        review = load_review(run)
    except StorageError:  # what else is known is worth a report
        review = None
    return Known(
        run=run,
        workspace=workspace,
        evaluation=run.evaluation,
        history=run.history,
        rows=rows,
        probabilities=probabilities,
        truth=np.array([numbers[name] for name in rows["true"]], dtype=np.int64),
        dataset=dataset,
        missing=missing,
        changed=changed,
        trust=trust,
        review=review,
    )


def _dataset(run: Run, workspace: Workspace) -> tuple[Dataset | None, str, bool]:
    """The dataset in the version of the run, why it is gone, and whether it has a newer version."""
    about = run.config.dataset
    try:
        newest = load_dataset(about.id, workspace=workspace)
        dataset = load_dataset(about.id, version=about.version, workspace=workspace)
    except VitcoreError as error:
        return None, str(error), False
    return dataset, "", newest.version != dataset.version
