import gc
import re
import shutil
from functools import partial

import pytest
from PIL import Image

from app.shared.state import job_queue
from app.shared.text import escape_markdown
from tests._archives import zip_of
from tests._disks import FakeDisk
from tests._variants import first_of
from vitcore.audit import measure
from vitcore.compute import Compute
from vitcore.dataset import import_dataset, list_datasets, load_dataset, remarks
from vitcore.runs import list_runs, load_run


def figures(at):
    """The figures of the import by their labels."""
    return {metric.label: metric.value for metric in at.metric}


def pictures(at):
    """The number of photos in the gallery."""
    return sum(box.key.startswith("pick_") for box in at.checkbox)


def half_written(workspace):
    """What an import has left behind."""
    return [path.name for parent in (workspace.datasets, workspace.runs) for path in parent.glob(".tmp-*")]


# --- bringing photos in ------------------------------------------------------------------------


def test_photos_come_in_from_a_folder_of_the_server(open_page, finish, ui, picture_folder):
    at = ui.import_path(open_page("dataset"), picture_folder())
    finish(at)
    assert list_datasets()["name"].tolist() == ["photos"]
    assert at.session_state["dataset"] == list_datasets()["id"][0]
    assert figures(at)["Photos"] == "36"
    assert figures(at)["Classes"] == "3"
    assert figures(at)["Files skipped"] == "0"
    assert len(at.success) == 1


@pytest.mark.parametrize("path", first_of(["", "   "]))
def test_an_empty_path_starts_nothing(open_page, ui, path):
    at = ui.look_at_path(open_page("dataset"), path)
    assert ui.find_button(at, "import") is None
    assert all(job.kind == "listing" for job in job_queue().jobs())


def test_while_photos_are_read_the_page_says_so(open_page, finish, ui, hold, picture_folder):
    held = hold("import")
    at = ui.import_path(open_page("dataset"), picture_folder())
    assert len(at.info) == 1
    assert not at.metric
    held.let_go()
    finish(at)
    assert not at.info
    assert at.metric


def test_the_sample_set_is_one_click_away_from_a_training(open_page, ui, hold):
    hold()
    at = ui.press(open_page("dataset"), "use_sample")
    assert ui.current_page(at) == "Train"
    assert [job.kind for job in job_queue().active()] == ["run", "run"]
    job_queue().stop(job_queue().jobs()[0])


@pytest.mark.parametrize("source", first_of(["text.zip", "nowhere", "empty"]))
def test_a_source_that_cannot_be_read_is_an_error(open_page, ui, tmp_path, source):
    (tmp_path / "text.zip").write_text("not a zip file")
    (tmp_path / "empty").mkdir()
    at = ui.look_at_path(open_page("dataset"), tmp_path / source)
    assert len(at.error) == 1
    assert ui.find_button(at, "import") is None
    ui.press(at, "cancel_import")
    assert not at.error
    assert at.button_group(key="way")
    assert all(job.kind == "listing" for job in job_queue().jobs())


def test_what_was_found_is_shown_before_it_is_imported(open_page, ui, picture_folder):
    folder = picture_folder()
    (folder / "red" / "notes.txt").write_text("no photo")
    at = ui.look_at_path(open_page("dataset"), folder)
    assert figures(at)["Photos to import"] == "36"
    assert figures(at)["Classes"] == "3"
    assert figures(at)["Other files"] == "1"
    counts, left_out = (table.value for table in at.dataframe)
    assert counts["class"].tolist() == ["blue", "green", "red"]
    assert counts["photos"].tolist() == [12, 12, 12]
    assert left_out["file"].tolist() == ["red/notes.txt"]
    assert len(at.image) == 3
    assert len(list_datasets()) == 0


def test_a_cancelled_import_leaves_nothing(open_page, ui, photos_zip, workspace):
    at = ui.drop(open_page("dataset"), ("photos.zip", photos_zip()))
    assert half_written(workspace)
    ui.press(at, "cancel_import")
    assert half_written(workspace) == []
    assert ui.find_button(at, "use_sample")
    assert len(list_datasets()) == 0


def test_several_readings_have_to_be_chosen_from(open_page, finish, ui, picture_folder, tmp_path):
    for name in ("a", "b"):
        picture_folder(name=f"two/{name}", count=4)
    at = ui.look_at_path(open_page("dataset"), tmp_path / "two")
    assert len(at.warning) == 1
    assert ui.find_button(at, "import") is None
    (readings,) = (radio for radio in at.radio if radio.label == "How to read it")
    assert readings.value is None
    readings.set_value(2).run()
    finish(ui.press(at, "import"))
    assert figures(at)["Photos"] == "24"
    assert figures(at)["Classes"] == "3"


