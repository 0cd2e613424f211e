"""Deleting a dataset, with what was trained on it."""

from contextlib import ExitStack

from vitcore.dataset import load_dataset
from vitcore.errors import StorageError
from vitcore.messages import mark
from vitcore.runs import list_runs
from vitcore.workspace import Workspace

__all__ = ["delete_dataset"]


def delete_dataset(dataset_id: str, *, workspace: Workspace | None = None) -> None:
    """Delete a dataset, damaged or not, for good, and its runs, which `restore_run` brings back for a week.

    Raises:
        NotFoundError: There is none.
        StorageError: It or one of these runs is in use, or the disk is not writable; nothing was deleted.
    """
    workspace = workspace or Workspace.default()
    folder = workspace.find(workspace.datasets, dataset_id, mark("dataset"))
    try:
        name = load_dataset(dataset_id, workspace=workspace).name
    except StorageError:  # damaged
        name = dataset_id
    with ExitStack() as held, ExitStack() as undo:
        held.enter_context(workspace.deleting(folder, name))
        runs = [run for run in list_runs(workspace) if run.config.dataset.id == dataset_id]
        for run in runs:
            held.enter_context(workspace.deleting(run.folder, run.name))
        for run in runs:
            workspace.bin(run.folder)
            undo.callback(workspace.unbin, workspace.runs, run.id, mark("run"))
        workspace.remove(folder)
        undo.pop_all()
