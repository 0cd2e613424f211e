"""Runs to be reported on: one that was trained, with names that would come alive in HTML, and a large one."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitcore.compute import Compute
from vitcore.dataset import import_dataset
from vitcore.evaluation import evaluate
from vitcore.pipeline import train
from vitcore.runs import Run, RunFacts, RunWriter, load_run
from vitcore.training import EpochRecord, Hyperparameters
from vitcore.workspace import Workspace

HOSTILE = (
    "<img src=x onerror=alert(1)>",
    '{{ 7 * 7 }} & \'co\' "quoted" id="clip0"',
    "y" * 200,
)
"""Names of classes; they are also those of folders, so without a slash."""


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, tiny_backbone: str) -> tuple[Workspace, Run]:
    """A run on photos whose classes have hostile names, with all that a run can know besides."""
    root = tmp_path_factory.mktemp("reported")
    backbone = shutil.copy(tiny_backbone, root / "tiny.safetensors")
    random = np.random.default_rng(0)
    for number, name in enumerate(HOSTILE):
        folder = root / "photos" / name
        folder.mkdir(parents=True)
        for image in range(14):
            # Some look like the next class, so that there are mistakes.
            level = 60 + 70 * (number + (image % 7 == 0))
            pixels = random.normal(level, 20, (48, 64, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{image:03}<b>.png")
        (folder / "broken.png").write_bytes(b"no image")
    workspace = Workspace(root / "home")
    dataset = import_dataset(root / "photos", name="A <i>set</i>", workspace=workspace)
    h = Hyperparameters(epochs=4, validation_fraction=0.4, views=2, repeats=2, seed=3)
    run = train(
        dataset, h, compute=Compute(str(backbone), device="cpu"), name="Run <u>1</u>", workspace=workspace
    )
    return workspace, run


@pytest.fixture
def copied(trained: tuple[Workspace, Run], tmp_path: Path) -> tuple[Workspace, Run]:
    """The same run in a workspace of its own, to take things away from."""
    shutil.copytree(trained[0].root, tmp_path / "copied")
    workspace = Workspace(tmp_path / "copied")
    return workspace, load_run(trained[1].id, workspace=workspace)


@pytest.fixture(scope="session")
def many_classes(
    trained: tuple[Workspace, Run], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[int], tuple[Workspace, Run]]:
    """Makes a run on as many classes as asked for, whose dataset is gone."""

    def make(count: int) -> tuple[Workspace, Run]:
        workspace = Workspace(tmp_path_factory.mktemp("large") / "home")
        classes = [f"class number {number} with quite a long name" for number in range(count)]
        random = np.random.default_rng(1)
        true = np.repeat(np.arange(count), 6)
        logits = random.normal(0, 1, (len(true), count))
        logits[np.arange(len(true)), true] += 3.5
        probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        config = replace(trained[1].config, classes=tuple(classes))
        with RunWriter(workspace, config) as writer:
            for record in trained[1].history.to_dict("records"):
                writer.add_epoch(EpochRecord(**record))
            names = np.array(classes)
            rows = (
                trained[1]
                .predictions.iloc[[0] * len(true)]
                .assign(
                    image_id=range(len(true)),
                    true=names[true],
                    predicted=names[probabilities.argmax(axis=1)],
                    confidence=probabilities.max(axis=1),
                )
            )
            writer.add_results(evaluate(true, probabilities, classes), rows, probabilities)
            writer.finish("complete", RunFacts(best_epoch=2, epochs_run=4))
        return workspace, load_run(writer.id, workspace=workspace)

    return make