def test_the_column_of_the_classes_can_be_picked(open_page, finish, ui, picture_folder):
    folder = picture_folder(("all",), count=4)
    (folder / "labels.csv").write_text(
        "file,kind,place\n000.png,cat,home\n001.png,dog,home\n002.png,cat,park\n003.png,dog,park\n"
    )
    at = ui.look_at_path(open_page("dataset"), folder)
    at.radio[0].set_value(0).run()
    at.selectbox(key="label_column_labels.csv").select("place").run()
    finish(ui.press(at, "import"))
    assert import_dataset_classes() == {"home": 2, "park": 2}


def test_photos_without_classes_can_be_given_one(open_page, finish, ui, picture_folder, trained):
    folder = picture_folder(("x",), count=3, name="new") / "x"
    at = ui.look_at_path(open_page("dataset"), folder)
    at.text_input[0].set_value("violet").run()
    at.radio(key="destination").set_value("add").run()
    finish(ui.press(at, "import"))
    assert load_dataset(trained.dataset.id).class_counts == {**trained.dataset.class_counts, "violet": 3}
    assert len(list_datasets()) == 1


def import_dataset_classes():
    (dataset_id,) = list_datasets()["id"]
    return load_dataset(dataset_id).class_counts


@pytest.mark.thorough
def test_the_same_photos_twice_are_one_dataset(open_page, finish, ui, picture_folder):
    at = open_page("dataset")
    folder = picture_folder()
    for _ in range(2):
        finish(ui.import_path(at, folder))
    assert len(list_datasets()) == 1


# --- uploads -----------------------------------------------------------------------------------


def test_photos_come_in_from_a_browser(open_page, finish, ui, photos_zip, workspace):
    at = ui.drop(open_page("dataset"), ("holiday.v2.zip", photos_zip()))
    finish(ui.press(at, "import"))
    assert list_datasets()["name"].tolist() == ["holiday"]
    assert figures(at)["Photos"] == "36"
    assert half_written(workspace) == []


def test_what_was_imported_is_not_offered_again(open_page, finish, ui, photos_zip):
    at = ui.drop(open_page("dataset"), ("photos.zip", photos_zip()))
    finish(ui.press(at, "import"))
    assert at.session_state["staged"].tray.files == ()
    for _ in range(3):
        at.run()
    assert [job.kind for job in job_queue().jobs()].count("dataset") == 1


@pytest.mark.parametrize(
    ("file", "name"),
    first_of(
        [
            ("photos.tar.gz", "photos"),
            (".zip", "Photos"),
            ("gatos montés.zip", "gatos montés"),
        ]
    ),
)
def test_an_upload_is_called_after_its_file(open_page, finish, ui, photos_zip, file, name):
    at = ui.drop(open_page("dataset"), (file, photos_zip(count=2)))
    finish(ui.press(at, "import"))
    assert list_datasets()["name"].tolist() == [name]


@pytest.mark.thorough
def test_several_archives_come_in_together(open_page, finish, ui, photos_zip):
    files = [(f"{name}.zip", photos_zip(classes=(name,), count=3)) for name in ("cats", "dogs")]
    finish(ui.press(ui.drop(open_page("dataset"), *files), "import"))
    assert import_dataset_classes() == {"cats": 6, "dogs": 3}  # the second has the cats as well


def test_a_folder_comes_in_under_the_names_of_its_files(open_page, finish, ui, picture_folder):
    folder = picture_folder(count=2)
    at = open_page("dataset")
    files = [
        (f"pets/{path.relative_to(folder)}", path.read_bytes()) for path in sorted(folder.rglob("*.png"))
    ]
    finish(ui.press(ui.drop(at, *files), "import"))
    assert list_datasets()["name"].tolist() == ["pets"]
    assert import_dataset_classes() == {"blue": 2, "green": 2, "red": 2}


def test_several_folders_that_are_dropped_are_the_classes(open_page, finish, ui, picture_folder):
    folder = picture_folder(("cats", "dogs"), count=3)
    files = [(path.relative_to(folder).as_posix(), path.read_bytes()) for path in folder.rglob("*.png")]
    finish(ui.press(ui.drop(open_page("dataset"), *files), "import"))
    assert list_datasets()["name"].tolist() == ["Photos"]
    assert import_dataset_classes() == {"cats": 3, "dogs": 3}


