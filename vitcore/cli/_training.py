"""Commands that train: train, tune and resume."""

import argparse
import json
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    words,
)
from vitcore.dataset import NO_GROUPS, Dataset, load_dataset
from vitcore.messages import literal
from vitcore.progress import Progress, Task
from vitcore.records import check_writable, plain_values, write_json
from vitcore.runs import Run

if TYPE_CHECKING:  # these take long to import
    from vitcore.evaluation import Evaluation
    from vitcore.runs import TestResult

__all__ = ["add_commands"]


def add_commands(add: Add) -> None:
    """Add these commands to the command line."""
    sub = add("train", _train, "Train a classifier and judge it on images it did not learn from.")
    sub.add_argument("source", metavar="SOURCE|DATASET_ID", help=f"{SOURCE}, or the id of a dataset")
    add_reading(sub)
    sub.add_argument("--name", help="what to call the run")
    add_compute(sub, cluster=True)
    add_settings(sub)

    sub = add("tune", _tune, "Find out which backbone, input size and head suit these photos.")
    sub.add_argument("source", metavar="SOURCE|DATASET_ID", help=f"{SOURCE}, or the id of a dataset")
    add_reading(sub)
    add_compute(sub)
    sub.add_argument(
        "--backbones",
        type=words,
        metavar="A,B",
        help="backbones to compare with that of --backbone, 'a+b' for a pair (default: all that need no "
        "download)",
    )
    sub.add_argument(
        "--input-sizes",
        type=_sizes,
        default=(),
        metavar="S,T",
        help="sides in pixels to compare with that of --input-size (default: none)",
    )
    sub.add_argument(
        "--minutes", type=float, default=3.0, metavar="M", help="the time it may take (default: 3)"
    )
    sub.add_argument("--out", metavar="FILE", help="write the best settings there, for 'train --settings'")
    add_settings(sub)

    sub = add("resume", _resume, "Go on with a training that was stopped or interrupted.")
    sub.add_argument("run_id", metavar="RUN_ID")


def _train(options: argparse.Namespace, task: Task) -> None:
    from vitcore.engines import pass_for
    from vitcore.pipeline import train

    started = time.perf_counter()
    hyperparameters, compute = hyperparameters_of(options), compute_of(options)
    workspace = open_workspace()
    dataset = find_dataset(options, workspace, task)
    imported = time.perf_counter()
    _mention_ready_made_split(options, dataset, task)
    engine = options.engine or compute.engine
    with pass_for(engine, options.address, workers=options.workers) as forward_pass:
        run = train(
            dataset,
            hyperparameters,
            compute=compute,
            forward_pass=forward_pass,
            name=options.name,
            workspace=workspace,
            task=task,
        )
    _tell_run(options, run, imported - started, time.perf_counter() - started)


def _mention_ready_made_split(options: argparse.Namespace, dataset: Dataset, task: Task) -> None:
    """Say so if a division was asked for that the dataset leaves no room for."""
    if options.validation_fraction is not None and dataset.divided:
        task.report(
            Progress(
                phase="prepare",
                message=literal(
                    "The dataset comes with a division of its own, which is kept; "
                    "--validation-fraction has no effect."
                ),
            )
        )


def _tune(options: argparse.Namespace, task: Task) -> None:
    from vitcore.pipeline import find_recipe

    base, compute = hyperparameters_of(options), compute_of(options)
    if options.out is not None:
        check_writable(Path(options.out))
    workspace = open_workspace()
    dataset = find_dataset(options, workspace, task)
    found = find_recipe(
        dataset,
        base,
        compute=compute,
        backbones=options.backbones,
        input_sizes=options.input_sizes,
        minutes=options.minutes,
        workspace=workspace,
        task=task,
    )
    best = found.better or found.base
    settings = {
        "hyperparameters": plain_values(best.standing.recipe.hyperparameters),
        "requested": plain_values(found.compute(best)),
    }
    if options.out is not None:
        write_json(Path(options.out), settings)
    answer(
        options,
        {
            "dataset_id": dataset.id,
            **settings,
            "better": found.better is not None,
            "verdict": str(found.verdict),
            "recipes": [
                {
                    "title": str(recipe.title),
                    "backbone": recipe.standing.recipe.backbone,
                    "input_size": recipe.standing.recipe.hyperparameters.input_size,
                    "hyperparameters": plain_values(recipe.standing.recipe.hyperparameters),
                    "images_per_second": recipe.images_per_second or None,
                    **{
                        name: value
                        for name, value in plain_values(recipe.standing).items()
                        if name not in {"recipe", "reason"}
                    },
                    "reason": str(recipe.standing.reason),
                }
                for recipe in found.recipes
            ],
            "images": found.images,
            "minutes": found.minutes,
            "seconds": found.seconds,
        },
        f"Compared {len(found.recipes)} recipes on {found.images} training photos in {found.seconds:.0f} s.\n"
        f"{found.base.title} (your settings): {found.base.standing.accuracy:.1%} in cross-validation.\n"
        + "".join(f"- {found.sentence(recipe)}\n" for recipe in found.recipes[1:])
        + f"{found.verdict}\n{json.dumps(settings)}",
    )


