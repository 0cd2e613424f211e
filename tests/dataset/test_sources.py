"""Reading zip files, tar files and folders without trusting them."""

import copy
import gzip
import os
import random
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from vitcore.errors import ArchiveError
from vitcore.sources import _archives
from vitcore.sources._archives import Entry, is_junk, open_files, open_source

PACKERS = ("folder", "zip", "tar", "tar.gz", "tar.bz2", "tar.xz", "tar.zst")
FILES = {"b/two.txt": b"22", "a/one.txt": b"1", "a/deep/three.txt": b"", "top.txt": b"4444"}


def listed(path: Path) -> list[Entry]:
    with open_source(path) as source:
        return source.entries()


def contents(path: Path, wanted: set[int] | None = None) -> list[tuple[Entry, bytes]]:
    with open_source(path) as source:
        numbers = {entry.number for entry in source.entries()} if wanted is None else wanted
        return [(entry, file.read()) for entry, file in source.read(numbers)]


@pytest.mark.parametrize("kind", PACKERS)
def test_every_kind_of_source_lists_and_gives_the_same_files(pack, kind):
    path = pack(FILES, kind)
    assert {entry.name: entry.size_bytes for entry in listed(path)} == {n: len(c) for n, c in FILES.items()}
    assert {entry.name: content for entry, content in contents(path)} == FILES
    assert not any(entry.problem for entry in listed(path))


@pytest.mark.parametrize("kind", PACKERS)
def test_only_the_wanted_entries_are_read_in_order(pack, kind):
    path = pack(FILES, kind)
    entries = listed(path)
    assert [entry.number for entry in entries] == [0, 1, 2, 3]
    read = contents(path, {3, 1})
    assert [entry for entry, _ in read] == [entries[1], entries[3]]
    assert [content for _, content in read] == [FILES[entries[1].name], FILES[entries[3].name]]


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_folders_are_not_listed(tmp_path, kind):
    path = tmp_path / f"x.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.mkdir("empty")
            archive.writestr("a/x.txt", "x")
    else:
        with tarfile.open(path, "w") as archive:
            folder = tarfile.TarInfo("empty")
            folder.type = tarfile.DIRTYPE
            archive.addfile(folder)
            archive.addfile(tarfile.TarInfo("a/x.txt"))
    assert [entry.name for entry in listed(path)] == ["a/x.txt"]


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("a/b.png", ("a", "b.png")),
        ("../../etc/b.png", ("etc", "b.png")),
        ("/abs//./b.png", ("abs", "b.png")),
        ("", ()),
        ("..", ()),
    ],
)
def test_the_parts_of_a_name_leave_out_dots(name, parts):
    assert Entry(0, name, 0).parts == parts


@pytest.mark.parametrize(
    "name",
    [
        "__MACOSX/photos/._1.png",
        "photos/.DS_Store",
        "photos/cats/Thumbs.db",
        "desktop.ini",
        "photos/._1.png",
        ".git/objects/1.png",
        "a/.ipynb_checkpoints/1.png",
        "a/@eaDir/1.png",
        "..",
        "",
    ],
)
def test_what_operating_systems_leave_is_junk(name):
    assert is_junk(Entry(0, name, 0))


@pytest.mark.parametrize(
    "name", ["photos/1.png", "thumbs.db/1.png", "macosx/1.png", "photos/.hidden.png", "git/1.png"]
)
def test_photos_are_no_junk(name):
    assert not is_junk(Entry(0, name, 0))


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("cats\\1.png", "cats/1.png"),
        ("cats/\x1b[31m1.png", "cats/\N{REPLACEMENT CHARACTER}[31m1.png"),
        ("cats/\N{RIGHT-TO-LEFT OVERRIDE}gnp.png", "cats/\N{REPLACEMENT CHARACTER}gnp.png"),
        ("cats/1\n2.png", "cats/1 2.png"),
        ("Kätzchen/ñ 🐱.png", "Kätzchen/ñ 🐱.png"),
    ],
)
def test_names_are_cleaned_for_display(pack, name, shown):
    assert [entry.name for entry in listed(pack({name: b""}, "zip"))] == [shown]


def test_a_file_name_that_is_no_unicode_can_be_written(tmp_path):
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / os.fsdecode(b"caf\xe9.png")).write_bytes(b"x")
    [(entry, content)] = contents(tmp_path / "source")
    assert (entry.name.encode(), content) == ("caf\N{REPLACEMENT CHARACTER}.png".encode(), b"x")


