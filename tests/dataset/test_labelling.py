"""Photos without a label, and who gave the labels that there are."""

from pathlib import Path

import pandas as pd
import pytest

from vitcore.dataset import (
    INDEX_COLUMNS,
    MACHINE,
    Dataset,
    LabelSource,
    add_images,
    exclude,
    import_dataset,
    import_report,
    inspect_source,
    label_images,
    list_datasets,
    load_dataset,
    relabel,
    rename_class,
    set_aside,
    undo,
    unlabel,
)
from vitcore.errors import ArchiveError, DatasetError
from vitcore.layouts import Reading

KEEP = Reading(unlabelled=True)


@pytest.fixture
def flat(picture_folder, tmp_path: Path) -> Path:
    """A folder of photos of three kinds, without class folders."""
    heap = tmp_path / "heap"
    heap.mkdir()
    for photo in picture_folder(count=4).glob("*/*"):
        photo.rename(heap / f"{photo.parent.name}-{photo.name}")
    return heap


def ids(dataset: Dataset, kind: str) -> list[int]:
    rows = dataset.rows
    return rows.loc[rows["name"].str.startswith(kind), "image_id"].tolist()


def test_a_flat_folder_is_refused_with_the_remedy_and_offered_as_unlabelled(flat):
    with pytest.raises(ArchiveError, match="--unlabelled"):
        import_dataset(flat)
    survey = inspect_source(flat)
    [offered] = [found for found in survey.candidates if found.reading == KEEP]
    assert (str(offered.title), offered.classes) == ("No labels yet", {})
    assert survey.problem is not None


def test_photos_without_a_label_are_kept_and_counted(flat):
    dataset = import_dataset(flat, reading=KEEP)
    assert (len(dataset.unlabelled), len(dataset.index), dataset.classes) == (12, 0, ())
    assert dict(dataset.rows.dtypes.astype(str)) == dict(INDEX_COLUMNS)
    assert set(dataset.rows["labelled_by"]) == {""}
    assert "12 photos have no label yet" in str(dataset.warnings[0])
    assert list_datasets()["unlabelled"].tolist() == [12]
    assert "unlabelled" in import_report(dataset)["about"].tolist()
    assert import_dataset(flat, reading=KEEP).id == dataset.id


def test_one_folder_is_no_class_for_who_wants_to_label(picture_folder):
    folder = picture_folder(classes=("DCIM",), count=3)
    assert import_dataset(folder).classes == ("DCIM",)
    assert len(import_dataset(folder, reading=KEEP).unlabelled) == 3


def test_a_set_may_be_labelled_in_part(picture_folder, flat):
    for photo in flat.iterdir():
        photo.rename(flat.parent / "photos" / photo.name)
    dataset = import_dataset(picture_folder(classes=("cat", "dog"), count=2, name="photos"), reading=KEEP)
    assert (dataset.class_counts, len(dataset.unlabelled)) == ({"cat": 2, "dog": 2}, 12)
    assert not dataset.skipped
    assert set(dataset.index["labelled_by"]) == {"imported"}


def test_the_same_photo_is_not_added_again_without_its_label(flat):
    dataset = import_dataset(flat, reading=KEEP)
    labelled = label_images(dataset, dict.fromkeys(ids(dataset, "red"), "red"))
    with pytest.raises(ArchiveError, match="already"):
        add_images(labelled, flat, reading=KEEP)


def test_a_step_labels_and_leaves_out_and_is_undone_as_one(flat):
    dataset = import_dataset(flat, reading=KEEP)
    red, blue = ids(dataset, "red"), ids(dataset, "blue")
    source = LabelSource(detail="teach")
    step = label_images(dataset, dict.fromkeys(red, " red "), leave_out=blue[:1], source=source)
    assert (step.class_counts, len(step.unlabelled), len(step.excluded)) == ({"red": 4}, 7, 1)
    assert set(step.index["labelled_by"] + step.index["label_detail"]) == {"personteach"}
    assert str(step.changes[-1].text) == "Labelled 4 images. Removed 1 image."
    again = load_dataset(dataset.id)
    pd.testing.assert_frame_equal(again.rows, step.rows)
    back = undo(again)
    pd.testing.assert_frame_equal(back.rows, dataset.rows)


