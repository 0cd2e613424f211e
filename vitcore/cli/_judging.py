"""The commands that judge: evaluate and compare."""

import argparse
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitcore.cli._output import answer
from vitcore.cli._settings import DEVICE, SOURCE, Add, add_reading, find_dataset, find_model, open_workspace
from vitcore.dataset import Dataset, SharedColumn, load_dataset
from vitcore.errors import InputError, NotFoundError
from vitcore.messages import message, quoted
from vitcore.progress import Task
from vitcore.records import plain_values
from vitcore.runs import Run, load_run
from vitcore.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["add_commands"]


def add_commands(add: Add) -> None:
    """Add these commands to the command line."""
    sub = add("evaluate", _evaluate, "Show the figures of a run, or judge it on another labelled set.")
    sub.add_argument("model", metavar="RUN_ID|MODEL_FOLDER")
    sub.add_argument("source", metavar="SOURCE", nargs="?", help=f"{SOURCE}, or the id of a dataset")
    sub.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="CLASS=MEANING",
        help="what a class of the other set means to the classifier; 'CLASS=' leaves its images out",
    )
    sub.add_argument(
        "--by",
        metavar="COLUMN",
        help="also by what images have in common: a column of the table, camera, place, month, format, size, "
        "shape or brightness",
    )
    sub.add_argument(
        "--stress",
        action="store_true",
        help="also on photos that it did not learn from, turned, darker, blurred and so on",
    )
    add_reading(sub)
    sub.add_argument("--device", **DEVICE)

    sub = add("compare", _compare, "Compare two runs on the photos that judged both.")
    sub.add_argument("run_id", metavar="RUN_ID")
    sub.add_argument("other_id", metavar="OTHER_RUN_ID")


def _evaluate(options: argparse.Namespace, task: Task) -> None:
    workspace = open_workspace()
    if options.source is not None and options.stress:
        raise InputError("--stress changes the photos that judged the run; leave out SOURCE or --stress.")
    if options.source is None:
        run = _judged(options.model, workspace)
        evaluation = run.facts.headline_evaluation(run.evaluation)
        if options.by is not None:
            about = run.config.dataset
            dataset = load_dataset(about.id, version=about.version, workspace=workspace)
            slices = _slices(options.by, dataset, run.headline_predictions, task)
    else:
        from vitcore.inference import load_classifier
        from vitcore.pipeline import evaluate_on

        model = find_model(options.model)
        classifier = load_classifier(model, device=options.device, workspace=workspace, task=task)
        # Only to be judged by, so it does not stay among the datasets.
        with tempfile.TemporaryDirectory(prefix="vitcore-") as folder:
            try:
                dataset = load_dataset(options.source, workspace=workspace)
            except NotFoundError:
                dataset = find_dataset(options, Workspace(Path(folder)), task)
            mapping = _mapping(options.map, dataset, classifier.classes)
            if options.by is not None:  # refused before the images are embedded
                _shared(options.by, dataset, dataset.index, task)
            other = evaluate_on(classifier, dataset, mapping=mapping, task=task)
            evaluation = other.evaluation
            if options.by is not None:
                slices = _slices(options.by, dataset, other.predictions, task)
    lines = [f"{evaluation.images} images"]
    for name, metric in evaluation.metrics.items():
        spread = "" if math.isnan(metric.low) else f"  ({metric.low:.4f} to {metric.high:.4f})"
        lines.append(f"{name.replace('_', ' '):28}{metric.value:8.4f}{spread}")
    found = evaluation.to_dict()
    if options.by is not None:
        found["slices"] = slices
        lines += [
            f"{row['value']:28}{row['accuracy']:8.4f}  ({row['low']:.4f} to {row['high']:.4f}), "
            f"{row['images']} images"
            for row in slices
        ]
    if options.stress:
        found["stress"] = _stress(options, run, workspace, task)
        lines += [
            f"{row['change'].replace('_', ' '):28}{row['accuracy']:8.4f}  ({row['low']:.4f} to "
            f"{row['high']:.4f}), confidence {row['confidence']:.4f}, not sure {row['not_sure']:.4f}"
            for row in found["stress"]
        ]
    answer(options, found, "\n".join(lines))


def _judged(name: str, workspace: Workspace) -> Run:
    """Return the run of that name, and no model of another kind.

    Raises:
        InputError: It is one.
        NotFoundError: There is neither.
    """
    if find_model(name).parent != workspace.runs:
        raise InputError(
            "{model} is no run of this workspace, so there are no photos here that judged it; give SOURCE.",
            model=name,
        )
    return load_run(name, workspace=workspace)


def _stress(options: argparse.Namespace, run: Run, workspace: Workspace, task: Task) -> list[dict[Any, Any]]:
    """Return the figures of a stress test, that of before if there was one."""
    from vitcore.inference import load_trust
    from vitcore.pipeline import load_stress, stress_test

    found = load_stress(run) or stress_test(run.id, device=options.device, workspace=workspace, task=task)
    return found.figures(load_trust(run.folder)).drop(columns="sure_accuracy").to_dict("records")


def _compare(options: argparse.Namespace, _task: Task) -> None:
    from vitcore.pipeline import compare_runs, unshared_reason
    from vitcore.report import difference_details, difference_sentence

    workspace = open_workspace()
    run, other = (load_run(found, workspace=workspace) for found in (options.run_id, options.other_id))
    both = compare_runs(run, other)
    if both is None:
        raise InputError("{reason}", reason=unshared_reason(run, other))
    found = both.comparison
    answer(
        options,
        {
            "run_id": run.id,
            "other_run_id": other.id,
            "images": found.images,
            **plain_values(found),
            "may_be_chance": found.may_be_chance,
            "relabelled": both.relabelled,
            "caveats": list(map(str, both.caveats)),
        },
        " ".join([difference_sentence(found), difference_details(found), *map(str, both.caveats)]),
    )


def _slices(column: str, dataset: Dataset, rows: "pd.DataFrame", task: Task) -> list[dict[Any, Any]]:
    """Return the accuracy by the values of a column, the lowest first."""
    from vitcore.evaluation import accuracy_slices

    index = dataset.index[dataset.index["image_id"].isin(rows["image_id"])]
    shared = _shared(column, dataset, index, task)
    by_id = rows.set_index("image_id").loc[index["image_id"]]
    slices = accuracy_slices(shared.values, (by_id["true"] == by_id["predicted"]).to_numpy())
    return slices.to_dict("records")


def _shared(column: str, dataset: Dataset, index: "pd.DataFrame", task: Task) -> SharedColumn:
    """Return what images have in common by a column.

    Raises:
        InputError: They have nothing in common by it.
    """
    from vitcore.audit import photo_conditions

    columns = photo_conditions(dataset, index, task=task)
    if column not in columns:
        raise InputError(
            "The images cannot be compared by '{column}'; they can by {columns}.",
            column=column,
            columns=quoted(columns) or message("nothing"),
        )
    return columns[column]


def _mapping(said: Sequence[str], dataset: Dataset, classes: Sequence[str]) -> dict[str, str | None] | None:
    """Return the meaning of classes by options, of others by name; None if there are no options."""
    from vitcore.pipeline import match_classes

    if not said:
        return None
    mapping = match_classes(dataset.classes, classes)
    for text in said:
        label, _, meant = text.partition("=")
        if label not in mapping:
            raise InputError(
                "There is no class '{label}' in the other set; it has {classes}.",
                label=label,
                classes=quoted(mapping),
            )
        mapping[label] = meant or None
    return mapping
