"""What a source holds, and the ways to read it."""

import json

import pytest

from vitcore.dataset import add_images, import_dataset, inspect_source
from vitcore.errors import ArchiveError, Stopped
from vitcore.layouts import Reading
from vitcore.layouts._folders import folder_layouts
from vitcore.layouts._table import table_layout
from vitcore.messages import Message
from vitcore.progress import Progress, Task
from vitcore.sources import NamedFile
from vitcore.sources._archives import Entry
from vitcore.sources._tables import parse_table


@pytest.fixture
def files(picture):
    """Gives names their pictures; a name that ends in anything but png gets the text it is given."""

    def files(*names: str, **texts: str) -> dict[str, bytes]:
        found = {name: picture(number) for number, name in enumerate(names)}
        return found | {name.replace("__", "."): text.encode() for name, text in texts.items()}

    return files


def entries(*names: str) -> list[Entry]:
    return [Entry(number, name, 0) for number, name in enumerate(names)]


def titles(survey) -> list[str]:
    return [candidate.reading.root for candidate in survey.candidates]


# --- folders -----------------------------------------------------------------------------------

TWO_ROOTS = ("a/cats/1.png", "a/dogs/2.png", "b/cats/3.png", "b/dogs/4.png", "b/emus/5.png")


def test_the_same_classes_below_several_folders_are_asked_about(pack, files):
    survey = inspect_source(pack(files(*TWO_ROOTS)))
    assert titles(survey) == ["a", "b", "*", "."]
    for word in ("'cats'", "'dogs'", "'a'", "'b'", "--root"):
        assert word in str(survey.problem)
    with pytest.raises(ArchiveError, match="--root"):
        import_dataset(pack(files(*TWO_ROOTS)))


@pytest.mark.parametrize(
    ("root", "classes"),
    [
        ("a", {"cats": 1, "dogs": 1}),
        ("b/", {"cats": 1, "dogs": 1, "emus": 1}),
        ("*", {"cats": 2, "dogs": 2, "emus": 1}),
        (".", {"a/cats": 1, "a/dogs": 1, "b/cats": 1, "b/dogs": 1, "b/emus": 1}),
    ],
)
@pytest.mark.parametrize("wrapper", ["", "my photos/all/"])
def test_a_root_picks_one_reading(pack, files, root, classes, wrapper):
    source = pack(files(*(wrapper + name for name in TWO_ROOTS)))
    dataset = import_dataset(source, reading=Reading(root=root))
    assert dataset.class_counts == classes
    assert len(dataset.index) + len(dataset.skipped) == 5


def test_each_candidate_gives_what_it_says(pack, files):
    source = pack(files(*TWO_ROOTS))
    for candidate in inspect_source(source).candidates:
        assert import_dataset(source, reading=candidate.reading).class_counts == candidate.classes


def test_what_lies_outside_the_chosen_root_is_named(pack, files):
    dataset = import_dataset(pack(files(*TWO_ROOTS)), reading=Reading(root="a"))
    assert {item.name for item in dataset.skipped} == {name for name in TWO_ROOTS if name.startswith("b")}
    assert {str(item.reason) for item in dataset.skipped} == {"not inside the folder 'a'"}


def test_a_root_that_is_not_there_is_refused_with_those_that_are(pack, files):
    with pytest.raises(ArchiveError, match=r"no folder 'c' .*'a' and 'b'"):
        inspect_source(pack(files(*TWO_ROOTS)), reading=Reading(root="c"))


def read(*names: str) -> list[tuple[str, str]]:
    (layout,) = folder_layouts(entries(*names))
    return [(item.label, item.split) for item in layout.items]


def test_a_stray_image_in_a_wrapping_folder_makes_no_class_of_it():
    assert read("photos/cover.png", "photos/cats/1.png", "photos/dogs/2.png") == [
        ("", ""),
        ("cats", ""),
        ("dogs", ""),
    ]


def test_parts_of_a_split_below_the_classes_are_recognised():
    assert read("cats/train/1.png", "cats/val/2.png", "dogs/train/3.png") == [
        ("cats", "train"),
        ("cats", "validation"),
        ("dogs", "train"),
    ]


def test_a_folder_beside_a_ready_made_split_is_left_out():
    assert read("train/cats/1.png", "val/cats/2.png", "figures/3.png") == [
        ("cats", "train"),
        ("cats", "validation"),
        ("", ""),
    ]


