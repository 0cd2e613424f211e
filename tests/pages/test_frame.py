"""The frame around the pages: sidebar, selection, notices, empty states, names from outside."""

import json
import shutil

import pytest

from app.shared.state import job_queue
from tests._variants import first_of
from vitcore.dataset import import_dataset

PAGES = ["dataset", "train", "evaluate", "samples", "predict", "runs"]
NEED_A_RUN = ["evaluate", "samples", "predict"]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_opens_without_anything(open_page, ui, page):
    at = open_page(page)
    assert not at.exception
    assert len(at.sidebar.selectbox) == 0
    assert ui.texts(at)


@pytest.mark.parametrize("page", ["train", *NEED_A_RUN])
def test_without_a_dataset_a_page_leads_to_where_photos_come_in(open_page, ui, page):
    at = ui.press(open_page(page), "empty_dataset")
    assert ui.current_page(at) == "ViT Studio"


@pytest.mark.parametrize("page", ["train", *NEED_A_RUN])
def test_without_a_dataset_the_sample_set_is_one_click_away(open_page, ui, hold, page):
    hold()
    at = ui.press(open_page(page), "empty_sample")
    assert ui.current_page(at) == "Train"
    job, _ = job_queue().jobs()
    assert job.kind == "run"
    job_queue().stop(job)


@pytest.mark.parametrize("page", first_of(NEED_A_RUN))
def test_without_a_run_a_page_leads_to_the_training(open_page, ui, picture_folder, page):
    import_dataset(picture_folder())
    at = ui.press(open_page(page), "empty_train")
    assert ui.current_page(at) == "Train"


@pytest.mark.parametrize("page", PAGES)
def test_a_page_opens_with_a_finished_run(open_page, trained, page):
    at = open_page(page)
    assert not at.exception
    assert at.sidebar.selectbox(key="dataset").value == trained.dataset.id
    assert at.sidebar.selectbox(key="run").value == trained.run.id


@pytest.mark.parametrize("page", first_of(PAGES))
@pytest.mark.usefixtures("trained")
def test_a_page_opens_in_the_dark(open_page, page):
    open_page(page, theme="dark")


@pytest.mark.usefixtures("trained")
def test_the_pages_lead_through_the_work(open_page, ui):
    at = open_page("dataset")
    for title in ("Train", "Evaluate", "Samples", "Predict", "Runs"):
        ui.press(at, "next_")
        assert ui.current_page(at) == title
    assert ui.find_button(at, "next_") is None


@pytest.mark.parametrize("page", first_of(PAGES))
def test_the_app_runs_from_any_folder(open_page, trained, tmp_path, monkeypatch, page):
    monkeypatch.chdir(tmp_path)
    assert open_page(page).sidebar.selectbox(key="run").value == trained.run.id


# --- choosing ----------------------------------------------------------------------------------


@pytest.fixture
def two_datasets(trained, picture_folder):
    """A dataset with a run, and one without, in this order of age."""
    return trained.dataset, import_dataset(picture_folder(("cat", "dog"), count=5), name="Pets")


def test_the_choice_of_a_dataset_is_kept_from_page_to_page(open_page, ui, two_datasets):
    for chosen in two_datasets:
        at = open_page("dataset")
        at.sidebar.selectbox(key="dataset").select(chosen.id).run()
        for page in ("train", "runs", "dataset"):
            ui.go_to(at, page)
            assert at.session_state["dataset"] == chosen.id
        assert at.metric[0].value == f"{len(chosen.index)}"


def test_another_dataset_brings_its_own_runs(open_page, ui, two_datasets, trained):
    at = open_page("train")
    at.sidebar.selectbox(key="dataset").select(two_datasets[0].id).run()
    assert at.session_state["run"] == trained.run.id
    at.sidebar.selectbox(key="dataset").select(two_datasets[1].id).run()
    assert [box.key for box in at.sidebar.selectbox] == ["dataset"]
    ui.go_to(at, "evaluate")
    assert ui.find_button(at, "empty_train")


@pytest.mark.thorough
def test_datasets_of_one_name_can_be_told_apart(open_page, picture_folder):
    made = [import_dataset(picture_folder(name=name, count=3), name="Photos") for name in ("one", "two")]
    at = open_page("dataset")
    options = at.sidebar.selectbox(key="dataset").options
    assert len(set(options)) == len(options) == 2
    for dataset in made:
        at.sidebar.selectbox(key="dataset").select(dataset.id).run()
        assert at.session_state["dataset"] == dataset.id


