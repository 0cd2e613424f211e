"""Deleting a dataset with the runs on it: all or nothing, and never under somebody's hands."""

import errno
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from vitcore.compute import Compute
from vitcore.dataset import import_dataset, list_datasets, load_dataset
from vitcore.errors import NotFoundError, StorageError
from vitcore.features import local_pass
from vitcore.pipeline import delete_dataset, resume, train
from vitcore.progress import Task
from vitcore.runs import delete_run, list_runs, load_run, restore_run
from vitcore.training import Hyperparameters
from vitcore.workspace import Workspace

SETTINGS = Hyperparameters(epochs=3)
IN_USE = "is in use: a training or other work on it waits or runs. Stop that first"

USING = """
import sys
from pathlib import Path
from vitcore.workspace import Workspace

with Workspace.default().using(Path(sys.argv[1])):
    print("ready", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def dataset(picture_folder, prepared_home, tiny_backbone):
    """A dataset with a run that is complete and one that was interrupted, and another dataset with a run."""

    def work() -> None:
        for name in ("mine", "another"):
            data = import_dataset(picture_folder(("blue", "green"), name=name), name=name)
            train(data, SETTINGS, compute=Compute(tiny_backbone))
            if name == "mine":
                run = train(data, SETTINGS, compute=Compute(tiny_backbone))
                state = run.folder / "state.json"
                state.write_text(state.read_text().replace('"state": "complete"', '"state": "stopped"'))

    prepared_home("to be deleted", work)
    table = list_datasets().set_index("name")
    return load_dataset(str(table.loc["mine", "id"]))


def runs_on(dataset) -> list[str]:
    return [run.id for run in list_runs() if run.config.dataset.id == dataset.id]


def everything(workspace: Workspace) -> list[str]:
    """All files but those of locks."""
    return sorted(
        path.relative_to(workspace.root).as_posix()
        for path in workspace.root.rglob("*")
        if "locks" not in path.parts
    )


def test_a_dataset_goes_with_its_runs_and_no_others(dataset, workspace):
    mine = runs_on(dataset)
    others = [run.id for run in list_runs() if run.id not in mine]
    delete_dataset(dataset.id)
    assert list_datasets()["name"].tolist() == ["another"]
    assert [run.id for run in list_runs()] == others
    assert not dataset.folder.exists()
    assert [restore_run(run_id).id for run_id in mine] == mine
    workspace.sweep()


def test_a_dataset_in_use_is_not_deleted(dataset, workspace):
    before = everything(workspace)
    with workspace.using(dataset.folder), pytest.raises(StorageError, match=f"'mine' {IN_USE}"):
        delete_dataset(dataset.id)
    assert everything(workspace) == before
    delete_dataset(dataset.id)
    assert not list((workspace.root / "locks").glob("use-datasets-*-??????.lock"))


def test_a_dataset_whose_run_is_in_use_is_not_deleted(dataset, workspace):
    before = everything(workspace)
    run = load_run(runs_on(dataset)[-1])
    with workspace.using(run.folder):
        with pytest.raises(StorageError, match=IN_USE):
            delete_dataset(dataset.id)
        with pytest.raises(StorageError, match=IN_USE):
            delete_run(run.id)
    assert everything(workspace) == before


def test_what_another_process_uses_is_not_deleted_until_that_has_ended_in_any_way(dataset):
    process = subprocess.Popen(
        [sys.executable, "-c", USING, str(dataset.folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ,
        text=True,
    )
    with process:
        assert process.stdout.readline() == "ready\n"
        with pytest.raises(StorageError, match=IN_USE):
            delete_dataset(dataset.id)
        process.kill()
    delete_dataset(dataset.id)


def test_if_the_disk_refuses_to_delete_a_dataset_nothing_is_gone(dataset, workspace, monkeypatch):
    before = everything(workspace)

    def refuse(*_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Workspace, "remove", refuse)
    with pytest.raises(StorageError, match="not writable"):
        delete_dataset(dataset.id)
    assert everything(workspace) == before


def test_a_dataset_is_not_deleted_under_a_training(dataset, tiny_backbone):
    refused = []

    def meddled(*arguments, **options):
        with pytest.raises(StorageError, match=IN_USE) as caught:
            delete_dataset(dataset.id)
        refused.append(caught.value)
        return local_pass(*arguments, **options)

    settings = replace(SETTINGS, views=2)  # which were not embedded yet
    run = train(dataset, settings, compute=Compute(tiny_backbone), forward_pass=meddled)
    assert refused
    assert run.state == "complete"
    delete_dataset(dataset.id)


def test_neither_dataset_nor_run_are_deleted_while_it_is_resumed(dataset):
    run = next(run for run in list_runs() if run.can_resume)
    refused = []

    def meddle(_progress) -> None:
        for delete, item_id in ((delete_dataset, dataset.id), (delete_run, run.id)):
            with pytest.raises(StorageError, match="in use") as caught:
                delete(item_id)
            refused.append(caught.value)

    assert resume(run.id, task=Task(meddle)).state == "complete"
    assert len(refused) >= 4


def test_a_training_on_a_dataset_that_was_deleted_leaves_no_run(dataset, tiny_backbone):
    delete_dataset(dataset.id)
    before = [run.id for run in list_runs()]
    with pytest.raises(NotFoundError, match="There is no dataset"):
        train(dataset, SETTINGS, compute=Compute(tiny_backbone))
    assert [run.id for run in list_runs()] == before