def test_files_under_other_names_are_a_source_in_the_order_given(tmp_path):
    (tmp_path / "0001").write_bytes(b"one")
    (tmp_path / "0002").write_bytes(b"second")
    files = [("photos/cats/2.png", tmp_path / "0002"), ("photos/dogs/1.png", tmp_path / "0001")]
    with open_files(files) as source:
        entries = source.entries()
        read = [(entry, file.read()) for entry, file in source.read({0, 1})]
        [(only, content)] = [(entry, file.read()) for entry, file in source.read({1})]
    assert entries == [Entry(0, "photos/cats/2.png", 6), Entry(1, "photos/dogs/1.png", 3)]
    assert read == [(entries[0], b"second"), (entries[1], b"one")]
    assert (only, content) == (entries[1], b"one")


def test_the_names_of_files_under_other_names_are_cleaned_and_never_opened(tmp_path):
    (tmp_path / "0001").write_bytes(b"one")
    (tmp_path / "secret").write_bytes(b"secret")
    names = ["../secret", str(tmp_path / "secret"), "cats\\1.png", "a\nb.png", ""]
    with open_files([(name, tmp_path / "0001") for name in names]) as source:
        entries = source.entries()
        contents = [file.read() for _, file in source.read(set(range(5)))]
    assert [entry.name for entry in entries[2:]] == ["cats/1.png", "a b.png", ""]
    assert contents == [b"one"] * 5


def test_links_and_missing_files_under_other_names_have_a_problem(tmp_path):
    (tmp_path / "0001").write_bytes(b"one")
    (tmp_path / "0002").symlink_to(tmp_path / "0001")
    files = [("a.png", tmp_path / "0002"), ("b.png", tmp_path / "0003"), ("c.png", tmp_path / "0001")]
    with open_files(files) as source:
        problems = [str(entry.problem or "") for entry in source.entries()]
        (tmp_path / "0001").unlink()
        [(gone, file)] = source.read({2})
        assert file.read() == b""
    assert problems == ["a link or device, not a file", "cannot be read (No such file or directory)", ""]
    assert str(gone.problem).startswith("damaged in the archive")


def changed_zip(path: Path, change: dict[str, int]) -> None:
    """Set fields of the first entry of a zip file, in its table of contents."""
    data = bytearray(path.read_bytes())
    start = data.find(b"PK\x01\x02")
    for field, value in change.items():
        offset, length = {"flags": (8, 2), "method": (10, 2)}[field]
        data[start + offset : start + offset + length] = value.to_bytes(length, "little")
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"flags": 1}, "protected by a password; unpack the archive with it, then import the folder"),
        ({"method": 97}, "compressed in an unknown way"),
    ],
)
def test_zip_entries_that_cannot_be_opened_have_a_problem(pack, change, problem):
    path = pack({"a.png": b"1", "b.png": b"2"})
    changed_zip(path, change)
    assert [str(entry.problem or "") for entry in listed(path)] == [problem, ""]
    (first, nothing), (second, content) = contents(path)
    assert (str(first.problem), nothing) == (problem, b"")
    assert (second.name, second.problem, content) == ("b.png", None, b"2")


def test_a_link_in_a_zip_has_a_problem(tmp_path):
    info = zipfile.ZipInfo("a.png")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    assert [str(entry.problem or "") for entry in listed(tmp_path / "x.zip")] == [
        "a link or device, not a file"
    ]


def test_a_zip_whose_entry_starts_elsewhere_gives_that_entry_a_problem(pack):
    path = pack({"a.png": b"1", "b.png": b"2"})
    data = path.read_bytes()
    path.write_bytes(data.replace(b"PK\x03\x04", b"PK\x00\x00", 1))
    (first, _), (second, content) = contents(path)
    assert str(first.problem).startswith("damaged in the archive")
    assert (second.problem, content) == (None, b"2")


