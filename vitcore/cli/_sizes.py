"""The command that measures smaller input sizes: sizes."""

import argparse
from dataclasses import asdict

from vitcore.cli._output import answer
from vitcore.cli._settings import (
    SOURCE,
    Add,
    add_compute,
    add_reading,
    add_settings,
    compute_of,
    find_dataset,
    hyperparameters_of,
    open_workspace,
)
from vitcore.progress import Task
from vitcore.records import plain_values

__all__ = ["add_commands"]


def add_commands(add: Add) -> None:
    """Add this command to the command line."""
    sub = add(
        "sizes", _sizes, "Measure how much faster smaller input sizes are, and what accuracy they cost."
    )
    sub.add_argument("source", metavar="SOURCE|DATASET_ID", help=f"{SOURCE}, or the id of a dataset")
    add_reading(sub)
    add_compute(sub)
    sub.add_argument(
        "--images",
        type=int,
        default=160,
        metavar="N",
        help="training images to compare with, 20 or more (default: 160)",
    )
    sub.add_argument(
        "--sizes",
        type=_numbers,
        metavar="X,Y",
        help="sides in pixels, the largest being the full size (default: the backbone's own, and those "
        "with about half and a quarter of its patches)",
    )
    add_settings(sub)


def _sizes(options: argparse.Namespace, task: Task) -> None:
    from vitcore.pipeline import compare_sizes

    hyperparameters, compute = hyperparameters_of(options), compute_of(options)
    workspace = open_workspace()
    dataset = find_dataset(options, workspace, task)
    found = compare_sizes(
        dataset,
        hyperparameters,
        compute=compute,
        workspace=workspace,
        sizes=options.sizes,
        images=options.images,
        task=task,
    )
    lines = [
        f"{result.size:4} px  {result.images_per_second:7.1f} images/s  {result.accuracy:6.1%}  "
        f"{found.verdict(result)}"
        for result in found.sizes
    ]
    answer(
        options,
        {
            "dataset_id": dataset.id,
            "requested": plain_values(found.requested),
            "backbone": found.backbone,
            "usual": found.usual,
            "images": found.images,
            "passes": found.passes,
            "sizes": [{**asdict(result), "verdict": str(found.verdict(result))} for result in found.sizes],
            "seconds": found.seconds,
        },
        "\n".join(lines),
    )


def _numbers(text: str) -> list[int]:
    """Whole numbers between commas."""
    return [int(word) for word in text.split(",") if word.strip()]