def test_two_people_do_not_overwrite_each_other(flat):
    dataset = import_dataset(flat, reading=KEEP)
    label_images(dataset, {0: "red"})
    with pytest.raises(DatasetError, match="changed elsewhere"):
        label_images(dataset, {0: "blue"})
    assert load_dataset(dataset.id).classes == ("red",)


def test_a_machine_neither_judges_nor_overrules_anybody(flat):
    dataset = import_dataset(flat, reading=KEEP)
    red, blue = ids(dataset, "red"), ids(dataset, "blue")
    dataset = label_images(dataset, dict.fromkeys(red[:2], "red"))
    source = LabelSource(by=MACHINE, detail="run-1", confidences=dict.fromkeys(red + blue, 0.9))
    dataset = label_images(dataset, dict.fromkeys(red + blue, "blue"), source=source)
    assert dataset.class_counts == {"red": 2}
    found = dataset.machine_labelled
    assert (len(found), set(found["label"]), set(found["label_confidence"])) == (6, {"blue"}, {0.9})
    assert any("6 photos have a label by a classifier" in str(text) for text in dataset.warnings)
    with pytest.raises(DatasetError, match="No photo would get another label"):
        label_images(dataset, {red[0]: "blue"}, source=source)


def test_who_looks_at_a_label_of_a_machine_makes_it_his_own(flat):
    dataset = import_dataset(flat, reading=KEEP)
    dataset = label_images(
        dataset, dict.fromkeys(ids(dataset, "blue"), "blue"), source=LabelSource(by=MACHINE)
    )
    dataset = relabel(dataset, ids(dataset, "blue"), "blue")
    assert (set(dataset.index["labelled_by"]), len(dataset.index)) == ({"person"}, 4)


def test_labels_can_be_taken_back(flat):
    dataset = import_dataset(flat, reading=KEEP)
    before = dataset.rows
    dataset = label_images(dataset, {0: "red", 1: "red"})
    dataset = unlabel(dataset, [0, 1])
    pd.testing.assert_frame_equal(dataset.rows, before)
    with pytest.raises(DatasetError, match="has a label"):
        unlabel(dataset, [0])


def test_names_and_removals_go_with_unlabelled_photos(flat):
    dataset = import_dataset(flat, reading=KEEP)
    dataset = label_images(dataset, {0: "red", 1: "blue", 2: "blau"})
    dataset = rename_class(dataset, "blau", "blue")
    assert dataset.class_counts == {"blue": 2, "red": 1}
    dataset = exclude(dataset, dataset.unlabelled["image_id"].tolist())
    assert len(dataset.unlabelled) == 0
    with pytest.raises(DatasetError, match="removed"):
        label_images(dataset, {5: "red"})


def test_the_final_exam_takes_labelled_photos_only(flat):
    dataset = import_dataset(flat, reading=KEEP)
    labels = {image_id: kind for kind in ("red", "blue") for image_id in ids(dataset, kind)}
    dataset = set_aside(label_images(dataset, labels), 0.25)
    assert dataset.split_counts == {"test": 2}
    assert set(dataset.unlabelled["split"]) == {""}


def test_a_dataset_of_before_has_imported_labels(picture_folder):
    dataset = import_dataset(picture_folder(count=2))
    [path] = dataset.folder.glob("index-*.csv")
    columns = [name for name in INDEX_COLUMNS if not name.startswith("label_") and name != "labelled_by"]
    dataset.rows[columns].to_csv(path, index=False)
    again = load_dataset(dataset.id)
    assert (set(again.index["labelled_by"]), set(again.index["label_confidence"])) == ({"imported"}, {1.0})
