"""Training: a dataset goes in, a run comes out."""

import time
from dataclasses import replace
from importlib import metadata

import numpy as np

from vitcore.backbone import Embedder, choose_device, resolve_backbone
from vitcore.compute import DEFAULT_COMPUTE, Compute
from vitcore.dataset import Dataset, load_dataset
from vitcore.engines import prepare_embedder
from vitcore.errors import InputError, SettingsError, Stopped
from vitcore.evaluation import Evaluation, calibration_noise_floor, expected_calibration_error
from vitcore.features import Pass, image_files, local_pass
from vitcore.inference import Trust, save_classifier
from vitcore.messages import Message, mark, message
from vitcore.pipeline._course import training_course
from vitcore.pipeline._cross_validation import answer_all, answer_singly, calibrated, crossed_figures
from vitcore.pipeline._judging import evaluate_test_part, judge, leak_of, prediction_rows
from vitcore.pipeline._material import TestPart, TrainingData, check_division, embed_test_part, prepare_data
from vitcore.pipeline._novelty import embed_copies
from vitcore.pipeline._provisional import look_at_once
from vitcore.pipeline._repeats import repeat
from vitcore.pipeline._trusting import fit_trust
from vitcore.pipeline._warnings import warnings_on
from vitcore.progress import Progress, Task
from vitcore.records import disk_guard, load_record, save_record, timestamp
from vitcore.runs import (
    CHECKPOINT,
    DIVISION,
    Calibration,
    DatasetReference,
    Finish,
    ImageCounts,
    Leak,
    PhaseSeconds,
    Run,
    RunBackbone,
    RunConfig,
    RunDivision,
    RunFacts,
    RunWriter,
    SplitRecord,
    load_run,
)
from vitcore.training import (
    Checkpoint,
    CrossValidated,
    EpochRecord,
    FitResult,
    Head,
    Hyperparameters,
    finish_head,
    fit_head,
    softmax,
)
from vitcore.workspace import Workspace

__all__ = ["resume", "train"]


def train(
    dataset: Dataset,
    hyperparameters: Hyperparameters | None = None,
    *,
    compute: Compute = DEFAULT_COMPUTE,
    forward_pass: Pass = local_pass,
    name: str | None = None,
    workspace: Workspace | None = None,
    task: Task | None = None,
) -> Run:
    """Train a classifier on a dataset and judge it on images it did not learn from.

    The backbone is frozen, so each image goes through it once, ever; the epochs then run on the
    stored embeddings. Near-duplicates are found in these, and kept on one side of the split. Stopped
    during the epochs, the run keeps its best head and is judged by it.

    An image keeps the side that it had in earlier trainings of its dataset with the same seed and
    validation fraction. A ready-made split is used as it is. If some of its validation images, or
    near-duplicates of them, are among the training images, ``facts.leak`` says how many, and what the
    accuracy is without them.

    The training and validation images together are then divided anew, group by group, and each fold is
    judged by a head that learned from the others, with all its choices made without it:
    ``facts.cross_validation``. At last a head learns from all of them, unless the settings say otherwise;
    that is the classifier, and the one that was judged on the validation images is kept beside it.

    Args:
        dataset: What to learn from.
        hyperparameters: How; the defaults if not given.
        compute: With which backbone, and on what.
        forward_pass: What takes the images through the backbone (`vitcore.engines.ray_pass` for a cluster).
        name: What to call the run; made from the dataset and the backbone if not given.
        workspace: Where to keep it; the default workspace if not given.
        task: Where progress is reported, and what stops it.

    Raises:
        DatasetError: Too few classes or images, counting near-duplicates as one.
        BackboneError: The backbone cannot be had.
        DeviceError: The device or the precision is not here.
        NotFoundError: The dataset was deleted.
        SettingsError: The learning rate makes the loss grow beyond all bounds.
        Stopped: The task was stopped before the first epoch was finished.
        StorageError: The disk is full or not writable.
    """
    workspace, task = workspace or Workspace.default(), task or Task()
    h = hyperparameters or Hyperparameters()
    task = task.along(training_course(dataset, h))
    task.report(Progress(phase="prepare"))
    rows = check_division(dataset, h)
    started = time.perf_counter()
    embedder, choice = prepare_embedder(
        compute,
        image_files(dataset, rows),
        list(rows["label"]),
        input_size=h.input_size,
        workspace=workspace,
        task=task,
        look=look_at_once(rows, task, seed=h.seed),
    )
    resolved = embedder.backbone
    config = RunConfig(
        created=timestamp(),
        name=name or f"{dataset.name} · {resolved.spec.title}",
        dataset=DatasetReference(id=dataset.id, name=dataset.name, version=dataset.version),
        hyperparameters=h,
        requested=compute,
        backbone=RunBackbone(
            **vars(resolved.spec),
            weights_sha256=resolved.weights_sha256,
            fingerprint=embedder.fingerprint,
            note=resolved.note,
        ),
        device=choice.device,
        engine=choice.record,
        classes=tuple(dataset.classes),
        versions={package: metadata.version(package) for package in ("torch", "timm", "numpy", "pillow")},
    )
    home = Workspace(dataset.folder.parents[1])
    with home.using(dataset.folder):
        home.find(home.datasets, dataset.id, mark("dataset"))  # it may have been deleted meanwhile
        with RunWriter(workspace, config) as writer, disk_guard():
            task.announce(writer.id)
            data, part = _prepare(writer, dataset, h, embedder, task, forward_pass)
            _carry_out(writer, dataset, data, part, embedder, task, started)
    return load_run(writer.id, workspace=workspace)


