"""With a workspace given, nothing is written anywhere else, whatever computes."""

from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from vitcore.audit import measure
from vitcore.backbone import release_networks
from vitcore.compute import ENGINES, Compute, engine_is_here
from vitcore.dataset import import_dataset
from vitcore.errors import Stopped
from vitcore.inference import load_classifier
from vitcore.pipeline import (
    check_maps,
    evaluate_external,
    export_model,
    export_onnx,
    find_recipe,
    resume,
    review_run,
    train,
    write_report,
)
from vitcore.progress import Progress, Task
from vitcore.runs import list_runs
from vitcore.training import Hyperparameters
from vitcore.workspace import Workspace

SHORT = Hyperparameters(epochs=2)
COMPUTES = [
    pytest.param(
        Compute(device="cpu", engine=engine),
        id=engine,
        marks=pytest.mark.skipif(not engine_is_here(engine), reason="is not installed"),
    )
    for engine in ENGINES
]


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The default workspace, which does not exist and has to stay so."""
    folder = tmp_path / "elsewhere"
    monkeypatch.setenv("VITCORE_HOME", str(folder))
    release_networks()  # one that is loaded already would write nothing
    return folder


@pytest.fixture
def given(tmp_path: Path) -> Workspace:
    """The workspace that is asked for."""
    return Workspace(tmp_path / "given")


@pytest.mark.parametrize("compute", COMPUTES)
def test_nothing_is_written_anywhere_else(compute, elsewhere, given, picture_folder, tiny_backbone, tmp_path):
    compute = replace(compute, backbone=tiny_backbone)
    dataset = import_dataset(picture_folder(), workspace=given)
    run = train(dataset, SHORT, compute=compute, workspace=given)
    classifier = load_classifier(run.folder, device="cpu", workspace=given)
    classifier.predict([dataset.path(dataset.index["file"].iloc[0])])
    made = export_model(run, tmp_path / "model", images=3, workspace=given)
    load_classifier(made.folder, workspace=given)
    assert not elsewhere.exists()
    written = {path.name for path in given.engines.iterdir()} if given.engines.is_dir() else set()
    assert bool(written) == (compute.engine in {"onnxruntime", "openvino"})
    assert len(list(given.features.iterdir())) == 1


def test_nothing_else_that_is_asked_of_a_run_is_written_anywhere_else(
    elsewhere, given, picture_folder, tiny_backbone, tmp_path
):
    compute = Compute(tiny_backbone, device="cpu")
    dataset = import_dataset(picture_folder(), workspace=given)
    measure(dataset, compute=compute, workspace=given)
    find_recipe(dataset, SHORT, compute=compute, backbones=(), input_sizes=[80], workspace=given)
    stop = Event()

    def before_the_first_epoch(progress: Progress) -> None:
        if progress.phase == "fit":
            stop.set()

    with pytest.raises(Stopped):
        train(dataset, SHORT, compute=compute, workspace=given, task=Task(before_the_first_epoch, stop))
    [run] = list_runs(given)
    run = resume(run.id, workspace=given)
    review_run(run.id, workspace=given)
    evaluate_external(run.id, dataset, workspace=given)
    check_maps(run.id, images=1, workspace=given)
    export_onnx(run, tmp_path / "onnx", images=3, workspace=given)
    write_report(run.id, tmp_path / "report.html", workspace=given)
    assert not elsewhere.exists()