def test_a_file_in_a_zip_without_a_name_is_listed(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("x.png", b"nameless")
        archive.filelist[0].filename = ""
        archive.writestr("a.png", b"a")
    assert [entry.name for entry in listed(tmp_path / "x.zip")] == ["", "a.png"]


def test_files_of_a_zip_that_share_their_bytes_are_read_once(tmp_path):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", b"a" * 1000)
        archive.writestr("b.png", b"b")
        info = copy.copy(archive.infolist()[0])
        archive.filelist += [info] * 5
    entries = listed(path)
    overlaps = "damaged in the archive (it overlaps the next file)"
    assert sorted(str(entry.problem or "") for entry in entries) == ["", ""] + [overlaps] * 5
    assert [content for entry, content in contents(path, {e.number for e in entries if not e.problem})] == [
        b"b",
        b"a" * 1000,
    ]


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_name_that_no_disk_could_hold_has_a_problem_and_is_cut(pack, kind):
    deep, deeper = "a/" * 500 + "1.png", "a/" * 600 + "1.png"
    first, second = listed(pack({deep: b"1", deeper: b"1"}, kind))
    assert (first.name, first.problem) == (deep, None)
    assert (second.name, str(second.problem)) == (deeper[:1024] + "…", "a name of over 1,024 characters")


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_a_reader_gives_what_was_asked_for(tmp_path, method):
    content = random.Random(0).randbytes(30_000)
    with zipfile.ZipFile(tmp_path / "x.zip", "w", method) as archive:
        archive.writestr("a", content)
    with open_source(tmp_path / "x.zip") as source:
        [sizes] = [
            [len(file.read(size)) for size in (10, 20_000, 0, 20_000, 5)] for _, file in source.read({0})
        ]
    assert sizes == [10, 20_000, 0, 9990, 0]
    assert contents(tmp_path / "x.zip")[0][1] == content


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_in_a_tar_have_a_problem_and_are_not_read(tmp_path, kind):
    member = tarfile.TarInfo("a.png")
    member.type, member.linkname = kind, "/etc/passwd"
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        archive.addfile(member)
    assert [str(entry.problem or "") for entry in listed(tmp_path / "x.tar")] == [
        "a link or device, not a file"
    ]
    assert b"".join(content for _, content in contents(tmp_path / "x.tar")) == b""


def test_a_tar_that_ends_with_a_zip_is_a_tar(pack):
    inner = pack({"inner.txt": b"1"}, "zip", "inner").read_bytes()
    path = pack({"a.txt": b"a", "more.zip": inner}, "tar")
    assert zipfile.is_zipfile(path)
    assert [entry.name for entry in listed(path)] == ["a.txt", "more.zip"]


def test_nonsense_between_the_files_of_a_tar_is_not_taken_for_its_end(pack):
    path = pack({"a.txt": b"a", "b.txt": b"b"}, "tar")
    data = bytearray(path.read_bytes())
    data[1024 + 148] ^= 0xFF  # in the checksum of the second header
    path.write_bytes(bytes(data))
    with pytest.raises(ArchiveError, match=r"source\.tar is damaged \(something that is no header"):
        listed(path)


@pytest.mark.parametrize("end", [0, 512, 1024])
def test_a_tar_may_lack_the_zeros_at_its_end(pack, end):
    path = pack({"a.txt": b"a", "b.txt": b"b"}, "tar")
    path.write_bytes(path.read_bytes()[: 2048 + end])
    assert [content for _, content in contents(path)] == [b"a", b"b"]


def tar_header(name: str, kind: bytes, size_bytes: int) -> bytes:
    """The header of a file in a tar file, whose size may be anything."""
    member = tarfile.TarInfo(name)
    member.type, member.size = kind, size_bytes
    return member.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize(
    "kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK]
)
@pytest.mark.parametrize("size_bytes", [2**40, 10**5, -512])
def test_a_header_of_a_tar_that_claims_an_impossible_size_is_refused(tmp_path, kind, size_bytes):
    path = tmp_path / "x.tar"
    path.write_bytes(
        tar_header("a", tarfile.REGTYPE, 0) + tar_header("b", kind, size_bytes) + bytes(2 * 10**5)
    )
    with pytest.raises(ArchiveError, match="a header of impossible size"):
        listed(path)


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.DIRTYPE, b"Z"])
def test_a_file_of_negative_size_in_a_tar_is_refused(tmp_path, kind):
    (tmp_path / "x.tar").write_bytes(tar_header("a", kind, -512) + bytes(1024))
    with pytest.raises(ArchiveError, match="negative size"):
        listed(tmp_path / "x.tar")


def test_links_and_pipes_in_a_folder_have_a_problem(tmp_path):
    (tmp_path / "secret.png").write_bytes(b"secret")
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    (folder / "real.png").write_bytes(b"real")
    os.mkfifo(folder / "pipe.png")
    problems = {entry.name: str(entry.problem or "") for entry in listed(folder)}
    link = "a link or device, not a file"
    assert problems == {"link.png": link, "pipe.png": link, "real.png": ""}