def resume(
    run_id: str,
    *,
    workspace: Workspace | None = None,
    task: Task | None = None,
) -> Run:
    """Go on with a training that was stopped or interrupted, after the last epoch it finished.

    It ends with the result that it would have had without the break.

    Args:
        run_id: A run that is not complete.
        workspace: Where it is; the default workspace if not given.
        task: As for `train`.

    Raises:
        NotFoundError: There is no such run, or its dataset is gone.
        InputError: It is complete, failed or running, or its backbone is not the one of then.
        StorageError: Its files are damaged, or the disk is full or not writable.
        Stopped: The task was stopped before another epoch was finished, and there was none before.
    """
    workspace, task = workspace or Workspace.default(), task or Task()
    run = load_run(run_id, workspace=workspace)
    with workspace.using(run.folder), workspace.using(workspace.datasets / run.config.dataset.id):
        return _resume(run_id, workspace, task)


def _resume(run_id: str, workspace: Workspace, task: Task) -> Run:
    """Go on with a training that nobody can delete meanwhile."""
    run = load_run(run_id, workspace=workspace)
    if not run.can_resume:
        raise InputError(
            "Run '{run_id}' is {state}; only one that was stopped or interrupted can go on. Train again.",
            run_id=run_id,
            state=Message(run.state),
        )
    started = time.perf_counter()
    task.report(Progress(phase="prepare"))
    about, requested, h = run.config.dataset, run.config.requested, run.hyperparameters
    dataset = load_dataset(about.id, version=about.version, workspace=workspace)
    task = task.along(training_course(dataset, h))
    # The device, the engine and the weights of then, whatever "auto" would choose today.
    then = run.config.device
    device = choose_device(then.name, then.precision, then.engine)
    backbone = run.config.backbone.id if requested.backbone == "auto" else requested.backbone
    embedder = Embedder(resolve_backbone(backbone, h.input_size or None, task), device, workspace)
    if embedder.fingerprint != run.config.backbone.fingerprint:
        raise InputError(
            "The weights of {backbone} are not those that run '{run_id}' began with; train again.",
            backbone=Message(run.config.backbone.title),
            run_id=run_id,
        )
    checkpoint_file = run.folder / CHECKPOINT
    checkpoint = Checkpoint.load(checkpoint_file) if checkpoint_file.is_file() else None
    with RunWriter.reopened(workspace, run) as writer, disk_guard():
        task.announce(writer.id)
        writer.restart_history([] if checkpoint is None else checkpoint.history)
        data, part = _prepare(writer, dataset, h, embedder, task)
        _carry_out(writer, dataset, data, part, embedder, task, started, checkpoint)
    return load_run(run_id, workspace=workspace)


