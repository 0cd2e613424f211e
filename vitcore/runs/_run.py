"""A run on disk: one training, from its settings to its figures.

::

    <run id>/
        config.json          all that is needed to repeat it, complete before the first epoch
        state.json           how it stands, replaced in one step
        history.jsonl        one line per finished epoch, appended
        predictions.csv      one row per validation image
        probabilities.npy    float32 (M, C), the rows of predictions.csv
        test-predictions.csv  one row per image of the test part, if there is one
        cross-validation.csv  one row per image of the other parts, answered by a head of the other folds
        validation-head.safetensors  what was judged on the validation images, if the model learned from them
        evaluation.json      metrics and confusion matrix
        model/               the classifier (vitcore.inference)
        checkpoint.safetensors  from which it goes on, until it is complete
        division.json        which images judge it, as long
        about.json           a name and a note, once somebody gave it these

A process that works on a run holds its lock. A run that says ``running`` while nobody holds its
lock was interrupted, whatever ended the process.
"""

import hashlib
import json
import shutil
import threading
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

import filelock
import numpy as np
import numpy.typing as npt
import pandas as pd

from vitcore.errors import Stopped, StorageError, VitcoreError
from vitcore.evaluation import Evaluation
from vitcore.messages import Message, literal, mark, message
from vitcore.records import (
    guard,
    load_record,
    plain_values,
    record_of,
    replacing,
    save_record,
    timestamp,
    write_json,
    write_text,
)
from vitcore.runs._records import (
    About,
    HeadlineFigure,
    ImageCounts,
    RunConfig,
    RunFacts,
    RunState,
    SplitRecord,
    State,
)
from vitcore.training import EpochRecord, Head, Hyperparameters
from vitcore.workspace import Workspace, new_id

__all__ = [
    "CHECKPOINT",
    "DAMAGED",
    "DIVISION",
    "HISTORY_COLUMNS",
    "VALIDATION_HEAD",
    "Run",
    "RunWriter",
    "lock_name",
]

CHECKPOINT = "checkpoint.safetensors"
"""Name of the file from which a training goes on."""

DIVISION = "division.json"
"""Name of the file with its `RunDivision`, kept as long as it may go on."""

VALIDATION_HEAD = "validation-head.safetensors"
"""Name of the file with the head that was judged on the validation images, where another one is kept."""

DAMAGED = mark("delete the run, then train again")
_TRAIN_AGAIN = mark("train it again")

_PREDICTIONS = {
    "image_id": "int64",
    "name": "str",
    "sha256": "str",
    "file": "str",
    "true": "str",
    "predicted": "str",
    "confidence": "float64",
    "loss": "float64",
    "novelty": "float64",
}
_ROUNDING = 1e-3  # of a sum of probabilities in single precision

HISTORY_COLUMNS = tuple(field.name for field in fields(EpochRecord))


