"""Commands that show what is there: runs and doctor."""

import argparse
import platform
import shutil
from importlib import metadata
from typing import Any

from vitcore.cli._output import answer
from vitcore.cli._settings import Add, open_workspace
from vitcore.errors import BackboneError
from vitcore.progress import Task
from vitcore.records import plain_values
from vitcore.runs import Run, delete_run, list_damaged_runs, list_runs

__all__ = ["add_commands"]


def add_commands(add: Add) -> None:
    """Add these commands to the command line."""
    sub = add("runs", _runs, "List the runs.")
    sub.add_argument("--delete", metavar="RUN_ID", help="delete a run first")

    add("doctor", _doctor, "Show what this machine offers.")


def _runs(options: argparse.Namespace, _task: Task) -> None:
    workspace = open_workspace()
    if options.delete:
        delete_run(options.delete, workspace=workspace)
    rows = [_run_row(run) for run in list_runs(workspace)]
    lines = [
        f"{row['run_id']}  {row['state']:11}  "
        f"{format(row['headline']['accuracy'], '6.1%') if row['headline'] else '':6}  {row['name']}"
        for row in rows
    ]
    damaged = {run_id: str(error) for run_id, error in list_damaged_runs(workspace).items()}
    lines += [f"{run_id}  damaged      {reason}" for run_id, reason in damaged.items()]
    left_out = [{"run_id": run_id, "reason": reason} for run_id, reason in damaged.items()]
    answer(options, {"runs": rows, "damaged": left_out}, "\n".join(lines) or "No runs yet.")


def _doctor(options: argparse.Namespace, _task: Task) -> None:
    import torch

    from vitcore.backbone import choose_device, embedded_file, model_hub_problem

    try:
        embedded_file()
        embedded = "installed"
    except BackboneError as error:
        embedded = str(error)
    workspace = open_workspace()
    device = choose_device()
    problem = model_hub_problem()
    facts = {
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": {
            name: _version(name) for name in ("torch", "torchvision", "timm", "streamlit", "pillow", "numpy")
        },
        "device": device.name,
        "device_title": device.title,
        "precision": device.precision,
        "cpu_threads": torch.get_num_threads(),
        "workspace": str(workspace.root),
        "free_gb": round(shutil.disk_usage(workspace.root).free / 1e9, 1),
        "embedded_weights": embedded,
        "model_hub": f"not available: {problem}; use the embedded backbone" if problem else "answers",
        "datasets": len(workspace.ids(workspace.datasets)),
        "runs": len(workspace.ids(workspace.runs)),
    }
    lines = [f"{name.replace('_', ' '):18}{value}" for name, value in facts.items()]
    answer(options, facts, "\n".join(lines))


def _run_row(run: Run) -> dict[str, Any]:
    metrics = run.evaluation.metrics if run.has_model else {}
    return {
        "run_id": run.id,
        "name": run.name,
        "state": run.state,
        "created": run.config.created,
        "dataset_id": run.config.dataset.id,
        "backbone": run.config.backbone.id,
        "folder": str(run.folder),
        "epochs_run": len(run.history),
        "accuracy": plain_values(metrics["accuracy"])["value"] if metrics else None,
        "headline": plain_values(run.headline) if metrics else None,
        "cohen_kappa": plain_values(metrics["cohen_kappa"])["value"] if metrics else None,
        "message": str(run.facts.message),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
