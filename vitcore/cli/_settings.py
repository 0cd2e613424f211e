"""Options that several commands share, and what they mean."""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from vitcore.compute import DEFAULT_COMPUTE, DEVICES, ENGINES, PRECISIONS, Compute
from vitcore.dataset import NO_GROUPS, Dataset, GroupRule, group_images, import_dataset, load_dataset
from vitcore.errors import SettingsError
from vitcore.layouts import CROP, FIRST_WORD, KEEP, LABEL, LEAVE_OUT, MERGE, WORDS, Reading
from vitcore.progress import Task
from vitcore.records import record_of
from vitcore.sources import ENCODINGS
from vitcore.text import unquoted
from vitcore.training import Hyperparameters
from vitcore.workspace import Workspace

__all__ = [
    "CLUSTER",
    "DEVICE",
    "SOURCE",
    "Add",
    "Command",
    "add_cluster",
    "add_compute",
    "add_reading",
    "add_settings",
    "compute_of",
    "find_dataset",
    "find_model",
    "groups_answer",
    "hyperparameters_of",
    "open_workspace",
    "reading_of",
    "words",
]

Command = Callable[[argparse.Namespace, Task], None]
Add = Callable[[str, Command, str], argparse.ArgumentParser]
"""Adds a command: its name, what it does when run, and one sentence on it."""

CLUSTER = "ray"
"""The engine that is a cluster."""

SOURCE = "a zip or tar file or a folder with one folder per class, or 'sample'"
DEVICE: dict[str, Any] = {
    "choices": DEVICES,
    "default": DEFAULT_COMPUTE.device,
    "help": "where to compute",
}
_ENGINE: dict[str, Any] = {
    "default": DEFAULT_COMPUTE.engine,
    "help": "what computes the embeddings; auto: the fastest that agrees with torch; ray: a cluster",
}


def open_workspace() -> Workspace:
    """The workspace, cleared of what killed processes left behind."""
    workspace = Workspace.default()
    workspace.sweep()
    return workspace


def find_model(name: str) -> Path:
    """The folder of the classifier that the command line names: of a run, a model that was opened, or any.

    Raises:
        NotFoundError: There is neither.
    """
    folder = Path(unquoted(name))
    if folder.is_dir():
        return folder
    workspace = open_workspace()
    if name in (workspace.ids(workspace.models) if workspace.models.is_dir() else ()):
        return workspace.models / name
    return workspace.find(workspace.runs, name, "run or model folder")


def hyperparameters_of(options: argparse.Namespace) -> Hyperparameters:
    """Those of the settings file, if there is one, and over them what the options say."""
    given, _ = _settings_file(options)
    return Hyperparameters.from_dict({**given, **_said(options, Hyperparameters)})


def _settings_file(options: argparse.Namespace) -> tuple[dict[str, Any], Compute]:
    """The hyperparameters of the settings file, if there is one, and with what it asks to compute."""
    if getattr(options, "settings", None) is None:
        return {}, DEFAULT_COMPUTE
    try:
        values = json.loads(Path(options.settings).read_text(encoding="utf-8"))
        return {**values.get("hyperparameters", values)}, record_of(Compute, values.get("requested", {}))
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise SettingsError(
            "{file} has no settings ({error}); give a file that the Train page or 'vitcore tune --out' made.",
            file=options.settings,
            error=error,
        ) from error


def _said(options: argparse.Namespace, kind: type[Hyperparameters | Compute]) -> dict[str, Any]:
    """The values of a record that the options give."""
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in vars(options).items() if name in names and value is not None}


def reading_of(options: argparse.Namespace) -> Reading:
    """Return the reading that the options of `add_reading` describe."""
    return Reading(**{field.name: getattr(options, field.name) for field in fields(Reading)})


def find_dataset(options: argparse.Namespace, workspace: Workspace, task: Task) -> Dataset:
    """A dataset by its id, or imported from a path or the sample; grouped as the options say."""
    source = options.source
    if not Path(unquoted(source)).exists() and source in workspace.ids(workspace.datasets):
        return _regrouped(load_dataset(source, workspace=workspace), options)
    return import_dataset(
        source, reading=reading_of(options), group_by=options.group_by, workspace=workspace, task=task
    )


def _regrouped(dataset: Dataset, options: argparse.Namespace) -> Dataset:
    """Return a dataset in which the images are grouped as the options say, if they say anything."""
    wanted = options.group_by and str(GroupRule.parse(options.group_by))
    return dataset if wanted in {"", dataset.group_rule} else group_images(dataset, wanted)


def groups_answer(dataset: Dataset) -> dict[str, Any]:
    """Return the rule by which images are grouped, and the number of groups."""
    return {"rule": dataset.group_rule or NO_GROUPS, "count": dataset.group_count}


