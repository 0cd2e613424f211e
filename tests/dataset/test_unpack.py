"""Photos from files and archives, as they are dropped on the Predict page."""

import threading
from pathlib import Path

import pytest

from tests._archives import zip_of
from vitcore.dataset import _unpack, unpack_photos
from vitcore.errors import ArchiveError, Stopped
from vitcore.progress import Task
from vitcore.sources import NamedFile


@pytest.fixture
def place(tmp_path):
    folder = tmp_path / "taken"
    folder.mkdir()
    return lambda number: folder / f"{number:03}"


def dropped(tmp_path: Path, name: str, content: bytes) -> NamedFile:
    """A file as an upload leaves it: under a number."""
    path = tmp_path / f"upload-{len(list(tmp_path.glob('upload-*')))}"
    path.write_bytes(content)
    return NamedFile(name, path)


def zipped(tmp_path: Path, name: str, files: dict[str, bytes]) -> NamedFile:
    return dropped(tmp_path, name, zip_of(files))


def test_single_files_are_taken_whatever_they_are_called(tmp_path, place):
    sources = [dropped(tmp_path, name, name.encode()) for name in ("a.jpg", "notes", "b.txt", "../c.png")]
    found = unpack_photos(sources, place)
    assert [item.name for item in found] == ["a.jpg", "notes", "b.txt", "../c.png"]
    assert not any(item.reason for item in found)
    assert [place(number).read_bytes().decode() for number in range(4)] == [item.name for item in found]


def test_of_an_archive_what_is_called_an_image_is_taken(tmp_path, place):
    files = {
        "x/a.jpg": b"a",
        "x/readme.txt": b"t",
        "__MACOSX/x/._a.jpg": b"j",
        "x/b.PNG": b"b",
        "x/.DS_Store": b"",
    }
    found = unpack_photos([zipped(tmp_path, "photos.zip", files)], place)
    assert [item.name for item in found] == ["x/a.jpg", "x/b.PNG"]
    assert [place(number).read_bytes() for number in range(2)] == [b"a", b"b"]


def test_archives_and_files_together_keep_their_order(tmp_path, place):
    sources = [
        dropped(tmp_path, "1.jpg", b"1"),
        zipped(tmp_path, "more.zip", {"2.jpg": b"2", "3.jpg": b"3"}),
        dropped(tmp_path, "4.jpg", b"4"),
    ]
    found = unpack_photos(sources, place)
    assert [item.name for item in found] == ["1.jpg", "2.jpg", "3.jpg", "4.jpg"]
    assert [place(number).read_bytes() for number in range(4)] == [b"1", b"2", b"3", b"4"]


def test_a_damaged_archive_does_not_take_the_photos_with_it(tmp_path, place):
    sources = [dropped(tmp_path, "broken.zip", b"no zip file at all"), dropped(tmp_path, "a.jpg", b"a")]
    found = unpack_photos(sources, place)
    assert [(item.name, bool(item.reason)) for item in found] == [("broken.zip", True), ("a.jpg", False)]
    assert place(0).read_bytes() == b"a"


def test_a_file_beyond_the_limit_is_refused_and_leaves_no_gap(tmp_path, place, monkeypatch):
    monkeypatch.setattr(_unpack, "MAX_FILE_BYTES", 10)
    sources = [dropped(tmp_path, "big.jpg", bytes(11)), dropped(tmp_path, "small.jpg", b"s")]
    found = unpack_photos(sources, place)
    assert [bool(item.reason) for item in found] == [True, False]
    assert place(0).read_bytes() == b"s"
    assert not place(1).exists()


def test_more_than_all_that_is_allowed_is_an_error(tmp_path, place, monkeypatch):
    monkeypatch.setattr(_unpack, "MAX_TOTAL_BYTES", 10)
    with pytest.raises(ArchiveError, match="several parts"):
        unpack_photos([dropped(tmp_path, f"{n}.jpg", bytes(6)) for n in range(2)], place)


def test_an_archive_without_images_is_an_error(tmp_path, place):
    with pytest.raises(ArchiveError, match="no image"):
        unpack_photos([zipped(tmp_path, "texts.zip", {"a.txt": b"a"})], place)


def test_it_can_be_stopped(tmp_path, place):
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        unpack_photos([dropped(tmp_path, "a.jpg", b"a")], place, task=Task(stop=stop))


def test_progress_counts_every_file(tmp_path, place):
    told = []
    sources = [zipped(tmp_path, "a.zip", {"1.jpg": b"1", "2.jpg": b"2"}), dropped(tmp_path, "3.jpg", b"3")]
    unpack_photos(sources, place, task=Task(told.append))
    assert (told[-1].done, told[-1].total, told[-1].phase) == (3, 3, "import")
