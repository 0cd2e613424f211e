"""Edits of a dataset, and the way back."""

import json
import os
import threading

import pandas as pd
import pytest

from vitcore.dataset import (
    INDEX_COLUMNS,
    Skipped,
    append_images,
    delete_class,
    exclude,
    import_dataset,
    list_datasets,
    load_dataset,
    relabel,
    rename_class,
    rename_dataset,
    restore,
    split_index,
    undo,
)
from vitcore.dataset import _dataset as dataset_module
from vitcore.errors import DatasetError, NotFoundError, StorageError
from vitcore.messages import literal

# The cats are images 0 to 2, the dogs 3 to 5.
HOSTILE = [
    "a/b",
    "../..",
    "<script>alert(1)</script>",
    "!ls",
    "=1+1",
    'x,"y"',
    "$x^2$",
    "**bold**",
    "NA",
    "nan",
    "True",
    "007",
    "C:\\aux",
    "猫",
    "Ünïcode 🐈",
    "x" * 200,
    "#",
    "'",
]


@pytest.fixture
def dataset(pack, animals):
    return import_dataset(pack(animals))


@pytest.fixture
def ready_made(pack, picture):
    files = {
        f"{part}/{label}/{number}.png": picture(100 * place + 10 * side + number)
        for place, part in enumerate(("train", "val"))
        for side, label in enumerate(("cats", "dogs"))
        for number in range(3)
    }
    return import_dataset(pack(files))


def labels(dataset):
    return dict(zip(dataset.index["image_id"], dataset.index["label"], strict=True))


def texts(dataset):
    return [str(change.text) for change in dataset.changes]


def bases(dataset):
    return [change.base for change in dataset.changes]


def more_rows(*names, label="birds"):
    columns = {"label": label, "split": "", "sha256": "ab" * 32, "file": "images/ab/x.png", "format": "PNG"}
    rows = [{"name": name, **columns, "width": 3, "height": 2, "size_bytes": 9} for name in names]
    return pd.DataFrame(rows)


def assert_same(one, other):
    pd.testing.assert_frame_equal(one.rows, other.rows)
    pd.testing.assert_frame_equal(one.index, other.index)
    for name in ("id", "name", "version", "created", "changes", "skipped", "ignored", "next_image_id"):
        assert getattr(one, name) == getattr(other, name)


EDITS = {
    "rename": lambda data: rename_class(data, "cats", "kittens"),
    "merge": lambda data: rename_class(data, "cats", "dogs"),
    "delete": lambda data: delete_class(data, "cats"),
    "relabel": lambda data: relabel(data, [0, 4], "dogs"),
    "new class": lambda data: relabel(data, [0, 4], "birds"),
    "exclude": lambda data: exclude(data, [0]),
    "append": lambda data: append_images(
        data, more_rows("a.png"), [Skipped("b", literal("why"))], 2, literal("Added 1 image.")
    ),
}
each_edit = pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)


# --- what every edit does ----------------------------------------------------------------------


@each_edit
def test_an_edit_is_a_new_version_that_is_on_the_disk(dataset, edit):
    edited = edit(dataset)
    assert edited.version == 2
    assert dict(edited.index.dtypes.astype(str)) == dict(INDEX_COLUMNS)
    assert dict(edited.excluded.dtypes.astype(str)) == dict(INDEX_COLUMNS)
    assert edited.index.index.equals(pd.RangeIndex(len(edited.index)))
    assert_same(load_dataset(dataset.id), edited)


@each_edit
def test_an_edit_leaves_the_version_before_as_it_was(dataset, edit):
    before = dataset.rows.copy()
    edit(dataset)
    pd.testing.assert_frame_equal(dataset.rows, before)
    earlier = load_dataset(dataset.id, version=1)
    pd.testing.assert_frame_equal(earlier.rows, before)
    assert (earlier.version, earlier.changes) == (1, dataset.changes)