def test_an_upload_that_is_no_archive_leaves_nothing(open_page, ui, workspace):
    at = ui.drop(open_page("dataset"), ("photos.zip", b"not a zip file"))
    assert len(at.error) == 1
    ui.press(at, "cancel_import")
    assert half_written(workspace) == []
    assert len(list_datasets()) == 0


def test_an_upload_that_is_stopped_while_it_waits_leaves_nothing(
    open_page, finish, ui, hold, photos_zip, workspace
):
    held = hold("import")
    at = ui.press(ui.drop(open_page("dataset"), ("photos.zip", photos_zip())), "import")
    job_queue().stop(job_queue().jobs()[0])
    held.let_go()
    finish(at)
    assert half_written(workspace) == []
    assert len(list_datasets()) == 0


@pytest.mark.thorough
def test_a_session_that_ends_takes_its_upload_along(open_page, ui, photos_zip, workspace):
    at = ui.drop(open_page("dataset"), ("photos.zip", photos_zip()))
    assert half_written(workspace)
    del at
    gc.collect()
    assert half_written(workspace) == []


def test_the_message_on_a_hostile_upload_is_shown_as_it_is(open_page, finish, ui, hold):
    packed = zip_of({f"{label}/![x](http:evil).png": b"not an image" for label in ("one", "two")})
    held = hold("import")
    at = ui.press(ui.drop(open_page("dataset"), ("photos.zip", packed)), "import")
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
    skipped = table.value[table.value["about"] == "skipped file"]
    assert list(skipped["what"]) == ["red/broken.png", "red/notes.txt"]
    assert list(skipped["detail"]) == [str(item.reason) for item in data.skipped]


def test_what_is_good_and_bad_about_the_photos_is_said(open_page, ui, picture_folder):
    data = import_dataset(picture_folder(count=3))
    shown = ui.texts(open_page("dataset"))
    for remark in remarks(data.index):
        assert any(escape_markdown(str(remark.sentence), 600) in text for text in shown)


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


def class_chooser(at):
    return next(box for box in at.selectbox if box.key.startswith("class_"))


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
    chooser = class_chooser(at)
    assert len(chooser.options) == 1 + len(trained.dataset.classes)
    chooser.set_value(2).run()
    assert at.get("pagination")[0].num_pages == 2
    labels = [box.label for box in at.checkbox]
    assert labels == ["green"] * 24
    assert pictures(at) == 24


@pytest.mark.thorough
@pytest.mark.usefixtures("trained")
def test_a_class_with_fewer_pages_than_the_chosen_one_can_be_looked_at(open_page):
    at = open_page("dataset")
    at.get("pagination")[0].select(4).run()
    class_chooser(at).set_value(1).run()
    assert not at.exception
    assert pictures(at) == 6  # the second and last page of 30


def test_few_images_need_no_pages(open_page, picture_folder):
    import_dataset(picture_folder(count=8))
    at = open_page("dataset")
    assert not at.get("pagination")
    assert pictures(at) == 24


# --- mending -----------------------------------------------------------------------------------


def tick(at, number):
    at.checkbox[number].check().run()
    assert not at.exception
    return at


def test_ticked_photos_move_to_another_class_at_once(open_page, ui, trained):
    at = open_page("dataset")
    class_chooser(at).set_value(2).run()
    tick(tick(at, 0), 3)
    next(box for box in at.selectbox if box.key.startswith("move_to")).set_value("red").run()
    ui.press(at, "relabel")
    changed = load_dataset(trained.dataset.id)
    assert changed.class_counts == {"blue": 30, "green": 28, "red": 32}
    assert changed.version == 2
    assert "2 images" in at.success[0].value
    assert not any(box.value for box in at.checkbox)
    ui.press(at, "undo")
    assert load_dataset(trained.dataset.id).class_counts == trained.dataset.class_counts


def test_ticked_photos_are_taken_out_and_brought_back(open_page, ui, trained):
    at = tick(open_page("dataset"), 0)
    ui.press(at, "exclude")
    assert figures(at)["Photos"] == "89"
    chooser = class_chooser(at)
    chooser.set_value(len(chooser.options) - 1).run()
    assert pictures(at) == 1
    ui.press(tick(at, 0), "restore")
    assert figures(at)["Photos"] == "90"
    assert len(load_dataset(trained.dataset.id).excluded) == 0


