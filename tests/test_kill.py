"""A training that is killed at any moment loses next to nothing; minutes long: ``pytest -m slow``."""

import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

import numpy as np
import pytest
import torch

from vitcore.backbone import Embedder, choose_device, resolve_backbone
from vitcore.compute import Compute
from vitcore.dataset import Dataset, import_dataset, load_dataset
from vitcore.features import FeatureStore
from vitcore.inference import load_classifier
from vitcore.jobs import Job, JobQueue
from vitcore.pipeline import resume, train
from vitcore.progress import Progress, Task
from vitcore.runs import Run, list_runs, load_run
from vitcore.training import Hyperparameters
from vitcore.workspace import Workspace

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
SETTINGS = Hyperparameters(epochs=80)
BATCH = 16
COPIES = 80  # of twenty images, each changed in four ways
PATIENCE_S = 300.0

# What is waited for before the kill: a phase, or a file of the run. The files are written within
# milliseconds, which a delay after the beginning of that phase would rarely hit.
MOMENTS = [
    *["embed"] * 6,
    *["fit"] * 6,
    *["evaluate"] * 2,
    *["model"] * 2,
    *["predictions.csv"] * 2,
    "probabilities.npy",
    "evaluation.json",
]


# --- in the process that is killed --------------------------------------------------------------


def train_in_queue(home: str, dataset_id: str, backbone: str) -> None:
    """Train as the server does, and tell on stdout what is done."""
    torch.set_num_threads(1)
    workspace = Workspace(Path(home))
    start, flush = Embedder.start, os.fsync

    def counted(self, pixels):
        result = start(self, pixels)
        tell(computed=len(pixels))
        return result

    def on_a_slow_disk(descriptor):
        flush(descriptor)
        time.sleep(0.02)  # so that there is time between two files

    def report(job: Job, progress: Progress) -> None:
        job.report(progress)
        # Cross-validation counts the epochs of all its heads.
        crossed = progress.phase == "fit" and progress.total > SETTINGS.epochs
        tell(phase="cross-validate" if crossed else progress.phase, done=progress.done)

    def work(job: Job) -> None:
        train(
            load_dataset(dataset_id, workspace=workspace),
            SETTINGS,
            # The trials of other engines would be counted as well.
            compute=Compute(backbone, device="cpu", engine="torch"),
            workspace=workspace,
            task=Task(lambda progress: report(job, progress), job.stop, lambda run_id: tell(run=run_id)),
        )

    Embedder.start, os.fsync = counted, on_a_slow_disk
    job = JobQueue().submit("run", "to be killed", work)
    while job.snapshot.active:
        time.sleep(0.005)
    assert job.snapshot.state == "complete", job.snapshot


def tell(**facts: str | int) -> None:
    print(json.dumps(facts), flush=True)


# --- in the process that kills ------------------------------------------------------------------


class Child:
    """A training in a process of its own, which is killed at the end, and what it has told."""

    def __init__(self, workspace: Workspace, dataset: Dataset, backbone: str) -> None:
        command = [sys.executable, __file__, str(workspace.root), dataset.id, backbone]
        path = {"PYTHONPATH": str(ROOT)}
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ | path, text=True)
        assert self._process.stdout is not None
        self._runs = workspace.runs
        self._told: list[dict[str, str | int]] = []
        self._began: dict[str, float] = {}
        self._reader = threading.Thread(target=self._listen, args=(self._process.stdout,))
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()

    def _listen(self, output: IO[str]) -> None:
        with output:
            for line in output:
                if not line.endswith("\n"):  # the last word of one who was killed
                    break
                facts = json.loads(line)
                if "phase" in facts:
                    self._began.setdefault(facts["phase"], time.monotonic())
                self._told.append(facts)

    def has_come_to(self, moment: str, done: int) -> bool:
        if moment in {"embed", "fit", "evaluate"}:
            return moment in self._began and self.done(moment) >= done
        return next(self._runs.glob(f"*/{moment}"), None) is not None

    def wait_for(self, moment: str, done: int, delay_s: float) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not self.has_come_to(moment, done) and self._process.poll() is None:
            assert time.monotonic() < deadline, f"{moment} does not come; {self._told[-1:]}"
            time.sleep(0.0005)
        time.sleep(delay_s)

    def finish(self) -> dict[str, float]:
        """Let it end by itself; seconds from the beginning of each phase to the next one or to the end."""
        assert self._process.wait(PATIENCE_S) == 0
        self._reader.join()
        times = [*self._began.values(), time.monotonic()]
        return {phase: times[n + 1] - times[n] for n, phase in enumerate(self._began)}

    @property
    def phase(self) -> str:
        """Where it was."""
        return str(next(facts["phase"] for facts in reversed(self._told) if "phase" in facts))

    @property
    def computed(self) -> int:
        """How many embeddings it is known to have computed."""
        return sum(int(facts["computed"]) for facts in self._told if "computed" in facts)

    def done(self, phase: str) -> int:
        """How far a phase was reported to be."""
        return max((int(facts["done"]) for facts in self._told if facts.get("phase") == phase), default=0)


@dataclass(frozen=True)
class Undisturbed:
    """A training that nobody killed."""

    home: Path
    dataset: Dataset
    run: Run
    seconds: dict[str, float]


