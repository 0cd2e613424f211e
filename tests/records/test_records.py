"""Records on disk: what is validated, what is replaced in one step, what is said when it goes wrong."""

import ast
import errno
import json
import math
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from safetensors import SafetensorError

import vitcore.records
from vitcore.errors import SettingsError, StorageError
from vitcore.records import (
    Bound,
    Figure,
    array,
    disk_guard,
    guard,
    is_disk_fault,
    load_record,
    plain_values,
    record_of,
    replacing,
    save_record,
    table,
    write_json,
    write_text,
)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An empty folder."""
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


@dataclass(frozen=True, kw_only=True)
class Inner:
    count: int
    share: float
    kind: Literal["a", "b"] = "a"

    def __post_init__(self) -> None:
        if self.count < 0:
            raise SettingsError("count is negative; give 0 or more.")


@dataclass(frozen=True, eq=False, kw_only=True)
class Outer:
    name: str
    inner: Inner
    parts: tuple[Inner, ...] = ()
    note: str | None = None
    figure: Figure = math.nan
    bound: Bound = math.inf
    numbers: Annotated[npt.NDArray[np.int64], array("int64")]
    table: Annotated[pd.DataFrame, table({})]


def values(**changes: object) -> dict[str, object]:
    usual = {
        "name": "x",
        "inner": {"count": 1, "share": 0.5},
        "numbers": [[1, 2], [3, 4]],
        "table": {"a": [1, 2], "b": [None, "y"]},
    }
    return {key: value for key, value in {**usual, **changes}.items() if value is not ...}


# --- the codec ---------------------------------------------------------------------------------


def test_a_record_comes_back_from_its_file(place):
    before = record_of(Outer, values(parts=[{"count": 2, "share": 1, "kind": "b"}], figure=0.25, bound=3))
    save_record(place / "x.json", before)
    again = load_record(Outer, place / "x.json", "make it again")
    assert again.inner == before.inner == Inner(count=1, share=0.5)
    assert again.parts == (Inner(count=2, share=1.0, kind="b"),)
    assert (again.note, again.figure, again.bound) == (None, 0.25, 3.0)
    assert again.numbers.dtype == np.int64
    assert again.numbers.tolist() == [[1, 2], [3, 4]]
    pd.testing.assert_frame_equal(again.table, before.table)
    assert plain_values(again) == plain_values(before)


def test_what_is_not_defined_is_null_on_disk(place):
    save_record(place / "x.json", record_of(Outer, values()))
    written = json.loads((place / "x.json").read_text(), parse_constant=pytest.fail)
    assert (written["figure"], written["bound"], written["table"]["b"]) == (None, None, [None, "y"])
    again = load_record(Outer, place / "x.json", "make it again")
    assert math.isnan(again.figure)
    assert again.bound == math.inf


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"name": 3}, "name"),
        ({"name": ...}, "name"),
        ({"inner": {"count": 1.0, "share": 1}}, "inner.count"),
        ({"inner": {"count": True, "share": 1}}, "inner.count"),
        ({"inner": {"count": "1", "share": 1}}, "inner.count"),
        ({"inner": {"count": 1, "share": math.nan}}, "inner.share"),
        ({"inner": {"count": 1, "share": math.inf}}, "inner.share"),
        ({"inner": {"count": 1, "share": None}}, "inner.share"),
        ({"inner": {"count": 1, "share": 1, "kind": "c"}}, "inner.kind"),
        ({"inner": []}, "inner"),
        ({"parts": {}}, "parts"),
        ({"parts": [{"count": 1, "share": 1}, {}]}, "parts.1.count"),
        ({"figure": "0.5"}, "figure"),
        ({"figure": math.nan}, "figure"),
        ({"numbers": [1.5]}, "numbers"),
        ({"numbers": [[1], [1, 2]]}, "numbers"),
        ({"numbers": "12"}, "numbers"),
        ({"table": {"a": [1], "b": [1, 2]}}, "table"),
        ({"inner": {"count": -1, "share": 1}}, "count is negative"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line_that_says_where(changes, where):
    with pytest.raises(ValueError, match=f"^{where}") as refused:
        record_of(Outer, values(**changes))
    assert "\n" not in str(refused.value)


def test_what_there_is_no_field_for_is_left_out():
    assert record_of(Inner, {"count": 1, "share": 1, "of a later version": 3}) == Inner(count=1, share=1.0)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "3", "null", "{}", '{"count": 1}', '"' + "x" * 9, "[" * 9999]
)
def test_a_damaged_file_is_named_with_the_next_step(place, content):
    (place / "x.json").write_text(content)
    with pytest.raises(StorageError, match=r"x\.json is damaged \(.*\); make it again\."):
        load_record(Inner, place / "x.json", "make it again")


def test_a_record_of_the_wrong_types_is_not_written(place):
    with pytest.raises(Exception, match="Expected `int`"):
        save_record(place / "x.json", Inner(count=1.5, share=0.5))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="not JSON compliant"):
        save_record(place / "x.json", Inner(count=1, share=math.nan))
    assert list(place.iterdir()) == []


def test_what_is_slow_to_import_waits_for_the_first_record():
    code = Path(vitcore.records.__file__).read_text(encoding="utf-8")
    at_once = {name.partition(".")[0] for node in ast.parse(code).body for name in imported(node)}
    assert at_once & {"numpy", "pandas", "pydantic", "pydantic_core", "torch"} == set()
    assert "safetensors" in at_once


def imported(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        return [str(node.module)]
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else []


# --- replacing ---------------------------------------------------------------------------------


def test_a_file_is_replaced_when_the_block_ends(place):
    path = place / "x.txt"
    path.write_text("old")
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
        assert temporary.parent == path.parent
    assert path.read_text() == "new"
    assert list(place.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("when", ["before anything is written", "in the middle", "fsync", "rename"])
def test_whatever_fails_in_between_leaves_the_old_file_and_no_other(place, monkeypatch, when, error):
    path = place / "x.txt"
    path.write_text("old")

    def fail(*_):
        raise error

    if when == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
    if when == "rename":
        monkeypatch.setattr(Path, "replace", fail)

    def work() -> None:
        with replacing(path) as temporary:
            if when == "before anything is written":
                fail()
            temporary.write_text("ne")
            if when == "in the middle":
                fail()

    with pytest.raises(type(error)):
        work()
    assert path.read_text() == "old"
    assert list(place.iterdir()) == [path]


def test_what_cannot_be_json_leaves_the_old_file(place):
    write_json(place / "x.json", {"a": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(place / "x.json", {"a": math.nan})
    assert json.loads((place / "x.json").read_text()) == {"a": 1}


# --- the guard ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "writing", "reading"),
    [
        (OSError(errno.ENOSPC, "full"), "cannot be written (full); free some space", ...),
        (OSError(errno.EDQUOT, "quota"), "cannot be written (quota); free some space", ...),
        (OSError(errno.EROFS, "ro"), "is not writable (ro); allow that, or use another folder", ...),
        (
            PermissionError(errno.EACCES, "no"),
            "is not writable (no); allow that, or use another folder",
            "is not readable (no); allow that, or use another folder",
        ),
        (
            OSError(errno.EIO, "io"),
            "cannot be written (io); try again, or use another folder",
            "cannot be read (io); try again, or check the disk",
        ),
        (FileNotFoundError(errno.ENOENT, "none"), None, "is missing; make it again"),
        (FileNotFoundError("no number"), None, "is missing; make it again"),
        (ValueError("odd"), None, "is damaged (odd); make it again"),
        (KeyError("vectors"), None, "is damaged ('vectors'); make it again"),
        (EOFError("short"), None, "is damaged (short); make it again"),
        (SafetensorError("header"), None, "is damaged (header); make it again"),
        (
            SafetensorError("I/O error: No space left on device (os error 28)"),
            "cannot be written (No space left on device); free some space",
            ...,
        ),
        (
            OSError("1000000 requested and 65520 written"),
            "cannot be written (No space left on device); free some space",
            ...,
        ),
    ],
)
def test_a_fault_of_the_disk_is_a_sentence_with_the_step_that_helps(place, error, writing, reading):
    def said(remedy: str) -> str:
        def work() -> None:
            with guard(place, remedy):
                raise error

        with pytest.raises(StorageError) as raised:
            work()
        return str(raised.value)

    if writing is not None:
        assert said("") == f"{place} {writing}."
    assert said("make it again") == f"{place} {writing if reading is ... else reading}."


@pytest.mark.parametrize("error", [ValueError("a mistake of ours"), KeyError("x"), ZeroDivisionError()])
def test_a_mistake_while_writing_is_no_fault_of_the_disk(place, error):
    def work() -> None:
        with guard(place):
            raise error

    with pytest.raises(type(error)):
        work()


def test_a_full_disk_does_not_advise_to_delete_what_is_there(place, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"free some space\.$") as raised:
        write_text(place / "x.txt", "text")
    assert "delete" not in str(raised.value)


def test_a_database_that_is_none_is_damaged(place):
    file = place / "x.sqlite"
    file.write_bytes(b"no database at all" * 99)

    def work() -> None:
        with guard(file):
            sqlite3.connect(file).execute("SELECT 1 FROM x")

    with pytest.raises(StorageError, match=r"is damaged \(file is not a database\); delete it"):
        work()


def test_a_database_that_finds_no_space_for_its_shared_memory_is_on_a_full_disk(place, monkeypatch):
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorname = "SQLITE_IOERR_SHMSIZE"
    for free, step in ((0, "free some space"), (2**30, "try again, or use another folder")):
        monkeypatch.setattr("shutil.disk_usage", lambda _, free=free: SimpleNamespace(free=free))
        with pytest.raises(StorageError, match=step), guard(place / "not there yet" / "index.sqlite"):
            raise error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "full", "/x"), "/x cannot be written (full); free some space."),
        (OSError(errno.EROFS, "ro"), "The disk is not writable (ro); allow that, or use another folder."),
        (
            SafetensorError("(os error 28)"),
            "The disk cannot be written (No space left on device); free some space.",
        ),
        (sqlite3.OperationalError("full"), "The disk cannot be written (full); free some space."),
    ],
)
def test_what_only_the_disk_is_to_blame_for_is_a_sentence_wherever_it_comes_from(error, said):
    if isinstance(error, sqlite3.Error):
        error.sqlite_errorname = "SQLITE_FULL"
    with pytest.raises(StorageError) as raised, disk_guard():
        raise error
    assert str(raised.value) == said
    assert is_disk_fault(error)


@pytest.mark.parametrize(
    "error",
    [FileNotFoundError("no file"), PermissionError(errno.EACCES, "no"), ValueError("x"), sqlite3.Error("x")],
)
def test_what_others_may_be_to_blame_for_stays_as_it_is(error):
    with pytest.raises(type(error)) as raised, disk_guard():
        raise error
    assert raised.value is error