@pytest.mark.usefixtures("trained")
def test_a_whole_page_can_be_ticked_and_unticked(open_page, ui):
    at = ui.press(open_page("dataset"), "pick_page")
    assert all(box.value for box in at.checkbox)
    ui.press(at, "pick_none")
    assert not any(box.value for box in at.checkbox)


@pytest.mark.thorough
def test_ticks_stay_while_pages_are_turned(open_page, trained):
    at = tick(open_page("dataset"), 5)
    at.get("pagination")[0].select(2).run()
    at.get("pagination")[0].select(1).run()
    assert [box.value for box in at.checkbox].index(True) == 5
    assert trained.dataset.version == 1


def test_a_class_can_be_renamed_merged_and_taken_out(open_page, ui, trained):
    at = open_page("dataset")

    def name(text):
        next(field for field in at.text_input if field.key.startswith("new_name")).set_value(text).run()

    name("azure")
    ui.press(at, "rename_class")
    assert load_dataset(trained.dataset.id).classes == ("azure", "green", "red")
    name("green")
    ui.press(at, "rename_class")
    assert load_dataset(trained.dataset.id).class_counts == {"green": 60, "red": 30}
    ui.press(at, "take_out_class")
    assert load_dataset(trained.dataset.id).class_counts == {"red": 30}


def test_an_edit_that_cannot_be_made_says_why_and_changes_nothing(open_page, ui, trained):
    mine, theirs = open_page("dataset"), open_page("dataset")
    ui.press(tick(theirs, 0), "exclude")
    tick(mine, 1)
    edit_behind = load_dataset(trained.dataset.id)
    assert edit_behind.version == 2
    ui.press(mine, "exclude")
    assert load_dataset(trained.dataset.id).version in {2, 3}
    assert not mine.exception


def test_the_dataset_can_be_renamed(open_page, ui, trained):
    at = open_page("dataset")
    at.text_input(key=f"dataset_name_{trained.dataset.id}").set_value("My holidays").run()
    ui.press(at, "rename_dataset")
    assert list_datasets()["name"].tolist() == ["My holidays"]


# --- checks ------------------------------------------------------------------------------------


def test_copies_are_found_and_taken_out(open_page, ui, picture_folder):
    folder = picture_folder()
    for name in ("copy", "copy of the copy"):
        (folder / "red" / f"{name}.png").write_bytes((folder / "red" / "000.png").read_bytes())
    data = import_dataset(folder)
    at = open_page("dataset")
    ui.press(at, "keep_copies")
    assert len(load_dataset(data.id).index) == len(data.index) - 2
    assert ui.find_button(at, "keep_copies") is None


def test_one_photo_under_two_classes_is_found_and_given_one(open_page, picture_folder):
    folder = picture_folder()
    (folder / "blue" / "copy.png").write_bytes((folder / "red" / "000.png").read_bytes())
    data = import_dataset(folder)
    at = open_page("dataset")
    button = next(b for b in at.button if b.key and re.match("all_contradiction.*red", b.key))
    button.click().run()
    assert load_dataset(data.id).class_counts == {"blue": 12, "green": 12, "red": 13}


def test_a_closer_look_finds_dark_photos(open_page, finish, ui, picture_folder, monkeypatch, tiny_backbone):
    folder = picture_folder()
    Image.new("RGB", (64, 48)).save(folder / "red" / "black.png")
    import_dataset(folder)
    monkeypatch.setattr("app.dataset.findings.measure", partial(measure, compute=Compute(tiny_backbone)))
    at = open_page("dataset")
    finish(ui.press(at, "check"))
    assert any("Very dark" in expander.label for expander in at.expander)
    assert ui.find_button(at, "check") is None


# --- photos that belong together ---------------------------------------------------------------


@pytest.fixture
def series(picture_folder):
    """Nine subjects with four photos each, known by their names alone."""
    folder = picture_folder()
    for path in folder.rglob("*.png"):
        number = int(path.stem)
        path.rename(path.with_name(f"{path.parent.name}{number // 4}_{number % 4}.png"))
    return import_dataset(folder)


def test_photos_that_look_like_series_are_asked_about_and_kept_together(open_page, ui, series):
    at = open_page("dataset")
    assert any("**36 photos look like 9 series**" in text for text in ui.texts(at))
    ui.press(at, "keep_series")
    assert load_dataset(series.id).group_count == 9
    assert ui.find_button(at, "keep_series") is None
    assert any(box.label == "Photos that belong together: 9 groups" for box in at.expander)


