"""The wait for an answer while a training is under way, and what it costs the training."""

import statistics
import time

from benchmarks._rows import Row, timed
from benchmarks._setting import Setting, submit_training, wait_for
from vitcore.backbone import choose_device
from vitcore.dataset import Dataset, import_dataset
from vitcore.inference import Classifier, load_classifier
from vitcore.jobs import Job, JobQueue
from vitcore.runs import load_run
from vitcore.training import Hyperparameters
from vitcore.workspace import Workspace

__all__ = ["short_work"]

_IMAGES = 400
_PAUSE_S = 6.0  # between two photos: as somebody asks who looks at the answer before
_REPEATS = 2


def short_work(setting: Setting) -> list[Row]:
    """Seconds until one photo is answered while a training embeds, and the seconds that training takes.

    The answer is compared with one on an idle machine, the training with one that nobody interrupts, in
    turn. Both go through the same queue as the app's.
    """
    count = setting.images or _IMAGES
    first = setting.workspace()
    learned = import_dataset(setting.digit_files(60), workspace=first)
    queue = JobQueue()
    job = submit_training(
        queue, learned, Hyperparameters(epochs=2), backbone=setting.backbone, workspace=first
    )
    wait_for(job)
    run = load_run(str(job.snapshot.result_id), workspace=first)
    classifier = load_classifier(run.folder, workspace=first)
    photo = learned.path(learned.index["file"].iloc[0]).read_bytes()
    idle = statistics.median(timed(lambda: _answer(queue, classifier, photo)) for _ in range(5))
    alone, interrupted, waits = [], [], []
    for turn in range(_REPEATS):
        setting.say(f"  short-work: {count} digits, turn {turn + 1} of {_REPEATS}")
        for asked, times in ((False, alone), (True, interrupted)):
            workspace = setting.workspace()
            dataset = import_dataset(setting.digit_files(count), workspace=workspace)
            seconds, found = _training(
                queue, dataset, setting, workspace, (classifier, photo) if asked else None
            )
            times.append(seconds)
            waits += found
    if not waits:
        raise RuntimeError("The training ended before a photo was answered; give more --images.")
    return [
        Row(name="short-work, answer (median)", value=statistics.median(waits), unit="s", baseline=idle),
        Row(name="short-work, answer (longest)", value=max(waits), unit="s", baseline=idle),
        Row(
            name="short-work, training",
            value=statistics.median(interrupted),
            unit="s",
            baseline=statistics.median(alone),
        ),
    ]


def _training(
    queue: JobQueue,
    dataset: Dataset,
    setting: Setting,
    workspace: Workspace,
    asked: tuple[Classifier, bytes] | None,
) -> tuple[float, list[float]]:
    """Train; return the seconds it took, and those of the answers meanwhile."""
    waits: list[float] = []
    started = time.perf_counter()
    h = Hyperparameters(epochs=20)
    job = submit_training(queue, dataset, h, backbone=setting.backbone, workspace=workspace)
    while job.snapshot.active:
        progress = job.snapshot.progress
        if asked is not None and progress is not None and progress.phase == "embed" and progress.done:
            waits.append(timed(lambda: _answer(queue, *asked)))
            time.sleep(_PAUSE_S)
        time.sleep(0.05)
    wait_for(job)
    return time.perf_counter() - started, waits


def _answer(queue: JobQueue, classifier: Classifier, photo: bytes) -> None:
    """Have one photo answered as the app does."""

    def work(_job: Job) -> None:
        classifier.predict([photo])

    wait_for(queue.submit("predict", "one photo", work, device=choose_device().name, short=True))