@each_edit
def test_an_edit_can_be_undone(dataset, edit):
    edited = edit(dataset)
    assert edited.can_undo
    assert edited.undoable == edited.changes[-1].text
    again = undo(edited)
    pd.testing.assert_frame_equal(again.rows, dataset.rows)
    assert (again.version, again.can_undo, again.undoable) == (3, False, None)
    assert str(again.changes[-1].text) == f"Undid: {edited.changes[-1].text}"
    assert_same(load_dataset(dataset.id), again)


@each_edit
def test_an_edit_of_what_was_changed_elsewhere_is_refused_and_nothing_is_lost(dataset, edit):
    other = exclude(dataset, [5])
    with pytest.raises(DatasetError, match=r"changed elsewhere in the meantime .* look at it again"):
        edit(dataset)
    assert_same(load_dataset(dataset.id), other)


@each_edit
def test_an_edit_of_an_earlier_version_is_refused(dataset, edit):
    exclude(dataset, [5])
    with pytest.raises(DatasetError, match=r"version 2, not 1"):
        edit(load_dataset(dataset.id, version=1))


@each_edit
def test_a_crash_before_the_description_is_written_leaves_the_version_there_was(dataset, edit, monkeypatch):
    def crash(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(dataset_module, "save_record", crash)
        with pytest.raises(KeyboardInterrupt):
            edit(dataset)
    assert (dataset.folder / "index-0002.csv").exists()
    assert_same(load_dataset(dataset.id), dataset)
    # The file that was left over is not in the way of the next edit.
    other = exclude(dataset, [5])
    assert_same(load_dataset(dataset.id), other)


@each_edit
def test_a_full_disk_is_a_storage_error_and_nothing_was_changed(dataset, edit, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match=r"cannot be written \(No space left on device\)"):
            edit(dataset)
    assert_same(load_dataset(dataset.id), dataset)


@each_edit
def test_an_edit_of_a_deleted_dataset_is_refused(dataset, workspace, edit):
    workspace.remove(dataset.folder)
    with pytest.raises(NotFoundError, match="There is no dataset"):
        edit(dataset)
    assert workspace.ids(workspace.datasets) == []


def test_of_edits_at_the_same_time_one_succeeds(dataset):
    outcomes = []

    def work(image_id):
        try:
            outcomes.append(exclude(dataset, [image_id]).version)
        except DatasetError:
            outcomes.append("refused")

    threads = [threading.Thread(target=work, args=(image_id,)) for image_id in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes, key=str) == [2, "refused", "refused", "refused"]
    assert (load_dataset(dataset.id).version, len(load_dataset(dataset.id).index)) == (2, 5)


def test_a_dataset_that_is_held_for_long_is_said_to_be_in_use(dataset, workspace, monkeypatch):
    plain = type(workspace).lock

    def impatient(self, name):
        lock = plain(self, name)
        lock.timeout = 0
        return lock

    monkeypatch.setattr(type(workspace), "lock", impatient)
    with (
        workspace.lock(f"dataset-{dataset.id}"),
        pytest.raises(DatasetError, match="is being changed elsewhere; try again"),
    ):
        exclude(dataset, [0])


def test_an_edit_keeps_a_ready_made_split(ready_made):
    cats = ready_made.index.query("label == 'cats'")["image_id"]
    edited = relabel(ready_made, [cats.iloc[0], cats.iloc[-1]], "dogs")
    edited = rename_class(edited, "cats", "kittens")
    edited = exclude(edited, [cats.iloc[1]])
    pd.testing.assert_series_equal(edited.rows["split"], ready_made.rows["split"])
    assert edited.split_counts == {"train": 5, "validation": 6}


def test_the_warnings_are_those_of_the_images_that_take_part(dataset):
    assert "'cats' has only 3 images" in " ".join(map(str, dataset.warnings))
    edited = exclude(dataset, [0])
    assert "'cats' has only 2 images" in " ".join(map(str, edited.warnings))
    assert "only one class, 'dogs'" in " ".join(map(str, delete_class(edited, "cats").warnings))


# --- classes -----------------------------------------------------------------------------------


def test_a_class_is_renamed(dataset):
    edited = rename_class(dataset, "cats", "  big cats ")
    assert edited.class_counts == {"big cats": 3, "dogs": 3}
    assert str(edited.changes[-1].text) == "Renamed 'cats' to 'big cats'."


def test_a_class_that_gets_the_name_of_another_is_merged_into_it(dataset):
    edited = rename_class(dataset, "cats", "dogs")
    assert edited.class_counts == {"dogs": 6}
    assert str(edited.changes[-1].text) == "Merged 'cats' into 'dogs' (3 images)."
    assert undo(edited).class_counts == {"cats": 3, "dogs": 3}


def test_images_that_were_taken_out_are_renamed_with_their_class(dataset):
    edited = rename_class(exclude(dataset, [0]), "cats", "kittens")
    assert edited.excluded["label"].tolist() == ["kittens"]
    assert restore(edited, [0]).class_counts == {"dogs": 3, "kittens": 3}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_class_may_have_any_name_that_can_be_printed(dataset, name):
    edited = relabel(rename_class(dataset, "cats", name), [3], name)
    assert edited.class_counts == {name: 4, "dogs": 2}
    assert_same(load_dataset(dataset.id), edited)
    assert list(list_datasets()["classes"]) == [2]
    assert sorted(path.name for path in dataset.folder.iterdir()) == [
        "dataset.json",
        "images",
        "index-0001.csv",
        "index-0002.csv",
        "index-0003.csv",
    ]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "name is empty; give 1 to 200 characters"),
        (" \t\n", "name is empty"),
        ("x" * 201, "name has 201 characters; give 200 at most"),
        ("a\0b", r"control character \(U\+0000\)"),
        ("a\u202eb", r"control character \(U\+202E\)"),
        ("a\udc80b", r"control character \(U\+DC80\)"),
    ],
)
def test_a_name_that_cannot_be_read_is_refused(dataset, name, message):
    for edit in (
        lambda: rename_class(dataset, "cats", name),
        lambda: relabel(dataset, [0], name),
        lambda: rename_dataset(dataset, name),
    ):
        with pytest.raises(DatasetError, match=message):
            edit()
    assert_same(load_dataset(dataset.id), dataset)