def _sizes(text: str) -> tuple[int, ...]:
    """Whole numbers between commas."""
    return tuple(int(word) for word in words(text))


def _resume(options: argparse.Namespace, task: Task) -> None:
    from vitcore.pipeline import resume

    started = time.perf_counter()
    run = resume(options.run_id, workspace=open_workspace(), task=task)
    _tell_run(options, run, 0.0, time.perf_counter() - started)


def _tell_run(options: argparse.Namespace, run: Run, import_s: float, total_s: float) -> None:
    from vitcore.report import leak_sentence

    headline = run.headline
    evaluation = run.facts.headline_evaluation(run.evaluation)
    seconds = {"import": import_s, **plain_values(run.facts.seconds), "total": total_s}
    leak = f"\n{leak_sentence(run.facts.leak)}" if run.facts.leak is not None else ""
    about, split = run.config.dataset, run.config.split
    dataset = load_dataset(about.id, version=about.version, workspace=open_workspace())
    warnings = list(dict.fromkeys(map(str, (*run.facts.warnings, *dataset.warnings))))
    answer(
        options,
        {
            "run_id": run.id,
            "folder": str(run.folder),
            "state": run.state,
            "dataset_id": run.config.dataset.id,
            "classes": list(run.classes),
            "images": plain_values(run.config.images),
            "epochs_run": run.facts.epochs_run,
            "best_epoch": run.facts.best_epoch,
            "validation": _figures(run.evaluation),
            "headline": plain_values(run.headline),
            "test": _test_answer(run.facts.test),
            "history": run.history.astype(object).where(run.history.notna(), None).to_dict("records"),
            "seconds": seconds,
            "device": run.config.device.name,
            "dtype": run.config.device.precision,
            "engine": plain_values(run.config.engine),
            "backbone": run.config.backbone.id,
            "images_per_second": run.facts.images_per_second,
            "leak": plain_values(run.facts.leak),
            "cross_validation": plain_values(run.facts.cross_validation),
            "finish": plain_values(run.facts.finish),
            "repeats": plain_values(run.facts.repeats),
            "groups": {
                "rule": (split and split.rule) or NO_GROUPS,
                "count": split.named_groups if split else 0,
            },
            "warnings": warnings,
        },
        f"Run {run.id}: accuracy {headline.accuracy:.1%} by {headline.source} on {headline.images} images "
        f"(95 % interval {headline.low:.1%} to {headline.high:.1%}), Cohen's "
        f"kappa {evaluation.metrics['cohen_kappa'].value:.3f}, {seconds['total']:.1f} s."
        f"{leak}{_spread_text(run)}" + "".join(f"\n- {warning}" for warning in warnings),
    )


def _figures(evaluation: "Evaluation") -> dict[str, float | None]:
    """Return the figures of a part."""
    names = {"loss": "log_loss", **{name: name for name in ("accuracy", "balanced_accuracy", "cohen_kappa")}}
    return {name: plain_values(evaluation.metrics[metric])["value"] for name, metric in names.items()}


def _test_answer(test: "TestResult | None") -> dict[str, Any] | None:
    """Return the figures of the test part; None if there is none."""
    if test is None:
        return None
    accuracy = test.evaluation.metrics["accuracy"]
    return {
        **_figures(test.evaluation),
        "low": accuracy.low,
        "high": accuracy.high,
        "images": test.evaluation.images,
        "times": test.times,
        "leak": plain_values(test.leak),
    }


def _spread_text(run: Run) -> str:
    text = ""
    for name, what in (
        ("cross_validation", "In {} folds"),
        ("repeats", "From {} other seeds"),
    ):
        if (found := getattr(run.facts, name)) is not None:
            figures = [
                f"{figure.replace('_', ' ')} {_mean_and_deviation(figure, values)}"
                for figure in ("accuracy", "balanced_accuracy", "cohen_kappa")
                if len(values := [value for value in getattr(found, figure) if value is not None]) > 1
            ]
            text += f"\n{what.format(len(found.accuracy))}: {', '.join(figures)}."
    return text


def _mean_and_deviation(figure: str, values: Sequence[float]) -> str:
    mean, spread = statistics.fmean(values), statistics.stdev(values)
    return f"{mean:.3f} ± {spread:.3f}" if figure == "cohen_kappa" else f"{mean:.1%} ± {spread:.1%}"