def test_series_can_be_declined(open_page, ui, series):
    at = ui.press(open_page("dataset"), "no_series")
    assert load_dataset(series.id).group_rule == "none"
    assert ui.find_button(at, "keep_series") is None


def test_a_rule_is_chosen_and_a_wrong_one_is_said(open_page, ui, series):
    at = open_page("dataset")
    at.selectbox(key=f"group_kind_{series.id}_1").set_value("name").run()
    pattern = f"group_name_{series.id}_1"
    at.text_input(key=pattern).set_value("^(zebra)").run()
    ui.press(at, "group_by")
    assert any("finds no group in 36 images" in error.value for error in [*at.error, *at.toast])
    at.text_input(key=pattern).set_value("^([a-z]+[0-9])_").run()
    ui.press(at, "group_by")
    assert load_dataset(series.id).group_rule == "name:^([a-z]+[0-9])_"


@pytest.mark.parametrize(
    ("rule", "name", "value"),
    [("name:^([a-z]+[0-9])_", "name", "^([a-z]+[0-9])_"), ("time:0.5", "time", 1)],
)
def test_the_choice_begins_with_the_rule_in_force(open_page, ui, picture_folder, rule, name, value):
    folder = picture_folder(count=4)
    for path in sorted(folder.rglob("*.png")):
        subject = int(path.stem) // 2
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0x9003] = f"2024:05:01 10:00:{subject:02}"
        with Image.open(path) as image:
            image.save(path.with_name(f"{path.parent.name}{subject}_{path.stem}.jpg"), exif=exif)
        path.unlink()
    data = import_dataset(folder, group_by=rule)
    at = open_page("dataset")
    assert at.selectbox(key=f"group_kind_{data.id}_1").value == rule.partition(":")[0]
    assert at.session_state[f"group_{name}_{data.id}_1"] == value
    assert ui.find_button(at, "group_by").disabled == (rule != "time:0.5")


# --- photos that are set aside -----------------------------------------------------------------


def test_photos_are_set_aside_for_the_final_exam(open_page, ui, picture_folder):
    data = import_dataset(picture_folder())
    at = open_page("dataset")
    assert any("Worth it from about 200 photos" in caption.value for caption in at.caption)
    ui.press(at, "set_aside")
    assert load_dataset(data.id).split_counts == {"test": 6}
    assert any(box.label == "Final exam: 6 photos set aside" for box in at.expander)
    assert not any("its own split" in info.value for info in at.info)
    assert ui.find_button(at, "set_aside") is None


# --- deleting ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("trained")
def test_a_deleted_dataset_is_gone_with_its_runs(open_page, ui, workspace):
    at = ui.press(open_page("dataset"), "delete")
    assert len(list_datasets()) == 0
    assert list_runs() == []
    assert half_written(workspace) == []
    assert not at.metric
    assert not at.sidebar.selectbox


@pytest.mark.thorough
def test_deleting_one_dataset_leaves_the_other(open_page, ui, trained, picture_folder):
    other = import_dataset(picture_folder(("cat", "dog")), name="Pets")
    at = open_page("dataset")
    at.sidebar.selectbox(key="dataset").select(other.id).run()
    ui.press(at, "delete")
    assert list(list_datasets()["id"]) == [trained.dataset.id]
    assert [run.id for run in list_runs()] == [trained.run.id]
    assert at.session_state["dataset"] == trained.dataset.id
    assert figures(at)["Photos"] == "90"


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


def test_a_dataset_is_not_deleted_while_a_training_on_it_waits(
    open_page, finish, ui, hold, trained, tiny_backbone
):
    held = hold()
    at = ui.choose_weights(open_page("train"), tiny_backbone)
    ui.press(at, "start")
    ui.press(ui.go_to(at, "dataset"), f"delete_{trained.dataset.id}")
    assert "is in use" in at.error[0].value
    assert load_run(trained.run.id).state == "complete"
    held.let_go()
    finish(at)
    assert job_queue().jobs()[0].snapshot.state == "complete"
    ui.press(at, f"delete_{trained.dataset.id}")
    assert list_datasets().empty


# --- a full disk -------------------------------------------------------------------------------


def test_photos_are_shown_on_a_full_disk_as_well(open_page, ui, trained, workspace, monkeypatch):
    shutil.rmtree(trained.dataset.folder / "thumbnails", ignore_errors=True)
    FakeDisk(workspace.root, monkeypatch).fill()
    at = open_page("dataset")
    assert len(at.image) > 0
    assert not any("picture is gone" in text for text in ui.texts(at))
