"""Piles of photos as people bring them: what is read off each, and what is said of it.

Each is imported as it would be without a word, or looked at where it is refused with a question, and once
with the answer.
"""

import json
import shutil
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests._pictures import encoded, photo
from tests._piles import BOXED, CASES, COCO, FOUR, Case, numbered, stack, video, write_pile
from vitcore.cli import main
from vitcore.dataset import import_dataset, inspect_source, load_image, preview_source
from vitcore.errors import ArchiveError, SettingsError
from vitcore.layouts import CROP, Reading


@pytest.fixture
def pile(tmp_path: Path) -> Callable[[Case], Path]:
    """Packs the files of a case."""
    return lambda case: write_pile(case, tmp_path)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_pile_is_read_as_its_makers_meant_it(pile, case):
    source = pile(case)
    if case.asks:
        survey = inspect_source(source)
        assert survey.candidates
        with pytest.raises(ArchiveError) as refusal:
            import_dataset(source)
        assert all(words in str(refusal.value) for words in case.asks), refusal.value
    dataset = import_dataset(source, reading=case.reading)
    assert dataset.class_counts == case.classes
    assert dataset.split_counts == case.splits
    found = dict(zip(dataset.index["name"], dataset.index["label"], strict=True))
    assert {name: found[name] for name in case.of} == case.of
    notes = " ".join(map(str, dataset.notes))
    assert all(words in notes for words in case.says), notes
    reasons = " ".join(str(item.reason) for item in dataset.skipped)
    assert all(words in reasons for words in case.skipped), reasons
    assert bool(case.skipped) == bool(reasons), reasons


def flags(options: Mapping[str, object]) -> list[str]:
    """The options of the command line that ask for a reading."""
    pairs = (("--" + key.replace("_", "-"), value) for key, value in options.items() if value)
    return [str(part) for flag, value in pairs for part in ((flag,) if value is True else (flag, value))]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_command_line_says_how_a_pile_would_be_read(pile, capsys, case):
    source = str(pile(case))
    assert main(["import", source, "--dry-run", "--json"]) == 0
    survey = json.loads(capsys.readouterr().out)
    assert bool(survey["problem"]) == bool(case.asks)
    assert all(words in survey["problem"] for words in case.asks), survey["problem"]
    wanted = flags(asdict(case.reading))
    assert main(["import", source, "--dry-run", "--json", *wanted]) == 0
    answered = json.loads(capsys.readouterr().out)
    assert not answered["problem"]
    assert (answered["readings"][0]["classes"], answered["readings"][0]["splits"]) == (
        case.named,
        case.splits,
    )
    if case.asks:  # what is offered first, or further below, is what was asked for
        offered = [reading for reading in survey["readings"] if reading["classes"] == case.named]
        assert main(["import", source, "--dry-run", "--json", *flags(offered[0]["options"])]) == 0
        assert json.loads(capsys.readouterr().out)["readings"][0]["classes"] == case.named
    assert main(["import", source, "--dry-run", *wanted]) == 0
    said = capsys.readouterr().out
    assert all(f"{label} {count} (" in said for label, count in case.named.items()), said


def test_each_box_can_be_a_photo(pile):
    source = pile(Case(files={**BOXED, "annotations/instances.json": json.dumps(COCO)}, classes={}))
    shown = preview_source(source, inspect_source(source).candidates[1])
    assert list(shown) == ["hat", "shoe"]
    dataset = import_dataset(source, reading=Reading(boxes=CROP))
    assert dataset.class_counts == {"hat": 2, "shoe": 2}
    assert dataset.group_rule == "column:from"
    index = dataset.index.set_index("name")
    assert set(index["group"]) == {"images/1.jpg", "images/2.jpg", "images/3.jpg"}
    left, right = index.loc["images/3 box 1.png"], index.loc["images/3 box 2.png"]
    assert (left["label"], right["label"]) == ("hat", "shoe")
    assert not dataset.notes  # the folder of the boxes is no class that lacks photos
    assert (left["width"], right["width"]) == (13, 13)  # half of 24, and a tenth of that around it


