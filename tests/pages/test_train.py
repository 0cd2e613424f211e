import json
from dataclasses import fields

import pytest
import torch

from app.shared import results
from app.shared.state import job_queue
from tests._hub import refusal, serving, use_in_place_of_the_hub
from tests._variants import first_of
from vitcore.dataset import add_images, import_dataset, load_dataset
from vitcore.language import percent
from vitcore.progress import Estimate
from vitcore.runs import list_runs, load_run
from vitcore.training import PRESETS, Hyperparameters

SETTINGS = {
    "epochs": 5,
    "learning_rate": 0.02,
    "batch_size": 64,
    "optimizer": "sgd",
    "schedule": "constant",
    "warmup_epochs": 2,
    "weight_decay": 0.1,
    "label_smoothing": 0.1,
    "balance": "weights",
    "head": "hidden",
    "hidden_units": 64,
    "dropout": 0.1,
    "noise": 0.1,
    "mixup": 0.2,
    "monitor": "accuracy",
    "patience": 3,
    "views": 2,
    "augmentations": ["blur", "flip"],
    "input_size": 112,
    "validation_fraction": 0.25,
    "finish": False,
    "repeats": 2,
    "seed": 7,
}
KINDS = ("select_slider", "selectbox", "multiselect", "number_input", "toggle")


def widget(at, key):
    """The widget of a setting, whatever its kind."""
    return next(found for kind in KINDS for found in getattr(at, kind) if found.key == key)


def choose(at, **values):
    if "head" in values:  # whose choice makes others possible
        widget(at, "head").set_value(values["head"]).run()
    for key, value in values.items():
        widget(at, key).set_value(value)
    at.run()
    assert not at.exception
    return at


@pytest.fixture
def page(open_page, ui, picture_folder, tiny_backbone):
    """The page with a dataset and the tiny backbone chosen."""
    import_dataset(picture_folder())
    return ui.choose_weights(open_page("train"), tiny_backbone)


def test_the_settings_shown_first_are_the_defaults(page):
    for field in fields(Hyperparameters):
        value = widget(page, field.name).value
        assert (tuple(value) if isinstance(value, list) else value) == field.default


def test_there_is_a_setting_for_every_hyperparameter():
    assert SETTINGS.keys() == {field.name for field in fields(Hyperparameters)}


def test_a_training_uses_the_settings_that_are_shown(page, finish, ui, tiny_backbone):
    choose(page, precision="bf16", device="cpu", engine="torch", **SETTINGS)
    finish(ui.press(page, "start"))
    (run,) = list_runs()
    assert run.hyperparameters == Hyperparameters(**SETTINGS)
    assert vars(run.config.requested) == {
        "backbone": tiny_backbone,
        "device": "cpu",
        "precision": "bf16",
        "engine": "torch",
    }


def test_the_settings_are_kept_from_page_to_page(page, ui):
    choose(page, **SETTINGS)
    ui.go_to(page, "dataset")
    ui.go_to(page, "train")
    assert {key: widget(page, key).value for key in SETTINGS} == SETTINGS


def test_a_training_ends_with_its_figures(page, finish, ui):
    choose(page, epochs=3)
    assert not page.metric
    finish(ui.press(page, "start"))
    (run,) = list_runs()
    assert run.state == "complete"
    assert page.session_state["run"] == run.id
    assert percent(run.evaluation.accuracy) in [metric.value for metric in page.metric]
    assert len(page.get("vega_lite_chart")) == 3  # how the figure grew, loss and scores
    assert len(page.success) == 1


def test_a_second_training_is_chosen_in_place_of_the_first(page, finish, ui):
    chosen = []
    for epochs in (2, 3):
        finish(ui.press(choose(page, epochs=epochs), "start"))
        chosen.append(page.session_state["run"])
    assert [load_run(run_id).hyperparameters.epochs for run_id in chosen] == [2, 3]


def test_after_training_again_the_fair_difference_comes_before_the_figures(page, finish, ui, picture_folder):
    finish(ui.press(choose(page, epochs=1, learning_rate=1e-5), "start"))
    assert not [text for text in ui.texts(page) if "both trainings" in text]
    data = load_dataset(page.session_state["dataset"])
    add_images(data, picture_folder(("blue", "green", "red", "yellow"), count=18, name="more"))
    finish(ui.press(choose(page, epochs=20, learning_rate=0.02), "start"))
    second, first = list_runs()
    assert set(first.predictions["sha256"]) < set(second.predictions["sha256"])
    texts = ui.texts(page)
    [place] = [n for n, text in enumerate(texts) if "photos that both trainings were judged on" in text]
    assert f"On the {first.headline.images} photos that both trainings were judged on" in texts[place]
    assert place < texts.index(percent(second.headline.accuracy))
    caption = next(text for text in texts if "McNemar" in text or "the other alone on" in text)
    assert "Compared with" in caption
    assert "Only one of the two knows 'yellow'" in caption.replace("\\", "")


