"""A disk without space, or read-only: a true sentence at every step, nothing lost, and it goes on later."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests._disks import FakeDisk, SmallDisk, mounted_disk
from vitcore.compute import Compute
from vitcore.dataset import confirm, confirmed, import_dataset, list_datasets, load_dataset, rename_class
from vitcore.errors import StorageError
from vitcore.inference import load_classifier, predict_files
from vitcore.pipeline import (
    answer_batch,
    delete_dataset,
    export_model,
    export_onnx,
    load_batch,
    new_batch,
    resume,
    train,
    write_report,
)
from vitcore.progress import Progress, Task
from vitcore.runs import Run, describe_run, list_runs, load_run
from vitcore.sources import NamedFile
from vitcore.training import Hyperparameters
from vitcore.workspace import Workspace

SETTINGS = Hyperparameters(epochs=6)
FULL = r"cannot be written .*; free some space\.$"
READ_ONLY = r"is not writable .*; allow that, or use another folder\.$"


@pytest.fixture(params=["real", pytest.param("injected", marks=pytest.mark.thorough)])
def disk(request, tmp_path, monkeypatch, workspace) -> Iterator[SmallDisk | FakeDisk]:  # noqa: ARG001 - its name is taken
    """The disk on which the default workspace lies, a real one where that is permitted."""
    root = tmp_path / "home"
    if request.param == "injected":
        yield FakeDisk(root, monkeypatch)
        return
    with mounted_disk(root) as mounted:
        yield mounted or FakeDisk(root, monkeypatch)


@pytest.fixture
def dataset(disk, picture_folder, monkeypatch):  # noqa: ARG001 - on which it lies
    monkeypatch.setattr("vitcore.dataset._unpack._FREE_RESERVE_BYTES", 0)
    return import_dataset(picture_folder(("blue", "green")))


@pytest.fixture
def teach(dataset, tiny_backbone) -> Callable[..., Run]:
    def teach(on_progress: Callable[[Progress], None] | None = None) -> Run:
        compute = Compute(tiny_backbone, device="cpu", engine="torch")
        return train(dataset, SETTINGS, compute=compute, task=Task(on_progress))

    return teach


def left_behind(root: Path) -> list[str]:
    return [str(path) for path in root.rglob(".tmp-*")]


def test_an_import(disk, picture_folder, monkeypatch):
    monkeypatch.setattr("vitcore.dataset._unpack._FREE_RESERVE_BYTES", 0)
    photos = picture_folder()
    disk.fill()
    with pytest.raises(StorageError, match=FULL):
        import_dataset(photos)
    assert list_datasets().empty
    assert left_behind(disk.root) == []
    disk.free()
    assert len(import_dataset(photos).index) == 36


@pytest.mark.parametrize("phase", ["embed", "fit", "evaluate"])
def test_a_training_goes_on_to_the_same_result_once_there_is_space(disk, teach, phase):
    reports = []

    def fill_at(progress: Progress) -> None:
        # In the middle: the first epochs and the first vectors are on the disk.
        if progress.phase == phase and progress.done >= (2 if phase == "fit" else 0):
            disk.fill()
        reports.append(progress)

    with pytest.raises(StorageError, match=FULL):
        teach(fill_at)
    (run,) = list_runs()
    assert run.can_resume
    assert left_behind(disk.root) == []
    disk.free()
    ended = resume(run.id)
    assert (ended.id, ended.state) == (run.id, "complete")

    undisturbed = teach()
    assert ended.history["epoch"].tolist() == [1, 2, 3, 4, 5, 6]
    np.testing.assert_array_equal(
        ended.history.drop(columns="seconds", errors="ignore")["validation_loss"],
        undisturbed.history["validation_loss"],
    )
    np.testing.assert_array_equal(ended.probabilities, undisturbed.probabilities)


def test_a_training_that_cannot_even_begin(disk, teach):
    disk.fill()
    with pytest.raises(StorageError, match=FULL):
        teach()
    disk.free()
    assert [run.state for run in list_runs() if not run.can_resume] == []
    assert teach().state == "complete"


def test_a_resumed_training_that_cannot_begin_can_be_resumed_again(disk, teach):
    with pytest.raises(StorageError):
        teach(lambda progress: disk.fill() if progress.phase == "fit" and progress.done else None)
    (run,) = list_runs()
    with pytest.raises(StorageError, match=FULL):
        resume(run.id)
    assert load_run(run.id).can_resume
    disk.free()
    assert resume(run.id).state == "complete"


def test_edits_and_notes(disk, dataset, teach):
    run = teach()
    confirm(dataset, [1])
    edits = {
        "rename": lambda: rename_class(load_dataset(dataset.id), "blue", "navy"),
        "confirm": lambda: confirm(dataset, [2]),
        "describe": lambda: describe_run(run.id, name="The good one"),
    }
    disk.fill()
    for edit in edits.values():
        with pytest.raises(StorageError, match=FULL):
            edit()
    assert load_dataset(dataset.id).version == 1
    assert confirmed(load_dataset(dataset.id)) == {1}
    assert load_run(run.id).name == run.name
    assert left_behind(disk.root) == []
    disk.free()
    for edit in edits.values():
        edit()
    assert load_dataset(dataset.id).classes == ("green", "navy")
    assert load_run(run.id).name == "The good one"


def answer(run: Run, photo: Path) -> None:
    batch = new_batch(run, [NamedFile("a.png", photo)], "a.png")
    answer_batch(batch, load_classifier(run.folder))
    assert load_batch(run, batch.id).is_complete


MADE = {
    "table": lambda run, photo, to: predict_files(load_classifier(run.folder), [photo], to, total=1),
    "batch": lambda run, photo, _: answer(run, photo),
    "report": lambda run, _, to: write_report(run.id, to),
    "export": lambda run, _, to: export_model(run, to),
    "onnx": lambda run, _, to: export_onnx(run, to),
}


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(make, id=name, marks=[pytest.mark.thorough] * (name in {"report", "export", "onnx"}))
        for name, make in MADE.items()
    ],
)
def test_what_is_made_of_a_training(disk, dataset, teach, make):
    run, photo = teach(), dataset.path(dataset.index["file"].iloc[0])
    disk.fill()
    with pytest.raises(StorageError, match=FULL):
        make(run, photo, disk.root / "made")
    assert left_behind(disk.root) == []
    disk.free()
    make(run, photo, disk.root / "made")


def test_small_pictures_are_seen_without_being_written(disk, dataset):
    file = dataset.index["file"].iloc[0]
    disk.fill()
    with pytest.raises(StorageError, match=FULL):
        dataset.thumbnail(file)
    assert left_behind(disk.root) == []
    assert dataset.small_image(file).size == (240, 240)
    disk.free()
    assert dataset.thumbnail(file).is_file()


# --- read-only -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("workspace")
def test_a_read_only_disk(tmp_path, picture_folder, tiny_backbone, monkeypatch):
    monkeypatch.setattr("vitcore.dataset._unpack._FREE_RESERVE_BYTES", 0)
    photos, compute = picture_folder(), Compute(tiny_backbone, device="cpu", engine="torch")
    with mounted_disk(tmp_path / "home") as disk, contextlib.ExitStack() as ends:
        if disk is None:
            pytest.skip("may not mount a disk")
        dataset = import_dataset(photos)
        run = train(dataset, SETTINGS, compute=compute)
        disk.forbid()
        ends.callback(disk.allow)
        work = [
            lambda: import_dataset(photos, name="again"),
            lambda: train(dataset, Hyperparameters(epochs=2, views=2), compute=compute),
            lambda: rename_class(dataset, "blue", "navy"),
            lambda: confirm(dataset, [1]),
            lambda: describe_run(run.id, name="x"),
            lambda: delete_dataset(dataset.id),
            lambda: write_report(run.id, disk.root / "report.html"),
            lambda: new_batch(run, [NamedFile("a.png", dataset.path(dataset.index["file"].iloc[0]))], "a"),
        ]
        for step in work:
            with pytest.raises(StorageError, match=READ_ONLY):
                step()
        assert Workspace.default().sweep() == 0
        assert load_run(run.id).evaluation.images
        assert load_classifier(run.folder).classes == run.classes