def test_images_can_be_moved_to_a_class_whatever_name_its_folder_had(pack, animals, picture):
    dataset = import_dataset(pack(animals | {"photos/with space /0.png": picture(90)}))
    odd = next(label for label in dataset.classes if label.startswith("with"))
    assert relabel(dataset, [0], odd).class_counts == {"cats": 2, "dogs": 3, odd: 2}


@pytest.mark.parametrize("edit", [lambda data, name: rename_class(data, name, "x"), delete_class])
def test_an_unknown_class_is_refused(dataset, edit):
    with pytest.raises(DatasetError, match="There is no class 'birds'; there are 'cats' and 'dogs'"):
        edit(dataset, "birds")


def test_a_refusal_does_not_name_a_hundred_classes(dataset):
    edited = append_images(
        dataset, pd.concat(more_rows("x", label=f"c{n}") for n in range(100)), [], 0, literal("!")
    )
    with pytest.raises(DatasetError, match=r"'c0', 'c1', 'c10', 'c11', 'c12' and 97 more\.$"):
        delete_class(edited, "birds")


@pytest.mark.parametrize("name", ["cats", " cats "])
def test_a_class_cannot_be_renamed_to_itself(dataset, name):
    with pytest.raises(DatasetError, match="called 'cats' already"):
        rename_class(dataset, "cats", name)


