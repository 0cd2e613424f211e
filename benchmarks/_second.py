"""The cost of a second training."""

import statistics

from benchmarks._rows import Row, timed
from benchmarks._setting import Setting, submit_training, wait_for
from vitcore.dataset import import_dataset
from vitcore.jobs import JobQueue
from vitcore.runs import load_run
from vitcore.training import Hyperparameters

__all__ = ["second_training"]

_IMAGES = 600
_FIRST = Hyperparameters(epochs=20)
_OTHERS = (
    Hyperparameters(epochs=20, learning_rate=3e-4),
    Hyperparameters(epochs=20, batch_size=64, weight_decay=0.1),
    Hyperparameters(epochs=20, optimizer="sgd", learning_rate=0.01, seed=1),
)


def second_training(setting: Setting) -> list[Row]:
    """Seconds of training the same images with other settings, against the first training of them.

    Both from the click to an evaluation that can be shown, in the same queue as the app's. The first,
    which embeds the images, is measured once, the others are the median of three.
    """
    workspace = setting.workspace()
    dataset = import_dataset(setting.digit_files(_IMAGES), workspace=workspace)
    queue = JobQueue()

    def train(h: Hyperparameters) -> None:
        setting.say(f"  second-training: {dataset.index.shape[0]} images, {h.optimizer}, {h.learning_rate:g}")
        job = submit_training(queue, dataset, h, backbone=setting.backbone, workspace=workspace)
        wait_for(job)
        assert load_run(str(job.snapshot.result_id), workspace=workspace).evaluation.images

    first = timed(lambda: train(_FIRST))
    again = statistics.median(timed(lambda h=h: train(h)) for h in _OTHERS)
    return [Row(name="second-training", value=again, unit="s", baseline=first)]