def test_runs_of_one_second_can_be_told_apart(open_page, trained):
    twin = trained.run.folder.with_name(trained.run.id[:-6] + "ffffff")
    shutil.copytree(trained.run.folder, twin)
    at = open_page("evaluate")
    options = at.sidebar.selectbox(key="run").options
    assert len(set(options)) == len(options) == 2


def test_what_another_session_imports_does_not_change_the_choice(open_page, finish, ui, trained):
    mine, other = open_page("dataset"), open_page("dataset")
    folder = trained.dataset.folder  # any folder with images
    ui.import_path(other, folder / "images")
    mine.run()
    finish(other)
    finish(mine)
    assert mine.session_state["dataset"] == trained.dataset.id
    assert other.session_state["dataset"] != trained.dataset.id


# --- jobs --------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", first_of(PAGES))
@pytest.mark.usefixtures("trained")
def test_every_page_shows_the_running_job(open_page, ui, hold, page):
    hold(title="held photos")
    shown = [text for text in ui.texts(open_page(page)) if "3 of 20" in text]
    assert shown
    assert all("held photos" in text for text in shown)


@pytest.mark.parametrize("page", first_of(PAGES))
@pytest.mark.usefixtures("trained")
def test_a_job_that_has_ended_is_no_longer_shown(open_page, finish, ui, hold, page):
    held = hold()
    at = open_page(page)
    held.let_go()
    finish(at)
    assert not any("3 of 20" in text for text in ui.texts(at))


def test_a_waiting_job_is_shown_as_well(open_page, ui, hold):
    hold()
    job_queue().submit("run", "next in line", lambda _job: None)
    assert any("next in line" in text for text in ui.texts(open_page("dataset")))


@pytest.mark.usefixtures("trained")
def test_only_the_session_that_started_a_job_is_told_once_how_it_ended(
    open_page, finish, ui, hold, broken_photos
):
    held = hold("import")
    mine, other = open_page("dataset"), open_page("dataset")
    ui.import_path(mine, broken_photos())
    other.run()
    held.let_go()
    finish(mine)
    finish(other)
    assert len(mine.error) == 1
    assert len(other.error) == 0
    mine.run()
    assert len(mine.error) == 0


# --- what was interrupted ----------------------------------------------------------------------


@pytest.fixture
def interrupted(trained):
    """A run whose process was killed when its results were written, and nothing was known of its course."""
    state = trained.run.folder / "state.json"
    state.write_text(json.dumps({"state": "running", "since": "2026-11-23T10:00:00+00:00"}))
    return trained.run


@pytest.mark.parametrize("page", PAGES)
def test_the_first_page_says_what_was_interrupted_until_that_is_waved_away(open_page, ui, interrupted, page):
    at = open_page(page)
    assert sum("was interrupted after 4 of 4 epochs" in text for text in ui.texts(at)) == 1
    assert ui.find_button(at, "resume_") is None
    ui.press(at, f"not_now_{interrupted.id}")
    assert not any("was interrupted" in text for text in ui.texts(at))
    assert ui.find_button(ui.go_to(at, "train"), f"resume_{interrupted.id}")
    assert any("was interrupted" in text for text in ui.texts(open_page(page)))


def test_another_session_resumes_what_was_interrupted(open_page, ui, hold, interrupted):
    hold()
    sessions = [open_page("dataset"), open_page("predict")]
    at = ui.press(sessions[1], f"interrupted_{interrupted.id}")
    assert ui.current_page(at) == "Train"
    assert [job.kind for job in job_queue().active()] == ["run", "run"]
    assert not any("was interrupted" in text for text in ui.texts(at))


def test_what_cannot_be_resumed_any_more_is_said_to_be_so(
    open_page, finish, ui, hold, interrupted, workspace
):
    at = open_page("dataset")
    shutil.rmtree(workspace.datasets / interrupted.config.dataset.id)
    held = hold()
    ui.press(at, f"interrupted_{interrupted.id}")
    held.let_go()
    finish(at)
    assert "no dataset" in at.error[0].value


# --- damage ------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["dataset", "runs"])
@pytest.mark.parametrize("file", first_of(["config.json", "state.json", "evaluation.json"]))
def test_a_damaged_run_does_not_take_the_app_down(open_page, trained, page, file):
    (trained.run.folder / file).write_text("{ this is not JSON")
    open_page(page)


