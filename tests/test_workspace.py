"""Where things live on disk: atomic writes, ids, locks, staging."""

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from vitcore.errors import NotFoundError, StorageError
from vitcore.records import read_json, write_json, write_text
from vitcore.workspace import Workspace, new_id


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_an_id_is_a_safe_file_name():
    assert re.fullmatch(r"\d{8}-\d{6}[a-z0-9-]*-[0-9a-f]{6}", new_id())


def test_ids_differ_within_the_same_second():
    assert len({new_id() for _ in range(100)}) == 100


def test_ids_made_one_after_another_sort_in_that_order():
    ids = [new_id() for _ in range(20)]
    assert sorted(ids) == ids


def test_writing_replaces_the_whole_file_and_leaves_nothing_beside_it(tmp_path):
    path = tmp_path / "x" / "note.txt"
    path.parent.mkdir()
    write_text(path, "a longer first text")
    write_text(path, "zwei\nZeilen ✓\r\n")
    assert path.read_bytes() == "zwei\nZeilen ✓\r\n".encode()
    assert names(path.parent) == ["note.txt"]


def test_json_comes_back_as_it_was(tmp_path):
    value = {"name": "naïve ✓", "numbers": [1, 2.5, None], "nested": {"true": True}}
    write_json(tmp_path / "x.json", value)
    assert read_json(tmp_path / "x.json") == value


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_json_refuses_what_is_no_number_and_keeps_the_old_file(tmp_path, number):
    write_json(tmp_path / "x.json", {"a": 1})
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "x.json", {"a": number})
    assert read_json(tmp_path / "x.json") == {"a": 1}


@pytest.mark.parametrize("content", [None, b"", b'{"a": ', b"\xff\xfe\x00"])
def test_a_missing_or_damaged_json_file_is_named(tmp_path, content):
    path = tmp_path / "x.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StorageError, match=re.escape(str(path))):
        read_json(path)


def test_the_default_root_is_vitcore_home(tmp_path, monkeypatch):
    monkeypatch.setenv("VITCORE_HOME", str(tmp_path / "elsewhere"))
    workspace = Workspace.default()
    assert workspace.root == tmp_path / "elsewhere"
    assert names(workspace.root) == ["datasets", "features", "locks", "runs"]


def test_the_home_folder_may_be_written_as_a_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("VITCORE_HOME", "~/mine")
    assert Workspace.default().root == tmp_path / "mine"


def test_without_vitcore_home_the_platform_decides(tmp_path, monkeypatch):
    monkeypatch.delenv("VITCORE_HOME")
    monkeypatch.setattr("platformdirs.user_data_dir", lambda name, _author: str(tmp_path / "data" / name))
    assert Workspace.default().root == tmp_path / "data" / "vitcore"


def test_a_root_that_cannot_be_created_says_what_to_do(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="set VITCORE_HOME"):
        Workspace(tmp_path / "file" / "home")


def test_ids_are_newest_first_and_leave_out_what_is_no_id(workspace):
    for name in ("20260101-000000-aaaaaa", "20270101-000000-aaaaaa", ".tmp-20280101-000000-aaaaaa", "Upper"):
        (workspace.runs / name).mkdir()
    (workspace.runs / "20290101-000000-aaaaaa").write_text("a file")
    assert workspace.ids(workspace.runs) == ["20270101-000000-aaaaaa", "20260101-000000-aaaaaa"]


def test_find_gives_the_folder_of_an_id(workspace):
    (workspace.runs / "abc").mkdir()
    assert workspace.find(workspace.runs, "abc", "run") == workspace.runs / "abc"


@pytest.mark.parametrize(
    "item_id", ["", ".", "..", "../runs", "/", "/etc", "a/b", "a\\b", "ABC", ".tmp-x", "x\0", "x" * 300]
)
def test_what_is_no_id_is_not_found(workspace, item_id):
    (workspace.runs / ".tmp-x").mkdir()
    with pytest.raises(NotFoundError, match="no run"):
        workspace.find(workspace.runs, item_id, "run")


def test_an_unknown_id_is_answered_with_the_newest_ones(workspace):
    for name in ("a1", "a2", "a3", "a4"):
        (workspace.datasets / name).mkdir()
    with pytest.raises(NotFoundError, match=re.escape("There is no dataset 'b' (newest: a4, a3 and a2).")):
        workspace.find(workspace.datasets, "b", "dataset")


def test_a_staged_folder_appears_when_it_is_whole(workspace):
    with workspace.staged(workspace.datasets, "abc") as folder:
        (folder / "file").write_text("x")
        assert workspace.ids(workspace.datasets) == []
    assert (workspace.datasets / "abc" / "file").read_text() == "x"
    assert names(workspace.datasets) == ["abc"]


