"""The same work without a browser: ``python -m vitcore``.

Progress and messages go to stderr; with ``--json`` stdout carries exactly one JSON object. Exit
status: 0 done, 1 a `VitcoreError` (one line on stderr), 2 wrong usage, 130 interrupted.
"""

import argparse
import csv
import json
import math
import os
import platform
import shutil
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields
from importlib import metadata
from pathlib import Path
from types import FrameType
from typing import Any

from vitcore.dataset import (
    Dataset,
    Reading,
    SourceLike,
    add_images,
    import_dataset,
    inspect_source,
    load_dataset,
    remarks,
)
from vitcore.errors import BackboneError, InputError, NotFoundError, SettingsError, Stopped, VitcoreError
from vitcore.progress import Progress
from vitcore.runs import Run, delete_run, list_runs, load_run
from vitcore.training import Hyperparameters
from vitcore.workspace import Workspace, write_json

__all__ = ["main"]

_SHOWN_GROUPS = 5  # of images, below one finding of an audit


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    Args:
        arguments: As on the command line; those of the process if not given.
    """
    options = _parser().parse_args(arguments)
    stop = threading.Event()
    try:
        with _stopping(stop):
            options.command(options, stop)
    except Stopped as stopped:
        print(stopped, file=sys.stderr)
        return 130
    except VitcoreError as error:
        print(f"vitcore: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Whoever read our output has had enough; keep the interpreter from complaining at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 130 if stop.is_set() else 0


# --- the commands ----------------------------------------------------------------------------


def _import(options: argparse.Namespace, stop: threading.Event) -> None:
    if options.dry_run:
        _inspect(options)
        return
    workspace, printer = _workspace(), _Printer()
    sources: SourceLike = options.source[0] if len(options.source) == 1 else options.source
    if options.into is not None:
        before = load_dataset(options.into, workspace=workspace)
        dataset = add_images(before, sources, reading=_reading(options), on_progress=printer, stop=stop)
        done = f"{dataset.changes[-1].text} "
    else:
        dataset = import_dataset(
            sources,
            name=options.name,
            reading=_reading(options),
            workspace=workspace,
            on_progress=printer,
            stop=stop,
        )
        done = ""
    _answer(
        options,
        {
            "dataset_id": dataset.id,
            "name": dataset.name,
            "version": dataset.version,
            "classes": dataset.class_counts,
            "images": len(dataset.index),
            "splits": dataset.split_counts,
            "skipped": [{"name": item.name, "reason": item.reason} for item in dataset.skipped],
            "ignored": dataset.ignored,
            "warnings": list(dataset.warnings),
        },
        f"{done}Dataset {dataset.id} '{dataset.name}': {len(dataset.index)} images in {len(dataset.classes)} "
        f"classes, {len(dataset.skipped)} files skipped.",
    )


def _inspect(options: argparse.Namespace) -> None:
    survey = inspect_source(options.source, reading=_reading(options))
    readings = [
        {
            "title": candidate.title,
            "options": {key: value for key, value in asdict(candidate.reading).items() if value},
            "classes": dict(candidate.classes),
            "splits": dict(candidate.splits),
            "examples": candidate.examples(),
        }
        for candidate in survey.candidates
    ]
    lines = [f"{survey.images} images, {len(survey.skipped)} other files."]
    for candidate in survey.candidates:
        counts = ", ".join(f"{label} {count}" for label, count in candidate.classes.items())
        lines.append(f"{candidate.title}: {counts}")
    lines.append(survey.problem or "The first of these would be imported.")
    _answer(
        options,
        {
            "images": survey.images,
            "readings": readings,
            "problem": survey.problem,
            "skipped": [{"name": entry.name, "reason": reason} for entry, reason in survey.skipped],
            "ignored": survey.ignored,
        },
        "\n".join(lines),
    )


def _train(options: argparse.Namespace, stop: threading.Event) -> None:
    from vitcore.pipeline import train

    started = time.perf_counter()
    hyperparameters = _hyperparameters(options)
    workspace = _workspace()
    printer = _Printer()
    dataset = _dataset(options, workspace, printer, stop)
    imported = time.perf_counter()
    run = train(
        dataset,
        hyperparameters,
        backbone=options.backbone,
        device=options.device,
        precision=options.precision,
        name=options.name,
        workspace=workspace,
        on_progress=printer,
        stop=stop,
    )
    _tell_run(options, run, imported - started, time.perf_counter() - started)


def _tune(options: argparse.Namespace, stop: threading.Event) -> None:
    from vitcore.pipeline import find_settings

    base = _hyperparameters(options)
    workspace, printer = _workspace(), _Printer()
    dataset = _dataset(options, workspace, printer, stop)
    tuning = find_settings(
        dataset,
        base,
        trials=options.trials,
        seconds=None if options.minutes is None else 60 * options.minutes,
        backbone=options.backbone,
        device=options.device,
        precision=options.precision,
        workspace=workspace,
        on_progress=printer,
        stop=stop,
    )
    best = tuning.best
    settings = {"hyperparameters": best.hyperparameters.to_dict(), "requested": dict(tuning.requested)}
    if options.out is not None:
        try:
            write_json(Path(options.out), settings)
        except OSError as error:
            raise VitcoreError(
                f"{options.out} cannot be written ({error.strerror or error}); give another file."
            ) from error
    _answer(
        options,
        {
            "dataset_id": dataset.id,
            **settings,
            "accuracy": 1 - tuning.value,
            "baseline": 1 - tuning.baseline,
            "suggested_learning_rate": None if tuning.rates is None else tuning.rates.suggestion,
            "trials": [
                {
                    "number": trial.number,
                    "accuracy": 1 - trial.value if math.isfinite(trial.value) else None,
                    "pruned": trial.pruned,
                    "seconds": trial.seconds,
                    "hyperparameters": trial.hyperparameters.to_dict(),
                }
                for trial in tuning.trials
            ],
            "images": tuning.images,
            "seconds": tuning.seconds,
        },
        f"{len(tuning.trials)} settings tried in {tuning.seconds:.0f} s: accuracy {1 - tuning.value:.1%} in "
        f"cross-validation, {1 - tuning.baseline:.1%} with the settings begun with.\n"
        f"{json.dumps(settings['hyperparameters'])}",
    )


def _resume(options: argparse.Namespace, stop: threading.Event) -> None:
    from vitcore.pipeline import resume

    started = time.perf_counter()
    run = resume(options.run_id, workspace=_workspace(), on_progress=_Printer(), stop=stop)
    _tell_run(options, run, 0.0, time.perf_counter() - started)


def _tell_run(options: argparse.Namespace, run: Run, import_s: float, total_s: float) -> None:
    metrics = run.evaluation.metrics
    seconds = {"import": import_s, **run.facts["seconds"], "total": total_s}
    _answer(
        options,
        {
            "run_id": run.id,
            "folder": str(run.folder),
            "state": run.state,
            "dataset_id": run.config["dataset"]["id"],
            "classes": list(run.classes),
            "images": dict(run.config["images"]),
            "epochs_run": run.facts["epochs_run"],
            "best_epoch": run.facts["best_epoch"],
            "validation": {
                "loss": metrics["log_loss"].value,
                **{
                    name: metrics[name].to_dict()["value"]
                    for name in ("accuracy", "balanced_accuracy", "cohen_kappa")
                },
            },
            "history": run.history.astype(object).where(run.history.notna(), None).to_dict("records"),
            "seconds": seconds,
            "device": run.config["device"]["name"],
            "dtype": run.config["device"]["precision"],
            "backbone": run.config["backbone"]["id"],
            "images_per_second": run.facts["images_per_second"],
            "leak": run.facts.get("leak"),
            "cross_validation": run.facts.get("cross_validation"),
            "repeats": run.facts.get("repeats"),
        },
        f"Run {run.id}: accuracy {metrics['accuracy'].value:.1%} on {run.evaluation.images} validation "
        f"images (95 % interval {metrics['accuracy'].low:.1%} to {metrics['accuracy'].high:.1%}), Cohen's "
        f"kappa {metrics['cohen_kappa'].value:.3f}, {seconds['total']:.1f} s."
        f"{_leak_text(run)}{_spread_text(run)}",
    )


def _leak_text(run: Run) -> str:
    if "leak" not in run.facts:
        return ""
    leak = run.facts["leak"]
    without = leak["accuracy_without"]
    figures = "none is left to be judged on" if without is None else f"the accuracy is {without:.1%}"
    return (
        f"\nThe ready-made split leaks: {leak['images']} of its {run.evaluation.images} validation images, "
        f"or near-duplicates of them, are among the training images; without them {figures}."
    )


def _spread_text(run: Run) -> str:
    text = ""
    for name, what in (
        ("cross_validation", "Cross-validation on {} folds"),
        ("repeats", "From {} other seeds"),
    ):
        if name in run.facts:
            found = run.facts[name]
            figures = [
                f"{figure.replace('_', ' ')} {_spread(figure, values)}"
                for figure in ("accuracy", "balanced_accuracy", "cohen_kappa")
                if len(values := [value for value in found[figure] if value is not None]) > 1
            ]
            text += f"\n{what.format(len(found['accuracy']))}: {', '.join(figures)}."
    return text


def _spread(figure: str, values: Sequence[float]) -> str:
    mean, spread = statistics.fmean(values), statistics.stdev(values)
    return f"{mean:.3f} ± {spread:.3f}" if figure == "cohen_kappa" else f"{mean:.1%} ± {spread:.1%}"


def _audit(options: argparse.Namespace, stop: threading.Event) -> None:
    from vitcore.audit import find_issues, measure

    workspace, printer = _workspace(), _Printer()
    dataset = _dataset(options, workspace, printer, stop)
    measures = measure(
        dataset,
        backbone=options.backbone,
        device=options.device,
        precision=options.precision,
        workspace=workspace,
        on_progress=printer,
        stop=stop,
    )
    names = dict(zip(dataset.index["image_id"], dataset.index["name"], strict=True))
    findings = [
        {
            "kind": finding.kind,
            "sentence": finding.sentence,
            "images": [[names[image_id] for image_id in group] for group in finding.groups],
            "remedies": list(finding.remedies),
        }
        for finding in find_issues(dataset, measures)
    ]
    said = [{"good": remark.good, "sentence": remark.sentence} for remark in remarks(dataset.index)]
    lines = [f"Dataset {dataset.id} '{dataset.name}':"]
    lines += [f"{'+' if remark['good'] else '-'} {remark['sentence']}" for remark in said]
    for finding in findings:
        lines.append(f"- {finding['sentence']}")
        lines += [f"    {', '.join(group)}" for group in finding["images"][:_SHOWN_GROUPS]]
        more = len(finding["images"]) - _SHOWN_GROUPS
        lines += [f"    and {more} more (all of them with --json)"] if more > 0 else []
    _answer(options, {"dataset_id": dataset.id, "findings": findings, "remarks": said}, "\n".join(lines))


def _evaluate(options: argparse.Namespace, stop: threading.Event) -> None:
    workspace = _workspace()
    run = load_run(options.run_id, workspace=workspace)
    if options.source is None:
        evaluation = run.evaluation
    else:
        from vitcore.inference import load_classifier
        from vitcore.pipeline import evaluate_on

        printer = _Printer()
        classifier = load_classifier(run.folder, device=options.device)
        # Only to be judged by, so it does not stay among the datasets.
        with tempfile.TemporaryDirectory(prefix="vitcore-") as folder:
            try:
                dataset = load_dataset(options.source, workspace=workspace)
            except NotFoundError:
                dataset = _dataset(options, Workspace(Path(folder)), printer, stop)
            mapping = _mapping(options.map, dataset, classifier.classes)
            other = evaluate_on(
                classifier, dataset, mapping=mapping, workspace=workspace, on_progress=printer, stop=stop
            )
            evaluation = other.evaluation
    lines = [f"{evaluation.images} images"]
    for name, metric in evaluation.metrics.items():
        spread = "" if math.isnan(metric.low) else f"  ({metric.low:.4f} to {metric.high:.4f})"
        lines.append(f"{name.replace('_', ' '):28}{metric.value:8.4f}{spread}")
    _answer(options, evaluation.to_dict(), "\n".join(lines))


def _mapping(said: Sequence[str], dataset: Dataset, classes: Sequence[str]) -> dict[str, str | None] | None:
    """What the options say that classes mean, the others by their names; None if they say nothing."""
    from vitcore.pipeline import match_classes

    if not said:
        return None
    mapping = match_classes(dataset.classes, classes)
    for text in said:
        label, _, meant = text.partition("=")
        if label not in mapping:
            raise InputError(
                f"There is no class '{label}' in the other set; it has {', '.join(map(repr, mapping))}."
            )
        mapping[label] = meant or None
    return mapping


def _predict(options: argparse.Namespace, stop: threading.Event) -> None:
    from vitcore.inference import Refusal, load_classifier

    folder = Path(options.model)
    if not folder.is_dir():
        workspace = _workspace()
        folder = workspace.find(workspace.runs, options.model, "run or model folder")
    classifier = load_classifier(folder, device=options.device)
    predictions: list[dict[str, Any]] = []
    skipped: list[dict[str, str]] = []
    with _csv_rows(options.csv, classifier.classes) as rows:
        for source, result in classifier.predict_each(_files(options.paths)):
            path = str(source).encode("utf-8", "replace").decode("utf-8")  # names may be any bytes
            if isinstance(result, Refusal):
                skipped.append({"path": path, "reason": result.reason})
            else:
                row = {
                    "path": path,
                    "label": result.label,
                    "confidence": result.confidence,
                    "sure": result.sure,
                    "reason": result.reason,
                    "probabilities": result.probabilities,
                }
                if options.json:
                    predictions.append(row)
                elif options.csv is None:
                    doubt = "" if result.sure else "  (not sure)"
                    print(f"{path}: {result.label} {result.confidence:.1%}{doubt}")
                rows.write(row)
            if stop.is_set():
                raise Stopped("Stopped; what was predicted so far is written.")
    for item in skipped:
        print(f"skipped {item['path']}: {item['reason']}", file=sys.stderr)
    if options.json:
        _answer(options, {"predictions": predictions, "skipped": skipped}, "")


def _runs(options: argparse.Namespace, _stop: threading.Event) -> None:
    workspace = _workspace()
    if options.delete:
        delete_run(options.delete, workspace=workspace)
    rows = [_run_row(run) for run in list_runs(workspace)]
    lines = [
        f"{row['run_id']}  {row['state']:11}  "
        f"{'' if row['accuracy'] is None else format(row['accuracy'], '6.1%'):6}  {row['name']}"
        for row in rows
    ]
    _answer(options, {"runs": rows}, "\n".join(lines) or "No runs yet.")


def _doctor(options: argparse.Namespace, _stop: threading.Event) -> None:
    import torch

    from vitcore.backbone import choose_device, embedded_file, hub_answers

    try:
        embedded_file()
        embedded = "installed"
    except BackboneError as error:
        embedded = str(error)
    workspace = _workspace()
    device = choose_device()
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
        "model_hub": "answers" if hub_answers() else "does not answer; use the embedded backbone",
        "datasets": len(workspace.ids(workspace.datasets)),
        "runs": len(workspace.ids(workspace.runs)),
    }
    lines = [f"{name.replace('_', ' '):18}{value}" for name, value in facts.items()]
    _answer(options, facts, "\n".join(lines))


# --- what they share -------------------------------------------------------------------------


def _words(text: str) -> tuple[str, ...]:
    """Words between commas."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _workspace() -> Workspace:
    workspace = Workspace.default()
    workspace.sweep()
    return workspace


