"""The runs of a workspace: found, listed, named and deleted."""

from dataclasses import replace

from vitcore.errors import NotFoundError, SettingsError, StorageError
from vitcore.messages import Message, mark
from vitcore.records import load_record, save_record
from vitcore.runs._records import RunConfig, RunState
from vitcore.runs._run import DAMAGED, Run, lock_name
from vitcore.workspace import Workspace

__all__ = [
    "delete_run",
    "describe_run",
    "list_damaged_runs",
    "list_runs",
    "load_run",
    "restore_run",
]


def load_run(run_id: str, *, workspace: Workspace | None = None) -> Run:
    """The run of that id, as it stands now.

    Raises:
        NotFoundError: There is none.
        StorageError: Its files are damaged.
    """
    workspace = workspace or Workspace.default()
    folder = workspace.find(workspace.runs, run_id, mark("run"))
    config = load_record(RunConfig, folder / "config.json", DAMAGED)
    facts = load_record(RunState, folder / "state.json", DAMAGED)
    state: str = facts.state
    if state == "running" and not workspace.is_locked(lock_name(run_id)):
        facts = load_record(RunState, folder / "state.json", DAMAGED)  # it may have ended in between
        state = "interrupted" if facts.state == "running" else facts.state
    return Run(folder, config, state, facts)


def list_runs(workspace: Workspace | None = None) -> list[Run]:
    """All runs of a workspace, newest first; one whose files are damaged is left out."""
    return [found for found in _loaded(workspace).values() if isinstance(found, Run)]


def list_damaged_runs(workspace: Workspace | None = None) -> dict[str, StorageError]:
    """What is wrong with the runs that `list_runs` leaves out, by their ids, newest first."""
    return {run_id: found for run_id, found in _loaded(workspace).items() if isinstance(found, StorageError)}


def _loaded(workspace: Workspace | None) -> dict[str, Run | StorageError]:
    """The runs of a workspace, or what is wrong with them, newest first."""
    workspace = workspace or Workspace.default()
    found: dict[str, Run | StorageError] = {}
    for run_id in workspace.ids(workspace.runs):
        try:
            run = load_run(run_id, workspace=workspace)
            _ = run.epochs  # what is listed can be shown
            if run.has_model:
                _ = run.evaluation
            found[run_id] = run
        except StorageError as error:
            found[run_id] = error
        except NotFoundError:  # deleted since the names were read
            continue
    return found


def delete_run(run_id: str, *, workspace: Workspace | None = None) -> None:
    """Delete a run, damaged or not; `restore_run` brings it back within a week.

    Raises:
        NotFoundError: There is none.
        StorageError: It is running or otherwise in use.
    """
    workspace = workspace or Workspace.default()
    folder = workspace.find(workspace.runs, run_id, mark("run"))
    try:
        name = load_run(run_id, workspace=workspace).name
    except StorageError:  # damaged
        name = run_id
    with workspace.deleting(folder, name):
        if workspace.is_locked(lock_name(run_id)):
            raise StorageError("Run '{run_id}' is running; stop it first, then delete it.", run_id=run_id)
        workspace.bin(folder)


def restore_run(run_id: str, *, workspace: Workspace | None = None) -> Run:
    """Bring a deleted run back.

    Raises:
        NotFoundError: It was not deleted, or over a week ago.
    """
    workspace = workspace or Workspace.default()
    workspace.unbin(workspace.runs, run_id, "run")
    return load_run(run_id, workspace=workspace)


def describe_run(
    run_id: str, *, name: str | None = None, note: str | None = None, workspace: Workspace | None = None
) -> Run:
    """Give a run a name or a note; what is None stays as it is, an empty name is the first one again.

    Raises:
        NotFoundError: There is no such run.
        SettingsError: The name has over 200 characters, or the note over 10,000.
        StorageError: The disk is full or not writable.
    """
    workspace = workspace or Workspace.default()
    run = load_run(run_id, workspace=workspace)
    given = {"name": name, "note": note}
    for what, most in ((mark("name"), 200), (mark("note"), 10_000)):
        text = given[what]
        if text is not None and len(text) > most:
            raise SettingsError(
                "The {what} has {count} characters; give {most} at most.",
                what=Message(what),
                count=len(text),
                most=most,
            )
    changes = {what: text.strip() for what, text in given.items() if text is not None}
    path = run.folder / "about.json"
    with workspace.changing(path):
        present = load_run(run_id, workspace=workspace).about
        save_record(path, replace(present, **changes))
    return load_run(run_id, workspace=workspace)
