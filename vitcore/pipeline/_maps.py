"""A test of the maps of a run's classifier, made once and kept with it."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vitcore.dataset import load_dataset
from vitcore.errors import InputError, Stopped
from vitcore.inference import Deletion, deletion_test, load_classifier
from vitcore.messages import mark
from vitcore.progress import Task
from vitcore.records import load_record, save_record
from vitcore.runs import Run, load_run
from vitcore.workspace import Workspace

__all__ = ["check_maps", "load_map_check"]

MAP_IMAGES = 24
"""Validation images that are enough to tell a good map from chance; ten forward passes each."""


def check_maps(
    run_id: str,
    *,
    images: int = MAP_IMAGES,
    device: str = "auto",
    workspace: Workspace | None = None,
    task: Task | None = None,
) -> Deletion:
    """Test the maps of a run on validation images (`vitcore.inference.deletion_test`), and keep the outcome.

    Args:
        run_id: A run with results.
        images: How many validation images, drawn at random.
        device: As for `vitcore.inference.load_classifier`.
        workspace: Where the run is.
        task: Where progress is reported, and what stops it; nothing is kept.

    Raises:
        NotFoundError: There is no such run, or its dataset is gone.
        StorageError: It has no results, or they cannot be written.
        InputError: Its photos cannot be read any more.
        Stopped: The task was stopped.
    """
    workspace, task = workspace or Workspace.default(), task or Task()
    run = load_run(run_id, workspace=workspace)
    rows = run.predictions
    about = run.config.dataset
    dataset = load_dataset(about.id, version=about.version, workspace=workspace)
    drawn = np.random.default_rng(0).permutation(len(rows))[:images]
    files = [dataset.path(file) for file in rows["file"].iloc[drawn]]
    classifier = load_classifier(
        run.folder, head=run.validation_head, device=device, workspace=workspace, task=task
    )

    def counted() -> Iterator[Path]:
        meter = task.meter("maps", len(files))
        for file in files:
            if task.stopped:
                raise Stopped("The check of the maps was stopped; nothing was kept.")
            task.give_way()
            yield file
            meter.add(1)

    try:
        found = deletion_test(classifier, counted())
    except OSError as error:
        raise InputError(
            "A photo of the validation part cannot be read ({error}); train again.", error=error
        ) from error
    save_record(_file(run), found)
    return found


def load_map_check(run: Run) -> Deletion | None:
    """Load the findings of `check_maps` for the present classifier of a run; None if there are none.

    Raises:
        StorageError: The file is damaged.
    """
    if not _file(run).is_file():
        return None
    return load_record(Deletion, _file(run), mark("check the maps again"))


def _file(run: Run) -> Path:
    return run.folder / "model" / "maps.json"  # beside the classifier, for it goes with that