def _hyperparameters(options: argparse.Namespace) -> Hyperparameters:
    """Those of the settings file, if there is one, and over them what the options say."""
    given: dict[str, Any] = {}
    if options.settings is not None:
        try:
            values = json.loads(Path(options.settings).read_text(encoding="utf-8"))
            given = {**values.get("hyperparameters", values)}
        except (OSError, ValueError, AttributeError, TypeError) as error:
            raise SettingsError(
                f"{options.settings} has no settings ({error}); give a file that the Train page or "
                "'vitcore tune --out' made."
            ) from error
    names = {field.name for field in fields(Hyperparameters)}
    said = {name: value for name, value in vars(options).items() if name in names and value is not None}
    return Hyperparameters.from_dict({**given, **said})


def _reading(options: argparse.Namespace) -> Reading:
    return Reading(**{field.name: getattr(options, field.name) for field in fields(Reading)})


def _dataset(
    options: argparse.Namespace, workspace: Workspace, printer: "_Printer", stop: threading.Event
) -> Dataset:
    """A dataset by its id, or imported from a path or the sample."""
    source = options.source
    if not Path(source).exists() and source in workspace.ids(workspace.datasets):
        return load_dataset(source, workspace=workspace)
    return import_dataset(
        source, reading=_reading(options), workspace=workspace, on_progress=printer, stop=stop
    )