def _prepare(
    writer: RunWriter,
    dataset: Dataset,
    h: Hyperparameters,
    embedder: Embedder,
    task: Task,
    forward_pass: Pass = local_pass,
) -> tuple[TrainingData, TestPart | None]:
    """Embed and divide the images, and add to the run's configuration how they were divided."""
    path = writer.folder / DIVISION
    kept = load_record(RunDivision, path, mark("train again")) if path.is_file() else None
    data = prepare_data(
        dataset,
        h,
        embedder,
        task,
        forward_pass=forward_pass,
        judging=None if kept is None else kept.validation,
    )
    if kept is None:
        judging = data.rows["image_id"].iloc[data.validation]
        save_record(path, RunDivision(validation=tuple(judging.tolist()), redrawn=data.redrawn))
    else:
        data = replace(data, redrawn=kept.redrawn)
    copies = embed_copies(data, image_files(dataset, data.rows), embedder, task, forward_pass)
    data = replace(data, copies=copies)
    part = embed_test_part(dataset, data, embedder, task, forward_pass=forward_pass)
    sizes = np.unique(data.groups, return_counts=True)[1]
    writer.amend(
        ImageCounts(
            train=len(data.train),
            validation=len(data.validation),
            test=0 if part is None else len(part.rows),
            skipped=len(dataset.skipped),
        ),
        SplitRecord(
            seed=h.seed,
            validation_fraction=h.validation_fraction,
            groups=int((sizes > 1).sum()),
            images=int(sizes[sizes > 1].sum()),
            rule=dataset.group_rule,
            named_groups=dataset.group_count,
        ),
    )
    return data, part


def _carry_out(
    writer: RunWriter,
    dataset: Dataset,
    data: TrainingData,
    part: TestPart | None,
    embedder: Embedder,
    task: Task,
    started: float,
    checkpoint: Checkpoint | None = None,
) -> None:
    """Train, judge, and write it all into a run; it began at `started`, by the performance counter."""
    embedded = time.perf_counter()
    result = _fit(writer, data, task, checkpoint)
    complete = result.outcome == "complete"
    answers = answer_all(data, task) if complete else None
    singly = None if answers is None else answer_singly(data, task)
    finished = _finish(data, result, task) if answers is not None and data.hyperparameters.finish else None
    facts = _repeat(writer, data, result, task)
    fitted = time.perf_counter()
    task.report(Progress(phase="evaluate"))
    trust, distances = fit_trust(data, result, answers)
    writer.clear_results()
    head = result.head if finished is None else finished
    save_classifier(writer.folder / "model", head=head, embedder=embedder, classes=data.classes, trust=trust)
    if finished is not None:
        digest = writer.add_validation_head(result.head)
        facts = replace(facts, finish=Finish(images=len(data.rows), head_sha256=digest))
    if answers is not None:
        crossed, rows = crossed_figures(data, answers, singly, distances)
        writer.add_cross_validation(rows)
        facts = replace(facts, cross_validation=crossed)
    writer.note(facts)  # or the results, which make a run valid, might come to stand without them
    evaluation, calibration, leak = _evaluate(writer, data, result.head, trust, answers)
    test = None
    if part is not None:
        test, predictions = evaluate_test_part(part, head, trust, data.classes, dataset)
        writer.add_test_predictions(predictions)
    ended = time.perf_counter()
    facts = replace(
        facts,
        best_epoch=result.best_epoch,
        epochs_run=len(result.history),
        images_per_second=data.images_per_second,
        seconds=PhaseSeconds(
            embed=embedded - started, fit=fitted - embedded, evaluate=ended - fitted, total=ended - started
        ),
        calibration=calibration,
        leak=leak,
        test=test,
        warnings=warnings_on(dataset, data, part, evaluation, facts.cross_validation),
    )
    writer.finish(result.outcome, facts)
    if result.outcome == "complete":
        for name in (CHECKPOINT, DIVISION):
            (writer.folder / name).unlink(missing_ok=True)


