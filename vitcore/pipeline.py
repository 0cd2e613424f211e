"""The walk through the rooms: dataset, features, head, evaluation, and a run that holds it all."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from threading import Event
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from vitcore.audit import duplicate_groups, find_duplicates
from vitcore.backbone import Embedder, choose_device, resolve_backbone
from vitcore.dataset import Dataset, fold_index, load_dataset, split_index
from vitcore.errors import InputError, SettingsError, Stopped
from vitcore.evaluation import (
    Evaluation,
    accuracy,
    balanced_accuracy,
    cohen_kappa,
    confusion_matrix,
    evaluate,
    sure_threshold,
)
from vitcore.features import ImageFile, embed_images
from vitcore.inference import Classifier, save_classifier
from vitcore.progress import Meter, OnProgress, Progress
from vitcore.runs import CHECKPOINT, Run, RunWriter, load_run
from vitcore.training import Checkpoint, EpochRecord, Head, Hyperparameters, fit_head
from vitcore.workspace import Workspace

__all__ = ["evaluate_on", "resume", "train"]


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
    stored embeddings. Near-duplicates are found in these, and kept on one side of the split. Stopped
    during the epochs, the run keeps its best head and is judged by it.

    A ready-made split is used as it is. If some of its validation images, or near-duplicates of them,
    are among the training images, ``facts["leak"]`` says how many (``images``), and what the
    ``accuracy`` is with all and the ``accuracy_without`` them (None if none is left).

    With ``folds``, the training and validation images together are then divided anew, group by group,
    and each fold is judged by a head that learned from the others, with the same settings:
    ``facts["cross_validation"]`` has the number of ``folds``, and of each the ``accuracy``, the
    ``balanced_accuracy`` and the ``cohen_kappa`` (None where not defined). See `_cross_validate`.

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
        DatasetError: Too few classes or images, counting near-duplicates as one.
        BackboneError: The backbone cannot be had.
        DeviceError: The device or the precision is not here.
        SettingsError: The learning rate makes the loss grow beyond all bounds.
        Stopped: `stop` was set before the first epoch was finished.
        StorageError: The disk is full or not writable.
    """
    workspace = workspace or Workspace.default()
    h = hyperparameters or Hyperparameters()
    _say(on_progress, Progress(phase="prepare"))
    _check_division(dataset, h)
    chosen_device = choose_device(device, precision)
    resolved = resolve_backbone(backbone, h.input_size or None)
    _say(on_progress, Progress(phase="prepare", message=resolved.note))
    embedder = Embedder(resolved, chosen_device)
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
        "versions": {package: metadata.version(package) for package in ("torch", "timm", "numpy", "pillow")},
    }
    with RunWriter(workspace, config) as writer:
        if on_start is not None:
            on_start(writer.id)
        _carry_out(writer, dataset, h, embedder, None, workspace, on_progress, stop or Event())
    return load_run(writer.id, workspace=workspace)