def _run_row(run: Run) -> dict[str, Any]:
    metrics = run.evaluation.metrics if run.has_model else {}
    return {
        "run_id": run.id,
        "name": run.name,
        "state": run.state,
        "created": run.config["created"],
        "dataset_id": run.config["dataset"]["id"],
        "backbone": run.config["backbone"]["id"],
        "folder": str(run.folder),
        "epochs_run": len(run.history),
        "accuracy": metrics["accuracy"].to_dict()["value"] if metrics else None,
        "cohen_kappa": metrics["cohen_kappa"].to_dict()["value"] if metrics else None,
        "message": run.facts.get("message", ""),
    }


def _files(paths: Sequence[str]) -> Iterator[Path]:
    """The files to predict: folders are walked, every file in them that is not hidden."""
    for path in map(Path, paths):
        if path.is_dir():
            yield from sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
        else:
            yield path


class _Rows:
    """Rows of a CSV file, written as they come."""

    def __init__(self, writer: Any, classes: Sequence[str]) -> None:
        self._writer = writer
        self._classes = classes
        if writer is not None:
            writer.writerow(["path", "label", "confidence", "sure", *classes])

    def write(self, row: dict[str, Any]) -> None:
        if self._writer is not None:
            probabilities = [f"{row['probabilities'][label]:.6g}" for label in self._classes]
            first = [row["path"], row["label"], f"{row['confidence']:.6g}", "yes" if row["sure"] else "no"]
            self._writer.writerow([*first, *probabilities])


