"""Piles of photos that the page asks about before it imports them."""

import threading

import pytest

from app.dataset import staged
from tests._piles import CASES, write_pile
from vitcore.dataset import inspect_source, list_datasets, load_dataset
from vitcore.errors import Stopped
from vitcore.progress import Progress


def imported():
    (dataset_id,) = list_datasets()["id"]
    return load_dataset(dataset_id).class_counts


@pytest.fixture
def flat(picture_folder):
    """A folder of photos that nothing but the names, or a table, tells apart."""

    def flat(*names):
        folder = picture_folder(("all",), count=len(names))
        for photo, name in zip(sorted((folder / "all").iterdir()), names, strict=True):
            photo.rename(folder / name)
        (folder / "all").rmdir()
        return folder

    return flat


def test_classes_in_file_names_are_taken_when_a_person_says_so(open_page, finish, ui, flat):
    folder = flat("hat.0.png", "hat.1.png", "T_shirt_2.png", "T_shirt_3.png")
    at = ui.look_at_path(open_page("dataset"), folder)
    assert ui.find_button(at, "import") is None
    (readings,) = (radio for radio in at.radio if radio.label == "How to read it")
    assert readings.value is None
    assert "in the file name" in readings.options[0]
    readings.set_value(0).run()
    finish(ui.press(at, "import"))
    assert imported() == {"T_shirt": 2, "hat": 2}


def test_photos_with_several_labels_are_left_out_when_a_person_says_so(open_page, finish, ui, flat):
    folder = flat("1.png", "2.png", "3.png", "4.png")
    (folder / "train.csv").write_text("image,rust,scab\n1,1,0\n2,0,1\n3,0,1\n4,1,1\n")
    at = ui.look_at_path(open_page("dataset"), folder)
    assert ui.find_button(at, "import") is None
    (readings,) = (radio for radio in at.radio if radio.label == "How to read it")
    assert "left out" in readings.options[0]
    readings.set_value(0).run()
    finish(ui.press(at, "import"))
    assert imported() == {"rust": 1, "scab": 2}


def test_names_that_are_alike_can_be_one_class(open_page, finish, ui, picture_folder):
    folder = picture_folder(("Hat", "hat", "shoe"), count=2)
    at = ui.look_at_path(open_page("dataset"), folder)
    (alike,) = (box for box in at.checkbox if "capitals or spaces" in box.label)
    alike.check().run()
    finish(ui.press(at, "import"))
    assert sorted(imported().values()) == [2, 4]


@pytest.mark.thorough
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_each_pile_is_read_on_the_page_as_on_the_command_line(open_page, finish, ui, tmp_path, case):
    pile = write_pile(case, tmp_path)
    at = ui.look_at_path(open_page("dataset"), pile)
    readings = [radio for radio in at.radio if radio.label == "How to read it"]
    if case.asks:
        assert ui.find_button(at, "import") is None
        candidates = inspect_source(pile).candidates
        wanted = [number for number, candidate in enumerate(candidates) if candidate.classes == case.named]
        readings[0].set_value(wanted[0]).run()
    if case.reading.alike:
        next(box for box in at.checkbox if "capitals or spaces" in box.label).check().run()
    photos = next(metric for metric in at.metric if metric.label == "Photos to import")
    assert photos.value == str(sum(case.named.values()))
    finish(ui.press(at, "import"))
    assert imported() == case.classes


@pytest.fixture
def slow_list(monkeypatch):
    """Makes the list of files one that is read until it is let go, or stopped."""
    go_on = threading.Event()

    def slowly(sources, *, reading, task):
        while not go_on.wait(0.01):
            task.report(Progress(phase="list", done=20, total=80, unit="MB"))
            if task.stopped:
                raise Stopped("It was stopped.")
        return inspect_source(sources, reading=reading, task=task)

    monkeypatch.setattr(staged, "inspect_source", slowly)
    monkeypatch.setattr(staged, "PATIENCE_S", 0.05)
    yield go_on
    go_on.set()


def test_a_list_that_takes_long_is_read_in_the_background(open_page, finish, ui, picture_folder, slow_list):
    at = ui.look_at_path(open_page("dataset"), picture_folder(count=2))
    assert any("Reading the list of files" in text.value for text in at.markdown)
    assert ui.find_button(at, "import") is None
    assert ui.find_button(at, "stop_") is not None
    slow_list.set()
    finish(at)
    finish(at)  # the photos that are shown are read by another look
    finish(ui.press(at, "import"))
    assert imported() == {"blue": 2, "green": 2, "red": 2}


@pytest.mark.usefixtures("slow_list")
def test_a_list_that_takes_long_can_be_stopped(open_page, finish, ui, picture_folder):
    at = ui.look_at_path(open_page("dataset"), picture_folder(count=2))
    finish(ui.press(at, "stop_"))
    assert ui.find_button(at, "cancel_import") is None  # back at the ways in
    assert at.button_group(key="way")
    assert list_datasets().empty
