import io
import json
import re
import zipfile

import numpy as np
import pytest
from PIL import Image

from app.predict.answer_table import _json, _zip
from tests._disks import FakeDisk
from tests._pictures import encoded, image_of_mode
from tests._piles import video
from tests._variants import first_of
from vitcore.dataset import load_dataset
from vitcore.inference import load_classifier
from vitcore.language import percent
from vitcore.pipeline import list_batches, load_map_check
from vitcore.report import answer_sentence

PHOTO = encoded(image_of_mode("RGB"))


@pytest.fixture
def drop(finish):
    """Drops files, given as name and bytes, and waits for the answers."""

    def drop(at, *files):
        at.file_uploader[0].set_value([(*file, "image/png") for file in files]).run()
        assert not at.exception
        return finish(at)

    return drop


def headings(at):
    """The classes that were predicted, in order."""
    return [found[1] for text in at.markdown if (found := re.match(r"### (.+)", text.value))]


def labels_of(at):
    return {button.label for button in at.download_button}


@pytest.mark.usefixtures("trained")
def test_without_photos_there_is_nothing_to_take_along(open_page):
    at = open_page("predict")
    assert not at.image
    assert not at.download_button


def test_photos_get_the_answers_of_the_classifier_with_a_map_each(open_page, drop, ui, trained):
    classifier = load_classifier(trained.run.folder)
    rows = trained.dataset.index.drop_duplicates("label")
    files = [(f"{row.label}.png", trained.dataset.path(row.file).read_bytes()) for row in rows.itertuples()]
    expected = classifier.predict([content for _, content in files])
    at = drop(open_page("predict"), *files, ("broken.png", b"no photo"))
    assert headings(at) == [answer_sentence(item.label, item.reason, item.possible) for item in expected]
    assert len(at.image) == 2 * len(rows)  # each with its map
    said = " ".join(ui.texts(at))
    assert all(percent(item.confidence) in said for item in expected if item.reason != "novel")
    assert "broken\\.png" in said
    assert "Answers as CSV" in labels_of(at)
    # Another class can be asked for, and what is alike.
    chosen = next(box for box in at.selectbox if box.key.startswith("map_"))
    chosen.set_value(expected[0].label).run()
    next(box for box in at.toggle if box.key.startswith("alike_")).set_value(True).run()
    assert not at.exception
    assert len(at.image) == 2 * len(rows) + 6


def test_a_wrong_answer_is_corrected_into_the_dataset_and_taken_back(open_page, drop, ui, trained):
    before = trained.dataset.class_counts
    at = drop(open_page("predict"), ("new.png", PHOTO))
    box = next(box for box in at.selectbox if box.key.startswith("mend_class_"))
    box.set_value("green").run()
    ui.press(at, "mend_add_")
    assert load_dataset(trained.dataset.id).class_counts == {**before, "green": before["green"] + 1}
    assert any("Added to" in text for text in ui.texts(at))
    ui.press(at, "unmend_")
    assert load_dataset(trained.dataset.id).class_counts == before
    assert ui.find_button(at, "mend_add_") is not None


def test_a_photo_of_another_kind_is_not_sure_in_the_same_words_everywhere(open_page, drop, ui, trained):
    checks = Image.fromarray(np.kron(np.indices((8, 8)).sum(0) % 2 * 255, np.ones((20, 20))).astype("uint8"))
    at = drop(open_page("predict"), ("other.png", encoded(checks.convert("RGB"))))
    assert headings(at) == ["Not sure: unlike anything it learned from"]
    (batch,) = list_batches(trained.run)
    nearest = f"nearest class: {batch.label(0)}"
    assert nearest in [caption.value for caption in at.caption]
    assert not any("%" in shown.value for shown in [*at.main.caption, *at.main.markdown])
    assert batch.to_csv().decode("utf-8-sig").splitlines()[1].split(",")[1] == headings(at)[0]
    assert any("**0** sure · **1** not sure · **0** unusable" in text for text in ui.texts(at))


@pytest.mark.usefixtures("trained")
def test_only_broken_photos_give_nothing_to_look_at(open_page, drop, ui):
    at = drop(open_page("predict"), ("one.png", b""))
    assert not at.image
    assert any("one\\.png" in text for text in ui.texts(at))


@pytest.mark.parametrize(
    ("mode", "kind"),
    first_of(
        [
            ("I;16", "PNG"),
            ("RGB", "JPEG"),
            ("L", "JPEG"),
            ("CMYK", "JPEG"),
            ("1", "PNG"),
            ("P", "PNG"),
            ("LA", "PNG"),
            ("RGBA", "PNG"),
            ("RGB", "WEBP"),
            ("P", "GIF"),
            ("RGB", "BMP"),
            ("F", "TIFF"),
        ]
    ),
)
@pytest.mark.usefixtures("trained")
def test_a_photo_of_any_kind_is_shown_and_answered(open_page, drop, mode, kind):
    at = drop(open_page("predict"), (f"photo.{kind.lower()}", encoded(image_of_mode(mode), kind)))
    assert len(at.image) == 2
    assert len(headings(at)) == 1