@contextmanager
def _csv_rows(path: str | None, classes: Sequence[str]) -> Iterator[_Rows]:
    if path is None:
        yield _Rows(None, classes)
        return
    try:
        file = Path(path).open("w", newline="", encoding="utf-8")  # noqa: SIM115 - closed below
    except OSError as error:
        raise VitcoreError(f"{path} cannot be written ({error.strerror}); give another file.") from error
    with file:
        yield _Rows(csv.writer(file), classes)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _answer(options: argparse.Namespace, value: dict[str, Any], text: str) -> None:
    print(json.dumps(value, ensure_ascii=False, allow_nan=False) if options.json else text)


@contextmanager
def _stopping(stop: threading.Event) -> Iterator[None]:
    """Ctrl-C asks the work to stop and keep what it has; a second one ends it at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def on_interrupt(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            signal.default_int_handler(number, frame)
        print("\nStopping; press Ctrl-C again to end at once.", file=sys.stderr)
        stop.set()

    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class _Printer:
    """Progress on stderr: one line that changes on a terminal, a line every few seconds elsewhere."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._phase = ""
        self._last = 0.0

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        finished = bool(progress.total) and progress.done >= progress.total
        new_phase = progress.phase != self._phase
        if progress.message:
            print(progress.message, file=sys.stderr)
        elif progress.total and (finished or new_phase or now - self._last >= (0.1 if self._live else 5)):
            self._last = now
            text = f"{progress.phase}: {progress.done}/{progress.total} {progress.unit}"
            if progress.per_second:
                text += f", {progress.per_second:.1f} {progress.unit}/s"
            if progress.remaining_s is not None and not finished:
                text += f", {progress.remaining_s:.0f} s left"
            if self._live:
                print(f"\r{text}\033[K", end="\n" if finished else "", file=sys.stderr, flush=True)
            else:
                print(text, file=sys.stderr)
        self._phase = progress.phase