def test_trainings_that_share_no_photos_say_why_and_what_to_do(page, finish, ui):
    finish(ui.press(choose(page, epochs=1), "start"))
    [first] = list_runs()
    for name, rows in (("predictions", first.predictions), ("cross-validation", first.cross_validated)):
        rows["sha256"] = [f"{number:064x}" for number in range(len(rows))]
        rows.to_csv(first.folder / f"{name}.csv", index=False)
    results._kept.clear()  # the page has shown that run already
    finish(ui.press(choose(page, epochs=2), "start"))
    second = list_runs()[0]
    [said] = [info.value for info in page.info]
    assert "another part by now" in said
    assert "Train once more with the settings of the earlier one" in said
    assert "seed" not in said
    assert percent(second.headline.accuracy) in [metric.value for metric in page.metric]


def test_a_seed_or_share_that_divides_the_photos_anew_is_said_before(page, finish, ui):
    assert not choose(page, seed=7).info
    finish(ui.press(choose(page, seed=0, epochs=1), "start"))
    assert not page.info
    for change in ({"seed": 7}, {"seed": 0, "validation_fraction": 0.3}):
        [info] = choose(page, **change).info
        assert "divide the photos anew" in info.value
    finish(ui.press(page, "start"))
    assert not [info for info in page.info if "divide the photos anew" in info.value]


@pytest.mark.parametrize(("epochs", "warmup"), first_of([(3, 3), (3, 10), (1, 2)]))
def test_settings_that_contradict_each_other_start_nothing(page, ui, epochs, warmup):
    ui.press(choose(page, epochs=epochs, warmup_epochs=warmup), "start")
    assert len(page.error) == 1
    assert job_queue().jobs() == []
    assert list_runs() == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="the device is here")
def test_a_device_that_is_not_here_starts_nothing(page, ui):
    ui.press(choose(page, device="cuda"), "start")
    assert len(page.error) == 1
    assert job_queue().jobs() == []


@pytest.mark.parametrize("path", first_of(["missing.safetensors", "", "resnet18", "/etc/passwd"]))
def test_weights_that_cannot_be_used_are_an_error(page, finish, ui, hold, path):
    held = hold()
    ui.press(ui.choose_weights(page, path), "start")
    held.let_go()
    finish(page)
    (run_job, _) = job_queue().jobs()
    assert run_job.snapshot.state == "failed"
    assert "unexpected" not in str(run_job.snapshot.message)
    assert len(page.error) == 1
    assert list_runs() == []


def test_a_licence_to_accept_first_says_where_and_how(page, finish, ui, tmp_path, monkeypatch):
    said = "Access to model timm/x is restricted and you are not in the authorized list. Ask for access. " * 3
    with serving(b"weights") as hub:
        use_in_place_of_the_hub(hub.url, tmp_path / "hub", monkeypatch)
        hub.asked = refusal(403, X_Error_Code="GatedRepo", X_Error_Message=said)
        finish(ui.press(ui.choose_weights(page, "vit_small_patch16_dinov3.lvd1689m"), "start"))
    (shown,) = [error.value.replace("\\", "") for error in page.error]
    assert shown.startswith(
        "The training ended early. 'vit_small_patch16_dinov3.lvd1689m' cannot be downloaded"
    )
    assert f"accept it at 127.0.0.1:{hub.server_port}/timm/vit_small_patch16_dinov3.lvd1689m" in shown
    assert shown.endswith("sign in with 'hf auth login' or set HF_TOKEN, try again, or choose 'embedded'.")
    assert list_runs() == []


def test_a_dataset_too_small_to_learn_from_is_an_error(
    open_page, finish, ui, hold, picture_folder, tiny_backbone
):
    import_dataset(picture_folder(("red",)))
    held = hold()
    at = ui.press(ui.choose_weights(open_page("train"), tiny_backbone), "start")
    held.let_go()
    finish(at)
    assert len(at.error) == 1
    assert list_runs() == []


# --- while it runs -----------------------------------------------------------------------------


