import io
import re
import zipfile

import pytest
import streamlit.testing.v1.local_script_runner
from PIL import Image
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager

from app.state import job_queue
from vitcore.dataset import import_dataset, list_datasets
from vitcore.runs import list_runs


def figures(at):
    """The figures of the import by their labels."""
    return {metric.label: metric.value for metric in at.metric}


def pictures(at):
    return len(at.image)


def half_written(workspace):
    """What an import has left behind."""
    return [path.name for parent in (workspace.datasets, workspace.runs) for path in parent.glob(".tmp-*")]


def import_path(at, ui, path):
    at.text_input[0].set_value(str(path))
    return ui.press(at, "FormSubmitter")


# --- bringing photos in ------------------------------------------------------------------------


def test_photos_come_in_from_a_folder_of_the_server(open_page, finish, ui, picture_folder):
    at = import_path(open_page("dataset"), ui, picture_folder())
    finish(at)
    assert list_datasets()["name"].tolist() == ["photos"]
    assert at.session_state["dataset"] == list_datasets()["id"][0]
    assert figures(at)["Images"] == "36"
    assert figures(at)["Classes"] == "3"
    assert figures(at)["Files skipped"] == "0"
    assert len(at.success) == 1


@pytest.mark.parametrize("path", ["", "   "])
def test_an_empty_path_starts_nothing(open_page, ui, path):
    import_path(open_page("dataset"), ui, path)
    assert job_queue().jobs() == []


def test_while_photos_are_read_the_page_says_so(open_page, finish, ui, hold, picture_folder):
    held = hold("import")
    at = import_path(open_page("dataset"), ui, picture_folder())
    assert len(at.info) == 1
    assert not at.metric
    held.let_go()
    finish(at)
    assert not at.info
    assert at.metric


def test_the_sample_set_is_one_click_away(open_page, ui, hold):
    hold("import")
    ui.press(open_page("dataset"), "use the sample set")
    assert [job.kind for job in job_queue().active()] == ["run", "dataset"]
    job_queue().stop(job_queue().jobs()[0])


@pytest.mark.parametrize("source", ["nowhere", "text.zip", "empty"])
def test_a_source_that_cannot_be_read_is_an_error(open_page, finish, ui, hold, tmp_path, source):
    (tmp_path / "text.zip").write_text("not a zip file")
    (tmp_path / "empty").mkdir()
    held = hold("import")
    at = import_path(open_page("dataset"), ui, tmp_path / source)
    held.let_go()
    finish(at)
    assert len(at.error) == 1
    assert job_queue().jobs()[0].snapshot.state == "failed"
    assert not at.metric


def test_the_same_photos_twice_are_one_dataset(open_page, finish, ui, picture_folder):
    at = open_page("dataset")
    folder = picture_folder()
    for _ in range(2):
        finish(import_path(at, ui, folder))
    assert len(list_datasets()) == 1


# --- uploads -----------------------------------------------------------------------------------


@pytest.fixture
def uploads_in_memory(monkeypatch):
    """Counts the uploads that Streamlit still holds."""
    managers = []

    class Manager(MemoryUploadedFileManager):
        def __init__(self, endpoint):
            super().__init__(endpoint)
            managers.append(self)

    monkeypatch.setattr(streamlit.testing.v1.local_script_runner, "MemoryUploadedFileManager", Manager)
    return lambda: sum(len(files) for manager in managers for files in manager.file_storage.values())


def upload(at, name, content):
    at.file_uploader[0].upload(name, content, "application/zip").run()
    assert not at.exception
    return at


def test_photos_come_in_by_upload(open_page, finish, photos_zip, uploads_in_memory, workspace):
    at = upload(open_page("dataset"), "holiday.v2.zip", photos_zip())
    assert uploads_in_memory() == 0
    finish(at)
    assert list_datasets()["name"].tolist() == ["holiday"]
    assert figures(at)["Images"] == "36"
    assert half_written(workspace) == []


def test_after_an_upload_the_uploader_is_empty_again(open_page, finish, photos_zip):
    at = upload(open_page("dataset"), "photos.zip", photos_zip())
    assert at.file_uploader[0].value is None
    finish(at)
    for _ in range(3):
        at.run()
    assert len(job_queue().jobs()) == 1


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("photos.tar.gz", "photos"),
        ("../../etc/passwd.zip", "passwd"),
        (".zip", "Photos"),
        ("gatos montés.zip", "gatos montés"),
    ],
)
def test_an_upload_is_called_after_its_file(open_page, finish, photos_zip, file, name):
    finish(upload(open_page("dataset"), file, photos_zip(count=2)))
    assert list_datasets()["name"].tolist() == [name]


def test_an_upload_that_is_no_archive_leaves_nothing(open_page, finish, hold, uploads_in_memory, workspace):
    held = hold("import")
    at = upload(open_page("dataset"), "photos.zip", b"not a zip file")
    held.let_go()
    finish(at)
    assert uploads_in_memory() == 0
    assert half_written(workspace) == []
    assert len(at.error) == 1
    assert len(list_datasets()) == 0


def test_an_upload_that_is_stopped_while_it_waits_leaves_nothing(
    open_page, finish, hold, photos_zip, workspace
):
    held = hold("import")
    at = upload(open_page("dataset"), "photos.zip", photos_zip())
    job_queue().stop(job_queue().jobs()[0])
    held.let_go()
    finish(at)
    assert half_written(workspace) == []
    assert len(list_datasets()) == 0


