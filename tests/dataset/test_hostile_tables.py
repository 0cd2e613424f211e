"""Tables as other programs write them are used, or it is said why not; they take no more than their room."""

import time
import tracemalloc
import unicodedata

import pytest

from vitcore.dataset import import_dataset, inspect_source
from vitcore.errors import ArchiveError
from vitcore.layouts import Reading
from vitcore.messages import Message
from vitcore.sources._tables import Room, Table, base_names, parse_table

LABELS = ("dog", "cat", "猫", "dog")
SHOT = "Screenshot 2026-11-28 at 1.0{}.00\u202fPM.png"
MB = 2**20


def table_of(names, end="\n", extra="") -> str:
    return end.join(["file,label", *(f"{n},{label}" for n, label in zip(names, LABELS, strict=True)), extra])


def source(pack, picture, names, table: bytes, name="source"):
    photos = {f"im/{file}": picture(number) for number, file in enumerate(names)}
    return pack({**photos, "labels.csv": table}, name=name)


PLAIN = [f"{number}.png" for number in range(4)]
CAFE = [f"café{number}.png" for number in range(4)]
SHOTS = [SHOT.format(number) for number in range(4)]
DECOMPOSED = [unicodedata.normalize("NFD", name) for name in CAFE]


@pytest.mark.parametrize(
    ("names", "table"),
    [
        pytest.param(PLAIN, table_of(PLAIN, "\r").encode(), id="CR line ends"),
        pytest.param(PLAIN, table_of(PLAIN, "\r\n").encode(), id="CR LF line ends"),
        pytest.param(PLAIN, table_of(PLAIN).encode("utf-16"), id="UTF-16"),
        pytest.param(PLAIN, table_of(PLAIN).encode("utf-16-le"), id="UTF-16 LE without mark"),
        pytest.param(PLAIN, table_of(PLAIN).encode("utf-16-be"), id="UTF-16 BE without mark"),
        pytest.param(PLAIN, table_of(PLAIN).encode("utf-32"), id="UTF-32"),
        pytest.param(PLAIN, table_of(PLAIN).encode("utf-32-le"), id="UTF-32 LE without mark"),
        pytest.param(PLAIN, table_of(PLAIN).encode("utf-32-be"), id="UTF-32 BE without mark"),
        pytest.param(DECOMPOSED, table_of(CAFE).encode(), id="names decomposed in the archive"),
        pytest.param(CAFE, table_of(DECOMPOSED).encode(), id="names decomposed in the table"),
        pytest.param(SHOTS, table_of(SHOTS).encode(), id="U+202F on both sides"),
        pytest.param(SHOTS, table_of(SHOTS).replace("\u202f", " ").encode(), id="U+202F in the archive"),
        pytest.param(SHOTS, table_of(SHOTS).encode("utf-16-le"), id="U+202F and UTF-16"),
        pytest.param(PLAIN, table_of(PLAIN, extra=f"9.png,{'x' * 200_000}").encode(), id="long cell"),
        pytest.param(
            PLAIN, table_of(PLAIN, extra=f"{'a/' * 200_000},dog").encode(), id="deep path in a cell"
        ),
        pytest.param(PLAIN, ("sep=;\n" + table_of(PLAIN).replace(",", ";")).encode(), id="sep= in front"),
        pytest.param(PLAIN, table_of(PLAIN).replace("dog", "'-dog").encode(), id="written by ourselves"),
    ],
)
def test_the_table_is_used(pack, picture, names, table):
    dataset = import_dataset(source(pack, picture, names, table))
    dog = "-dog" if b"'-" in table else "dog"
    assert dataset.class_counts == {dog: 2, "cat": 1, "猫": 1}


def test_the_spelling_decides_where_both_are_there(pack, picture):
    names = [CAFE[0], DECOMPOSED[0], *PLAIN[:2]]
    dataset = import_dataset(source(pack, picture, names, table_of(names).encode()))
    found = dataset.index[dataset.index["name"] == f"im/{CAFE[0]}"]  # both are kept in one spelling
    assert sorted(found["label"]) == ["cat", "dog"]


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (b"\x89PNG\0\0\0\xd8\0\xd8", "it is no text in UTF-8, UTF-16, UTF-32 or Windows-1252"),
        (b"file,label\n", "it has no rows"),
        (b"what,price\nhay,30\noats,40\n", "names none or hardly any of the photos"),
    ],
)
def test_why_a_table_is_not_used_is_said(pack, picture, table, reason):
    dataset = import_dataset(source(pack, picture, PLAIN, table))
    assert dataset.classes == ("im",)
    [skipped] = dataset.skipped
    assert (skipped.name, reason in str(skipped.reason)) == ("labels.csv", True)
    [note] = [str(warning) for warning in dataset.warnings if "labels.csv" in str(warning)]
    assert note.startswith("labels.csv was left out: ")
    assert reason in note