@pytest.mark.thorough
def test_a_zip_is_unpacked_shown_page_by_page_and_as_a_table(open_page, drop, photos_zip, trained):
    at = drop(open_page("predict"), ("many.zip", photos_zip(count=4)))
    assert len(headings(at)) == 6  # of twelve
    (batch,) = list_batches(trained.run)
    at.button_group(key="answers_show").set_value("sure").run()
    assert len(headings(at)) == min(6, int(batch.answers["sure"].sum()))
    at.button_group(key="answers_show").set_value("all").run()
    at.button_group(key="answers_view").set_value("table").run()
    table = at.dataframe[0].value
    assert len(table) == 12
    assert table["photo"].str.startswith("data:image/jpeg").all()
    assert not at.exception


@pytest.mark.thorough
@pytest.mark.usefixtures("trained")
def test_photos_that_came_before_can_be_looked_at_again_and_forgotten(open_page, drop, ui):
    at = drop(open_page("predict"), ("one.png", PHOTO))
    at = drop(at, ("two.png", encoded(image_of_mode("L"))))
    assert "two.png" in " ".join(caption.value.replace("\\", "") for caption in at.caption)
    again = open_page("predict")  # another session
    chosen = next(box for box in again.selectbox if box.label == "Photos")
    assert len(chosen.options) == 2
    chosen.set_value(chosen.options[1] if chosen.value == chosen.options[0] else chosen.options[0])
    again.run()
    ui.press(again, "forget_")
    assert not [box for box in again.selectbox if box.label == "Photos"]
    assert len(headings(again)) == 1


@pytest.mark.thorough
def test_a_classifier_whose_weights_are_gone_is_an_error(open_page, trained):
    (trained.run.folder / "model" / "head.safetensors").unlink()
    at = open_page("predict")
    at.file_uploader[0].set_value([("one.png", PHOTO, "image/png")]).run()
    assert len(at.error) == 1


@pytest.mark.thorough
def test_answers_are_taken_along_as_they_are_shown(open_page, drop, trained):
    drop(open_page("predict"), ("one.png", PHOTO), ("two.png", b"no"))
    (batch,) = list_batches(trained.run)
    found = json.loads(_json(batch))
    assert [item["file"] for item in found["predictions"]] == ["one.png"]
    assert batch.to_csv().decode("utf-8-sig").splitlines()[1].startswith("one.png,")
    with zipfile.ZipFile(io.BytesIO(_zip(batch, unsure_apart=False))) as archive:
        assert archive.namelist() == [f"{batch.label(0)}/one.png"]


def test_hostile_names_do_not_come_alive(open_page, drop, ui, hostile):  # noqa: ARG001
    at = drop(
        open_page("predict"),
        ("![x](http://evil/p.png).png", PHOTO),
        ("# title.png", b"no"),
    )
    assert ui.live(at) == []


@pytest.mark.thorough
def test_the_maps_are_measured_on_request(open_page, finish, drop, ui, trained):
    at = drop(open_page("predict"), ("one.png", PHOTO))
    at = finish(ui.press(at, "check_maps"))
    assert load_map_check(trained.run).images == 24
    assert ui.find_button(at, "check_maps") is None


@pytest.mark.usefixtures("trained")
def test_photos_that_find_no_space_are_told_and_answered_once_there_is_some(
    open_page, finish, workspace, monkeypatch
):
    disk = FakeDisk(workspace.root, monkeypatch)
    at = open_page("predict")
    disk.fill()
    at.file_uploader[0].set_value([("one.png", PHOTO, "image/png")]).run()
    assert not at.exception
    assert "free some space" in at.error[0].value
    disk.free()
    finish(at.run())
    assert len(headings(at)) == 1


def test_a_video_gets_a_table_over_time(open_page, drop, finish, ui, trained):
    at = drop(open_page("predict"), ("clip.mp4", video(3)))
    assert not list_batches(trained.run)  # the interval is asked for first
    ui.press(at, "cancel_video")
    at = drop(at, ("clip.mp4", video(3)))
    at.number_input(key="predict_interval_s").set_value(1.0).run()
    at = finish(ui.press(at, "answer_video"))
    table = at.dataframe[0].value
    assert table["time"].tolist() == [0, 1, 2]
    assert table["file"].tolist() == [f"clip at {time}.0 s.png" for time in range(3)]
    (batch,) = list_batches(trained.run)
    assert table["answer"].tolist() == [batch.answer(number) for number in range(3)]
    assert table["sure"].tolist() == batch.answers["sure"].tolist()