def test_boxes_that_are_not_there_cannot_be_asked_for(pile):
    with pytest.raises(ArchiveError, match="--boxes needs YOLO, COCO or Pascal VOC"):
        import_dataset(pile(Case(files=FOUR, classes={})), reading=Reading(boxes=CROP))


def test_pictures_of_a_video_are_taken_at_an_interval(pile):
    case = Case(files={**numbered("a/1.png", "b/2.png"), "a/clip.mp4": video(5), "b/x.mp4": b"x"}, classes={})
    assert "--frames SECONDS" in str(import_dataset(pile(case)).skipped[0].reason)
    dataset = import_dataset(pile(case), reading=Reading(frames="2"))
    assert dataset.class_counts == {"a": 4, "b": 1}
    pictures = dataset.index[dataset.index["group"] == "a/clip.mp4"]
    assert list(pictures["name"]) == ["a/clip at 0.0 s.png", "a/clip at 2.0 s.png", "a/clip at 4.0 s.png"]
    assert [item.name for item in dataset.skipped] == ["b/x.mp4"]
    with pytest.raises(SettingsError, match="'soon' is no interval"):
        import_dataset(pile(case), reading=Reading(frames="soon"))


def test_parquet_files_of_the_hub_are_read(tmp_path, picture):
    info = {"info": {"features": {"label": {"_type": "ClassLabel", "names": ["cat", "dog"]}}}}
    for part, labels in (("train", [0, 1, 1]), ("test", [0, 1])):
        images = [{"bytes": picture(10 * len(labels) + n), "path": f"{n}.png"} for n in range(len(labels))]
        table = pa.table({"image": images, "label": labels})
        table = table.replace_schema_metadata({"huggingface": json.dumps(info)})
        (tmp_path / "data").mkdir(exist_ok=True)
        pq.write_table(table, tmp_path / "data" / f"{part}-00000-of-00001.parquet")
    dataset = import_dataset(tmp_path)
    assert dataset.class_counts == {"cat": 2, "dog": 3}
    assert dataset.split_counts == {"train": 3, "test": 2}
    alone = import_dataset(tmp_path / "data" / "train-00000-of-00001.parquet")
    assert alone.class_counts == {"cat": 1, "dog": 2}


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + bytes(50) + b"PAR1"])
def test_a_damaged_parquet_file_is_named(tmp_path, content):
    (tmp_path / "x.parquet").write_bytes(content)
    with pytest.raises(ArchiveError, match=r"x\.parquet is damaged"):
        import_dataset(tmp_path / "x.parquet")


def test_each_page_of_a_stack_can_be_a_photo(pile):
    case = Case(files={**numbered("a/1.png", "b/2.png"), "a/s.tif": stack(5, 3)}, classes={})
    dataset = import_dataset(pile(case), reading=Reading(pages="every"))
    assert dataset.class_counts == {"a": 4, "b": 1}
    assert dataset.group_rule == "column:from"
    pages = dataset.index[dataset.index["group"] != ""]
    assert list(pages["name"]) == ["a/s page 1.png", "a/s page 2.png", "a/s page 3.png"]
    assert pages["group"].nunique() == 1
    for page, file in enumerate(pages["file"]):
        shown = np.asarray(load_image(dataset.path(file)))
        assert np.array_equal(shown, np.asarray(photo(24, 16, 5 + page)))


@pytest.mark.parametrize("bits", [8, 10, 12, 14])
def test_grey_is_scaled_by_the_bits_it_uses(bits):
    values = np.array([[0, 2 ** (bits - 1), 2**bits - 1]], dtype=np.uint16)
    pixels = np.asarray(load_image(encoded(Image.fromarray(values), "TIFF")))[0, :, 0]
    assert pixels.tolist() == [0, 128, 255]


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_pictures_that_use_some_of_16_bits_are_seen_as_their_8_bit_twins(bits):
    twin = photo(48, 32, bits).convert("L")
    twin.putpixel((0, 0), 255)
    values = np.asarray(twin).astype(np.uint32)
    deep = (values * (2**bits - 1) + 127) // 255  # the same shares of white
    seen = load_image(encoded(Image.fromarray(deep.astype(np.uint16)), "TIFF"))
    assert np.array_equal(np.asarray(seen), np.asarray(twin.convert("RGB")))


