"""Whatever the files of a source are called, and however deep they lie, each is accounted for."""

import struct
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests._pictures import encoded
from vitcore.dataset import Dataset, import_dataset, load_dataset
from vitcore.errors import ArchiveError
from vitcore.sources import NamedFile
from vitcore.text import class_name, shown
from vitcore.workspace import Workspace

few = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=10,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def picture(number: int) -> bytes:
    return encoded(Image.new("RGB", (4, 4), (number % 256, number // 256, 99)))


GOOD = picture(0)
SOUND = {"cats/sound.png": picture(1), "dogs/sound.png": picture(2)}


# --- names -----------------------------------------------------------------------------------

ODD_PARTS = (
    "cats",
    "dogs",
    "train",
    "test",
    "",
    " ",
    ".",
    "..",
    "~",
    "C:",
    "CON",
    "__MACOSX",
    "nan",
    "\0",
    "-1",
    "=1+1",
)

parts = st.one_of(
    st.sampled_from(ODD_PARTS), st.text(max_size=6), st.text("\\/.:\0\n\r\x1b\u202e\u200b", max_size=6)
)
endings = st.sampled_from([".png", ".PNG", ".jpg", "/1.png", ".txt", "", "/"])
separators = st.sampled_from(["/", "//", "\\", "/./", "/../"])
texts = st.builds(
    lambda separator, parts, ending: separator.join(parts) + ending,
    separators,
    st.lists(parts, min_size=1, max_size=4),
    endings,
)
escaped = st.builds(  # what Python makes of names that are no UTF-8
    lambda data, ending: data.decode("utf-8", "surrogateescape") + ending, st.binary(max_size=12), endings
)
raw_names = st.one_of(
    st.tuples(texts.map(str.encode), st.just(True)),
    st.tuples(
        st.builds(lambda data, ending: data + ending.encode(), st.binary(max_size=12), endings),
        st.just(False),
    ),
)
contents = st.sampled_from([GOOD, b"", b"<html>"])


def zip_of(files: Sequence[tuple[bytes, bool, bytes]]) -> bytes:
    """A zip file with names of any bytes, marked as UTF-8 or not."""
    body, table = b"", b""
    for name, is_utf8, content in files:
        sizes = zlib.crc32(content), len(content), len(content), len(name), 0
        fields = struct.pack("<4H3I2H", 0x800 * is_utf8, 0, 0, 33, *sizes)
        listing = struct.pack("<3H2I", 0, 0, 0, 0, len(body))
        table += struct.pack("<4s2H", b"PK\1\2", 20, 20) + fields + listing + name
        body += struct.pack("<4sH", b"PK\3\4", 20) + fields + name + content
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, len(files), len(files), len(table), len(body), 0)
    return body + table + end


def tar_of(files: Sequence[tuple[str, bytes]], form: int) -> bytes:
    data = b""
    for name, content in files:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        data += info.tobuf(form, "utf-8", "surrogateescape") + content + bytes(-len(content) % 512)
    return data + bytes(1024)


def imported(files: Mapping[str, bytes], import_it: Callable[[Path, Workspace], Dataset]) -> Dataset | None:
    """Import files that are written into a new folder; nothing if they are refused."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            Path(folder, name).write_bytes(content)
        workspace = Workspace(Path(folder, "home"))
        try:
            dataset = import_it(Path(folder), workspace)
        except ArchiveError:
            assert list(workspace.datasets.iterdir()) == []
            return None
        assert {path.name for path in Path(folder).iterdir()} == {*files, "home"}
        check_kept(dataset)
        again = load_dataset(dataset.id, workspace=workspace)
        pd.testing.assert_frame_equal(again.index, dataset.index)
        assert (again.skipped, again.ignored) == (dataset.skipped, dataset.ignored)
        return dataset


def check_kept(dataset: Dataset) -> None:
    names = [*dataset.index["name"], *dataset.index["label"], *(item.name for item in dataset.skipped)]
    assert all(shown(name) == name and name.encode() for name in names)
    for label in dataset.classes:
        assert label == class_name(label) != ""
        assert not {"", ".", ".."} & set(label.split("/"))
    for file in dataset.index["file"]:
        path = dataset.path(file)
        assert path.is_file()
        assert path.resolve().is_relative_to(dataset.folder.resolve())


def counted(dataset: Dataset) -> int:
    return len(dataset.index) + len(dataset.skipped) + dataset.ignored


@few
@example(
    [((b"", True), GOOD), ((b"\0", True), GOOD), ((b"..", True), GOOD), ((b"\xff/\xff.png", False), GOOD)]
)
@given(st.lists(st.tuples(raw_names, contents), max_size=6))
def test_every_file_of_a_zip_is_accounted_for_whatever_its_name(files):
    all_files = [(name, is_utf8, content) for (name, is_utf8), content in files]
    all_files += [(name.encode(), False, content) for name, content in SOUND.items()]
    dataset = imported(
        {"x.zip": zip_of(all_files)}, lambda at, home: import_dataset(at / "x.zip", workspace=home)
    )
    if dataset is not None:
        # A name ends at a zero byte; folders end with a slash.
        folders = [name for name, _, _ in all_files if name.split(b"\0")[0].endswith(b"/")]
        assert counted(dataset) == len(all_files) - len(folders)


@few
@example([("a/" * 600 + "1.png", GOOD), ("", GOOD), ("cats/\udcff.png", GOOD)], tarfile.PAX_FORMAT)
@given(
    st.lists(st.tuples(st.one_of(texts, escaped), contents), max_size=6),
    st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
)
def test_every_file_of_a_tar_is_accounted_for_whatever_its_name(files, form):
    all_files = [*files, *SOUND.items()]
    dataset = imported(
        {"x.tar": tar_of(all_files, form)}, lambda at, home: import_dataset(at / "x.tar", workspace=home)
    )
    if dataset is not None:
        assert counted(dataset) == len(all_files)


@few
@example([("../../x.png", GOOD), ("", GOOD), ("\udcff/\ud800.png", GOOD)])
@given(st.lists(st.tuples(st.one_of(texts, escaped), contents), max_size=6))
def test_every_file_under_another_name_is_accounted_for(files):
    all_files = [*files, *SOUND.items()]
    dataset = imported(
        {str(number): content for number, (_, content) in enumerate(all_files)},
        lambda at, home: import_dataset(
            [NamedFile(name, at / str(number)) for number, (name, _) in enumerate(all_files)], workspace=home
        ),
    )
    if dataset is not None:
        assert counted(dataset) == len(all_files)


def test_archives_under_odd_names_give_names_that_can_be_shown():
    archives = {
        f"ev\x1bil\udcff{number}\\x.zip": zip_of([(b"1.png", True, picture(number))]) for number in range(2)
    }
    dataset = imported(
        {str(number): content for number, content in enumerate(archives.values())},
        lambda at, home: import_dataset(
            [NamedFile(name, at / str(number)) for number, name in enumerate(archives)], workspace=home
        ),
    )
    assert dataset is not None
    assert (len(dataset.index), dataset.name.isprintable()) == (2, True)


# --- trees -----------------------------------------------------------------------------------

folder_names = st.sampled_from(["cats", "dogs", "emus", "red", "blue", "train", "test", "val", "photos"])
class_paths = st.lists(folder_names, min_size=1, max_size=3).map("/".join)
trees = st.dictionaries(class_paths, st.integers(1, 3), min_size=1, max_size=4)
wrappings = st.lists(folder_names, min_size=1, max_size=4).map("/".join)


def labels(tree: Mapping[str, int], wrapping: str) -> list[tuple[str, str, str]] | None:
    """Digest, label and split of every image; nothing if the source can be read in several ways."""
    paths = [f"{wrapping}{path}/{number}.png" for path, count in tree.items() for number in range(count)]
    files = [(path.encode(), True, picture(number)) for number, path in enumerate(paths)]
    dataset = imported(
        {"x.zip": zip_of(files)}, lambda at, home: import_dataset(at / "x.zip", workspace=home)
    )
    if dataset is None:
        return None
    skipped = [("", item.name.removeprefix(wrapping), str(item.reason)) for item in dataset.skipped]
    rows = dataset.index[["sha256", "label", "split"]].itertuples(index=False, name=None)
    return sorted([*rows, *skipped])


@few
@example({"cats": 2, "dogs": 1}, "photos")
@example({"cats": 1}, "cats/cats")
@example({"train/cats": 1, "train/dogs": 1, "test/cats": 1}, "train")
@given(trees, wrappings)
def test_wrapping_folders_change_no_label_however_many_there_are(tree, wrapping):
    assert labels(tree, f"{wrapping}/") == labels(tree, "")
