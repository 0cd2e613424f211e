"""The walk through the rooms: dataset, features, head, evaluation, and a run that holds it all."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib import metadata
from threading import Event

import numpy as np
import numpy.typing as npt
import pandas as pd

from vitcore.backbone import Embedder, choose_device, resolve_backbone
from vitcore.dataset import Dataset, split_index
from vitcore.errors import InputError, Stopped
from vitcore.evaluation import Evaluation, evaluate, sure_threshold
from vitcore.features import ImageFile, embed_images
from vitcore.inference import Classifier, save_classifier
from vitcore.progress import Meter, OnProgress, Progress
from vitcore.runs import Run, RunWriter, load_run
from vitcore.training import EpochRecord, Hyperparameters, LinearHead, fit_head
from vitcore.workspace import Workspace

__all__ = ["evaluate_on", "train"]


def train(
    dataset: Dataset,
    hyperparameters: Hyperparameters | None = None,
    *,
    backbone: str = "auto",
    device: str = "auto",
    precision: str = "auto",
    name: str | None = None,
    workspace: Workspace | None = None,
    on_start: Callable[[str], None] | None = None,
    on_progress: OnProgress | None = None,
    stop: Event | None = None,
) -> Run:
    """Train a classifier on a dataset and judge it on images it did not learn from.

    The backbone is frozen, so each image goes through it once, ever; the epochs then run on the
    stored embeddings. Stopped during the epochs, the run keeps its best head and is judged by it.

    Args:
        dataset: What to learn from.
        hyperparameters: How; the defaults if not given.
        backbone: ``auto``, ``embedded``, a timm name or a ``.safetensors`` file.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        precision: Of the backbone: ``auto``, ``fp32``, ``bf16`` or ``fp16``.
        name: What to call the run; made from the dataset and the backbone if not given.
        workspace: Where to keep it; the default workspace if not given.
        on_start: Called with the id of the run as soon as it exists.
        on_progress: Called with the progress of each phase.
        stop: Set it to end early.

    Raises:
        DatasetError: Too few classes or images.
        BackboneError: The backbone cannot be had.
        DeviceError: The device or the precision is not here.
        SettingsError: The learning rate makes the loss grow beyond all bounds.
        Stopped: `stop` was set before the first epoch was finished.
        StorageError: The disk is full or not writable.
    """
    started = time.perf_counter()
    workspace = workspace or Workspace.default()
    h = hyperparameters or Hyperparameters()
    _say(on_progress, Progress(phase="prepare"))
    split = split_index(dataset.index, validation_fraction=h.validation_fraction, seed=h.seed)
    chosen_device = choose_device(device, precision)
    resolved = resolve_backbone(backbone)
    _say(on_progress, Progress(phase="prepare", message=resolved.note))
    embedder = Embedder(resolved, chosen_device)
    rows = {part: dataset.index[split == part] for part in ("train", "validation")}
    config = {
        "name": name or f"{dataset.name} · {resolved.spec.title}",
        "dataset": {"id": dataset.id, "name": dataset.name, "version": dataset.version},
        "hyperparameters": h.to_dict(),
        "requested": {"backbone": backbone, "device": device, "precision": precision},
        "backbone": {
            **asdict(resolved.spec),
            "weights_sha256": resolved.weights_sha256,
            "fingerprint": embedder.fingerprint,
            "note": resolved.note,
        },
        "device": asdict(chosen_device),
        "classes": list(dataset.classes),
        "images": {part: len(frame) for part, frame in rows.items()} | {"skipped": len(dataset.skipped)},
        "versions": {package: metadata.version(package) for package in ("torch", "timm", "numpy", "pillow")},
    }
    with RunWriter(workspace, config) as writer:
        if on_start is not None:
            on_start(writer.id)
        files = [image for part in ("train", "validation") for image in _image_files(dataset, rows[part])]
        embedding_started = time.perf_counter()
        plain = embed_images(embedder, files, workspace=workspace, on_progress=on_progress, stop=stop)
        count = len(rows["train"])
        training = plain.vectors[:count]  # (N, 1, D)
        computed, seconds = plain.computed, plain.seconds
        if h.views > 1:
            varied = embed_images(
                embedder,
                files[:count],
                views=h.views,
                workspace=workspace,
                on_progress=on_progress,
                stop=stop,
            )
            training = varied.vectors  # (N, V, D), the first view being the plain one
            computed, seconds = computed + varied.computed, seconds + varied.seconds

        fitting_started = time.perf_counter()
        truth = {part: _class_numbers(frame["label"], dataset.classes) for part, frame in rows.items()}
        meter = Meter(on_progress, "fit", h.epochs, unit="epochs")

        def on_epoch(record: EpochRecord) -> None:
            writer.add_epoch(record)
            meter.add(1)

        result = fit_head(
            training,
            truth["train"],
            plain.vectors[count:, 0],
            truth["validation"],
            classes=len(dataset.classes),
            hyperparameters=h,
            device=chosen_device.name,
            on_epoch=on_epoch,
            stop=stop,
        )

        if not result.history:
            raise Stopped("The training was stopped before its first epoch; what was embedded is kept.")
        evaluation_started = time.perf_counter()
        _say(on_progress, Progress(phase="evaluate"))
        evaluation, probabilities = _judge(
            result.head, plain.vectors[count:, 0], truth["validation"], dataset.classes
        )
        save_classifier(
            writer.folder / "model",
            head=result.head,
            embedder=embedder,
            classes=dataset.classes,
            threshold=sure_threshold(truth["validation"], probabilities),
        )
        predictions = _prediction_rows(
            rows["validation"], truth["validation"], probabilities, dataset.classes
        )
        writer.add_results(evaluation, predictions, probabilities)
        ended = time.perf_counter()
        writer.finish(
            result.outcome,
            {
                "message": "",
                "best_epoch": result.best_epoch,
                "epochs_run": len(result.history),
                "images_per_second": computed / seconds if computed else 0.0,
                "seconds": {
                    "embed": fitting_started - embedding_started,
                    "fit": evaluation_started - fitting_started,
                    "evaluate": ended - evaluation_started,
                    "total": ended - started,
                },
            },
        )
    return load_run(writer.id, workspace=workspace)


def evaluate_on(
    classifier: Classifier,
    dataset: Dataset,
    *,
    workspace: Workspace | None = None,
    on_progress: OnProgress | None = None,
) -> Evaluation:
    """Judge a classifier on another labelled dataset. Classes are matched by their names.

    Args:
        classifier: What to judge.
        dataset: All its images are used; none of them should have been learned from.
        workspace: Where embeddings are kept; the default workspace if not given.
        on_progress: Called with the progress.

    Raises:
        InputError: The dataset has a class that the classifier does not know.
    """
    unknown = sorted(set(dataset.classes) - set(classifier.classes))
    if unknown:
        raise InputError(
            f"The classifier does not know {', '.join(repr(label) for label in unknown[:5])}; it knows "
            f"{', '.join(repr(label) for label in classifier.classes[:10])}. Rename or remove those folders."
        )
    files = _image_files(dataset, dataset.index)
    found = embed_images(classifier.embedder, files, workspace=workspace, on_progress=on_progress)
    truth = _class_numbers(dataset.index["label"], classifier.classes)
    return _judge(classifier.head, found.vectors[:, 0], truth, classifier.classes)[0]


def _judge(
    head: LinearHead,
    embeddings: npt.NDArray[np.float16],
    truth: npt.NDArray[np.int64],
    classes: Sequence[str],
) -> tuple[Evaluation, npt.NDArray[np.float64]]:
    probabilities = head.probabilities(embeddings)
    return evaluate(truth, probabilities, classes), probabilities


def _image_files(dataset: Dataset, rows: pd.DataFrame) -> list[ImageFile]:
    return [
        ImageFile(dataset.path(file), sha256)
        for file, sha256 in zip(rows["file"], rows["sha256"], strict=True)
    ]


def _class_numbers(labels: pd.Series, classes: Sequence[str]) -> npt.NDArray[np.int64]:
    numbers = {label: number for number, label in enumerate(classes)}
    return np.array([numbers[label] for label in labels], dtype=np.int64)


def _prediction_rows(
    rows: pd.DataFrame,
    truth: npt.NDArray[np.int64],
    probabilities: npt.NDArray[np.float64],
    classes: Sequence[str],
) -> pd.DataFrame:
    """The columns of `Run.predictions`."""
    frame = rows[["image_id", "name", "sha256", "file"]].copy()
    predicted = probabilities.argmax(axis=1)
    chosen = probabilities[np.arange(len(truth)), truth]
    frame["true"] = [classes[number] for number in truth]
    frame["predicted"] = [classes[number] for number in predicted]
    frame["confidence"] = probabilities.max(axis=1)
    frame["loss"] = -np.log(np.clip(chosen, np.finfo(np.float64).eps, 1.0))
    return frame


def _say(on_progress: OnProgress | None, progress: Progress) -> None:
    if on_progress is not None:
        on_progress(progress)