def resume(
    run_id: str,
    *,
    workspace: Workspace | None = None,
    on_start: Callable[[str], None] | None = None,
    on_progress: OnProgress | None = None,
    stop: Event | None = None,
) -> Run:
    """Go on with a training that was stopped or interrupted, after the last epoch it finished.

    It ends with the result that it would have had without the break.

    Args:
        run_id: A run that is not complete.
        workspace: Where it is; the default workspace if not given.
        on_start: As for `train`.
        on_progress: As for `train`.
        stop: As for `train`.

    Raises:
        NotFoundError: There is no such run, or its dataset is gone.
        InputError: It is complete, failed or running, or its backbone is not the one of then.
        StorageError: Its files are damaged, or the disk is full or not writable.
        Stopped: `stop` was set before another epoch was finished, and there was none before.
    """
    workspace = workspace or Workspace.default()
    run = load_run(run_id, workspace=workspace)
    if not run.can_resume:
        raise InputError(
            f"Run '{run_id}' is {run.state}; only one that was stopped or interrupted can go on. Train again."
        )
    _say(on_progress, Progress(phase="prepare"))
    about, requested, h = run.config["dataset"], run.config["requested"], run.hyperparameters
    dataset = load_dataset(about["id"], version=about["version"], workspace=workspace)
    # The device and the weights of then, whatever "auto" would choose today.
    device = choose_device(run.config["device"]["name"], run.config["device"]["precision"])
    backbone = run.config["backbone"]["id"] if requested["backbone"] == "auto" else requested["backbone"]
    embedder = Embedder(resolve_backbone(backbone, h.input_size or None), device)
    if embedder.fingerprint != run.config["backbone"]["fingerprint"]:
        raise InputError(
            f"The weights of {run.config['backbone']['title']} are not those that run '{run_id}' began with; "
            "train again."
        )
    checkpoint_file = run.folder / CHECKPOINT
    checkpoint = Checkpoint.load(checkpoint_file) if checkpoint_file.is_file() else None
    with RunWriter.reopened(workspace, run) as writer:
        if on_start is not None:
            on_start(writer.id)
        writer.restart_history([] if checkpoint is None else checkpoint.history)
        _carry_out(writer, dataset, h, embedder, checkpoint, workspace, on_progress, stop or Event())
    return load_run(run_id, workspace=workspace)


@dataclass(frozen=True, eq=False, kw_only=True)
class _Material:
    """What heads are trained on and judged by.

    Attributes:
        rows: Of the dataset's index: the N images of the training and the validation part.
        truth: (N,), class numbers.
        groups: (N,), the same number for near-duplicates.
        train: Positions of the training images.
        validation: Positions of the validation images.
        vectors: (N, D), of the images themselves.
        views: (N or training images, V, D), the first view being the image itself.
        training: (training images, V, D).
        folds: (N,), or None if no cross-validation was asked for.
        computed: Number of forward passes that were needed.
        computing_s: Seconds they took.
    """

    rows: pd.DataFrame
    truth: npt.NDArray[np.int64]
    groups: npt.NDArray[np.int64]
    train: npt.NDArray[np.int64]
    validation: npt.NDArray[np.int64]
    vectors: npt.NDArray[np.float16]
    views: npt.NDArray[np.float16]
    training: npt.NDArray[np.float16]
    folds: npt.NDArray[np.int64] | None
    computed: int
    computing_s: float


def _check_division(dataset: Dataset, h: Hyperparameters) -> pd.DataFrame:
    """The rows to learn from and to be judged on.

    Raises:
        DatasetError: Too small even if all its images are different; refused before anything is made.
    """
    split = split_index(dataset.index, validation_fraction=h.validation_fraction, seed=h.seed)
    rows = dataset.index[split.isin(["train", "validation"])]
    if h.folds:
        fold_index(rows, h.folds, seed=h.seed)
    return rows


def _prepare(
    dataset: Dataset,
    h: Hyperparameters,
    embedder: Embedder,
    workspace: Workspace,
    on_progress: OnProgress | None,
    stop: Event,
) -> _Material:
    """Embed the images, find near-duplicates in the embeddings, and divide the images by them."""
    rows = _check_division(dataset, h)
    files = _image_files(dataset, rows)
    plain = embed_images(embedder, files, workspace=workspace, on_progress=on_progress, stop=stop)
    vectors = plain.vectors[:, 0]  # (N, 1, D) -> (N, D)
    duplicates = find_duplicates(
        dataset, rows, vectors, fingerprint=embedder.fingerprint, on_progress=on_progress, stop=stop
    )
    groups = duplicate_groups(rows, duplicates)
    ready_made = bool((dataset.index["split"] != "").any())
    divided = dataset.index if ready_made else rows
    split = split_index(
        divided,
        validation_fraction=h.validation_fraction,
        seed=h.seed,
        groups=None if ready_made else groups,
    )[rows.index]
    folds = fold_index(rows, h.folds, seed=h.seed, groups=groups).to_numpy() if h.folds else None
    train_rows, validation_rows = (np.flatnonzero(split == part) for part in ("train", "validation"))
    views, computed, seconds = plain.vectors, plain.computed, plain.seconds
    if h.views > 1:
        # Those of a validation image are learned from only in folds in which others are judged.
        varied_rows = train_rows if folds is None else np.arange(len(rows))
        varied = embed_images(
            embedder,
            [files[number] for number in varied_rows],
            views=h.views,
            augmentations=h.augmentations,
            workspace=workspace,
            on_progress=on_progress,
            stop=stop,
        )
        views, computed, seconds = varied.vectors, computed + varied.computed, seconds + varied.seconds
    return _Material(
        rows=rows,
        truth=_class_numbers(rows["label"], dataset.classes),
        groups=groups,
        train=train_rows,
        validation=validation_rows,
        vectors=vectors,
        views=views,
        training=views if len(views) == len(train_rows) < len(rows) else views[train_rows],
        folds=folds,
        computed=computed,
        computing_s=seconds,
    )