@dataclass(frozen=True, eq=False)
class Run:
    """A training as it stands on disk when it was loaded.

    Attributes:
        folder: Where it lies.
        config: What it was asked to do.
        state: ``running``, ``complete``, ``stopped``, ``failed`` or ``interrupted``.
        facts: What is known of its course.
    """

    folder: Path
    config: RunConfig
    state: str
    facts: RunFacts

    @property
    def id(self) -> str:
        """Its id in the workspace."""
        return self.folder.name

    @property
    def name(self) -> str:
        """For people: what somebody called it, or else what it was called at the start."""
        return self.about.name or self.config.name

    @property
    def note(self) -> str:
        """The note that somebody wrote about it."""
        return self.about.note

    @property
    def about(self) -> About:
        """The name and the note that somebody gave it; empty if nobody did, or if they are damaged."""
        return self._about if isinstance(self._about, About) else About()

    @property
    def lost_name(self) -> StorageError | None:
        """What is wrong with its name and its note, if they are damaged; no reason to lose the run."""
        return None if isinstance(self._about, About) else self._about

    @cached_property
    def _about(self) -> About | StorageError:
        path = self.folder / "about.json"
        if not path.is_file():
            return About()
        try:
            return load_record(About, path, mark("name the run again"))
        except StorageError as error:
            return error

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes it learns, in the order of the head's outputs."""
        return self.config.classes

    @property
    def hyperparameters(self) -> Hyperparameters:
        """Its settings."""
        return self.config.hyperparameters

    @property
    def has_model(self) -> bool:
        """True if it came far enough to predict and to be judged."""
        return (self.folder / "evaluation.json").is_file()

    @property
    def can_resume(self) -> bool:
        """True if it ended before its time and can be resumed."""
        return self.state in {"stopped", "interrupted"}

    @property
    def epochs(self) -> tuple[EpochRecord, ...]:
        """The finished epochs so far; read anew each time.

        Raises:
            StorageError: The file is damaged.
        """
        path = self.folder / "history.jsonl"
        if not path.is_file():
            return ()
        with guard(path, DAMAGED):
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
            # A line without its end is one that is being written, or was when the process was killed.
            complete = [json.loads(line) for line in lines if line.endswith("\n")]
            return record_of(tuple[EpochRecord, ...], complete)

    @property
    def history(self) -> pd.DataFrame:
        """One row per finished epoch so far, columns `HISTORY_COLUMNS`; read anew each time.

        Raises:
            StorageError: The file is damaged.
        """
        history = pd.DataFrame(list(self.epochs), columns=list(HISTORY_COLUMNS)).astype("float64")
        return history.astype({"epoch": "int64"})

    @cached_property
    def repeats(self) -> pd.DataFrame:
        """The histories of further trainings: kind (``fold`` or ``seed``), number, and those of `history`.

        Empty if none were asked for.
        """
        columns = ["kind", "number", *HISTORY_COLUMNS]
        path = self.folder / "repeats.csv"
        if not path.is_file():
            return pd.DataFrame(columns=columns)
        numbers = dict.fromkeys(columns[1:], "float64")
        with guard(path, _TRAIN_AGAIN):
            return pd.read_csv(path, usecols=columns, dtype=numbers)[columns].astype(
                {"number": "int64", "epoch": "int64"}
            )

    @cached_property
    def evaluation(self) -> Evaluation:
        """Its figures on the validation images.

        Raises:
            StorageError: The run did not come that far.
        """
        self._needs_model()
        path = self.folder / "evaluation.json"
        evaluation = load_record(Evaluation, path, _TRAIN_AGAIN)
        with guard(path, _TRAIN_AGAIN):
            if len(evaluation.classes) != len(self.classes):
                raise ValueError(message("its classes are not those of the run"))
        return evaluation

    @property
    def headline(self) -> HeadlineFigure:
        """The accuracy that stands for the run: of its test part, of cross-validation, or of validation.

        Raises:
            StorageError: The run did not come that far.
        """
        evaluation = self.facts.headline_evaluation(self.evaluation)
        accuracy = evaluation.metrics["accuracy"]
        return HeadlineFigure(
            source=self.facts.headline_source,
            accuracy=accuracy.value,
            low=accuracy.low,
            high=accuracy.high,
            images=evaluation.images,
        )

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """One row per validation image.

        Columns: image_id, name, sha256, file (below the dataset's folder), true, predicted (class
        names), confidence (probability of the prediction), loss (−ln of the true class's probability),
        novelty (how unlike the training images, see `vitcore.evaluation.novelty`).

        Raises:
            StorageError: The run did not come that far.
        """
        self._needs_model()
        return self._predictions("predictions.csv", self.evaluation.images)

    @cached_property
    def test_predictions(self) -> pd.DataFrame:
        """One row per image of the test part, columns as in `predictions`.

        Raises:
            StorageError: The run has no test part, or the file is damaged.
        """
        test = self.facts.test
        return self._predictions("test-predictions.csv", 0 if test is None else test.evaluation.images)

    @cached_property
    def cross_validated(self) -> pd.DataFrame:
        """One row per image of the training and validation parts, columns as in `predictions`.

        Each is answered by a head that did not learn from its fold.

        Raises:
            StorageError: The run was not cross-validated, or the file is damaged.
        """
        crossed = self.facts.cross_validation
        evaluation = None if crossed is None else crossed.evaluation
        return self._predictions("cross-validation.csv", 0 if evaluation is None else evaluation.images)

    @property
    def headline_predictions(self) -> pd.DataFrame:
        """The answers that the figures that stand for the run come from, columns as in `predictions`.

        Raises:
            StorageError: The run did not come that far.
        """
        source = self.facts.headline_source
        if source == "test":
            return self.test_predictions
        return self.cross_validated if source == "cross-validation" else self.predictions

    @property
    def validation_head(self) -> Path | None:
        """The file with the head that was judged on the validation images; None if that is the model's own.

        Raises:
            StorageError: It is damaged.
        """
        if self.facts.finish is None:
            return None
        path = self.folder / VALIDATION_HEAD
        with guard(path, _TRAIN_AGAIN), path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != self.facts.finish.head_sha256:
                raise ValueError(message("its contents are not those of the training"))
        return path

    def _predictions(self, name: str, images: int) -> pd.DataFrame:
        path = self.folder / name
        with guard(path, _TRAIN_AGAIN):
            rows = pd.read_csv(path, dtype=dict(_PREDICTIONS), keep_default_na=False)
            if missing := _PREDICTIONS.keys() - {"novelty"} - set(rows):  # not there in early versions
                raise ValueError(message("it lacks {names}", names=sorted(missing)))
            if len(rows) != images:
                raise ValueError(message("it has {count} rows", count=len(rows)))
            if not (rows["true"].isin(self.classes) & rows["predicted"].isin(self.classes)).all():
                raise ValueError(message("its classes are not those of the run"))
            if not np.isfinite(rows.select_dtypes("float64")).all(axis=None):
                raise ValueError(message("not all of its numbers are finite"))
        return rows

    @cached_property
    def probabilities(self) -> npt.NDArray[np.float32]:
        """Probabilities of the validation images, the rows of `predictions`: (M, C).

        Raises:
            StorageError: The run did not come that far.
        """
        self._needs_model()
        path = self.folder / "probabilities.npy"
        with guard(path, _TRAIN_AGAIN):
            loaded: npt.NDArray[np.float32] = np.load(path, allow_pickle=False)
            if loaded.dtype != np.float32 or loaded.shape != (self.evaluation.images, len(self.classes)):
                raise ValueError(message("its shapes do not match"))
            # Written so that what is no number is refused as well.
            if not ((loaded >= 0).all() and (abs(loaded.sum(axis=1) - 1) < _ROUNDING).all()):
                raise ValueError(message("its rows are no probabilities"))
        return loaded

    def _needs_model(self) -> None:
        if not self.has_model:
            raise StorageError(
                "Run '{run_id}' is {state} and has no results; train it again.",
                run_id=self.id,
                state=Message(self.state),
            )