def test_a_deleted_class_is_taken_out_and_can_be_restored(dataset):
    edited = delete_class(dataset, "cats")
    assert (edited.classes, edited.class_counts, set(edited.index["label"])) == (
        ("dogs",),
        {"dogs": 3},
        {"dogs"},
    )
    assert edited.excluded["image_id"].tolist() == [0, 1, 2]
    assert str(edited.changes[-1].text) == "Removed class 'cats' (3 images)."
    assert all(edited.path(file).is_file() for file in edited.excluded["file"])
    back = restore(edited, edited.excluded["image_id"])
    pd.testing.assert_frame_equal(back.index, dataset.index)


def test_the_last_class_cannot_be_deleted(dataset):
    edited = delete_class(dataset, "cats")
    with pytest.raises(DatasetError, match="Not a single image would be left"):
        delete_class(edited, "dogs")


def test_a_deleted_class_is_unknown_until_it_is_restored(dataset):
    with pytest.raises(DatasetError, match="There is no class 'cats'"):
        delete_class(delete_class(dataset, "cats"), "cats")


# --- images ------------------------------------------------------------------------------------


def test_images_are_moved_to_a_class(dataset):
    edited = relabel(dataset, [0, 2], "dogs")
    assert labels(edited) == {0: "dogs", 1: "cats", 2: "dogs", 3: "dogs", 4: "dogs", 5: "dogs"}
    assert str(edited.changes[-1].text) == "Moved 2 images to 'dogs'."
    assert str(edited.undoable) == "Moved 2 images to 'dogs'."


def test_images_are_moved_to_a_new_class(dataset):
    edited = relabel(dataset, [5], " birds ")
    assert edited.class_counts == {"birds": 1, "cats": 3, "dogs": 2}
    assert str(edited.changes[-1].text) == "Moved 1 image to 'birds'."


def test_of_a_mixed_choice_only_those_that_differ_are_moved(dataset):
    assert str(relabel(dataset, [2, 3, 3, 4], "dogs").changes[-1].text) == "Moved 1 image to 'dogs'."


def test_images_that_are_in_the_class_already_cannot_be_moved_to_it(dataset):
    with pytest.raises(DatasetError, match="are in 'dogs' already"):
        relabel(dataset, [3, 4], "dogs")


def test_images_that_were_taken_out_are_not_moved(dataset):
    with pytest.raises(DatasetError, match=r"has 1 image that had been removed; restore first"):
        relabel(exclude(dataset, [0]), [0, 1], "dogs")


@pytest.mark.parametrize("edit", [exclude, restore, lambda data, ids: relabel(data, ids, "dogs")])
@pytest.mark.parametrize(
    ("ids", "message"),
    [([], "No image is chosen"), ([0, 6], "no image number 6"), ([-1], "no image number -1")],
)
def test_a_choice_of_nothing_or_of_unknown_images_is_refused(dataset, edit, ids, message):
    with pytest.raises(DatasetError, match=message):
        edit(dataset, ids)
    assert load_dataset(dataset.id).version == 1


def test_images_that_were_taken_out_take_no_part(dataset):
    edited = exclude(dataset, dataset.index["image_id"][[1, 3, 4, 5]])
    assert str(edited.changes[-1].text) == "Removed 4 images."
    assert (edited.classes, edited.class_counts) == (("cats",), {"cats": 2})
    assert edited.index["image_id"].tolist() == [0, 2]
    assert edited.excluded["image_id"].tolist() == [1, 3, 4, 5]


def test_images_that_were_taken_out_are_not_divided(dataset):
    edited = exclude(dataset, [0, 5])
    assert split_index(edited.index).value_counts().to_dict() == {"train": 2, "validation": 2}
    assert len(split_index(edited.index)) == len(edited.index) == 4


def test_the_list_counts_the_images_that_take_part(dataset):
    delete_class(exclude(dataset, [3]), "cats")
    [row] = list_datasets().to_dict("records")
    assert (row["images"], row["classes"], row["version"]) == (2, 1, 3)