def test_the_part_of_a_split_without_classes_is_left_out():
    assert read("train/cats/1.png", "train/dogs/2.png", "test/3.png")[2] == ("", "")


def test_a_ready_made_split_may_lack_classes(pack, files):
    names = ("train/cats/1.png", "train/dogs/2.png", "train/emus/3.png", "val/cats/4.png")
    dataset = import_dataset(pack(files(*names)))
    assert dataset.class_counts == {"cats": 2, "dogs": 1, "emus": 1}
    assert dataset.split_counts == {"train": 3, "validation": 1}


# --- tables ------------------------------------------------------------------------------------

FLAT = ("images/1.png", "images/2.png", "images/3.png", "images/4.png")
TABLE = "file,label\n1.png,cat\n2.png,dog\n3.png,cat\n4.png,dog\n"


def test_flat_images_get_their_labels_from_a_table(pack, files):
    dataset = import_dataset(pack(files(*FLAT, labels__csv=TABLE)))
    assert dataset.class_counts == {"cat": 2, "dog": 2}
    assert dataset.skipped == ()


@pytest.mark.parametrize(
    "table",
    [
        pytest.param("\ufeff" + TABLE, id="byte order mark"),
        pytest.param(TABLE.replace(",", ";"), id="semicolons"),
        pytest.param(TABLE.replace(",", "\t"), id="tabs"),
        pytest.param(TABLE.replace(".png", ""), id="names without their endings"),
        pytest.param(TABLE.replace("\n1", "\nimages/1").replace("\n2", "\nimages\\2"), id="whole paths"),
        pytest.param(TABLE.replace("\n", "\n/home/me/", 1), id="paths of another machine"),
        pytest.param(TABLE.removeprefix("file,label\n"), id="no header"),
        pytest.param(TABLE.replace("file,label", "label,file"), id="misleading header"),
        pytest.param(TABLE.replace("\n", "\r\n"), id="carriage returns"),
        pytest.param("\n" + TABLE + "\n\n", id="empty lines"),
        pytest.param('file,label\n"1.png","cat"\n"2.png","dog"\n3.png,cat\n4.png,dog\n', id="quotes"),
    ],
)
def test_tables_are_read_as_people_write_them(pack, files, table):
    assert import_dataset(pack(files(*FLAT, labels__csv=table))).class_counts == {"cat": 2, "dog": 2}


def test_other_columns_do_not_matter_where_one_is_called_label(pack, files):
    table = "id,file,photographer,label\n1,1.png,ann,cat\n2,2.png,bob,dog\n3,3.png,ann,cat\n4,4.png,bob,dog\n"
    assert import_dataset(pack(files(*FLAT, labels__csv=table))).class_counts == {"cat": 2, "dog": 2}


TWO_COLUMNS = "file,kind,place\n1.png,cat,home\n2.png,dog,home\n3.png,cat,park\n4.png,dog,park\n"


def test_columns_that_may_both_hold_the_classes_are_asked_about(pack, files):
    source = pack(files(*FLAT, labels__csv=TWO_COLUMNS))
    with pytest.raises(ArchiveError, match=r"'kind' and 'place'.*--label-column"):
        import_dataset(source)
    dataset = import_dataset(source, reading=Reading(label_column="place"))
    assert dataset.class_counts == {"home": 2, "park": 2}


def test_tables_that_both_name_the_images_are_asked_about(pack, files):
    source = pack(files(*FLAT, one__csv=TABLE, two__csv=TABLE.replace("cat", "cow")))
    with pytest.raises(ArchiveError, match=r"'one.csv' and 'two.csv'.*--labels"):
        import_dataset(source)
    assert import_dataset(source, reading=Reading(labels="two.csv")).class_counts == {"cow": 2, "dog": 2}


def test_a_table_that_contradicts_the_folders_is_asked_about(pack, files):
    names = ("cats/1.png", "cats/2.png", "dogs/3.png", "dogs/4.png")
    source = pack(files(*names, labels__csv=TABLE))
    with pytest.raises(ArchiveError, match=r"--root .*--labels 'labels.csv'"):
        import_dataset(source)
    assert import_dataset(source, reading=Reading(root=".")).class_counts == {"cats": 2, "dogs": 2}
    assert import_dataset(source, reading=Reading(labels="labels.csv")).class_counts == {"cat": 2, "dog": 2}