@pytest.mark.usefixtures("trained")
def test_any_session_sees_the_running_training(open_page, ui, hold):
    held = hold()
    for at in (open_page("train"), open_page("train")):
        assert ui.find_button(at, f"stop_{held.job.id}")
        assert sum("3 of 20" in text for text in ui.texts(at)) == 2  # in the page and in the sidebar
        assert not at.metric


def test_the_curves_of_a_running_training_are_live(open_page, hold, trained):
    held = hold()
    at = open_page("train")
    assert not at.get("vega_lite_chart")
    held.job.announce(trained.run.id)
    at.run()
    assert not at.exception
    assert len(at.get("vega_lite_chart")) == 2


@pytest.mark.usefixtures("trained")
def test_any_session_can_stop_the_running_training(open_page, finish, ui, hold):
    held = hold()
    at = ui.press(open_page("train"), f"stop_{held.job.id}")
    finish(at)
    assert held.job.snapshot.state == "stopped"
    assert ui.find_button(at, "stop_") is None
    assert at.metric


def test_a_training_waits_for_the_one_before_it(page, finish, ui, hold):
    held = hold(title="the first")
    ui.press(page, "start")
    first, second = job_queue().active()
    assert (first, second.snapshot.state) == (held.job, "waiting")
    held.let_go()
    finish(page)
    assert second.snapshot.state == "complete"


@pytest.mark.thorough
def test_two_sessions_train_at_once_and_neither_touches_the_choice_of_the_other(
    open_page, picture_folder, tiny_backbone, finish, ui
):
    chosen = {}
    for name, epochs in (("first", 2), ("second", 3)):
        data = import_dataset(picture_folder(count=12 + epochs, name=name), name=name)
        at = open_page("train")
        at.sidebar.selectbox(key="dataset").set_value(data.id).run()
        chosen[name] = choose(ui.choose_weights(at, tiny_backbone), epochs=epochs), data
    for at, _ in chosen.values():
        ui.press(at, "start")
    first, second = reversed(job_queue().jobs())
    for at, _ in chosen.values():
        finish(at)
    assert [job.snapshot.state for job in (first, second)] == ["complete", "complete"]
    for (at, data), job in zip(chosen.values(), (first, second), strict=True):
        assert at.session_state["dataset"] == data.id
        assert at.session_state["run"] == job.snapshot.result_id
        assert load_run(at.session_state["run"]).config.dataset.id == data.id


def test_a_training_that_is_stopped_while_it_waits_leaves_no_run(page, finish, ui, hold):
    held = hold()
    ui.press(page, "start")
    job_queue().stop(job_queue().jobs()[0])
    held.let_go()
    finish(page)
    assert list_runs() == []
    assert len(page.warning) == 1


def test_a_waiting_training_can_be_stopped_on_the_page(page, ui, hold):
    hold()
    ui.press(page, "start")
    waiting = job_queue().jobs()[0]
    ui.press(page, f"stop_{waiting.id}")
    assert waiting.stop.is_set()


def test_a_training_goes_on_when_its_session_is_gone(page, open_page, finish, ui, hold):
    held = hold()
    ui.press(page, "start")
    del page
    held.let_go()
    at = finish(open_page("train"))
    (run,) = list_runs()
    assert run.state == "complete"
    assert at.session_state["run"] == run.id


# --- presets, files, other runs -----------------------------------------------------------------


def shown(at):
    """The settings that the widgets show."""
    values = {field.name: widget(at, field.name).value for field in fields(Hyperparameters)}
    return Hyperparameters.from_dict(values)


@pytest.mark.parametrize("name", first_of(PRESETS))
def test_a_preset_sets_every_setting(page, name):
    choose(page, **SETTINGS)
    assert page.radio(key="preset").value is None
    page.radio(key="preset").set_value(name).run()
    assert page.radio(key="preset").value == name
    assert shown(page) == PRESETS[name].hyperparameters


def test_settings_are_taken_over_from_a_run(open_page, ui, trained):
    at = choose(open_page("train"), **SETTINGS)
    ui.press(at, "take_settings")
    assert shown(at) == trained.run.hyperparameters
    assert at.text_input(key="weights").value == trained.run.config.requested.backbone


def settings_file(at, content):
    uploader = next(found for found in at.file_uploader if found.key.startswith("settings_"))
    uploader.set_value(("settings.json", content, "application/json")).run()
    assert not at.exception
    return at