@pytest.fixture
def base(tmp_path: Path, picture_folder: Callable[..., Path]) -> tuple[Path, str]:
    """A workspace with a dataset and nothing else, and the id of that."""
    workspace = Workspace(tmp_path / "base")
    return workspace.root, import_dataset(picture_folder(count=160), workspace=workspace).id


@pytest.fixture
def undisturbed(base: tuple[Path, str], tmp_path: Path, tiny_backbone: str) -> Undisturbed:
    home, dataset_id = tmp_path / "undisturbed", base[1]
    shutil.copytree(base[0], home)
    workspace = Workspace(home)
    dataset = load_dataset(dataset_id, workspace=workspace)
    with Child(workspace, dataset, tiny_backbone) as child:
        seconds = child.finish()
    (run,) = list_runs(workspace)
    return Undisturbed(home, dataset, run, seconds)


def stored(workspace: Workspace, dataset: Dataset, backbone: str) -> tuple[int, int]:
    """How many images of a dataset have their embeddings in the store, and how many changed copies have."""
    embedder = Embedder(resolve_backbone(backbone), choose_device("cpu"), workspace)
    store = FeatureStore.of(embedder)
    rows = store.rows([(sha256, "plain") for sha256 in dataset.index["sha256"]])
    plain = int((rows >= 0).sum())
    index = workspace.features / embedder.fingerprint / "index.sqlite"
    with closing(sqlite3.connect(index)) as database:
        (count,) = database.execute("SELECT COUNT(*) FROM vectors").fetchone()
    return plain, count - plain


def check_what_is_left(workspace: Workspace, child: Child) -> Run:
    """All that is listed can be shown, nothing else is lying about, and what was reported is there."""
    (run,) = list_runs(workspace)
    epochs = run.history["epoch"].tolist()
    assert epochs == list(range(1, len(epochs) + 1))
    assert len(epochs) >= child.done("fit")
    assert run.state in {"interrupted", "complete"}
    assert run.has_model or run.state == "interrupted"
    if run.has_model:
        assert len(run.predictions) == len(run.probabilities) == run.evaluation.images
        assert load_classifier(run.folder).classes == run.classes
    workspace.sweep()
    assert [path for path in workspace.root.rglob(".tmp-*") if path.is_dir()] == []
    return run


def check_resumption(
    workspace: Workspace, run: Run, images: int, there: int, copies: int, expected: Run
) -> None:
    """It goes on where it was, and ends as if nothing had happened."""
    reports: list[Progress] = []
    ended = resume(run.id, workspace=workspace, task=Task(reports.append))
    embedding = [progress.done for progress in reports if progress.phase == "embed"]
    missing = [done for done, count in ((there, images), (copies, COPIES)) if done < count]
    assert embedding[:1] == missing[:1]
    assert ended.state == "complete"
    assert ended.history["epoch"].tolist() == list(range(1, SETTINGS.epochs + 1))
    assert load_run(run.id, workspace=workspace).evaluation.images == expected.evaluation.images
    np.testing.assert_array_equal(ended.history["validation_loss"], expected.history["validation_loss"])
    np.testing.assert_array_equal(ended.probabilities, expected.probabilities)


def test_twenty_kills_cost_a_batch_at_most_and_every_training_goes_on(
    base: tuple[Path, str], undisturbed: Undisturbed, tmp_path: Path, tiny_backbone: str
) -> None:
    chance = random.Random(0)
    images = len(undisturbed.dataset.index)
    hit: Counter[str] = Counter()
    assert len(MOMENTS) == 20
    for number, moment in enumerate(MOMENTS):
        home = tmp_path / f"home {number}"
        shutil.copytree(base[0], home)
        if moment != "embed" and number % 2:  # the others go the whole way
            shutil.copytree(undisturbed.home / "features", home / "features", dirs_exist_ok=True)
        workspace = Workspace(home)
        dataset = load_dataset(undisturbed.dataset.id, workspace=workspace)
        units = {"embed": images, "fit": SETTINGS.epochs}.get(moment, 0)
        steps = {"embed": images / BATCH, "fit": SETTINGS.epochs}.get(moment, 2)
        delay_s = chance.uniform(0, undisturbed.seconds.get(moment, 0.04) / steps)
        with Child(workspace, dataset, tiny_backbone) as child:
            child.wait_for(moment, int(chance.uniform(0, 0.9) * units), delay_s)

        run = check_what_is_left(workspace, child)
        there, copies = stored(workspace, dataset, tiny_backbone)
        assert there >= child.done("embed")
        assert child.computed - there - copies <= BATCH  # so much has to be computed again, and no more
        print(f"{number}: {moment}, was at {child.phase}, {there} embeddings, {len(run.history)} epochs")
        if run.state == "complete":
            hit["too late"] += 1
            continue
        hit["save" if (run.folder / "model").exists() else child.phase] += 1
        check_resumption(workspace, run, images, there, copies, undisturbed.run)
        shutil.rmtree(home)
    assert min(hit["embed"], hit["fit"], hit["save"]) >= 3, hit


if __name__ == "__main__":
    train_in_queue(*sys.argv[1:])