def test_a_table_that_says_what_the_folders_say_is_no_question(pack, files):
    names = ("c/1.png", "d/2.png", "c/3.png", "d/4.png")
    assert import_dataset(pack(files(*names, labels__csv=TABLE))).class_counts == {"c": 2, "d": 2}


def test_every_image_and_every_row_is_accounted_for(pack, files):
    table = "file,label\n1.png,cat\n2.png,dog\n3.png,\n4.png,cat\n4.png,dog\n9.png,dog\n"
    dataset = import_dataset(pack(files(*FLAT, "images/5.png", labels__csv=table)))
    assert dataset.class_counts == {"cat": 1, "dog": 1}
    assert {item.name: str(item.reason) for item in dataset.skipped} == {
        "9.png": "listed in labels.csv, but not there",
        "images/3.png": "listed in labels.csv without a label",
        "images/4.png": "listed in labels.csv with several labels",
        "images/5.png": "not listed in labels.csv",
    }


@pytest.mark.parametrize("where", ["column", "folders", "tables"])
def test_a_table_may_come_with_a_ready_made_split(pack, files, where):
    names = FLAT if where != "folders" else ("train/1.png", "train/2.png", "train/3.png", "test/4.png")
    tables = {"labels__csv": TABLE}
    if where == "column":
        parts = ("split", "train", "train", "train", "test")
        lines = zip(TABLE.splitlines(), parts, strict=True)
        tables = {"labels__csv": "\n".join(f"{line},{part}" for line, part in lines)}
    elif where == "tables":
        head, *lines = TABLE.splitlines()
        tables = {"train__csv": "\n".join([head, *lines[:3]]), "test__csv": "\n".join([head, *lines[3:]])}
    dataset = import_dataset(pack(files(*names, **tables)))
    assert dataset.class_counts == {"cat": 2, "dog": 2}
    assert dataset.split_counts == {"train": 3, "test": 1}


def test_a_name_that_several_files_share_is_not_guessed(pack, files):
    table = "file,label\n1.png,cat\n2.png,dog\n3.png,cat\n"
    dataset = import_dataset(
        pack(files("x/1.png", "y/1.png", "y/2.png", "y/3.png", labels__csv=table)),
        reading=Reading(labels="labels.csv"),
    )
    assert dataset.class_counts == {"cat": 1, "dog": 1}
    assert len(dataset.skipped) == 3


@pytest.mark.parametrize("reading", [Reading(labels="none.csv"), Reading(label_column="none")])
def test_what_is_not_there_is_refused(pack, files, reading):
    with pytest.raises(ArchiveError, match="none"):
        import_dataset(pack(files(*FLAT, labels__csv=TABLE)), reading=reading)


@pytest.mark.parametrize("content", [b"", b"\0\0", b"\xff\xfe\0", b"a,b", b'"', b"\n\n\n", b"\x81" * 50])
def test_what_is_no_table_is_none(content):
    table = parse_table("x.csv", content)
    assert isinstance(table, Message) or table_layout(table, entries("cats/1.png")) is None


def test_a_table_about_other_things_is_ignored(pack, files):
    names = ("cats/1.png", "dogs/2.png")
    dataset = import_dataset(pack(files(*names, prices__csv="what,label\nhay,cheap\noats,dear\n")))
    assert dataset.class_counts == {"cats": 1, "dogs": 1}
    assert [item.name for item in dataset.skipped] == ["prices.csv"]


# --- several sources ---------------------------------------------------------------------------


def test_several_archives_are_one_dataset(pack, picture):
    one = pack({"photos/cats/1.png": picture(1), "photos/dogs/1.png": picture(2)}, "zip", "one")
    two = pack({"cats/1.png": picture(3), "emus/1.png": picture(4)}, "tar.gz", "two")
    dataset = import_dataset([one, two])
    assert dataset.class_counts == {"cats": 2, "dogs": 1, "emus": 1}
    assert set(dataset.index["name"]) == {
        "one/photos/cats/1.png",
        "one/photos/dogs/1.png",
        "two/cats/1.png",
        "two/emus/1.png",
    }


def test_archives_without_folders_are_classes_of_their_names(pack, picture):
    cats = pack({"1.png": picture(1), "2.png": picture(2)}, "zip", "cats")
    dogs = pack({"1.png": picture(3)}, "zip", "dogs")
    assert import_dataset([cats, dogs]).class_counts == {"cats": 2, "dogs": 1}


