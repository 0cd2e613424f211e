"""Measuring smaller input sizes on the Train page, and taking one."""

import json

import pytest

from app.shared.state import job_queue
from tests.pages._spoken import left_in_english, spoken
from vitcore.compute import Compute
from vitcore.dataset import import_dataset
from vitcore.pipeline import compare_sizes, load_sizes
from vitcore.training import Hyperparameters

QUICK = Hyperparameters(epochs=2)


@pytest.fixture
def page(open_page, ui, trained, tiny_backbone):  # noqa: ARG001 - with a dataset
    """The page with the tiny backbone chosen."""
    return with_backbone(ui, open_page("train"), tiny_backbone)


def with_backbone(ui, at, path):
    ui.choose_weights(at, path)
    at.select_slider(key="epochs").set_value(QUICK.epochs)
    at.selectbox(key="engine").set_value("torch")
    at.select_slider(key="size_images").set_value(40).run()
    assert not at.exception
    return at


@pytest.fixture
def measured(trained, tiny_backbone):
    """A comparison that was made before."""
    return compare_sizes(
        trained.dataset, QUICK, compute=Compute(tiny_backbone, device="cpu", engine="torch"), images=40
    )


def test_sizes_are_measured_and_one_is_taken(page, ui, finish, trained, tiny_backbone):
    assert not page.table
    finish(ui.press(page, "measure_sizes"))
    found = load_sizes(trained.dataset, QUICK, backbone=tiny_backbone)
    assert found.images == 39
    assert len(page.success) == 1
    (table,) = page.table
    assert [cell.split()[0] for cell in table.value.iloc[:, 0]] == ["160", "128"]
    assert ui.find_button(page, "use_size_160").disabled
    ui.press(page, "use_size_128")
    assert page.select_slider(key="input_size").value == 128
    assert ui.find_button(page, "use_size_128").disabled
    ui.press(page, "use_size_160")
    assert page.select_slider(key="input_size").value == 0  # which is the usual size


@pytest.mark.thorough
def test_what_was_measured_is_there_in_another_session(measured, page, ui):
    (table,) = page.table
    assert len(table.value) == len(measured.sizes)
    page.select_slider(key="epochs").set_value(3).run()
    assert len(page.table) == 1
    assert any("other settings" in text for text in ui.texts(page))
    page.text_input(key="weights").set_value("other.safetensors").run()
    assert not page.table


@pytest.mark.thorough
def test_it_shows_how_far_it_is_and_can_be_stopped(page, ui, finish, hold):
    held = hold(kind="sizes")
    page.run()
    assert ui.find_button(page, "measure_sizes").disabled
    finish(ui.press(page, f"stop_{held.job.id}"))
    assert held.job.snapshot.state == "stopped"
    assert not page.table
    assert not ui.find_button(page, "measure_sizes").disabled


@pytest.mark.thorough
@pytest.mark.parametrize(("classes", "count", "succeeds"), [(("a", "b"), 20, True), (("a", "b"), 6, False)])
def test_few_classes_and_few_photos(
    open_page, ui, finish, picture_folder, tiny_backbone, classes, count, succeeds
):
    import_dataset(picture_folder(classes, count=count))
    page = finish(ui.press(with_backbone(ui, open_page("train"), tiny_backbone), "measure_sizes"))
    assert (len(page.success), len(page.error)) == (succeeds, not succeeds)
    assert len(page.table) == succeeds
    if not succeeds:
        assert "too few" in page.error[0].value
        assert "unexpected" not in page.error[0].value


@pytest.mark.thorough
@pytest.mark.parametrize("settings", [{"warmup_epochs": 5}, {"device": "cuda"}])
def test_what_cannot_be_started_is_said_and_starts_nothing(page, ui, settings):
    for key, value in settings.items():
        kind = page.selectbox if key == "device" else page.select_slider
        kind(key=key).set_value(value).run()
    ui.press(page, "measure_sizes")
    assert len(page.error) == 1
    assert job_queue().jobs() == []


@pytest.mark.thorough
def test_a_damaged_file_is_an_error_and_is_measured_again(measured, page, ui, finish, trained):
    assert len(measured.sizes) == 2
    [path] = (trained.dataset.folder / "sizes").iterdir()
    path.write_text(json.dumps({"sizes": 3}))
    page.run()
    assert len(page.error) == 1
    finish(ui.press(page, "measure_sizes"))
    assert not page.error
    assert len(page.table) == 1


@pytest.mark.thorough
def test_what_was_measured_is_told_in_spanish(page, ui, finish, tiny_backbone):
    page.button_group(key="language").set_value("es").run()
    finish(ui.press(page, "measure_sizes"))
    assert len(page.table) == 1
    names = ("My photos", "red", "green", "blue", "tiny.safetensors", tiny_backbone)
    assert left_in_english([], spoken(page), names) == []