def test_images_are_brought_back_to_their_place(dataset):
    edited = restore(exclude(dataset, [0, 1, 4]), [4, 1])
    assert edited.index["image_id"].tolist() == [1, 2, 3, 4, 5]
    assert str(edited.changes[-1].text) == "Brought back 2 images."
    edited = restore(edited, [0, 1])  # the second is there already
    assert str(edited.changes[-1].text) == "Brought back 1 image."
    pd.testing.assert_frame_equal(edited.index, dataset.index)
    assert split_index(edited.index).equals(split_index(dataset.index))


def test_taking_out_or_bringing_back_twice_is_refused(dataset):
    with pytest.raises(DatasetError, match="None of the chosen images was removed"):
        restore(dataset, [0, 1])
    edited = exclude(dataset, [0, 1])
    with pytest.raises(DatasetError, match="were removed already"):
        exclude(edited, [0, 1])
    assert str(exclude(edited, [0, 1, 2]).changes[-1].text) == "Removed 1 image."


def test_the_last_image_cannot_be_taken_out(dataset):
    with pytest.raises(DatasetError, match="Not a single image would be left"):
        exclude(dataset, range(6))
    edited = exclude(dataset, range(5))
    with pytest.raises(DatasetError, match="Not a single image would be left"):
        exclude(edited, [5])
    assert load_dataset(dataset.id).version == 2


# --- adding ------------------------------------------------------------------------------------


def test_images_are_added(dataset):
    skipped = [Skipped("notes.txt", literal("not an image file (.txt)"))]
    edited = append_images(dataset, more_rows("a.png", "b.png"), skipped, 3, literal("Added 2 images."))
    assert edited.class_counts == {"birds": 2, "cats": 3, "dogs": 3}
    assert edited.index["image_id"].tolist() == list(range(8))
    assert edited.index["name"].tolist()[-2:] == ["a.png", "b.png"]
    assert (edited.skipped, edited.ignored) == ((*dataset.skipped, *skipped), 3)
    assert str(edited.changes[-1].text) == "Added 2 images."


def test_numbers_of_added_images_are_not_used_again(dataset):
    edited = undo(append_images(dataset, more_rows("a.png", "b.png"), [], 0, literal("Added 2 images.")))
    assert edited.index["image_id"].tolist() == list(range(6))
    edited = append_images(load_dataset(dataset.id), more_rows("c.png"), [], 0, literal("Added 1 image."))
    assert edited.rows["image_id"].tolist() == [0, 1, 2, 3, 4, 5, 8]
    assert load_dataset(dataset.id).next_image_id == 9


def test_what_was_refused_twice_is_listed_once(dataset):
    for _ in range(2):
        dataset = append_images(
            dataset, more_rows("a.png"), [Skipped("b.png", literal("empty"))], 0, literal("Added 1 image.")
        )
    assert dataset.skipped == (Skipped("b.png", literal("empty")),)


def test_adding_nothing_is_refused(dataset):
    with pytest.raises(DatasetError, match="no image to add"):
        append_images(dataset, more_rows("a.png").iloc[:0], [], 0, "Added 0 images.")


# --- undo --------------------------------------------------------------------------------------


def test_there_is_nothing_to_undo_after_the_import(dataset):
    with pytest.raises(DatasetError, match="nothing to undo; the images are as they were imported"):
        undo(dataset)


def test_undo_walks_back_to_the_import_and_a_new_edit_starts_from_there(dataset):
    first = relabel(dataset, [0], "dogs")
    second = exclude(first, [1])
    assert str(second.undoable) == "Removed 1 image."

    once = undo(second)
    pd.testing.assert_frame_equal(once.rows, first.rows)
    assert str(once.undoable) == "Moved 1 image to 'dogs'."

    twice = undo(once)
    pd.testing.assert_frame_equal(twice.rows, dataset.rows)
    assert not twice.can_undo
    with pytest.raises(DatasetError, match="nothing to undo"):
        undo(twice)

    third = rename_class(twice, "cats", "kittens")
    assert str(third.undoable) == "Renamed 'cats' to 'kittens'."
    last = undo(third)
    pd.testing.assert_frame_equal(last.rows, dataset.rows)
    assert not last.can_undo

    assert bases(last) == [0, 1, 2, 1, 0, 5, 0]
    assert [change.version for change in last.changes] == [1, 2, 3, 4, 5, 6, 7]
    assert texts(last) == [
        "Imported 6 images.",
        "Moved 1 image to 'dogs'.",
        "Removed 1 image.",
        "Undid: Removed 1 image.",
        "Undid: Moved 1 image to 'dogs'.",
        "Renamed 'cats' to 'kittens'.",
        "Undid: Renamed 'cats' to 'kittens'.",
    ]
    assert_same(load_dataset(dataset.id), last)


