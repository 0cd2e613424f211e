"""The setting of the benchmarks: where they work, with which images, and how they train."""

import os
import sys
import tempfile
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any
from unittest import mock

from vitcore.backbone import Embedder, Reading, choose_device, resolve_backbone
from vitcore.compute import Compute
from vitcore.dataset import Dataset, import_dataset, sample_images
from vitcore.fitting import Fit
from vitcore.jobs import Job, JobQueue
from vitcore.pipeline import train
from vitcore.progress import Progress
from vitcore.training import Hyperparameters
from vitcore.workspace import Workspace

__all__ = ["MissingData", "PassCounter", "Setting", "home_at", "submit_training", "wait_for"]

_PATIENCE_S = 1800.0


class MissingData(Exception):
    """Something that a benchmark needs is not on this machine."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The place where a benchmark works, and its data.

    Attributes:
        scratch: A folder for all it leaves behind.
        backbone: As for `vitcore.train`.
        photos: An archive or a folder of real photos, for what digits cannot tell.
        kept: A workspace whose embeddings of the photos are used and added to.
        engine: What computes where no training chooses it, as for `vitcore.backbone.choose_device`.
        images: How many images to work with, instead of what suits two slow cores.
        whole: Whether to carry out to its end what is otherwise measured on a part.
        reading: What is read of the backbone, if not what its entry says.
        fit: How photos are fitted to its input, if not as its entry says.
    """

    scratch: Path
    backbone: str = "embedded"
    photos: Path | None = None
    kept: Workspace | None = None
    engine: str = "torch"
    images: int | None = None
    whole: bool = False
    reading: Reading | None = None
    fit: Fit | None = None

    def folder(self) -> Path:
        """A new folder."""
        return Path(tempfile.mkdtemp(dir=self.scratch))

    def workspace(self) -> Workspace:
        """A new workspace, with nothing in it."""
        return Workspace(self.folder())

    def embedder(self, workspace: Workspace | None = None) -> Embedder:
        """A new one, which has not loaded its network yet."""
        backbone = resolve_backbone(self.backbone)
        spec = backbone.spec
        if self.reading is not None:
            width = spec.embedding_dimension // spec.reading.numbers(1, class_token=True)
            numbers = self.reading.numbers(width, class_token=True)
            spec = replace(spec, reading=self.reading, embedding_dimension=numbers)
        if self.fit is not None:
            spec = replace(spec, preprocessing=replace(spec.preprocessing, fit=self.fit))
        return Embedder(replace(backbone, spec=spec), choose_device(engine=self.engine), workspace)

    def digit_files(self, usual: int | None = None) -> Path:
        """A folder of class folders with the first digits: `usual`, or as many as asked; or else all."""
        root = self.folder() / "digits"
        for name, label, file in islice(sample_images(None), self.images or usual):
            (root / label).mkdir(parents=True, exist_ok=True)
            (root / label / Path(name).name).write_bytes(file.read())
        return root

    def photo_dataset(self) -> tuple[Dataset, Workspace]:
        """The photos, in a new workspace that shares its embeddings with the one that is kept.

        Raises:
            MissingData: There are none.
        """
        source = self.photo_source()
        workspace = self.beside_the_kept()
        return import_dataset(source, workspace=workspace), workspace

    def photo_source(self) -> Path:
        """The folder of the photos.

        Raises:
            MissingData: There are none.
        """
        if self.photos is None:
            raise MissingData("it needs photos; give --photos PATH or set VITCORE_PHOTOS")
        if not self.photos.exists():
            raise MissingData(f"there are no photos in {self.photos}")
        return self.photos

    def sample_dataset(self) -> tuple[Dataset, Workspace]:
        """All digits, or the first of them if so many images are asked for; as `photo_dataset`."""
        workspace = self.beside_the_kept()
        return import_dataset(self.digit_files(), workspace=workspace), workspace

    def beside_the_kept(self) -> Workspace:
        """Return a new workspace that shares its embeddings with the one that is kept."""
        root = self.folder()
        if self.kept is not None:
            (root / "features").symlink_to(self.kept.features, target_is_directory=True)
        return Workspace(root)

    @staticmethod
    def say(text: str) -> None:
        """Tell those who wait what is going on."""
        print(text, file=sys.stderr, flush=True)


class PassCounter:
    """Counts the forward passes that trainings need, by listening to their progress."""

    def __init__(self) -> None:
        self.passes = 0
        self._before = Progress(phase="")

    def __call__(self, progress: Progress) -> None:
        """Add what was done since the last report, if that was one of the same phase."""
        before, self._before = self._before, progress
        if before.phase == progress.phase == "embed" and before.total == progress.total:
            self.passes += progress.done - before.done


def home_at(workspace: Workspace) -> AbstractContextManager[Any]:
    """Make a workspace the one that is used where none is named, for a while."""
    return mock.patch.dict(os.environ, VITCORE_HOME=str(workspace.root))


def submit_training(
    queue: JobQueue, dataset: Dataset, h: Hyperparameters, *, backbone: str, workspace: Workspace
) -> Job:
    """Train in the background, as the app does."""

    def work(job: Job) -> None:
        train(
            dataset,
            h,
            compute=Compute(backbone),
            workspace=workspace,
            task=job.task,
        )

    return queue.submit("run", dataset.name, work, device=choose_device().name)


def wait_for(job: Job) -> None:
    """Wait until a job has ended.

    Raises:
        RuntimeError: It failed.
        TimeoutError: It does not end.
    """
    deadline = time.monotonic() + _PATIENCE_S
    while job.snapshot.active:
        if time.monotonic() > deadline:
            raise TimeoutError(f"Job '{job.title}' does not end; it stands at {job.snapshot.progress}.")
        time.sleep(0.005)
    if job.snapshot.state == "failed":
        raise RuntimeError(job.snapshot.message)