def add_reading(sub: argparse.ArgumentParser) -> None:
    """Options that say how a source is to be read."""
    group = sub.add_argument_group("how to read the source, where that is not plain")
    for flag, metavar, text in (
        (
            "--root",
            "FOLDER",
            "look below this folder; '*': take the classes of all folders together; '.': whole paths",
        ),
        ("--labels", "TABLE", "the CSV, XLSX or JSONL file in the source that says which image is what"),
        ("--file-column", "NAME", "its column with the file names"),
        ("--label-column", "NAME", "its column with the classes; '*': one column of 0 and 1 per class"),
        ("--label", "CLASS", "the class of all images"),
        (
            "--group-by",
            "RULE",
            (
                "which images belong together, so that no split divides them: column:NAME of a table, "
                "folder:N below the class, name:REGEX (its first group), time:SECONDS between two photos, "
                "or none"
            ),
        ),
    ):
        group.add_argument(flag, metavar=metavar, default="", help=text)
    group.add_argument(
        "--unlabelled", action="store_true", help="keep images without a class, to label them later"
    )
    group.add_argument(
        "--several",
        choices=(LEAVE_OUT, KEEP),
        default="",
        help="photos with several labels: leave them out, or take each text as a class",
    )
    group.add_argument(
        "--names",
        choices=(WORDS, FIRST_WORD),
        default="",
        help="take the class from the file name: all its words without numbers, or the first",
    )
    group.add_argument(
        "--boxes",
        choices=(LABEL, CROP),
        default="",
        help="of YOLO, COCO or Pascal VOC: their class for the whole photo, or each box cut out as a photo",
    )
    group.add_argument(
        "--encoding",
        choices=tuple(ENCODINGS),
        default="",
        help="that of names in a zip file that do not say theirs (default: guessed)",
    )
    group.add_argument(
        "--pages",
        choices=("every",),
        default="",
        help="take each page or frame of a TIFF or GIF file as a photo; those of a file are a group",
    )
    group.add_argument(
        "--frames",
        metavar="SECONDS",
        default="",
        help="take a picture of each video at this interval (needs PyAV); those of a video are a group",
    )
    group.add_argument(
        "--alike",
        choices=(MERGE,),
        default="",
        help="take classes whose names differ only in capitals or spaces as one",
    )


def add_compute(sub: argparse.ArgumentParser, *, cluster: bool = False) -> None:
    """Options that choose a backbone, where it computes, and with what; a cluster too if that is possible."""
    sub.add_argument(
        "--backbone",
        default=DEFAULT_COMPUTE.backbone,
        metavar="NAME",
        help="auto, embedded, a Vision Transformer of timm, or a .safetensors file (default: auto)",
    )
    sub.add_argument("--device", **DEVICE)
    sub.add_argument(
        "--precision",
        choices=PRECISIONS,
        default=DEFAULT_COMPUTE.precision,
        help="number format of the backbone",
    )
    if cluster:
        add_cluster(sub)
    else:
        sub.add_argument("--engine", choices=ENGINES, **_ENGINE)


def add_cluster(sub: argparse.ArgumentParser, engines: Sequence[str] = ENGINES) -> None:
    """Options that say what computes the embeddings, a cluster included."""
    sub.add_argument("--engine", choices=(*engines, CLUSTER), **_ENGINE)
    sub.add_argument(
        "--address", metavar="HOST:PORT", help="of the Ray cluster; this machine alone if not given"
    )
    sub.add_argument("--workers", type=int, metavar="N", help="processes of the cluster with the backbone")


def compute_of(options: argparse.Namespace) -> Compute:
    """Return what the options of `add_compute` choose, over the settings file; a cluster uses torch."""
    _, requested = _settings_file(options)
    given = {**vars(requested), **_said(options, Compute)}
    return Compute(**{**given, "engine": "torch"} if options.engine == CLUSTER else given)


def add_settings(sub: argparse.ArgumentParser) -> None:
    """Options for all hyperparameters."""
    sub.add_argument(
        "--settings", metavar="FILE", help="a JSON file with settings; the options below come over them"
    )
    # What to compute with may stand in that file too, and counts unless an option says something else.
    sub.set_defaults(**dict.fromkeys(field.name for field in fields(Compute)))
    defaults = Hyperparameters()
    for flag, kind, text in (
        ("--epochs", int, "passes over the training images"),
        ("--learning-rate", float, "step size at its highest"),
        ("--batch-size", int, "images per step"),
        ("--optimizer", str, "adamw, sgd, adam, lbfgs or lda"),
        ("--schedule", str, "cosine or constant"),
        ("--warmup-epochs", int, "epochs in which the learning rate rises"),
        ("--weight-decay", float, "pull of the weights towards what they are drawn to"),
        ("--label-smoothing", float, "part of the target spread over all classes"),
        ("--dropout", float, "share of the features hidden in each step"),
        ("--noise", float, "noise on the features, in standard deviations"),
        ("--mixup", float, "how much images are blended, 0 for not at all"),
        ("--head", str, "linear or hidden"),
        ("--hidden-units", int, "width of the hidden layer"),
        ("--patience", int, "epochs without improvement after which to end, 0 for never"),
        (
            "--monitor",
            str,
            "what the best epoch is best at: loss, accuracy, balanced_accuracy or cohen_kappa",
        ),
        ("--balance", str, "none, weights or sampler: how rare classes are helped"),
        ("--views", int, "variants of each training image"),
        ("--augmentations", words, "what the variants vary, such as flip,crop,colour"),
        ("--input-size", int, "pixels that the backbone sees, 0 for its own size"),
        ("--validation-fraction", float, "share of the images kept for validation"),
        ("--repeats", int, "further trainings on the same images from other seeds, 0 to 20"),
        ("--seed", int, "decides the split and the order of the images"),
    ):
        value = getattr(defaults, flag[2:].replace("-", "_"))
        shown = ",".join(value) if isinstance(value, tuple) else value
        sub.add_argument(flag, type=kind, metavar="X", help=f"{text} (default: {shown})")
    sub.add_argument(
        "--finish",
        action=argparse.BooleanOptionalAction,
        help="learn from all images at the end, the validation part included (default: yes)",
    )


def words(text: str) -> tuple[str, ...]:
    """Words between commas."""
    return tuple(word.strip() for word in text.split(",") if word.strip())
