"""A dataset on disk."""

import json

import pandas as pd
import pytest

from vitcore.dataset import INDEX_COLUMNS, import_dataset, list_datasets, load_dataset
from vitcore.errors import NotFoundError, StorageError


@pytest.fixture
def dataset(pack, animals):
    return import_dataset(pack(animals))


def test_a_dataset_is_loaded_as_it_was_imported(dataset):
    again = load_dataset(dataset.id)
    pd.testing.assert_frame_equal(again.index, dataset.index)
    assert (again.id, again.name, again.folder, again.version) == (dataset.id, "source", dataset.folder, 1)
    assert (again.skipped, again.ignored, again.warnings) == (dataset.skipped, 0, dataset.warnings)
    assert (again.source_digest, again.created) == (dataset.source_digest, dataset.created)
    assert (again.changes, again.next_image_id) == (dataset.changes, 6)
    assert again.split_counts == {}


def test_an_unknown_dataset_is_not_found(dataset):
    with pytest.raises(NotFoundError, match=rf"There is no dataset 'nope' \(newest: {dataset.id}\)"):
        load_dataset("nope")


@pytest.mark.parametrize("version", [-1, 0, 2])
def test_an_unknown_version_is_not_found(dataset, version):
    with pytest.raises(NotFoundError, match=rf"has no version {version}; its versions are 1 to 1"):
        load_dataset(dataset.id, version=version)


def test_a_new_dataset_has_one_change_and_nothing_to_undo(dataset):
    [change] = dataset.changes
    assert (change.version, change.base, change.created) == (1, 0, dataset.created)
    assert str(change.text) == "Imported 6 images."
    assert (dataset.can_undo, dataset.undoable) == (False, None)
    assert (dataset.excluded.columns.tolist(), len(dataset.excluded)) == (list(INDEX_COLUMNS), 0)


def test_a_dataset_from_before_there_were_edits_is_loaded(dataset):
    about = json.loads((dataset.folder / "dataset.json").read_text())
    del about["changes"], about["next_image_id"]
    (dataset.folder / "dataset.json").write_text(json.dumps(about | {"warnings": ["No longer true."]}))
    dataset.index.drop(columns="excluded").to_csv(dataset.folder / "index-0001.csv", index=False)
    again = load_dataset(dataset.id)
    pd.testing.assert_frame_equal(again.index, dataset.index)
    assert (len(again.excluded), again.warnings) == (0, dataset.warnings)
    assert (again.changes, again.next_image_id) == (dataset.changes, 6)


@pytest.mark.parametrize("content", ["", "{", "{}", '{"version": 1}', '{"version": "x"}'])
def test_a_damaged_description_is_a_storage_error(dataset, content):
    (dataset.folder / "dataset.json").write_text(content)
    with pytest.raises(StorageError):
        load_dataset(dataset.id)


@pytest.mark.parametrize("changes", [[1], [{}], {"version": 1}, [{"version": "1"}]])
def test_a_damaged_list_of_changes_is_a_storage_error(dataset, changes):
    about = json.loads((dataset.folder / "dataset.json").read_text())
    (dataset.folder / "dataset.json").write_text(json.dumps(about | {"changes": changes}))
    with pytest.raises(StorageError, match="damaged"):
        load_dataset(dataset.id)


@pytest.mark.parametrize("content", ["", "image_id,name\n0,x\n", ",".join(INDEX_COLUMNS), "\0\0\0"])
def test_a_damaged_index_is_a_storage_error(dataset, content):
    (dataset.folder / "index-0001.csv").write_text(content)
    with pytest.raises(StorageError, match="damaged"):
        load_dataset(dataset.id)


def test_a_missing_index_is_a_storage_error(dataset):
    (dataset.folder / "index-0001.csv").unlink()
    with pytest.raises(StorageError, match="is missing; delete the dataset, then import it again"):
        load_dataset(dataset.id)


def test_an_earlier_version_can_be_loaded(dataset):
    about = json.loads((dataset.folder / "dataset.json").read_text())
    dataset.index.iloc[1:].to_csv(dataset.folder / "index-0002.csv", index=False)
    (dataset.folder / "dataset.json").write_text(
        json.dumps(about | {"version": 2, "index": "index-0002.csv"})
    )
    assert (load_dataset(dataset.id).version, len(load_dataset(dataset.id).index)) == (2, 5)
    assert (load_dataset(dataset.id, version=1).version, len(load_dataset(dataset.id, version=1).index)) == (
        1,
        6,
    )


def test_the_list_of_an_empty_workspace_has_its_columns():
    empty = list_datasets()
    assert len(empty) == 0
    columns = ["id", "name", "created", "images", "unlabelled", "classes", "version", "source_digest"]
    assert list(empty.columns) == columns


def test_the_list_says_what_each_dataset_is(dataset):
    [row] = list_datasets().to_dict("records")
    assert (row["id"], row["name"], row["created"]) == (dataset.id, "source", dataset.created)
    assert (row["images"], row["classes"], row["version"]) == (6, 2, 1)
    assert row["source_digest"] == dataset.source_digest


def test_the_list_has_the_newest_dataset_first(workspace, dataset):
    for older in ("20200101-000000-aaaaaa", "20210101-000000-aaaaaa"):
        (workspace.datasets / older).mkdir()
        (workspace.datasets / older / "dataset.json").write_bytes(
            (dataset.folder / "dataset.json").read_bytes()
        )
    assert list_datasets()["id"].tolist() == [dataset.id, "20210101-000000-aaaaaa", "20200101-000000-aaaaaa"]