def _carry_out(
    writer: RunWriter,
    dataset: Dataset,
    h: Hyperparameters,
    embedder: Embedder,
    checkpoint: Checkpoint | None,
    workspace: Workspace,
    on_progress: OnProgress | None,
    stop: Event,
) -> None:
    """Embed, train, judge, and write it all into a run."""
    started = time.perf_counter()
    material = _prepare(dataset, h, embedder, workspace, on_progress, stop)
    truth, train_rows, validation_rows = material.truth, material.train, material.validation
    writer.amend(_division(dataset, h, train_rows, validation_rows, material.groups))

    fitting_started = time.perf_counter()
    done = 0 if checkpoint is None else len(checkpoint.history)
    meter = Meter(on_progress, "fit", h.epochs, done=done, unit="epochs")

    def on_epoch(record: EpochRecord) -> None:
        writer.add_epoch(record)
        meter.add(1)

    result = fit_head(
        material.training,
        truth[train_rows],
        material.vectors[validation_rows],
        truth[validation_rows],
        classes=len(dataset.classes),
        hyperparameters=h,
        device=embedder.device.name,
        checkpoint=checkpoint,
        on_epoch=on_epoch,
        on_checkpoint=lambda reached: reached.save(writer.folder / CHECKPOINT),
        stop=stop,
    )
    if not result.history:
        raise Stopped("The training was stopped before its first epoch; what was embedded is kept.")

    known: dict[str, Any] = {}
    message = ""
    if material.folds is not None and result.outcome == "complete":
        try:
            crossed = _cross_validate(
                material.views,
                truth,
                material.folds,
                classes=len(dataset.classes),
                hyperparameters=h,
                epochs=result.best_epoch,
                device=embedder.device.name,
                on_progress=on_progress,
                stop=stop,
            )
            known |= {} if crossed is None else {"cross_validation": crossed}
        except SettingsError as error:  # in one fold; the run itself went well
            message = f"The cross-validation was given up. {error}"

    evaluation_started = time.perf_counter()
    _say(on_progress, Progress(phase="evaluate"))
    judged, judged_truth = material.vectors[validation_rows], truth[validation_rows]
    evaluation, probabilities = _judge(result.head, judged, judged_truth, dataset.classes)
    leaked = np.isin(material.groups[validation_rows], material.groups[train_rows])
    if leaked.any():
        known["leak"] = _leak(judged_truth, probabilities, leaked)
    writer.clear_results()
    save_classifier(
        writer.folder / "model",
        head=result.head,
        embedder=embedder,
        classes=dataset.classes,
        threshold=sure_threshold(judged_truth, probabilities),
    )
    predictions = _prediction_rows(
        material.rows.iloc[validation_rows], judged_truth, probabilities, dataset.classes
    )
    writer.add_results(evaluation, predictions, probabilities)
    ended = time.perf_counter()
    computed = material.computed
    writer.finish(
        result.outcome,
        {
            "message": message,
            "best_epoch": result.best_epoch,
            "epochs_run": len(result.history),
            "images_per_second": computed / material.computing_s if computed else 0.0,
            "seconds": {
                "embed": fitting_started - started,
                "fit": evaluation_started - fitting_started,
                "evaluate": ended - evaluation_started,
                "total": ended - started,
            },
            **known,
        },
    )
    if result.outcome == "complete":
        (writer.folder / CHECKPOINT).unlink(missing_ok=True)


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