def test_why_nothing_can_be_read_is_that_of_the_table(pack, picture):
    path = pack({"1.png": picture(1), "labels.csv": b"file,label\n"})
    with pytest.raises(ArchiveError, match=r"labels.csv is a table that cannot be used: it has no rows"):
        import_dataset(path)


def test_folders_tables_and_columns_are_named_in_any_spelling(pack, picture):
    photos = {f"Fotos/Hu\u0308te/{label}/{n}.png": picture(n) for label in ("a", "b") for n in range(2)}
    photos |= {f"Fotos/mehr/{label}/{n}.png": picture(9 + n) for label in ("a", "b") for n in range(2)}
    assert import_dataset(pack(photos), reading=Reading(root="Hüte")).class_counts == {"a": 2, "b": 2}
    table = table_of(PLAIN).replace("label", "cate\u0301gorie")
    files = {f"im/{file}": picture(number) for number, file in enumerate(PLAIN)}
    source = pack({**files, "e\u0301tiquettes.csv": table.encode()}, name="other")
    wanted = Reading(labels="étiquettes.csv", label_column="catégorie")
    assert import_dataset(source, reading=wanted).class_counts == {"cat": 1, "dog": 2, "猫": 1}


# --- memory and time ---------------------------------------------------------------------------


@pytest.fixture
def small_room(monkeypatch):
    monkeypatch.setattr("vitcore.sources._tables.MAX_TABLE_BYTES", MB)
    monkeypatch.setattr("vitcore.sources._tables._MAX_KEPT_BYTES", 4 * MB)


def distinct(count: int) -> bytes:
    return b"file,label\n" + b"".join(b"%d.png,%d\n" % (number, number) for number in range(count))


BOMBS = {
    "many small cells": b"a,b\n" + b"xy,z\n" * 190_000,
    "distinct cells": distinct(60_000),
    "wide header, many rows": b"," * 100_000 + b"\n" + b"x\n" * 10_000,
    "empty cells": b"a,b\n" + b"," * 1_000_000,
    "one long row of quotes": b'a,b\n"' + b"x" * 1_000_000,
    "too many bytes": b"x,y\n" * 300_000,
}


@pytest.mark.parametrize("content", BOMBS.values(), ids=BOMBS)
@pytest.mark.usefixtures("small_room")
def test_a_table_takes_no_more_than_its_room(content):
    tracemalloc.start()
    try:
        found = parse_table("x.csv", content)
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(found, Message | Table)
    if isinstance(found, Message):
        assert "takes too much memory" in str(found)
    assert most_bytes < 12 * MB


@pytest.mark.usefixtures("small_room")
def test_the_tables_of_a_source_share_their_room(pack, picture):
    files = {f"im/{number}.png": picture(number) for number in range(2)}
    files |= {f"{number:02}.csv": distinct(30_000) for number in range(9)}
    survey = inspect_source(pack(files))
    reasons = [str(reason) for _, reason in survey.skipped]
    assert len(reasons) == 9
    assert sum("takes too much memory" in reason for reason in reasons) >= 7


@pytest.mark.parametrize("piece", [b',"', b'a,"b\n', b"'\"\n,", b',"\n', b'"a\n', b'"a" , '])
def test_quotes_take_no_time(piece):
    start = time.perf_counter()
    parse_table("x.csv", piece * (MB // len(piece)))
    assert time.perf_counter() - start < 10  # the sniffer of the standard library took up to a minute


def test_equal_cells_are_kept_once():
    found = parse_table("x.csv", b"file,label\n1.png,a dog\n2.png,a dog\n", base_names([]), Room())
    assert isinstance(found, Table)
    assert found.rows[0][1] is found.rows[1][1]
