"""The commands that hand a run on, and take what was handed on: export and open."""

import argparse
from pathlib import Path

from vitcore.cli._output import answer
from vitcore.cli._settings import Add, open_workspace
from vitcore.progress import Task
from vitcore.records import plain_values
from vitcore.runs import load_run
from vitcore.text import unquoted

__all__ = ["add_commands"]


def add_commands(add: Add) -> None:
    """Add these commands to the command line."""
    sub = add("export", _export, "Write a classifier as files to take along, with a model card.")
    sub.add_argument("run_id", metavar="RUN_ID")
    sub.add_argument(
        "--format",
        choices=("model", "onnx", "web"),
        required=True,
        help="model: a folder for 'predict' and for Python; onnx: files that need neither vitcore nor torch; "
        "web: a page that answers in the browser",
    )
    sub.add_argument("--out", metavar="FOLDER", required=True, help="a new folder")
    sub.add_argument(
        "--images",
        type=int,
        default=120,
        metavar="N",
        help="images on which it is compared with the run, but for changed copies of some (default: 120)",
    )

    sub = add("open", _open, "Take a model that somebody sent into the workspace.")
    sub.add_argument("file", metavar="FILE", help="a model folder, or a zip file of one")
    sub.add_argument("--name", default="", help="what to call it")

    sub = add("publish", _publish, "Upload a classifier to the model hub, for you alone unless --public.")
    sub.add_argument("run_id", metavar="RUN_ID")
    sub.add_argument("repository", metavar="OWNER/NAME", help="made if it is not there")
    sub.add_argument("--public", action="store_true", help="let everybody see it")
    sub.add_argument("--no-page", action="store_true", help="without the web page")


def _open(options: argparse.Namespace, _: Task) -> None:
    from vitcore.pipeline import open_model

    opened = open_model(Path(unquoted(options.file)), options.name, workspace=open_workspace())
    facts = {"model_id": opened.id, "folder": str(opened.folder), "name": opened.name}
    text = f"{opened.id}\n  {opened.name}, from {opened.source}, {len(opened.classes)} classes"
    answer(options, {**facts, "source": opened.source, "classes": list(opened.classes)}, text)


def _publish(options: argparse.Namespace, task: Task) -> None:
    from vitcore.pipeline import publish_run

    workspace = open_workspace()
    run = load_run(options.run_id, workspace=workspace)
    made = publish_run(
        run,
        options.repository,
        public=options.public,
        page=not options.no_page,
        workspace=workspace,
        task=task,
    )
    text = "\n".join(filter(None, [made.model, made.page, "private" if made.private else "public"]))
    answer(options, plain_values(made), text)


def _export(options: argparse.Namespace, task: Task) -> None:
    from vitcore.pipeline import export_model, export_onnx, export_web

    workspace = open_workspace()
    run = load_run(options.run_id, workspace=workspace)
    export = {"model": export_model, "onnx": export_onnx, "web": export_web}[options.format]
    made = export(
        run,
        Path(options.out),
        images=options.images,
        workspace=workspace,
        task=task,
    )
    lines = [str(made.folder), *(f"  {name}  {size / 1e6:.1f} MB" for name, size in made.files.items())]
    lines += [
        f"{found.kind}: the same label for {found.same_labels:.1%} of {found.images} images, "
        f"probabilities up to {found.largest_difference:.2g} apart, {found.seconds_per_image:.2f} s per "
        f"image{'' if found.offered else '; too far apart'}"
        for found in made.agreements
    ]
    answer(options, made.to_dict(), "\n".join(lines))