def _cross_validate(
    views: npt.NDArray[np.float16],
    truth: npt.NDArray[np.int64],
    folds: npt.NDArray[np.int64],
    *,
    classes: int,
    hyperparameters: Hyperparameters,
    epochs: int,
    device: str,
    on_progress: OnProgress | None,
    stop: Event,
) -> dict[str, Any] | None:
    """Judge each fold by a head that learned from the others; None if it was stopped.

    A head must not be picked by the images that judge it, so the epoch that was best for the run
    itself is the last one here, with the learning rates that the run had up to it. The head is that
    of the lowest loss on the images it learned from, which is nearly always that last epoch.

    Args:
        views: (N, V, D), the first view being the image itself.
        truth: (N,), class numbers.
        folds: (N,), fold numbers from 0.
        classes: Number of classes.
        hyperparameters: Those of the run.
        epochs: Its best epoch.
        device: Where to compute.
        on_progress: Called with the progress, in epochs.
        stop: Looked at after every epoch.
    """
    count = int(folds.max()) + 1
    _say(on_progress, Progress(phase="fit", message=f"Cross-validation: {count} more trainings."))
    meter = Meter(on_progress, "fit", count * epochs, unit="epochs")
    figures: dict[str, list[float | None]] = {}
    for fold in range(count):
        if stop.is_set():
            return None
        held_out = folds == fold
        enough = Event()

        def on_epoch(record: EpochRecord, enough: Event = enough) -> None:
            meter.add(1)
            if record["epoch"] >= epochs or stop.is_set():
                enough.set()

        learned, learned_truth = views[~held_out], truth[~held_out]
        result = fit_head(
            learned,
            learned_truth,
            learned[:, 0],
            learned_truth,
            classes=classes,
            hyperparameters=hyperparameters,
            device=device,
            on_epoch=on_epoch,
            stop=enough,
        )
        if stop.is_set():
            return None
        predicted = result.head.logits(views[held_out, 0]).argmax(axis=1)
        confusion = confusion_matrix(truth[held_out], predicted, classes)
        for metric in (accuracy, balanced_accuracy, cohen_kappa):
            value = metric(confusion)
            figures.setdefault(metric.__name__, []).append(None if math.isnan(value) else value)
    return {"folds": count, **figures}


def _division(
    dataset: Dataset,
    h: Hyperparameters,
    train_rows: npt.NDArray[np.int64],
    validation_rows: npt.NDArray[np.int64],
    groups: npt.NDArray[np.int64],
) -> dict[str, Any]:
    """How the images were divided, for the configuration of the run."""
    sizes = np.unique(groups, return_counts=True)[1]
    return {
        "images": {
            "train": len(train_rows),
            "validation": len(validation_rows),
            "skipped": len(dataset.skipped),
        },
        "split": {
            "seed": h.seed,
            "validation_fraction": h.validation_fraction,
            "groups": int((sizes > 1).sum()),
            "images": int(sizes[sizes > 1].sum()),
        },
    }


def _leak(
    truth: npt.NDArray[np.int64],
    probabilities: npt.NDArray[np.float64],
    leaked: npt.NDArray[np.bool_],
) -> dict[str, Any]:
    """How much of an accuracy is owed to images that were learned from as well."""
    right = probabilities.argmax(axis=1) == truth
    return {
        "images": int(leaked.sum()),
        "accuracy": float(right.mean()),
        "accuracy_without": None if leaked.all() else float(right[~leaked].mean()),
    }


def _judge(
    head: Head,
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