def test_a_linked_folder_is_not_followed_but_accounted_for(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "1.png").write_bytes(b"1")
    folder = tmp_path / "source"
    (folder / "cats").mkdir(parents=True)
    (folder / "cats" / "2.png").write_bytes(b"2")
    (folder / "dogs").symlink_to(tmp_path / "elsewhere")
    entries = {entry.name: str(entry.problem or "") for entry in listed(folder)}
    assert entries.pop("cats/2.png") == ""
    assert list(entries.values()) == ["a link or device, not a file"]


def test_a_folder_keeps_its_numbers_when_a_file_vanishes_after_it_was_listed(pack):
    folder = pack({"a/1.png": b"1", "a/2.png": b"2", "b/3.png": b"3"}, "folder")
    with open_source(folder) as source:
        listed_names = {entry.number: entry.name for entry in source.entries()}
        (folder / "a" / "1.png").unlink()
        read = [(entry, file.read()) for entry, file in source.read({0, 1, 2})]
    assert all(entry.name == listed_names[entry.number] for entry, _ in read)
    assert {entry.name: content for entry, content in read if not entry.problem} == {
        "a/2.png": b"2",
        "b/3.png": b"3",
    }


@pytest.mark.parametrize(
    "content", [b"", b"random bytes" * 100, b"PK\x03\x04 but no more", b"\x1f\x8b\x08 gzip?"]
)
def test_what_is_no_archive_is_refused(tmp_path, content):
    path = tmp_path / "x.zip"
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match=r"x\.zip"):
        listed(path)


def test_a_path_without_a_file_is_refused(tmp_path):
    with pytest.raises(ArchiveError):
        listed(tmp_path / "missing.zip")


def test_a_single_compressed_file_is_no_archive(tmp_path):
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(b"one file"))
    with pytest.raises(ArchiveError):
        listed(path)


NOISE = {f"a/{number}.png": bytes(range(number, 256)) * 40 for number in range(8)}


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tar.bz2", "tar.xz", "tar.zst"])
def test_an_archive_cut_short_is_refused(pack, kind):
    path = pack(NOISE, kind)
    data = path.read_bytes()
    for part in (0.1, 0.3, 0.5, 0.7):
        path.write_bytes(data[: int(part * len(data))])
        with pytest.raises(ArchiveError):
            contents(path)


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tar.bz2", "tar.xz", "tar.zst"])
def test_whatever_byte_of_an_archive_is_changed_nothing_but_an_archive_error_escapes(pack, kind):
    path = pack(NOISE, kind)
    data = path.read_bytes()
    escaped: dict[str, int] = {}
    for position in [*range(0, len(data), max(len(data) // 60, 1)), *range(len(data) - 24, len(data))]:
        changed = bytearray(data)
        changed[position] ^= 0xFF
        path.write_bytes(bytes(changed))
        try:
            contents(path)
        except ArchiveError:
            continue
        except Exception as error:  # noqa: BLE001 - which ones escape is the question
            escaped.setdefault(f"{type(error).__name__}: {error}", position)
    assert escaped == {}


@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
def test_too_many_entries_are_refused(pack, monkeypatch, kind):
    path = pack(FILES, kind)
    monkeypatch.setattr(_archives, "MAX_ENTRIES", 4)
    assert len(listed(path)) == 4
    monkeypatch.setattr(_archives, "MAX_ENTRIES", 3)
    with pytest.raises(ArchiveError, match="over 3 entries"):
        listed(path)


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_folders_count_as_entries(tmp_path, monkeypatch, kind):
    path = tmp_path / f"x.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for number in range(4):
                archive.writestr(f"{number}/", b"")
    else:
        path.write_bytes(b"".join(tar_header(str(number), tarfile.DIRTYPE, 0) for number in range(4)))
    assert listed(path) == []
    monkeypatch.setattr(_archives, "MAX_ENTRIES", 3)
    with pytest.raises(ArchiveError, match="over 3 entries"):
        listed(path)


def test_too_many_files_under_other_names_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(_archives, "MAX_ENTRIES", 3)
    with pytest.raises(ArchiveError, match="over 3 entries"), open_files([("a.png", tmp_path)] * 4):
        pass
