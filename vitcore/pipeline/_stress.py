"""A stress test of a run: how it does on judged photos that are turned, darker, blurred and so on."""

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd

from vitcore.dataset import PERTURBATIONS, load_dataset
from vitcore.evaluation import wilson_interval
from vitcore.features import embed_images, image_files
from vitcore.inference import Trust, load_classifier
from vitcore.messages import mark
from vitcore.pipeline._material import class_numbers
from vitcore.progress import Progress, Task
from vitcore.records import load_record, save_record, table
from vitcore.runs import Run, load_run
from vitcore.workspace import Workspace

__all__ = ["UNCHANGED", "StressTest", "load_stress", "stress_images", "stress_test"]

UNCHANGED = "unchanged"
"""The name of the row of photos as they are, beside `vitcore.dataset.PERTURBATIONS`."""

_MOST = 100
_ANSWERS = {
    "change": "str",
    "image_id": "int",
    "file": "str",
    "true": "str",
    "predicted": "str",
    "confidence": "float",
    "novelty": "float",
}


@dataclass(frozen=True, eq=False, kw_only=True)
class StressTest:
    """The answers to judged photos, as they are and changed.

    Attributes:
        part: Where the photos are from: ``test`` if the run has a test part, else ``validation``.
        answers: One row for each photo and change: change, `UNCHANGED` first, then those of
            `vitcore.dataset.PERTURBATIONS`; image_id, file, true, predicted, confidence, novelty.
        seconds: How long it took.
    """

    part: Literal["test", "validation"]
    answers: Annotated[pd.DataFrame, table(_ANSWERS)]
    seconds: float

    def figures(self, trust: Trust) -> pd.DataFrame:
        """Return the figures by change, at the level of doubt that is chosen now.

        Args:
            trust: Of the run's classifier.

        Returns:
            Columns change, images; accuracy, 0 … 1, low and high (Wilson's 95 % interval); confidence, the
            mean; not_sure, the share that is not answered; sure_accuracy, of those that are, NaN if none is.
        """
        found = self.answers
        right = (found["true"] == found["predicted"]).to_numpy()
        reasons = trust.rule.reasons(found["confidence"].to_numpy(), found["novelty"].to_numpy(), trust.level)
        rows = []
        for change in dict.fromkeys(found["change"]):
            own = (found["change"] == change).to_numpy()
            hits, images, sure = int(right[own].sum()), int(own.sum()), own & (reasons == "")
            low, high = wilson_interval(hits, images)
            rows.append(
                {
                    "change": change,
                    "images": images,
                    "accuracy": hits / images,
                    "low": low,
                    "high": high,
                    "confidence": float(found["confidence"][own].mean()),
                    "not_sure": float((reasons[own] != "").mean()),
                    "sure_accuracy": float(right[sure].mean()) if sure.any() else math.nan,
                }
            )
        return pd.DataFrame(rows)


def stress_test(
    run_id: str, *, device: str = "auto", workspace: Workspace | None = None, task: Task | None = None
) -> StressTest:
    """Judge a run on photos that it did not learn from, changed in all named ways, and keep the outcome.

    A hundred photos, evenly from all classes: of the test part if there is one, else of the validation part.
    Their vectors are kept like those of any other view, so that another run on them needs none.

    Args:
        run_id: A run with results.
        device: As for `vitcore.inference.load_classifier`.
        workspace: Where the run is; the default workspace if not given.
        task: Where progress is reported, and what stops it; what was embedded is kept.

    Raises:
        NotFoundError: There is no such run, or its dataset is gone.
        BackboneError: Its backbone cannot be had.
        ImageError: A photo cannot be read any more.
        StorageError: It has no results, or they cannot be written.
        Stopped: The task was stopped.
    """
    workspace, task = workspace or Workspace.default(), task or Task()
    started = time.perf_counter()
    run = load_run(run_id, workspace=workspace)
    task.report(Progress(phase="prepare"))
    about = run.config.dataset
    dataset = load_dataset(about.id, version=about.version, workspace=workspace)
    rows = dataset.index.set_index("image_id").loc[stress_images(run)].reset_index()
    head = run.validation_head if run.facts.test is None else None
    classifier = load_classifier(run.folder, head=head, device=device, workspace=workspace, task=task)
    files = image_files(dataset, rows)
    plain = embed_images(classifier.embedder, files, task=task).vectors
    changed = embed_images(classifier.embedder, files, perturbations=PERTURBATIONS, task=task).vectors
    vectors = np.concatenate([np.asarray(plain), np.asarray(changed)], axis=1)  # (M, 1 + changes, D)
    truth = class_numbers(rows["label"], run.classes)
    trust, answers = classifier.trust, []
    for place, change in enumerate((UNCHANGED, *PERTURBATIONS)):
        probabilities = trust.probabilities(classifier.head.logits(vectors[:, place]))
        answers.append(
            pd.DataFrame(
                {
                    "change": change,
                    "image_id": rows["image_id"],
                    "file": rows["file"],
                    "true": [run.classes[number] for number in truth],
                    "predicted": [run.classes[number] for number in probabilities.argmax(axis=1)],
                    "confidence": probabilities.max(axis=1),
                    "novelty": trust.distances(vectors[:, place]),
                }
            )
        )
    found = StressTest(
        part="validation" if run.facts.test is None else "test",
        answers=pd.concat(answers, ignore_index=True),
        seconds=time.perf_counter() - started,
    )
    save_record(_file(run), found)
    return found


def stress_images(run: Run) -> list[int]:
    """Choose the photos of a stress test: their image_ids, a hundred or as many as there are.

    Raises:
        StorageError: The run has no results.
    """
    judged = run.predictions if run.facts.test is None else run.test_predictions
    shuffled = judged.iloc[np.random.default_rng(run.hyperparameters.seed).permutation(len(judged))]
    in_turn = shuffled.groupby("true").cumcount().sort_values(kind="stable").index[:_MOST]
    ids: list[int] = judged["image_id"].loc[np.sort(in_turn)].tolist()
    return ids


def load_stress(run: Run) -> StressTest | None:
    """Load the stress test of the present classifier of a run; None if there was none.

    Raises:
        StorageError: The file is damaged.
    """
    path = _file(run)
    return load_record(StressTest, path, mark("run the stress test again")) if path.is_file() else None


def _file(run: Run) -> Path:
    return run.folder / "model" / "stress.json"  # beside the classifier, for it goes with that