def test_settings_are_brought_back_from_a_file(page):
    odd = {**SETTINGS, "learning_rate": 0.00123, "epochs": 777}  # on no slider so far
    settings_file(page, json.dumps({"hyperparameters": odd, "requested": {"device": "cpu"}}).encode())
    assert shown(page) == Hyperparameters.from_dict(odd)
    assert widget(page, "device").value == "cpu"


@pytest.mark.parametrize(
    "content",
    first_of([b'{"hyperparameters": {"magic": 1}}', b"\xff", b"", b"[]", b"null", b"{", b'{"epochs": 0}'], 2),
)
def test_a_file_that_has_no_settings_changes_none(page, content):
    before = shown(page)
    settings_file(page, content)
    assert len(page.error) == 1
    assert shown(page) == before


def test_with_lbfgs_what_it_has_no_use_for_is_left_alone(page, finish, ui):
    choose(page, optimizer="lbfgs", dropout=0.1, learning_rate=0.1, epochs=3)
    assert widget(page, "dropout").disabled
    finish(ui.press(page, "start"))
    (run,) = list_runs()
    assert run.hyperparameters == Hyperparameters(optimizer="lbfgs", epochs=3)


@pytest.mark.parametrize(("ended", "button"), [("running", "interrupted_"), ("stopped", "resume_")])
def test_a_training_that_ended_early_goes_on(open_page, finish, ui, trained, ended, button):
    folder = trained.run.folder
    config = json.loads((folder / "config.json").read_text())
    state = json.loads((folder / "state.json").read_text())
    (folder / "state.json").write_text(json.dumps({**state, "state": ended}))
    at = open_page("train")
    finish(ui.press(at, f"{button}{trained.run.id}"))
    run = load_run(trained.run.id)
    assert run.state == "complete"
    assert len(run.history) == config["hyperparameters"]["epochs"]
    assert ui.find_button(at, button) is None


# --- from photos to a figure -------------------------------------------------------------------


def test_photos_are_imported_and_trained_on_by_one_click(
    open_page, finish, ui, picture_folder, tiny_backbone
):
    at = open_page("dataset")
    at.session_state["backbone"], at.session_state["weights"] = "file", tiny_backbone
    at.session_state["epochs"] = 2
    ui.press(ui.look_at_path(at, picture_folder()), "train")
    assert ui.current_page(at) == "Train"
    finish(at)
    (job,), (run,) = (job for job in job_queue().jobs() if job.kind == "run"), list_runs()
    assert (job.snapshot.state, job.snapshot.result_id) == ("complete", run.id)
    assert [estimate.images for estimate in job.snapshot.estimates] == [20]
    assert {estimate.total for estimate in job.snapshot.estimates} == {36}
    assert at.session_state["dataset"] == run.config.dataset.id == job.snapshot.works_on
    assert at.session_state["run"] == run.id
    assert job.snapshot.progress.whole > 0.9


def test_figures_before_their_time_are_shown(open_page, ui, hold, trained):
    held = hold()
    held.job.estimate(Estimate(images=80, total=600, accuracy=0.64, low=0.52, high=0.75))
    at = open_page("train")
    assert any("from 80 of 600 photos: about **64\N{NO-BREAK SPACE}%**" in text for text in ui.texts(at))
    assert len(at.get("vega_lite_chart")) == 1
    assert trained.run.state == "complete"


def test_a_training_on_other_photos_does_not_hide_the_result(open_page, ui, hold, trained):
    held = hold()
    held.job.works_on("another")
    at = open_page("train")
    assert any("another dataset is under way" in text for text in ui.texts(at))
    assert at.session_state["run"] == trained.run.id
    assert at.metric


def test_without_photos_yet_the_page_shows_the_training_that_brings_them(open_page, ui, hold):
    held = hold()
    at = open_page("train")
    at.session_state["arriving"] = {held.job.id}
    at.run()
    assert not at.exception
    assert ui.find_button(at, f"stop_{held.job.id}")
    assert ui.find_button(at, "empty_dataset") is None


def test_the_result_names_the_worst_confusions_and_answers_a_photo(open_page, ui, trained):
    at = open_page("train")
    rows = trained.run.headline_predictions
    wrong = rows[rows["true"] != rows["predicted"]]
    most = wrong.groupby(["true", "predicted"]).size().max()
    assert any("taken for" in text and f"{most} photo" in text for text in ui.texts(at))
    photo = trained.dataset.path(rows["file"].iloc[0])
    next(found for found in at.file_uploader if found.key == "trial").set_value(
        (photo.name, photo.read_bytes(), "image/png")
    ).run()
    assert not at.exception
    assert any(name in text for text in ui.texts(at) for name in trained.run.classes)