@pytest.mark.parametrize(
    ("raised", "seen"),
    [(ValueError, ValueError), (KeyboardInterrupt, KeyboardInterrupt), (OSError, StorageError)],
)
def test_an_error_while_staging_leaves_nothing_behind(workspace, raised, seen):
    def work() -> None:
        with workspace.staged(workspace.datasets, "abc") as folder:
            (folder / "file").write_text("x")
            raise raised

    with pytest.raises(seen):
        work()
    assert names(workspace.datasets) == []


def test_removing_a_folder_takes_it_off_the_list_and_the_disk(workspace):
    folder = workspace.runs / "abc"
    (folder / "deep").mkdir(parents=True)
    workspace.remove(folder)
    assert names(workspace.runs) == []


def test_sweeping_deletes_leftovers_and_spares_work_in_progress(workspace):
    (workspace.runs / ".tmp-dead" / "deep").mkdir(parents=True)
    (workspace.datasets / ".tmp-dead").mkdir()
    (workspace.datasets / "whole").mkdir()
    with workspace.staged(workspace.datasets, "alive") as folder:
        swept = []
        thread = threading.Thread(target=lambda: swept.append(workspace.sweep()))
        thread.start()
        thread.join()
        assert swept == [2]
        assert folder.is_dir()
    assert names(workspace.datasets) == ["alive", "whole"]
    assert names(workspace.runs) == []


def test_a_scratch_folder_is_spared_until_it_is_closed_by_any_thread(workspace):
    scratch = workspace.scratch()
    (scratch.folder / "upload").write_text("x")
    assert workspace.ids(workspace.datasets) == []
    assert workspace.sweep() == 0
    assert (scratch.folder / "upload").is_file()
    thread = threading.Thread(target=scratch.close)
    thread.start()
    thread.join()
    assert names(workspace.datasets) == []
    assert not workspace.is_locked(scratch.folder.name)


def test_a_scratch_folder_of_a_dead_process_is_swept(workspace):
    scratch = workspace.scratch()
    scratch._lock.release()  # as the operating system does when a process ends
    assert workspace.sweep() == 1
    assert names(workspace.datasets) == []


def test_a_lock_is_seen_while_it_is_held(workspace):
    assert not workspace.is_locked("work")
    with workspace.lock("work"):
        assert workspace.is_locked("work")
        assert not workspace.is_locked("other work")
    assert not workspace.is_locked("work")


def test_the_lock_of_another_process_is_seen_and_ends_with_it(workspace):
    script = (
        "import filelock, sys\n"
        "with filelock.FileLock(sys.argv[1]):\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    path = workspace.root / "locks" / "work.lock"
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        try:
            assert other.stdout.readline() == "held\n"
            assert workspace.is_locked("work")
        finally:
            other.kill()
            other.wait()
        assert not workspace.is_locked("work")


def test_those_who_look_at_a_free_lock_at_once_do_not_take_each_other_for_its_holder(workspace):
    answers: list[bool] = []

    def look() -> None:
        answers.extend(workspace.is_locked("work") for _ in range(200))

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 800
    assert not any(answers)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_says_what_to_do(workspace):
    workspace.datasets.chmod(0o500)
    try:
        with pytest.raises(StorageError, match="VITCORE_HOME"), workspace.staged(workspace.datasets, "abc"):
            pass
    finally:
        workspace.datasets.chmod(0o700)


def test_what_was_left_half_written_is_swept_at_every_depth(workspace):
    places = [workspace.runs / "a" / "batches" / "b", workspace.datasets / "c", workspace.features / "d"]
    for place in places:
        place.mkdir(parents=True)
        (place / ".tmp-1-file").write_text("half")
        (place / ".tmp-2-folder").mkdir()
        (place / ".tmp-2-folder" / "x").write_text("half")
        (place / "kept").write_text("whole")
    assert workspace.sweep() == 6
    assert list(workspace.root.rglob(".tmp-*")) == []
    assert [(place / "kept").read_text() for place in places] == ["whole"] * 3


def test_while_somebody_is_at_work_only_what_is_old_is_swept(workspace):
    folder = workspace.runs / "a"
    folder.mkdir()
    fresh, old = folder / ".tmp-fresh", folder / ".tmp-old"
    for path in (fresh, old):
        path.write_text("half")
    os.utime(old, (0, 0))
    with workspace.lock("run-a"):
        assert workspace.sweep() == 1
    assert (fresh.exists(), old.exists()) == (True, False)
    assert workspace.sweep() == 1
