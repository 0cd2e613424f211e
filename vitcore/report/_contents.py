"""The contents of a report."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from vitcore.evaluation import Evaluation
from vitcore.messages import Message

if TYPE_CHECKING:  # these take long to import
    from vitcore.dataset import Dataset
    from vitcore.inference import Deletion, Trust
    from vitcore.runs import Run
    from vitcore.workspace import Workspace

__all__ = ["ReportContents"]


@dataclass(frozen=True, eq=False, kw_only=True)
class ReportContents:
    """A run with its results, and what else is still there.

    Attributes:
        run: The run.
        workspace: Where it is.
        evaluation: Its figures on the validation images.
        history: Its epochs.
        rows: As `Run.predictions`, with ``right``; where there is `trust`, with ``sure``, ``reason`` and
            ``possible``, the classes it may be.
        probabilities: (M, C), the rows of `rows`.
        truth: (M,), class numbers.
        dataset: What it learned from, in the version of then; None if that is gone.
        missing: Why it is gone; None if it is there.
        changed: Whether the dataset has a newer version.
        trust: When it says "not sure"; None for a run of an earlier version.
        baselines: What simpler ways reach, as `vitcore.pipeline.Review.baselines`; None without a review.
        suspects: How many labels a review found suspect; None without one.
        map_check: How the maps of its classifier did when tested; None if they were not.
        stress: How it does on changed photos, as `vitcore.pipeline.StressTest.figures`; None if not tested.
    """

    run: "Run"
    workspace: "Workspace"
    evaluation: Evaluation
    history: pd.DataFrame
    rows: pd.DataFrame
    probabilities: npt.NDArray[np.float64]
    truth: npt.NDArray[np.int64]
    dataset: "Dataset | None"
    missing: Message | None
    changed: bool
    trust: "Trust | None"
    baselines: pd.DataFrame | None
    suspects: int | None
    map_check: "Deletion | None"
    stress: pd.DataFrame | None

    @property
    def figures(self) -> Evaluation:
        """Return the figures on the most images."""
        return self.run.facts.thorough_evaluation(self.evaluation)