@pytest.mark.parametrize(
    "names",
    [
        ["IMG_1.jpg", "IMG_2.jpg", "DSC_3.jpg", "DSC_4.jpg"],
        ["IMG_1.jpg", "IMG_2.jpg"],
        ["a.jpg", "b.jpg", "c.jpg"],
        ["1.jpg", "2.jpg"],
    ],
)
def test_names_that_say_nothing_are_not_offered_as_classes(pile, names):
    survey = inspect_source(pile(Case(files=numbered(*names), classes={})))
    assert not any(candidate.reading.names for candidate in survey.candidates)


@pytest.mark.parametrize(
    ("encoding", "names"),
    [
        ("cp1252", ["Hosen groß", "Hüte"]),
        ("cp850", ["Hosen groß", "Hüte"]),
        ("cp437", ["Äpfel", "pêche"]),
        ("gb18030", ["帽子", "裤子"]),
        ("gb18030", ["猫", "狗"]),
        ("big5", ["照片", "帽子", "褲子"]),
        ("cp932", ["ズボン", "帽子"]),
        ("cp949", ["모자", "바지"]),
        ("cp866", ["Шляпы", "штаны"]),
        ("cp1251", ["Шляпы", "штаны"]),
        ("cp1250", ["Čepice", "kalhoty žluté"]),
        ("utf-8", ["Hüte", "帽子"]),
    ],
    ids=ascii,
)
def test_names_without_an_encoding_are_read_as_they_were_written(tmp_path, picture, encoding, names):
    source = zip_in_another_encoding(tmp_path, [f"{name}/1.png" for name in names], encoding, picture)
    dataset = import_dataset(source)
    assert dataset.classes == tuple(sorted(names))
    assert bool(dataset.notes) == (encoding != "utf-8")
    if dataset.notes:
        assert all(name in str(dataset.notes[0]) for name in names)


def test_another_encoding_can_be_chosen(tmp_path, picture, capsys):
    source = zip_in_another_encoding(tmp_path, ["kočka/1.png", "pes/2.png"], "cp1250", picture)
    assert import_dataset(source).classes == ("koèka", "pes")
    found = inspect_source(source).encoding
    assert found is not None
    assert "cp1250" in found.others
    assert main(["import", str(source), "--encoding", "cp1250", "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)["classes"]) == ["kočka", "pes"]
    with pytest.raises(SettingsError, match="There is no encoding 'klingon'"):
        import_dataset(source, reading=Reading(encoding="klingon"))


def zip_in_another_encoding(tmp_path, names, encoding, picture):
    """Write a zip file as old programs do: names in the encoding of the computer, without a flag."""
    path = tmp_path / "old.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number, name in enumerate(names):
            info = zipfile.ZipInfo(f"{number:04}".ljust(len(name.encode(encoding)), "x"))
            archive.writestr(info, picture(number))
    content = path.read_bytes()
    for number, name in enumerate(names):
        raw = name.encode(encoding)
        content = content.replace(f"{number:04}".ljust(len(raw), "x").encode(), raw)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
def test_empty_folders_beside_the_classes_are_named(tmp_path, pack, picture, kind):
    folder = pack({"a/1.png": picture(1), "b/2.png": picture(2)}, "folder")
    (folder / "c").mkdir()
    source = folder if kind == "folder" else shutil.make_archive(str(tmp_path / "packed"), kind, folder)
    dataset = import_dataset(source)
    assert list(map(str, dataset.notes)) == ["These folders are empty: 'c'."]


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\3\4", b"\xd0\xcf\x11\xe0 old", b"no sheet"],
    ids=["empty", "cut short", "old or protected", "text"],
)
def test_what_is_no_spreadsheet_is_named(pile, content):
    case = Case(files={**numbered("a/1.png", "b/2.png"), "labels.xlsx": content}, classes={})
    dataset = import_dataset(pile(case))
    assert dataset.class_counts == {"a": 1, "b": 1}
    assert [item.name for item in dataset.skipped] == ["labels.xlsx"]
    assert "save it as CSV" in str(dataset.skipped[0].reason)
