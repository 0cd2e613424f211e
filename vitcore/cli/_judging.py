"""The command that judges: evaluate."""

import argparse
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path

from vitcore.cli._output import answer
from vitcore.cli._settings import DEVICE, SOURCE, Add, add_reading, find_dataset, open_workspace
from vitcore.dataset import (
    Dataset,
    load_dataset,
)
from vitcore.errors import InputError, NotFoundError
from vitcore.messages import quoted
from vitcore.progress import Task
from vitcore.runs import load_run
from vitcore.workspace import Workspace

__all__ = ["add_commands"]


def add_commands(add: Add) -> None:
    """Add these commands to the command line."""
    sub = add("evaluate", _evaluate, "Show the figures of a run, or judge it on another labelled set.")
    sub.add_argument("run_id", metavar="RUN_ID")
    sub.add_argument("source", metavar="SOURCE", nargs="?", help=f"{SOURCE}, or the id of a dataset")
    sub.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="CLASS=MEANING",
        help="what a class of the other set means to the classifier; 'CLASS=' leaves its images out",
    )
    add_reading(sub)
    sub.add_argument("--device", **DEVICE)


def _evaluate(options: argparse.Namespace, task: Task) -> None:
    workspace = open_workspace()
    run = load_run(options.run_id, workspace=workspace)
    if options.source is None:
        evaluation = run.evaluation
    else:
        from vitcore.inference import load_classifier
        from vitcore.pipeline import evaluate_on

        classifier = load_classifier(run.folder, device=options.device, workspace=workspace)
        # Only to be judged by, so it does not stay among the datasets.
        with tempfile.TemporaryDirectory(prefix="vitcore-") as folder:
            try:
                dataset = load_dataset(options.source, workspace=workspace)
            except NotFoundError:
                dataset = find_dataset(options, Workspace(Path(folder)), task)
            mapping = _mapping(options.map, dataset, classifier.classes)
            other = evaluate_on(classifier, dataset, mapping=mapping, task=task)
            evaluation = other.evaluation
    lines = [f"{evaluation.images} images"]
    for name, metric in evaluation.metrics.items():
        spread = "" if math.isnan(metric.low) else f"  ({metric.low:.4f} to {metric.high:.4f})"
        lines.append(f"{name.replace('_', ' '):28}{metric.value:8.4f}{spread}")
    answer(options, evaluation.to_dict(), "\n".join(lines))


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