def test_the_message_on_a_hostile_upload_is_shown_as_it_is(open_page, finish, ui, hold):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for label in ("one", "two"):
            file.writestr(f"{label}/![x](http:evil).png", b"not an image")
    held = hold("import")
    at = upload(open_page("dataset"), "photos.zip", packed.getvalue())
    held.let_go()
    finish(at)
    assert len(at.error) == 1
    assert ui.live(at) == []


# --- what came in ------------------------------------------------------------------------------


def test_the_report_names_every_file_that_was_skipped(open_page, picture_folder):
    folder = picture_folder()
    (folder / "red" / "notes.txt").write_text("no photo")
    (folder / "red" / "broken.png").write_bytes(b"no photo either")
    (folder / "red" / ".DS_Store").write_bytes(b"no one's photo")
    data = import_dataset(folder)
    at = open_page("dataset")
    assert figures(at)["Files skipped"] == "2"
    (table,) = at.dataframe
    assert list(table.value["file"]) == ["red/broken.png", "red/notes.txt"]
    assert list(table.value["reason"]) == [item.reason for item in data.skipped]


def test_warnings_are_shown(open_page, picture_folder):
    data = import_dataset(picture_folder(count=3))
    assert len(open_page("dataset").warning) == len(data.warnings) > 0


def test_a_ready_made_split_is_told(open_page, picture_folder, tmp_path):
    for part, count in (("train", 5), ("test", 2)):
        picture_folder(name=f"split/{part}", count=count)
    import_dataset(tmp_path / "split")
    (info,) = open_page("dataset").info
    assert set(re.findall(r"\d+", info.value)) == {"15", "6"}


def test_the_usual_size_is_the_most_frequent_one(open_page, picture_folder):
    folder = picture_folder()
    Image.new("RGB", (10, 20)).save(folder / "red" / "small.png")
    import_dataset(folder)
    assert figures(open_page("dataset"))["Usual size"] == "64 × 48"


# --- looking through ---------------------------------------------------------------------------


def test_the_gallery_shows_every_image_on_some_page(open_page, trained):
    at = open_page("dataset")
    pager = at.get("pagination")[0]
    count = len(trained.dataset.index)
    shown = 0
    for page in range(1, pager.num_pages + 1):
        at.get("pagination")[0].select(page).run()
        assert not at.exception
        assert 0 < pictures(at) <= 24
        shown += pictures(at)
    assert shown == count


def test_a_class_can_be_looked_at_alone(open_page, trained):
    at = open_page("dataset")
    chooser = at.selectbox(key=f"class_{trained.dataset.id}")
    assert len(chooser.options) == 1 + len(trained.dataset.classes)
    chooser.select("green").run()
    assert at.get("pagination")[0].num_pages == 2
    captions = [caption.value for caption in at.caption]
    assert captions.count("green") == pictures(at) == 24
    assert "red" not in captions


def test_a_class_with_fewer_pages_than_the_chosen_one_can_be_looked_at(open_page, trained):
    at = open_page("dataset")
    at.get("pagination")[0].select(4).run()
    at.selectbox(key=f"class_{trained.dataset.id}").select("blue").run()
    assert not at.exception
    assert pictures(at) == 6  # the second and last page of 30


def test_few_images_need_no_pages(open_page, picture_folder):
    import_dataset(picture_folder(count=8))
    at = open_page("dataset")
    assert not at.get("pagination")
    assert pictures(at) == 24


# --- deleting ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("trained")
def test_a_deleted_dataset_is_gone_with_its_runs(open_page, ui, workspace):
    at = ui.press(open_page("dataset"), "delete")
    assert len(list_datasets()) == 0
    assert list_runs() == []
    assert half_written(workspace) == []
    assert not at.metric
    assert not at.sidebar.selectbox


def test_deleting_one_dataset_leaves_the_other(open_page, ui, trained, picture_folder):
    other = import_dataset(picture_folder(("cat", "dog")), name="Pets")
    at = open_page("dataset")
    at.sidebar.selectbox(key="dataset").select(other.id).run()
    ui.press(at, "delete")
    assert list(list_datasets()["id"]) == [trained.dataset.id]
    assert [run.id for run in list_runs()] == [trained.run.id]
    assert at.session_state["dataset"] == trained.dataset.id
    assert figures(at)["Images"] == "90"


def test_a_click_on_delete_deletes_the_dataset_that_was_shown_and_no_other(
    open_page, ui, trained, picture_folder
):
    """Another session has deleted it meanwhile."""
    other = import_dataset(picture_folder(("cat", "dog")), name="Pets")
    mine, theirs = open_page("dataset"), open_page("dataset")
    for at in (mine, theirs):
        at.sidebar.selectbox(key="dataset").select(other.id).run()
    ui.press(theirs, "delete")
    ui.press(mine, "delete")
    assert list(list_datasets()["id"]) == [trained.dataset.id]


def test_a_dataset_that_is_being_learned_from_is_not_pulled_away(
    open_page, finish, ui, hold, trained, tiny_backbone
):
    """Whether it is refused or the training ends with a clear message: no defect, no half-written run."""
    held = hold()
    at = open_page("train")
    at.selectbox(key="backbone").select("file").run()
    at.text_input(key="weights").set_value(tiny_backbone)
    at.slider(key="views").set_value(2)
    ui.press(at, "start")
    job = job_queue().jobs()[0]
    ui.go_to(at, "dataset")
    ui.press(at, "delete")
    held.let_go()
    finish(at)
    assert "unexpected" not in job.snapshot.message
    assert (job.snapshot.state == "complete") == trained.dataset.folder.exists()