def _fit(writer: RunWriter, data: TrainingData, task: Task, checkpoint: Checkpoint | None) -> FitResult:
    """Train the head, from a checkpoint on if there is one; each epoch is written when it is done.

    Raises:
        Stopped: The task was stopped before there was an epoch.
    """
    h = data.hyperparameters
    done = 0 if checkpoint is None else len(checkpoint.history)
    meter = task.meter("fit", h.epochs, done=done, unit="epochs")

    def on_epoch(record: EpochRecord) -> None:
        writer.add_epoch(record)
        meter.add(1)

    result = fit_head(
        data.training,
        data.training_truth,
        data.validation_vectors,
        data.validation_truth,
        classes=len(data.classes),
        hyperparameters=h,
        device=data.device,
        checkpoint=checkpoint,
        on_epoch=on_epoch,
        on_checkpoint=lambda reached: reached.save(writer.folder / CHECKPOINT),
        stop=task.stop,
    )
    if not result.history:
        raise Stopped("The training was stopped before its first epoch; what was embedded is kept.")
    return result


def _finish(data: TrainingData, best: FitResult, task: Task) -> Head | None:
    """Train a head on the training and the validation images; None if it was stopped."""
    try:
        finished = finish_head(
            data.views,
            data.truth,
            data.validation,
            best,
            classes=len(data.classes),
            hyperparameters=data.hyperparameters,
            device=data.device,
            stop=task.stop,
        )
    except SettingsError:  # the loss went beyond all bounds, which it had not on fewer images
        return None
    return None if task.stopped else finished.head


def _repeat(writer: RunWriter, data: TrainingData, best: FitResult, task: Task) -> RunFacts:
    """Train from the other seeds that were asked for; facts of that, unless it was stopped."""
    if best.outcome != "complete" or not data.hyperparameters.repeats:
        return RunFacts()
    try:
        repeated = repeat(data, best, task)
    except SettingsError as error:  # in one of them; the run itself went well
        return RunFacts(message=message("The further trainings were given up. {error}", error=error))
    if repeated is None:
        return RunFacts()
    writer.add_repeats(repeated[1])
    return RunFacts(repeats=repeated[0])


def _evaluate(
    writer: RunWriter, data: TrainingData, head: Head, trust: Trust, answers: CrossValidated | None
) -> tuple[Evaluation, Calibration, Leak | None]:
    """Judge a head on the validation images and write the results; with its calibration, and what leaked."""
    vectors, truth = data.validation_vectors, data.validation_truth
    groups = data.groups[data.validation]
    evaluation, probabilities = judge(head, trust, vectors, truth, data.classes, groups)
    predictions = prediction_rows(
        data.rows.iloc[data.validation], truth, probabilities, trust.distances(vectors), data.classes
    )
    writer.add_results(evaluation, predictions, probabilities)
    leak = leak_of(truth, probabilities, data.leaked) if data.leaked.any() else None
    logits, corrected = head.logits(vectors), probabilities
    if answers is not None:
        logits, corrected, truth = answers.logits, calibrated(data, answers), data.truth
    calibration = Calibration(
        temperature=trust.temperature,
        error_before=expected_calibration_error(truth, softmax(logits)),
        noise_floor=calibration_noise_floor(corrected),
    )
    return evaluation, calibration, leak