@pytest.mark.parametrize("page", ["dataset", "runs"])
def test_a_damaged_dataset_does_not_take_the_app_down(open_page, trained, page):
    (trained.dataset.folder / "dataset.json").write_text("{ this is not JSON")
    open_page(page)


@pytest.mark.parametrize("page", ["dataset", "samples"])
def test_pictures_that_are_gone_are_said_to_be_gone(open_page, trained, page):
    for folder in ("images", "thumbnails"):
        shutil.rmtree(trained.dataset.folder / folder, ignore_errors=True)
    at = open_page(page)
    assert not at.exception
    assert len(at.image) == 0


# --- names from outside ------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.usefixtures("hostile")
def test_hostile_names_are_shown_as_they_are(open_page, ui, page):
    assert ui.live(open_page(page)) == []


@pytest.mark.parametrize("page", ["dataset", "samples"])
@pytest.mark.usefixtures("hostile")
def test_hostile_names_are_shown_in_the_gallery(open_page, ui, page):
    assert any("script\\>" in text for text in ui.texts(open_page(page)))


def test_hostile_names_are_shown_among_the_mistakes(open_section, ui, hostile):
    assert hostile.run.evaluation.accuracy < 1
    at = open_section("evaluate", "confusions")
    assert any("script\\>" in text for text in ui.texts(at))


@pytest.mark.usefixtures("hostile")
def test_a_prediction_shows_a_hostile_class_as_it_is(open_page, finish, ui, hostile):
    at = open_page("predict")
    rows = hostile.dataset.index.drop_duplicates("label")
    files = [
        ("![x](http://evil).png", hostile.dataset.path(file).read_bytes(), "image/png")
        for file in rows["file"]
    ]
    at.file_uploader[0].set_value(files).run()
    at = finish(at)
    assert len(at.image) == 2 * 6  # one page of photos, with their maps
    assert ui.live(at) == []


@pytest.mark.parametrize("name", first_of(["![x](http://evil/p.png)", "<script>alert(1)</script>", "**b**"]))
def test_the_message_of_a_failed_job_is_shown_as_it_is(open_page, finish, ui, hold, broken_photos, name):
    held = hold("import")
    at = ui.import_path(open_page("dataset"), broken_photos(name))
    held.let_go()
    finish(at)
    assert len(at.error) == 1
    assert ui.live(at) == []


@pytest.mark.parametrize("title", first_of(["![x](http://evil/p.png)", "<script>alert(1)</script>", "**b**"]))
@pytest.mark.parametrize("page", ["dataset", "train"])
def test_the_titles_of_jobs_are_shown_as_they_are(open_page, ui, hold, page, title):
    hold(title=title)
    job_queue().submit("run", title, lambda _job: None)
    assert ui.live(open_page(page)) == []


def test_the_reason_of_a_failed_run_is_shown_as_it_is(open_page, ui, hostile):
    facts = {"state": "failed", "since": "2026-11-23T10:00:00+00:00", "message": "Class '![x](http://evil)'"}
    (hostile.run.folder / "state.json").write_text(json.dumps(facts))
    assert ui.live(open_page("runs")) == []


# --- the door ----------------------------------------------------------------------------------


def test_a_path_of_the_server_that_is_closed_is_refused(open_page, ui, picture_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("VITSTUDIO_FOLDERS", str(tmp_path / "open"))
    at = ui.look_at_path(open_page("dataset"), picture_folder())
    assert "in no folder that is open" in at.error[0].value
    assert ui.find_button(at, "import") is None


@pytest.mark.usefixtures("trained")
def test_visitors_from_elsewhere_are_offered_no_path_of_the_server(open_page, monkeypatch):
    assert "computer" in " ".join(open_page("dataset").button_group(key="way").options)
    monkeypatch.setenv("VITSTUDIO_FOLDERS", "")
    assert "computer" not in " ".join(open_page("dataset").button_group(key="way").options)
    at = open_page("train")
    assert "computer" not in " ".join(at.selectbox(key="backbone").options)


def test_weights_that_are_not_open_are_not_trained_with(open_page, ui, trained, monkeypatch):
    at = open_page("train")
    ui.choose_weights(at, trained.run.config.requested.backbone)
    at.run()
    monkeypatch.setenv("VITSTUDIO_FOLDERS", "")
    ui.press(at, "start training")
    assert "closed to its visitors" in at.error[0].value
    assert job_queue().jobs() == []