def test_an_edit_between_undos_is_undone_before_what_lies_below_it(dataset):
    first = relabel(dataset, [0], "dogs")
    edited = exclude(undo(exclude(first, [1])), [2])
    assert str(edited.undoable) == "Removed 1 image."
    edited = undo(edited)
    pd.testing.assert_frame_equal(edited.rows, first.rows)
    assert str(edited.undoable) == "Moved 1 image to 'dogs'."
    pd.testing.assert_frame_equal(undo(edited).rows, dataset.rows)


def test_every_earlier_version_can_be_loaded(dataset):
    versions = [dataset]
    for edit in EDITS.values():
        versions.append(edit(versions[-1]))
        versions.append(undo(versions[-1]))
    for name in ("new class", "rename", "append"):
        versions.append(EDITS[name](versions[-1]))
    for _ in range(2):
        versions.append(undo(versions[-1]))
    for number, version in enumerate(versions, 1):
        again = load_dataset(dataset.id, version=number)
        assert again.version == version.version == number
        pd.testing.assert_frame_equal(again.rows, version.rows)
        assert (again.changes, again.undoable) == (version.changes, version.undoable)


# --- the name of the dataset -------------------------------------------------------------------


@pytest.mark.parametrize("name", HOSTILE)
def test_a_dataset_gets_another_name(dataset, name):
    renamed = rename_dataset(dataset, f" {name} ")
    assert (renamed.name, renamed.version, renamed.changes) == (name, 1, dataset.changes)
    assert_same(load_dataset(dataset.id), renamed)
    assert list_datasets()["name"].tolist() == [name]


def test_a_dataset_that_has_the_name_already_cannot_be_given_it(dataset):
    with pytest.raises(DatasetError, match="called 'source' already"):
        rename_dataset(dataset, "source ")


def test_a_dataset_that_was_changed_elsewhere_is_not_renamed(dataset):
    other = exclude(dataset, [0])
    with pytest.raises(DatasetError, match="changed elsewhere"):
        rename_dataset(dataset, "animals")
    assert_same(load_dataset(dataset.id), other)


def test_a_dataset_that_was_renamed_elsewhere_can_get_its_old_name_back(dataset):
    rename_dataset(dataset, "animals")
    assert rename_dataset(dataset, "source").name == load_dataset(dataset.id).name == "source"


def test_an_edit_keeps_the_name_that_the_dataset_got_elsewhere(dataset):
    rename_dataset(dataset, "animals")
    assert exclude(dataset, [0]).name == load_dataset(dataset.id).name == "animals"


def test_a_name_is_not_a_thing_to_undo(dataset):
    edited = undo(rename_dataset(exclude(dataset, [0]), "animals"))
    assert (edited.name, len(edited.index), edited.can_undo) == ("animals", 6, False)


def test_a_renamed_dataset_says_nothing_but_its_name_anew(dataset):
    before = json.loads((dataset.folder / "dataset.json").read_text(encoding="utf-8"))
    rename_dataset(exclude(dataset, [0]), "animals")
    after = json.loads((dataset.folder / "dataset.json").read_text(encoding="utf-8"))
    assert before.keys() == after.keys()
    assert (after["classes"], after["version"], after["index"]) == (
        {"cats": 2, "dogs": 3},
        2,
        "index-0002.csv",
    )
