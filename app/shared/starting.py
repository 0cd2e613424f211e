"""Background work that several pages start: importing photos and training."""

from collections.abc import Callable

from app.shared.chosen import chosen_settings, requested_settings
from app.shared.job_kinds import IMPORT, TRAINING
from app.shared.jobs import start
from app.shared.server_paths import server_path
from app.shared.state import workspace
from vitcore import pipeline
from vitcore.backbone import choose_device
from vitcore.compute import Compute
from vitcore.dataset import SAMPLE, SAMPLE_NAME, Dataset, SourceLike, add_images, import_dataset
from vitcore.jobs import Job
from vitcore.layouts import Reading
from vitcore.progress import Task
from vitcore.runs import Run
from vitcore.training import Hyperparameters

__all__ = [
    "device_of",
    "start_import",
    "start_import_and_training",
    "start_resume",
    "start_sample",
    "start_training",
]

_IMPORTING = 0.1  # part of the work of importing and training


def start_import(
    source: SourceLike,
    title: str,
    *,
    reading: Reading | None = None,
    into: Dataset | None = None,
    cleanup: Callable[[], None] | None = None,
) -> None:
    """Import photos in the background.

    Args:
        source: As for `vitcore.import_dataset`.
        title: What to call the dataset.
        reading: How to read it.
        into: A dataset to add the photos to, instead of making a new one.
        cleanup: Called when the job has ended in any way.
    """

    def work(job: Job) -> None:
        job.announce(_imported(job.task, source, title, reading, into).id)

    start(IMPORT, title, work, uses=() if into is None else (into.folder,), cleanup=cleanup)


def start_import_and_training(
    source: SourceLike,
    title: str,
    hyperparameters: Hyperparameters,
    compute: Compute,
    *,
    reading: Reading | None = None,
    into: Dataset | None = None,
    cleanup: Callable[[], None] | None = None,
) -> None:
    """Import photos in the background and train on them: one job, with one progress.

    Args:
        source: As for `vitcore.import_dataset`.
        title: What to call the dataset.
        hyperparameters: How to train.
        compute: With what.
        reading: How to read the source.
        into: A dataset to add the photos to, instead of making a new one.
        cleanup: Called when the job has ended in any way.

    Raises:
        DeviceError: The device, the precision or the engine is not here.
        InputError: The backbone is a file that is not open to the app.
    """

    def work(job: Job) -> None:
        dataset = _imported(job.task.within(0.0, _IMPORTING), source, title, reading, into)
        job.works_on(dataset.id)
        pipeline.train(
            dataset,
            hyperparameters,
            compute=compute,
            workspace=workspace(),
            task=job.task.within(_IMPORTING, 1.0),
        )

    start(
        TRAINING,
        title,
        work,
        device=device_of(compute),
        uses=() if into is None else (into.folder,),
        cleanup=cleanup,
    )


def _imported(
    task: Task, source: SourceLike, title: str, reading: Reading | None, into: Dataset | None
) -> Dataset:
    if into is not None:
        return add_images(into, source, reading=reading, task=task)
    return import_dataset(source, name=title, reading=reading, workspace=workspace(), task=task)


def start_sample() -> None:
    """Import the sample set in the background, and train on it."""
    hyperparameters, compute = Hyperparameters(**chosen_settings()), Compute(**requested_settings())
    start_import_and_training(SAMPLE, SAMPLE_NAME, hyperparameters, compute)


def start_training(dataset: Dataset, hyperparameters: Hyperparameters, compute: Compute) -> None:
    """Train in the background.

    Args:
        dataset: What to learn from.
        hyperparameters: How.
        compute: With what.

    Raises:
        DeviceError: The device, the precision or the engine is not here.
        InputError: The backbone is a file that is not open to the app.
    """
    start(
        TRAINING,
        dataset.name,
        lambda job: pipeline.train(
            dataset,
            hyperparameters,
            compute=compute,
            workspace=workspace(),
            task=job.task,
        ),
        device=device_of(compute),
        works_on=dataset.id,
        uses=(dataset.folder,),
    )


def start_resume(run: Run) -> None:
    """Resume a training in the background."""
    start(
        TRAINING,
        run.config.dataset.name,
        lambda job: pipeline.resume(run.id, workspace=workspace(), task=job.task),
        device=run.config.device.name,
        works_on=run.config.dataset.id,
        uses=(run.folder, workspace().datasets / run.config.dataset.id),
    )


def device_of(compute: Compute) -> str:
    """Return the name of the device on which a training with these choices computes.

    Raises:
        DeviceError: The device, the precision or the engine is not here.
        InputError: The backbone is a file that is not open to the app.
    """
    if compute.backbone.endswith(".safetensors"):
        server_path(compute.backbone)
    return choose_device(compute.device, compute.precision, compute.engine).name
