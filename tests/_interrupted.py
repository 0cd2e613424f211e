"""A training that the end of its process has interrupted."""

import json
from pathlib import Path

import pytest

from vitcore.compute import Compute
from vitcore.dataset import import_dataset
from vitcore.errors import Stopped
from vitcore.pipeline import train
from vitcore.progress import Progress, Task
from vitcore.runs import load_run
from vitcore.training import Hyperparameters

__all__ = ["interrupted_training"]


def interrupted_training(photos: Path, backbone: str, **settings: object) -> str:
    """Make a training that was interrupted before its first photo was looked at; its id."""

    def refuse(progress: Progress) -> None:
        if progress.phase == "embed":
            raise Stopped("Not now.")

    made: list[str] = []
    with pytest.raises(Stopped):
        train(
            import_dataset(photos, name="Photos"),
            Hyperparameters(schedule="constant", **settings),
            compute=Compute(backbone, engine="torch"),
            task=Task(refuse, on_start=made.append),
        )
    run = load_run(made[0])
    state = json.loads((run.folder / "state.json").read_text())
    (run.folder / "state.json").write_text(json.dumps(state | {"state": "running", "message": ""}))
    assert load_run(run.id).state == "interrupted"
    return run.id
