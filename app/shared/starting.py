"""Starting background work for whoever looks at a page."""

from collections.abc import Callable, Mapping

import streamlit as st

from app.shared.state import job_queue, workspace
from vitcore.audit import measure
from vitcore.backbone import choose_device
from vitcore.compute import Compute
from vitcore.dataset import (
    SAMPLE,
    SAMPLE_NAME,
    Dataset,
    Reading,
    SourceLike,
    add_images,
    import_dataset,
)
from vitcore.jobs import Job
from vitcore.pipeline import compare_sizes, evaluate_elsewhere, find_settings, resume, review_run, train
from vitcore.runs import Run
from vitcore.training import Hyperparameters

__all__ = [
    "own",
    "start_check",
    "start_elsewhere",
    "start_import",
    "start_resume",
    "start_review",
    "start_sample",
    "start_sizes",
    "start_training",
    "start_tuning",
]


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
        if into is not None:
            made = add_images(into, source, reading=reading, task=job.task)
        else:
            made = import_dataset(
                source,
                name=title,
                reading=reading,
                workspace=workspace(),
                task=job.task,
            )
        job.announce(made.id)

    own(job_queue().submit("dataset", title, work, device="import", cleanup=cleanup))


def start_sample() -> None:
    """Import the sample set in the background."""
    start_import(SAMPLE, SAMPLE_NAME)


def start_check(dataset: Dataset) -> None:
    """Look for blurred, dark and near-duplicate photos in the background."""

    def work(job: Job) -> None:
        measure(dataset, workspace=workspace(), task=job.task)
        job.announce(dataset.id)

    own(job_queue().submit("check", dataset.name, work, device=choose_device().name))


def start_training(dataset: Dataset, hyperparameters: Hyperparameters, compute: Compute) -> None:
    """Train in the background.

    Args:
        dataset: What to learn from.
        hyperparameters: How.
        compute: With what.

    Raises:
        DeviceError: The device, the precision or the engine is not here.
    """

    def work(job: Job) -> None:
        train(
            dataset,
            hyperparameters,
            compute=compute,
            workspace=workspace(),
            on_start=job.announce,
            task=job.task,
        )

    own(job_queue().submit("run", dataset.name, work, device=_line(compute)))


def start_resume(run: Run) -> None:
    """Go on with a training in the background."""

    def work(job: Job) -> None:
        resume(
            run.id,
            workspace=workspace(),
            on_start=job.announce,
            task=job.task,
        )

    title = run.config.dataset.name
    own(job_queue().submit("run", title, work, device=run.config.device.name))


def start_tuning(
    dataset: Dataset,
    base: Hyperparameters,
    compute: Compute,
    *,
    trials: int,
    seconds: float | None,
) -> None:
    """Look for good settings in the background.

    Args:
        dataset: What to learn from.
        base: The settings to begin with.
        compute: With what.
        trials: How many settings to try.
        seconds: How long; any time if None.

    Raises:
        DeviceError: The device, the precision or the engine is not here.
    """

    def work(job: Job) -> None:
        job.announce(dataset.id)
        find_settings(
            dataset,
            base,
            compute=compute,
            trials=trials,
            seconds=seconds,
            workspace=workspace(),
            task=job.task,
        )

    own(job_queue().submit("tuning", dataset.name, work, device=_line(compute)))


def start_sizes(dataset: Dataset, hyperparameters: Hyperparameters, compute: Compute, *, images: int) -> None:
    """Measure smaller input sizes in the background.

    Args:
        dataset: What to learn from.
        hyperparameters: How.
        compute: With what.
        images: How many images to compare with.

    Raises:
        DeviceError: The device, the precision or the engine is not here.
    """

    def work(job: Job) -> None:
        job.announce(dataset.id)
        compare_sizes(
            dataset,
            hyperparameters,
            compute=compute,
            images=images,
            workspace=workspace(),
            task=job.task,
        )

    own(job_queue().submit("sizes", dataset.name, work, device=_line(compute)))


def start_review(run: Run) -> None:
    """Look closer at a run in the background."""

    def work(job: Job) -> None:
        job.announce(run.id)
        review_run(run.id, workspace=workspace(), task=job.task)

    own(job_queue().submit("review", run.name, work, device=run.config.device.name))


def start_elsewhere(run: Run, other: Dataset, mapping: Mapping[str, str | None]) -> None:
    """Judge a run on another dataset in the background.

    Args:
        run: A run with results.
        other: The dataset.
        mapping: As for `vitcore.pipeline.evaluate_on`.
    """

    def work(job: Job) -> None:
        job.announce(run.id)
        evaluate_elsewhere(run.id, other, mapping, workspace=workspace(), task=job.task)

    own(job_queue().submit("elsewhere", other.name, work, device=run.config.device.name))


def _line(compute: Compute) -> str:
    """The device whose line a job has to wait in.

    Raises:
        DeviceError: The device, the precision or the engine is not here.
    """
    return choose_device(compute.device, compute.precision, compute.engine).name


def own(job: Job) -> None:
    """Remember that this session started a job: its result is then selected here and nowhere else."""
    st.session_state.setdefault("own_jobs", set()).add(job.id)
    st.session_state.setdefault("seen_jobs", set()).add(job.id)
