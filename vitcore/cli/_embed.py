"""The command that embeds a dataset ahead of a training."""

import argparse

from vitcore.cli._output import answer
from vitcore.cli._settings import (
    CLUSTER,
    SOURCE,
    Add,
    add_compute,
    add_reading,
    compute_of,
    find_dataset,
    open_workspace,
)
from vitcore.progress import Task
from vitcore.training import Hyperparameters

__all__ = ["add_commands"]


def add_commands(add: Add) -> None:
    """Add this command to the command line."""
    sub = add("embed", _embed, "Embed all images of a dataset ahead of trainings, which find the vectors.")
    sub.add_argument("source", metavar="SOURCE|DATASET_ID", help=f"{SOURCE}, or the id of a dataset")
    add_reading(sub)
    add_compute(sub, cluster=True)
    defaults = Hyperparameters()
    usual = ",".join(defaults.augmentations)
    for flag, kind, value, text in (
        ("--views", int, defaults.views, "variants of each image"),
        ("--augmentations", str, usual, "what the variants vary, such as flip,crop,colour"),
        ("--input-size", int, defaults.input_size, "pixels that the backbone sees, 0 for its own size"),
    ):
        sub.add_argument(flag, type=kind, default=value, metavar="X", help=f"{text} (default: {value})")


def _embed(options: argparse.Namespace, task: Task) -> None:
    from vitcore.engines import pass_for, prepare_embedder
    from vitcore.features import embed_images, image_files

    augmentations = tuple(word.strip() for word in options.augmentations.split(",") if word.strip())
    settings = Hyperparameters.from_dict(
        {"views": options.views, "augmentations": augmentations, "input_size": options.input_size}
    )
    with pass_for(options.engine, options.address, workers=options.workers) as forward_pass:
        workspace = open_workspace()
        dataset = find_dataset(options, workspace, task)
        files = image_files(dataset, dataset.index)
        embedder, choice = prepare_embedder(
            compute_of(options),
            files,
            list(dataset.index["label"]),
            input_size=settings.input_size,
            workspace=workspace,
            task=task,
        )
        embeddings = embed_images(
            embedder,
            files,
            views=settings.views,
            augmentations=settings.augmentations,
            forward_pass=forward_pass,
            task=task,
        )
    vectors = len(files) * settings.views
    answer(
        options,
        {
            "dataset_id": dataset.id,
            "backbone": embedder.backbone.spec.id,
            "fingerprint": embedder.fingerprint,
            "device": choice.device.name,
            "dtype": choice.device.precision,
            "engine": CLUSTER if options.engine == CLUSTER else choice.device.engine,
            "images": len(files),
            "vectors": vectors,
            "computed": embeddings.computed,
            "seconds": embeddings.seconds,
            "images_per_second": embeddings.images_per_second,
            "folder": str(workspace.features / embedder.fingerprint),
        },
        f"Dataset {dataset.id} '{dataset.name}': {vectors} vectors of {len(files)} images are stored, "
        f"{embeddings.computed} of them computed in {embeddings.seconds:.1f} s.",
    )