def test_archives_called_train_and_test_are_a_ready_made_split(pack, animals, picture):
    train, test = pack(animals, "zip", "train"), pack({"cats/9.png": picture(99)}, "zip", "test")
    dataset = import_dataset([train, test])
    assert dataset.class_counts == {"cats": 4, "dogs": 3}
    assert dataset.split_counts == {"train": 6, "test": 1}


def test_a_table_may_come_beside_the_archive(pack, files, tmp_path):
    archive = pack(files(*(name.removeprefix("images/") for name in FLAT)), "zip", "photos")
    (tmp_path / "upload").write_text(TABLE)
    dataset = import_dataset([archive, NamedFile("labels.csv", tmp_path / "upload")])
    assert dataset.class_counts == {"cat": 2, "dog": 2}


def test_files_under_other_names_are_read_by_their_own(picture, tmp_path):
    named = []
    for number, name in enumerate(("pets/cats/1.png", "pets/dogs/../2.png", "pets/.DS_Store")):
        (tmp_path / str(number)).write_bytes(picture(number))
        named.append(NamedFile(name, tmp_path / str(number)))
    dataset = import_dataset(named)
    assert dataset.name == "pets"
    assert dataset.class_counts == {"cats": 1, "dogs": 1}
    assert dataset.ignored == 1


def test_nothing_at_all_is_refused():
    with pytest.raises(ArchiveError, match="No file"):
        import_dataset([])


# --- adding ------------------------------------------------------------------------------------


def test_images_can_be_added(pack, animals, picture):
    dataset = import_dataset(pack(animals))
    more = pack(
        {"cats/new.png": picture(77), "cats/old.png": picture(0), "emus/1.png": picture(78)}, name="more"
    )
    added = add_images(dataset, more)
    assert added.version == 2
    assert added.class_counts == {"cats": 4, "dogs": 3, "emus": 1}
    assert [(item.name, str(item.reason)) for item in added.skipped] == [
        ("cats/old.png", "already in the dataset")
    ]
    assert all(added.path(file).is_file() for file in added.index["file"])
    assert added.index["image_id"].is_unique


def test_all_images_can_be_given_one_class(pack, animals, picture):
    dataset = import_dataset(pack(animals))
    added = add_images(dataset, pack({"1.png": picture(77)}, name="more"), reading=Reading(label="owls"))
    assert added.class_counts == {"cats": 3, "dogs": 3, "owls": 1}


def test_adding_nothing_new_changes_nothing(pack, animals, workspace):
    dataset = import_dataset(pack(animals))
    with pytest.raises(ArchiveError, match="in the dataset already"):
        add_images(dataset, pack(animals))
    assert [path.name for path in workspace.datasets.iterdir()] == [dataset.id]
    assert json.loads((dataset.folder / "dataset.json").read_text())["version"] == 1


def test_what_is_added_to_a_ready_made_split_is_for_training(pack, files, picture):
    dataset = import_dataset(pack(files("train/a/1.png", "train/b/2.png", "val/a/3.png"), name="divided"))
    added = add_images(dataset, pack({"a/9.png": picture(99)}, name="more"))
    assert added.split_counts == {"train": 3, "validation": 1}


def test_a_split_does_not_come_into_a_dataset_without_one(pack, animals, files):
    dataset = import_dataset(pack(animals))
    added = add_images(dataset, pack(files("train/a/71.png", "val/a/72.png"), name="more"))
    assert added.split_counts == {}


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "tar.zst"])
def test_the_list_of_a_tar_file_is_watched_and_can_be_stopped(pack, animals, monkeypatch, kind):
    monkeypatch.setattr("vitcore.dataset._import._SHOWN_EVERY_S", 0.0)
    seen: list[Progress] = []
    source = pack(animals, kind)
    survey = inspect_source(source, task=Task(seen.append))
    assert survey.images == len(animals)
    assert {progress.phase for progress in seen} == {"list"}
    assert len(seen) > len(animals)  # once for each file, at the least
    assert all(0 < progress.done <= progress.total for progress in seen)
    task = Task(seen.append)
    task.stop.set()
    with pytest.raises(Stopped):
        inspect_source(source, task=task)
    with pytest.raises(Stopped):
        inspect_source(pack(animals, "folder"), task=task)