class RunWriter:
    """Creates a run and writes its course; one writer per run, as a context manager.

    Leaving the block without `finish` records why: stopped, failed with the error's message, or
    nothing at all when the process was killed.
    """

    def __init__(self, workspace: Workspace, config: RunConfig) -> None:
        self._workspace = workspace
        self.id = new_id()
        self.folder = workspace.runs / self.id
        self._config = config
        self._lock = workspace.lock(lock_name(self.id))
        self._finished = False
        self._is_new = True
        self._known = RunFacts()  # of an earlier part

    @classmethod
    def reopened(cls, workspace: Workspace, run: Run) -> Self:
        """A writer that goes on with a run that nobody works on."""
        writer = cls(workspace, run.config)
        writer.id, writer.folder = run.id, run.folder
        writer._lock = workspace.lock(lock_name(run.id))
        writer._is_new = False
        return writer

    def __enter__(self) -> Self:
        """Take the lock, then let the run appear."""
        try:
            with guard(self.folder):
                self._lock.acquire()
        except filelock.Timeout as error:
            raise StorageError(
                "Run '{run_id}' is running already; wait for it to end.", run_id=self.id
            ) from error
        with ExitStack() as undo:
            undo.callback(self._lock.release)
            self._appear()
            undo.pop_all()
        return self

    def _appear(self) -> None:
        if not self._is_new:
            # What is known of the first part stays, for its results can be looked at meanwhile.
            self.note(load_record(RunState, self.folder / "state.json", DAMAGED))
            return
        with self._workspace.staged(self._workspace.runs, self.id) as folder:
            save_record(folder / "config.json", self._config)
            save_record(folder / "state.json", RunState(state="running", since=timestamp()))

    def amend(self, images: ImageCounts, split: SplitRecord) -> None:
        """Add to the configuration what was not known at the start, in one step."""
        self._config = replace(self._config, images=images, split=split)
        save_record(self.folder / "config.json", self._config)

    def restart_history(self, records: Sequence[EpochRecord]) -> None:
        """Replace the history by that of the checkpoint from which the training goes on."""
        lines = (json.dumps(plain_values(record)) + "\n" for record in records)
        write_text(self.folder / "history.jsonl", "".join(lines))

    def add_epoch(self, record: EpochRecord) -> None:
        """Append an epoch to the history."""
        path = self.folder / "history.jsonl"
        with guard(path), path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(plain_values(record)) + "\n")

    def add_repeats(self, histories: pd.DataFrame) -> None:
        """Write the histories of further trainings, as `Run.repeats` has them."""
        if len(histories):
            write_text(self.folder / "repeats.csv", histories.to_csv(index=False))

    def clear_results(self) -> None:
        """Make room for new results: those of the first part of a training that went on."""
        # The figures first, without which a run has no results; a crash in between leaves one to go on with.
        (self.folder / "evaluation.json").unlink(missing_ok=True)
        shutil.rmtree(self.folder / "model", ignore_errors=True)

    def add_results(
        self, evaluation: Evaluation, predictions: pd.DataFrame, probabilities: npt.NDArray[np.float64]
    ) -> None:
        """Write the figures and the rows they come from; the figures last, for they make it valid."""
        write_text(self.folder / "predictions.csv", predictions.to_csv(index=False))
        path = self.folder / "probabilities.npy"
        with guard(path), replacing(path) as temporary:
            np.save(temporary, probabilities.astype(np.float32), allow_pickle=False)
        write_json(self.folder / "evaluation.json", evaluation.to_dict())

    def add_test_predictions(self, predictions: pd.DataFrame) -> None:
        """Write the answers to the images of the test part, as `Run.test_predictions` has them."""
        write_text(self.folder / "test-predictions.csv", predictions.to_csv(index=False))

    def add_validation_head(self, head: Head) -> str:
        """Keep the head that was judged on the validation images; the digest of its file."""
        path = self.folder / VALIDATION_HEAD
        head.save(path)
        with guard(path), path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def add_cross_validation(self, predictions: pd.DataFrame) -> None:
        """Write the answers of the cross-validation, as `Run.cross_validated` has them."""
        write_text(self.folder / "cross-validation.csv", predictions.to_csv(index=False))

    def note(self, facts: RunFacts) -> None:
        """Record what is known so far of a run that goes on; it stays if the run ends early."""
        self._known = facts
        self._write_state("running", facts)

    def finish(self, state: State, facts: RunFacts) -> None:
        """Record how the run ended, with what is known of its course."""
        self._write_state(state, facts)
        self._finished = True

    def _write_state(self, state: State, facts: RunFacts) -> None:
        known = {field.name: getattr(facts, field.name) for field in fields(RunFacts)}
        stands = RunState(state=state, since=timestamp(), **known)
        save_record(self.folder / "state.json", stands)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Record an end that came early, then release the lock."""
        try:
            # When the process is ending under a background job, the run was interrupted, as if killed.
            if not self._finished and threading.main_thread().is_alive():
                reason = literal(f"{kind and kind.__name__}: {error}")
                if isinstance(error, VitcoreError):
                    reason = error.message
                # What the disk was to blame for goes on once it has room again.
                state: State = "stopped" if isinstance(error, Stopped | StorageError) else "failed"
                with suppress(StorageError):  # on a full disk; then it is found interrupted, as if killed
                    self.finish(state, replace(self._known, message=reason))
        finally:
            self._lock.release()


def lock_name(run_id: str) -> str:
    """The name of the lock of those who work on a run."""
    return f"run-{run_id}"