# --- the options -----------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m vitcore", description="Image classifiers you can trust.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def add(name: str, command: Any, summary: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        sub.set_defaults(command=command)
        sub.add_argument("--json", action="store_true", help="print one JSON object on stdout")
        return sub

    def add_reading(sub: argparse.ArgumentParser) -> None:
        group = sub.add_argument_group("how to read the source, where that is not plain")
        for flag, metavar, text in (
            (
                "--root",
                "FOLDER",
                "look below this folder; '*': take the classes of all folders together; '.': whole paths",
            ),
            ("--labels", "CSV", "the CSV file in the source that says which image is what"),
            ("--file-column", "NAME", "its column with the file names"),
            ("--label-column", "NAME", "its column with the classes"),
            ("--label", "CLASS", "the class of all images"),
        ):
            group.add_argument(flag, metavar=metavar, default="", help=text)

    source = "a zip or tar file or a folder with one folder per class, or 'sample'"
    device: dict[str, Any] = {
        "choices": ("auto", "cpu", "cuda", "mps"),
        "default": "auto",
        "help": "where to compute",
    }
    defaults = Hyperparameters()

    def add_backbone(sub: argparse.ArgumentParser) -> None:
        sub.add_argument(
            "--backbone",
            default="auto",
            metavar="NAME",
            help="auto, embedded, a Vision Transformer of timm, or a .safetensors file (default: auto)",
        )
        sub.add_argument("--device", **device)
        sub.add_argument(
            "--precision",
            choices=("auto", "fp32", "bf16", "fp16"),
            default="auto",
            help="number format of the backbone",
        )

    def add_settings(sub: argparse.ArgumentParser) -> None:
        sub.add_argument(
            "--settings", metavar="FILE", help="a JSON file with settings; the options below come over them"
        )
        for flag, kind, text in (
            ("--epochs", int, "passes over the training images"),
            ("--learning-rate", float, "step size at its highest"),
            ("--batch-size", int, "images per step"),
            ("--optimizer", str, "adamw, sgd, adam or lbfgs"),
            ("--schedule", str, "cosine or constant"),
            ("--warmup-epochs", int, "epochs in which the learning rate rises"),
            ("--weight-decay", float, "pull of the weights towards zero"),
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
            ("--augmentations", _words, "what the variants vary, such as flip,crop,colour"),
            ("--input-size", int, "pixels that the backbone sees, 0 for its own size"),
            ("--validation-fraction", float, "share of the images kept for validation"),
            ("--folds", int, "folds of a cross-validation after the training, 2 to 20, 0 for none"),
            ("--repeats", int, "further trainings on the same images from other seeds, 0 to 20"),
            ("--seed", int, "decides the split and the order of the images"),
        ):
            value = getattr(defaults, flag[2:].replace("-", "_"))
            shown = ",".join(value) if isinstance(value, tuple) else value
            sub.add_argument(flag, type=kind, metavar="X", help=f"{text} (default: {shown})")

    sub = add("import", _import, "Import labelled images.")
    sub.add_argument("source", metavar="SOURCE", nargs="+", help=f"{source}; several are taken together")
    sub.add_argument("--name", help="what to call the dataset")
    sub.add_argument("--into", metavar="DATASET_ID", help="add the images to this dataset instead")
    sub.add_argument("--dry-run", action="store_true", help="only say what is there and how it can be read")
    add_reading(sub)

    sub = add("train", _train, "Train a classifier and judge it on images it did not learn from.")
    sub.add_argument("source", metavar="SOURCE|DATASET_ID", help=f"{source}, or the id of a dataset")
    add_reading(sub)
    sub.add_argument("--name", help="what to call the run")
    add_backbone(sub)
    add_settings(sub)

    sub = add("tune", _tune, "Look for good settings by cross-validation inside the training part.")
    sub.add_argument("source", metavar="SOURCE|DATASET_ID", help=f"{source}, or the id of a dataset")
    add_reading(sub)
    add_backbone(sub)
    sub.add_argument("--trials", type=int, default=30, metavar="N", help="settings to try (default: 30)")
    sub.add_argument("--minutes", type=float, metavar="X", help="how long to go on at most")
    sub.add_argument("--out", metavar="FILE", help="write the best settings there, for 'train --settings'")
    add_settings(sub)

    sub = add("resume", _resume, "Go on with a training that was stopped or interrupted.")
    sub.add_argument("run_id", metavar="RUN_ID")

    sub = add(
        "audit", _audit, "Find copies, wrong labels, blurred photos and what else is wrong with a dataset."
    )
    sub.add_argument("source", metavar="SOURCE|DATASET_ID", help=f"{source}, or the id of a dataset")
    add_reading(sub)
    add_backbone(sub)

    sub = add("evaluate", _evaluate, "Show the figures of a run, or judge it on another labelled set.")
    sub.add_argument("run_id", metavar="RUN_ID")
    sub.add_argument("source", metavar="SOURCE", nargs="?", help=f"{source}, or the id of a dataset")
    sub.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="CLASS=MEANING",
        help="what a class of the other set means to the classifier; 'CLASS=' leaves its images out",
    )
    add_reading(sub)
    sub.add_argument("--device", **device)

    sub = add("predict", _predict, "Predict the classes of images.")
    sub.add_argument("model", metavar="RUN_ID|MODEL_FOLDER")
    sub.add_argument("paths", metavar="PATH", nargs="+", help="image files, or folders of them")
    sub.add_argument("--csv", metavar="FILE", help="write the predictions to a CSV file")
    sub.add_argument("--device", **device)

    sub = add("runs", _runs, "List the runs.")
    sub.add_argument("--delete", metavar="RUN_ID", help="delete a run first")

    add("doctor", _doctor, "Show what this machine offers.")
    return parser
